/* Lines of the log: what is escaped, what is cut, and the calendar. */
#include "unit.h"

#include "base/logline.h"

__attribute__((format(printf, 2, 3))) static void
make(struct logline *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	logline_make(l, REND_LOG_WARN, fmt, ap);
	va_end(ap);
}

static void
test_escapes(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "", "" },
		{ "plain ~ text", "plain ~ text" },
		{ "two\nlines\r\n", "two\\nlines\\r\\n" },
		{ "\ttab \x1b[1m \x01 \x7f", "\\ttab \\x1b[1m \\x01 \\x7f" },
		{ "K\xc3\xa4se \xe2\x82\xac \xf0\x9f\x98\x80", "K\xc3\xa4se \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\xc2\x9b", "\\xc2\\x9b" },				   /* CSI of C1 */
		{ "\xc2\xa0", "\xc2\xa0" },				   /* the first after C1 */
		{ "\x80 \xff", "\\x80 \\xff" },				   /* no character begins so */
		{ "\xc0\xaf \xe0\x80\xaf", "\\xc0\\xaf \\xe0\\x80\\xaf" }, /* longer than need be */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },			   /* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },		   /* beyond the last */
		{ "\xe2\x82", "\\xe2\\x82" },				   /* half of one */
		{ "\xe2\x82z", "\\xe2\\x82z" },
	};

	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		struct logline l;

		make(&l, "%s", rows[i].in);
		assert_int_equal(l.len, strlen(rows[i].out));
		assert_memory_equal(l.text, rows[i].out, l.len);
	}
}

static void
test_an_embedded_nul(void **state)
{
	struct logline l;

	make(&l, "a%cb", '\0');
	assert_int_equal(l.len, 6);
	assert_memory_equal(l.text, "a\\x00b", 6);
}

static void
test_cut(void **state)
{
	struct logline l;
	char text[3 * LOGLINE_TEXT];

	memset(text, 'x', sizeof(text));
	text[LOGLINE_TEXT] = '\0';
	make(&l, "%s", text);
	assert_int_equal(l.len, LOGLINE_TEXT);
	assert_int_equal(l.text[LOGLINE_TEXT - 1], 'x');

	text[LOGLINE_TEXT] = 'x';
	text[LOGLINE_TEXT + 1] = '\0';
	make(&l, "%s", text);
	assert_int_equal(l.len, LOGLINE_TEXT);
	assert_memory_equal(l.text + LOGLINE_TEXT - 4, "x...", 4);

	/* Escapes count as they are written, and are not cut in half; neither are characters. */
	for (size_t before = 0; before < 8; before++) {
		memset(text, 'x', before);
		memset(text + before, '\n', LOGLINE_TEXT);
		text[before + LOGLINE_TEXT] = '\0';
		make(&l, "%s", text);
		assert_in_range(l.len, LOGLINE_TEXT - 1, LOGLINE_TEXT);
		assert_memory_equal(l.text + l.len - 5, "\\n...", 5);

		for (size_t i = before; i < 2 * LOGLINE_TEXT; i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[2 * LOGLINE_TEXT] = '\0';
		make(&l, "%s", text);
		assert_in_range(l.len, LOGLINE_TEXT - 2, LOGLINE_TEXT);
		assert_memory_equal(l.text + l.len - 6, "\xe2\x82\xac...", 6);
	}
}

/* Every day for 400 years and more, against the C library. */
static void
test_calendar(void **state)
{
	char got[LOGLINE_STAMP + 1] = "", want[64];

	for (time_t day = 0; day < 150000; day++) {
		struct timespec ts = { .tv_sec = day * 86400 + day * 7919 % 86400, .tv_nsec = 123999999 };
		struct tm tm;

		gmtime_r(&ts.tv_sec, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.123Z", &tm);
		logline_stamp(&ts, got);
		assert_string_equal(got, want);
	}
}

static void
test_print(void **state)
{
	struct logline l = { .when = { .tv_sec = 1795519800, .tv_nsec = 123456789 }, .level = REND_LOG_WARN };
	char to[LOGLINE_MAX];
	size_t n;

	l.len = 5;
	memcpy(l.text, "hello", 5);
	n = logline_print(&l, to);
	assert_int_equal(n, strlen("2026-11-24T11:30:00.123Z warn hello\n"));
	assert_memory_equal(to, "2026-11-24T11:30:00.123Z warn hello\n", n);

	/* The longest there is. */
	memset(l.text, 'x', sizeof(l.text));
	l.len = sizeof(l.text);
	l.level = REND_LOG_ERROR;
	assert_int_equal(logline_print(&l, to), LOGLINE_MAX);
}

static void
test_same(void **state)
{
	struct logline a, b;

	make(&a, "x %d", 1);
	make(&b, "x %d", 1);
	b.when.tv_sec++;
	assert_true(logline_same(&a, &b));
	make(&b, "x %d", 2);
	assert_false(logline_same(&a, &b));
	make(&b, "x %d", 11);
	assert_false(logline_same(&a, &b));
	make(&b, "x %d", 1);
	b.level = REND_LOG_ERROR;
	assert_false(logline_same(&a, &b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_an_embedded_nul),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
