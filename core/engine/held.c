/* The guard of one walk: see held.h. */
#include "engine/held.h"

#include "engine/holds.h"
#include "engine/op.h"

/* tests/faults has a rend in which this is not so, to see that it is found out. */
#ifndef HELD_UNTIL_THE_LAST_HAS_LEFT
#define HELD_UNTIL_THE_LAST_HAS_LEFT true
#endif

/* In the scratch of the holder. */
struct held {
	struct rend_guard guard;
	struct holds *holds;
	struct rend_buf end; /* whose release ends it */
};
_Static_assert(sizeof(struct held) <= REND_SCRATCH_MAX, "a guard does not fit into an op's scratch");

static struct held *
held_of(struct rend_op *holder)
{
	return (struct held *)(void *)holder->scratch;
}

/* The last one has left. */
static void
held_release(struct rend_buf *buf)
{
	struct held *held = LIST_OBJ(buf, struct held, end);
	struct rend_op *holder = LIST_OBJ(held, struct rend_op, scratch);

	if (op_core(holder)->open)
		holds_keep(held->holds, &held->guard);
	else
		guard_end(&held->guard);
}

static bool
take(const struct rend_node *policy, unsigned slot, uint64_t hash, struct rend_guard *g)
{
	struct guard *words = policy->tiers[0]->guard;

	if (policy->walks[slot].guard == REND_READS)
		guard_read(words, hash, g);
	else if (slot == REND_FLUSH_ALL)
		return guard_write_all(words, g);
	else
		return guard_write(words, hash, g);
	return true;
}

enum rend_status
held_begin(const struct rend_node *policy, unsigned slot, struct rend_op *under, struct rend_op **holderp)
{
	struct rend_op *holder = rend_op_child(under);
	struct held *held;

	if (holder == NULL)
		return REND_NO_MEMORY;
	held = held_of(holder);
	if (!take(policy, slot, holder->hash, &held->guard)) {
		rend_op_free(&holder);
		return REND_BUSY;
	}
	held->holds = policy->tiers[0]->holds;
	holder->deadline = under->deadline;
	/* A value lasts as long as its op's memory; this one piece fits in without an allocation. */
	rend_buf_init(&held->end, &held->guard, sizeof held->guard, held_release);
	rend_value_add(&holder->item.value, &held->end, held->end.data, held->end.size);
	*holderp = holder;
	return REND_OK;
}

void
held_leave(struct rend_op **holder)
{
	/* An op that its owner frees loses its value at once, unless it is late: and it is what its late kids make it. */
	(*holder)->state = OP_LATE;
	if (!HELD_UNTIL_THE_LAST_HAS_LEFT)
		guard_end(&held_of(*holder)->guard);
	rend_op_free(holder);
}

const struct rend_guard *
held_guard(const struct rend_op *holder)
{
	return &((const struct held *)(const void *)holder->scratch)->guard;
}
