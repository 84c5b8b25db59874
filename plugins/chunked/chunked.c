/*
 * chunked: a handler over another one that keeps each value in pieces of one size, as the original Rend did, so that memcached keeps all of
 * them in one slab class whatever sizes the values have.
 *
 *	op "k" ─► task ─► "k-meta", "k-0", "k-1", ...  of the handler beneath
 */
#include <event2/event.h>
#include <stdlib.h>

#include "task.h"

#define OPT(name, type, field, fallback, range, doc) REND_OPTION(name, type, chunked_conf, field, fallback, range, doc)

static const struct rend_option options[] = {
	OPT("over", REND_HANDLER, over, NULL, NULL, "The handler that keeps the pieces."),
	OPT("chunk_size", REND_SIZE, chunk_size, "1184", "512..1MiB",
	    "What a piece takes in a memcached with its key and all; values that were written with another one are "
	    "read as well."),
	OPT("window", REND_INT, window, "64", "1..4096", "How many pieces of one value are asked for at a time."),
	{ .name = NULL },
};

static int
chunked_open(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	struct chunked *c = calloc(1, sizeof *c);

	if (c == NULL)
		return rend_error(err, "no memory");
	c->magic = CHUNKED_MAGIC;
	c->conf = conf;
	c->unsure = (rend_node_can(c->conf->over) & REND_MISS_MAY_BE_AWAY) != 0;
	c->missing = rend_counter_new(self, "missing", "Values that were not there because a piece of them was not.");
	c->mixed = rend_counter_new(
	    self, "mixed", "Values that were not there because a piece of them belonged to another one.");
	c->taken_out = rend_counter_new(self, "taken_out", "Values without their pieces that were taken out.");
	c->waits = rend_counter_new(
	    self, "waits", "Times that an append, prepend, incr or decr waited for another write of the same value.");
	*store = c;
	return 0;
}

static void
chunked_close(void *store)
{
	free(store);
}

/* All that are on the list; they may come back to it. */
static void
resume_all(struct task **list)
{
	struct task *t = *list;

	*list = NULL;
	while (t != NULL) {
		struct task *next = t->next;

		t->resume(t);
		t = next;
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	resume_all(&((struct instance *)arg)->later);
}

static void
chunked_tick(void *inst)
{
	struct instance *in = inst;

	REND_CHECK(in, CHUNKED_INSTANCE_MAGIC);
	resume_all(&in->resting);
}

static int
chunked_attach(void **inst, void *store, struct rend_worker *worker, struct rend_error *err)
{
	struct event_base *base = rend_worker_base(worker);
	struct instance *in = calloc(1, sizeof *in);

	REND_CHECK((struct chunked *)store, CHUNKED_MAGIC);
	if (in != NULL && base != NULL)
		in->timer = event_new(base, -1, 0, on_timer, in);
	if (in == NULL || (base != NULL && in->timer == NULL)) {
		free(in);
		return rend_error(err, "no memory");
	}
	in->magic = CHUNKED_INSTANCE_MAGIC;
	in->store = store;
	in->worker = worker;
	*inst = in;
	return 0;
}

static void
end_all(struct task **list)
{
	while (*list != NULL) {
		struct task *t = *list;

		*list = t->next;
		task_end(t, REND_TIMEOUT);
	}
}

static void
chunked_detach(void *inst)
{
	struct instance *in = inst;

	REND_CHECK(in, CHUNKED_INSTANCE_MAGIC);
	end_all(&in->resting);
	end_all(&in->later); /* whose lines the others were in */
	if (in->timer != NULL)
		event_free(in->timer);
	free(in);
}

static task_f *const verbs[REND_VERB_SLOTS] = {
	[REND_GET] = read_begin,
	[REND_SET] = write_begin,
	[REND_ADD] = write_begin,
	[REND_REPLACE] = write_begin,
	[REND_APPEND] = rewrite_begin,
	[REND_PREPEND] = rewrite_begin,
	[REND_INCR] = rewrite_begin,
	[REND_DECR] = rewrite_begin,
	[REND_DELETE] = remove_begin,
	[REND_TOUCH] = touch_begin,
	[REND_FLUSH_ALL] = flush_begin,
};

static void
chunked_ask(void *inst, struct rend_op *op)
{
	struct instance *in = inst;

	REND_CHECK(in, CHUNKED_INSTANCE_MAGIC);
	if (op->verb >= REND_VERB_SLOTS || verbs[op->verb] == NULL)
		rend_done(op, REND_UNSUPPORTED);
	else
		verbs[op->verb](task_begin(in, op));
}

static bool
chunked_up(void *inst)
{
	const struct instance *in = inst;

	return rend_node_up(in->store->conf->over, in->worker);
}

/* The meta's key keeps what the handler beneath promises for it; of what it keeps itself, there is nothing. */
static uint32_t
chunked_promises(const void *conf)
{
	return rend_node_can(((const struct chunked_conf *)conf)->over) &
	       (REND_CAN_GUARD | REND_CAN_LEASE | REND_CAN_EXCLUDE | REND_FORGETS | REND_MISS_MAY_BE_AWAY);
}

static const struct rend_handler chunked = {
	.name = "chunked",
	.doc = "Keeps values in pieces of one size over another handler.",
	.conf_size = sizeof(struct chunked_conf),
	.options = options,
	.scratch_size = sizeof(struct task),
	.modes = REND_MODES_ALL,
	.open = chunked_open,
	.close = chunked_close,
	.attach = chunked_attach,
	.detach = chunked_detach,
	.any = chunked_ask,
	.tick = chunked_tick,
	.up = chunked_up,
	.promises = chunked_promises,
};

REND_PLUGIN(.version = "0.1", .handler = &chunked);
