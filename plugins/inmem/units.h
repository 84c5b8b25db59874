/*
 * Which units of the region are used, and which pages that are not have memory behind them.  All with the lock of the pages held.
 *
 *	used:	a bit for each unit		warm:	a bit for each page	warm_groups:	a bit for each group that has a warm page
 *	room:	free units of each group
 */
#ifndef INMEM_UNITS_H
#define INMEM_UNITS_H

#include "pages.h"

#define UNITS_WORD	  64				   /* bits; 8 pages */
#define UNITS_GROUP_WORDS (PAGES_GROUP_UNITS / UNITS_WORD) /* of the map of units */
#define UNITS_GROUP_PAGES (PAGES_GROUP / PAGES_PAGE)
#define UNITS_NO_GROUP	  UINT32_MAX

/* Bytes of the maps of a region; and they are made, over zeros, or are there already. */
size_t units_maps(size_t region);
void units_init(struct pages *p, char *maps, size_t region, bool there);

/*
 * Of maps that another process left, those of the first groups: do they agree with each other, and with how many pages are in use and warm?  Looks
 * only.  And all behind them becomes free and cold.
 */
bool units_are_right(const struct pages *p, uint32_t groups, uint64_t in_use, uint64_t warmed);
void units_clear_from(struct pages *p, uint32_t group);

/* A run becomes used, or free: what was in use of its pages alone is warm then. */
void units_use(struct pages *p, uint64_t start, uint64_t count);
void units_unuse(struct pages *p, uint64_t start, uint64_t count);

/* Pages that are warm become cold: the caller gives their memory back.  In one group. */
void units_chill(struct pages *p, uint64_t page, uint64_t count);

/* The first group from `from` on, below `to`, that has a warm page, or the last one below `to`; UNITS_NO_GROUP: none has. */
uint32_t units_warm_group(const struct pages *p, uint32_t from, uint32_t to);
uint32_t units_warm_group_below(const struct pages *p, uint32_t to);

/* The byte of a page: the bits of its units. */
static inline unsigned
units_of(const struct pages *p, uint64_t page)
{
	return (unsigned)(p->used[page / (UNITS_WORD / PAGES_UNITS)] >>
			  page % (UNITS_WORD / PAGES_UNITS) * PAGES_UNITS) &
	       0xff;
}

static inline bool
units_is_warm(const struct pages *p, uint64_t page)
{
	return p->warm[page / UNITS_WORD] >> page % UNITS_WORD & 1;
}

/* Of a word of the map of units: all of a page's bits, if one of them is set. */
uint64_t units_of_used_pages(uint64_t used);

/* Of a word of the map of units: those that are used, or have no memory behind them. */
uint64_t units_not_warm(const struct pages *p, uint64_t word);

#endif
