/* Places that stay unreadable: only the first start that finds one begins empty, and nothing old is ever served for that. */
#include "damage_test.h"

#define KIB 1024

/* ---- places that no write mends ---- */

static struct {
	struct spot at;
	uint64_t from, to;
} broken;

static void
stays_broken(void *arg, struct io *io, uint64_t n)
{
	uint64_t from = broken.from / FORMAT_BLOCK * FORMAT_BLOCK;
	uint64_t to = (broken.to + FORMAT_BLOCK - 1) / FORMAT_BLOCK * FORMAT_BLOCK;

	assert_int_equal(sim_bad(io, broken.at.path, from, to - from), IO_OK);
}

static void
breaks(struct world *w, const struct spot *at, uint64_t from, uint64_t to)
{
	broken.at = *at;
	broken.from = from;
	broken.to = to;
	stays_broken(NULL, w->io, 0);
	sim_watch(w->io, stays_broken, NULL);
}

static void
crashes(struct world *w, enum sim_crash how)
{
	world_crash(w, how);
	stays_broken(NULL, w->io, 0);
	sim_watch(w->io, stays_broken, NULL);
}

static uint32_t
bad_segments(struct world *w)
{
	struct store_sizes sizes;

	store_sizes(w->store, &sizes);
	return sizes.bad;
}

/* ---- what is lost ---- */

/* Laps of small values: all that can be written is. */
static void
lap(struct world *w, unsigned from)
{
	for (unsigned i = 0; i < 300; i++) {
		set(w, from + i, i + 1, 20 * KIB);
		store_step(w->store, true, w->wall);
	}
	world_settle(w, true);
}

/* Starts after crashes of all kinds, and after a proper end. */
static void
later_starts_lose_nothing(struct world *w)
{
	for (unsigned n = 1; n <= 6; n++) {
		set(w, 60, n, 1000);
		lap(w, 1000 * n);
		set(w, 61, n, 1000);
		world_settle(w, true);
		if (n == 3)
			assert_true(world_close(w));
		crashes(w, n % 2 == 0 ? SIM_KILL : SIM_POWER_CUT);
		opened(w);
		assert_int_equal(w->opened.how, n == 3 ? STORE_CLEAN : STORE_REBUILT);
		assert_false(w->opened.damaged);
		assert_int_equal(bad_segments(w), 1);
		has(w, 61, n);
		nothing_old(w);
		world_audit(w);
	}
}

/* Bytes that cannot be read any more: all is lost, once. */
static void
loses_all(struct world *w, const struct spot *at, uint64_t from, uint64_t to)
{
	world_crash(w, SIM_KILL);
	breaks(w, at, from, to);
	opened(w);
	is_damaged(w, true);
	assert_int_equal(w->opened.objects, 0);
	nothing_old(w);
	later_starts_lose_nothing(w);
	world_fini(w);
}

/* Where a segment begins: whose it is cannot be known. */
static void
begin_of_a_segment(void **state)
{
	struct world w;
	struct spot at;

	make(&w, false);
	at = spot_of(&w, OVERWRITTEN);
	loses_all(&w, &at, at.segment, at.segment + 128 * KIB);
}

/* Behind what was written to one that was open: whether there was more cannot be known. */
static void
behind_an_open_segment(void **state)
{
	struct world w;
	struct spot at;

	make(&w, false);
	at = spot_of(&w, LAST);
	loses_all(&w, &at, at.record, at.record + 20 * KIB);
}

/* What can be read again when it was written is as good as before. */
static void
mended(void **state)
{
	for (unsigned which = 0; which < 2; which++) {
		struct store_sizes before, sizes;
		struct world w;
		struct spot at;

		make(&w, false);
		store_sizes(w.store, &before);
		at = spot_of(&w, OVERWRITTEN);
		world_crash(&w, SIM_KILL);
		bad(&w, &at, which == 0 ? at.segment : at.record, at.record + 40 * KIB);
		opened(&w);
		is_damaged(&w, true);
		nothing_old(&w);
		store_sizes(w.store, &sizes);
		assert_int_equal(sizes.bad, 0);
		assert_int_equal(sizes.free, sizes.segments);
		set(&w, 60, 1, 1000);
		world_settle(&w, true);
		world_crash(&w, SIM_KILL);
		opened(&w);
		is_damaged(&w, false);
		has(&w, 60, 1);
		nothing_old(&w);
		lap(&w, 1000);
		world_audit(&w);
		world_fini(&w);
	}
}

/* Nobody wrote there, and what is there is neither a store's nor blank: it is written once, and then it is known. */
static void
neither_blank_nor_a_stores(void **state)
{
	struct world w;
	struct spot at;

	make(&w, false);
	at = spot_of(&w, OVERWRITTEN);
	world_crash(&w, SIM_KILL);
	for (uint64_t bit = 0; bit < 64; bit++) {
		sim_flip(w.io, at.path, at.segment * 8 + 8 * bit + bit % 8);
		sim_flip(w.io, at.path, (at.segment + FORMAT_BLOCK) * 8 + 8 * bit + bit % 8);
	}
	for (unsigned n = 0; n < 3; n++) {
		opened(&w);
		nothing_old(&w);
		if (n > 0) {
			is_damaged(&w, false);
			has(&w, 60, n);
		}
		set(&w, 60, n + 1, 1000);
		world_settle(&w, true);
		world_crash(&w, SIM_KILL);
	}
	world_fini(&w);
}

