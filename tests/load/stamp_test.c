/* Values that describe themselves: every byte that changes is seen, and whose value it is. */
#include "../unit/base/unit.h"

#include "../../tools/load/inspect.h"

static struct keys keys;

static int
set_up(void **state)
{
	stamp_init();
	keys_init(&keys, "", 4, 1000);
	return 0;
}

/* What inspecting a value says, given in parts of `part` bytes. */
static enum fault
look(struct inspect *i, const struct request *r, const char *value, size_t len, size_t part)
{
	inspect_begin(i, &keys, r, r->key, len);
	for (size_t at = 0; at < len; at += part)
		inspect_take(i, value + at, len - at < part ? len - at : part);
	return inspect_end(i);
}

static size_t
make(char *to, uint32_t key, uint64_t version, uint32_t len)
{
	const struct stamp s = { .key = key, .version = version, .len = len };

	return (size_t)(stamp_write(&keys, &s, to) - to);
}

static void
test_all_lengths_in_all_parts(void **state)
{
	static char value[70000];
	struct request any = { .key = 7, .width = 1 },
		       exact = { .key = 7, .width = 1, .check = CHECK_PIECES, .pieces = 1 };
	struct inspect i;

	for (uint32_t len = 0; len < 70000; len += len < 300 ? 1 : 7001) {
		exact.piece[0] = (struct piece){ 5, len };
		assert_int_equal(make(value, 7, 5, len), len);
		for (size_t part = 1; part < 70000; part = part < 70 ? part + 1 : part * 9) {
			assert_int_equal(look(&i, &any, value, len, part), FAULT_NONE);
			assert_int_equal(look(&i, &exact, value, len, part), FAULT_NONE);
		}
	}
}

static void
test_every_changed_byte_is_seen(void **state)
{
	static const uint32_t lens[] = { 1, 2, 23, 24, 25, 100, 1000, 66000 };
	static char value[66000];
	struct request any = { .key = 7, .width = 1 },
		       exact = { .key = 7, .width = 1, .check = CHECK_PIECES, .pieces = 1 };
	struct inspect i;

	for (size_t n = 0; n < COUNT_OF(lens); n++) {
		make(value, 7, 5, lens[n]);
		exact.piece[0] = (struct piece){ 5, lens[n] };
		for (uint32_t at = 0; at<lens[n]; at += lens[n]> 1000 ? 131 : 1) {
			value[at] ^= 1 << at % 8;
			assert_int_not_equal(look(&i, &any, value, lens[n], 17), FAULT_NONE);
			assert_int_not_equal(look(&i, &exact, value, lens[n], lens[n]), FAULT_NONE);
			if (at >= STAMP_HEAD) {
				assert_int_equal(i.fault, FAULT_BYTES);
				assert_int_equal(i.fault_at, at);
			}
			value[at] ^= 1 << at % 8;
		}
		assert_int_equal(look(&i, &any, value, lens[n], 17), FAULT_NONE);
	}
}

static void
test_whose_it_is(void **state)
{
	char value[200], said[400];
	struct request any = { .key = 7, .width = 1 };
	struct request exact = { .key = 7, .width = 1, .check = CHECK_PIECES, .pieces = 1, .piece = { { 5, 100 } } };
	struct inspect i;

	make(value, 8, 5, 100);
	assert_int_equal(look(&i, &any, value, 100, 100), FAULT_KEY);
	inspect_tell(&i, said, sizeof said);
	assert_string_equal(
	    said, "expected any whole value of the key, heard a value of 100 bytes, version 5 of another key: AAAI");
	make(value, 7, 3, 100);
	assert_int_equal(look(&i, &any, value, 100, 100), FAULT_NONE);
	assert_int_equal(look(&i, &exact, value, 100, 100), FAULT_VERSION);
	inspect_tell(&i, said, sizeof said);
	assert_string_equal(
	    said, "expected 100 bytes of version 5, heard a value of 100 bytes, version 3: an old value");
	make(value, 7, 9, 100);
	assert_int_equal(look(&i, &exact, value, 100, 100), FAULT_VERSION);
	inspect_tell(&i, said, sizeof said);
	assert_string_equal(said, "expected 100 bytes of version 5, heard a value of 100 bytes, version 9");
	make(value, 7, 5, 101);
	assert_int_equal(look(&i, &exact, value, 101, 101), FAULT_LENGTH);
	inspect_tell(&i, said, sizeof said);
	assert_string_equal(said, "expected 100 bytes of version 5, heard a value of 101 bytes, version 5");
	memset(value, 0, sizeof value);
	assert_int_equal(look(&i, &exact, value, 100, 100), FAULT_HEAD);
}

static void
test_another_prefix_is_another_key(void **state)
{
	struct keys other = { 0 };
	const struct stamp s = { .key = 7, .version = 5, .len = 100 };
	struct request any = { .key = 7, .width = 1 };
	struct inspect i;
	char value[100];

	keys_init(&other, "x", 4, 1000);
	stamp_write(&other, &s, value);
	assert_int_equal(look(&i, &any, value, 100, 100), FAULT_HEAD);
}

