/* Where a value may lie: see places.h. */
#include "places.h"

#include "units.h"

/* Units of a run: as many as its bits say, in whole pages. */
#define RUN_MOST ((1ULL << 24) - PAGES_UNITS)

/* Where memory is already, runs are worth it from this part of a value on. */
#define WARM_PART 16

/* A run that is being looked for: free units up to where the search is. */
struct search {
	uint64_t start, count;
};

/* ---- warm ---- */

/* The longest runs that were met. */
struct longest {
	struct pages_run *runs;
	unsigned max, count;
	uint64_t sum;
};

static void
meet(struct longest *l, const struct search *s, uint64_t least)
{
	unsigned shortest = 0;

	if (s->count < least)
		return;
	if (l->count < l->max) {
		l->runs[l->count++] = (struct pages_run){ .start = s->start, .count = s->count };
		l->sum += s->count;
		return;
	}
	for (unsigned i = 1; i < l->count; i++)
		if (l->runs[i].count < l->runs[shortest].count)
			shortest = i;
	if (l->runs[shortest].count >= s->count)
		return;
	l->sum += s->count - l->runs[shortest].count;
	l->runs[shortest] = (struct pages_run){ .start = s->start, .count = s->count };
}

/* Goes through a word of bits that are not to be had; true: the run has become long enough.  Runs that end before go to *l, if there is one. */
static bool
search_word(struct search *s, uint64_t taken, uint64_t at, uint64_t units, struct longest *l, uint64_t least)
{
	for (unsigned bit = 0; bit < UNITS_WORD;) {
		uint64_t rest = taken >> bit;
		unsigned zeros = rest == 0 ? UNITS_WORD - bit : (unsigned)__builtin_ctzll(rest);

		if (zeros != 0) {
			if (s->count == 0)
				s->start = at + bit;
			s->count += zeros;
			if (s->count >= units)
				return true;
			bit += zeros;
			continue;
		}
		if (l != NULL && s->count != 0)
			meet(l, s, least);
		s->count = 0;
		rest = ~rest;
		bit += rest == 0 ? UNITS_WORD : (unsigned)__builtin_ctzll(rest);
	}
	return false;
}

/* What is looked for, and where: in words of the map from `from` up to `to`. */
struct warm_search {
	const struct pages *p;
	uint64_t units, least;
	struct longest longest;
	unsigned looks;
	struct search s;
};

static void
end_run(struct warm_search *w)
{
	if (w->s.count != 0)
		meet(&w->longest, &w->s, w->least);
	w->s.count = 0;
}

/* Where no page is warm there are ends of runs at most, of less than a page: they are not worth it. */
static bool
search_warm_group(struct warm_search *w, uint64_t word, uint64_t end)
{
	for (; word < end; word++) {
		uint64_t warm = w->p->warm[word / PAGES_UNITS] >> word % PAGES_UNITS * PAGES_UNITS;

		if ((warm & 0xff) != 0) {
			if (search_word(
				&w->s, units_not_warm(w->p, word), word * UNITS_WORD, w->units, &w->longest, w->least))
				return true;
			continue;
		}
		end_run(w);
		if (warm == 0)
			word |= PAGES_UNITS - 1;
	}
	return false;
}

static bool
search_warm(struct warm_search *w, uint64_t from, uint64_t to)
{
	uint32_t group = (uint32_t)(from / UNITS_GROUP_WORDS), before = group;
	uint32_t end = (uint32_t)((to + UNITS_GROUP_WORDS - 1) / UNITS_GROUP_WORDS);

	w->s = (struct search){ 0 };
	/* What is near is taken, be it in pieces: what is left behind, others would have to pass. */
	while (w->looks > 0 && w->longest.sum < w->units &&
	       (group = units_warm_group(w->p, group, end)) != UNITS_NO_GROUP) {
		uint64_t word = (uint64_t)group * UNITS_GROUP_WORDS, last = word + UNITS_GROUP_WORDS;

		if (group != before) /* what lies between is not warm */
			end_run(w);
		w->looks--;
		if (search_warm_group(w, from > word ? from : word, last < to ? last : to))
			return true;
		before = ++group;
	}
	end_run(w);
	return false;
}

