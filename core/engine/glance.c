/* The first question of a get, without a walk: see glance.h. */
#include "engine/glance.h"

#include "engine/flow_counts.h"
#include "engine/row.h"
#include "rend/log.h"

/* Those for which the row would make up a version, or that may have another table, walk. */
#define WALKS (REND_VIVIFY | REND_ALSO_TOUCH)

/* And whose yes is the answer: behind another, the rows have to have what it found. */
static bool
row_asks_as_the_client(const struct rend_step *step)
{
	return step->run == NULL && step->verb == REND_GET && step->tier == 0 && step->want == 0 && step->mode == 0 &&
	       step->lease == REND_NO_LEASE && !step->repair && !step->aside && !step->guarded && !step->join &&
	       !step->late && step->yes == REND_REPLY;
}

void
glance_find(struct rend_node *policy)
{
	const struct rend_walk *walk = &policy->walks[REND_GET];

	policy->glance = NULL;
	/* A guard that writes begins before the first row; one that reads does not before a row that asks tier 0. */
	if (walk->steps == NULL || walk->guard == REND_WRITES || !row_asks_as_the_client(&walk->steps[1]))
		return;
	if ((policy->tiers[0]->plugin->handler.can & REND_CAN_AT_ONCE) == 0)
		return;
	policy->glance_modes = (walk->steps[1].own ? walk->steps[1].pass : REND_MODES_ALL) & ~(uint32_t)WALKS;
	policy->glance = policy->tiers[0];
}

bool
glance_suffices(const struct instance *policy, const struct rend_op *op)
{
	const struct rend_step *step = &policy->node->walks[REND_GET].steps[1];
	enum rend_status status = (enum rend_status)op->status;

	if (row_next(step, status) != REND_REPLY)
		return false;
	flow_count(policy, REND_GET, 1, rend_outcome(status));
	return true;
}

void
glance_is_late(const struct instance *policy, struct rend_op *op)
{
	if (glance_suffices(policy, op))
		return;
	rend_log(
	    REND_LOG_ERROR, "%s says that it answers at once, and did not: taken as IO", policy->node->glance->name);
	op->status = REND_IO;
}
