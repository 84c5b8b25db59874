/* delete, and what it may leave behind. */
#ifndef INMEM_REMOVAL_H
#define INMEM_REMOVAL_H

#include "rend/op.h"

void removal_delete(void *inst, struct rend_op *op);

#endif
