/*
 * What a backend does not do to an item on its flash is done here: a memcached with extstore says NOT_STORED to append and
 * prepend, and that it is no number to incr and decr, although the item is there.  No I/O.
 *
 *	the op ──► refused ──► READS: mg v f t c ──► a value ──► STORES: ms C ──► OK, the op's answer
 *	   ▲                       │ none, another version,          │ EX, NF: it was changed
 *	   │                       │ no number: the op's answer      │
 *	   └── ASKS ◄──────────────┼─────────────────────────────────┘  a few times, then BUSY
 */
#ifndef MEMCACHED_REWRITE_H
#define MEMCACHED_REWRITE_H

#include "answer.h"

struct rewrite;

/* May this answer to the op mean that its item is on flash? */
bool rewrite_may_help(const struct rend_op *op, const struct answer *a);

/* For an op that was refused.  NULL: no memory. */
struct rewrite *rewrite_new(void);
void rewrite_free(struct rewrite **rp);

/* What is to be asked now in the op's place; it is there until the next answer. */
const struct rend_op *rewrite_says(struct rewrite *r, const struct rend_op *op);

/* An answer came, or the first refusal; a is empty afterwards.  REND_OK and *again: ask on.  Else what to end the op with, and what it is told is in op. */
enum rend_status rewrite_answered(struct rewrite *r, struct rend_op *op, struct answer *a, bool *again);

/* Has nothing been sent that could have changed the item? */
bool rewrite_only_reads(const struct rewrite *r);

/* Begins again, over another connection: a version from the last one says nothing there. */
void rewrite_restart(struct rewrite *r);

#endif
