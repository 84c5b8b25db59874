/*
 * Pages for a large value (pages.h): where there are not enough, items go for them, at once or in steps.
 *
 * Of those who need more than a part of all memory there is one at a time, else each would hold what the others wait for.
 */
#ifndef INMEM_QUEST_H
#define INMEM_QUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "cleaner.h"

/* Claims pages (pages.h), and items go for them.  false: there is nothing that could go.  The worker holds on to nothing that it found. */
bool quest_pages(struct shelf *sh, uint64_t pages);

/* The same in steps, for so many pages that it may take long. */
struct quest {
	uint64_t wanted, got; /* pages; those it got are claimed */
	uint64_t met;	      /* bytes that were gone through */
	uint64_t vain;	      /* of them, those that should have made room if any do */
	bool alone;	      /* of those that need much it is the one that may */
};

enum quest_come {
	QUEST_HAS,    /* all that it wanted */
	QUEST_MORE,   /* another step */
	QUEST_WAITS,  /* another step, when others have come to the end of their ops */
	QUEST_QUEUES, /* another step, when the quest of somebody else who needs much is over; it has nothing yet */
	QUEST_NEVER,  /* there is nothing that could go */
};

/* Would a quest for so many have to queue just now? */
bool quest_has_queue(const struct shelf *sh, uint64_t pages);

/* A step: so much work as a store of 256 KiB may cause. */
enum quest_come quest_seek(struct shelf *sh, struct quest *q);

/* It is over: what it got, if that is still its own, is unclaimed; and others may. */
void quest_end(struct shelf *sh, struct quest *q);

#endif
