/* A handler that asks a memcached somewhere else, or several of which each has a part of the keys.  Each worker shares a few pipelined
 * connections to each among all its clients. */
#include <stdlib.h>

#include "backend.h"
#include "link.h"
#include "pool.h"
#include "rend/plugin.h"

#define OPT(name, type, field, fallback, range, doc) \
	REND_OPTION(name, type, memcached_conf, field, fallback, range, doc)

static const struct rend_option options[] = {
	OPT("servers", REND_STRINGS, servers, NULL, NULL,
	    "The backend: \"unix:/path\", \"host:port\" or \"[address]:port\"; of several each has a part of the keys, "
	    "and may have "
	    "weight=NUMBER and name=NAME behind its address."),
	OPT("hash", REND_CHOICE, hash, "ketama_weighted", RING_KIND_NAMES,
	    "How keys are spread over several: ketama_weighted is twemproxy's ketama and libmemcached's "
	    "KETAMA_WEIGHTED, ketama is "
	    "libmemcached's KETAMA, evcache is EVCache's."),
	OPT("key_hash", REND_CHOICE, key_hash, "md5", KEY_HASH_NAMES,
	    "The hash of a key; twemproxy's default is fnv1a_64."),
	OPT("hash_tag", REND_STRING, hash_tag, "", NULL,
	    "Two characters, such as {}: of a key that has both, what is between them is hashed; empty: the whole "
	    "key."),
	OPT("hash_skip", REND_STRING, hash_skip, "", NULL,
	    "What a key may begin with that is not hashed, as libmemcached's prefix is not."),
	OPT("failure_mode", REND_CHOICE, failure_mode, "error", FAILURE_MODE_NAMES,
	    "What becomes of the keys of a server that is down: errors; gets miss; or the next server takes them "
	    "meanwhile, and what the "
	    "first had is there again when it is back, though it may be old."),
	OPT("links", REND_INT, links, "1", "1..64", "Connections to the backend, for each worker."),
	OPT("queue", REND_INT, queue, "4096", "1..1000000",
	    "Requests under way for each worker; more are answered busy."),
	OPT("queue_bytes", REND_SIZE, queue_bytes, "64MiB", "64KiB..",
	    "Bytes that may wait to be sent over one connection, beside a largest value; while more do, requests are "
	    "answered busy."),
	OPT("connect_timeout", REND_DURATION, connect_timeout, "1s", "1ms..1h",
	    "How long a connection may take to be made, to each address that the name has."),
	OPT("request_timeout", REND_DURATION, request_timeout, "1s", "1ms..1h",
	    "How long a client waits for the backend."),
	OPT("max_silence", REND_DURATION, max_silence, "0", "..1h",
	    "How long nothing may come over a connection on which requests wait; then it is closed, and made again; 0: "
	    "as long as request_timeout."),
	OPT("max_timeouts", REND_INT, max_timeouts, "3", "1..1000000",
	    "So many requests in a row that were not answered in time: the backend is down."),
	OPT("retry_min", REND_DURATION, retry_min, "100ms", "1ms..1h",
	    "The first pause before a backend that is down is tried again; each is half as long again as the one "
	    "before."),
	OPT("retry_max", REND_DURATION, retry_max, "10s", "1ms..1h",
	    "The longest pause; a connection that worked for so long lets the pauses begin anew."),
	OPT("resolve_every", REND_DURATION, resolve_every, "30s", "..1h",
	    "How often the server's name is looked up again; 0: only when it cannot be reached."),
	OPT("exclusive", REND_BOOL, exclusive, "false", NULL,
	    "As an l1: nobody but this rend uses the backend, so reads need not wait for it.  It is flushed at start."),
	{ 0 },
};

/* One worker's view. */
struct instance {
	unsigned magic;
#define INSTANCE_MAGIC 0x1257a9c3U
	struct pool *pool;
	size_t each;  /* links of each server */
	size_t count; /* of all */
	struct link *links[];
};

static int
memcached_check(const void *arg, struct rend_error *err)
{
	const struct memcached_conf *conf = arg;

	if (pool_check(conf, err) != 0)
		return -1;
	if (conf->retry_min > conf->retry_max)
		return rend_error(err, "retry_min: is longer than retry_max");
	return 0;
}

