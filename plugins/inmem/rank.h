/*
 * Which items are worth their bytes.
 *
 * One is kept when its hits, squared, times the average size are at least its size: small ones for one hit, larger ones for more, and for
 * four whatever the size is.  The average is that of what is stored now, so it follows when sizes change.
 */
#ifndef INMEM_RANK_H
#define INMEM_RANK_H

#include <stdbool.h>
#include <stdint.h>

#define RANK_HITS_MAX	 7 /* three bits */
#define RANK_HITS_ENOUGH 4
#define RANK_SHIFT	 12 /* the average moves over about 4,096 stores */
#define RANK_FIRST	 512

struct rank {
	int64_t average; /* bytes << RANK_SHIFT */
};

static inline void
rank_init(struct rank *r)
{
	r->average = (int64_t)RANK_FIRST << RANK_SHIFT;
}

static inline void
rank_stored(struct rank *r, uint64_t size)
{
	r->average += (int64_t)size - (r->average >> RANK_SHIFT);
}

static inline bool
rank_keeps(const struct rank *r, unsigned hits, uint64_t size)
{
	return hits >= RANK_HITS_ENOUGH || (uint64_t)(r->average >> RANK_SHIFT) * hits * hits >= size;
}

#endif
