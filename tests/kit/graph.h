/* A policy over tiers of ours, opened on one worker: this thread's. */
#ifndef KIT_GRAPH_H
#define KIT_GRAPH_H

#include "engine/generation.h"
#include "engine/worker.h"
#include "policy_kit.h"

typedef enum rend_outcome graph_run_f(struct rend_flow *flow);

struct graph {
	struct rend_worker worker;
	struct generation *generation;
	struct rend_node *policy;
	struct rend_node *tiers[REND_TIERS_MAX];
	int tier_count;
	struct rend_walk walks[REND_VERB_SLOTS];  /* copies: */
	struct rend_step *steps[REND_VERB_SLOTS]; /* run is called instead of every function in them */
	struct plugin tier, over;
};

/*
 * The kit's policy with these tables.  What a tier's handler gets as instance is the place of its node: a struct
 * rend_node **. 0, or -1 with the reason; then it is to be closed, too.
 */
int graph_open(struct graph *g, const struct policy_kit *kit, const struct rend_walk *tables,
    const struct rend_handler *tier, graph_run_f *run, struct rend_error *err);
void graph_close(struct graph *g);

#endif
