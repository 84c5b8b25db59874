/*
 * Where records lie: segments, in the order in which they were written.
 *
 *	void ──► free ──► open ──► full ──► victim ──► limbo ──► free
 *	  ▲		   │ records are	│ what lives is	   │ until nobody can
 *	  └── given back	   │ appended	│ copied elsewhere │ be reading it
 *
 * Two queues: what is new is written to the small one, what has proved itself to the main one.  A full segment may be cleaned after a grace, when
 * everybody who reserved room in it has written and published his record; so a walk finds nothing but records.  A void segment has no memory
 * behind it, and counts nothing.
 */
#ifndef INMEM_LOG_H
#define INMEM_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "grace.h"

enum { LOG_SMALL, LOG_MAIN, LOG_QUEUES };

#define LOG_NONE UINT32_MAX

enum segment_state { SEGMENT_VOID, SEGMENT_FREE, SEGMENT_OPEN, SEGMENT_FULL, SEGMENT_VICTIM, SEGMENT_LIMBO };

/* Of the table at the beginning of the arena; under the log's lock but for the atomic ones. */
struct segment {
	uint32_t fill; /* atomic; bytes reserved; beyond the end once it is full */
	uint32_t dead; /* atomic; bytes of records that are gone */
	uint32_t end;  /* where the records end, once it is full */
	uint8_t state; /* enum segment_state */
	uint8_t queue;
	uint16_t unused;
	uint64_t weight; /* atomic; bytes of large values whose records are here */
	uint64_t epoch;	 /* the grace since which it is full, or in limbo */
	uint32_t next, prev;
	uint64_t opened; /* how many were opened before it */
	uint64_t spare[2];
} __attribute__((aligned(64)));

struct segments { /* a list */
	uint32_t first, last;
	uint32_t count; /* atomic */
};

#define LOG_LANES_MAX 16

struct log {
	struct arena *arena;
	struct grace *grace;
	struct segment *segments;
	pthread_mutex_t lock;
	uint32_t lanes;	     /* so many open segments of each queue, for as many workers */
	uint32_t reserve;    /* free segments that only the cleaner may open */
	uint32_t target;     /* below so many the cleaner works */
	uint32_t hand;	     /* where the next look for dead bytes begins */
	uint32_t touched;    /* segments before this one were opened once; none behind it was */
	uint64_t weight_max; /* a segment that has so much of large values is full */
	uint64_t opened;
	uint64_t flushed;			  /* segments opened before so many have little that is alive */
	uint64_t bytes[LOG_QUEUES];		  /* of segments and large values; atomic */
	uint32_t open[LOG_QUEUES][LOG_LANES_MAX]; /* atomic */
	struct segments free, empty, limbo, full[LOG_QUEUES];
};

/* Takes the reserve from the budget.  0, or -1: no room for it. */
int log_init(struct log *l, struct arena *a, struct grace *g, unsigned workers);

/* Gives all segments back to the budget. */
void log_fini(struct log *l);

/*
 * Room for a record; 0: there is no segment for it.  The caller writes a record of that size there, and publishes it or log_dead()s it, before
 * its next grace_enter().
 */
uint64_t log_alloc(struct log *l, unsigned worker, unsigned queue, size_t size, bool cleaner);

/* The record of this size is gone. */
void log_dead(struct log *l, uint64_t location, size_t size);

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

static inline bool
log_is_low(const struct log *l)
{
	return __atomic_load_n(&l->free.count, __ATOMIC_RELAXED) < l->target && log_room(l) < l->target;
}

/* What was cleaned, and nobody can be reading any more, is free. */
void log_reclaim(struct log *l);

/* Closes the open segments: for when there are no others to be cleaned. */
void log_close(struct log *l);

/* What to look for in a victim. */
enum log_want {
	LOG_OLDEST,    /* one with many dead bytes, else the oldest of the queue that is too large */
	LOG_DEAD_MOST, /* one with many dead bytes */
	LOG_DEAD_ANY,  /* the one with most dead bytes, however few */
};

/* A segment to be cleaned, the caller's until it says log_cleaned() or log_spare(); *compact: for its dead bytes.  LOG_NONE: there is none. */
uint32_t log_victim(struct log *l, enum log_want want, bool *compact);
void log_cleaned(struct log *l, uint32_t segment);
void log_spare(struct log *l, uint32_t segment);

/* Gives memory of free segments back to the budget, but for the reserve.  false: there was none. */
bool log_give_back(struct log *l, uint32_t keep);

#endif
