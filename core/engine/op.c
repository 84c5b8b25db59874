/* An op's life: see op.h for the picture. */
#include "engine/op.h"

#include <string.h>
#include <unistd.h>

#include "base/blank.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/histogram.h"
#include "engine/generation.h"
#include "engine/glance.h"
#include "engine/node.h"
#include "engine/worker.h"

static struct rend_op *
core_op(struct op_core *c)
{
	return (struct rend_op *)(void *)((char *)c - offsetof(struct rend_op, core));
}

static struct rend_op *
op_of_link(struct link *k)
{
	return core_op(LIST_OBJ(k, struct op_core, link));
}

/* All of it but key and scratch. */
static inline struct rend_op *
op_init(struct rend_op *op, struct rend_worker *w)
{
	struct op_core *c = op_core(op);

	op->magic = REND_OP_MAGIC;
	op->verb = op->status = 0;
	op->state = OP_IDLE;
	BLANK(op->ask);
	BLANK(op->item);
	op->done = NULL;
	op->up = NULL;
	op->worker = w;
	op->parent = NULL;
	op->born = op->deadline = 0;
	op->guard = NULL;
	op->link = NULL;
	*c = (struct op_core){ .holds = 1 };
	return op;
}

uint64_t
rend_hash(const void *key, size_t keylen)
{
	return hash_key(key, keylen);
}

/* A client's op, and a child with a key of its own, come from the free list of those that have room for it. */
static char *
own_key(struct rend_op *op)
{
	return (char *)op + OP_KID_SIZE;
}

struct rend_op *
op_new(struct rend_worker *w, const void *key, size_t keylen)
{
	struct rend_op *op = pool_get(&w->roots);
	char *own;

	if (op == NULL)
		return NULL;
	REND_ASSERT(keylen <= REND_KEY_MAX);
	op_init(op, w);
	own = own_key(op);
	memcpy(own, key, keylen);
	op->key = own;
	op->keylen = (uint8_t)keylen;
	op->hash = hash_key(own, keylen);
	op_core(op)->pinned = w->newest;
	w->newest->pins[w->index].ops++;
	return op;
}

void
op_pin(struct rend_op *op, struct generation *g)
{
	struct op_core *c = op_core(op);
	int w = op->worker->index;

	REND_ASSERT(c->pinned != NULL && op->state == OP_IDLE);
	c->pinned->pins[w].ops--;
	c->pinned = g;
	g->pins[w].ops++;
}

bool
op_renew(struct rend_op *op)
{
	const struct rend_seg *segs = rend_value_segs(&op->item.value);
	struct rend_value own = { 0 };

	if (op_core(op)->pinned == op->worker->newest)
		return true;
	for (unsigned i = 0; i < op->item.value.nsegs; i++)
		if (rend_value_copy_in(&own, segs[i].p, segs[i].len) != 0) {
			rend_value_drop(&own);
			return false;
		}
	rend_value_move(&op->item.value, &own);
	op_pin(op, op->worker->newest);
	return true;
}

struct rend_op *
rend_op_child(struct rend_op *parent)
{
	struct rend_op *op;

	REND_CHECK(parent, REND_OP_MAGIC);
	op = pool_get(&parent->worker->kids);
	if (op == NULL)
		return NULL;
	op_init(op, parent->worker);
	op->parent = parent;
	op->key = parent->key;
	op->keylen = parent->keylen;
	op->hash = parent->hash;
	op_core(parent)->holds++;
	return op;
}

struct rend_op *
rend_op_child_key(struct rend_op *parent, const void *key, size_t keylen)
{
	struct rend_op *op;

	REND_CHECK(parent, REND_OP_MAGIC);
	REND_ASSERT(keylen <= REND_KEY_MAX);
	op = pool_get(&parent->worker->roots);
	if (op == NULL)
		return NULL;
	op_init(op, parent->worker);
	op->parent = parent;
	memcpy(own_key(op), key, keylen);
	op->key = own_key(op);
	op->keylen = (uint8_t)keylen;
	op->hash = hash_key(key, keylen);
	op_core(parent)->holds++;
	return op;
}

