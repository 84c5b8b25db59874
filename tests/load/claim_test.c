/* Assertions about what a run came to. */
#include "../unit/base/unit.h"

#include "../../tools/load/claim.h"

static struct drive drive;
static struct settings settings;
static struct summary summary;

static int
set_up(void **state)
{
	drive.settings = &settings;
	drive.window = 1000000000;
	drive.closed = 3000000000;
	for (int i = 0; i < 100; i++)
		tally_add(&drive.tally[VERB_GET], 1000000);
	tally_add(&drive.tally[VERB_SET], 5000000);
	drive.tally[VERB_GET].hits = 90;
	drive.tally[VERB_GET].misses = 10;
	drive.tally[VERB_SET].hits = 1;
	drive.faults.count[FAULTS_LOST] = 3;
	summary_make(&summary, &drive);
	return 0;
}

static void
test_what_holds(void **state)
{
	static const struct {
		const char *text;
		bool holds;
	} rows[] = {
		{ "p50<1.1ms", true },
		{ "p50<1ms", false },
		{ "p50<=1.02ms", true },
		{ "max=5ms", true },
		{ "max>5ms", false },
		{ "p99.9>=4.9ms", true },
		{ "get.p99.99<=1ms", true },
		{ "set.max>4ms", true },
		{ "requests==101", true },
		{ "requests!=101", false },
		{ "get.hits>0", true },
		{ "delete.hits>0", false },
		{ "hits=91", true },
		{ "errors=0", true },
		{ "lost=0", false },
		{ "lost<4", true },
		{ "hit_ratio>=90%", true },
		{ "hit_ratio>0.91", false },
		{ "rate>50", true },
		{ "rate<1k", true },
		{ "seconds=2s", true },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct claim c;
		const char *rest, *why = claim_parse(&c, rows[i].text, &rest, &summary);
		double value;

		if (why != NULL)
			fail_msg("%s: %s", rows[i].text, why);
		assert_null(rest);
		if (claim_holds(&c, &summary, &value) != rows[i].holds)
			fail_msg("%s: it is %f", rows[i].text, value);
	}
}

/* A limit that nothing came near to, because there was nothing. */
static void
test_nothing_holds_of_nothing(void **state)
{
	static const char *const rows[] = { "delete.p99<1s", "delete.mean<1s", "delete.max<1s", "delete.max!=5ms",
		"cpu<1s", "rss<1GiB", "delete.p99.99>=0" };
	struct claim c;
	const char *rest;
	char said[40];
	double value;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_null(claim_parse(&c, rows[i], &rest, &summary));
		if (claim_holds(&c, &summary, &value))
			fail_msg("%s holds", rows[i]);
		claim_value(&c, &summary, said, sizeof said);
		assert_string_equal(said, "of nothing");
	}
	assert_null(claim_parse(&c, "delete.requests=0", &rest, &summary));
	assert_true(claim_holds(&c, &summary, &value));
	settings.pid_count = 1;
	assert_null(claim_parse(&c, "rss<1GiB", &rest, &summary));
	assert_true(claim_holds(&c, &summary, &value));
	settings.pid_count = 0;
}

static void
test_what_is_refused(void **state)
{
	static const char *const bad[] = { "", "p99", "p99<", "p99<x", "<5", "p98<1ms", "p99<2KiB", "errors=0ms",
		"nothing=1", "get.=1", "get.rate>1", "frob.hits>0", "p99<-1", "rss<1s", "p99~1" };

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct claim c;
		const char *rest;

		if (claim_parse(&c, bad[i], &rest, &summary) == NULL)
			fail_msg("taken: \"%s\"", bad[i]);
	}
}

static void
test_several(void **state)
{
	struct claim c;
	const char *rest;
	char said[40];

	assert_null(claim_parse(&c, "p50<2ms,errors=0", &rest, &summary));
	assert_int_equal(c.len, 7);
	assert_string_equal(rest, "errors=0");
	claim_value(&c, &summary, said, sizeof said);
	assert_string_equal(said, "1.02ms");
	assert_null(claim_parse(&c, rest, &rest, &summary));
	assert_null(rest);
	claim_value(&c, &summary, said, sizeof said);
	assert_string_equal(said, "0");
	/* An empty one behind a comma is none. */
	assert_null(claim_parse(&c, "p50<2ms,", &rest, &summary));
	assert_non_null(claim_parse(&c, rest, &rest, &summary));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_holds),
		cmocka_unit_test(test_nothing_holds_of_nothing),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_several),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
