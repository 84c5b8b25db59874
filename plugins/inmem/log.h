/*
 * Where records lie: segments, in the order in which they were written.
 *
 *	void ──► free ──► open ──► full ──► victim ──► limbo ──► free
 *	  ▲		   │ records are	│ what lives is	   │ until nobody can
 *	  └── given back	   │ appended	│ copied elsewhere │ be reading it
 *
 * Two queues: what is new is written to the small one, what has proved itself to the main one.  In each, items of like times to live lie together
 * (lives.h).  A full segment may be cleaned after a grace, when everybody who reserved room in it has written and published his record; so a walk
 * finds nothing but records.  A void segment has no memory behind it, and counts nothing.
 */
#ifndef INMEM_LOG_H
#define INMEM_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "full.h"
#include "grace.h"
#include "segment.h"

#define LOG_NONE	SEGMENT_NONE

#define LOG_WRITERS_MAX 16

struct log {
	struct arena *arena;
	struct grace *grace;
	struct segment *segments;
	pthread_mutex_t lock;
	uint32_t writers;    /* so many open segments of each queue and lane, for as many workers */
	bool one_lane;	     /* there are too few segments for more */
	uint32_t reserve;    /* free segments that only the cleaner may open */
	uint32_t least;	     /* below so many large values get no more memory */
	uint32_t target;     /* below so many the cleaner works */
	uint64_t weight_max; /* a segment that has so much of large values is full */
	uint64_t opened;
	uint64_t bytes[LOG_QUEUES];				 /* of segments and large values; atomic */
	uint32_t open[LOG_QUEUES][LIVES_LANES][LOG_WRITERS_MAX]; /* atomic */
	struct segments free, empty, limbo;
	struct full full;
};

/* Takes the reserve from the budget.  0, or -1: no room for it. */
int log_init(struct log *l, struct arena *a, struct grace *g, unsigned workers);

/* The same with a table that another process left; opened: how many it had opened.  Its segments are counted in the budget by the caller. */
void log_inherit(struct log *l, struct arena *a, struct grace *g, unsigned workers, uint64_t opened);

/* Puts every segment where it belongs, by what the table says.  Nobody is at work. */
void log_sort(struct log *l);

/* Is the table one that log_inherit() can go on with?  Looks only.  bytes: of its segments. */
bool log_is_right(const struct arena *a, uint64_t *bytes);

/* Bytes of its segments, which are the caller's to give back before log_fini(). */
uint64_t log_bytes(const struct log *l);
void log_fini(struct log *l);

/* Where a record belongs. */
struct log_place {
	unsigned queue, lane;
};

/* exptime: of the record, as far as it is known by now. */
struct log_place log_place(const struct log *l, unsigned queue, int64_t exptime);

/*
 * Room for a record; 0: there is no segment for it.  The caller writes a record of that size there, and publishes it or log_dead()s it, before
 * its next grace_enter().
 */
uint64_t log_alloc(struct log *l, unsigned worker, struct log_place place, size_t size, bool cleaner);

/* The record of this size is gone: nobody finds it any more, and nobody has counted when it expires. */
void log_dead(struct log *l, uint64_t location, size_t size);

/* The record expires then (0: never): from when others find it until log_gone(), or until it expires at another time. */
void log_expires(struct log *l, uint64_t location, size_t size, uint32_t exptime);
void log_expires_not(struct log *l, uint64_t location, size_t size, uint32_t exptime);

/* The record is gone, and expires no more. */
void log_gone(struct log *l, uint64_t location, size_t size, uint32_t exptime);

/* A large value came to a record there (or went: negative). */
void log_weigh(struct log *l, uint64_t location, int64_t bytes);

/* What lies in it now was flushed. */
void log_flushed(struct log *l);

/* Which queue a record is in. */
static inline unsigned
log_queue(const struct log *l, uint64_t location)
{
	return l->segments[arena_segment(l->arena, location)].queue;
}

/* Segments that could be opened now: those that are free, and as many void ones as the budget lets. */
uint32_t log_room(const struct log *l);

/* Bytes of that many segments; and those that are free, or could be, beyond them. */
static inline uint64_t
log_least_bytes(const struct log *l)
{
	return (uint64_t)l->least << l->arena->segment_shift;
}

uint64_t log_spare_room(const struct log *l);

static inline bool
log_is_low(const struct log *l)
{
	return __atomic_load_n(&l->free.count, __ATOMIC_RELAXED) < l->target && log_room(l) < l->target;
}

/* What was cleaned, and nobody can be reading any more, is free. */
void log_reclaim(struct log *l);

/* Closes the open segments: for when there are no others to be cleaned. */
void log_close(struct log *l);

/* Closes those of which much is gone. */
void log_close_worth(struct log *l);

/* What to look for in a victim. */
enum log_want {
	LOG_OLDEST, /* the oldest of the queue that is too large */
	LOG_WORTH,  /* one of which a fifth is gone, or more */
	LOG_GONE,   /* of some, the one of which most is gone, though it be less */
	LOG_ALL,    /* the same, of as many as may be looked at in one go */
};

/* A segment to be cleaned, the caller's until it says log_cleaned() or log_spare().  LOG_NONE: there is none. */
uint32_t log_victim(struct log *l, enum log_want want);
void log_cleaned(struct log *l, uint32_t segment);

/* Nothing lives in its first bytes any more.  first: it is the next to be cleaned; else others are. */
void log_spare(struct log *l, uint32_t segment, uint32_t cleaned, bool first);

/* Is more memory in the large values of its records than in itself? */
bool log_is_heavy(const struct log *l, uint32_t segment);

/* Its lists are empty: for log_sort(). */
void log_clear(struct log *l);

/* Gives memory of free segments back to the budget, but for the reserve.  false: there was none. */
bool log_give_back(struct log *l, uint32_t keep);

#endif
