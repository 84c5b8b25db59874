/* Requests whose keys, lines or runs of spaces are as long as they may be, and longer. */
#include "../base/unit.h"

#include "feed.h"

#define BAD_LINE "REFUSED [CLIENT_ERROR bad command line format\\x0d\\x0a]"
#define TOO_LONG "REFUSED [CLIENT_ERROR line too long\\x0d\\x0a] close\n"
#define UNKNOWN	 "REFUSED [ERROR\\x0d\\x0a]"

static const struct proto_limits small = {
	.item_size_max = 20,
	.line_max = 120,
	.get_line_max = 400,
	.flush_enabled = true,
	.shutdown_enabled = true,
	.cas_enabled = true,
};

/* fmt with a key of len bytes must be said so, or refused. */
static void
check_key_len(const char *fmt, const char *said_fmt, size_t len)
{
	char key[REND_KEY_MAX + 2], in[512], said[512];

	memset(key, 'k', len);
	key[len] = '\0';
	snprintf(in, sizeof(in), fmt, key);
	if (len > REND_KEY_MAX)
		snprintf(said, sizeof(said), BAD_LINE "\n");
	else
		snprintf(said, sizeof(said), said_fmt, key);
	strcat(in, "delete after\r\n");
	strcat(said, "delete after\n");
	feed_all_ways(&proto_limits_default, in, strlen(in), said);
}

