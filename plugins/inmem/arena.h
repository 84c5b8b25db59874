/*
 * The memory of one store: a single mapping, laid out in offsets, so that nothing in it depends on where it is mapped.
 *
 *	[ segment table | ghost | index: level 0, level 1, ... level 127 | segment 0 | segment 1 | ... ]
 *
 * The mapping is larger than the limit: a part counts against the budget when it is used, and what was not used yet, or was given back, has no
 * memory behind it.
 */
#ifndef INMEM_ARENA_H
#define INMEM_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"

/* The index: sets of pages of buckets of slots; see index.h. */
#define ARENA_PAGE	16384 /* bytes */
#define ARENA_PAGES_MAX 128   /* in a set: levels */
#define ARENA_SETS_MAX	65536

/* Locations count in units of 8 bytes from the beginning of the mapping; 0 is none. */
#define ARENA_UNIT 8

struct arena {
	char *base;
	size_t size;
	uint64_t limit;
	uint32_t segment_shift; /* log2 of a segment's bytes */
	uint32_t segments;
	uint32_t sets;
	uint32_t ghost_lines; /* a power of two */
	size_t table_at, ghost_at, index_at, log_at;
	struct budget *budget;
};

/* Maps it, and takes what its tables need from the budget.  0, or -1: no memory, or the limit is too small. */
int arena_init(struct arena *a, uint64_t limit);

/* Unmaps it.  Of its budget it gives back what arena_init() took, and closes it. */
void arena_fini(struct arena *a);

static inline size_t
arena_segment_size(const struct arena *a)
{
	return (size_t)1 << a->segment_shift;
}

static inline void *
arena_at(const struct arena *a, uint64_t location)
{
	return a->base + location * ARENA_UNIT;
}

static inline uint64_t
arena_location(const struct arena *a, const void *p)
{
	return (uint64_t)((const char *)p - a->base) / ARENA_UNIT;
}

/* Which segment a location lies in. */
static inline uint32_t
arena_segment(const struct arena *a, uint64_t location)
{
	return (uint32_t)((location * ARENA_UNIT - a->log_at) >> a->segment_shift);
}

static inline uint64_t
arena_segment_start(const struct arena *a, uint32_t segment)
{
	return (a->log_at + ((uint64_t)segment << a->segment_shift)) / ARENA_UNIT;
}

/* A page of the index, whether it is used or not. */
static inline void *
arena_page(const struct arena *a, uint32_t set, uint32_t level)
{
	return a->base + a->index_at + ((size_t)level * a->sets + set) * ARENA_PAGE;
}

/* A segment has no memory behind it any more; what was in it reads as zeros. */
void arena_forget(const struct arena *a, uint32_t segment);

#endif
