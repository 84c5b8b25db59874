/* The open loop's schedule, and throughput over time. */
#include "../unit/base/unit.h"

#include <math.h>

#include "../../tools/load/pace.h"
#include "../../tools/load/tally.h"
#include "../../tools/load/timeline.h"

#define SECOND UINT64_C(1000000000)

static void
test_constant(void **state)
{
	struct pace p;

	pace_init(&p, 5 * SECOND, 1000, false, 1);
	for (uint64_t i = 0; i < 100000; i++)
		assert_int_equal(pace_take(&p), 5 * SECOND + i * 1000000);
}

/* A gap that is no whole number of ns: no drift. */
static void
test_no_drift(void **state)
{
	struct pace p;
	uint64_t last = 0;

	pace_init(&p, 0, 3e6, false, 1);
	for (uint64_t i = 0; i <= 3000000; i++)
		last = pace_take(&p);
	assert_in_range(last, SECOND - 1, SECOND);
}

/* Whoever looks late sees all that has been due meanwhile, at the times they were due. */
static void
test_late(void **state)
{
	struct pace p;
	uint64_t now = 3 * SECOND, longest = 0, n = 0;

	pace_init(&p, SECOND, 1000, false, 1);
	assert_int_equal(pace_behind(&p, SECOND - 1), 0);
	assert_int_equal(pace_behind(&p, SECOND), 1);
	assert_int_equal(pace_behind(&p, now), 2001);
	while (pace_due(&p) <= now) {
		uint64_t waited = now - pace_take(&p);

		if (waited > longest)
			longest = waited;
		n++;
	}
	assert_int_equal(n, 2001);
	assert_int_equal(longest, 2 * SECOND);
}

static void
test_drop(void **state)
{
	struct pace p;

	pace_init(&p, 0, 1000, false, 1);
	pace_take(&p);
	assert_int_equal(pace_drop(&p, SECOND), 999);
	assert_int_equal(pace_drop(&p, SECOND), 0);
	assert_int_equal(pace_due(&p), SECOND);
}

static void
test_poisson(void **state)
{
	struct pace p;
	uint64_t before = 0, n = 0;
	double squares = 0;

	pace_init(&p, 0, 1000, true, 1);
	while (pace_due(&p) < 100 * SECOND) {
		uint64_t due = pace_take(&p);
		double gap = (double)(due - before) / 1e6 - 1;

		assert_true(due >= before);
		squares += gap * gap;
		before = due;
		n++;
	}
	/* 100,000 expected, with a deviation of 316. */
	assert_in_range(n, 98500, 101500);
	/* The gaps deviate by as much as they are long. */
	assert_true(fabs(squares / (double)n - 1) < 0.05);
}

static void
test_timeline_halves(void **state)
{
	static struct timeline t;
	uint64_t sum = 0;

	timeline_init(&t, SECOND, 1000);
	for (uint64_t i = 0; i < 5 * TIMELINE_MAX; i++) {
		timeline_now(&t, SECOND + i * 1000)->requests++;
		interval_time(timeline_now(&t, SECOND + i * 1000), i % 2 ? 100 : 1000000 + i);
	}
	assert_true(t.count <= TIMELINE_MAX);
	assert_int_equal(t.step, 8000);
	for (uint32_t i = 0; i < t.count; i++) {
		assert_int_equal(t.at[i].requests, 8);
		assert_int_equal(t.at[i].longest, 1000000 + i * 8 + 6);
		assert_int_equal(t.at[i].times[histogram_bucket(100) / TIMELINE_COARSE], 4);
		assert_int_equal(t.at[i].times[histogram_bucket(1000000) / TIMELINE_COARSE], 4);
		sum += t.at[i].requests;
	}
	assert_int_equal(sum, 5 * TIMELINE_MAX);
	/* Much later: the intervals between are there, and empty. */
	timeline_now(&t, SECOND + 1000 * SECOND)->requests++;
	assert_true(t.count <= TIMELINE_MAX);
	sum = 0;
	for (uint32_t i = 0; i < t.count; i++)
		sum += t.at[i].requests;
	assert_int_equal(sum, 5 * TIMELINE_MAX + 1);
}

static void
test_quantiles_do_not_exceed_the_longest(void **state)
{
	struct tally t = { 0 };

	tally_add(&t, 1000001);
	assert_int_equal(tally_quantile(&t, 0.5), 1000001);
	assert_int_equal(t.longest, 1000001);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constant),
		cmocka_unit_test(test_no_drift),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_poisson),
		cmocka_unit_test(test_timeline_halves),
		cmocka_unit_test(test_quantiles_do_not_exceed_the_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
