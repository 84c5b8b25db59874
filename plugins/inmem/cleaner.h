/*
 * Makes room in the log: goes through a victim record by record, and copies what is worth it.
 *
 *	small queue:  asked for often enough for its size? ── yes: to the main queue ── no: evicted, and remembered by the ghost
 *	main queue:   the same, and half of its hits are forgotten ── no: evicted
 *	a victim that is compacted for its dead bytes: everything alive is copied, within its queue
 *
 * Each worker cleans a victim of its own, a little for each item that it stores.
 */
#ifndef INMEM_CLEANER_H
#define INMEM_CLEANER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shelf;

struct cleaner {
	uint32_t segment; /* LOG_NONE: none */
	uint32_t at;	  /* bytes of it that were gone through */
	bool compact;
};

void cleaner_init(struct cleaner *c);

/* Gives its victim back. */
void cleaner_fini(struct shelf *sh);

/* If room is getting scarce: goes through about so many bytes. */
void cleaner_pay(struct shelf *sh, size_t bytes);

/* Room for a record, and if there is none, it is made; 0: there is none.  The worker holds on to nothing that it found. */
uint64_t cleaner_room(struct shelf *sh, unsigned queue, size_t size);

/* Takes bytes from the budget, and items go for them.  false: there is nothing that could go.  The worker holds on to nothing that it found. */
bool cleaner_bytes(struct shelf *sh, size_t bytes);

/* Compacts what is worth it, and gives memory back that is not needed; once a second. */
void cleaner_tick(struct shelf *sh);

#endif
