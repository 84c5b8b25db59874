/* Items that are stale, and that somebody was sent to fill: what is known of them after an end of whatever kind, and wherever their record goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_words.h"

#define KIB 1024

static void
set_marked(struct world *w, unsigned key, uint64_t n, size_t len)
{
	w->stale = true;
	assert_int_equal(world_set(w, key, n, len, 0), STORED);
	w->stale = false;
}

/* Is it, this very write, stale or not? */
static void
is(struct world *w, unsigned key, uint64_t should, bool stale)
{
	struct record_head head = { 0 };
	uint64_t n = 0;

	assert_true(world_get(w, key, &n, &head));
	assert_int_equal(n, should);
	assert_int_equal((head.flags & RECORD_STALE) != 0, stale);
}

/* What the next one hears who would fill it. */
static enum index_win
win(struct world *w, unsigned key)
{
	struct fetch f;
	uint64_t n;

	assert_int_equal(world_fetch(w, key, false, &n, &f), FETCH_HIT);
	return store_win(w->store, f.khash, &f.entry);
}

static void
stays_stale(void **state)
{
	for (enum sim_crash how = SIM_KILL; how < SIM_CRASHES; how++) {
		struct world w;

		world_init(&w, 64);
		opened(&w);
		for (unsigned key = 0; key < 20; key++)
			assert_int_equal(world_set(&w, key, 1, 1000, 0), STORED);
		seal(&w);
		for (unsigned key = 0; key < 10; key++)
			set_marked(&w, key, 1, 1000);
		world_settle(&w, true);
		for (unsigned again = 0; again < 3; again++) {
			for (unsigned key = 0; key < 20; key++)
				is(&w, key, 1, key < 10);
			world_crash(&w, how);
			opened(&w);
		}
		/* A write makes it new, and a touch does not. */
		assert_int_equal(world_set(&w, 1, 2, 1000, 0), STORED);
		assert_true(world_touch(&w, 2, WORLD_WALL + 1000));
		world_settle(&w, true);
		world_crash(&w, how);
		opened(&w);
		is(&w, 1, 2, false);
		is(&w, 2, 1, true);
		assert_true(world_close(&w));
		opened(&w);
		assert_int_equal(w.opened.how, STORE_CLEAN);
		is(&w, 1, 2, false);
		is(&w, 2, 1, true);
		world_audit(&w);
		world_fini(&w);
	}
}

static void
in_pieces_too(void **state)
{
	struct world w;

	world_init(&w, 100);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 400 * KIB, 0), STORED);
	set_marked(&w, 2, 1, 400 * KIB);
	world_settle(&w, true);
	world_crash(&w, SIM_POWER_CUT);
	opened(&w);
	is(&w, 1, 1, false);
	is(&w, 2, 1, true);
	assert_int_equal(win(&w, 2), INDEX_WON);
	assert_int_equal(win(&w, 2), INDEX_SENT);
	world_fini(&w);
}

/* One is told, and no other, until it is written again; after a crash one more may be. */
static void
one_wins(void **state)
{
	struct world w;
	struct fetch f;
	uint64_t n;

	world_init(&w, 64);
	opened(&w);
	set_marked(&w, 1, 1, 1000);
	assert_int_equal(world_fetch(&w, 1, false, &n, &f), FETCH_HIT);
	assert_int_equal(win(&w, 1), INDEX_WON);
	assert_int_equal(win(&w, 1), INDEX_SENT);
	assert_int_equal(world_fetch(&w, 1, false, &n, &f), FETCH_HIT);
	assert_true(f.entry.place.won);
	assert_true(world_touch(&w, 1, WORLD_WALL + 1000));
	assert_int_equal(win(&w, 1), INDEX_SENT);
	/* Who has read what was there before fills nothing. */
	set_marked(&w, 1, 2, 1000);
	assert_int_equal(store_win(w.store, f.khash, &f.entry), INDEX_GONE);
	assert_int_equal(win(&w, 1), INDEX_WON);
	assert_true(world_close(&w));
	opened(&w);
	assert_int_equal(win(&w, 1), INDEX_SENT);
	is(&w, 1, 2, true);
	world_crash(&w, SIM_KILL);
	opened(&w);
	is(&w, 1, 2, true);
	assert_int_equal(win(&w, 1), INDEX_WON);
	assert_int_equal(win(&w, 1), INDEX_SENT);
	world_delete(&w, 1);
	assert_int_equal(store_win(w.store, f.khash, &f.entry), INDEX_GONE);
	world_audit(&w);
	world_fini(&w);
}

/* A record that is moved takes both along. */
#define MOVED 12 /* fewer than a segment may move */

static void
moves_along(void **state)
{
	struct world w;
	uint64_t n;

	world_init(&w, 18);
	opened(&w);
	for (unsigned key = 0; key < MOVED; key++) {
		set_marked(&w, key, 1, 1000);
		if (key % 2 == 0)
			assert_int_equal(win(&w, key), INDEX_WON);
	}
	for (unsigned round = 0; world_counts(&w).moves < 60; round++) {
		assert_true(round < 200);
		for (unsigned key = 0; key < MOVED; key++)
			world_get(&w, key, &n, NULL);
		for (unsigned key = 0; key < 100; key++)
			world_set(&w, 1000 + key, 1, 1000, 0);
		world_settle(&w, true);
	}
	for (unsigned key = 0; key < MOVED; key++) {
		is(&w, key, 1, true);
		assert_int_equal(win(&w, key), key % 2 == 0 ? INDEX_SENT : INDEX_WON);
	}
	world_settle(&w, true);
	world_crash(&w, SIM_POWER_CUT);
	opened(&w);
	for (unsigned key = 0; key < MOVED; key++)
		is(&w, key, 1, true);
	world_fini(&w);
}

/* Who knows nothing of stale items does not take them for others: it does not open the store. */
static void
is_of_a_format_of_its_own(void **state)
{
	struct world w;

	world_init(&w, 64);
	opened(&w);
	assert_int_equal(w.store->super.format, 3);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stays_stale),
		cmocka_unit_test(in_pieces_too),
		cmocka_unit_test(one_wins),
		cmocka_unit_test(moves_along),
		cmocka_unit_test(is_of_a_format_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
