/* Keys of which a delete was not answered. */
#include "../base/unit.h"

#include <pthread.h>

#include "engine/repair.h"

static struct repair *repair;

static int
begin(void **state)
{
	repair = repair_new("hot", 1, false);
	return repair == NULL;
}

static int
end(void **state)
{
	repair_free(&repair);
	repair_free(&repair);
	return 0;
}

/* A hash whose chain many share. */
static uint64_t
hash_of(uint64_t n)
{
	return n * 512 + 7;
}

static void
nothing_is_in_doubt_at_first(void **state)
{
	assert_false(repair_doubts(repair, 7, 0));
	assert_int_equal(repair_now(repair), 0);
	repair_made(repair, 7, repair_mark(repair));
	repair_made_all(repair, repair_mark(repair));
	assert_int_equal(repair_total(repair), 0);
}

static void
a_key_is_in_doubt_until_a_delete_is_answered(void **state)
{
	repair_lost(repair, hash_of(1), 0);
	repair_lost(repair, hash_of(1), 0);
	repair_lost(repair, hash_of(3), 0);
	assert_true(repair_doubts(repair, hash_of(1), 0));
	assert_false(repair_doubts(repair, hash_of(2), 0));
	assert_int_equal(repair_now(repair), 2);
	assert_int_equal(repair_total(repair), 3);
	repair_made(repair, hash_of(2), repair_mark(repair));
	repair_made(repair, hash_of(1), repair_mark(repair));
	assert_false(repair_doubts(repair, hash_of(1), 0));
	assert_true(repair_doubts(repair, hash_of(3), 0));
	repair_made(repair, hash_of(3), repair_mark(repair));
	assert_int_equal(repair_now(repair), 0);
}

/* The one that was sent before another was lost may have come before what that one should have deleted. */
static void
an_earlier_delete_answers_for_no_later_one(void **state)
{
	uint64_t mark = repair_mark(repair);

	repair_lost(repair, 7, 0);
	repair_made(repair, 7, mark);
	assert_true(repair_doubts(repair, 7, 0));
	mark = repair_mark(repair);
	repair_lost(repair, 7, 0);
	repair_made(repair, 7, mark);
	assert_true(repair_doubts(repair, 7, 0));
	repair_made_all(repair, mark);
	assert_true(repair_doubts(repair, 7, 0));
	repair_made(repair, 7, repair_mark(repair));
	assert_false(repair_doubts(repair, 7, 0));
}

static void
a_flush_answers_for_all_before_it(void **state)
{
	uint64_t mark;

	for (uint64_t n = 0; n < 100; n++)
		repair_lost(repair, hash_of(n), 0);
	mark = repair_mark(repair);
	repair_lost(repair, hash_of(200), 0);
	repair_lost(repair, hash_of(50), 0);
	repair_made_all(repair, mark);
	assert_int_equal(repair_now(repair), 2);
	for (uint64_t n = 0; n < 100; n++)
		assert_int_equal(repair_doubts(repair, hash_of(n), 0), n == 50);
	assert_true(repair_doubts(repair, hash_of(200), 0));
	/* The places are free again. */
	for (uint64_t n = 1000; n < 1000 + REPAIR_MAX - 2; n++)
		repair_lost(repair, hash_of(n), 0);
	assert_int_equal(repair_now(repair), REPAIR_MAX);
	assert_false(repair_doubts(repair, hash_of(999), 0));
}

static void
too_many_are_all(void **state)
{
	uint64_t mark;

	for (uint64_t n = 0; n < REPAIR_MAX; n++)
		repair_lost(repair, hash_of(n), 0);
	assert_false(repair_doubts(repair, hash_of(REPAIR_MAX), 0));
	repair_lost(repair, hash_of(3), 0);
	assert_false(repair_doubts(repair, hash_of(REPAIR_MAX), 0));
	mark = repair_mark(repair);
	repair_lost(repair, hash_of(REPAIR_MAX), 0);
	assert_true(repair_doubts(repair, hash_of(REPAIR_MAX + 1), 0));
	assert_int_equal(repair_now(repair), REPAIR_MAX + 1);
	/* One key does not help, nor a flush that was sent before. */
	repair_made(repair, hash_of(1), repair_mark(repair));
	assert_true(repair_doubts(repair, hash_of(1), 0));
	repair_made_all(repair, mark);
	assert_true(repair_doubts(repair, hash_of(1), 0));
	mark = repair_mark(repair);
	repair_lost(repair, hash_of(5), 0);
	repair_made_all(repair, mark);
	assert_true(repair_doubts(repair, hash_of(1), 0));
	repair_made_all(repair, repair_mark(repair));
	assert_int_equal(repair_now(repair), 0);
	assert_false(repair_doubts(repair, hash_of(5), 0));
	repair_lost(repair, hash_of(5), 0);
	assert_true(repair_doubts(repair, hash_of(5), 0) && !repair_doubts(repair, hash_of(1), 0));
}

static void
a_flush_that_is_lost_leaves_all_in_doubt(void **state)
{
	repair_lost(repair, 7, 0);
	repair_lost_all(repair);
	assert_true(repair_doubts(repair, 8, 0));
	repair_made_all(repair, repair_mark(repair));
	assert_false(repair_doubts(repair, 7, 0));
}

