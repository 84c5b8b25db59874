/* Tables without a tier: see bypass.h. */
#include "engine/bypass.h"

#include <stdlib.h>

/* Row 1, and the end. */
struct bypass {
	struct rend_step steps[REND_VERB_COUNT][3];
	struct rend_walk walks[REND_VERB_SLOTS];
};

int
bypass_tables(struct rend_node *n)
{
	uint8_t tier = n->bypassed == 1 ? 1 : 0;

	if (n->bypass == NULL)
		n->bypass = calloc(1, sizeof *n->bypass);
	if (n->bypass == NULL)
		return -1;
	for (unsigned v = 0; v < REND_VERB_COUNT; v++) {
		struct rend_step *steps = n->bypass->steps[v];

		/* A get that touches is a get: it needs no table of its own. */
		if (v == REND_GET_TOUCH || n->walks[v].steps == NULL)
			continue;
		steps[1] = (struct rend_step){
			.name = n->plugin->policy.tiers[tier],
			.tier = tier,
			.verb = (uint8_t)v,
		};
		n->bypass->walks[v].steps = steps;
	}
	n->walks = n->bypass->walks;
	return 0;
}

const struct rend_node *
bypass_of(const struct rend_node *n)
{
	return n->bypassed == 0 ? NULL : n->tiers[n->bypassed - 1];
}

void
bypass_free(struct rend_node *n)
{
	free(n->bypass);
	n->bypass = NULL;
}