static void
swap(struct pages_run *a, struct pages_run *b)
{
	struct pages_run c = *a;

	*a = *b;
	*b = c;
}

/* The longest first, and no more than it takes. */
static unsigned
take_longest(struct longest *l, uint64_t units)
{
	unsigned count = 0;

	for (uint64_t left = units; left > 0; count++) {
		for (unsigned i = count + 1; i < l->count; i++)
			if (l->runs[i].count > l->runs[count].count)
				swap(&l->runs[i], &l->runs[count]);
		if (l->runs[count].count > left)
			l->runs[count].count = left;
		left -= l->runs[count].count;
	}
	return count;
}

unsigned
places_warm(const struct pages *p, uint64_t units, struct pages_run *runs, unsigned max)
{
	struct warm_search w = {
		.p = p,
		.units = units,
		.least = units / WARM_PART > PAGES_UNITS ? units / WARM_PART : PAGES_UNITS,
		.longest = { .runs = runs, .max = max },
		.looks = PLACES_WARM_LOOKS,
	};
	uint64_t next = p->next / UNITS_WORD, end = (uint64_t)p->top * UNITS_GROUP_WORDS;

	/* Runs begin and end in pages that are in use. */
	if (units > RUN_MOST || (p->warmed + 2 * max) * PAGES_UNITS < units)
		return 0;
	/* No unit is met twice. */
	if (search_warm(&w, next, end) || (w.longest.sum < units && search_warm(&w, 0, next < end ? next : end))) {
		runs[0] = (struct pages_run){ .start = w.s.start, .count = units };
		return 1;
	}
	return w.longest.sum >= units ? take_longest(&w.longest, units) : 0;
}

/* ---- as a whole ---- */

/* Of a group that is too full for all of it: may the run end at its beginning, or begin at its end? */
static bool
search_ends(const struct pages *p, struct search *s, uint64_t at, uint64_t units)
{
	const uint64_t *words = &p->used[at / UNITS_WORD];
	unsigned w = 0;

	if (s->count > 0) {
		while (w < UNITS_GROUP_WORDS && words[w] == 0)
			w++;
		s->count += w * UNITS_WORD + (w < UNITS_GROUP_WORDS ? (unsigned)__builtin_ctzll(words[w]) : 0);
		if (s->count >= units)
			return true;
	}
	for (w = UNITS_GROUP_WORDS; w > 0 && words[w - 1] == 0; w--)
		;
	s->count = (UNITS_GROUP_WORDS - w) * UNITS_WORD + (w > 0 ? (unsigned)__builtin_clzll(words[w - 1]) : 0);
	s->start = at + PAGES_GROUP_UNITS - s->count;
	return false;
}

static bool
search_group(const struct pages *p, struct search *s, uint32_t group, uint64_t units)
{
	uint64_t at = (uint64_t)group * PAGES_GROUP_UNITS;

	if (p->room[group] == 0) {
		s->count = 0;
		return false;
	}
	if (p->room[group] == PAGES_GROUP_UNITS) {
		if (s->count == 0)
			s->start = at;
		s->count += PAGES_GROUP_UNITS;
		return s->count >= units;
	}
	if (p->room[group] < units)
		return search_ends(p, s, at, units);
	for (unsigned w = 0; w < UNITS_GROUP_WORDS; w++)
		if (search_word(s, p->used[at / UNITS_WORD + w], at + w * UNITS_WORD, units, NULL, 0))
			return true;
	return false;
}

/* Where so many units lie side by side, in groups from `from` up to `to`; looks: so many that are partly full, at most. */
static bool
search_groups(const struct pages *p, struct search *s, uint32_t from, uint32_t to, unsigned *looks, uint64_t units)
{
	*s = (struct search){ 0 };
	for (uint32_t g = from; g < to && *looks != 0; g++) {
		if (p->room[g] != 0 && p->room[g] != PAGES_GROUP_UNITS)
			--*looks;
		if (search_group(p, s, g, units))
			return true;
	}
	return false;
}

