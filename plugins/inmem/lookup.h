/* get, and what it does on the way: touch, vivify, recache. */
#ifndef INMEM_LOOKUP_H
#define INMEM_LOOKUP_H

#include "rend/op.h"

void lookup_get(void *inst, struct rend_op *op);

#endif
