/*
 * What another process left is believed when it was looked at.
 *
 * A store that was taken over begins a new epoch, so that whoever finds an item of before comes here, and nobody else does.  A segment with such
 * items is gone through once: each record must be where the one before ends, and have the hash that its key has, so none is longer or shorter
 * than it was; and a large value must be the one of its record.  Those that are alive are of this epoch then, and so it is known which records the
 * chain has.  Where it breaks the segment is *damaged*: what is in it is gone, and its memory is not used again.
 *
 *	a get of a small value: only its record is looked at, and nothing is written to it until its segment has been gone through
 *	whoever changes something, or gets a large value: its segment is gone through first, before a home is locked
 *	once a second: segments, for some milliseconds; the sweep passes over the others
 *
 * No lock is held meanwhile: two may go through the same segment, and find the same.  Whoever does holds back a grace.
 */
#ifndef INMEM_PROOF_H
#define INMEM_PROOF_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct store;

struct proof {
	pthread_mutex_t lock; /* for large values, and who holds them */
	uint64_t turn;	      /* atomic; segments that proof_tick() has come to */
	uint64_t from,
	    to; /* items of epochs from this one on, up to this, are of before, and alive; the same: there is no before */
};

/* More epochs than this cannot be told from each other. */
#define PROOF_EPOCHS_MAX 32768

void proof_init(struct proof *p);
void proof_fini(struct proof *p);

/* Everything came from another process, and was not flushed if it is of this epoch or a later one; the store begins a new one. */
void proof_begin(struct store *s, uint64_t from, uint64_t to);

/* What is that for who takes this store over? */
uint64_t proof_from(const struct store *s);

/* Is a record, which is not of this epoch, from before, and alive, and in its segment's chain?  It is of this epoch then.  Any thread, also with the
 * lock of a home. */
bool proof_admits(struct store *s, struct record *r, uint16_t epoch);

/* The same for who only reads a record that was found by its key; it need not be of this epoch then. */
bool proof_shows(struct store *s, struct record *r, uint16_t epoch);

/* Are the records of a segment what they should be?  Any thread. */
bool proof_of_segment(struct store *s, uint32_t segment);

/* Has the segment been gone through, and they are not? */
bool proof_failed_of_segment(const struct store *s, uint32_t segment);

/* Would the segment have to be gone through first?  Nothing in it was flushed since it came. */
bool proof_is_due(const struct store *s, uint64_t location);

/* Is a record of an epoch of this process: made here, or admitted? */
bool proof_is_own(const struct store *s, const struct record *r);

/* Does a record end in its segment, and have the hash of its key?  For what is in no chain that could be believed. */
bool proof_of_record(const struct store *s, const struct record *r);

/* Is the large value that a record says to have one, and its? */
bool proof_of_value(struct store *s, const struct record *r);

/* Is there anything of before that is alive? */
static inline bool
proof_runs(const struct proof *p, uint64_t epoch)
{
	return p->from != p->to && epoch == p->to;
}

/* Has it not come to all of so many segments yet? */
static inline bool
proof_is_under_way(const struct proof *p, uint32_t segments)
{
	return __builtin_expect(p->from != p->to, 0) && __atomic_load_n(&p->turn, __ATOMIC_RELAXED) < segments;
}

/* Goes through segments, until then (ticking.h). */
void proof_tick(struct store *s, uint64_t until);

#endif
