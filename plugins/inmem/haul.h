/*
 * Stores of large values whose memory did not come with them: a little in each turn of the worker, one after the other.
 *
 *	pages are claimed, and others go for them, as much as 256 KiB may cause ──► 256 KiB are copied ──► ... ──► it is put
 *
 * So the worker's other clients wait for a step, not for a gigabyte.
 */
#ifndef INMEM_HAUL_H
#define INMEM_HAUL_H

#include "quest.h"
#include "store.h"

/* Values up to this length are stored at once. */
#define HAUL_LEAST (256 * 1024)

/* What one worker has under way.  It is there as long as its store: a call may come when the worker has left. */
struct haulage {
	struct rend_call call; /* first: it comes back to the haulage */
	struct shelf *shelf;   /* NULL: the worker has left */
	bool called;
	struct rend_op *first, *last; /* linked by their op->link */
} __attribute__((aligned(64)));

/* In the scratch of an op. */
struct haul {
	struct quest quest;
	struct large *large;  /* NULL: pages are missing yet */
	uint64_t cools;	      /* steps in which pages were cooled for it */
	size_t done;	      /* bytes that were copied */
	enum quest_come come; /* of the last step for memory */
	uint64_t waits;	      /* since when it comes so, as rend_now(); 0: it does not wait */
	bool again;	      /* it failed once, and the old value was dropped for it */
};

void haulage_init(struct haulage *g);
void haulage_enter(struct haulage *g, struct shelf *sh);

/* All that is under way ends with NO_MEMORY. */
void haulage_leave(struct haulage *g);

/* Takes over a storing op that could be kept, of more than small_max; or an append or prepend that waits its turn: it is done in one go then. */
void haul_begin(struct shelf *sh, struct rend_op *op);

#endif
