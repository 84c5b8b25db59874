/*
 * The memory of one store: a single mapping, laid out in offsets, so that nothing in it depends on where it is mapped.
 *
 *	[ header | segment table | ghost | maps of pages | index: level 0, level 1, ... level 127 | segment 0 | segment 1 | ... | pages ]
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
#include "mapping.h"
#include "pages.h"

/* The index: sets of pages of buckets of slots; see index.h. */
#define ARENA_HEADER	4096  /* bytes; see header.h */
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
	size_t table_at, ghost_at, maps_at, index_at, log_at, pages_at;
	struct budget *budget; /* until the pages end */
	struct pages *pages;   /* for large values; the mapping is theirs, as answers may outlive the store */
};

/* Maps it, and takes what its tables need from the budget.  0, or -1: no memory, or the limit is too small. */
int arena_init(struct arena *a, uint64_t limit, bool file);

/* The same with what another process made for the same limit; the descriptor is the arena's if it says 0.  Nothing in it is looked at. */
int arena_inherit(struct arena *a, uint64_t limit, int fd);

/* What its tables took from the budget. */
size_t arena_tables(const struct arena *a);

/* Of its budget it gives back what arena_init() took.  The mapping and the budget end when nobody has a large value any more. */
void arena_fini(struct arena *a);

/* Takes bytes from the budget, if need be those of spare pages.  Any thread. */
static inline bool
arena_take(struct arena *a, size_t bytes)
{
	return budget_take(a->budget, bytes) || (pages_shrink(a->pages, bytes) && budget_take(a->budget, bytes));
}

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

/* Does it lie in a segment?  Else it comes from what was damaged. */
static inline bool
arena_in_log(const struct arena *a, uint64_t location)
{
	return location * ARENA_UNIT - a->log_at < (uint64_t)a->segments << a->segment_shift;
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