static void
test_keys_of_249_250_and_251_bytes_on_every_path(void **state)
{
	static const struct {
		const char *in, *said;
	} rows[] = {
		{ "get %s\r\n", "get %s value last\n" },
		{ "get %s\n", "get %s value last\n" },
		{ "get a %s\r\n", "get a value\nget %s value last\n" },
		{ "get %s a\r\n", "get %s value\nget a value last\n" },
		{ "get a %s b\r\n", "get a value\nget %s value\nget b value last\n" },
		{ "gets %s\r\n", "get %s value cas with_cas last\n" },
		{ "gat 0 %s\r\n", "get %s value touch last\n" },
		{ "gats 0 %s\r\n", "get %s value cas touch with_cas last\n" },
		{ "set %s 0 0 1\r\nx\r\n", "set %s body=[x]\n" },
		{ "add %s 0 0 1\r\nx\r\n", "add %s body=[x]\n" },
		{ "replace %s 0 0 1\r\nx\r\n", "replace %s body=[x]\n" },
		{ "append %s 0 0 1\r\nx\r\n", "append %s body=[x]\n" },
		{ "prepend %s 0 0 1\r\nx\r\n", "prepend %s body=[x]\n" },
		{ "cas %s 0 0 1 9\r\nx\r\n", "set %s if_cas=9 body=[x]\n" },
		{ "delete %s\r\n", "delete %s\n" },
		{ "delete %s 0\r\n", "delete %s\n" },
		{ "incr %s 1\r\n", "incr %s delta=1\n" },
		{ "decr %s 1\r\n", "decr %s delta=1\n" },
		{ "touch %s 0\r\n", "touch %s\n" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t len = 249; len <= 251; len++)
			check_key_len(rows[i].in, rows[i].said, len);
}

static void
test_lines_that_are_too_long(void **state)
{
	char in[600], said[600];

	/* A line may have line_max bytes before its newline. */
	memset(in, 'x', sizeof(in));
	in[small.line_max] = '\n';
	feed_two_ways(&small, in, small.line_max + 1, UNKNOWN "\n");
	in[small.line_max] = 'x';
	in[small.line_max + 1] = '\n';
	feed_two_ways(&small, in, small.line_max + 2, "CLOSE\n");
	feed_two_ways(&small, in, small.line_max + 1, "CLOSE\n");

	/* A get's may be as long as its keys, and its spaces. */
	memset(in, ' ', sizeof(in));
	memcpy(in, "get", 3);
	in[small.get_line_max - 1] = 'k';
	in[small.get_line_max] = '\n';
	feed_two_ways(&small, in, small.get_line_max + 1, "get k value last\n");
	memcpy(in, "gats 0", 6);
	feed_two_ways(&small, in, small.get_line_max + 1, "get k value cas touch with_cas last\n");
	in[small.get_line_max] = 'k';
	in[small.get_line_max + 1] = '\n';
	feed_two_ways(&small, in, small.get_line_max + 2, TOO_LONG);
	feed_two_ways(&small, in, small.get_line_max + 1, TOO_LONG);

	/* What is left of a line that was refused has no bound: it is not kept. */
	memcpy(in, "set k 0 x 1\r\n", 13);
	memset(in + 13, 'x', sizeof(in) - 14);
	in[sizeof(in) - 1] = '\n';
	snprintf(said, sizeof(said), "%s", BAD_LINE "\n");
	feed_two_ways(&small, in, sizeof(in), said);
}

static void
test_long_lines_that_only_look_like_a_get(void **state)
{
	static const char *const begins[] = { "getx ", "gett", "geta ", "set ", "mget ", "stats ", "get\t", "GET " };
	char in[600];

	for (size_t i = 0; i < COUNT_OF(begins); i++) {
		memset(in, 'k', sizeof(in));
		memcpy(in, begins[i], strlen(begins[i]));
		feed_two_ways(&small, in, sizeof(in), "CLOSE\n");
	}
	/* memcached looks for it behind a hundred spaces, and no further. */
	memset(in, ' ', sizeof(in));
	memcpy(in + 100, "get k", 5);
	memcpy(in + 150, "k\n", 2);
	feed_two_ways(&small, in, 152, "get k value\nget k value last\n");
	memcpy(in + 100, " get k", 6);
	feed_two_ways(&small, in, 152, "CLOSE\n");
}

static void
test_runs_of_spaces(void **state)
{
	static const size_t runs[] = { 1, 100, 1023, 1024, 1900, 2048, 8191 };
	char in[9000];

	for (size_t i = 0; i < COUNT_OF(runs); i++) {
		size_t n = runs[i];

		memset(in, ' ', sizeof(in));
		memcpy(in, "get", 3);
		memcpy(in + 3 + n, "a\r\n", 3);
		feed_two_ways(&proto_limits_default, in, n + 6, "get a value last\n");
		memcpy(in + 3 + n, "\r\n", 2);
		feed_two_ways(&proto_limits_default, in, n + 5, BAD_LINE "\n");

		memset(in, ' ', sizeof(in));
		memcpy(in, "get a", 5);
		memcpy(in + 5 + n, "b  \n", 4);
		feed_two_ways(&proto_limits_default, in, n + 9, "get a value\nget b value last\n");

		memset(in, ' ', sizeof(in));
		memcpy(in + n, "\r\n", 2);
		feed_two_ways(&proto_limits_default, in, n + 2, n + 1 > 2048 ? "CLOSE\n" : UNKNOWN "\n");

		memset(in, ' ', sizeof(in));
		memcpy(in, "set k 0 0", 9);
		memcpy(in + 9 + n, "1\r\nx\r\n", 6);
		feed_two_ways(&proto_limits_default, in, n + 15, n + 11 > 2048 ? "CLOSE\n" : "set k body=[x]\n");
	}
}

static void
test_ten_thousand_keys(void **state)
{
	enum { KEYS = 10000 };
	size_t at = 3, said_at = 0;
	char *in = malloc(KEYS * 12), *said = malloc(KEYS * 40);

	assert_non_null(in);
	assert_non_null(said);
	memcpy(in, "get", 3);
	for (int i = 0; i < KEYS; i++) {
		at += (size_t)sprintf(in + at, " key%d", i);
		said_at += (size_t)sprintf(said + said_at, "get key%d value%s\n", i, i == KEYS - 1 ? " last" : "");
	}
	at += (size_t)sprintf(in + at, "\r\nversion\r\n");
	sprintf(said + said_at, "VERSION\n");

	/* Not byte by byte: the copies that end where the bytes end would take a minute. */
	for (size_t step = at; step > 5000; step /= 2) {
		struct feed f;

		feed_init(&f, &proto_limits_default);
		for (size_t from = 0; from < at; from += step)
			feed_bytes(&f, in + from, at - from < step ? at - from : step);
		assert_string_equal(f.said, said);
		assert_int_equal(f.len, 0);
		feed_fini(&f);
	}

	/* One bad key at the end, and not one is answered. */
	strcpy(in + at - strlen("\r\nversion\r\n"), " \x01\r\n");
	{
		struct feed f;

		feed_init(&f, &proto_limits_default);
		feed_bytes(&f, in, strlen(in));
		assert_string_equal(f.said, BAD_LINE "\n");
		feed_fini(&f);
	}
	free(in);
	free(said);
}

/* A line that comes in bits is searched once: a client that sends a byte at a time must not cost a megabyte each. */
static void
test_a_long_line_is_not_searched_again(void **state)
{
	struct dialog d = { .limits = &proto_limits_default };
	struct command cmd;
	char in[] = "get a b c d";
	size_t used;

	assert_int_equal(dialog_parse(&d, in, 8, &used, &cmd), PARSE_MORE);
	memcpy(in, "\n\n\n\n\n\n\n\n", 8);
	assert_int_equal(dialog_parse(&d, in, 11, &used, &cmd), PARSE_MORE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_of_249_250_and_251_bytes_on_every_path),
		cmocka_unit_test(test_lines_that_are_too_long),
		cmocka_unit_test(test_long_lines_that_only_look_like_a_get),
		cmocka_unit_test(test_runs_of_spaces),
		cmocka_unit_test(test_ten_thousand_keys),
		cmocka_unit_test(test_a_long_line_is_not_searched_again),
	};

	return cmocka_run_group_tests_name("proto/text_parse, lengths", tests, NULL, NULL);
}
