/* Files that nobody sees any more are merged if there is no room: whose, and what becomes of it when that fails.  The store is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "job.h"

#define BINS 2
#define MS   1000000ULL

static struct mnemonic store;
static struct bin bins[BINS];
static struct sweeper *sweeper = &store.sweeper;
static bool is_full;
static enum rocks_status merge_says[BINS];
static int merges[BINS], said;
static char last[400];

/* ---- what it asks ---- */

bool
keeper_is_full(const struct keeper *k)
{
	return is_full;
}

uint64_t
versions_floor(const struct versions *v, unsigned bin)
{
	return v->floors[bin];
}

enum bin_state
bin_state(const struct bin *b)
{
	return (enum bin_state)b->state;
}

bool
bin_enter(struct bin *b)
{
	return b->state == BIN_OPEN;
}

void
bin_leave(struct bin *b)
{
}

/* Its database is the bin itself. */
enum rocks_status
rocks_merge(struct rocks *r, char why[WHY_MAX])
{
	unsigned nth = ((struct bin *)(void *)r)->nth;

	merges[nth]++;
	snprintf(why, WHY_MAX, "try %d", merges[nth]);
	return merge_says[nth];
}

void
rocks_merge_no_more(struct rocks *r)
{
}

void __wrap_rend_log(enum rend_log_level level, const char *fmt, ...);

void
__wrap_rend_log(enum rend_log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(last, sizeof last, fmt, args);
	va_end(args);
	said++;
}

/* ---- */

static int
set_up(void **state)
{
	static char dirs[BINS][8] = { "bin.0", "bin.1" };

	memset(&store, 0, sizeof store);
	store.plan.bins = BINS;
	store.bins = bins;
	for (unsigned i = 0; i < BINS; i++) {
		bins[i] = (struct bin){ .nth = i, .dir = dirs[i], .versions = &store.versions };
		bins[i].db = (struct rocks *)(void *)&bins[i];
		store.versions.floors[i] = 10;
		merges[i] = 0;
		merge_says[i] = ROCKS_OK;
	}
	is_full = true;
	said = 0;
	sweeper_init(sweeper, &store);
	return 0;
}

static int
tear_down(void **state)
{
	sweeper_end(sweeper);
	return 0;
}

/* Looks, and is there until what that began has ended. */
static void
look(void)
{
	sweeper_look(sweeper);
	while (__atomic_load_n(&sweeper->busy, __ATOMIC_ACQUIRE))
		usleep(100);
}

static void
merged_are(int first, int second)
{
	assert_int_equal(merges[0], first);
	assert_int_equal(merges[1], second);
}

static void
once_for_each_flush(void **state)
{
	is_full = false;
	look();
	merged_are(0, 0);
	is_full = true;
	look();
	merged_are(1, 1);
	look();
	merged_are(1, 1);
	store.versions.floors[1] = 11;
	look();
	merged_are(1, 2);
	bins[0].state = BIN_SHUT;
	store.versions.floors[0] = 12;
	look();
	merged_are(1, 2);
	assert_int_equal(said, 0);
}

static void
what_fails_is_tried_again_with_pauses(void **state)
{
	static const uint64_t pauses[] = { 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };

	merge_says[0] = ROCKS_IO;
	for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
		uint64_t before = rend_now();

		look();
		merged_are((int)i + 1, 1);
		assert_int_equal(sweeper->swept[0].pause, pauses[i] * MS);
		assert_true(sweeper->swept[0].at >= before + pauses[i] * MS);
		/* Once. */
		assert_int_equal(said, 1);
		assert_non_null(strstr(last, "the files of bin.0 cannot be merged (try 1): it is tried again"));
		sweeper->swept[0].at = rend_now() + 100000 * MS;
		look();
		merged_are((int)i + 1, 1);
		sweeper->swept[0].at = 0;
	}
	merge_says[0] = ROCKS_OK;
	look();
	assert_int_equal(said, 2);
	assert_non_null(strstr(last, "the files of bin.0 could be merged"));
	look();
	merged_are(10, 1);
}

/* Who flushes once more wants the room now. */
static void
a_flush_ends_the_pause(void **state)
{
	merge_says[0] = ROCKS_IO;
	for (int i = 0; i < 5; i++) {
		sweeper->swept[0].at = 0;
		look();
	}
	merged_are(5, 1);
	sweeper->swept[0].at = rend_now() + 100000 * MS;
	store.versions.floors[0] = 11;
	look();
	merged_are(6, 1);
	/* It failed again, and has the first pause; the log has it already. */
	assert_int_equal(sweeper->swept[0].pause, 500 * MS);
	assert_int_equal(said, 1);
	sweeper->swept[0].at = rend_now() + 100000 * MS;
	look();
	merged_are(6, 1);
	merge_says[0] = ROCKS_OK;
	store.versions.floors[0] = 12;
	look();
	merged_are(7, 1);
	assert_int_equal(said, 2);
	assert_int_equal(sweeper->swept[0].floor, 12);
	look();
	merged_are(7, 1);
}

/* It was told to stop: nothing failed, and nothing was done. */
static void
one_that_was_stopped_did_not_fail(void **state)
{
	merge_says[1] = ROCKS_BUSY;
	look();
	merged_are(1, 1);
	assert_int_equal(said, 0);
	look();
	merged_are(1, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(once_for_each_flush, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_fails_is_tried_again_with_pauses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_flush_ends_the_pause, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_was_stopped_did_not_fail, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
