/* The memory of large values, beside a map that says for each unit whose it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "pages.h"
#include "places.h"

#define MIB    (1024 * 1024)
#define LIMIT  ((uint64_t)8 * MIB)
#define VALUES 2000
#define RUNS   61

static struct pages *pages;
static struct budget *budget;
static size_t region;
static struct mapping map;
static bool file;

static void
make(uint64_t limit)
{
	region = pages_region(limit);
	budget = budget_new(limit);
	assert_non_null(budget);
	assert_int_equal(mapping_new(&map, region + PAGES_GROUP, file), 0);
	assert_int_equal(map.fd >= 0, file);
	pages = pages_new(&map, map.base, map.base + PAGES_GROUP, region, budget, false);
	assert_non_null(pages);
}

static uint64_t dice = 1;

static unsigned
roll(unsigned sides)
{
	dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(dice >> 33) % sides;
}

/* Pages of the region that have memory behind them. */
static uint64_t
resident(void)
{
	unsigned char *there = malloc(region / PAGES_PAGE);
	uint64_t count = 0;

	assert_non_null(there);
	assert_int_equal(mincore(pages->base, region, there), 0);
	for (size_t i = 0; i < region / PAGES_PAGE; i++)
		count += there[i] & 1;
	free(there);
	return count;
}

static bool
place(uint64_t units, struct pages_run *runs, unsigned max, unsigned *count)
{
	uint64_t wanted = pages_of_units(units), got = pages_claim(pages, wanted);

	*count = got == wanted ? pages_place(pages, units, runs, max) : 0;
	if (*count == 0)
		pages_unclaim(pages, got);
	return *count != 0;
}

/* ---- work is counted ---- */

static unsigned pieces_steps, most_looked;

bool __real_places_pieces_step(struct places_pieces *s, struct pages *p);
bool __wrap_places_pieces_step(struct places_pieces *s, struct pages *p);

bool
__wrap_places_pieces_step(struct places_pieces *s, struct pages *p)
{
	bool more = __real_places_pieces_step(s, p);

	pieces_steps++;
	if (s->looked > most_looked)
		most_looked = s->looked;
	return more;
}

/* ---- */

struct value {
	uint64_t units;
	struct pages_run runs[RUNS];
	unsigned count;
};

static struct value values[VALUES];
static uint16_t *owners; /* of each unit; 0: nobody's */

static void
own(const struct value *v, uint16_t from, uint16_t to)
{
	for (unsigned i = 0; i < v->count; i++)
		for (uint64_t u = v->runs[i].start; u < v->runs[i].start + v->runs[i].count; u++) {
			assert_int_equal(owners[u], from);
			owners[u] = to;
			if (to != 0)
				memset(pages_at(pages, u), to & 0xff, PAGES_UNIT);
			else
				assert_int_equal((unsigned char)*pages_at(pages, u), from & 0xff);
		}
}

static void
all_is_counted(void)
{
	uint64_t used = 0;

	for (uint64_t page = 0; page < region / PAGES_PAGE; page++) {
		bool is = false;

		for (unsigned u = 0; u < PAGES_UNITS; u++)
			is = is || owners[page * PAGES_UNITS + u] != 0;
		used += is;
	}
	assert_int_equal(pages->in_use, used);
	assert_int_equal(pages->claimed, 0);
	assert_true(pages->paid * PAGES_PAGE <= LIMIT);
	assert_int_equal(budget_used(budget), pages->paid * PAGES_PAGE + 1);
	assert_true(resident() <= pages->paid);
}

/* Nobody's units are given to another, and what has memory is what is paid for. */
static void
i1_i4_units_have_one_owner(void **state)
{
	unsigned whole = 0, pieces = 0, none = 0;

	memset(values, 0, sizeof values);
	make(LIMIT);
	owners = calloc(region / PAGES_UNIT, sizeof *owners);
	assert_non_null(owners);
	for (int i = 0; i < 60000; i++) {
		uint16_t n = (uint16_t)roll(VALUES);
		struct value *v = &values[n];

		if (v->count != 0) {
			own(v, n + 1, 0);
			pages_free(pages, v->runs, v->count);
			v->count = 0;
		} else {
			v->units = roll(10) == 0 ? 1 + roll(1000) : 1 + roll(80);
			if (!place(v->units, v->runs, roll(2) == 0 ? 1 : RUNS, &v->count))
				none++;
			else
				own(v, 0, n + 1);
			whole += v->count == 1;
			pieces += v->count > 1;
		}
		if (roll(50) == 0)
			pages_shrink(pages, roll(MIB));
		if (i % 1000 == 0)
			all_is_counted();
	}
	print_message("%u whole, %u in pieces, %u found no room\n", whole, pieces, none);
	assert_true(whole > 10000);
	assert_true(none > 100);
	for (unsigned n = 0; n < VALUES; n++)
		if (values[n].count != 0) {
			own(&values[n], (uint16_t)(n + 1), 0);
			pages_free(pages, values[n].runs, values[n].count);
		}
	all_is_counted();
	assert_int_equal(pages->in_use, 0);
	free(owners);
	pages_drop(&pages);
}

