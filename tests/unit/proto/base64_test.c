/* Keys in base64, both ways. */
#include "../base/unit.h"

#include "proto/base64.h"

struct pair {
	const char *plain, *coded;
};

/* RFC 4648, section 10, and all that lies at the ends of the alphabet. */
static const struct pair pairs[] = {
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xff\xff\xff", "////" },
	{ "\xfb\xef\xbe", "++++" },
	{ "\x69\xb7\x1d\x79\xf8\x21\x8a\x39", "abcdefghijk=" },
};

static void
test_pairs(void **state)
{
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		size_t plain = strlen(pairs[i].plain), coded = strlen(pairs[i].coded);
		char out[32];

		assert_int_equal(base64_encode(pairs[i].plain, plain, out), coded);
		assert_memory_equal(out, pairs[i].coded, coded);
		assert_int_equal(base64_decode(pairs[i].coded, coded, out), plain);
		assert_memory_equal(out, pairs[i].plain, plain);
	}
	assert_int_equal(base64_encode("", 0, NULL), 0);
}

/* In memory that ends where the contract says that it may. */
static void
test_there_and_back_at_every_length(void **state)
{
	uint64_t seed = 1;

	for (size_t len = 1; len <= 255; len++) {
		char *plain = malloc(len), *coded = malloc(BASE64_LEN(len)), *back = malloc(BASE64_LEN(len) / 4 * 3);

		assert_non_null(plain);
		assert_non_null(coded);
		assert_non_null(back);
		for (size_t i = 0; i < len; i++)
			plain[i] = (char)unit_random(&seed);
		assert_int_equal(base64_encode(plain, len, coded), BASE64_LEN(len));
		assert_int_equal(base64_decode(coded, BASE64_LEN(len), back), len);
		assert_memory_equal(back, plain, len);
		free(plain);
		free(coded);
		free(back);
	}
}

static void
test_what_is_not_well_formed(void **state)
{
	static const char *const bad[] = { "", "Z", "Zg", "Zm8", "Zm9vY", "=",
		"==", "===", "====", "Z===", "=Zg=", "Zg=v", "Zg==Zg==", "Zm8=Zm8=", "Zm 9", "Zm-v", "Zm_v",
		"Zm9v\r\n\r\n", "Zm!8", "Zm\x80v", "Zm\xffv", "Zm8=====" };
	char out[32];

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (base64_decode(bad[i], strlen(bad[i]), out) != 0)
			fail_msg("%s was decoded", bad[i]);
	assert_int_equal(base64_decode("Zm\0v", 4, out), 0);
}

/* Of all bytes, 64 are letters, each with bits of its own. */
static void
test_the_alphabet(void **state)
{
	bool seen[64] = { false };
	size_t letters = 0;

	for (int c = 0; c < 256; c++) {
		char in[4] = { 'A', 'A', 'A', (char)c }, out[3];

		if (c == '=' || base64_decode(in, 4, out) == 0)
			continue;
		assert_in_range((unsigned char)out[2], 0, 63);
		assert_false(seen[(unsigned char)out[2]]);
		seen[(unsigned char)out[2]] = true;
		letters++;
	}
	assert_int_equal(letters, 64);
}

/* As memcached: two spellings, one key. */
static void
test_bits_that_padding_leaves_over(void **state)
{
	char out[3], again[4];

	assert_int_equal(base64_decode("Zh==", 4, out), 1);
	assert_int_equal(out[0], 'f');
	assert_int_equal(base64_encode(out, 1, again), 4);
	assert_memory_equal(again, "Zg==", 4);
	assert_int_equal(base64_decode("Zm9=", 4, out), 2);
	assert_memory_equal(out, "fo", 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_there_and_back_at_every_length),
		cmocka_unit_test(test_what_is_not_well_formed),
		cmocka_unit_test(test_the_alphabet),
		cmocka_unit_test(test_bits_that_padding_leaves_over),
	};

	return cmocka_run_group_tests_name("proto/base64", tests, NULL, NULL);
}