/* One holder less; the last one's leaving frees the op, and with it a hold on its parent, and so on upwards. */
static void
op_drop_hold(struct rend_op *op)
{
	while (op != NULL && --op_core(op)->holds == 0) {
		struct rend_op *parent = op->parent;
		struct rend_worker *w = op->worker;
		struct generation *g = op_core(op)->pinned;

		if (op->item.value.nsegs != 0)
			rend_value_drop(&op->item.value);
		op->magic = 0;
		if (g != NULL)
			g->pins[w->index].ops--;
		pool_put(op->key == own_key(op) ? &w->roots : &w->kids, op);
		op = parent;
	}
}

void
rend_op_free(struct rend_op **opp)
{
	struct rend_op *op = *opp;

	*opp = NULL;
	REND_CHECK(op, REND_OP_MAGIC);
	switch (op->state) {
	case OP_IDLE:
	case OP_DONE:
		/* Children may keep the op for its key; nobody needs the value any more. */
		if (op_core(op)->holds > 1)
			rend_value_drop(&op->item.value);
		break;
	case OP_LATE:
		break;
	default:
		rend_panic(__FILE__, __LINE__, "an op was freed that %s still has", op_core(op)->at->node->name);
	}
	op_drop_hold(op);
}

/* Counters have one writer, so an addition need not be atomic; readers elsewhere only need whole words. */
static void
count(uint64_t *n)
{
	__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
}

/* Readers look from other threads. */
static void
fly(struct instance *in, int by)
{
	__atomic_store_n(&in->in_flight, in->in_flight + (uint32_t)by, __ATOMIC_RELAXED);
}

static inline void
count_end(struct instance *in, const struct rend_op *op, uint64_t took)
{
	count(&in->counts->ended[op->verb][op->status]);
	histogram_add(&in->counts->latency, took);
}

static void
op_ended(struct rend_op *op)
{
	struct op_core *c = op_core(op);
	uint64_t took = clock_now() - op->born;

	if (c->joined)
		return; /* the tier was not asked */
	count_end(c->at, op, took);
	if (c->via != NULL)
		count_end(c->via, op, took);
}

/* By deadline.  All ops of a node have the same time, so the place is nearly always the end. */
static void
pending_insert(struct instance *in, struct rend_op *op)
{
	struct link *at = list_last(&in->pending);

	while (at != NULL && op_of_link(at)->deadline > op->deadline)
		at = list_prev(&in->pending, at);
	if (at == NULL)
		list_prepend(&in->pending, &op_core(op)->link);
	else
		link_after(at, &op_core(op)->link);
}

/* The handler is not even asked. */
static bool
answer_for_it(struct rend_op *op, enum rend_status status)
{
	op->status = (uint8_t)status;
	op->state = OP_DONE;
	op_ended(op);
	return false;
}

/* Where it goes, until when it is waited for, and whether it is let in.  false: it was answered. */
static inline bool
op_enter(const struct rend_node *to, struct rend_op *op)
{
	struct rend_worker *w = op->worker;
	struct op_core *c = op_core(op);
	const struct rend_node *pass;
	struct instance *in;

	REND_CHECK(op, REND_OP_MAGIC);
	REND_ASSERT(op->state == OP_IDLE || op->state == OP_DONE);
	REND_ASSERT(worker_self() == w);
	REND_ASSERT(op->verb < REND_VERB_COUNT);
	in = to->instances[w->index];
	c->via = NULL;
	if (to->walks != NULL && (pass = to->passes[op->verb]) != NULL) {
		c->via = in;
		in = pass->instances[w->index];
	}
	c->at = in;
	c->elsewhere = 0;
	c->joined = false;
	c->glances = false;
	op->born = clock_now();
	op->deadline = op->born + in->node->limits.time;
	if (op->parent != NULL && op->parent->deadline < op->deadline && op->parent->deadline != 0)
		op->deadline = op->parent->deadline;
	if (in->in_flight >= in->node->limits.queue) {
		count(&in->counts->refused);
		return answer_for_it(op, REND_BUSY);
	}
	if (op->ask.mode & ~in->node->modes)
		return answer_for_it(op, REND_UNSUPPORTED);
	return true;
}

