/* One row of a policy's table: what it asks, and where it leads. */
#ifndef ENGINE_ROW_H
#define ENGINE_ROW_H

#include "rend/flow.h"

/*
 * Fills in what a row asks; kid's ask and item are empty.  home: whose walk it is; its item is what was found last.  until: when copies are
 * gone at the latest, 0: no such time.  false: no memory.  On the worker.
 */
bool row_fill(struct rend_op *kid, const struct rend_op *home, const struct rend_step *step, int64_t until);

/* Where it leads: by outcome, and by status. */
uint8_t row_edge(const struct rend_step *step, enum rend_outcome o);
uint8_t row_next(const struct rend_step *step, enum rend_status status);

#endif
