/* Ops in order, linked through rend_op.link, which is ours while we have them.  All-zero is the empty queue. */
#ifndef MEMCACHED_OPQ_H
#define MEMCACHED_OPQ_H

#include "rend/op.h"

struct opq {
	struct rend_op *first, *last;
	size_t count;
};

static inline void
opq_append(struct opq *q, struct rend_op *op)
{
	op->link = NULL;
	if (q->last != NULL)
		q->last->link = op;
	else
		q->first = op;
	q->last = op;
	q->count++;
}

/* Takes the first one out, or NULL. */
static inline struct rend_op *
opq_take(struct opq *q)
{
	struct rend_op *op = q->first;

	if (op == NULL)
		return NULL;
	q->first = op->link;
	if (q->first == NULL)
		q->last = NULL;
	q->count--;
	return op;
}

/* Moves all of *from to an empty queue. */
static inline struct opq
opq_all(struct opq *from)
{
	struct opq all = *from;

	*from = (struct opq){ 0 };
	return all;
}

#endif
