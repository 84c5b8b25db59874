/*
 * Where a value may lie: free units of the region, side by side or in a few runs.  With the lock of the pages held.
 *
 *	1. where memory is already: in few runs, from behind the last place on; so values that are as old go side by side, and come together
 *	2. as a whole, wherever
 *	3. in whole pages of any kind, in more runs: in steps, the lock is free between
 */
#ifndef INMEM_PLACES_H
#define INMEM_PLACES_H

#include "pages.h"

/* Groups that are looked at for 1, and those that are partly full for 2, and for 3 in one step and in all. */
#define PLACES_WARM_LOOKS   32
#define PLACES_WHOLE_LOOKS  256
#define PLACES_PIECES_LOOKS 64
#define PLACES_PIECES_ALL   4096

/* 1.  Returns the number of runs, which are not used yet; 0: there is no such place. */
unsigned places_warm(const struct pages *p, uint64_t units, struct pages_run *runs, unsigned max);

/* 2. */
bool places_whole(const struct pages *p, uint64_t units, uint64_t *start);

/* 3.  What one search has found, and used. */
struct places_pieces {
	struct pages_run *runs;
	unsigned max, count;
	uint64_t left;	  /* units */
	uint64_t claimed; /* pages of the claim that they have taken */
	uint64_t least;	  /* units of a run, but for the last one */
	uint64_t page;	  /* where the next step begins */
	uint64_t to_see;  /* pages of the region that were not gone through */
	unsigned looks;	  /* groups that may be looked at yet */
	unsigned looked;  /* of them, those in the last step */
};

void places_pieces_init(
    struct places_pieces *s, const struct pages *p, uint64_t units, struct pages_run *runs, unsigned max);

/* false: it is over.  It has found all if left is 0. */
bool places_pieces_step(struct places_pieces *s, struct pages *p);

#endif