static int
memcached_open(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	*store = pool_new(conf, self, err);
	return *store == NULL ? -1 : 0;
}

static void
memcached_close(void *store)
{
	struct pool *p = store;

	pool_free(&p);
}

static void
memcached_limits(const void *arg, struct rend_limits *limits)
{
	const struct memcached_conf *conf = arg;

	limits->time = conf->request_timeout;
	limits->queue = (uint32_t)conf->queue;
}

static uint32_t
memcached_promises(const void *arg)
{
	const struct memcached_conf *conf = arg;

	/* Who looks for a copy, or drops one, has to hear that it could not: else an old one may be there when the server is. */
	if (conf->failure_mode != FAILURE_ERROR)
		return REND_MISS_MAY_BE_AWAY;
	return REND_CAN_LEASE | (conf->exclusive ? REND_CAN_EXCLUDE : 0);
}

/* An l1 that nobody else uses: no other block may say so of the same server. */
static const char *
memcached_claims(const void *arg, unsigned nth)
{
	const struct memcached_conf *conf = arg;

	return conf->exclusive && nth < conf->servers.count ? pool_address(conf->servers.strings[nth]) : NULL;
}

static void
memcached_detach(void *arg)
{
	struct instance *in = arg;

	REND_CHECK(in, INSTANCE_MAGIC);
	for (size_t i = 0; i < in->count; i++)
		link_free(&in->links[i]);
	free(in);
}

static int
memcached_attach(void **inst, void *store, struct rend_worker *worker, struct rend_error *err)
{
	struct pool *p = store;
	size_t each = (size_t)p->conf->links;
	struct instance *in = calloc(1, sizeof *in + p->count * each * sizeof in->links[0]);

	REND_CHECK(p, POOL_MAGIC);
	if (in == NULL)
		return rend_error(err, "no memory");
	in->magic = INSTANCE_MAGIC;
	in->pool = p;
	in->each = each;
	for (in->count = 0; in->count < p->count * each; in->count++) {
		in->links[in->count] = link_new(p->backends[in->count / each], worker);
		if (in->links[in->count] == NULL) {
			memcached_detach(in);
			return rend_error(err, "no memory");
		}
	}
	*inst = in;
	return 0;
}

/* ---- flush_all, of all servers ---- */

/* What the op's scratch is meanwhile. */
struct spread {
	size_t left;
	enum rend_status status;
};
_Static_assert(sizeof(struct spread) <= LINK_SCRATCH_SIZE, "a spread does not fit an op's scratch");

static void
flush_ended(struct rend_op *op, enum rend_status status)
{
	struct spread *s = (struct spread *)(void *)op->scratch;

	if (s->status == REND_OK)
		s->status = status;
	if (--s->left == 0)
		rend_done(op, s->status);
}

static void
flush_done(struct rend_op *kid)
{
	struct rend_op *op = kid->up;
	enum rend_status status = (enum rend_status)kid->status;

	rend_op_free(&kid);
	flush_ended(op, status);
}

/* Each is a child that comes back here, for its server only. */
static void
flush_servers(struct instance *in, struct rend_op *op)
{
	size_t count = in->pool->count;

	*(struct spread *)(void *)op->scratch = (struct spread){ .left = count, .status = REND_OK };
	for (size_t i = 0; i < count; i++) {
		struct rend_op *kid = rend_op_child(op);

		if (kid == NULL) {
			flush_ended(op, REND_NO_MEMORY);
			continue;
		}
		kid->verb = REND_FLUSH_ALL;
		kid->ask.mode = REND_ONLY_PART;
		kid->ask.delta = i;
		kid->up = op;
		kid->done = flush_done;
		if (rend_submit(in->pool->self, kid))
			flush_done(kid);
	}
}

/* ---- parts: each server is one ---- */

static uint32_t
memcached_parts(const void *arg)
{
	return (uint32_t)((const struct memcached_conf *)arg)->servers.count;
}

static uint32_t
memcached_part(void *arg, const struct rend_op *op)
{
	const struct instance *in = arg;

	return (uint32_t)pool_find(in->pool, op->key, op->keylen, NULL, NULL);
}