/* Wherever the start that finds it comes to an end: until the super says that nothing counts, it is found again. */
static void
the_start_ends_early(void **state)
{
	for (unsigned forever = 0; forever < 2; forever++) {
		bool ended = false;

		for (uint64_t n = 1; !ended; n++) {
			struct world w;
			struct spot at;

			assert_true(n < 1000);
			make(&w, false);
			at = spot_of(&w, OVERWRITTEN);
			world_crash(&w, SIM_KILL);
			if (forever)
				breaks(&w, &at, at.segment, at.record + 20 * KIB);
			else
				bad(&w, &at, at.segment, at.record + 20 * KIB);
			sim_stop_at(w.io, sim_operations(w.io) + n);
			ended = world_open(&w);
			if (forever)
				crashes(&w, n % 2 == 0 ? SIM_KILL : SIM_POWER_CUT);
			else
				world_crash(&w, n % 2 == 0 ? SIM_KILL : SIM_POWER_CUT);
			opened(&w);
			nothing_old(&w);
			has_not(&w, OLD);
			set(&w, 60, 1, 1000);
			world_settle(&w, true);
			if (forever)
				crashes(&w, SIM_KILL);
			else
				world_crash(&w, SIM_KILL);
			opened(&w);
			is_damaged(&w, false);
			has(&w, 60, 1);
			nothing_old(&w);
			world_fini(&w);
		}
	}
}

/* ---- what is noted ---- */

/* A super of a program that knows nothing of it says nothing of it: it may have used them. */
static void
noted_by_nobody(void **state)
{
	struct world w;
	struct spot at;

	make(&w, false);
	at = spot_of(&w, OVERWRITTEN);
	world_crash(&w, SIM_KILL);
	breaks(&w, &at, at.segment, at.segment + 128 * KIB);
	opened(&w);
	assert_int_equal(bad_segments(&w), 1);
	set(&w, 60, 1, 1000);
	world_settle(&w, true);
	crashes(&w, SIM_KILL);
	assert_int_equal(sim_zero(w.io, "store/super.a", FORMAT_LOST, sizeof(struct super_lost)), IO_OK);
	assert_int_equal(sim_zero(w.io, "store/super.b", FORMAT_LOST, sizeof(struct super_lost)), IO_OK);
	opened(&w);
	is_damaged(&w, true);
	has_not(&w, 60);
	assert_int_equal(bad_segments(&w), 1);
	world_fini(&w);
}

/* A disk that gives nothing for a while costs what it had, and no segment. */
static void
too_many(void **state)
{
	struct store_sizes sizes;
	struct world w;

	make(&w, false);
	world_crash(&w, SIM_KILL);
	for (unsigned i = 0; i < 4; i++) {
		char path[32];

		snprintf(path, sizeof(path), "store/data.%03u", i);
		assert_int_equal(sim_bad(w.io, path, 0, 1 << 20), IO_OK);
	}
	opened(&w);
	is_damaged(&w, true);
	store_sizes(w.store, &sizes);
	assert_int_equal(sizes.bad, 0);
	assert_int_equal(sizes.free, sizes.segments);
	nothing_old(&w);
	world_fini(&w);
}

/* Bytes of anybody's. */
static void
lists(void **state)
{
	struct super super = { .generation = 7 };
	struct geometry g = { .segments = 24 };
	struct super_lost l = { .magic = LOST_MAGIC, .generation = 7, .count = 3, .number = { 1, 23, 5 } }, is;
	char *block = calloc(1, FORMAT_BLOCK);

	assert_non_null(block);
	format_lost_read(block, &super, &g, &is);
	assert_int_equal(is.count, 0);
	format_lost(block, &l);
	format_lost_read(block, &super, &g, &is);
	assert_int_equal(is.count, 3);
	assert_int_equal(is.number[1], 23);
	g.segments = 23;
	format_lost_read(block, &super, &g, &is);
	assert_int_equal(is.count, 0);
	g.segments = 24;
	super.generation = 8;
	format_lost_read(block, &super, &g, &is);
	assert_int_equal(is.count, 0);
	super.generation = 7;
	for (unsigned i = 0; i < sizeof(l); i++) {
		block[FORMAT_LOST + i] ^= 1;
		format_lost_read(block, &super, &g, &is);
		assert_int_equal(is.count, 0);
		block[FORMAT_LOST + i] ^= 1;
	}
	l.count = FORMAT_LOST_MOST + 1;
	format_lost(block, &l);
	format_lost_read(block, &super, &g, &is);
	assert_int_equal(is.count, 0);
	free(block);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begin_of_a_segment),
		cmocka_unit_test(behind_an_open_segment),
		cmocka_unit_test(mended),
		cmocka_unit_test(neither_blank_nor_a_stores),
		cmocka_unit_test(the_start_ends_early),
		cmocka_unit_test(noted_by_nobody),
		cmocka_unit_test(too_many),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
