/* The bytes: each against what the original's format says, written out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "layout.h"
#include "tokens.h"

static const uint8_t golden[LAYOUT_META] = { 0x00, 0x00, 0x0b, 0xb8, /* 3000 bytes */
	0x01, 0x02, 0x03, 0x04,					     /* flags */
	0x00, 0x00, 0x00, 0x03,					     /* pieces */
	0x00, 0x00, 0x04, 0x42,					     /* 1090 bytes in each */
	0x5f, 0x00, 0x00, 0x01,					     /* written */
	0x6f, 0x00, 0x00, 0x02,					     /* exptime */
	'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f' };

static const struct meta meant = {
	.length = 3000,
	.flags = 0x01020304,
	.pieces = 3,
	.data = 1090,
	.written = 0x5f000001,
	.exptime = 0x6f000002,
	.token = { '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f' },
};

static void
meta_bytes(void **state)
{
	uint8_t bytes[LAYOUT_META];
	struct meta m;

	meta_encode(&meant, bytes);
	assert_memory_equal(bytes, golden, sizeof golden);
	assert_true(meta_decode(&m, golden, sizeof golden));
	assert_memory_equal(&m, &meant, sizeof m);
}

/* What is shorter or longer is none; nor is one whose pieces do not hold its value. */
static void
no_meta(void **state)
{
	uint8_t bytes[LAYOUT_META + 1] = { 0 };
	struct meta m;

	memcpy(bytes, golden, sizeof golden);
	for (size_t len = 0; len < LAYOUT_META; len++)
		assert_false(meta_decode(&m, bytes, len));
	assert_false(meta_decode(&m, bytes, LAYOUT_META + 1));
	for (unsigned pieces = 0; pieces < 256; pieces++) {
		bytes[11] = (uint8_t)pieces;
		assert_int_equal(meta_decode(&m, bytes, LAYOUT_META), pieces == 3);
	}
	bytes[11] = 3;
	memset(bytes + 12, 0, 4); /* nothing in a piece */
	assert_false(meta_decode(&m, bytes, LAYOUT_META));
	memset(bytes, 0, 4); /* no bytes, and pieces */
	assert_false(meta_decode(&m, bytes, LAYOUT_META));
	memset(bytes + 8, 0, 4);
	assert_true(meta_decode(&m, bytes, LAYOUT_META));
	memset(bytes, 0xff, 16); /* as large as can be */
	assert_false(meta_decode(&m, bytes, LAYOUT_META));
}

static void
is_called(const char *key, uint32_t piece, const char *should)
{
	char got[LAYOUT_KEY_MAX];
	struct name name;
	size_t len;

	name_of(&name, key, strlen(key));
	len = name_piece(&name, piece, got);
	assert_int_equal(len, strlen(should));
	assert_memory_equal(got, should, len);
}

static void
names(void **state)
{
	char got[LAYOUT_KEY_MAX];
	struct name name;

	name_of(&name, "key", 3);
	assert_int_equal(name_meta(&name, got), 8);
	assert_memory_equal(got, "key-meta", 8);
	is_called("key", 0, "key-0");
	is_called("key", 9, "key-9");
	is_called("key", 10, "key-10");
	is_called("key", 4294967295U, "key-4294967295");
	is_called("a-1", 0, "a-1-0");
	is_called("x-meta", 2, "x-meta-2");
}

/* Two keys never share a name, however alike: what is behind the last dash says what it is, and what is before it whose. */
static void
names_apart(void **state)
{
	static const char *const keys[] = { "a", "a-0", "a-meta", "a-0-0", "a-00", "a-", "a--", "" };
	char all[64][LAYOUT_KEY_MAX];
	size_t lens[64], count = 0;

	for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
		struct name name;

		name_of(&name, keys[k], strlen(keys[k]));
		lens[count] = name_meta(&name, all[count]);
		count++;
		for (uint32_t i = 0; i < 3; i++, count++)
			lens[count] = name_piece(&name, i, all[count]);
	}
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			assert_false(lens[i] == lens[j] && memcmp(all[i], all[j], lens[i]) == 0);
}

static void
long_names(void **state)
{
	char key[250], got[LAYOUT_KEY_MAX];
	struct name plain, a, b;

	memset(key, 'k', sizeof key);
	name_of(&plain, key, 245);
	assert_false(plain.shortened);
	assert_int_equal(name_meta(&plain, got), 250);
	assert_int_equal(name_piece(&plain, 9999, got), 250);
	assert_int_equal(name_piece(&plain, 10000, got), 0);
	name_of(&a, key, 246);
	name_of(&b, key, 247);
	assert_true(a.shortened && b.shortened);
	assert_int_equal(a.len, LAYOUT_PLAIN);
	assert_memory_not_equal(a.bytes, b.bytes, LAYOUT_PLAIN);
	key[249] = 'l';
	name_of(&b, key, 250);
	key[249] = 'm';
	name_of(&a, key, 250);
	assert_memory_not_equal(a.bytes, b.bytes, LAYOUT_PLAIN);
	/* The names stay what they are from one release to the next. */
	memset(key, 'k', sizeof key);
	name_of(&a, key, 250);
	assert_memory_equal(a.bytes + 212, "-bda6964a8cb408dbed596fcf134e37a8", 33);
}

static void
sizes(void **state)
{
	assert_int_equal(piece_data(1184, 7), 1090); /* the example of the original */
	assert_int_equal(piece_data(1184, 1), 1096);
	assert_int_equal(piece_data(1184, 245), 852);
	assert_int_equal(piece_data(87, 0), 0);
	assert_int_equal(piece_data(88, 0), 1);
	assert_int_equal(piece_count(0, 1090), 0);
	assert_int_equal(piece_count(1, 1090), 1);
	assert_int_equal(piece_count(1090, 1090), 1);
	assert_int_equal(piece_count(1091, 1090), 2);
	assert_int_equal(piece_count(UINT32_MAX, 1), UINT32_MAX);
}

static void
tokens_differ(void **state)
{
	static uint8_t drawn[500][LAYOUT_TOKEN];
	static struct tokens t;

	for (size_t i = 0; i < 500; i++) {
		assert_true(token_next(&t, drawn[i]));
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(drawn[i], drawn[j], LAYOUT_TOKEN);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meta_bytes),
		cmocka_unit_test(no_meta),
		cmocka_unit_test(names),
		cmocka_unit_test(names_apart),
		cmocka_unit_test(long_names),
		cmocka_unit_test(sizes),
		cmocka_unit_test(tokens_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
