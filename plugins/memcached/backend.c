/* A backend as all workers see it. */
#include "backend.h"

#include <stdlib.h>

#define GARBAGE_SHOWN	 32 /* bytes */
#define GARBAGE_EVERY_NS 1000000000ULL

static const struct {
	size_t at;
	const char *name, *doc;
} counters[] = {
	{ offsetof(struct backend, connects), "connects", "connections to the backend that were made" },
	{ offsetof(struct backend, connect_errors), "connect_errors",
	    "connections that were refused, or could not be tried" },
	{ offsetof(struct backend, connect_timeouts), "connect_timeouts", "connections that were not made in time" },
	{ offsetof(struct backend, probe_errors), "probe_errors",
	    "connections that were made, and on which the backend did not answer what it was asked first" },
	{ offsetof(struct backend, disconnects), "disconnects", "connections to the backend that ended" },
	{ offsetof(struct backend, timeouts), "timeouts", "requests the backend did not answer in time" },
	{ offsetof(struct backend, silences), "silences", "connections closed because nothing came for max_silence" },
	{ offsetof(struct backend, garbage), "garbage", "connections closed because of an answer that cannot be" },
	{ offsetof(struct backend, lost), "lost", "requests that were under way when their connection ended" },
	{ offsetof(struct backend, asked_again), "asked_again", "reads that were asked again on another connection" },
	{ offsetof(struct backend, busy), "busy", "requests turned away because of queue_bytes" },
	{ offsetof(struct backend, downs), "downs",
	    "times that a link was taken for down: requests fail at once until it answers again" },
	{ offsetof(struct backend, flaps), "flaps",
	    "connections that broke under requests before they had worked for retry_max" },
	{ offsetof(struct backend, moves), "moves",
	    "connections closed because the backend's name means another address now" },
	{ offsetof(struct backend, rewrites), "rewrites",
	    "append, prepend, incr and decr that were refused because the item is on the backend's flash, and done all "
	    "the same" },
	{ offsetof(struct backend, bytes_read), "bytes_read", "bytes the backend sent" },
	{ offsetof(struct backend, bytes_written), "bytes_written", "bytes sent to the backend" },
};

static struct rend_counter **
counter_at(struct backend *b, size_t i)
{
	return (struct rend_counter **)(void *)((char *)b + counters[i].at);
}

struct backend *
backend_new(const struct memcached_conf *conf, const char *address, struct rend_node *self, struct backend *first,
    struct rend_error *err)
{
	struct backend *b = calloc(1, sizeof *b);

	if (b != NULL)
		b->resolver = resolver_new(address, conf->resolve_every);
	if (b == NULL || b->resolver == NULL) {
		free(b);
		rend_error(err, "no memory");
		return NULL;
	}
	b->magic = BACKEND_MAGIC;
	b->conf = conf;
	b->node = rend_node_name(self);
	b->text = address;
	b->said_version = resolver_version(b->resolver);
	backend_tick(b);
	for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
		*counter_at(b, i) = first != NULL ? *counter_at(first, i)
						  : rend_counter_new(self, counters[i].name, counters[i].doc);
	return b;
}

void
backend_free(struct backend **bp)
{
	struct backend *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	REND_CHECK(b, BACKEND_MAGIC);
	resolver_free(&b->resolver);
	free(b);
}

/* Whoever comes first says it. */
static void
say_name(struct backend *b)
{
	const char *fault = resolver_fault(b->resolver);
	bool unknown = fault != NULL;
	unsigned version = resolver_version(b->resolver);

	if (__atomic_exchange_n(&b->said_unknown, unknown, __ATOMIC_RELAXED) != unknown && unknown)
		rend_log(REND_LOG_WARN, "%s: backend %s: its name cannot be looked up: %s", b->node, b->text, fault);
	if (__atomic_exchange_n(&b->said_version, version, __ATOMIC_RELAXED) != version)
		rend_log(REND_LOG_INFO, "%s: backend %s: its name means another address now", b->node, b->text);
}

void
backend_tick(struct backend *b)
{
	resolver_refresh(b->resolver, false);
	say_name(b);
}

void
backend_link_up(struct backend *b, struct dialect dialect)
{
	unsigned speaks = BACKEND_SPEAKS | (dialect.meta ? BACKEND_SPEAKS_META : 0) |
			  (dialect.sets_cas ? BACKEND_SETS_CAS : 0);
	bool other = __atomic_exchange_n(&b->speaks, speaks, __ATOMIC_RELAXED) != speaks;

	rend_count(b->connects, 1);
	__atomic_fetch_add(&b->links_up, 1, __ATOMIC_RELAXED);
	if (__atomic_exchange_n(&b->said, BACKEND_UP, __ATOMIC_RELAXED) != BACKEND_UP || other)
		rend_log(REND_LOG_INFO, "%s: backend %s is up (%s%s)", b->node, b->text,
		    dialect.meta ? "meta protocol" : "classic text, no leases",
		    dialect.sets_cas ? ", sets versions" : ", versions of its own");
}

void
backend_link_gone(struct backend *b)
{
	rend_count(b->disconnects, 1);
	__atomic_fetch_sub(&b->links_up, 1, __ATOMIC_RELAXED);
}

void
backend_unreachable(struct backend *b, const char *why)
{
	resolver_refresh(b->resolver, true);
	if (__atomic_load_n(&b->links_up, __ATOMIC_RELAXED) != 0)
		return;
	if (__atomic_exchange_n(&b->said, BACKEND_DOWN, __ATOMIC_RELAXED) != BACKEND_DOWN)
		rend_log(REND_LOG_WARN, "%s: backend %s is down: %s", b->node, b->text, why);
}

void
backend_spoke_garbage(struct backend *b, const char *why, const char *p, size_t len)
{
	uint64_t now = rend_now(), last = __atomic_load_n(&b->garbage_said, __ATOMIC_RELAXED);
	char hex[2 * GARBAGE_SHOWN + 1] = "";

	rend_count(b->garbage, 1);
	if (last != 0 && now - last < GARBAGE_EVERY_NS)
		return;
	if (!__atomic_compare_exchange_n(&b->garbage_said, &last, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	for (size_t i = 0; i < len && i < GARBAGE_SHOWN; i++) {
		hex[2 * i] = "0123456789abcdef"[(unsigned char)p[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[(unsigned char)p[i] & 15];
		hex[2 * i + 2] = '\0';
	}
	rend_log(REND_LOG_WARN,
	    "%s: backend %s sent what cannot be an answer (%s), beginning with bytes %s: connection closed", b->node,
	    b->text, why, hex);
}