static void
who_knows_nothing_doubts_all(void **state)
{
	struct repair *r = repair_new("hot", 1, true);

	assert_true(repair_doubts(r, 7, 0));
	repair_made(r, 7, repair_mark(r));
	assert_true(repair_doubts(r, 7, 0));
	repair_made_all(r, repair_mark(r));
	assert_false(repair_doubts(r, 7, 0));
	repair_free(&r);
}

/* ---- several parts ---- */

#define PARTS 3

/* What a part does not answer costs the others nothing. */
static void
a_part_has_too_many(void **state)
{
	struct repair *r = repair_new("hot", PARTS, false);
	uint64_t mark;

	repair_lost(r, hash_of(5000), 0);
	for (uint64_t n = 0; n < REPAIR_MAX; n++)
		repair_lost(r, hash_of(n), 1);
	assert_int_equal(repair_now(r), REPAIR_MAX + 2);
	assert_true(repair_doubts(r, hash_of(6000), 1));
	assert_true(repair_doubts(r, hash_of(5000), 0));
	assert_false(repair_doubts(r, hash_of(6000), 0));
	assert_false(repair_doubts(r, hash_of(6000), 2));
	/* There is room again, for keys of the others. */
	for (uint64_t n = 0; n < REPAIR_MAX - 1; n++)
		repair_lost(r, hash_of(7000 + n), 2);
	assert_int_equal(repair_now(r), 2 * REPAIR_MAX + 1);
	assert_false(repair_doubts(r, hash_of(6000), 2));
	/* One more, of whatever part: it is the one with the most keys that pays. */
	repair_lost(r, hash_of(6001), 0);
	assert_true(repair_doubts(r, hash_of(6000), 2));
	assert_true(repair_doubts(r, hash_of(6001), 0) && repair_doubts(r, hash_of(5000), 0));
	assert_false(repair_doubts(r, hash_of(6000), 0));
	/* A flush_all of one is none of another. */
	mark = repair_mark(r);
	repair_lost(r, hash_of(1), 1);
	repair_made_part(r, 1, mark);
	repair_made_part(r, 2, mark);
	assert_true(repair_doubts(r, hash_of(6000), 1));
	assert_false(repair_doubts(r, hash_of(6000), 2));
	assert_true(repair_doubts(r, hash_of(5000), 0));
	repair_made_part(r, 1, repair_mark(r));
	assert_false(repair_doubts(r, hash_of(6000), 1));
	assert_int_equal(repair_now(r), 2);
	repair_made_part(r, 0, repair_mark(r));
	assert_int_equal(repair_now(r), 0);
	repair_free(&r);
}

static void
parts_are_believed_one_by_one(void **state)
{
	struct repair *r = repair_new("hot", PARTS, true);

	assert_int_equal(repair_now(r), PARTS * (REPAIR_MAX + 1));
	for (uint32_t part = 0; part < PARTS; part++) {
		for (uint32_t i = 0; i < PARTS; i++)
			assert_int_equal(repair_doubts(r, 7, i), i >= part);
		repair_made_part(r, part, repair_mark(r));
	}
	assert_int_equal(repair_now(r), 0);
	repair_lost_all(r);
	repair_made_part(r, 1, repair_mark(r));
	assert_true(repair_doubts(r, 7, 0) && !repair_doubts(r, 7, 1) && repair_doubts(r, 7, 2));
	repair_made_all(r, repair_mark(r));
	assert_int_equal(repair_now(r), 0);
	repair_free(&r);
}

#define THREADS 4

/* Each loses and repairs a key of its own, and one of all; in the end, nothing is in doubt. */
static void *
lose_and_repair(void *arg)
{
	uint64_t own = hash_of((uint64_t)(uintptr_t)arg + 10);

	for (int i = 0; i < 3000; i++) {
		repair_lost(repair, own, 0);
		if (!repair_doubts(repair, own, 0))
			return "a key that was lost is believed";
		repair_lost(repair, 1, 0);
		repair_made(repair, 1, repair_mark(repair));
		repair_made(repair, own, repair_mark(repair));
		if (repair_doubts(repair, own, 0))
			return "a key that was deleted is not believed";
	}
	return NULL;
}

static void
threads_share_it(void **state)
{
	pthread_t threads[THREADS];
	void *fault;

	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, lose_and_repair, (void *)i), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &fault), 0);
		if (fault != NULL)
			fail_msg("%s", (char *)fault);
	}
	repair_made(repair, 1, repair_mark(repair));
	assert_int_equal(repair_now(repair), 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_in_doubt_at_first),
		TEST(a_key_is_in_doubt_until_a_delete_is_answered),
		TEST(an_earlier_delete_answers_for_no_later_one),
		TEST(a_flush_answers_for_all_before_it),
		TEST(too_many_are_all),
		TEST(a_flush_that_is_lost_leaves_all_in_doubt),
		TEST(who_knows_nothing_doubts_all),
		TEST(a_part_has_too_many),
		TEST(parts_are_believed_one_by_one),
		TEST(threads_share_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
