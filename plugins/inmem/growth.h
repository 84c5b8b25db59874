/*
 * How the index gets another page, and gives one up: for one set at a time, bucket by bucket, in steps that others make on the way.
 *
 *	the bucket and its like in the last page are locked ── entries copied ── the bucket is marked ── entries cleared ── unlocked
 *
 * Who comes to a bucket with an older number of pages finds the mark, and goes on to the last page; so nobody needs to be waited for.
 *
 * A page is given up in the same steps, backwards: the set has a page less from the beginning, and those buckets that are still marked have entries
 * in the last one.  Half done it is the same as growth half done, whoever takes it over, and each can turn into the other at any bucket: a page that
 * cannot be emptied, because there is no room for an entry, is filled again, and for a while no other one is tried.  Who has been at a bucket
 * before its entries came back to it would not find them where they were: each bucket that comes back is counted (index.grown).
 *
 *	all sets:  grow from 78 % of their slots on ── shrink from 45 % on, down to where 63 % of those that are left would be in use
 *
 * A page that was given up may still be looked at.  It waits for a grace until its memory goes, and counts in the budget until then.
 */
#ifndef INMEM_GROWTH_H
#define INMEM_GROWTH_H

#include "grace.h"
#include "index.h"

/* How many slots there are. */
static inline uint64_t
growth_slots(const struct index *ix)
{
	return index_buckets(ix) * INDEX_SLOTS;
}

/*
 * What there is to be done, with so many items.  Hashes are spread evenly, so all sets have as many, and those with a page less are the fullest.
 * Once one set has one more, the others get theirs at once, and the same where they get fewer; but half way, either may turn into the other.
 */
enum growth_need { GROWTH_NONE, GROWTH_MORE, GROWTH_LESS };
enum growth_need growth_need(const struct index *ix, uint64_t items);

/* Does it grow, with no need to ask again? */
bool growth_is_half_way(const struct index *ix);

/* Is a set being sorted? */
static inline bool
growth_runs(const struct index *ix)
{
	return __atomic_load_n(&ix->growing, __ATOMIC_RELAXED) != INDEX_RESTS;
}

/*
 * Buckets to be sorted for each insert.  All of a set's are, for a page, and have to be before as many items have come as there is room for in one:
 * 4, and with more than 20 pages a fifth of their number, which is 26 at most.
 */
unsigned growth_pace(const struct index *ix);

/* Does a page have to be paid for?  Not one that was given up and is still there. */
bool growth_costs(const struct index *ix);

/*
 * Begins with a page for the next set.  paid: ARENA_PAGE bytes, which the caller has taken from the budget; they go back to it if the page costs
 * nothing.  false: somebody else is at it, there are all that there may be, or it costs something by now.
 */
bool growth_begin(struct index *ix, bool paid);

/* Begins to empty the last page.  false: somebody is at it, there is none to be given up, or it is too early after one that could not be emptied. */
bool growth_shrink(struct index *ix);

/*
 * Sorts so many buckets more, unless somebody else is at it.  dropped(arg, entry) is told of what found no place any more, under the lock of
 * its home: it is gone.  Without dropped none may go: the bucket is left as it was, to be tried again with the next step.  What is emptied never
 * drops any.  Returns how many are left to be sorted of another set; 0: none, or it cannot go on now.
 */
typedef void growth_dropped_f(void *arg, uint64_t entry);
unsigned growth_step(struct index *ix, unsigned buckets, growth_dropped_f *dropped, void *arg);

/* Pages that were given up, and that nobody looks at any more, have no memory behind them; a few at a time. */
void growth_forget(struct index *ix, struct grace *g);

#endif
