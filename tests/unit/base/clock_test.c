/* Clocks: who sees time pass, and who does not. */
#include "unit.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "rend/worker.h"

/* Until the monotonic clock shows something else. */
static void
let_time_pass(void)
{
	uint64_t before = clock_mono();

	while (clock_mono() == before)
		;
}

static void
test_without_ticks_it_is_now(void **state)
{
	uint64_t before = rend_now();

	let_time_pass();
	assert_true(rend_now() > before);
}

static void
test_wall_is_what_the_system_says(void **state)
{
	time_t before = time(NULL);
	int64_t wall = rend_wall();

	/* The start of this program is not long ago: the system's clock has hardly been adjusted since. */
	assert_in_range(wall, before - 1, time(NULL) + 1);
}

static void *
look(void *arg)
{
	uint64_t *seen = arg;

	seen[0] = rend_now();
	let_time_pass();
	seen[1] = rend_now();
	return NULL;
}

static void *
tick(void *arg)
{
	uint64_t ticked, elsewhere[2];
	pthread_t thread;

	clock_tick();
	ticked = rend_now();
	let_time_pass();
	assert_int_equal(rend_now(), ticked);
	assert_true(clock_mono() > ticked);

	/* Another thread does not stand still with this one. */
	assert_int_equal(pthread_create(&thread, NULL, look, elsewhere), 0);
	pthread_join(thread, NULL);
	assert_true(elsewhere[0] > ticked);
	assert_true(elsewhere[1] > elsewhere[0]);
	assert_int_equal(rend_now(), ticked);

	clock_tick();
	assert_true(rend_now() > ticked);

	/* Stale: one look at the clock, and it stands again. */
	ticked = rend_now();
	clock_stale();
	let_time_pass();
	assert_true(rend_now() > ticked);
	ticked = rend_now();
	let_time_pass();
	assert_int_equal(rend_now(), ticked);
	return NULL;
}

static void
test_a_thread_that_ticks(void **state)
{
	pthread_t thread;

	/* Not this thread: it would be one that ticks for the tests that follow. */
	assert_int_equal(pthread_create(&thread, NULL, tick, NULL), 0);
	pthread_join(thread, NULL);
}

static void *
look_at_fake(void *arg)
{
	clock_tick();
	assert_int_equal(rend_now(), 1000);
	assert_int_equal(clock_mono(), 1000);
	assert_int_equal(rend_wall(), 2000000000);
	clock_stale();
	assert_int_equal(rend_now(), 1000);
	return NULL;
}

static void
test_fake(void **state)
{
	pthread_t thread;

	clock_fake(1000, 2000000000);
	assert_int_equal(rend_now(), 1000);
	assert_int_equal(rend_wall(), 2000000000);
	assert_int_equal(pthread_create(&thread, NULL, look_at_fake, NULL), 0);
	pthread_join(thread, NULL);
	clock_fake(2000, 1);
	assert_int_equal(rend_now(), 2000);
	assert_int_equal(rend_wall(), 1);
	clock_unfake();
	assert_in_range(rend_wall(), time(NULL) - 1, time(NULL) + 1);
	assert_int_not_equal(rend_now(), 2000);
}

static void
test_expired(void **state)
{
	assert_false(rend_expired(0, INT64_MAX));
	assert_true(rend_expired(99, 100));
	assert_true(rend_expired(100, 100));
	assert_false(rend_expired(101, 100));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_ticks_it_is_now),
		cmocka_unit_test(test_wall_is_what_the_system_says),
		cmocka_unit_test(test_a_thread_that_ticks),
		cmocka_unit_test(test_fake),
		cmocka_unit_test(test_expired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