bool
places_whole(const struct pages *p, uint64_t units, uint64_t *start)
{
	unsigned looks = PLACES_WHOLE_LOOKS;
	struct search s;

	if (units > RUN_MOST)
		return false;
	/* From where something was freed last, around, and then what was never used. */
	if (!search_groups(p, &s, p->hand, p->top, &looks, units) && !search_groups(p, &s, 0, p->top, &looks, units)) {
		unsigned all = UINT32_MAX;

		if (!search_groups(p, &s, p->top > 0 ? p->top - 1 : 0, p->groups, &all, units))
			return false;
	}
	*start = s.start;
	return true;
}

/* ---- in pieces ---- */

static uint64_t
all_pages(const struct pages *p)
{
	return (uint64_t)p->groups * UNITS_GROUP_PAGES;
}

void
places_pieces_init(struct places_pieces *s, const struct pages *p, uint64_t units, struct pages_run *runs, unsigned max)
{
	uint64_t least = (units + max - 1) / max;

	*s = (struct places_pieces){
		.runs = runs,
		.max = max,
		.left = units,
		.least = (least + PAGES_UNITS - 1) / PAGES_UNITS * PAGES_UNITS,
		.page = (uint64_t)p->pieces * UNITS_GROUP_PAGES,
		.to_see = all_pages(p),
		.looks = PLACES_PIECES_ALL,
	};
}

/* How many units of whole pages are free from this page on, in as many groups as may be looked at. */
static uint64_t
free_from(const struct places_pieces *s, const struct pages *p, unsigned *groups)
{
	uint64_t end = all_pages(p), at = s->page, most = s->left < RUN_MOST ? s->left : RUN_MOST;

	while (at < end && (at - s->page) * PAGES_UNITS < most) {
		if (at % UNITS_GROUP_PAGES == 0) {
			if (*groups == PLACES_PIECES_LOOKS)
				break;
			++*groups;
			if (p->room[at / UNITS_GROUP_PAGES] == PAGES_GROUP_UNITS) {
				at += UNITS_GROUP_PAGES;
				continue;
			}
		}
		if (units_of(p, at) != 0)
			break;
		at++;
	}
	return (at - s->page) * PAGES_UNITS < most ? (at - s->page) * PAGES_UNITS : most;
}

static void
take(struct places_pieces *s, struct pages *p, uint64_t units)
{
	s->runs[s->count++] = (struct pages_run){ .start = s->page * PAGES_UNITS, .count = units };
	units_use(p, s->page * PAGES_UNITS, units);
	s->left -= units;
}

static void
pass(struct places_pieces *s, const struct pages *p, uint64_t pages)
{
	s->to_see -= pages < s->to_see ? pages : s->to_see;
	s->page += pages;
	if (s->page >= all_pages(p))
		s->page = 0;
}

bool
places_pieces_step(struct places_pieces *s, struct pages *p)
{
	uint64_t first = s->page;
	unsigned groups = 0, full = 0;

	while (s->left > 0 && s->count < s->max && s->to_see > 0 && groups < PLACES_PIECES_LOOKS) {
		uint64_t n;

		if (s->page % UNITS_GROUP_PAGES == 0 && p->room[s->page / UNITS_GROUP_PAGES] < PAGES_UNITS) {
			groups++;
			full++;
			pass(s, p, UNITS_GROUP_PAGES);
			continue;
		}
		n = free_from(s, p, &groups);
		if (n != 0 && (n >= s->least || n == s->left))
			take(s, p, n);
		else if (groups == PLACES_PIECES_LOOKS && s->page != first)
			break; /* it may go on: the next step sees all of it */
		pass(s, p, n == 0 ? 1 : (n + PAGES_UNITS - 1) / PAGES_UNITS);
	}
	s->looked = groups;
	s->looks -= groups - full < s->looks ? groups - full : s->looks;
	/* The next search goes on here: what lies before was too full for this one. */
	p->pieces = (uint32_t)(s->page / UNITS_GROUP_PAGES);
	return s->left > 0 && s->count < s->max && s->to_see > 0 && s->looks > 0;
}
