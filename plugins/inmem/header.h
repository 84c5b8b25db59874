/*
 * What stands at the beginning of the arena: all that whoever takes it over has to know of a store, and cannot find out by going through the
 * table of segments.  It is written when the memory is given away.
 */
#ifndef INMEM_HEADER_H
#define INMEM_HEADER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "arena.h"

struct store;

/* Whoever changes what lies in the arena, or what it means, adds one. */
#define HEADER_LAYOUT 4

enum {
	HEADER_LIVE,  /* somebody is at work in it; also all zeros */
	HEADER_CLEAN, /* it was given away, and nobody has taken it */
	HEADER_TAKEN, /* somebody has, and was not asked anything yet */
};

struct header {
	uint64_t magic;
	uint32_t layout;
	uint32_t state; /* atomic; HEADER_LIVE, ... */
	uint64_t
	    sum; /* of all that follows, of the table, and of the maps of pages up to the last that was ever used */
	uint32_t sizes[6];
	uint64_t limit;
	uint64_t hash;					 /* of a word that is known, so that others' keys have theirs */
	int64_t wall;					 /* what its process had as the time, in unix seconds, */
	uint64_t boot;					 /* when this was the time since boot, ns */
	uint64_t version, epoch, from;			 /* see proof.h */
	uint64_t items, opened, flushed, grown, growing; /* grown: without the count of buckets that came back */
	int64_t average;				 /* see rank.h */
	struct {
		uint64_t in_use, warmed, paid, pinned, orphans, reserved, next;
		uint32_t top, hand, pieces, unused;
	} pages;
};

static inline struct header *
header_of(const struct arena *a)
{
	return (struct header *)(void *)a->base;
}

/* All of it, and then the state.  Nobody is at work in the store. */
void header_write(struct store *s);

/* A copy of the one of an arena that another process left: what is looked at in it is then what is used of it. */
static inline void
header_copy(struct header *to, const struct arena *a)
{
	uint32_t state = __atomic_load_n(&header_of(a)->state, __ATOMIC_ACQUIRE);

	memcpy(to, header_of(a), sizeof *to);
	to->state = state;
}

/* By so many seconds its process's clock was ahead of this one's: the system's may have been set since that one began. */
int64_t header_skew(const struct header *h);

/* What is wrong with it; NULL: nothing.  Looks only. */
const char *header_fault(const struct arena *a, const struct header *h);

/* Is it, with the table and the maps, what was summed up?  Links and lists of the table do not count, since they are made anew. */
bool header_is_whole(const struct arena *a, const struct header *h);

/* Another state, if it is this one.  false: it is not. */
static inline bool
header_become(const struct arena *a, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&header_of(a)->state, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

#endif
