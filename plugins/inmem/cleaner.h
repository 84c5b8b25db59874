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

/* Compacts what is worth it, and gives memory back that is not needed; once a second. */
void cleaner_tick(struct shelf *sh);

/* ---- shared with quest.c ---- */

/* Records gone through in one go, at most. */
#define CLEANER_RECORDS 2048

/* So much is to be gone through, until so many bytes of it are gone; and what has been. */
struct cleaner_work {
	size_t most, enough;
	unsigned records;
	size_t met, went;
	size_t held; /* of those that were met: in the hands of who reads them */
};

/* What has been met is 0 where there is nothing to be cleaned.  hard: nothing is worth keeping that would free something. */
void cleaner_clean(struct shelf *sh, struct cleaner_work *work, enum log_want want, bool hard);

/*
 * Waits for others to come to the end of their ops, until a store is refused: so many that let them run at most, and then naps, which are over in
 * 5 ms.  Somebody whose turn is interrupted comes to its end in that time.
 */
#define CLEANER_YIELDS	  200
#define CLEANER_WAITS_MAX (CLEANER_YIELDS + 50)

/*
 * What was cleaned is free when the others have come to the end of their ops; this worker has, since it holds on to nothing.  waits: how often it
 * has done so.
 */
void cleaner_wait(struct shelf *sh, unsigned waits);

/* Is something on its way to be free, or can it be brought on it?  With nothing but open segments, those are closed. */
bool cleaner_is_coming(struct shelf *sh);

#endif
