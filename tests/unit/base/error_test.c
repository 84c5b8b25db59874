/* Errors: the sentence, the exit code, and what is too long. */
#include "unit.h"

#include <sysexits.h>

#include "base/error.h"
#include "rend/plugin.h"

static void
test_what_was_said(void **state)
{
	struct rend_error err = { 0 };

	assert_int_equal(error_set(&err, EX_OSERR, "%s is %d", "x", 5), -1);
	assert_string_equal(err.text, "x is 5");
	assert_int_equal(err.exit_code, EX_OSERR);
	assert_int_equal(rend_error(&err, "no %s", "good"), -1);
	assert_string_equal(err.text, "no good");
	assert_int_equal(err.exit_code, 0);
	assert_int_equal(rend_error(NULL, "nobody asked"), -1);
}

static void
test_a_word_before_it(void **state)
{
	struct rend_error err = { 0 };

	rend_error(&err, "inside");
	error_set(&err, EX_CONFIG, "outside: %s", err.text);
	assert_string_equal(err.text, "outside: inside");
}

static void
test_too_long(void **state)
{
	struct rend_error err;

	memset(&err, 'x', sizeof(err));
	rend_error(&err, "%2000d", 1);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_said),
		cmocka_unit_test(test_a_word_before_it),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
