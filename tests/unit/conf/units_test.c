/* Numbers with units, and ranges of them. */
#include "../base/unit.h"

#include <sysexits.h>

#include "conf/units.h"

#define REFUSED INT64_MIN

struct row {
	enum rend_option_type type;
	const char *text;
	int64_t value; /* REFUSED: said is said */
	const char *said;
};

static const struct row rows[] = {
	{ REND_INT, "0", 0, NULL },
	{ REND_INT, "12", 12, NULL },
	{ REND_INT, "-12", -12, NULL },
	{ REND_INT, "9223372036854775807", INT64_MAX, NULL },
	{ REND_INT, "9223372036854775808", REFUSED, "is too big" },
	{ REND_INT, "1.5", REFUSED, "a whole number is wanted" },
	{ REND_INT, "1K", REFUSED, "a whole number is wanted" },
	{ REND_INT, "", REFUSED, "a whole number is wanted" },
	{ REND_INT, "-", REFUSED, "a whole number is wanted" },
	{ REND_INT, "+1", REFUSED, "a whole number is wanted" },
	{ REND_INT, " 1", REFUSED, "a whole number is wanted" },
	{ REND_SIZE, "4096", 4096, NULL },
	{ REND_SIZE, "0", 0, NULL },
	{ REND_SIZE, "1B", 1, NULL },
	{ REND_SIZE, "64MiB", 64LL << 20, NULL },
	{ REND_SIZE, "64 MiB", 64LL << 20, NULL },
	{ REND_SIZE, "1.5GiB", 3LL << 29, NULL },
	{ REND_SIZE, "0.5K", 512, NULL },
	{ REND_SIZE, "3K", 3072, NULL },
	{ REND_SIZE, "3M", 3LL << 20, NULL },
	{ REND_SIZE, "3G", 3LL << 30, NULL },
	{ REND_SIZE, "3T", 3LL << 40, NULL },
	{ REND_SIZE, "3TiB", 3LL << 40, NULL },
	{ REND_SIZE, "0.1GiB", 107374182, NULL },
	{ REND_SIZE, "8388607TiB", 8388607LL << 40, NULL },
	{ REND_SIZE, "8388608TiB", REFUSED, "is too big" },
	{ REND_SIZE, "99999999999999999999999999999999999999999", REFUSED, "is too big" },
	{ REND_SIZE, "1.00000000000000000000000000000000000000001MiB", 1LL << 20, NULL },
	{ REND_SIZE, "64MB", REFUSED, "write MiB" },
	{ REND_SIZE, "64mib", REFUSED, "a size is wanted" },
	{ REND_SIZE, "-1", REFUSED, "a size is wanted" },
	{ REND_SIZE, "1.", REFUSED, "a size is wanted" },
	{ REND_SIZE, ".5G", REFUSED, "a size is wanted" },
	{ REND_SIZE, "1s", REFUSED, "a size is wanted" },
	{ REND_DURATION, "0", 0, NULL },
	{ REND_DURATION, "1ns", 1, NULL },
	{ REND_DURATION, "7us", 7000, NULL },
	{ REND_DURATION, "250ms", 250000000, NULL },
	{ REND_DURATION, "1.5s", 1500000000, NULL },
	{ REND_DURATION, "2min", 120000000000, NULL },
	{ REND_DURATION, "1h", 3600000000000, NULL },
	{ REND_DURATION, "30", REFUSED, "has no unit" },
	{ REND_DURATION, "2m", REFUSED, "write min or ms" },
	{ REND_DURATION, "1d", REFUSED, "write 24h" },
	{ REND_DURATION, "9999999999h", REFUSED, "is too big" },
	{ REND_DURATION, "-1s", REFUSED, "a duration is wanted" },
};

static void
parses(void **state)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *r = &rows[i];
		struct rend_error err = { 0 };
		int64_t value = 77;
		int rc = units_parse(r->type, r->text, &value, &err);

		if (r->value != REFUSED) {
			if (rc != 0 || value != r->value)
				fail_msg("\"%s\" is %lld, %s", r->text, (long long)value, err.text);
		} else if (rc != -1 || strstr(err.text, r->said) == NULL || value != 77)
			fail_msg("\"%s\" gives %d, \"%s\"", r->text, rc, err.text);
	}
}

static const struct {
	enum rend_option_type type;
	const char *range;
	int64_t value;
	const char *said; /* NULL: it is in */
} ranges[] = {
	{ REND_INT, NULL, INT64_MIN, NULL },
	{ REND_INT, "1..64", 1, NULL },
	{ REND_INT, "1..64", 64, NULL },
	{ REND_INT, "1..64", 0, "must be 1 to 64" },
	{ REND_INT, "1..64", 65, "must be 1 to 64" },
	{ REND_INT, "-5..5", -5, NULL },
	{ REND_INT, "-5..5", -6, "must be -5 to 5" },
	{ REND_SIZE, "1KiB..", 1024, NULL },
	{ REND_SIZE, "1KiB..", 1023, "must be at least 1KiB" },
	{ REND_DURATION, "..1h", 3600000000000, NULL },
	{ REND_DURATION, "..1h", 3600000000001, "must be at most 1h" },
	{ REND_INT, "..", 9, NULL },
};

static void
looks_at_ranges(void **state)
{
	for (size_t i = 0; i < COUNT_OF(ranges); i++) {
		struct rend_error err = { 0 };
		int rc = units_check(ranges[i].type, ranges[i].range, ranges[i].value, &err);

		assert_int_equal(rc, ranges[i].said == NULL ? 0 : -1);
		assert_string_equal(err.text, ranges[i].said == NULL ? "" : ranges[i].said);
	}
}

static void
refuses_ranges_that_are_none(void **state)
{
	static const char *const wrong[] = { "", "5", "a..b", "1..2MiB..3", "1-5",
		"111111111111111111111111111111111111111111111111111111111111..2" };

	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct rend_error err = { 0 };

		assert_int_equal(units_check(REND_INT, wrong[i], 1, &err), -1);
		assert_int_equal(err.exit_code, EX_SOFTWARE);
		assert_non_null(strstr(err.text, wrong[i]));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(looks_at_ranges),
		cmocka_unit_test(refuses_ranges_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
