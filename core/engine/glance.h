/*
 * A get whose first row asks nothing but what the client asked, of somebody who answers at once, needs neither walk nor child for it: the
 * op itself is that first question.
 *
 *	op ──► l1, at once ──hit──► reply
 *	            └─────── else ──► flow_start(), which goes on behind the first row
 */
#ifndef ENGINE_GLANCE_H
#define ENGINE_GLANCE_H

#include "engine/node.h"

/* Finds out of which tier a policy's gets may ask so.  Main thread, when its node is opened. */
void glance_find(struct rend_node *policy);

/* Is this such a get?  policy: any node. */
static inline bool
glance_fits(const struct rend_node *policy, const struct rend_op *op)
{
	return policy->glance != NULL && op->verb == REND_GET && (op->ask.mode & ~policy->glance_modes) == 0;
}

/* The tier has answered op.  true: that is all, and the row is counted.  On the worker. */
bool glance_suffices(const struct instance *policy, const struct rend_op *op);

/* The answer came later, although the tier promised: then a no of it, which says nothing of other tiers, becomes IO.  On the worker. */
void glance_is_late(const struct instance *policy, struct rend_op *op);

#endif
