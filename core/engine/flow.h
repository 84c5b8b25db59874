/*
 * Walks a policy's tables: one row asks one tier, its outcome names the next row.
 *
 *	client's op ──► [1 l1 get] ──no──► [2 l2 get] ──yes──► [3 fill] ──► reply
 *	     walk in its scratch      a child op per row
 */
#ifndef ENGINE_FLOW_H
#define ENGINE_FLOW_H

#include "engine/node.h"

/* Scratch a client's op needs for a walk. */
extern const size_t flow_scratch_size;

/* Begins the walk for op at a policy's instance; ends in rend_done(op).  On the worker. */
void flow_start(struct instance *in, struct rend_op *op);

/* Rows are counted by outcome: makes and frees the counters of a policy node.  0 or -1: no memory.  Main thread. */
int flow_counts_new(struct rend_node *n);
void flow_counts_free(struct rend_node *n);

/* The name of the row at which the walk of an op that is in a policy's hands stands.  On the op's worker. */
const char *flow_row(struct rend_op *op);

/* How often a row ended so, over all workers. */
uint64_t flow_row_ended(const struct rend_node *n, unsigned verb, unsigned row, enum rend_outcome outcome);

/*
 * Where a verb's ops may go at once: the tier of a walk that is nothing but one plain row with the client's verb (l1only's are).  NULL: it
 * has to be walked.  Main thread, when the node is opened.
 */
const struct rend_node *flow_passes(const struct rend_node *policy, unsigned verb);

#endif
