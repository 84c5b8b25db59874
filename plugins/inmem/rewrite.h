/* The verbs that make a new value out of the old one. */
#ifndef INMEM_REWRITE_H
#define INMEM_REWRITE_H

#include "rend/op.h"

struct shelf;

/* append, prepend.  One that needs much memory, while somebody else seeks much, waits its turn among the hauls (haul.h). */
void rewrite_join(void *inst, struct rend_op *op);

/* The same for one that waits; may_wait: it may go on doing so.  false: it does; true: it is over. */
bool rewrite_join_again(struct shelf *sh, struct rend_op *op, bool may_wait);

/* incr, decr */
void rewrite_count(void *inst, struct rend_op *op);

#endif