/* The handler's turn. */
static inline void
op_hand_over(struct rend_op *op)
{
	struct instance *in = op_core(op)->at;
	struct rend_worker *w = op->worker;
	struct rend_op *outer = w->running;
	const struct instance *outer_at;

	if (!link_listed(&in->touched))
		list_append(&w->touched, &in->touched);
	w->running = op;
	outer_at = worker_call(w, in);
	/* A store that was away is asked again when it is all there: node_ask(). */
	__atomic_load_n(&in->node->on[op->verb], __ATOMIC_ACQUIRE)(in->self, op);
	worker_call(w, outer_at);
	w->running = outer;
}

static void
op_pend(struct rend_op *op)
{
	struct instance *in = op_core(op)->at;

	op->state = OP_PENDING;
	fly(in, 1);
	pending_insert(in, op);
}

/* Sends the op to the policy's first tier instead, if that may be enough. */
static void
op_glance(struct rend_op *op)
{
	struct op_core *c = op_core(op);
	const struct rend_node *policy = c->at->node;
	struct instance *in;

	if (c->via != NULL || !glance_fits(policy, op))
		return;
	in = policy->glance->instances[op->worker->index];
	if (in->in_flight != 0 || (op->ask.mode & ~in->node->modes) != 0)
		return;
	c->via = c->at;
	c->at = in;
	c->glances = true;
}

/* It was not: the policy has to walk. */
static void
op_walk_on(struct rend_op *op)
{
	struct op_core *c = op_core(op);

	count_end(c->at, op, clock_now() - op->born);
	c->at = c->via;
	c->via = NULL;
	op->state = OP_SUBMITTING;
	op_hand_over(op);
}

bool
rend_submit(const struct rend_node *to, struct rend_op *op)
{
	if (!op_enter(to, op))
		return true;
	op_glance(op);
	op->state = OP_SUBMITTING;
	op_hand_over(op);
	if (op->state == OP_DONE && op_core(op)->glances && !glance_suffices(op_core(op)->via, op))
		op_walk_on(op);
	if (op->state == OP_DONE) {
		op_ended(op);
		return true;
	}
	op_pend(op);
	return false;
}

bool
op_wait(const struct rend_node *to, struct rend_op *op)
{
	if (!op_enter(to, op))
		return true;
	op_core(op)->joined = true;
	count(&op_core(op)->at->counts->joined);
	op_pend(op);
	return false;
}

void
op_ask(struct rend_op *op)
{
	REND_ASSERT(op->state == OP_PENDING && op_core(op)->joined);
	op_core(op)->joined = false;
	op_hand_over(op);
}

void
op_leave_open(struct rend_op *op, enum rend_status status)
{
	if (!op_core(op)->writes || !rend_ambiguous(status))
		return;
	for (op = op->parent; op != NULL; op = op->parent)
		op_core(op)->open = true;
}

/* The answer has arrived at home. */
static inline void
op_answer(struct rend_op *op, enum rend_status status)
{
	struct op_core *c = op_core(op);

	switch (op->state) {
	case OP_SUBMITTING:
		op->status = (uint8_t)status;
		op->state = OP_DONE;
		return;
	case OP_PENDING:
		op->status = (uint8_t)status;
		op->state = OP_READY;
		fly(c->at, -1);
		op_ended(op);
		link_remove(&c->link);
		list_append(&op->worker->ready, &c->link);
		return;
	case OP_LATE:
		fly(c->at, -1);
		op_leave_open(op, status);
		op->state = OP_DONE;
		rend_value_drop(&op->item.value);
		op_drop_hold(op);
		return;
	default:
		rend_panic(__FILE__, __LINE__, "handler %s of %s answered an op twice (%s, now %s)",
		    plugin_name(c->at->node->plugin), c->at->node->name, rend_verb_name(op->verb),
		    rend_status_name(status));
	}
}

