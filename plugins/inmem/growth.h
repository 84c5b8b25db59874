/*
 * How the index gets another page: for one set at a time, bucket by bucket, in steps that others make on the way.
 *
 *	the bucket and its like in the new page are locked ── entries copied ── the bucket is marked ── entries cleared ── unlocked
 *
 * Who comes to a bucket with an older number of pages finds the mark, and goes on to the new page; so nobody needs to be waited for.
 */
#ifndef INMEM_GROWTH_H
#define INMEM_GROWTH_H

#include "index.h"

/* How many slots there are. */
static inline uint64_t
growth_slots(const struct index *ix)
{
	return index_buckets(ix) * INDEX_SLOTS;
}

/*
 * Should it grow, with so many items?  Hashes are spread evenly, so all sets have as many, and those with a page less are the fullest.
 * Once one set has one more, the others get theirs at once.
 */
bool growth_is_due(const struct index *ix, uint64_t items);
bool growth_is_half_way(const struct index *ix);

/* Is a set being sorted? */
static inline bool
growth_runs(const struct index *ix)
{
	return __atomic_load_n(&ix->growing, __ATOMIC_RELAXED) != INDEX_RESTS;
}

/* Can it grow further at all? */
bool growth_ends(const struct index *ix);

/* Begins with a page for the next set: ARENA_PAGE bytes, which the caller has taken from the budget.  false: somebody else did. */
bool growth_begin(struct index *ix);

/*
 * Sorts so many buckets more, unless somebody else is at it.  dropped(arg, entry) is told of what found no place any more, under the lock of
 * its home: it is gone.  Without dropped none may go: the bucket is left as it was, to be tried again with the next step.
 */
typedef void growth_dropped_f(void *arg, uint64_t entry);
void growth_step(struct index *ix, unsigned buckets, growth_dropped_f *dropped, void *arg);

#endif
