/* Every request of the binary protocol: cut into pieces in every way, and with every length that a header can lie about. */
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

/* ---- headers that lie ---- */

/* What each opcode takes, as memcached's document has it: bytes of extras, key ('1': one, '0': none, '?': either), value. */
static const struct shape {
	uint8_t opcode, extras;
	char key;
	bool value;
} shapes[] = {
	{ 0x00, 0, '1', false },
	{ 0x01, 8, '1', true },
	{ 0x02, 8, '1', true },
	{ 0x03, 8, '1', true },
	{ 0x04, 0, '1', false },
	{ 0x05, 20, '1', false },
	{ 0x06, 20, '1', false },
	{ 0x07, 0, '0', false },
	{ 0x08, 4, '0', false },
	{ 0x08, 0, '0', false },
	{ 0x09, 0, '1', false },
	{ 0x0a, 0, '0', false },
	{ 0x0b, 0, '0', false },
	{ 0x0c, 0, '1', false },
	{ 0x0d, 0, '1', false },
	{ 0x0e, 0, '1', true },
	{ 0x0f, 0, '1', true },
	{ 0x10, 0, '?', false },
	{ 0x11, 8, '1', true },
	{ 0x12, 8, '1', true },
	{ 0x13, 8, '1', true },
	{ 0x14, 0, '1', false },
	{ 0x15, 20, '1', false },
	{ 0x16, 20, '1', false },
	{ 0x17, 0, '0', false },
	{ 0x18, 4, '0', false },
	{ 0x18, 0, '0', false },
	{ 0x19, 0, '1', true },
	{ 0x1a, 0, '1', true },
	{ 0x1b, 4, '0', false },
	{ 0x1c, 4, '1', false },
	{ 0x1d, 4, '1', false },
	{ 0x1e, 4, '1', false },
	{ 0x23, 4, '1', false },
	{ 0x24, 4, '1', false },
	{ 0x40, 0, '1', false },
	{ 0x41, 0, '1', false },
};

enum verdict { CLOSED, INVALID_CLOSED, SWALLOWED, TAKEN };

static enum verdict
verdict(uint8_t opcode, uint64_t keylen, uint64_t extlen, uint64_t bodylen)
{
	bool known = false;

	if (opcode == 0x1d && extlen == 4 && bodylen == keylen)
		bodylen += 4;
	if (keylen + extlen > bodylen)
		return CLOSED;
	if (keylen > 250)
		return INVALID_CLOSED;
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		const struct shape *s = &shapes[i];

		if (s->opcode != opcode)
			continue;
		known = true;
		if (extlen == s->extras && (s->key == '?' || (keylen > 0) == (s->key == '1')) &&
		    (s->value || bodylen == keylen + extlen))
			return TAKEN;
	}
	return known ? INVALID_CLOSED : SWALLOWED;
}

struct corner {
	uint8_t opcode, extlen;
	uint16_t keylen;
	uint32_t bodylen;
};

/* A copy that ends where the bytes end, so that a sanitizer sees who reads on. */
static enum parse
parse_copy(struct dialog *d, const struct corner *c, size_t len, size_t *used, struct command *cmd, char **copy)
{
	*copy = calloc(1, len);
	assert_non_null(*copy);
	(*copy)[0] = (char)BIN_REQUEST;
	(*copy)[BIN_AT_OPCODE] = (char)c->opcode;
	bin_put_u16(*copy + BIN_AT_KEYLEN, c->keylen);
	(*copy)[BIN_AT_EXTLEN] = (char)c->extlen;
	bin_put_u32(*copy + BIN_AT_BODYLEN, c->bodylen);
	memset(cmd, 0xee, sizeof(*cmd));
	return dialog_parse(d, *copy, len, used, cmd);
}

static void
fail_at(const char *what, const struct corner *c)
{
	fail_msg("%s: opcode %#x, key %u, extras %u, body %u", what, c->opcode, c->keylen, c->extlen, c->bodylen);
}