static void
test_pieces(void **state)
{
	static const uint32_t lens[] = { 0, 1, 30, 24, 200 };
	char value[1000];
	struct inspect i;

	for (size_t a = 0; a < COUNT_OF(lens); a++)
		for (size_t b = 0; b < COUNT_OF(lens); b++) {
			struct request any = { .key = 7, .width = 1 };
			struct request exact = { .key = 7,
				.width = 1,
				.check = CHECK_PIECES,
				.pieces = 3,
				.piece = { { 1, lens[a] }, { 2, lens[b] }, { 3, 50 } } };
			size_t len = 0;

			for (int n = 0; n < 3; n++)
				len += make(value + len, 7, exact.piece[n].version, exact.piece[n].len);
			for (size_t part = 1; part <= len; part++)
				assert_int_equal(look(&i, &exact, value, len, part), FAULT_NONE);
			/* With a head each, whoever does not know them can tell them apart, too. */
			if (lens[a] >= STAMP_HEAD && lens[b] >= STAMP_HEAD)
				for (size_t part = 1; part <= len; part++)
					assert_int_equal(look(&i, &any, value, len, part), FAULT_NONE);
			assert_int_not_equal(look(&i, &any, value, len - 1, len), FAULT_NONE);
			/* The other order is another value. */
			exact.piece[0] = (struct piece){ 3, 50 };
			exact.piece[2] = (struct piece){ 1, lens[a] };
			if (lens[a] + lens[b] > 0)
				assert_int_not_equal(look(&i, &exact, value, len, len), FAULT_NONE);
		}
}

static void
test_numbers(void **state)
{
	struct request any = { .key = 7 | KEYS_NUMBER, .width = 1 };
	struct request exact = { .key = 7 | KEYS_NUMBER, .width = 1, .check = CHECK_NUMBER, .expect = 90 };
	struct inspect i;

	assert_int_equal(look(&i, &any, "90", 2, 1), FAULT_NONE);
	assert_int_equal(look(&i, &exact, "90", 2, 1), FAULT_NONE);
	assert_int_equal(look(&i, &exact, "90 ", 3, 3), FAULT_NONE);
	assert_int_equal(look(&i, &exact, "91", 2, 2), FAULT_NUMBER);
	assert_int_equal(look(&i, &any, "", 0, 1), FAULT_DIGITS);
	assert_int_equal(look(&i, &any, "9x", 2, 1), FAULT_DIGITS);
	assert_int_equal(look(&i, &any, "9 1", 3, 1), FAULT_DIGITS);
	assert_int_equal(look(&i, &any, " 9", 2, 1), FAULT_DIGITS);
	assert_int_equal(look(&i, &any, "0", 1, 1), FAULT_NONE);
	assert_int_equal(look(&i, &any, "0 ", 2, 1), FAULT_NONE);
	assert_int_equal(look(&i, &exact, "090", 3, 1), FAULT_DIGITS);
	assert_int_equal(look(&i, &any, "18446744073709551615", 20, 3), FAULT_NONE);
	/* 90 more than 64 bits can count to. */
	assert_int_equal(look(&i, &exact, "18446744073709551706", 20, 3), FAULT_DIGITS);
}

/* Nothing follows from any key. */
static void
test_an_empty_value(void **state)
{
	struct request any = { .key = 7, .width = 1 };
	struct inspect i;

	assert_int_equal(look(&i, &any, "", 0, 1), FAULT_NONE);
	any.filled = true;
	assert_int_equal(look(&i, &any, "", 0, 1), FAULT_SHORT);
	any.check = CHECK_NOTHING;
	assert_int_equal(look(&i, &any, "", 0, 1), FAULT_NONE);
}

/* The pattern's length is a prime: no block of a usual size may stand in for another. */
static void
test_blocks_that_changed_places(void **state)
{
	static const uint32_t blocks[] = { 512, 1024, 4096, 16384, 65536, 131072, 524288 };
	static char value[1 << 20], other[1 << 20];
	struct request any = { .key = 7, .width = 1 };
	struct inspect i;

	make(value, 7, 5, sizeof value);
	for (size_t n = 0; n < COUNT_OF(blocks); n++) {
		memcpy(other, value, sizeof value);
		memcpy(other + sizeof other - blocks[n], value + sizeof value - 2 * blocks[n], blocks[n]);
		assert_int_equal(look(&i, &any, other, sizeof other, 4096), FAULT_BYTES);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_lengths_in_all_parts),
		cmocka_unit_test(test_every_changed_byte_is_seen),
		cmocka_unit_test(test_whose_it_is),
		cmocka_unit_test(test_another_prefix_is_another_key),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_an_empty_value),
		cmocka_unit_test(test_blocks_that_changed_places),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
