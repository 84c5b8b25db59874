/* Words of lines that end where the memory ends. */
#include "../base/unit.h"

#include "proto/words.h"
#include "rend/op.h"

static void
check_words(const char *line, const char *joined)
{
	size_t len = strlen(line), at = 0;
	char *p = malloc(len + (len == 0));
	char got[256] = "";
	struct word last;

	assert_non_null(p);
	memcpy(p, line, len);
	for (struct word w = word_first(p, p + len); w.len > 0; w = word_next(&w, p + len))
		at += (size_t)snprintf(got + at, sizeof(got) - at, "<%.*s>", (int)w.len, w.p);
	assert_string_equal(got, joined);

	last = word_last(p, p + len);
	if (at == 0) {
		assert_int_equal(last.len, 0);
	} else {
		const char *begin = strrchr(joined, '<') + 1;

		assert_int_equal(last.len, strlen(begin) - 1);
		assert_memory_equal(last.p, begin, last.len);
	}
	free(p);
}

static void
test_words_are_what_lies_between_spaces(void **state)
{
	check_words("", "");
	check_words(" ", "");
	check_words("                        ", "");
	check_words("a", "<a>");
	check_words(" a", "<a>");
	check_words("a ", "<a>");
	check_words("get k", "<get><k>");
	check_words("  get    k  ", "<get><k>");
	check_words("12345678", "<12345678>");
	check_words("12345678 1234567 123456789", "<12345678><1234567><123456789>");
	check_words("a\tb\rc\x7f\xc3\xa4 d", "<a\tb\rc\x7f\xc3\xa4><d>");
}

static void
test_a_word_of_every_length_at_every_place(void **state)
{
	char line[64];

	for (size_t before = 0; before < 20; before++)
		for (size_t len = 1; len < 20; len++) {
			struct word w;

			memset(line, ' ', sizeof(line));
			memset(line + before, 'x', len);
			w = word_first(line, line + sizeof(line));
			assert_ptr_equal(w.p, line + before);
			assert_int_equal(w.len, len);
			assert_int_equal(word_next(&w, line + sizeof(line)).len, 0);
		}
}

static bool
is_key(const char *p, size_t len)
{
	char *copy = malloc(len + (len == 0));
	struct word w;
	bool is;

	assert_non_null(copy);
	memcpy(copy, p, len);
	w = word_first(copy, copy + len);
	assert_int_equal(w.len, len);
	is = word_is_key(&w);
	free(copy);
	return is;
}

static void
test_keys_have_1_to_250_bytes(void **state)
{
	char key[300];

	memset(key, 'k', sizeof(key));
	for (size_t len = 0; len < sizeof(key); len++)
		assert_int_equal(is_key(key, len), len >= 1 && len <= 250);
}

static void
test_every_byte_at_every_place_of_a_key(void **state)
{
	char key[20];

	for (size_t at = 0; at < sizeof(key); at++)
		for (int c = 0; c < 256; c++) {
			if (c == ' ')
				continue; /* never inside a word */
			memset(key, 'k', sizeof(key));
			key[at] = (char)c;
			if (is_key(key, sizeof(key)) != (c > ' ' && c != 0x7f))
				fail_msg("byte %#x at %zu", c, at);
		}
}

/* What words_are_keys() is short for. */
static bool
are_keys_one_by_one(const char *p, const char *end)
{
	for (struct word w = word_first(p, end); w.len > 0; w = word_next(&w, end))
		if (!word_is_key(&w))
			return false;
	return true;
}

/* Words of lengths about the limit and below eight, and now and then a byte that no key may have. */
static void
test_a_line_of_keys_is_one_key_after_the_other(void **state)
{
	static const char odd[] = { '\x1f', '\x7f', '\t', '\r', '\0', '\x80' };
	static const size_t lengths[] = { 0, 1, 2, 3, 7, 8, 9, 20, 240, 249, 250, 251, 252, 300 };
	unsigned seed = 1, good = 0, bad = 0;

	for (int i = 0; i < 20000; i++) {
		char line[2000], *p;
		size_t len = 0, words = (size_t)rand_r(&seed) % 7;

		for (size_t w = 0; w < words; w++) {
			size_t n = lengths[(size_t)rand_r(&seed) % (i % 2 ? 8 : 14)];

			memset(line + len, 'k', n);
			if (n > 0 && rand_r(&seed) % 12 == 0)
				line[len + (size_t)rand_r(&seed) % n] = odd[(size_t)rand_r(&seed) % sizeof(odd)];
			len += n;
			line[len++] = ' ';
		}
		len -= len > 0 && rand_r(&seed) % 2;
		p = malloc(len + (len == 0));
		assert_non_null(p);
		memcpy(p, line, len);
		if (words_are_keys(p, p + len) != are_keys_one_by_one(p, p + len))
			fail_msg("<%.*s>", (int)len, p);
		*(words_are_keys(p, p + len) ? &good : &bad) += 1;
		free(p);
	}
	assert_true(good > 1000 && bad > 1000);
}

static void
test_what_a_word_is(void **state)
{
	const char *line = "get k";
	struct word get = word_first(line, line + 5), k = word_next(&get, line + 5), none = word_next(&k, line + 5);

	assert_true(WORD_IS(&get, "get"));
	assert_false(WORD_IS(&get, "gat"));
	assert_false(WORD_IS(&get, "bet"));
	assert_false(WORD_IS(&get, "gets"));
	assert_false(WORD_IS(&get, ""));
	assert_true(WORD_IS(&k, "k"));
	assert_true(WORD_IS(&none, ""));
	assert_false(WORD_IS(&none, "k"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_are_what_lies_between_spaces),
		cmocka_unit_test(test_a_word_of_every_length_at_every_place),
		cmocka_unit_test(test_what_a_word_is),
		cmocka_unit_test(test_keys_have_1_to_250_bytes),
		cmocka_unit_test(test_every_byte_at_every_place_of_a_key),
		cmocka_unit_test(test_a_line_of_keys_is_one_key_after_the_other),
	};

	return cmocka_run_group_tests_name("proto/words", tests, NULL, NULL);
}
