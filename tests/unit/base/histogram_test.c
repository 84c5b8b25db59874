/* Histograms against sorted arrays. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/histogram.h"

#define MANY 20000

static int
by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Durations of 1 .. 2^bits ns, as many short as long ones. */
static uint64_t
duration(uint64_t *seed, unsigned bits)
{
	uint64_t wide = (uint64_t)unit_random(seed) << 31 | unit_random(seed);

	return wide >> (62 - bits + unit_random(seed) % bits);
}

static void
test_against_exact_quantiles(void **state)
{
	static const double shares[] = { 0, 0.001, 0.01, 0.07, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1 };
	static uint64_t exact[MANY];

	for (unsigned bits = 3; bits <= 40; bits++) {
		struct histogram h = { 0 };
		uint64_t seed = bits;

		for (int i = 0; i < MANY; i++) {
			exact[i] = duration(&seed, bits);
			histogram_add(&h, exact[i]);
		}
		qsort(exact, MANY, sizeof(exact[0]), by_size);
		assert_int_equal(histogram_count(&h), MANY);
		for (unsigned s = 0; s < COUNT_OF(shares); s++) {
			/* All shares are whole thousandths of a percent, so this is exact. */
			uint64_t rank = ((uint64_t)(shares[s] * 100000 + 0.5) * MANY + 99999) / 100000;
			uint64_t want = exact[rank == 0 ? 0 : rank - 1], got = histogram_quantile(&h, shares[s]);

			assert_true(got >= want);
			assert_true(got <= want + want / 32);
		}
	}
}

static void
test_short_ones_are_exact(void **state)
{
	for (uint64_t ns = 0; ns <= 64; ns++) {
		struct histogram h = { 0 };

		histogram_add(&h, ns);
		assert_int_equal(histogram_quantile(&h, 0.5), ns < 64 ? ns : 65);
		assert_int_equal(h.sum, ns);
	}
}

static void
test_shares_mean_what_they_say(void **state)
{
	struct histogram h = { 0 };

	for (uint64_t ns = 1; ns <= 100; ns++)
		histogram_add(&h, ns);
	/* 0.07 * 100 > 7 in doubles: the seventh it is all the same. */
	for (int percent = 1; percent < 64; percent++)
		assert_int_equal(histogram_quantile(&h, percent / 100.0), percent);
}

/* Each duration lies in a bucket whose end is not before it, and one more than the end lies in the next. */
static void
test_buckets_meet(void **state)
{
	uint64_t ns = 0;
	unsigned buckets = 0;

	while (ns < UINT64_C(1) << 40) {
		struct histogram h = { 0 };
		uint64_t end, *hit = h.counts;

		histogram_add(&h, ns);
		while (*hit == 0)
			hit++;
		assert_int_equal(hit - h.counts, buckets);
		end = histogram_quantile(&h, 1);
		assert_true(end >= ns);
		histogram_add(&h, end);
		assert_int_equal(*hit, 2);
		ns = end + 1;
		buckets++;
	}
	assert_int_equal(buckets, HISTOGRAM_BUCKETS);
}

static void
test_too_long_counts_as_the_longest(void **state)
{
	struct histogram h = { 0 };

	histogram_add(&h, UINT64_MAX);
	histogram_add(&h, UINT64_C(1) << 40);
	assert_int_equal(h.counts[HISTOGRAM_BUCKETS - 1], 2);
	assert_int_equal(histogram_quantile(&h, 1), (UINT64_C(1) << 40) - 1);
}

static void
test_none_and_nonsense(void **state)
{
	struct histogram h = { 0 };

	assert_int_equal(histogram_count(&h), 0);
	assert_int_equal(histogram_quantile(&h, 0.5), 0);
	histogram_add(&h, 1);
	histogram_add(&h, 2);
	assert_int_equal(histogram_quantile(&h, -1), 1);
	assert_int_equal(histogram_quantile(&h, 2), 2);
	assert_int_equal(histogram_quantile(&h, 0.0 / 0.0), 1);
}

static void
test_below_counts_what_is_certain(void **state)
{
	static const uint64_t bounds[] = { 0, 63, 100, 1000, 1000000, UINT64_MAX };
	uint64_t below[6], exact[6] = { 0 }, certain[6] = { 0 }, seed = 5;
	static struct histogram h;

	for (int i = 0; i < 100000; i++) {
		uint64_t ns = unit_random(&seed) % (1U << (1 + unit_random(&seed) % 22));

		histogram_add(&h, ns);
		for (int b = 0; b < 6; b++) {
			exact[b] += ns <= bounds[b];
			certain[b] += ns <= bounds[b] - bounds[b] / 32;
		}
	}
	histogram_below(&h, bounds, 6, below);
	for (int b = 0; b < 6; b++) {
		assert_true(below[b] <= exact[b]);
		assert_true(below[b] >= certain[b]);
	}
	assert_int_equal(below[0], exact[0]);
	assert_int_equal(below[1], exact[1]);
	assert_int_equal(below[5], 100000);
	/* At the end of a bucket it is exact, one ns before it is not yet in. */
	memset(&h, 0, sizeof h);
	histogram_add(&h, 64);
	histogram_below(&h, (const uint64_t[]){ 64, 65 }, 2, below);
	assert_int_equal(below[0], 0);
	assert_int_equal(below[1], 1);
}

static void
test_merge(void **state)
{
	struct histogram a = { 0 }, b = { 0 }, both = { 0 };
	uint64_t seed = 7;

	for (int i = 0; i < 1000; i++) {
		uint64_t ns = duration(&seed, 40);

		histogram_add(i % 3 ? &a : &b, ns);
		histogram_add(&both, ns);
	}
	histogram_merge(&a, &b);
	assert_memory_equal(&a, &both, sizeof(a));
}

static struct histogram watched;
static atomic_bool done;

static void *
write_many(void *arg)
{
	uint64_t seed = 1;

	for (int i = 0; i < 200000; i++)
		histogram_add(&watched, duration(&seed, 30));
	done = true;
	return NULL;
}

static void
test_a_reader_elsewhere(void **state)
{
	pthread_t thread;
	uint64_t before = 0;

	assert_int_equal(pthread_create(&thread, NULL, write_many, NULL), 0);
	do {
		struct histogram copy = { 0 };
		uint64_t now;

		histogram_merge(&copy, &watched);
		now = histogram_count(&copy);
		assert_true(now >= before);
		assert_true(histogram_quantile(&watched, 1) < UINT64_C(1) << 31);
		before = now;
	} while (!done);
	pthread_join(thread, NULL);
	assert_int_equal(histogram_count(&watched), 200000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_exact_quantiles),
		cmocka_unit_test(test_short_ones_are_exact),
		cmocka_unit_test(test_shares_mean_what_they_say),
		cmocka_unit_test(test_buckets_meet),
		cmocka_unit_test(test_too_long_counts_as_the_longest),
		cmocka_unit_test(test_none_and_nonsense),
		cmocka_unit_test(test_below_counts_what_is_certain),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_a_reader_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
