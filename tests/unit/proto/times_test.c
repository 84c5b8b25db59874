/* The thirty-day rule, at its edges. */
#include "../base/unit.h"

#include "proto/times.h"

#define DAYS_30 (30 * 24 * 60 * 60)
#define NOW	1700000000

static void
test_exptime(void **state)
{
	static const struct {
		int64_t given, at;
	} rows[] = {
		{ 0, 0 },
		{ 1, NOW + 1 },
		{ DAYS_30, NOW + DAYS_30 },
		{ DAYS_30 + 1, DAYS_30 + 1 }, /* 31 January 1970: long gone */
		{ NOW - 1, NOW - 1 },
		{ NOW + 1, NOW + 1 },
		{ INT64_C(4294967294), INT64_C(4294967294) },
		{ INT64_C(4294967296), INT64_C(4294967295) },
		{ INT64_MAX, INT64_C(4294967295) },
		{ -1, TIMES_GONE },
		{ INT64_MIN, TIMES_GONE },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (times_exptime(rows[i].given, NOW) != rows[i].at)
			fail_msg(
			    "%lld became %lld", (long long)rows[i].given, (long long)times_exptime(rows[i].given, NOW));
	assert_true(TIMES_GONE != 0 && TIMES_GONE < NOW);
}

static void
test_delay(void **state)
{
	static const struct {
		int64_t given, delay;
	} rows[] = {
		{ 0, 0 },
		{ -1, 0 },
		{ INT64_MIN, 0 },
		{ 1, 1 },
		{ DAYS_30, DAYS_30 },
		{ DAYS_30 + 1, 0 },
		{ NOW - 1, 0 },
		{ NOW, 0 },
		{ NOW + 100, 100 },
		{ INT64_MAX, INT64_C(4294967295) - NOW },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (times_delay(rows[i].given, NOW) != rows[i].delay)
			fail_msg(
			    "%lld became %lld", (long long)rows[i].given, (long long)times_delay(rows[i].given, NOW));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exptime),
		cmocka_unit_test(test_delay),
	};

	return cmocka_run_group_tests_name("proto/times", tests, NULL, NULL);
}
