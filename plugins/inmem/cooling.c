/* Memory goes back to the system: see cooling.h. */
#include "cooling.h"

#include "units.h"

#define COOL_PAGES 1024

/* Cools the warm pages of a group, so many at most and in so many places. */
static void
cool_group(struct pages *p, uint32_t group, uint64_t *pages, unsigned *places)
{
	uint64_t first = (uint64_t)group * UNITS_GROUP_PAGES, end = first + UNITS_GROUP_PAGES;

	for (uint64_t page = first; page < end && *pages != 0 && *places != 0;) {
		uint64_t from;

		if (p->warm[page / UNITS_WORD] == 0) {
			page += UNITS_WORD - page % UNITS_WORD;
			continue;
		}
		for (from = page; page < end && units_is_warm(p, page) && page - from < *pages; page++)
			;
		if (page == from) {
			page++;
			continue;
		}
		units_chill(p, from, page - from);
		mapping_forget(&p->map, p->base + from * PAGES_PAGE, (page - from) * PAGES_PAGE);
		*pages -= page - from;
		--*places;
	}
}

/* Cools so many pages, or some of them: those first that the search for warm places comes to last.  There are as many.  true: there are more. */
static bool
cool_some(struct pages *p, uint64_t more)
{
	uint64_t pages = more < COOL_PAGES ? more : COOL_PAGES, left = pages;
	unsigned places = PAGES_COOL;

	while (left != 0 && places != 0) {
		uint32_t group = units_warm_group_below(p, (uint32_t)(p->next / PAGES_GROUP_UNITS));

		if (group == UNITS_NO_GROUP)
			group = units_warm_group_below(p, p->top);
		if (group == UNITS_NO_GROUP)
			break;
		cool_group(p, group, &left, &places);
	}
	return more > pages - left;
}

/* What is in use was claimed, and so is paid for: so there are as many warm pages as are too many. */
bool
cooling_step(struct pages *p, bool claimed)
{
	uint64_t more = p->in_use + p->warmed + (claimed ? p->claimed : 0);

	return more > p->paid && cool_some(p, more - p->paid);
}

void
cooling_all(struct pages *p)
{
	bool more = true;

	while (more) {
		pthread_mutex_lock(&p->lock);
		more = cooling_step(p, false);
		pthread_mutex_unlock(&p->lock);
	}
}
