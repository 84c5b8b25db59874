/* Memory for large values: see pages.h. */
#include "pages.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ticking.h"

#include "cooling.h"
#include "places.h"
#include "units.h"

#define REGION_PART 2 /* times the limit */

/* Once a second: so many pages at most, in such steps, and no longer than so. */
#define TICK_PAGES 4096
#define TICK_STEP  256
#define TICK_NS	   2000000

static size_t
up_to(size_t n, size_t step)
{
	return (n + step - 1) / step * step;
}

size_t
pages_region(uint64_t limit)
{
	return up_to(limit * REGION_PART, PAGES_GROUP);
}

size_t
pages_maps(size_t region)
{
	return units_maps(region);
}

struct pages *
pages_new(const struct mapping *map, char *maps, char *region, size_t size, struct budget *budget, bool taken)
{
	struct pages *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->pins.lock, NULL);
	p->pins.alive = -1;
	p->budget = budget;
	p->map = *map;
	p->base = region;
	p->groups = (uint32_t)(size / PAGES_GROUP);
	units_init(p, maps, size, taken);
	p->users = 1;
	/* A page that is written to must not bring others with it. */
	mapping_huge(map, (size_t)(region - map->base), size, false);
	return p;
}

void
pages_ref(struct pages *p)
{
	__atomic_add_fetch(&p->users, 1, __ATOMIC_RELAXED);
}

void
pages_drop(struct pages **pp)
{
	struct pages *p = *pp;

	*pp = NULL;
	if (p == NULL || __atomic_sub_fetch(&p->users, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	mapping_end(&p->map);
	budget_give(p->budget, p->paid * PAGES_PAGE);
	budget_close(&p->budget);
	pthread_mutex_destroy(&p->lock);
	pthread_mutex_destroy(&p->pins.lock);
	if (p->pins.alive >= 0)
		close(p->pins.alive);
	free(p);
}

/* ---- counting, under the lock ---- */

static void
set(uint64_t *count, uint64_t to)
{
	__atomic_store_n(count, to, __ATOMIC_RELAXED);
}

static uint64_t
spare_of(const struct pages *p)
{
	return p->paid - p->in_use - p->claimed;
}

static void
note_idle(struct pages *p)
{
	if (p->idle > spare_of(p))
		p->idle = spare_of(p);
}

uint64_t
pages_spare(const struct pages *p)
{
	uint64_t busy = __atomic_load_n(&p->in_use, __ATOMIC_RELAXED) + __atomic_load_n(&p->claimed, __ATOMIC_RELAXED);
	uint64_t paid = __atomic_load_n(&p->paid, __ATOMIC_RELAXED);

	return paid > busy ? (paid - busy) * PAGES_PAGE : 0;
}

uint64_t
pages_claim(struct pages *p, uint64_t pages)
{
	uint64_t got, more;

	pthread_mutex_lock(&p->lock);
	got = spare_of(p) < pages ? spare_of(p) : pages;
	set(&p->claimed, p->claimed + got);
	/* All that is missing, or as much as there is. */
	for (more = pages - got; more > 0 && !budget_take(p->budget, more * PAGES_PAGE); more /= 2)
		;
	set(&p->paid, p->paid + more);
	set(&p->claimed, p->claimed + more);
	note_idle(p);
	pthread_mutex_unlock(&p->lock);
	return got + more;
}

void
pages_unclaim(struct pages *p, uint64_t pages)
{
	pthread_mutex_lock(&p->lock);
	set(&p->claimed, p->claimed - pages);
	pthread_mutex_unlock(&p->lock);
}

bool
pages_are_used(struct pages *p, const struct pages_run *run)
{
	uint64_t at = run->start, end = at + run->count;

	if (run->count == 0 || end > (uint64_t)p->groups * PAGES_GROUP_UNITS)
		return false;
	pthread_mutex_lock(&p->lock);
	while (at < end) {
		uint64_t n = UNITS_WORD - at % UNITS_WORD, bits;

		if (n > end - at)
			n = end - at;
		bits = (n == UNITS_WORD ? ~0ULL : (1ULL << n) - 1) << at % UNITS_WORD;
		if ((p->used[at / UNITS_WORD] & bits) != bits)
			break;
		at += n;
	}
	pthread_mutex_unlock(&p->lock);
	return at == end;
}

/* ---- memory that goes back ---- */

bool
pages_cool(struct pages *p)
{
	bool more;

	pthread_mutex_lock(&p->lock);
	more = cooling_step(p, true);
	pthread_mutex_unlock(&p->lock);
	return more;
}

void
pages_cash(struct pages *p, uint64_t pages)
{
	pthread_mutex_lock(&p->lock);
	set(&p->claimed, p->claimed - pages);
	set(&p->paid, p->paid - pages);
	pthread_mutex_unlock(&p->lock);
	cooling_all(p);
}

bool
pages_shrink(struct pages *p, uint64_t bytes)
{
	uint64_t pages = (bytes + PAGES_PAGE - 1) / PAGES_PAGE;

	if (pages_spare(p) == 0)
		return false;
	pthread_mutex_lock(&p->lock);
	if (pages > spare_of(p))
		pages = spare_of(p);
	set(&p->paid, p->paid - pages);
	note_idle(p);
	pthread_mutex_unlock(&p->lock);
	/* Before they are somebody else's. */
	cooling_all(p);
	budget_give(p->budget, pages * PAGES_PAGE);
	return pages != 0;
}

void
pages_tick(struct pages *p)
{
	uint64_t idle, until = ticking_ns() + TICK_NS;

	pthread_mutex_lock(&p->lock);
	idle = p->idle < TICK_PAGES ? p->idle : TICK_PAGES;
	p->idle = spare_of(p);
	pthread_mutex_unlock(&p->lock);
	do {
		uint64_t step = idle < TICK_STEP ? idle : TICK_STEP;

		if (step == 0 || !pages_shrink(p, step * PAGES_PAGE))
			break;
		idle -= step;
	} while (ticking_ns() < until);
}

/* ---- places ---- */

/* Uses what was found, and what it was claimed for is claimed no longer. */
static void
settle(struct pages *p, const struct pages_run *runs, unsigned count, uint64_t claimed)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t last = (uint32_t)((runs[i].start + runs[i].count - 1) / PAGES_GROUP_UNITS);

		units_use(p, runs[i].start, runs[i].count);
		p->next = runs[i].start + runs[i].count;
		if (p->top <= last)
			p->top = last + 1;
	}
	set(&p->claimed, p->claimed - claimed);
}

