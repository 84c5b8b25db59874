/* Verbs' names, and which verbs store. */
#include "unit.h"

#include "rend/op.h"

static void
test_each_verb_has_a_name_of_its_own(void **state)
{
	for (unsigned v = 0; v < REND_VERB_COUNT; v++) {
		assert_non_null(rend_verb_name(v));
		assert_string_not_equal(rend_verb_name(v), "?");
		for (unsigned other = 0; other < v; other++)
			assert_string_not_equal(rend_verb_name(v), rend_verb_name(other));
	}
	assert_string_equal(rend_verb_name(REND_GET), "get");
	assert_string_equal(rend_verb_name(REND_FLUSH_ALL), "flush_all");
	assert_string_equal(rend_verb_name(REND_VERB_COUNT), "?");
	assert_string_equal(rend_verb_name(255), "?");
	assert_string_equal(rend_verb_name(UINT32_MAX), "?");
}

static void
test_which_store(void **state)
{
	static const bool stores[REND_VERB_COUNT] = {
		[REND_SET] = true,
		[REND_ADD] = true,
		[REND_REPLACE] = true,
		[REND_APPEND] = true,
		[REND_PREPEND] = true,
	};

	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		assert_int_equal(rend_verb_stores(v), stores[v]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_verb_has_a_name_of_its_own),
		cmocka_unit_test(test_which_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
