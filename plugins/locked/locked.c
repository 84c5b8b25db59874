/*
 * One mutation at a time per key, over any node: for tiers that read, compute and write in steps of their own.
 *
 *	op ──► its turn at the key's stripe? ── yes ──► child ──► over
 *	             │ no: in line                        │ its answer
 *	             └──── go(), when it has come ──►     └──► stripe given back, op answered, home_run()
 *
 * Who holds what.  A mutation has its key's stripe alone; reads share it, or not (`readers`).  flush_all is a mutation of every key and has all
 * stripes alone: else an incr that read before the flush would write behind it, and bring back what was flushed.  It gets in line everywhere
 * at once, so it takes as long as the slowest that holds one, not as all of them together.
 *
 * A stripe is given back with the answer, also if that is TIMEOUT or LOST and the write may still happen: how long such a write lasts nobody
 * knows, and the guard below, which does wait for it, is what keeps copies true.  Children end before their parents' time is up, so nothing is
 * held longer than an op's time.
 *
 * An op that was given up while it waits leaves the line within a second, or when its turn comes; it is not carried out any more.
 */
#include <stdlib.h>

#include "lockset.h"
#include "rend/plugin.h"

struct locked_conf {
	const struct rend_node *over;
	int64_t stripes;
	int readers;
	int64_t queue;
	uint64_t request_timeout;
};

static const struct rend_option options[] = {
	REND_OPTION("over", REND_NODE, locked_conf, over, NULL, NULL, "Who is asked: a policy, or a handler."),
	REND_OPTION("stripes", REND_INT, locked_conf, stripes, "1024", "1..65536",
	    "How many locks keys are spread over; the same for all locked nodes over one L1, which share them."),
	REND_OPTION("readers", REND_CHOICE, locked_conf, readers, "shared", "shared|single",
	    "shared: gets of a key wait only for mutations; single: for each other as well."),
	REND_OPTION("queue", REND_INT, locked_conf, queue, "4096", "1..1000000",
	    "Requests that may wait at one lock; more are answered busy."),
	REND_OPTION("request_timeout", REND_DURATION, locked_conf, request_timeout, "30s", "1ms..1h",
	    "How long a client waits for its turn and the answer together."),
	{ .name = NULL },
};

enum { SHARED, SINGLE }; /* readers */

/* The store. */
struct locked {
	const struct locked_conf *conf;
	struct lockset *locks; /* the L1 node's */
	struct rend_counter *waited, *turned_away;
	struct rend_histogram *wait;
};

/* On one worker. */
struct instance {
	struct locked *store;
	struct home *home;
	uint16_t index;
	struct ring waiting; /* claims in line, the oldest first */
};

/* What an op has, or waits for; its scratch. */
struct claim {
	struct ring at; /* the instance's, while it waits */
	struct instance *in;
	struct rend_op *op;
	struct turn *turns; /* one of its own, or all of a sweep's */
	uint32_t count;
	uint32_t missing; /* turns that have not come */
	struct turn own;
};

/* All stripes: flush_all. */
struct sweep {
	struct claim *claim;
	struct turn turns[];
};

static struct claim *
claim_of(struct rend_op *op)
{
	return (struct claim *)(void *)op->scratch;
}

/* ---- the end of an op ---- */

static void
finish(struct claim *c, enum rend_status status)
{
	struct lockset *locks = c->in->store->locks;
	struct home *home = c->in->home;
	struct sweep *sweep = c->turns == &c->own ? NULL : RING_OBJ(c->turns, struct sweep, turns);

	lockset_give_back(locks, c->turns, c->count);
	free(sweep);
	rend_done(c->op, status);
	home_run(home); /* those whose turn it is now; the claim is gone */
}

/* What a verb answers with: see rend/op.h. */
static void
take_answer(struct rend_op *op, struct rend_op *kid)
{
	if (op->verb == REND_GET) {
		rend_value_move(&op->item.value, &kid->item.value);
		op->item.flags = kid->item.flags;
		op->item.signs = kid->item.signs;
		op->item.last_access = kid->item.last_access;
		op->item.link = kid->item.link;
	}
	if (kid->item.have & REND_WANT_EXPTIME)
		op->item.exptime = kid->item.exptime;
	op->item.have = kid->item.have;
	op->item.size = kid->item.size;
	op->item.cas = kid->item.cas;
	op->item.number = kid->item.number;
}