/* When only small holes are left, a value lies in several, but not in too many. */
static void
pieces_when_there_is_no_place_for_all(void **state)
{
	uint64_t groups = pages_region(MIB) / PAGES_GROUP, all = groups * PAGES_GROUP_UNITS;
	struct pages_run runs[RUNS], *small = calloc(all / 32, sizeof *small);
	uint64_t count = 0, units = 0;
	unsigned n;

	/* The limit is not what stands in the way here. */
	make(MIB);
	budget->limit = 64 * MIB;
	assert_non_null(small);
	for (; count < all / 32; count++)
		assert_true(place(32, &small[count], 1, &n));
	assert_false(place(32, runs, 1, &n));
	for (uint64_t i = 0; i < count; i += 2)
		pages_free(pages, &small[i], 1);
	assert_false(place(64, runs, 1, &n));
	assert_true(place(100, runs, RUNS, &n));
	assert_int_equal(n, 4);
	for (unsigned i = 0; i < n; i++)
		units += runs[i].count;
	assert_int_equal(units, 100);
	assert_false(place(100, runs, 3, &n));
	assert_int_equal(pages->claimed, 0);
	free(small);
	pages_drop(&pages);
}

/* What is spare is everybody's, and what stays spare goes back to the system. */
static void
spare_pages_go_back(void **state)
{
	struct pages_run run;
	unsigned n;

	make(LIMIT);
	assert_true(place(8000, &run, 1, &n));
	memset(pages_at(pages, run.start), 1, 8000 * PAGES_UNIT);
	assert_true(resident() >= 1000);
	pages_free(pages, &run, 1);
	assert_true(pages_spare(pages) >= 1000 * PAGES_PAGE);
	assert_true(resident() >= 1000);
	pages_tick(pages);
	assert_true(resident() >= 1000);
	/* Each goes on for a bounded time only, but a step at least. */
	for (int tick = 0; tick < 8 && pages_spare(pages) != 0; tick++)
		pages_tick(pages);
	assert_int_equal(resident(), 0);
	assert_int_equal(pages_spare(pages), 0);
	assert_int_equal(budget_used(budget), 1);
	assert_false(pages_shrink(pages, 1));
	/* A part of a claim, as much as there is. */
	assert_true(budget_take(budget, LIMIT - 10 * PAGES_PAGE));
	n = (unsigned)pages_claim(pages, 100);
	assert_in_range(n, 5, 9);
	pages_cash(pages, n);
	assert_int_equal(pages->paid, 0);
	budget_give(budget, n * PAGES_PAGE);
	budget_give(budget, LIMIT - 10 * PAGES_PAGE);
	pages_drop(&pages);
}

/* Pages that lie scattered are cooled a few at a time, so that nobody has the lock for long. */
static void
warm_pages_are_cooled_in_steps(void **state)
{
	struct pages_run *runs = calloc(1800, sizeof *runs), run;
	uint64_t got, steps = 0, warm;
	unsigned n;

	make(LIMIT);
	assert_non_null(runs);
	for (int i = 0; i < 1800; i++) {
		assert_true(place(PAGES_UNITS, &runs[i], 1, &n));
		*pages_at(pages, runs[i].start) = 1;
	}
	for (int i = 0; i < 1800; i += 2)
		pages_free(pages, &runs[i], 1);
	got = pages_claim(pages, 1100);
	assert_int_equal(got, 1100);
	for (bool more = true; more; steps++) {
		warm = pages->warmed;
		more = pages_cool(pages);
		assert_true(pages->warmed < warm && warm - pages->warmed <= PAGES_COOL);
		assert_true(resident() <= pages->paid);
	}
	assert_true(steps >= 850 / PAGES_COOL);
	assert_false(pages_cool(pages));
	warm = pages->warmed;
	/* Now it takes nothing more to place it. */
	assert_int_equal(pages_place(pages, 1099 * PAGES_UNITS, &run, 1), 1);
	assert_int_equal(pages->warmed, warm);
	memset(pages_at(pages, run.start), 1, 1099 * PAGES_PAGE);
	assert_true(resident() <= pages->paid);
	free(runs);
	pages_drop(&pages);
}

