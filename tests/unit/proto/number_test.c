/* Numbers in exactly as many bytes as they have: one byte read too far is seen by a sanitizer. */
#include "../base/unit.h"

#include <inttypes.h>

#include "proto/number.h"

static char *
exactly(const char *s, size_t len)
{
	char *p = malloc(len + (len == 0));

	assert_non_null(p);
	memcpy(p, s, len);
	return p;
}

static void
test_unsigned(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t n;
	} rows[] = {
		{ "0", true, 0 },
		{ "7", true, 7 },
		{ "+7", true, 7 },
		{ "007", true, 7 },
		{ "4294967295", true, 4294967295 },
		{ "9999999999999999999", true, UINT64_C(9999999999999999999) },
		{ "18446744073709551609", true, UINT64_C(18446744073709551609) },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "0000000000000000000000000000018446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "18446744073709551620", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "184467440737095516150", false, 0 },
		{ "", false, 0 },
		{ "+", false, 0 },
		{ "-", false, 0 },
		{ "-1", false, 0 },
		{ "-0", false, 0 },
		{ "++1", false, 0 },
		{ "+-1", false, 0 },
		{ "1a", false, 0 },
		{ "a1", false, 0 },
		{ "0x10", false, 0 },
		{ "1.0", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "/", false, 0 },
		{ ":", false, 0 },
		{ "\xb1", false, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t len = strlen(rows[i].text);
		char *p = exactly(rows[i].text, len);
		uint64_t n = 42;

		if (number_u64(p, len, &n) != rows[i].good || n != (rows[i].good ? rows[i].n : 42))
			fail_msg("%s: %" PRIu64, rows[i].text, n);
		free(p);
	}
}

static void
test_signed(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t n;
	} rows[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "-1", true, -1 },
		{ "+1", true, 1 },
		{ "2147483648", true, 2147483648 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775807", true, -INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "18446744073709551615", false, 0 },
		{ "-18446744073709551616", false, 0 },
		{ "", false, 0 },
		{ "-", false, 0 },
		{ "--1", false, 0 },
		{ "-+1", false, 0 },
		{ "1-", false, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t len = strlen(rows[i].text);
		char *p = exactly(rows[i].text, len);
		int64_t n = 42;

		if (number_i64(p, len, &n) != rows[i].good || n != (rows[i].good ? rows[i].n : 42))
			fail_msg("%s: %" PRId64, rows[i].text, n);
		free(p);
	}
}

static void
check_print(uint64_t n)
{
	char expected[NUMBER_MAX + 1];
	size_t len = (size_t)snprintf(expected, sizeof(expected), "%" PRIu64, n);
	char *to = malloc(len); /* not a byte more */

	assert_non_null(to);
	assert_int_equal(number_print(to, n), len);
	assert_memory_equal(to, expected, len);
	free(to);
}

static void
test_print(void **state)
{
	uint64_t power = 1, seed = 7;

	for (int digits = 1; digits <= 20; digits++, power *= 10) {
		check_print(power - 1);
		check_print(power);
		check_print(power + 1);
	}
	check_print(UINT64_MAX);
	for (int i = 0; i < 10000; i++)
		check_print((((uint64_t)unit_random(&seed) << 33) ^ unit_random(&seed)) >> unit_random(&seed) % 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unsigned),
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests_name("proto/number", tests, NULL, NULL);
}