static void
kid_done(struct rend_op *kid)
{
	struct rend_op *op = kid->up;
	enum rend_status status = (enum rend_status)kid->status;

	if (status == REND_OK)
		take_answer(op, kid);
	rend_op_free(&kid);
	finish(claim_of(op), status);
}

/* ---- its turn ---- */

static void
carry_out(struct claim *c)
{
	struct rend_op *op = c->op, *kid = rend_op_child(op);

	if (kid == NULL) {
		finish(c, REND_NO_MEMORY);
		return;
	}
	kid->verb = op->verb;
	kid->ask = op->ask;
	kid->guard = op->guard;
	kid->up = op;
	kid->done = kid_done;
	if (rend_verb_stores(op->verb)) {
		kid->item.flags = op->item.flags;
		kid->item.exptime = op->item.exptime;
		if (rend_value_share(&kid->item.value, &op->item.value) != 0) {
			rend_op_free(&kid);
			finish(c, REND_NO_MEMORY);
			return;
		}
	}
	if (rend_submit(c->in->store->conf->over, kid))
		kid_done(kid);
}

/* All that it waited for has come, or it has left the lines. */
static void
go_on(struct claim *c)
{
	ring_remove(&c->at);
	rend_observe(c->in->store->wait, rend_now() - c->op->born);
	if (rend_op_given_up(c->op))
		finish(c, REND_TIMEOUT);
	else
		carry_out(c);
}

static void
go_own(struct turn *t)
{
	struct claim *c = RING_OBJ(t, struct claim, own);

	c->missing = 0;
	go_on(c);
}

static void
go_swept(struct turn *t)
{
	/* Turn i of a sweep is at stripe i. */
	struct claim *c = RING_OBJ(t - t->stripe, struct sweep, turns)->claim;

	if (--c->missing == 0)
		go_on(c);
}

/* Its op was given up.  Turns that are on their way home have to arrive first. */
static void
leave(struct claim *c)
{
	c->missing -= lockset_leave(c->in->store->locks, c->turns, c->count);
	if (c->missing == 0)
		go_on(c);
}

/* ---- getting in line ---- */

static void
wait(struct claim *c)
{
	rend_count(c->in->store->waited, 1);
	ring_append(&c->in->waiting, &c->at);
}

static void
claim_all(struct claim *c)
{
	struct lockset *locks = c->in->store->locks;
	struct sweep *sweep = malloc(sizeof *sweep + locks->count * sizeof *sweep->turns);

	if (sweep == NULL) {
		rend_done(c->op, REND_NO_MEMORY);
		return;
	}
	sweep->claim = c;
	for (uint32_t i = 0; i < locks->count; i++)
		sweep->turns[i] = (struct turn){ .go = go_swept, .stripe = i, .home = c->in->index };
	c->turns = sweep->turns;
	c->count = locks->count;
	c->missing = locks->count - lockset_take_all(locks, sweep->turns);
	if (c->missing == 0)
		carry_out(c);
	else
		wait(c);
}

/* A get that changes something on its way is a mutation. */
static bool
only_reads(const struct rend_op *op)
{
	return op->verb == REND_GET && (op->ask.mode & (REND_ALSO_TOUCH | REND_VIVIFY | REND_RECACHE)) == 0;
}

static void
on_any(void *inst, struct rend_op *op)
{
	struct instance *in = inst;
	const struct locked_conf *conf = in->store->conf;
	struct claim *c = claim_of(op);

	*c = (struct claim){ .in = in, .op = op };
	if (op->verb == REND_FLUSH_ALL) {
		claim_all(c);
		return;
	}
	c->own = (struct turn){ .go = go_own,
		.stripe = lockset_stripe(in->store->locks, op->hash),
		.home = in->index,
		.shared = conf->readers == SHARED && only_reads(op) };
	c->turns = &c->own;
	c->count = c->missing = 1;
	switch (lockset_take(in->store->locks, &c->own, (uint32_t)conf->queue)) {
	case TAKEN:
		carry_out(c);
		return;
	case QUEUED:
		wait(c);
		return;
	case FULL:
		rend_count(in->store->turned_away, 1);
		rend_done(op, REND_BUSY);
	}
}

/* ---- the store ---- */

