/* Guard words that are held after a write of which nobody will hear. */
#include "../base/unit.h"

#include "base/clock.h"
#include "engine/holds.h"
#include "rend/check.h"

#define HASH UINT64_C(0x123456789abcdef0)
#define TIME UINT64_C(5000000000)
#define NOW  UINT64_C(1000000000)

static struct guard *words;
static struct holds *holds;

static int
begin(void **state)
{
	clock_fake(NOW, 1000);
	words = guard_new();
	holds = holds_new(words, TIME);
	return words == NULL || holds == NULL;
}

static int
end(void **state)
{
	holds_free(&holds);
	guard_free(&words);
	clock_unfake();
	return 0;
}

static void
at(uint64_t ns)
{
	clock_fake(NOW + ns, 1000);
	clock_tick();
	holds_tick(holds, NOW + ns);
}

static unsigned
writers(uint64_t hash)
{
	struct rend_guard g;

	guard_read(words, hash, &g);
	return g.seen & 0xffff;
}

static void
keep(uint64_t hash)
{
	struct rend_guard g;

	assert_true(guard_write(words, hash, &g));
	holds_keep(holds, &g);
	assert_null(g.words);
}

static void
a_word_is_held_for_its_time(void **state)
{
	keep(HASH);
	assert_int_equal(writers(HASH), 1);
	assert_int_equal(writers(HASH + 1), 0);
	assert_int_equal(holds_now(holds), 1);
	at(TIME - 1);
	assert_int_equal(writers(HASH), 1);
	keep(HASH);
	assert_int_equal(writers(HASH), 2);
	at(TIME);
	assert_int_equal(writers(HASH), 1);
	at(2 * TIME - 2);
	assert_int_equal(writers(HASH), 1);
	at(2 * TIME - 1);
	assert_int_equal(writers(HASH), 0);
	assert_int_equal(holds_now(holds), 0);
	assert_int_equal(holds_total(holds), 2);
}

/* A reader that began before it ended stores nothing, one that begins later does. */
static void
nobody_stores_where_a_word_is_held(void **state)
{
	struct rend_guard during, after;
	struct rend_op op = { .magic = REND_OP_MAGIC };

	keep(HASH);
	guard_read(words, HASH, &during);
	op.guard = &during;
	assert_false(rend_guard_holds(&op));
	at(TIME);
	assert_false(rend_guard_holds(&op));
	guard_read(words, HASH, &after);
	op.guard = &after;
	assert_true(rend_guard_holds(&op));
}

static void
a_flush_is_held_everywhere(void **state)
{
	struct rend_guard g;

	assert_true(guard_write_all(words, &g));
	holds_keep(holds, &g);
	assert_int_equal(writers(HASH), 1);
	assert_int_equal(writers(0), 1);
	at(TIME);
	assert_int_equal(writers(HASH), 0);
	assert_int_equal(writers(0), 0);
}

static void
too_many_hold_every_word(void **state)
{
	for (unsigned i = 0; i < HOLDS_MAX; i++)
		keep(i);
	assert_int_equal(writers(HASH), 0);
	at(1000);
	keep(HASH); /* the one too many */
	assert_int_equal(holds_now(holds), HOLDS_MAX + 1);
	assert_int_equal(writers(HASH), 1);
	assert_int_equal(writers(HASH + 1), 1);
	assert_int_equal(writers(0), 2);
	at(2000);
	keep(HASH); /* and another: for longer */
	assert_int_equal(writers(HASH), 1);
	at(TIME);
	assert_int_equal(holds_now(holds), 1);
	assert_int_equal(writers(0), 1);
	at(TIME + 1999);
	assert_int_equal(writers(HASH), 1);
	/* There is room again. */
	keep(7);
	assert_int_equal(writers(7), 2);
	at(TIME + 2000);
	assert_int_equal(writers(HASH), 0);
	assert_int_equal(writers(7), 1);
	at(2 * TIME + 1999);
	assert_int_equal(writers(7), 0);
	assert_int_equal(holds_now(holds), 0);
	assert_int_equal(holds_total(holds), HOLDS_MAX + 3);
}

/* The ring goes round. */
static void
it_goes_on_for_ever(void **state)
{
	for (uint64_t i = 0; i < 3 * HOLDS_MAX; i++) {
		at(i * (TIME / 100));
		keep(i);
		assert_true(holds_now(holds) <= 101);
	}
	at(4 * HOLDS_MAX * TIME);
	for (uint64_t i = 0; i < 3 * HOLDS_MAX; i++)
		assert_int_equal(writers(i), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_word_is_held_for_its_time, begin, end),
		cmocka_unit_test_setup_teardown(nobody_stores_where_a_word_is_held, begin, end),
		cmocka_unit_test_setup_teardown(a_flush_is_held_everywhere, begin, end),
		cmocka_unit_test_setup_teardown(too_many_hold_every_word, begin, end),
		cmocka_unit_test_setup_teardown(it_goes_on_for_ever, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
