/* The verbs that make a new value out of the old one. */
#ifndef INMEM_REWRITE_H
#define INMEM_REWRITE_H

#include "rend/op.h"

/* append, prepend */
void rewrite_join(void *inst, struct rend_op *op);

/* incr, decr */
void rewrite_count(void *inst, struct rend_op *op);

#endif
