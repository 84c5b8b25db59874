/*
 * What another process left is believed when it was looked at.
 *
 * Each segment that came is gone through once: every record must be where the one before ends, and have the hash that its key has, so none is
 * longer or shorter than it was; and a large value must be the one of its record.  Those that are alive are of a new epoch then, which none of them
 * can have before.  Where the chain breaks the segment is *damaged*: what is in it is gone, and its memory is not used again.
 *
 *	a small value:	only its record is looked at, and the one behind it; who takes it out leaves it to be counted (PROOF_GONE)
 *	a large value:	its segment is gone through first, before a home is locked
 *	once a second:	pages of the index, and then segments, for some milliseconds; the sweep passes over the others
 *
 * Whoever goes through a segment has no lock but its own, and holds back a grace.
 */
#ifndef INMEM_PROOF_H
#define INMEM_PROOF_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct shelf;
struct store;

/* So many segments may be gone through at a time. */
#define PROOF_WALKS 16

struct proof {
	pthread_mutex_t lock; /* for large values, and who holds them */
	pthread_mutex_t walks[PROOF_WALKS];
	uint64_t turn; /* atomic; segments that proof_tick() has come to */
	uint64_t left; /* atomic; segments that were not gone through, or are damaged */
	uint64_t lost; /* atomic; items whose entries were dropped from the index */
	uint64_t from,
	    to; /* items of epochs from this one on, up to this, are of before, and alive; the same: there is no before */
	int64_t skew; /* seconds by which the clock of before was ahead of this one */
	/*
	 * Of each segment, atomic: so many of its first bytes came from another process and were not gone through; and PROOF_CHAIN, when they are
	 * known to be records, and those that are alive are being made this process's; 0: none; SEGMENT_DAMAGED.  NULL: nothing came.
	 */
	uint32_t *taken;
	bool *came; /* of each segment: was it full when it came? */
};
#define PROOF_CHAIN 1U

/* No store has these epochs.  The first is that of a record which was not published yet; of the second one whoever goes through its segment counts
 * that it is gone. */
#define PROOF_DRAFT 0
#define PROOF_GONE  UINT16_MAX

/* More epochs than this cannot be told from each other. */
#define PROOF_EPOCHS_MAX 32768

/* The epoch after this one. */
static inline uint64_t
proof_next(uint64_t epoch)
{
	do
		epoch++;
	while ((uint16_t)epoch == PROOF_DRAFT || (uint16_t)epoch == PROOF_GONE);
	return epoch;
}

void proof_init(struct proof *p);
void proof_fini(struct proof *p);

/* Before anything is changed: 0, or -1: no memory. */
int proof_reserve(struct store *s);

/*
 * Everything came from another process, and was not flushed if it is of this epoch or a later one, up to `to`; the store begins a new one.  skew: by
 * so many seconds its clock was ahead.
 */
void proof_begin(struct store *s, uint64_t from, uint64_t to, int64_t skew);

/* There is nothing of before any more. */
void proof_end(struct store *s);

/* What is that for who takes this store over? */
uint64_t proof_from(const struct store *s);

/* Goes through all of them, so that nothing there has another clock than this process.  false: not by then (ticking.h). */
bool proof_finish(struct store *s, uint64_t until);

/* Is anything there that must be looked at before it is believed? */
static inline bool
proof_looks(const struct proof *p)
{
	return __builtin_expect(__atomic_load_n(&p->left, __ATOMIC_ACQUIRE) != 0, 0);
}

/* Is a record that has the key it was looked for by alive, in an epoch?  For a store that was taken over.  Any thread, also with the lock of a home. */
bool proof_admits(struct store *s, const struct record *r, uint16_t epoch);

/* The record of this entry may be changed by who locks its home next: goes through its segment, if that has to be, without the lock. */
void proof_prepare(struct store *s, uint64_t location);

/* Are the records of a segment what they should be?  Any thread. */
bool proof_of_segment(struct store *s, uint32_t segment);

/* Would the segment have to be gone through first? */
bool proof_is_due(const struct store *s, uint64_t location);

/* Is the large value that a record says to have one, and its?  Its segment was gone through. */
bool proof_of_value(struct store *s, const struct record *r);

/* What is to be done about a record that is out of the index, in a store that was taken over. */
enum proof_leave {
	PROOF_COUNTS,	   /* it is counted as dead, and its large value freed */
	PROOF_VALUE,	   /* only that is freed */
	PROOF_COUNTS_BARE, /* it is counted, and nothing is freed: its large value is none */
	PROOF_NOTHING,	   /* it is, or will be, counted by others */
	PROOF_DAMAGED,
};
enum proof_leave proof_leave(struct store *s, struct record *r);

/* Can an entry of the index that came lead to a record?  If not it is counted as lost.  See index_mend(). */
bool proof_leads(void *store, uint64_t entry, bool twice);

/* Has it not come to all yet? */
bool proof_is_under_way(const struct store *s);

/* Goes through one segment that nobody has come to.  false: there is none.  Any thread, at work in the store or not. */
bool proof_step(struct store *s);

/* Goes through pages of the index, and segments, until then (ticking.h); nobody waits for this worker meanwhile for longer than one takes. */
void proof_tick(struct shelf *sh, uint64_t until);

#endif
