/* What the engine knows of a worker: see worker.h. */
#include "engine/worker.h"

#include <stdint.h>

#include "base/clock.h"
#include "base/panic.h"
#include "engine/node.h"
#include "engine/op.h"

#define TICK_NS 1000000000ULL

/* Free ops a worker keeps: enough for what a busy turn has in flight. */
#define OPS_KEPT 4096

/* So often all instances are gone over at the end.  More than any walk has rows; who asks for ever is left to the next call. */
#define GIVE_UP_ROUNDS 64

static int worker_count = 1;
static uint64_t item_size_max = UINT64_MAX;
__thread struct rend_worker *worker_here;

void
worker_set_count(int count)
{
	REND_ASSERT(count >= 1 && count <= NODE_WORKERS_MAX);
	worker_count = count;
	panic_context = op_panic_context;
}

int
rend_worker_count(void)
{
	return worker_count;
}

void
worker_set_item_size_max(uint64_t bytes)
{
	item_size_max = bytes;
}

uint64_t
rend_item_size_max(void)
{
	return item_size_max;
}

int
rend_worker_index(const struct rend_worker *w)
{
	return w->index;
}

struct event_base *
rend_worker_base(struct rend_worker *w)
{
	return w->base;
}

int
worker_init(struct rend_worker *w, int index)
{
	*w = (struct rend_worker){ .magic = WORKER_MAGIC, .index = index };
	if (inbox_init(&w->inbox) != 0)
		return -1;
	pool_init(&w->roots, OP_ROOT_SIZE, OPS_KEPT);
	pool_init(&w->kids, OP_KID_SIZE, OPS_KEPT);
	return 0;
}

void
worker_fini(struct rend_worker *w)
{
	REND_CHECK(w, WORKER_MAGIC);
	REND_ASSERT(list_empty(&w->instances));
	pool_fini(&w->roots);
	pool_fini(&w->kids);
	inbox_take(&w->inbox);
	inbox_fini(&w->inbox);
	w->magic = 0;
}

void
worker_enter(struct rend_worker *w)
{
	worker_here = w;
	if (w != NULL)
		clock_tick();
}

void
rend_post(struct rend_worker *w, struct rend_call *call)
{
	inbox_put(&w->inbox, call);
}

void
worker_turn(struct rend_worker *w)
{
	struct rend_call *call;
	struct list ready = { 0 };
	struct rend_op *op;
	uint64_t now = rend_now();

	LIST_EACH (k, &w->instances)
		op_expire(LIST_OBJ(k, struct instance, attached), now);
	for (call = inbox_take(&w->inbox); call != NULL;) {
		struct rend_call *next = call->next; /* the call may be gone after it ran */

		call->fn(call);
		call = next;
	}
	list_move(&ready, &w->ready);
	while ((op = op_take_ready(&ready)) != NULL)
		op_finish(op);
}

bool
worker_ready(const struct rend_worker *w)
{
	return !list_empty(&w->ready) || !list_empty(&w->touched);
}

void
worker_flush(struct rend_worker *w)
{
	struct link *k;
	uint64_t now = rend_now();

	if (now - w->ticked >= TICK_NS) {
		w->ticked = now;
		LIST_EACH (at, &w->instances)
			instance_tick(LIST_OBJ(at, struct instance, attached));
	}
	while ((k = list_take(&w->touched)) != NULL)
		instance_flush(LIST_OBJ(k, struct instance, touched));
}

/* Is any op in a handler's hands, and not given up? */
static bool
is_waited_for(struct rend_worker *w)
{
	LIST_EACH (k, &w->instances)
		if (op_first_deadline(LIST_OBJ(k, struct instance, attached)) != UINT64_MAX)
			return true;
	return false;
}

void
worker_give_up(struct rend_worker *w)
{
	w->gave_up = true;
	/* A walk goes on where its row was given up, and may ask a tier where we have been already. */
	for (int i = 0; i < GIVE_UP_ROUNDS && is_waited_for(w); i++)
		LIST_EACH (k, &w->instances)
			op_expire(LIST_OBJ(k, struct instance, attached), UINT64_MAX);
}

uint64_t
worker_due(struct rend_worker *w)
{
	uint64_t due = UINT64_MAX;

	LIST_EACH (k, &w->instances) {
		struct instance *in = LIST_OBJ(k, struct instance, attached);
		uint64_t first = op_first_deadline(in);

		if (instance_ticks(in) && w->ticked + TICK_NS < first)
			first = w->ticked + TICK_NS;
		if (first < due)
			due = first;
	}
	return due;
}

const struct rend_node *
worker_at(const struct rend_worker *w)
{
	const struct instance *in = __atomic_load_n(&w->at, __ATOMIC_RELAXED);

	return in == NULL ? NULL : in->node;
}

void
worker_look(struct rend_worker *w)
{
	LIST_EACH (k, &w->instances)
		instance_look(LIST_OBJ(k, struct instance, attached));
}

size_t
worker_ops(const struct rend_worker *w)
{
	return w->roots.out + w->kids.out;
}
