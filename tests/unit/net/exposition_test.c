/* Unit tests of core/net/exposition.c: every byte of the text that Prometheus reads. */
#include "../base/unit.h"

#include "net/exposition.h"

#define MOST (1024 * 1024)
#define BAD  "\xef\xbf\xbd"

static void
says(struct exposition *e, const char *expected)
{
	assert_false(e->out.broken);
	strbuf_add(&e->out, "", 1);
	assert_string_equal(e->out.text, expected);
	exposition_fini(e);
}

static void
a_family_has_help_type_and_samples(void **state)
{
	struct exposition e = { .out.most = MOST };

	assert_true(exposition_begin(&e, "rend_ops_total", EXPOSITION_COUNTER, "Ops."));
	exposition_number(&e, LABELS({ "node", "mem" }, { "verb", "get" }), 12);
	exposition_number(&e, LABELS({ "node", "mem" }, { "verb", "set" }), UINT64_MAX);
	exposition_one(&e, "rend_workers", EXPOSITION_GAUGE, "Workers.", 0);
	assert_true(exposition_begin(&e, "rend_cpu_seconds_total", EXPOSITION_COUNTER, "CPU."));
	exposition_seconds(&e, NO_LABELS, 61000000005);
	says(&e, "# HELP rend_ops_total Ops.\n"
		 "# TYPE rend_ops_total counter\n"
		 "rend_ops_total{node=\"mem\",verb=\"get\"} 12\n"
		 "rend_ops_total{node=\"mem\",verb=\"set\"} 18446744073709551615\n"
		 "# HELP rend_workers Workers.\n"
		 "# TYPE rend_workers gauge\n"
		 "rend_workers 0\n"
		 "# HELP rend_cpu_seconds_total CPU.\n"
		 "# TYPE rend_cpu_seconds_total counter\n"
		 "rend_cpu_seconds_total 61.000000005\n");
}

static void
values_of_labels_are_escaped(void **state)
{
	static const struct {
		const char *raw, *said;
	} cases[] = {
		{ "", "" },
		{ "\"", "\\\"" },
		{ "\\", "\\\\" },
		{ "\n", "\\n" },
		{ "a\"} 1\nevil{x=\"", "a\\\"} 1\\nevil{x=\\\"" },
		{ "\\n", "\\\\n" },
		{ "\\\"\n\n\"\\", "\\\\\\\"\\n\\n\\\"\\\\" },
		{ "{},= #", "{},= #" },
		{ "\x01\x7f", "\x01\x7f" },
		{ "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\xff", BAD },
		{ "a\xc3", "a" BAD },
		{ "\xc3\n", BAD "\\n" },
		{ "\xe2\x82", BAD BAD },
		{ "\x80\"", BAD "\\\"" },
		{ "\xc0\x80", BAD BAD },
		{ "\xed\xa0\x80", BAD BAD BAD },
		{ "\xf4\x90\x80\x80", BAD BAD BAD BAD },
		{ "\xf5\x80\x80\x80", BAD BAD BAD BAD },
		{ "\xe0\x9f\xbf", BAD BAD BAD },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct exposition e = { .out.most = MOST };
		char expected[256];

		assert_true(exposition_begin(&e, "x", EXPOSITION_GAUGE, "X."));
		exposition_number(&e, LABELS({ "node", cases[i].raw }), 1);
		snprintf(expected, sizeof expected, "# HELP x X.\n# TYPE x gauge\nx{node=\"%s\"} 1\n", cases[i].said);
		says(&e, expected);
	}
}

static void
help_stays_on_its_line(void **state)
{
	struct exposition e = { .out.most = MOST };

	assert_true(exposition_begin(&e, "x", EXPOSITION_GAUGE, "a \"b\" \\ c\n# TYPE y gauge\n"));
	says(&e, "# HELP x a \"b\" \\\\ c\\n# TYPE y gauge\\n\n# TYPE x gauge\n");
}

static void
a_long_value_is_whole(void **state)
{
	struct exposition e = { .out.most = MOST };
	char value[5000];

	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	assert_true(exposition_begin(&e, "x", EXPOSITION_GAUGE, value));
	exposition_number(&e, LABELS({ "node", value }), 1);
	assert_int_equal(e.out.len, strlen("# HELP x \n# TYPE x gauge\nx{node=\"\"} 1\n") + 2 * (sizeof value - 1));
	exposition_fini(&e);
}