/* ---- asking ---- */

/* All that is asked of one key goes one way, so that it stays in order: over the same link of its server, or of the one that stands in for it. */
struct way {
	const struct instance *in;
	size_t nth;
};

static struct link *
link_of(const struct way *way, size_t server)
{
	return way->in->links[server * way->in->each + way->nth];
}

static bool
is_there(const void *arg, size_t server)
{
	return link_hopeful(link_of(arg, server));
}

static struct link *
link_for_key(const struct instance *in, const struct rend_op *op)
{
	struct way way = { in, (size_t)(op->hash >> 32) % in->each };
	bool next = in->pool->conf->failure_mode == FAILURE_NEXT;

	return link_of(&way, pool_find(in->pool, op->key, op->keylen, next ? is_there : NULL, &way));
}

/* A flush_all of one server goes over the first link that is there. */
static struct link *
link_to_flush(const struct instance *in, size_t server)
{
	struct link *const *links = &in->links[server * in->each];

	for (size_t i = 0; i < in->each; i++)
		if (link_hopeful(links[i]))
			return links[i];
	return links[0];
}

/* Of which servers a flush_all is: of all, or of the one it says, if there is such a one. */
static void
servers_to_flush(const struct instance *in, const struct rend_op *op, size_t *first, size_t *end)
{
	bool one = (op->ask.mode & REND_ONLY_PART) != 0;

	*first = one && op->ask.delta < in->pool->count ? (size_t)op->ask.delta : 0;
	*end = one ? *first + (op->ask.delta < in->pool->count) : in->pool->count;
}

static void
memcached_flush_all(struct instance *in, struct rend_op *op)
{
	size_t first, end;

	servers_to_flush(in, op, &first, &end);
	if (end - first > 1)
		flush_servers(in, op);
	else if (end - first == 1)
		link_ask(link_to_flush(in, first), op);
	else
		rend_done(op, REND_UNSUPPORTED);
}

static void
memcached_ask(void *arg, struct rend_op *op)
{
	struct instance *in = arg;
	struct link *link;

	if (op->verb == REND_FLUSH_ALL) {
		memcached_flush_all(in, op);
		return;
	}
	link = link_for_key(in, op);
	if (in->pool->conf->failure_mode == FAILURE_MISS && op->verb == REND_GET && !link_hopeful(link))
		rend_done(op, REND_MISS);
	else
		link_ask(link, op);
}

static bool
memcached_reaches(void *arg, const struct rend_op *op)
{
	const struct instance *in = arg;
	size_t first, end;

	if (op->verb != REND_FLUSH_ALL)
		return link_hopeful(link_for_key(in, op));
	for (servers_to_flush(in, op, &first, &end); first < end; first++)
		if (!link_hopeful(link_to_flush(in, first)))
			return false;
	return true;
}

static void
memcached_flush(void *arg)
{
	struct instance *in = arg;

	for (size_t i = 0; i < in->count; i++)
		link_flush(in->links[i]);
}

static void
memcached_tick(void *arg)
{
	struct instance *in = arg;

	pool_tick(in->pool);
	for (size_t i = 0; i < in->count; i++)
		link_tick(in->links[i]);
}

static bool
memcached_up(void *arg)
{
	const struct instance *in = arg;

	for (size_t i = 0; i < in->count; i++)
		if (link_hopeful(in->links[i]))
			return true;
	return false;
}

static const struct rend_handler memcached = {
	.name = "memcached",
	.doc = "Keeps values in another memcached.",
	.conf_size = sizeof(struct memcached_conf),
	.options = options,
	.scratch_size = LINK_SCRATCH_SIZE,
	.modes = REND_MODES_ALL,
	.check = memcached_check,
	.open = memcached_open,
	.close = memcached_close,
	.attach = memcached_attach,
	.detach = memcached_detach,
	.limits = memcached_limits,
	.any = memcached_ask,
	.flush = memcached_flush,
	.tick = memcached_tick,
	.up = memcached_up,
	.promises = memcached_promises,
	.claims = memcached_claims,
	.parts = memcached_parts,
	.part = memcached_part,
	.reaches = memcached_reaches,
};

REND_PLUGIN(.version = "0.1", .handler = &memcached);
