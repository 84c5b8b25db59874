/* One row of a policy's table: what it asks, and where it leads. */
#ifndef ENGINE_ROW_H
#define ENGINE_ROW_H

#include "rend/flow.h"

/* The version of an empty item that a walk left in tier 0 or found there, and where it may be used (rend_item.link).  All-zero: none. */
struct row_lease {
	uint64_t token, link;
};

/*
 * Fills in what a row asks; kid's ask and item are empty.  home: whose walk it is; its item is what was found last.  until: when copies are
 * gone at the latest, 0: no such time.  lease: what the walk has taken.  false: no memory.  On the worker.
 */
bool row_fill(struct rend_op *kid, const struct rend_op *home, const struct rend_step *step, int64_t until,
    const struct row_lease *lease);

/*
 * The answer to a get of tier 0 that has to do with leases, as the walk takes it: an item that is none is a miss, or whatever the row says.
 * A version that was to be taken is in *lease.  kid: answered with status.
 */
enum rend_status row_leased(
    const struct rend_op *kid, const struct rend_step *step, enum rend_status status, struct row_lease *lease);

/* Where it leads: by outcome, and by status. */
uint8_t row_edge(const struct rend_step *step, enum rend_outcome o);
uint8_t row_next(const struct rend_step *step, enum rend_status status);

#endif