static void
op_come_home(struct rend_call *call)
{
	struct rend_op *op = core_op(LIST_OBJ(call, struct op_core, home));

	op_answer(op, (enum rend_status)(op_core(op)->elsewhere - 1));
}

void
rend_done(struct rend_op *op, enum rend_status status)
{
	struct op_core *c;

	if (op == NULL || op->magic != REND_OP_MAGIC)
		rend_panic(__FILE__, __LINE__, "rend_done() of something that is no op: answered twice, or freed?");
	c = op_core(op);
	if ((unsigned)status >= REND_STATUS_COUNT) {
		rend_log(REND_LOG_ERROR, "%s answered with status %d, which is none: taken as IO", c->at->node->name,
		    (int)status);
		status = REND_IO;
	}
	if (worker_self() == op->worker) {
		op_answer(op, status);
		return;
	}
	/* Its state belongs to the home thread, which may not even have returned from the handler yet. */
	if (__atomic_exchange_n(&c->elsewhere, (uint8_t)(status + 1), __ATOMIC_RELAXED) != 0)
		rend_panic(__FILE__, __LINE__, "handler %s of %s answered an op twice (%s, now %s)",
		    plugin_name(c->at->node->plugin), c->at->node->name, rend_verb_name(op->verb),
		    rend_status_name(status));
	c->home.fn = op_come_home;
	rend_post(op->worker, &c->home);
}

bool
rend_op_given_up(const struct rend_op *op)
{
	REND_CHECK(op, REND_OP_MAGIC);
	/* Children are given up before their parents: one may ask about an op that is next. */
	return op->state == OP_LATE || op->deadline <= clock_now() || op->worker->gave_up;
}

/* Its done belongs to whoever asked: a node, or the core for a client. */
static void
tell(struct rend_op *op)
{
	struct rend_worker *w = op->worker;

	w->running = op;
	worker_call(w, op->parent == NULL ? NULL : op_core(op->parent)->at);
	op->done(op);
	worker_call(w, NULL);
	w->running = NULL;
}

void
op_finish(struct rend_op *op)
{
	op->state = OP_DONE;
	if (op_core(op)->glances)
		glance_is_late(op_core(op)->via, op);
	tell(op);
}

struct rend_op *
op_take_ready(struct list *ready)
{
	struct link *k = list_take(ready);

	return k == NULL ? NULL : op_of_link(k);
}

void
op_expire(struct instance *in, uint64_t now)
{
	struct link *k;

	while ((k = list_first(&in->pending)) != NULL) {
		struct rend_op *op = op_of_link(k);

		if (op->deadline > now)
			return;
		link_remove(k);
		op->state = OP_LATE;
		op->status = REND_TIMEOUT;
		op_core(op)->holds++; /* the handler's */
		if (!op_core(op)->joined)
			count(&in->counts->late);
		op_ended(op);
		tell(op);
	}
}

uint64_t
op_first_deadline(struct instance *in)
{
	struct link *k = list_first(&in->pending);

	return k == NULL ? UINT64_MAX : op_of_link(k)->deadline;
}

static void
say(int fd, const char *s)
{
	if (write(fd, s, strlen(s)) < 0)
		return;
}

void
op_panic_context(int fd)
{
	struct rend_worker *w = worker_self();
	int depth = 0;

	for (const struct rend_op *op = w == NULL ? NULL : w->running; op != NULL && depth++ < 16; op = op->parent) {
		const struct instance *at = op_core((struct rend_op *)(uintptr_t)op)->at;

		if (op->magic != REND_OP_MAGIC) {
			say(fd, "  an op that is gone\n");
			return;
		}
		say(fd, "  op ");
		say(fd, rend_verb_name(op->verb));
		if (at != NULL) {
			say(fd, " at ");
			say(fd, at->node->name);
		}
		say(fd, op->parent != NULL ? ", child of\n" : ", a client's\n");
	}
}
