/* Statuses: the three outcomes, and numbers that are no status. */
#include "unit.h"

#include "rend/status.h"

static void
test_outcomes(void **state)
{
	static const struct {
		enum rend_status status;
		const char *name;
		enum rend_outcome outcome;
	} rows[] = {
		{ REND_OK, "OK", REND_YES },
		{ REND_MISS, "MISS", REND_NO },
		{ REND_EXISTS, "EXISTS", REND_NO },
		{ REND_NOT_STORED, "NOT_STORED", REND_NO },
		{ REND_NOT_A_NUMBER, "NOT_A_NUMBER", REND_NO },
		{ REND_TOO_BIG, "TOO_BIG", REND_NO },
		{ REND_NOT_ADMITTED, "NOT_ADMITTED", REND_NO },
		{ REND_UNSUPPORTED, "UNSUPPORTED", REND_FAIL },
		{ REND_BUSY, "BUSY", REND_FAIL },
		{ REND_TIMEOUT, "TIMEOUT", REND_FAIL },
		{ REND_LOST, "LOST", REND_FAIL },
		{ REND_DOWN, "DOWN", REND_FAIL },
		{ REND_NO_MEMORY, "NO_MEMORY", REND_FAIL },
		{ REND_CORRUPT, "CORRUPT", REND_FAIL },
		{ REND_IO, "IO", REND_FAIL },
	};

	assert_int_equal(COUNT_OF(rows), REND_STATUS_COUNT);
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(rows[i].status, i);
		assert_string_equal(rend_status_name(rows[i].status), rows[i].name);
		assert_int_equal(rend_outcome(rows[i].status), rows[i].outcome);
	}
}

static void
test_ambiguous(void **state)
{
	unsigned ambiguous = 1U << REND_TIMEOUT | 1U << REND_LOST | 1U << REND_IO | 1U << REND_CORRUPT;

	for (unsigned s = 0; s < REND_STATUS_COUNT; s++)
		assert_int_equal(rend_ambiguous((enum rend_status)s), (ambiguous & 1U << s) != 0);
	/* What nobody knows may be anything. */
	assert_true(rend_ambiguous((enum rend_status)200));
}

static void
test_numbers_that_are_no_status(void **state)
{
	static const unsigned numbers[] = { REND_STATUS_COUNT, 200, 255, 256, INT32_MAX, UINT32_MAX };

	for (unsigned i = 0; i < COUNT_OF(numbers); i++) {
		assert_string_equal(rend_status_name((enum rend_status)numbers[i]), "?");
		assert_int_equal(rend_outcome((enum rend_status)numbers[i]), REND_FAIL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_ambiguous),
		cmocka_unit_test(test_numbers_that_are_no_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
