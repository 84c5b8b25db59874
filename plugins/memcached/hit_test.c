/* What is read in one go, in memory that ends where the answer does. */
#include "hit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct token token = { "1007" };

/* A hit, and where its value begins. */
static const struct row {
	const char *bytes;
	size_t line, len;
	uint64_t cas;
	uint32_t flags;
	bool has_cas;
} rows[] = {
	{ "VA 5 f3 O1007\r\nhello\r\n", 15, 5, 0, 3, false },
	{ "VA 5 f3 c9 O1007\r\nhello\r\n", 18, 5, 9, 3, true },
	{ "VA 0 f0 c0 O1007\r\n\r\n", 18, 0, 0, 0, true },
	{ "VA 2 f4294967295 c9999999999999999999 O1007\r\nxx\r\n", 45, 2, 9999999999999999999ULL, 4294967295U, true },
	{ "VA 0000000002 f0000000001 c0000000000000000009 O1007\r\nxx\r\n", 54, 2, 9, 1, true },
	{ "VA 1 f12 O1007\r\n9\r\nVA 50 f3 O1008\r\nhello, this is the next one, cut where a read ended", 16, 1, 0, 12,
	    false },
};
#define ROWS (sizeof rows / sizeof rows[0])

/* Of a copy that has no byte behind it.  Returns where the value begins, or -1. */
static int
read_copy(struct hit *hit, const char *bytes, size_t len)
{
	char *p = malloc(len + (len == 0));
	const char *value;
	int at;

	assert_non_null(p);
	memcpy(p, bytes, len);
	value = hit_read(hit, p, len, &token);
	at = value == NULL ? -1 : (int)(value - p);
	free(p);
	return at;
}

static void
hits_are_read(void **state)
{
	for (const struct row *r = rows; r < rows + ROWS; r++) {
		struct hit hit;

		assert_int_equal(read_copy(&hit, r->bytes, strlen(r->bytes)), r->line);
		assert_int_equal(hit.len, r->len);
		assert_int_equal(hit.flags, r->flags);
		assert_int_equal(hit.cas, r->cas);
		assert_int_equal(hit.has_cas, r->has_cas);
	}
}

static void
no_half_is_read(void **state)
{
	for (const struct row *r = rows; r < rows + ROWS; r++)
		for (size_t len = 0; len < r->line + r->len + 2; len++) {
			struct hit hit;

			assert_int_equal(read_copy(&hit, r->bytes, len), -1);
		}
}

/* A digit of the flags or the cas may be another one, and a value anything; all else has to be as it is. */
static void
nothing_else_is_read(void **state)
{
	for (const struct row *r = rows; r < rows + ROWS; r++)
		for (size_t at = 0, whole = r->line + r->len + 2; at < whole; at++)
			for (int c = 0; c < 256; c++) {
				bool in_value = at >= r->line && at < r->line + r->len;
				bool digits = c >= '0' && c <= '9' && r->bytes[at] >= '0' && r->bytes[at] <= '9';
				char bytes[128];
				struct hit hit;

				if (c == (unsigned char)r->bytes[at])
					continue;
				memcpy(bytes, r->bytes, whole);
				bytes[at] = (char)c;
				if (read_copy(&hit, bytes, whole) == -1)
					assert_false(in_value);
				else if (!in_value)
					assert_true(digits && at > strcspn(r->bytes, "f") && at < r->line - 7);
			}
}

static void
what_is_not_plain_is_left(void **state)
{
	static const char *const others[] = {
		"",
		"\n",
		"EN O1007\r\n",
		"HD f0 O1007\r\n",
		"VA 5 f3 O1008\r\nhello\r\n",
		"VA 5 f3 O100\r\nhello\r\n",
		"VA 5 f3 O10070\r\nhello\r\n",
		"VA 5 f3 t9 O1007\r\nhello\r\n",
		"VA 5 f3 c9 t9 O1007\r\nhello\r\n",
		"VA 5 f3 O1007 W\r\nhello\r\n",
		"VA 5 O1007 f3\r\nhello\r\n",
		"VA 5 f4294967296 O1007\r\nhello\r\n",
		"VA 5 f99999999999 O1007\r\nhello\r\n",
		"VA 5 f3 c10000000000000000000 O1007\r\nhello\r\n",
		"VA 18446744073709551621 f3 O1007\r\nhello\r\n",
		"VA 18446744073709551615 f3 O1007\r\nhello\r\n",
		"VA -1 f3 O1007\r\nhello\r\n",
		"VA 4 f3 O1007\r\nhello\r\n",
		"VA 6 f3 O1007\r\nhello\r\n",
		"VA 99999999999999999999999999999999999999999999999999999999999999999999999999999999",
		"VA 99999999999999999999999999999999999999999999999999999999999999999999999999999\r\n",
	};

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		struct hit hit;

		if (read_copy(&hit, others[i], strlen(others[i])) != -1)
			fail_msg("was read: %s", others[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hits_are_read),
		cmocka_unit_test(no_half_is_read),
		cmocka_unit_test(nothing_else_is_read),
		cmocka_unit_test(what_is_not_plain_is_left),
	};

	return cmocka_run_group_tests_name("memcached/hit", tests, NULL, NULL);
}
