/*
 * Memory for large values: the last part of the arena, twice as long as the limit, so that there is nearly always a place for a value as a whole.
 *
 *	region:	| page 4 KiB | page | ...		page: 8 units of 512 bytes
 *
 * Values lie in *runs* of units, and may begin and end inside a page: what is rounded up is half a unit.  Memory is counted in pages.  A page
 * with a unit in use is in use; one that is not, but has memory behind it, is *warm*, until it is cooled: given back to the system.
 *
 *	paid for (in the budget) = in use + claimed + spare		in use + warm <= paid for
 *
 * So there is nothing to be moved when the log wants memory, or the pages do: spare pages are cooled, and their bytes are the budget's again.
 */
#ifndef INMEM_PAGES_H
#define INMEM_PAGES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"
#include "mapping.h"

#define PAGES_PAGE	  4096
#define PAGES_UNIT	  512
#define PAGES_UNITS	  (PAGES_PAGE / PAGES_UNIT) /* in a page: a byte of the map */
#define PAGES_GROUP	  (2 * 1024 * 1024)	    /* bytes; the region is a number of them */
#define PAGES_GROUP_UNITS (PAGES_GROUP / PAGES_UNIT)
#define PAGES_FEW	  4  /* runs that a value lies in where memory is already, at most */
#define PAGES_COOL	  64 /* places where warm pages lie that are cooled in one go, with the lock held */

/* Seconds whose pins are counted apart: this one, the one before, and one more so that neither is overwritten while it counts. */
#define PAGES_HELD 4

/* Units in order, from the region's beginning. */
struct pages_run {
	uint64_t start : 40;
	uint64_t count : 24;
};

/* In the process's memory; what it points at is the arena's. */
struct pages {
	pthread_mutex_t lock;
	struct budget *budget;
	struct mapping map; /* the whole arena's, which ends with this */
	char *base;
	uint32_t groups;
	/* See units.h. */
	uint64_t *used, *warm, *warm_groups;
	uint16_t *room;
	uint32_t top; /* groups from here on were never used */

	/* Where searches begin (places.h): for warm places, behind what was placed last; for a place as a whole, in the group where something was
	 * freed last; for pieces, in a group. */
	uint64_t next; /* unit */
	uint32_t hand, pieces;

	/* Pages; read without the lock. */
	uint64_t paid, in_use, claimed, warmed;
	uint64_t idle; /* were spare all the time since pages_tick() */

	/* Bytes of large values, atomic; pin.h says what they are. */
	uint64_t pinned, orphans, reserved, copied;
	uint64_t pinned_max, pinned_most;
	uint64_t held[PAGES_HELD]; /* what was pinned in each of the last seconds: second << 44 | units */
	uint64_t users;		   /* atomic; the store, and who may outlive it */

	/* Who has large values: see pin.h. */
	struct {
		pthread_mutex_t lock;
		struct pin *all, *late;
		enum { PAGES_OURS, PAGES_GIVEN, PAGES_LEFT } whose;
		uint64_t going; /* atomic; who let go while the pages were ours, and is about to free them */
		int alive; /* the end of a pipe that says to who has the pages now that this process is there; or -1 */
	} pins;
};

/* Bytes of the region for a limit, a number of groups; and of the maps of a region. */
size_t pages_region(uint64_t limit);
size_t pages_maps(size_t region);

/*
 * Over maps that are all zeros, or those of a region that is taken over, whose counts the caller knows.  Takes over the mapping and the budget,
 * which end with the last user.  NULL: no memory.
 */
struct pages *pages_new(
    const struct mapping *map, char *maps, char *region, size_t size, struct budget *budget, bool taken);

/* A user more, or one less; *pp becomes NULL.  Any thread. */
void pages_ref(struct pages *p);
void pages_drop(struct pages **pp);

/* Takes up to so many pages from those that are spare, and from the budget.  Returns how many.  Any thread. */
uint64_t pages_claim(struct pages *p, uint64_t pages);

/* Gives back a claim, or a part of it.  The pages are spare then.  Any thread. */
void pages_unclaim(struct pages *p, uint64_t pages);

/* Pages that so many units take, at most, wherever they lie. */
static inline uint64_t
pages_of_units(uint64_t units)
{
	return (units + PAGES_UNITS - 1) / PAGES_UNITS + 1;
}

/* A claim becomes bytes of the caller's, which he gives back to the budget.  Any thread. */
void pages_cash(struct pages *p, uint64_t pages);

/*
 * Finds a place for so many units, in at most max runs, and uses it: pages_of_units() of them must be claimed, and are no longer.  Memory that is
 * there already is taken first, in up to PAGES_FEW runs.  Returns the number of runs; 0: there is no such place, and the claim is as it was.
 * Any thread.
 */
unsigned pages_place(struct pages *p, uint64_t units, struct pages_run *runs, unsigned max);

/*
 * Cools some pages, if not all claims could be placed where nothing is warm: for who has time before pages_place(), which else may have to cool as
 * many as it places.  true: there are more.  Any thread.
 */
bool pages_cool(struct pages *p);

/* Does the run lie in the region, and is all of it in use?  Any thread. */
bool pages_are_used(struct pages *p, const struct pages_run *run);

/* They are free again.  Any thread. */
void pages_free(struct pages *p, const struct pages_run *runs, unsigned count);

/* Gives back to the budget what is spare, so many bytes at most, rounded up to a page.  false: nothing is.  Any thread. */
bool pages_shrink(struct pages *p, uint64_t bytes);

/* Bytes that pages_shrink() could give.  Any thread. */
uint64_t pages_spare(const struct pages *p);

/* About once a second: gives back what was spare all the time since, a bounded part of it. */
void pages_tick(struct pages *p);

static inline char *
pages_at(const struct pages *p, uint64_t unit)
{
	return p->base + unit * PAGES_UNIT;
}

#endif