/* In a place that takes no search through all of the region. */
static unsigned
place_few(struct pages *p, uint64_t units, struct pages_run *runs, unsigned max)
{
	unsigned count;
	uint64_t start;

	pthread_mutex_lock(&p->lock);
	count = places_warm(p, units, runs, max < PAGES_FEW ? max : PAGES_FEW);
	if (count == 0 && places_whole(p, units, &start)) {
		runs[0] = (struct pages_run){ .start = start, .count = units };
		count = 1;
	}
	if (count != 0)
		settle(p, runs, count, pages_of_units(units));
	pthread_mutex_unlock(&p->lock);
	return count;
}

/* A step; what it used is claimed no longer.  Others use, free, and cool between. */
static bool
place_some(struct pages *p, struct places_pieces *s)
{
	uint64_t in_use;
	unsigned count = s->count;
	bool more;

	pthread_mutex_lock(&p->lock);
	in_use = p->in_use;
	more = places_pieces_step(s, p);
	for (; count < s->count; count++) {
		uint32_t last = (uint32_t)((s->runs[count].start + s->runs[count].count - 1) / PAGES_GROUP_UNITS);

		if (p->top <= last)
			p->top = last + 1;
	}
	s->claimed += p->in_use - in_use;
	set(&p->claimed, p->claimed - (p->in_use - in_use));
	pthread_mutex_unlock(&p->lock);
	return more;
}

/* In whole pages, in more pieces. */
static unsigned
place_pieces(struct pages *p, uint64_t units, struct pages_run *runs, unsigned max)
{
	struct places_pieces s;

	places_pieces_init(&s, p, units, runs, max);
	while (place_some(p, &s))
		;
	pthread_mutex_lock(&p->lock);
	if (s.left != 0) {
		for (unsigned i = 0; i < s.count; i++)
			units_unuse(p, runs[i].start, runs[i].count);
		s.count = 0;
		set(&p->claimed, p->claimed + s.claimed);
	} else {
		set(&p->claimed, p->claimed - (pages_of_units(units) - s.claimed));
	}
	pthread_mutex_unlock(&p->lock);
	return s.count;
}

unsigned
pages_place(struct pages *p, uint64_t units, struct pages_run *runs, unsigned max)
{
	unsigned count = place_few(p, units, runs, max);

	if (count == 0 && max > 1)
		count = place_pieces(p, units, runs, max);
	/* Also what was used for a moment by a search that failed: it counts as warm now. */
	cooling_all(p);
	return count;
}

void
pages_free(struct pages *p, const struct pages_run *runs, unsigned count)
{
	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < count; i++) {
		units_unuse(p, runs[i].start, runs[i].count);
		p->hand = (uint32_t)(runs[i].start / PAGES_GROUP_UNITS);
	}
	pthread_mutex_unlock(&p->lock);
}
