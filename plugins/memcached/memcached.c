/* A handler that asks a memcached somewhere else.  Each worker shares a few pipelined connections among all its
 * clients. */
#include <stdlib.h>

#include "backend.h"
#include "link.h"
#include "rend/plugin.h"

#define OPT(name, type, field, fallback, range, doc) \
	REND_OPTION(name, type, memcached_conf, field, fallback, range, doc)

static const struct rend_option options[] = {
	OPT("servers", REND_STRINGS, servers, NULL, NULL,
	    "The backend: \"unix:/path\", \"host:port\" or \"[address]:port\"; one."),
	OPT("links", REND_INT, links, "1", "1..64", "Connections to the backend, for each worker."),
	OPT("queue", REND_INT, queue, "4096", "1..1000000",
	    "Requests under way for each worker; more are answered busy."),
	OPT("queue_bytes", REND_SIZE, queue_bytes, "64MiB", "64KiB..",
	    "Bytes that may wait to be sent over one connection, beside a largest value; while more do, requests are "
	    "answered busy."),
	OPT("connect_timeout", REND_DURATION, connect_timeout, "1s", "1ms..1h",
	    "How long a connection may take to be made."),
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
	struct backend *backend;
	size_t count;
	struct link *links[];
};

static int
memcached_check(const void *arg, struct rend_error *err)
{
	const struct memcached_conf *conf = arg;
	const char *fault;

	if (conf->servers.count == 0)
		return rend_error(err, "servers: names no server; write servers = [ \"host:port\" ]");
	if (conf->servers.count > 1)
		return rend_error(err,
		    "servers: names %zu servers, and one is all this plugin can use: keys are not spread over several "
		    "yet",
		    conf->servers.count);
	fault = address_fault(conf->servers.strings[0]);
	if (fault != NULL)
		return rend_error(err, "servers: \"%s\": %s", conf->servers.strings[0], fault);
	if (conf->retry_min > conf->retry_max)
		return rend_error(err, "retry_min: is longer than retry_max");
	return 0;
}

static int
memcached_open(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	*store = backend_new(conf, self, err);
	return *store == NULL ? -1 : 0;
}

static void
memcached_close(void *store)
{
	struct backend *b = store;

	backend_free(&b);
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
	return ((const struct memcached_conf *)arg)->exclusive ? REND_CAN_EXCLUDE : 0;
}

/* An l1 that nobody else uses: no other block may say so of the same server. */
static const char *
memcached_claims(const void *arg, unsigned nth)
{
	const struct memcached_conf *conf = arg;

	return nth == 0 && conf->exclusive ? conf->servers.strings[0] : NULL;
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
	struct backend *b = store;
	size_t links = (size_t)b->conf->links;
	struct instance *in = calloc(1, sizeof *in + links * sizeof in->links[0]);

	REND_CHECK(b, BACKEND_MAGIC);
	if (in == NULL)
		return rend_error(err, "no memory");
	in->magic = INSTANCE_MAGIC;
	in->backend = b;
	for (in->count = 0; in->count < links; in->count++) {
		in->links[in->count] = link_new(b, worker);
		if (in->links[in->count] == NULL) {
			memcached_detach(in);
			return rend_error(err, "no memory");
		}
	}
	*inst = in;
	return 0;
}

/* All that is asked of one key goes one way, so that it stays in order. */
static void
memcached_ask(void *arg, struct rend_op *op)
{
	struct instance *in = arg;
	size_t which = op->verb == REND_FLUSH_ALL ? 0 : (size_t)(op->hash >> 32) % in->count;

	link_ask(in->links[which], op);
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

	backend_tick(in->backend);
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
	.can = REND_CAN_LEASE,
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
};

REND_PLUGIN(.version = "0.1", .handler = &memcached);
