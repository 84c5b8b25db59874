/* A backend as all workers see it. */
#include "backend.h"

#include <stdlib.h>

#define GARBAGE_SHOWN	 32 /* bytes */
#define GARBAGE_EVERY_NS 1000000000ULL

static uint64_t
links_up(void *arg)
{
	const struct backend *b = arg;

	return __atomic_load_n(&b->links_up, __ATOMIC_RELAXED);
}

static uint64_t
speaks_meta(void *arg)
{
	const struct backend *b = arg;

	return (__atomic_load_n(&b->speaks, __ATOMIC_RELAXED) & BACKEND_SPEAKS_META) != 0;
}

static uint64_t
sets_versions(void *arg)
{
	const struct backend *b = arg;

	return (__atomic_load_n(&b->speaks, __ATOMIC_RELAXED) & BACKEND_SETS_CAS) != 0;
}

static const struct {
	const char *name, *doc;
	rend_gauge_f *read;
} gauges[] = {
	{ "links_up", "connections to the backend that are up", links_up },
	{ "speaks_meta", "1: the backend understands meta commands", speaks_meta },
	{ "sets_versions", "1: the backend gives items the versions it is told (the flag E)", sets_versions },
};

static const struct {
	size_t at;
	const char *name, *doc;
} counters[] = {
	{ offsetof(struct backend, connects), "connects", "connections to the backend that were made" },
	{ offsetof(struct backend, disconnects), "disconnects", "connections to the backend that ended" },
	{ offsetof(struct backend, timeouts), "timeouts", "requests the backend did not answer in time" },
	{ offsetof(struct backend, garbage), "garbage", "connections closed because of an answer that cannot be" },
	{ offsetof(struct backend, bytes_read), "bytes_read", "bytes the backend sent" },
	{ offsetof(struct backend, bytes_written), "bytes_written", "bytes sent to the backend" },
};

struct backend *
backend_new(const struct memcached_conf *conf, struct rend_node *self, struct rend_error *err)
{
	struct backend *b = calloc(1, sizeof *b);
	const char *why;

	if (b == NULL) {
		rend_error(err, "no memory");
		return NULL;
	}
	if (address_init(&b->address, conf->servers.strings[0], &why) != 0) {
		rend_error(err, "servers: \"%s\": %s", conf->servers.strings[0], why);
		free(b);
		return NULL;
	}
	b->magic = BACKEND_MAGIC;
	b->conf = conf;
	b->node = rend_node_name(self);
	for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
		*(struct rend_counter **)(void *)((char *)b + counters[i].at) = rend_counter_new(
		    self, counters[i].name, counters[i].doc);
	for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++)
		rend_gauge_new(self, gauges[i].name, gauges[i].doc, gauges[i].read, b);
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
	address_fini(&b->address);
	free(b);
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
		rend_log(REND_LOG_INFO, "%s: backend %s is up (%s%s)", b->node, b->address.text,
		    dialect.meta ? "meta protocol" : "classic text",
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
	if (links_up(b) != 0)
		return;
	if (__atomic_exchange_n(&b->said, BACKEND_DOWN, __ATOMIC_RELAXED) != BACKEND_DOWN)
		rend_log(REND_LOG_WARN, "%s: backend %s is down: %s", b->node, b->address.text, why);
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
	    b->address.text, why, hex);
}