/* So many groups, of which each has one page that is free: nothing else is. */
static void
make_holes(unsigned groups)
{
	struct pages_run *holes = calloc(groups, sizeof *holes), run;
	unsigned n;

	make((uint64_t)groups * PAGES_GROUP / 2);
	/* The limit is not what stands in the way here. */
	budget->limit *= 4;
	assert_int_equal(pages->groups, groups);
	assert_non_null(holes);
	for (unsigned i = 0; i < groups; i++) {
		assert_true(place(PAGES_GROUP_UNITS - PAGES_UNITS, &run, 1, &n));
		assert_true(place(PAGES_UNITS, &holes[i], 1, &n));
	}
	assert_int_equal(pages->in_use, (uint64_t)groups * PAGES_GROUP / PAGES_PAGE);
	for (unsigned i = 0; i < groups; i++)
		pages_free(pages, &holes[i], 1);
	free(holes);
}

/* However full of small holes the region is, nobody has the lock for all of it, and a search ends. */
static void
i7_pieces_are_looked_for_in_steps(void **state)
{
	struct pages_run runs[RUNS], run;
	uint64_t in_use;
	unsigned n;

	make_holes(300);
	in_use = pages->in_use;
	pieces_steps = most_looked = 0;
	assert_false(place(100 * PAGES_UNITS, runs, RUNS, &n));
	/* A group may be looked at twice, from the end of the one before too. */
	assert_in_range(pieces_steps, 300 / PLACES_PIECES_LOOKS, 2 * 300 / PLACES_PIECES_LOOKS + 2);
	assert_in_range(most_looked, 1, PLACES_PIECES_LOOKS);
	assert_int_equal(pages->in_use, in_use);
	assert_int_equal(pages->claimed, 0);
	/* What is found in many steps is used, and claimed no longer. */
	assert_true(place(60 * PAGES_UNITS, runs, RUNS, &n));
	assert_int_equal(n, 60);
	assert_int_equal(pages->in_use, in_use + 60);
	assert_int_equal(pages->claimed, 0);
	pages_free(pages, runs, n);
	assert_int_equal(pages->in_use, in_use);
	assert_true(place(1, &run, 1, &n));
	pages_drop(&pages);
	/* Not all of a region that is very large is gone through. */
	make_holes(PLACES_PIECES_ALL + 300);
	pieces_steps = 0;
	assert_false(place(100 * PAGES_UNITS, runs, RUNS, &n));
	assert_in_range(pieces_steps, 1, PLACES_PIECES_ALL / PLACES_PIECES_LOOKS + 1);
	assert_int_equal(pages->claimed, 0);
	pages_drop(&pages);
}

/* Of a group that is full it is only seen that it is: however many there are, what lies behind them is found. */
static void
full_groups_do_not_end_a_search_for_pieces(void **state)
{
	uint32_t groups = PLACES_PIECES_ALL + 300;
	struct pages_run runs[RUNS], run;
	unsigned n;

	make((uint64_t)groups * PAGES_GROUP / 2);
	budget->limit *= 4;
	for (uint32_t g = 0; g < groups; g++)
		assert_true(place(PAGES_GROUP_UNITS, &run, 1, &n));
	for (uint64_t page = 0; page < 100; page++)
		pages_free(
		    pages, &(struct pages_run){ .start = run.start + 2 * page * PAGES_UNITS, .count = PAGES_UNITS }, 1);
	pages->pieces = 0;
	assert_true(place(50 * PAGES_UNITS, runs, RUNS, &n));
	assert_int_equal(n, 50);
	pages_drop(&pages);
}