static void *
make_locks(void *conf)
{
	return lockset_new((uint32_t)((const struct locked_conf *)conf)->stripes);
}

static void
free_locks(void *locks)
{
	lockset_free(locks);
}

/* The lock set of the L1 beneath, which whoever comes first makes. */
static struct lockset *
locks_of(const struct locked_conf *conf)
{
	/* The name says what is in it: a later locked with other structs is to have another one. */
	return rend_node_object(
	    rend_node_l1(conf->over), "locked, lock set 1", make_locks, free_locks, (void *)(uintptr_t)conf);
}

static int
check(const void *conf, struct rend_error *err)
{
	const struct locked_conf *c = conf;
	struct lockset *locks = locks_of(c);

	if (locks == NULL)
		return rend_error(err, "no memory for %d locks", (int)c->stripes);
	if (locks->count != c->stripes)
		return rend_error(err,
		    "stripes is %d here, and %d in another locked node over %s: they share one lock set; if that one "
		    "was in an earlier rend.conf, another number needs a restart",
		    (int)c->stripes, (int)locks->count, rend_node_name(rend_node_l1(c->over)));
	return 0;
}

static uint64_t
waiting(void *locks)
{
	return lockset_waiting(locks);
}

static int
open_store(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	struct locked *l = calloc(1, sizeof *l);

	if (l != NULL)
		l->locks = locks_of(conf);
	if (l == NULL || l->locks == NULL || lockset_open(l->locks, rend_worker_count()) != 0) {
		free(l);
		return rend_error(err, "no memory for its locks");
	}
	l->conf = conf;
	l->waited = rend_counter_new(self, "waited", "Requests that had to wait for their turn.");
	l->turned_away = rend_counter_new(self, "turned_away", "Requests answered busy because too many waited.");
	l->wait = rend_histogram_new(self, "wait", "How long those waited that had to.");
	rend_gauge_new(self, "waiting", "Turns that are waited for at this lock set.", waiting, l->locks);
	*store = l;
	return 0;
}

static void
close_store(void *store)
{
	free(store);
}

static void
limits(const void *conf, struct rend_limits *limits)
{
	limits->time = ((const struct locked_conf *)conf)->request_timeout;
}

/* ---- a worker ---- */

static int
attach(void **inst, void *store, struct rend_worker *worker, struct rend_error *err)
{
	struct locked *l = store;
	struct instance *in = calloc(1, sizeof *in);

	if (in == NULL)
		return rend_error(err, "no memory");
	*in = (struct instance){ .store = l, .index = (uint16_t)rend_worker_index(worker) };
	in->home = &l->locks->homes[in->index];
	ring_init(&in->waiting);
	lockset_join(l->locks, worker);
	*inst = in;
	return 0;
}

/* Those who were given up leave, or all who wait. */
static void
leave_each(struct instance *in, bool all)
{
	struct ring gone, *r, *next;

	/* Two steps: as one leaves, others may go on, and be gone too. */
	ring_init(&gone);
	for (r = in->waiting.next; r != &in->waiting; r = next) {
		next = r->next;
		if (all || rend_op_given_up(RING_OBJ(r, struct claim, at)->op)) {
			ring_remove(r);
			ring_append(&gone, r);
		}
	}
	while ((r = ring_take(&gone)) != NULL) {
		ring_append(&in->waiting, r);
		leave(RING_OBJ(r, struct claim, at));
	}
}

/* All ops were given up.  Those in line leave it, and those whose turns are on their way home are met. */
static void
detach(void *inst)
{
	struct instance *in = inst;

	leave_each(in, true);
	home_fetch(in->home);
	free(in);
}

static void
tick(void *inst)
{
	struct instance *in = inst;

	leave_each(in, false);
	home_run(in->home);
}

static const struct rend_handler locked = {
	.name = "locked",
	.doc = "One mutation at a time per key.",
	.conf_size = sizeof(struct locked_conf),
	.options = options,
	.scratch_size = sizeof(struct claim),
	.can = REND_LOCKS_L1,
	.modes = REND_MODES_ALL,
	.policy = true,
	.check = check,
	.open = open_store,
	.close = close_store,
	.attach = attach,
	.detach = detach,
	.limits = limits,
	.any = on_any,
	.tick = tick,
};

REND_PLUGIN(.version = "0.1", .handler = &locked);
