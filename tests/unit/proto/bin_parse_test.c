/* Every request of the binary protocol, cut into pieces in every way. */
#include "../base/unit.h"

#include "base/clock.h"
#include "feed.h"
#include "proto/bin_wire.h"

#define NOW 1700000000

static const struct proto_limits small = {
	.item_size_max = 20,
	.line_max = 120,
	.get_line_max = 400,
	.flush_enabled = true,
	.cas_enabled = true,
};

static const struct proto_limits forbidding = {
	.item_size_max = 20,
	.line_max = 120,
	.get_line_max = 400,
};

#define INVALID	  " [Invalid arguments]"
#define UNKNOWN	  " [Unknown command]"
#define TOO_LARGE " [Too large.]"

/* A string that may hold NULs. */
struct bytes {
	const char *p;
	size_t len;
};
#define BYTES(s)                 \
	{                        \
		s, sizeof(s) - 1 \
	}
#define NO_BYTES BYTES("")

struct request {
	uint8_t opcode;
	struct bytes extras, key, value;
	uint64_t cas;
};

static char wire[4096];
static size_t wire_len;

static void
header(uint8_t opcode, size_t keylen, size_t extlen, uint32_t bodylen, uint64_t cas)
{
	char *to = wire + wire_len;

	memset(to, 0, BIN_HEADER);
	to[0] = (char)BIN_REQUEST;
	to[BIN_AT_OPCODE] = (char)opcode;
	bin_put_u16(to + BIN_AT_KEYLEN, (uint16_t)keylen);
	to[BIN_AT_EXTLEN] = (char)extlen;
	bin_put_u32(to + BIN_AT_BODYLEN, bodylen);
	memcpy(to + BIN_AT_OPAQUE, "\x0a\x0b\x0c\x0d", 4);
	bin_put_u64(to + BIN_AT_CAS, cas);
	wire_len += BIN_HEADER;
}

static void
append(const struct bytes *b)
{
	assert_true(wire_len + b->len <= sizeof(wire));
	if (b->len > 0)
		memcpy(wire + wire_len, b->p, b->len);
	wire_len += b->len;
}

static void
request(const struct request *r)
{
	header(r->opcode, r->key.len, r->extras.len, (uint32_t)(r->key.len + r->extras.len + r->value.len), r->cas);
	append(&r->extras);
	append(&r->key);
	append(&r->value);
}

struct row {
	struct request request;
	const char *said;
};

static void
check_rows(const struct proto_limits *limits, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		wire_len = 0;
		request(&rows[i].request);
		feed_all_ways(limits, wire, wire_len, rows[i].said);
	}
}

#define CHECK_ROWS(limits, rows) check_rows(limits, rows, COUNT_OF(rows))

/* Behind each row's request comes one that must be understood: the parser is in step. */
static void
check_in_step(const struct proto_limits *limits, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char said[512];

		wire_len = 0;
		request(&rows[i].request);
		request(&(struct request){ .opcode = BIN_NOOP });
		snprintf(said, sizeof(said), "%sNOOP <0a 0a0b0c0d>\n", rows[i].said);
		feed_all_ways(limits, wire, wire_len, said);
	}
}

#define CHECK_IN_STEP(limits, rows) check_in_step(limits, rows, COUNT_OF(rows))

