/* How an item lies in the database, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record.h"

static const struct record plain = { .flags = RECORD_STALE,
	.cflags = 0x01020304,
	.exptime = 0x05060708,
	.version = 0x1112131415161718ULL,
	.cas = 0x1112131415161718ULL };

static void
the_bytes_on_the_disk_stay_what_they_are(void **state)
{
	static const uint8_t should[] = { 1, RECORD_STALE, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 0x18, 0x17, 0x16, 0x15, 0x14,
		0x13, 0x12, 0x11, 0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21 };
	struct record r = plain;
	char bytes[RECORD_HEAD_MAX];

	assert_int_equal(record_write(bytes, &r), 20);
	assert_memory_equal(bytes, should, 20);
	r.cas = 0x2122232425262728ULL;
	assert_int_equal(record_write(bytes, &r), 28);
	assert_int_equal(bytes[1], RECORD_STALE | RECORD_CAS);
	bytes[1] = RECORD_STALE;
	assert_memory_equal(bytes, should, 28);
}

static void
same(const struct record *r)
{
	char *bytes = malloc(RECORD_HEAD_MAX);
	size_t len = record_write(bytes, r);
	struct record got;

	/* No byte behind it is looked at: the sanitizers see it. */
	bytes = realloc(bytes, len);
	assert_int_equal(record_read(bytes, len, &got), len);
	assert_int_equal(got.flags & ~RECORD_CAS, r->flags & ~RECORD_CAS);
	assert_int_equal(got.cflags, r->cflags);
	assert_int_equal(got.exptime, r->exptime);
	assert_int_equal(got.version, r->version);
	assert_int_equal(got.cas, r->cas);
	/* One that is cut is none. */
	for (size_t less = 0; less < len; less++)
		assert_int_equal(record_read(bytes, less, &got), 0);
	bytes[0]++;
	assert_int_equal(record_read(bytes, len, &got), 0);
	free(bytes);
}

static void
what_was_written_is_read(void **state)
{
	struct record r = plain;

	same(&r);
	r.cas = UINT64_MAX;
	same(&r);
	/* One that says it has a cas of its own, and has none, gets none. */
	r = plain;
	r.flags = RECORD_CAS | RECORD_SENT | RECORD_PIECES;
	same(&r);
	r = (struct record){ 0 };
	same(&r);
	r = (struct record){ .flags = RECORD_STALE | RECORD_SENT | RECORD_PIECES,
		.cflags = UINT32_MAX,
		.exptime = UINT32_MAX,
		.version = UINT64_MAX,
		.cas = 0 };
	same(&r);
}

/* No two clients' keys meet in the database, nor does one meet what is ours: all of up to three letters, of which some are ours. */
static void
keys_do_not_meet(void **state)
{
	enum { LETTERS = 5, COUNT = 5 + 25 + 125 };
	static const char letters[LETTERS] = { 0, 1, 2, 3, 'k' };
	static char keys[COUNT][RECORD_KEY_MAX];
	size_t lens[COUNT], n = 0;

	for (size_t len = 1, count = LETTERS; len <= 3; len++, count *= LETTERS)
		for (size_t which = 0; which < count; which++, n++) {
			char key[3];

			for (size_t i = 0, left = which; i < len; i++, left /= LETTERS)
				key[i] = letters[left % LETTERS];
			lens[n] = record_key(keys[n], key, len);
			assert_int_equal(lens[n], len + (key[0] < 3));
			assert_true(keys[n][0] >= 2);
			assert_memory_equal(keys[n] + lens[n] - len, key, len);
			for (size_t i = 0; i < n; i++)
				assert_false(lens[i] == lens[n] && memcmp(keys[i], keys[n], lens[n]) == 0);
		}
	assert_int_equal(n, COUNT);
}

static void
the_shortest_key_and_the_longest(void **state)
{
	char longest[RECORD_KEY_MAX - 1], to[RECORD_KEY_MAX];

	assert_int_equal(record_key(to, "", 0), 1);
	assert_int_equal(to[0], 2);
	memset(longest, 1, sizeof longest);
	assert_int_equal(record_key(to, longest, sizeof longest), RECORD_KEY_MAX);
	assert_memory_equal(to + 1, longest, sizeof longest);
}

static void
a_key_like_a_piece_is_none(void **state)
{
	char piece[PIECE_KEY_LEN], key[RECORD_KEY_MAX];

	record_piece_key(piece, "k", 1, 77, 3);
	assert_true(record_is_piece(piece, sizeof piece));
	assert_false(record_is_piece(piece, sizeof piece - 1));
	/* A client may say that very key. */
	assert_false(record_is_piece(key, record_key(key, piece, sizeof piece)));
	assert_false(record_is_piece(key, record_key(key, piece, sizeof piece - 1)));
}

static void
each_piece_has_its_own_key(void **state)
{
	static const struct {
		const char *key;
		uint64_t version;
		uint32_t nth;
	} pieces[] = { { "k", 77, 0 }, { "k", 77, 1 }, { "k", 77, 256 }, { "k", 78, 0 }, { "l", 77, 0 },
		{ "kk", 77, 0 } };
	enum { COUNT = sizeof pieces / sizeof *pieces };
	char keys[COUNT][PIECE_KEY_LEN], again[PIECE_KEY_LEN];

	for (int i = 0; i < COUNT; i++) {
		size_t len = strlen(pieces[i].key);

		record_piece_key(keys[i], pieces[i].key, len, pieces[i].version, pieces[i].nth);
		record_piece_key(again, pieces[i].key, len, pieces[i].version, pieces[i].nth);
		assert_memory_equal(keys[i], again, sizeof again);
		assert_int_equal(record_piece_version(keys[i]), pieces[i].version);
		for (int other = 0; other < i; other++)
			assert_memory_not_equal(keys[i], keys[other], PIECE_KEY_LEN);
	}
}

static void
times_of_pieces_and_lengths(void **state)
{
	char head[PIECE_HEAD], manifest[MANIFEST_LEN + 1];
	uint64_t total = 0;

	record_piece_head(head, 0x01020304);
	assert_memory_equal(head, "\4\3\2\1", 4);
	assert_int_equal(record_piece_exptime(head, sizeof head), 0x01020304);
	/* One that is cut has expired. */
	assert_int_equal(record_piece_exptime(head, sizeof head - 1), 1);
	record_manifest_write(manifest, 0x123456789aULL);
	assert_true(record_manifest_read(manifest, MANIFEST_LEN, &total));
	assert_int_equal(total, 0x123456789aULL);
	assert_false(record_manifest_read(manifest, MANIFEST_LEN - 1, &total));
	assert_false(record_manifest_read(manifest, MANIFEST_LEN + 1, &total));
}

static void
times_that_have_no_room(void **state)
{
	assert_int_equal(record_exptime(0), 0);
	assert_int_equal(record_exptime(-1), 1);
	assert_int_equal(record_exptime(INT64_MIN), 1);
	assert_int_equal(record_exptime(UINT32_MAX), UINT32_MAX);
	assert_int_equal(record_exptime((int64_t)UINT32_MAX + 1), UINT32_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_on_the_disk_stay_what_they_are),
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(keys_do_not_meet),
		cmocka_unit_test(the_shortest_key_and_the_longest),
		cmocka_unit_test(a_key_like_a_piece_is_none),
		cmocka_unit_test(each_piece_has_its_own_key),
		cmocka_unit_test(times_of_pieces_and_lengths),
		cmocka_unit_test(times_that_have_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