/* A place as a whole is not looked for everywhere: where nothing was it is found at once. */
static void
i7_a_place_as_a_whole_is_not_looked_for_everywhere(void **state)
{
	uint32_t groups = PLACES_WHOLE_LOOKS + 50;
	struct pages_run run, *last = calloc(groups, sizeof *last);
	unsigned n;

	make((uint64_t)groups * PAGES_GROUP);
	budget->limit *= 4;
	assert_non_null(last);
	for (uint32_t i = 0; i < groups; i++) {
		assert_true(place(PAGES_GROUP_UNITS - PAGES_UNITS, &run, 1, &n));
		assert_true(place(PAGES_UNITS / 2, &last[i], 1, &n));
		assert_true(place(PAGES_UNITS / 2, &run, 1, &n));
	}
	assert_int_equal(pages->top, groups);
	/* All are partly full, and the only place that is large enough lies in the last one that is looked at, or behind that. */
	for (uint32_t i = 0; i < groups; i++)
		pages_free(pages, &last[i], 1);
	pages->next = 0;
	for (uint32_t far = PLACES_WHOLE_LOOKS - 1; far <= PLACES_WHOLE_LOOKS; far++) {
		struct pages_run hole = { .start = (uint64_t)far * PAGES_GROUP_UNITS, .count = 100 };

		pages_free(pages, &hole, 1);
		pages_tick(pages);
		for (bool more = true; more;)
			more = pages_shrink(pages, LIMIT);
		assert_int_equal(pages->warmed, 0);
		pages->hand = 0;
		assert_true(place(100, &run, 1, &n));
		assert_int_equal(
		    run.start, far < PLACES_WHOLE_LOOKS ? hole.start : (uint64_t)groups * PAGES_GROUP_UNITS);
	}
	free(last);
	pages_drop(&pages);
}

/* What was freed has its memory yet: that is taken before any that has none, in pieces too. */
static void
memory_that_is_there_is_taken_first(void **state)
{
	struct pages_run run[40], runs[RUNS];
	uint64_t there;
	unsigned n;

	make(LIMIT);
	for (int i = 0; i < 40; i++) {
		assert_true(place(20 * PAGES_UNITS, &run[i], 1, &n));
		memset(pages_at(pages, run[i].start), 1, 20 * PAGES_PAGE);
	}
	there = resident();
	/* Behind what was placed last: nothing; but around there are three that make up for one. */
	pages_free(pages, &run[5], 1);
	pages_free(pages, &run[9], 1);
	pages_free(pages, &run[12], 1);
	assert_true(place(55 * PAGES_UNITS, runs, RUNS, &n));
	assert_int_equal(n, 3);
	for (unsigned i = 0; i < n; i++)
		memset(pages_at(pages, runs[i].start), 1, runs[i].count * PAGES_UNIT);
	assert_int_equal(resident(), there);
	assert_int_equal(pages->warmed, 5);
	/* Only one run may it be: then it lies elsewhere, and as much is cooled as it takes. */
	pages_free(pages, runs, n);
	assert_true(place(55 * PAGES_UNITS, runs, 1, &n));
	memset(pages_at(pages, runs[0].start), 1, runs[0].count * PAGES_UNIT);
	assert_true(resident() <= pages->paid);
	/* Side by side they are one place, and who comes next begins behind. */
	pages_free(pages, &run[20], 1);
	pages_free(pages, &run[21], 1);
	pages_free(pages, &run[30], 1);
	pages->next = run[20].start;
	assert_true(place(15 * PAGES_UNITS, &runs[1], 1, &n));
	assert_int_equal(runs[1].start, run[20].start);
	assert_true(place(20 * PAGES_UNITS, &runs[2], 1, &n));
	assert_int_equal(runs[2].start, run[20].start + 15 * PAGES_UNITS);
	assert_true(resident() <= pages->paid);
	pages_drop(&pages);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i1_i4_units_have_one_owner),
		cmocka_unit_test(pieces_when_there_is_no_place_for_all),
		cmocka_unit_test(spare_pages_go_back),
		cmocka_unit_test(warm_pages_are_cooled_in_steps),
		cmocka_unit_test(memory_that_is_there_is_taken_first),
		cmocka_unit_test(i7_pieces_are_looked_for_in_steps),
		cmocka_unit_test(full_groups_do_not_end_a_search_for_pieces),
		cmocka_unit_test(i7_a_place_as_a_whole_is_not_looked_for_everywhere),
	};

	int failed = cmocka_run_group_tests_name("memory of its own", tests, NULL, NULL);

	file = true;
	return failed + cmocka_run_group_tests_name("memory that can be given away", tests, NULL, NULL);
}
