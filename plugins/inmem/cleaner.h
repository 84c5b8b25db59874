/*
 * Makes room in the log: goes through a victim record by record, and copies what is worth it.
 *
 *	small queue:  asked for often enough for its size? ── yes: to the main queue ── no: evicted, and remembered by the ghost
 *	main queue:   the same, and half of its hits are forgotten ── no: evicted
 *	a victim that is compacted for what is gone of it: everything alive is copied, within its queue
 *
 * Each worker cleans victims of its own, a little for each item that it stores, and gives them back for others to go on with: at once where large
 * values make them heavy, and else when a second is over.  What is worth compacting comes first: while there is such a
 * segment, no item that is alive is evicted out of another one.
 */
#ifndef INMEM_CLEANER_H
#define INMEM_CLEANER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"

struct shelf;

struct victim {
	uint32_t segment; /* LOG_NONE: none */
	uint32_t at;	  /* bytes of it that were gone through */
	uint32_t
	    ahead; /* bytes up to the records whose homes were not fetched from memory yet; how many were, and wait: */
	unsigned warm;
};

struct cleaner {
	struct victim compacted, evicted;
	size_t owed; /* bytes that stores should have made room for, and did not yet */
};

void cleaner_init(struct cleaner *c);

/* Gives its victims back; others go on where it was. */
void cleaner_fini(struct shelf *sh);

/* If room is getting scarce: goes through some records, until about so many bytes of them are gone. */
void cleaner_pay(struct shelf *sh, size_t bytes);

/* Room for a record, and if there is none, it is made; 0: there is none.  The worker holds on to nothing that it found. */
uint64_t cleaner_room(struct shelf *sh, struct log_place place, size_t size);

/* Claims pages (pages.h), and items go for them.  false: there is nothing that could go.  The worker holds on to nothing that it found. */
bool cleaner_pages(struct shelf *sh, uint64_t pages);

/* The same in steps, for so many pages that it may take long. */
struct cleaner_quest {
	uint64_t wanted, got; /* pages; those it got are claimed */
	uint64_t met;	      /* bytes that were gone through */
	uint64_t vain;	      /* of them, those that should have made room if any do */
	bool alone;	      /* of those that need much it is the one that may */
};

enum cleaner_come {
	CLEANER_HAS,	/* all that it wanted */
	CLEANER_MORE,	/* another step */
	CLEANER_WAITS,	/* another step, when others have come to the end of their ops */
	CLEANER_QUEUES, /* another step, when the quest of somebody else who needs much is over; it has nothing yet */
	CLEANER_NEVER,	/* there is nothing that could go */
};

/* Would a quest for so many have to queue just now? */
bool cleaner_has_queue(const struct shelf *sh, uint64_t pages);

/* A step: so much work as a store of 256 KiB may cause. */
enum cleaner_come cleaner_seek(struct shelf *sh, struct cleaner_quest *q);

/* It is over: what it got, if that is still its own, is unclaimed; and others may. */
void cleaner_end(struct shelf *sh, struct cleaner_quest *q);

/* Compacts what is worth it, and gives memory back that is not needed; once a second. */
void cleaner_tick(struct shelf *sh);

#endif