static void
a_name_is_said_once_and_is_a_name(void **state)
{
	static const char *const refused[] = { "", "rend", "1rend", "rend-x", "rend x", "Rend", "rend\n", "r{}" };
	struct exposition e = { .out.most = MOST };
	char longest[EXPOSITION_NAME_MAX + 1];

	assert_true(exposition_begin(&e, "rend", EXPOSITION_GAUGE, "X."));
	assert_true(exposition_begin(&e, "rend_", EXPOSITION_GAUGE, "X."));
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		assert_false(exposition_begin(&e, refused[i], EXPOSITION_GAUGE, "X."));
	assert_int_equal(e.refused, COUNT_OF(refused));
	memset(longest, 'a', sizeof longest);
	longest[EXPOSITION_NAME_MAX] = '\0';
	assert_false(exposition_begin(&e, longest, EXPOSITION_GAUGE, "X."));
	longest[EXPOSITION_NAME_MAX - 1] = '\0';
	assert_true(exposition_begin(&e, longest, EXPOSITION_GAUGE, "X."));
	exposition_fini(&e);
}

/* The value of the line that begins so. */
static unsigned long long
value_of(const struct exposition *e, const char *series)
{
	const char *at = strstr(e->out.text, series);

	assert_non_null(at);
	return strtoull(at + strlen(series), NULL, 10);
}

static void
a_histogram_is_cumulative_and_ends_with_all(void **state)
{
	static const uint64_t ns[] = { 0, 1, 9000, 11000, 99000, 240000, 1000001, 9999999999, 60000000000 };
	struct exposition e = { .out.most = MOST };
	struct histogram h = { 0 };

	for (size_t i = 0; i < COUNT_OF(ns); i++)
		histogram_add(&h, ns[i]);
	assert_true(exposition_begin(&e, "d_seconds", EXPOSITION_HISTOGRAM, "D."));
	exposition_histogram(&e, LABELS({ "node", "m" }), &h);
	strbuf_add(&e.out, "", 1);
	assert_int_equal(value_of(&e, "d_seconds_bucket{node=\"m\",le=\"1e-05\"} "), 3);
	assert_int_equal(value_of(&e, "d_seconds_bucket{node=\"m\",le=\"2.5e-05\"} "), 4);
	/* 99 us may, in its bucket, be more than 100. */
	assert_int_equal(value_of(&e, "d_seconds_bucket{node=\"m\",le=\"0.0001\"} "), 4);
	assert_int_equal(value_of(&e, "d_seconds_bucket{node=\"m\",le=\"0.00025\"} "), 6);
	assert_int_equal(value_of(&e, "d_seconds_bucket{node=\"m\",le=\"0.001\"} "), 6);
	assert_int_equal(value_of(&e, "d_seconds_bucket{node=\"m\",le=\"0.0025\"} "), 7);
	assert_int_equal(value_of(&e, "d_seconds_bucket{node=\"m\",le=\"+Inf\"} "), 9);
	assert_int_equal(value_of(&e, "d_seconds_count{node=\"m\"} "), 9);
	assert_non_null(strstr(e.out.text, "\nd_seconds_sum{node=\"m\"} 70.001359001\n"));
	exposition_fini(&e);
}

static void
an_empty_histogram_without_labels(void **state)
{
	struct exposition e = { .out.most = MOST };
	struct histogram h = { 0 };

	assert_true(exposition_begin(&e, "d_seconds", EXPOSITION_HISTOGRAM, "D."));
	exposition_histogram(&e, NO_LABELS, &h);
	strbuf_add(&e.out, "", 1);
	assert_int_equal(value_of(&e, "d_seconds_bucket{le=\"10\"} "), 0);
	assert_non_null(strstr(e.out.text, "\nd_seconds_sum 0.000000000\nd_seconds_count 0\n"));
	exposition_fini(&e);
}

static void
what_is_too_much_breaks_it(void **state)
{
	for (size_t most = 0; most < 200; most++) {
		struct exposition e = { .out.most = most };

		exposition_one(&e, "x_total", EXPOSITION_COUNTER, "X.", 1);
		if (!e.out.broken)
			assert_memory_equal(e.out.text, "# HELP x_total X.\n# TYPE x_total counter\nx_total 1\n",
			    strlen("# HELP x_total X.\n# TYPE x_total counter\nx_total 1\n"));
		assert_true(e.out.len <= most);
		assert_true(e.out.broken == (most < strlen("# HELP x_total X.\n# TYPE x_total counter\nx_total 1\n")));
		exposition_fini(&e);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_has_help_type_and_samples),
		cmocka_unit_test(values_of_labels_are_escaped),
		cmocka_unit_test(help_stays_on_its_line),
		cmocka_unit_test(a_long_value_is_whole),
		cmocka_unit_test(a_name_is_said_once_and_is_a_name),
		cmocka_unit_test(a_histogram_is_cumulative_and_ends_with_all),
		cmocka_unit_test(an_empty_histogram_without_labels),
		cmocka_unit_test(what_is_too_much_breaks_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