static void
check_refused(const struct corner *c, enum verdict v)
{
	struct dialog d = { .limits = &small };
	struct command cmd;
	size_t used;
	char *in;

	/* Of the header alone: nothing that it claims is waited for. */
	if (parse_copy(&d, c, BIN_HEADER, &used, &cmd, &in) != PARSE_COMMAND || cmd.asked.kind != COMMAND_REFUSED ||
	    used != BIN_HEADER || cmd.has_body)
		fail_at("what came", c);
	if (cmd.asked.code != (v == INVALID_CLOSED ? BIN_INVALID : BIN_UNKNOWN) || cmd.asked.close != (v != SWALLOWED))
		fail_at("code", c);
	if (d.swallow != (v == SWALLOWED ? c->bodylen : 0))
		fail_at("what is swallowed", c);
	free(in);
}

static void
check_taken(const struct corner *c)
{
	struct dialog d = { .limits = &small };
	size_t head = BIN_HEADER + c->keylen + c->extlen, used;
	uint64_t rest = c->bodylen > (uint64_t)c->keylen + c->extlen ? c->bodylen - c->keylen - c->extlen : 0;
	struct command cmd;
	char *in;

	if (head > BIN_HEADER) {
		if (parse_copy(&d, c, head - 1, &used, &cmd, &in) != PARSE_MORE || used != 0)
			fail_at("too early", c);
		free(in);
	}
	if (parse_copy(&d, c, head, &used, &cmd, &in) != PARSE_COMMAND || used != head || cmd.keylen != c->keylen)
		fail_at("what came", c);
	if (cmd.keylen > 0 && cmd.key != in + BIN_HEADER + c->extlen)
		fail_at("the key", c);
	if (rest > small.item_size_max ? d.swallow != rest || cmd.has_body : d.swallow != 0 || cmd.body != rest)
		fail_at("the value", c);
	free(in);
}

static void
check_corner(const struct corner *c, size_t *seen)
{
	enum verdict v = verdict(c->opcode, c->keylen, c->extlen, c->bodylen);

	seen[v]++;
	if (v == TAKEN)
		check_taken(c);
	else
		check_refused(c, v);
}

static void
test_every_corner_of_every_length(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 4, 8, 20, 250, 251, 255, 65535, INT32_MAX, 1U << 31, UINT32_MAX };
	size_t seen[4] = { 0 };

	for (unsigned opcode = 0; opcode < 256; opcode++)
		for (size_t k = 0; lengths[k] <= UINT16_MAX; k++)
			for (size_t e = 0; lengths[e] <= UINT8_MAX; e++) {
				struct corner c = { (uint8_t)opcode, (uint8_t)lengths[e], (uint16_t)lengths[k], 0 };
				uint32_t sum = lengths[k] + lengths[e];

				for (size_t b = 0; b < COUNT_OF(lengths); b++) {
					c.bodylen = lengths[b];
					check_corner(&c, seen);
				}
				for (uint32_t b = sum == 0 ? 0 : sum - 1; b <= sum + 1; b++) {
					c.bodylen = b;
					check_corner(&c, seen);
				}
			}
	for (size_t i = 0; i < COUNT_OF(seen); i++)
		assert_true(seen[i] > 100);
}

static void
test_every_length_of_extras(void **state)
{
	size_t seen[4] = { 0 };

	for (unsigned opcode = 0; opcode < 256; opcode++)
		for (unsigned extlen = 0; extlen < 256; extlen++)
			for (uint16_t keylen = 0; keylen < 2; keylen++) {
				struct corner c = { (uint8_t)opcode, (uint8_t)extlen, keylen, extlen + keylen };

				check_corner(&c, seen);
			}
	assert_true(seen[TAKEN] > COUNT_OF(shapes) / 2);
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
		cmocka_unit_test(test_every_corner_of_every_length),
		cmocka_unit_test(test_every_length_of_extras),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("proto/bin_parse", tests, setup, NULL);
}
