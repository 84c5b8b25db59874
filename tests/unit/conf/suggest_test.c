/* Did you mean ...? */
#include "../base/unit.h"

#include "conf/suggest.h"

static const struct {
	const char *a, *b;
	unsigned distance;
} rows[] = {
	{ "memory", "memory", 0 },
	{ "memroy", "memory", 1 },  /* swapped */
	{ "memry", "memory", 1 },   /* left out */
	{ "memoryy", "memory", 1 }, /* added */
	{ "nemory", "memory", 1 },  /* changed */
	{ "mmeroy", "memory", 2 },
	{ "em", "memory", 3 }, /* 4 counts as 3 */
	{ "", "", 0 },
	{ "", "ab", 2 },
	{ "abc", "", 3 },
	{ "ca", "abc", 3 },
};

static void
counts(void **state)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(suggest_distance(rows[i].a, rows[i].b, 2), rows[i].distance);
		assert_int_equal(suggest_distance(rows[i].b, rows[i].a, 2), rows[i].distance);
	}
}

static void
takes_long_names(void **state)
{
	char a[64], b[65];

	memset(a, 'a', sizeof a - 1);
	memset(b, 'a', sizeof b - 1);
	a[sizeof a - 1] = b[sizeof b - 1] = '\0';
	assert_int_equal(suggest_distance(a, a, 2), 0);
	/* Longer than any name that we have: not looked at. */
	assert_int_equal(suggest_distance(a, b, 2), 3);
}

static void
finds_the_nearest(void **state)
{
	struct suggest s = { .wrong = "prot" };
	char buf[80];

	assert_string_equal(suggest_text(&s, buf, sizeof buf), "");
	suggest_try(&s, "policy");
	assert_null(s.best);
	suggest_try(&s, "path");
	suggest_try(&s, "port");
	suggest_try(&s, "part");
	assert_string_equal(suggest_text(&s, buf, sizeof buf), "; did you mean port?");
}

static void
does_not_guess_from_nothing(void **state)
{
	struct suggest s = { .wrong = "xy" };

	suggest_try(&s, "ab");
	suggest_try(&s, "a");
	assert_null(s.best);
	suggest_try(&s, "xb");
	assert_string_equal(s.best, "xb");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts),
		cmocka_unit_test(takes_long_names),
		cmocka_unit_test(finds_the_nearest),
		cmocka_unit_test(does_not_guess_from_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
