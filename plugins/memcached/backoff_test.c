/* How long to wait before the next try. */
#include "backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS 1000000ULL

static void
grows_to_its_longest(void **state)
{
	for (uint32_t seed = 0; seed < 100; seed++) {
		struct backoff b;
		uint64_t pause = 100 * MS;

		backoff_init(&b, 100 * MS, 10000 * MS, seed);
		for (int i = 0; i < 30; i++) {
			uint64_t ns = backoff_next(&b);

			assert_in_range(ns, pause / 2, pause);
			pause = pause + pause / 2 < 10000 * MS ? pause + pause / 2 : 10000 * MS;
		}
		assert_true(pause == 10000 * MS);
		backoff_reset(&b);
		assert_in_range(backoff_next(&b), 50 * MS, 100 * MS);
	}
}

/* Those who failed together do not come back together. */
static void
is_not_the_same_for_all(void **state)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (uint32_t seed = 0; seed < 100; seed++) {
		struct backoff b;
		uint64_t ns;

		backoff_init(&b, 100 * MS, 100 * MS, seed * 2654435761U);
		ns = backoff_next(&b);
		least = ns < least ? ns : least;
		most = ns > most ? ns : most;
	}
	assert_true(least < 60 * MS);
	assert_true(most > 90 * MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_to_its_longest),
		cmocka_unit_test(is_not_the_same_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
