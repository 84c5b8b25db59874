/* Finding what libconfig would cut down, or open, without a word. */
#include "../base/unit.h"

#include <libconfig.h>

#include "conf/literals.h"

/* What is found, as "line kind text;", in a copy without anything behind it, so that reading too far is noticed. */
static void
expect(const char *text, size_t len, const char *expected)
{
	char *copy = malloc(len == 0 ? 1 : len);
	struct literals l = { .at = copy, .end = copy + len };
	char found[512] = "";
	enum literal it;

	assert_non_null(copy);
	memcpy(copy, text, len);
	while ((it = literals_next(&l)) != LITERAL_END)
		snprintf(found + strlen(found), sizeof found - strlen(found), "%u %s %.*s;", l.line,
		    it == LITERAL_INCLUDE ? "include"
		    : it == LITERAL_OPEN  ? "open"
					  : "big",
		    it == LITERAL_OPEN ? 1 : (int)l.len, l.text);
	free(copy);
	if (strcmp(found, expected) != 0)
		fail_msg("in \"%s\" there is \"%s\", expected \"%s\"", text, found, expected);
}

static const struct {
	const char *text, *found;
} rows[] = {
	{ "", "" },
	{ "a = 2147483647;", "" },
	{ "a = 2147483648;", "1 big 2147483648;" },
	{ "a = -2147483648;", "" },
	{ "a = -2147483649;", "1 big -2147483649;" },
	{ "a = +2147483648;", "1 big +2147483648;" },
	{ "a = 0000000000000000000000000000000000005;", "" },
	{ "a = -0000000000000000000000000000000000005;", "" },
	{ "a = 4294967296L;", "" },
	{ "a = 4294967296LL;", "" },
	{ "a = 9223372036854775807L;", "" },
	{ "a = 9223372036854775808L;", "1 big 9223372036854775808L;" },
	{ "a = 99999999999999999999999999999999L;", "1 big 99999999999999999999999999999999L;" },
	{ "a = 0x7fffffff;", "" },
	{ "a = 0x80000000;", "1 big 0x80000000;" },
	{ "a = 0x80000000L;", "" },
	{ "a = 0xffffffffffffffffL;", "1 big 0xffffffffffffffffL;" },
	{ "a = 0x000000000000000000000001;", "" },
	{ "\n\na = [ 1,\n 3000000000 ];\nb = 4000000000;", "4 big 3000000000;5 big 4000000000;" },
	{ "a = 3000000000.5;", "" },
	{ "a = .3000000000;", "" },
	{ "a = 3000000000.5e10;", "" },
	{ "a = -3000000000e5;", "" },
	{ "a3000000000 = 1;", "" },
	{ "a-3000000000 = 1;", "" },
	{ "*3000000000 = 1;", "" },
	{ "a = \"3000000000\";", "" },
	{ "a = \"\\\"3000000000\";", "" },
	{ "a = \"\\\\\";b = 3000000000;", "1 big 3000000000;" },
	{ "a = \"x\n\n\"; b = 3000000000;", "3 big 3000000000;" },
	{ "# 3000000000\n// 3000000000\n/* 3000000000\n * 3000000000 */ a = 3000000000;", "4 big 3000000000;" },
	{ "a = \"# \"; b = 3000000000;", "1 big 3000000000;" },
	{ "\n/* 3000000000", "2 open /;" },
	{ "/*/", "1 open /;" },
	{ "/**/", "" },
	{ "a = \"3000000000", "1 open \";" },
	{ "a = \"3000000000\\", "1 open \";" },
	{ "a = \"3000000000\\\"\n\n", "1 open \";" },
	{ "a = \"\";", "" },
	{ "a = 3000000000", "1 big 3000000000;" },
	{ "@include \"a.conf\"", "1 include a.conf;" },
	{ " \t@include\t\"a.conf\"\n@include \"b\"", "1 include a.conf;2 include b;" },
	{ "@include \"a.conf", "1 include a.conf;" },
	{ "@include \"\"", "1 include ;" },
	{ "x = 1; @include \"a.conf\"", "" },
	{ "# @include \"a.conf\"\n\"\n@include \"", "" },
	{ "@include", "" },
	{ "@", "" },
	{ "-", "" },
	{ "0x", "" },
	{ "1.", "" },
	{ "/", "" },
};

static void
finds(void **state)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		expect(rows[i].text, strlen(rows[i].text), rows[i].found);
}

/* For each beginning of each text: nothing is read behind it. */
static void
stays_inside(void **state)
{
	size_t looked_at = 0;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t len = 0; len <= strlen(rows[i].text); len++) {
			char *copy = malloc(len == 0 ? 1 : len);
			struct literals l = { .at = copy, .end = copy + len };

			assert_non_null(copy);
			memcpy(copy, rows[i].text, len);
			while (literals_next(&l) != LITERAL_END)
				assert_true(l.text >= copy && l.text + l.len <= copy + len);
			assert_ptr_equal(l.at, copy + len);
			free(copy);
			looked_at++;
		}
	assert_true(looked_at > COUNT_OF(rows) * 10);
}

/* The reason for all this: an integer that we let through is what libconfig makes of it. */
static void
agrees_with_libconfig(void **state)
{
	static const long long numbers[] = { 0, 1, 2147483647, -2147483648LL, 2147483648LL, -2147483649LL, 4294967295LL,
		4294967296LL, 1099511627776LL };
	unsigned cut = 0;

	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		struct literals l;
		config_t c;
		char text[64];

		snprintf(text, sizeof text, "a = %lld;", numbers[i]);
		l = (struct literals){ .at = text, .end = text + strlen(text) };
		config_init(&c);
		assert_int_equal(config_read_string(&c, text), CONFIG_TRUE);
		if (literals_next(&l) == LITERAL_TOO_BIG)
			cut++;
		else
			assert_int_equal(config_setting_get_int64(config_lookup(&c, "a")), numbers[i]);
		config_destroy(&c);
	}
	assert_int_equal(cut, 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
		cmocka_unit_test(stays_inside),
		cmocka_unit_test(agrees_with_libconfig),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