static void
test_gets(void **state)
{
	static const struct row rows[] = {
		{ { BIN_GET, .key = BYTES("k") }, "get k value cas <00 0a0b0c0d> last\n" },
		{ { BIN_GETQ, .key = BYTES("k") }, "get k value cas <09 0a0b0c0d> quiet\n" },
		{ { BIN_GETK, .key = BYTES("k") }, "get k value cas with_key <0c 0a0b0c0d> last\n" },
		{ { BIN_GETKQ, .key = BYTES("k") }, "get k value cas with_key <0d 0a0b0c0d> quiet\n" },
		{ { BIN_GETE, .key = BYTES("k") }, "get k value exptime cas <40 0a0b0c0d> last\n" },
		{ { BIN_GETEQ, .key = BYTES("k") }, "get k value exptime cas <41 0a0b0c0d> quiet\n" },
		{ { BIN_GET, .key = BYTES("k"), .cas = 7 }, "get k value cas <00 0a0b0c0d> last\n" },
		{ { BIN_TOUCH, .extras = BYTES("\0\0\0\x64"), BYTES("k") },
		    "get k cas touch until=1700000100 <1c 0a0b0c0d> last\n" },
		{ { BIN_TOUCH, .extras = BYTES("\0\0\0\0"), BYTES("k") }, "get k cas touch <1c 0a0b0c0d> last\n" },
		{ { BIN_GAT, .extras = BYTES("\0\0\0\x64"), BYTES("k") },
		    "get k value cas touch until=1700000100 <1d 0a0b0c0d> last\n" },
		{ { BIN_GATQ, .extras = BYTES("\0\0\0\x64"), BYTES("k") },
		    "get k value cas touch until=1700000100 <1e 0a0b0c0d> quiet\n" },
		{ { BIN_GATK, .extras = BYTES("\0\0\0\x64"), BYTES("k") },
		    "get k value cas touch until=1700000100 with_key <23 0a0b0c0d> last\n" },
		{ { BIN_GATKQ, .extras = BYTES("\0\0\0\x64"), BYTES("k") },
		    "get k value cas touch until=1700000100 with_key <24 0a0b0c0d> quiet\n" },
		/* Thirty days count from now, a second more is a date, of 1970. */
		{ { BIN_GAT, .extras = BYTES("\0\x27\x8d\0"), BYTES("k") },
		    "get k value cas touch until=1702592000 <1d 0a0b0c0d> last\n" },
		{ { BIN_GAT, .extras = BYTES("\0\x27\x8d\1"), BYTES("k") },
		    "get k value cas touch until=2592001 <1d 0a0b0c0d> last\n" },
		{ { BIN_GAT, .extras = BYTES("\xff\xff\xff\xff"), BYTES("k") },
		    "get k value cas touch until=4294967295 <1d 0a0b0c0d> last\n" },
	};

	CHECK_ROWS(&small, rows);
	CHECK_IN_STEP(&small, rows);
}

static void
test_no_versions_where_there_are_none(void **state)
{
	static const struct row rows[] = {
		{ { BIN_GET, .key = BYTES("k") }, "get k value <00 0a0b0c0d> last\n" },
		{ { BIN_SET, .extras = BYTES("\0\0\0\0\0\0\0\0"), BYTES("k"), BYTES("v") },
		    "set k body=[v] <01 0a0b0c0d>\n" },
		{ { BIN_DECREMENT, .extras = BYTES("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\xff\xff\xff\xff"), BYTES("k") },
		    "decr k delta=1 <06 0a0b0c0d>\n" },
	};

	CHECK_IN_STEP(&forbidding, rows);
}

static void
test_stores(void **state)
{
#define EXTRAS BYTES("\x01\x02\x03\x04\0\0\0\x64")
#define STORED "flags=16909060 exptime=1700000100 body=[hello]"
	static const struct row rows[] = {
		{ { BIN_SET, .extras = EXTRAS, BYTES("k"), BYTES("hello") }, "set k cas " STORED " <01 0a0b0c0d>\n" },
		{ { BIN_ADD, .extras = EXTRAS, BYTES("k"), BYTES("hello") }, "add k cas " STORED " <02 0a0b0c0d>\n" },
		{ { BIN_REPLACE, .extras = EXTRAS, BYTES("k"), BYTES("hello") },
		    "replace k cas " STORED " <03 0a0b0c0d>\n" },
		{ { BIN_SETQ, .extras = EXTRAS, BYTES("k"), BYTES("hello") },
		    "set k " STORED " <11 0a0b0c0d> quiet\n" },
		{ { BIN_ADDQ, .extras = EXTRAS, BYTES("k"), BYTES("hello") },
		    "add k " STORED " <12 0a0b0c0d> quiet\n" },
		{ { BIN_REPLACEQ, .extras = EXTRAS, BYTES("k"), BYTES("hello") },
		    "replace k " STORED " <13 0a0b0c0d> quiet\n" },
		{ { BIN_APPEND, .key = BYTES("k"), .value = BYTES("hello") },
		    "append k cas body=[hello] <0e 0a0b0c0d>\n" },
		{ { BIN_PREPEND, .key = BYTES("k"), .value = BYTES("hello") },
		    "prepend k cas body=[hello] <0f 0a0b0c0d>\n" },
		{ { BIN_APPENDQ, .key = BYTES("k"), .value = BYTES("hello") },
		    "append k body=[hello] <19 0a0b0c0d> quiet\n" },
		{ { BIN_PREPENDQ, .key = BYTES("k"), .value = BYTES("hello") },
		    "prepend k body=[hello] <1a 0a0b0c0d> quiet\n" },
		/* nothing is a value, too */
		{ { BIN_SET, .extras = EXTRAS, BYTES("k"), NO_BYTES },
		    "set k cas flags=16909060 exptime=1700000100 body=[] <01 0a0b0c0d>\n" },
		{ { BIN_APPEND, .key = BYTES("k") }, "append k cas body=[] <0e 0a0b0c0d>\n" },
		/* with a version, all three are a cas */
		{ { BIN_SET, .extras = EXTRAS, BYTES("k"), BYTES("hello"), 7 },
		    "set k cas if_cas=7 " STORED " <01 0a0b0c0d>\n" },
		{ { BIN_ADD, .extras = EXTRAS, BYTES("k"), BYTES("hello"), 7 },
		    "set k cas if_cas=7 " STORED " <02 0a0b0c0d>\n" },
		{ { BIN_REPLACEQ, .extras = EXTRAS, BYTES("k"), BYTES("hello"), UINT64_MAX },
		    "set k if_cas=18446744073709551615 " STORED " <13 0a0b0c0d> quiet\n" },
		{ { BIN_APPEND, .key = BYTES("k"), .value = BYTES("hello"), .cas = 7 },
		    "append k cas if_cas=7 body=[hello] <0e 0a0b0c0d>\n" },
		/* the largest value, and what would be a request if it were not a value */
		{ { BIN_SET, .extras = EXTRAS, BYTES("k"), BYTES("\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") },
		    "set k cas flags=16909060 exptime=1700000100 "
		    "body=["
		    "\\x80\\x0a\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x"
		    "00]"
		    " <01 0a0b0c0d>\n" },
	};

	CHECK_ROWS(&small, rows);
	CHECK_IN_STEP(&small, rows);
}

