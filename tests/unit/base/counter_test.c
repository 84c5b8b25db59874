/* Numbers inside values.  What memcached 1.6.18 takes for one, asked of it value by value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rend/counter.h"

static void
what_is_a_number(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool is;
		uint64_t number;
	} rows[] = {
#define ROW(bytes, is, number) { bytes, sizeof(bytes) - 1, is, number }
		ROW("10", true, 10),
		ROW("0", true, 0),
		ROW("007", true, 7),
		ROW("18446744073709551615", true, UINT64_MAX),
		ROW("00018446744073709551615", true, UINT64_MAX),
		ROW("18446744073709551616", false, 0),
		ROW("123456789012345678901", false, 0),
		ROW("99999999999999999999", false, 0),
		ROW("", false, 0),
		ROW(" ", false, 0),
		ROW("-", false, 0),
		ROW("+", false, 0),
		ROW("+5", true, 5),
		ROW("+-5", false, 0),
		ROW("- 5", false, 0),
		ROW("-1", false, 0),
		ROW("-0", true, 0),
		ROW("-9223372036854775807", false, 0),
		ROW("-9223372036854775809", true, 9223372036854775807),
		ROW("-18446744073709551615", true, 1),
		ROW(" 5", true, 5),
		ROW("\t\n\v\f\r5", true, 5),
		ROW("5 ", true, 5),
		ROW("5 x", true, 5),
		ROW("5\n", true, 5),
		ROW("5\0x", true, 5),
		ROW("5x", false, 0),
		ROW("5\x80", false, 0),
		ROW("0x10", false, 0),
		ROW("ten", false, 0),
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t number = 42;

		if (rend_counter_read(rows[i].bytes, rows[i].len, &number) != rows[i].is)
			fail_msg("row %zu, \"%s\": should %sbe a number", i, rows[i].bytes, rows[i].is ? "" : "not ");
		assert_int_equal(number, rows[i].is ? rows[i].number : 42);
	}
}

/* Nothing behind the end is looked at. */
static void
ends_where_it_ends(void **state)
{
	uint64_t number;

	assert_true(rend_counter_read("1234", 2, &number));
	assert_int_equal(number, 12);
	assert_false(rend_counter_read("12", 0, &number));
}

static void
printed(void **state)
{
	static const struct {
		uint64_t number;
		const char *digits;
	} rows[] = { { 0, "0" }, { 9, "9" }, { 10, "10" }, { UINT64_MAX, "18446744073709551615" } };
	char digits[REND_COUNTER_DIGITS_MAX];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t n = rend_counter_print(digits, rows[i].number);

		assert_int_equal(n, strlen(rows[i].digits));
		assert_memory_equal(digits, rows[i].digits, n);
	}
}

static void
stepped(void **state)
{
	assert_int_equal(rend_counter_step(UINT64_MAX, 2, true), 1);
	assert_int_equal(rend_counter_step(5, 5, false), 0);
	assert_int_equal(rend_counter_step(5, 6, false), 0);
	assert_int_equal(rend_counter_step(5, UINT64_MAX, false), 0);
	assert_int_equal(rend_counter_step(5, 1, false), 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_a_number),
		cmocka_unit_test(ends_where_it_ends),
		cmocka_unit_test(printed),
		cmocka_unit_test(stepped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
