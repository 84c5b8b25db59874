/*
 * The segments that are full, and which of them is to be cleaned next.
 *
 *	fresh, by queue and lane, in the order in which they were closed ── a fifth of it is gone ──► worth cleaning, in four ranks
 *
 * Gone are the bytes that are dead or have expired.  Whoever makes some dead says so when they come to another fifth; time makes others expire,
 * so all are looked at again when a second is over, before one is chosen.
 */
#ifndef INMEM_FULL_H
#define INMEM_FULL_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "grace.h"
#include "segment.h"

enum { LOG_SMALL, LOG_MAIN, LOG_QUEUES };

#define FULL_RANKS 5 /* 0: fresh */

struct full {
	const struct arena *arena;
	struct grace *grace;
	struct segment *table;
	struct segments fresh[LOG_QUEUES][LIVES_LANES], worth[FULL_RANKS];
	uint32_t count;	     /* atomic; of all of them */
	uint32_t worthy;     /* atomic; of those worth cleaning */
	uint32_t touched;    /* segments before this one were opened once; none behind it was */
	uint32_t turn, left; /* which is looked at again next, and how many are to be */
	int64_t looking;     /* unix seconds, when this was begun; and when it was done last: */
	int64_t looked;	     /* atomic */
	uint32_t hand;	     /* where full_deadest() goes on */
	uint64_t flushed;    /* atomic; segments opened before so many have nothing that is alive */
};

void full_init(struct full *f, const struct arena *a, struct grace *g, struct segment *table);

/* ---- under the log's lock ---- */

/* It is full: it is in a list from now on, and when it is taken in none. */
void full_add(struct full *f, uint32_t s, int64_t wall);
void full_take(struct full *f, uint32_t s);

/* One that was taken comes back, to be taken first again. */
void full_return(struct full *f, uint32_t s, int64_t wall);

/* More of it is gone, if it is full at all. */
void full_rank(struct full *f, uint32_t s, int64_t wall);

/* What was opened before so many is gone. */
void full_flushed(struct full *f, uint64_t opened);

/* The one that is most worth cleaning; SEGMENT_NONE: of none a fifth is gone. */
uint32_t full_worth(struct full *f, int64_t wall);

/* Of so many segments, the one with most bytes that are gone, be they ever so few, but not fewer than least. */
uint32_t full_deadest(struct full *f, int64_t wall, uint32_t least, unsigned looks);

/* The one of a queue that was opened first. */
uint32_t full_oldest(const struct full *f, unsigned queue);

/* ---- without it ---- */

/* Do so many dead bytes more bring a segment to another rank? */
bool full_is_passed(const struct full *f, const struct segment *seg, uint32_t dead, uint32_t more);

/* Might full_worth() find one? */
static inline bool
full_has_worth(const struct full *f, int64_t wall)
{
	return __atomic_load_n(&f->worthy, __ATOMIC_RELAXED) != 0 ||
	       __atomic_load_n(&f->looked, __ATOMIC_RELAXED) != wall;
}

/* Of the first bytes of a segment, up to where they end or so far as it is filled, those that are gone. */
uint32_t full_gone(const struct full *f, const struct segment *seg, uint32_t end, int64_t wall);

#endif
