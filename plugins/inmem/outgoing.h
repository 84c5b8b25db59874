/*
 * Values that were copied for answers: many in one block, so that a hit costs no malloc.  A worker has a few blocks.  One is filled again when
 * everybody who had a piece of it is done; it may outlive the store.
 *
 *	block: [ value | value | value |   room   ]	one reference for each value, one of the worker
 */
#ifndef INMEM_OUTGOING_H
#define INMEM_OUTGOING_H

#include "budget.h"
#include "rend/value.h"

#define OUTGOING_BLOCKS 4

struct outgoing_block;

struct outgoing { /* one worker's */
	struct budget *budget;
	size_t size;					/* of a block */
	struct outgoing_block *blocks[OUTGOING_BLOCKS]; /* NULL: not made yet */
	struct outgoing_block *now;			/* the one being filled; NULL: none can be */
	size_t used;
};

/* On the worker.  size: bytes of a block. */
void outgoing_init(struct outgoing *o, struct budget *budget, size_t size);
void outgoing_fini(struct outgoing *o);

/* The value, which is empty, becomes a copy of the bytes.  0, or -1: no memory. */
int outgoing_copy(struct outgoing *o, struct rend_value *value, const char *p, size_t len);

#endif
