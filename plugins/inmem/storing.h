/* The verbs that store what the client sent. */
#ifndef INMEM_STORING_H
#define INMEM_STORING_H

#include "large.h"
#include "rend/op.h"

struct shelf;

/* set, add, replace, cas */
void storing_put(void *inst, struct rend_op *op);

/* Memory for a value that is on its way (rend_handler.reserve), if there is some at once or soon. */
void storing_reserve(void *inst, uint64_t hash, size_t size, struct rend_value *body);

/* The op's value is in this large one, whose owner's part goes over: it is put, and the op is over. */
void storing_end(struct shelf *sh, struct rend_op *op, struct large *large);

/* A set that cannot be kept leaves no older value readable: is it one, and the older value goes. */
static inline bool
storing_replaces(const struct rend_op *op)
{
	return op->verb == REND_SET && (op->ask.mode & REND_IF_CAS) == 0;
}

void storing_drop(struct shelf *sh, const struct rend_op *op);

#endif