static void
test_a_value_that_is_too_large_is_swallowed(void **state)
{
#define X21 BYTES("xxxxxxxxxxxxxxxxxxxxx")
	static const struct row rows[] = {
		{ { BIN_SET, .extras = EXTRAS, BYTES("k"), X21 },
		    "TOO_LARGE set k cas flags=16909060 exptime=1700000100 <01 0a0b0c0d>\n" },
		{ { BIN_SETQ, .extras = EXTRAS, BYTES("k"), X21 },
		    "TOO_LARGE set k flags=16909060 exptime=1700000100 <11 0a0b0c0d> quiet\n" },
		{ { BIN_SET, .extras = EXTRAS, BYTES("k"), X21, 7 },
		    "TOO_LARGE set k cas if_cas=7 flags=16909060 exptime=1700000100 <01 0a0b0c0d>\n" },
		{ { BIN_ADD, .extras = EXTRAS, BYTES("k"), X21 }, "REFUSED" TOO_LARGE " <02 0a0b0c0d> code=03\n" },
		{ { BIN_REPLACEQ, .extras = EXTRAS, BYTES("k"), X21 },
		    "REFUSED" TOO_LARGE " <13 0a0b0c0d> code=03 quiet\n" },
		{ { BIN_APPEND, .key = BYTES("k"), .value = X21 }, "REFUSED" TOO_LARGE " <0e 0a0b0c0d> code=03\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_keys_may_hold_any_byte(void **state)
{
	static const struct row rows[] = {
		{ { BIN_GET, .key = BYTES(" \r\n\0\x7f\x80\xff") },
		    "get  \\x0d\\x0a\\x00\\x7f\\x80\\xff value cas <00 0a0b0c0d> last\n" },
		{ { BIN_DELETE, .key = BYTES("get a b") }, "delete get a b <04 0a0b0c0d>\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_the_longest_key(void **state)
{
	char key[251], said[400];

	memset(key, 'k', sizeof(key));
	wire_len = 0;
	request(&(struct request){ BIN_GET, .key = { key, 250 } });
	snprintf(said, sizeof(said), "get %.250s value cas <00 0a0b0c0d> last\n", key);
	feed_all_ways(&small, wire, wire_len, said);
	wire_len = 0;
	request(&(struct request){ BIN_GET, .key = { key, 251 } });
	feed_all_ways(&small, wire, wire_len, "REFUSED" INVALID " <00 0a0b0c0d> code=04 close\n");
}

static void
test_the_others(void **state)
{
#define DELTA "\0\0\0\0\0\0\0\5\xff\xff\xff\xff\xff\xff\xff\xff"
	static const struct row rows[] = {
		{ { BIN_DELETE, .key = BYTES("k") }, "delete k <04 0a0b0c0d>\n" },
		{ { BIN_DELETE, .key = BYTES("k"), .cas = 7 }, "delete k if_cas=7 <04 0a0b0c0d>\n" },
		{ { BIN_DELETEQ, .key = BYTES("k") }, "delete k <14 0a0b0c0d> quiet\n" },
		{ { BIN_INCREMENT, .extras = BYTES(DELTA "\xff\xff\xff\xff"), BYTES("k") },
		    "incr k cas delta=5 <05 0a0b0c0d>\n" },
		{ { BIN_INCREMENT, .extras = BYTES(DELTA "\0\0\0\0"), BYTES("k"), .cas = 7 },
		    "incr k cas if_cas=7 vivify=0 initial=18446744073709551615 delta=5 <05 0a0b0c0d>\n" },
		{ { BIN_INCREMENTQ, .extras = BYTES(DELTA "\0\0\0\x64"), BYTES("k") },
		    "incr k vivify=1700000100 initial=18446744073709551615 delta=5 <15 0a0b0c0d> quiet\n" },
		{ { BIN_DECREMENT, .extras = BYTES(DELTA "\xff\xff\xff\xfe"), BYTES("k") },
		    "decr k cas vivify=4294967294 initial=18446744073709551615 delta=5 <06 0a0b0c0d>\n" },
		{ { BIN_DECREMENTQ, .extras = BYTES(DELTA "\xff\xff\xff\xff"), BYTES("k") },
		    "decr k delta=5 <16 0a0b0c0d> quiet\n" },
		{ { .opcode = BIN_FLUSH }, "FLUSH_ALL delay=0 <08 0a0b0c0d>\n" },
		{ { BIN_FLUSH, .extras = BYTES("\0\0\0\x64") }, "FLUSH_ALL delay=100 <08 0a0b0c0d>\n" },
		{ { BIN_FLUSHQ, .extras = BYTES("\0\0\0\0") }, "FLUSH_ALL delay=0 <18 0a0b0c0d> quiet\n" },
		{ { .opcode = BIN_FLUSHQ }, "FLUSH_ALL delay=0 <18 0a0b0c0d> quiet\n" },
		{ { .opcode = BIN_STAT }, "STATS [] <10 0a0b0c0d>\n" },
		{ { BIN_STAT, .key = BYTES("reset") }, "STATS [reset] <10 0a0b0c0d>\n" },
		{ { .opcode = BIN_NOOP }, "NOOP <0a 0a0b0c0d>\n" },
		{ { .opcode = BIN_VERSION }, "VERSION <0b 0a0b0c0d>\n" },
		{ { BIN_VERBOSITY, .extras = BYTES("\0\0\0\1") }, "VERBOSITY <1b 0a0b0c0d>\n" },
	};
	static const struct row last[] = {
		{ { .opcode = BIN_QUIT }, "QUIT <07 0a0b0c0d> close\n" },
		{ { .opcode = BIN_QUITQ }, "QUIT <17 0a0b0c0d> quiet close\n" },
	};
	static const struct row forbidden[] = {
		{ { .opcode = BIN_FLUSH }, "REFUSED [Auth failure.] <08 0a0b0c0d> code=20\n" },
		{ { BIN_FLUSHQ, .extras = BYTES("\0\0\0\x64") },
		    "REFUSED [Auth failure.] <18 0a0b0c0d> code=20 quiet\n" },
	};

	CHECK_ROWS(&small, rows);
	CHECK_IN_STEP(&small, rows);
	CHECK_ROWS(&small, last);
	CHECK_IN_STEP(&forbidding, forbidden);
}

static void
test_an_unknown_opcode_swallows_its_body(void **state)
{
	static const struct row rows[] = {
		{ { .opcode = 0x77 }, "REFUSED" UNKNOWN " <77 0a0b0c0d> code=81\n" },
		{ { 0xff, .extras = BYTES("ee"), BYTES("key"), BYTES("value") },
		    "REFUSED" UNKNOWN " <ff 0a0b0c0d> code=81\n" },
		{ { .opcode = 0x20 }, "REFUSED" UNKNOWN " <20 0a0b0c0d> code=81\n" },
		{ { 0x21, .key = BYTES("PLAIN"), .value = BYTES("\0user\0password") },
		    "REFUSED" UNKNOWN " <21 0a0b0c0d> code=81\n" },
		{ { 0x22, .key = BYTES("PLAIN"), .value = BYTES("more") },
		    "REFUSED" UNKNOWN " <22 0a0b0c0d> code=81\n" },
		{ { 0x1f, .value = BYTES("\x80\x04\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0k") },
		    "REFUSED" UNKNOWN " <1f 0a0b0c0d> code=81\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_data_type_and_vbucket_do_not_matter(void **state)
{
	wire_len = 0;
	request(&(struct request){ BIN_GET, .key = BYTES("k") });
	memset(wire + 5, 0xff, 3);
	feed_all_ways(&small, wire, wire_len, "get k value cas <00 0a0b0c0d> last\n");
}

/* The load client of the first Rend does not count the extras of its GATs. */
static void
test_a_gat_that_does_not_count_its_extras(void **state)
{
	struct bytes extras = BYTES("\0\0\0\x64"), key = BYTES("key12345");

	wire_len = 0;
	header(BIN_GAT, key.len, extras.len, (uint32_t)key.len, 0);
	append(&extras);
	append(&key);
	request(&(struct request){ .opcode = BIN_NOOP });
	feed_all_ways(&small, wire, wire_len,
	    "get key12345 value cas touch until=1700000100 <1d 0a0b0c0d> last\nNOOP <0a 0a0b0c0d>\n");
	wire_len = 0;
	header(BIN_GATQ, key.len, extras.len, (uint32_t)key.len, 0);
	feed_all_ways(&small, wire, wire_len, "REFUSED" UNKNOWN " <1e 0a0b0c0d> code=81 quiet close\n");
}

static void
test_text_ends_it(void **state)
{
	for (int c = 0; c < 256; c++) {
		char said[80];

		if (c == BIN_REQUEST)
			continue;
		wire_len = 0;
		request(&(struct request){ .opcode = BIN_NOOP });
		wire[wire_len++] = (char)c;
		snprintf(said, sizeof(said), "NOOP <0a 0a0b0c0d>\nCLOSE\n");
		feed_all_ways(&small, wire, wire_len, said);
	}
}

static void
test_half_a_request_waits(void **state)
{
	wire_len = 0;
	request(&(struct request){ BIN_GET, .key = BYTES("key") });
	feed_all_ways(&small, wire, wire_len - 1, "26 bytes wait\n");
	feed_all_ways(&small, wire, BIN_HEADER - 1, "23 bytes wait\n");
	wire_len = 0;
	request(&(struct request){ BIN_SET, .extras = EXTRAS, BYTES("k"), BYTES("hello") });
	feed_all_ways(&small, wire, wire_len - 1, "a body waits\n4 bytes wait\n");
}

/* ---- noise ---- */

static void
test_noise(void **state)
{
	uint64_t seed = 5;

	for (int round = 0; round < 3000; round++) {
		struct feed f;
		char in[200];
		size_t len = 1 + unit_random(&seed) % sizeof(in);

		for (size_t i = 0; i < len; i++)
			in[i] = (char)unit_random(&seed);
		/* Small lengths, or nearly all of it is refused. */
		for (size_t at = 0; at + BIN_HEADER <= len; at += BIN_HEADER + unit_random(&seed) % 16) {
			memset(in + at, 0, BIN_AT_OPAQUE);
			in[at] = (char)BIN_REQUEST;
			in[at + BIN_AT_OPCODE] = (char)(unit_random(&seed) % 0x26);
			in[at + BIN_AT_KEYLEN + 1] = (char)(unit_random(&seed) % 4);
			in[at + BIN_AT_EXTLEN] = "\0\0\x04\x08\x14"[unit_random(&seed) % 5];
			in[at + BIN_AT_BODYLEN + 3] = (char)(unit_random(&seed) % 30);
		}
		feed_init(&f, &small);
		for (size_t at = 0; at < len && !f.closed;) {
			size_t n = 1 + unit_random(&seed) % 40;

			n = n < len - at ? n : len - at;
			feed_bytes(&f, in + at, n);
			at += n;
		}
		/* Not more waits than one request without its value. */
		assert_true(f.closed || f.storing.has_body || f.len < BIN_HEADER + BIN_EXTRAS_MAX + REND_KEY_MAX);
		feed_fini(&f);
	}
}

static int
setup(void **state)
{
	clock_fake(0, NOW);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gets),
		cmocka_unit_test(test_no_versions_where_there_are_none),
		cmocka_unit_test(test_stores),
		cmocka_unit_test(test_a_value_that_is_too_large_is_swallowed),
		cmocka_unit_test(test_keys_may_hold_any_byte),
		cmocka_unit_test(test_the_longest_key),
		cmocka_unit_test(test_the_others),
		cmocka_unit_test(test_an_unknown_opcode_swallows_its_body),
		cmocka_unit_test(test_data_type_and_vbucket_do_not_matter),
		cmocka_unit_test(test_a_gat_that_does_not_count_its_extras),
		cmocka_unit_test(test_text_ends_it),
		cmocka_unit_test(test_half_a_request_waits),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("proto/bin_parse", tests, setup, NULL);
}
