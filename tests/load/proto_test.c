/* The protocols from the client's side: what is said, byte by byte; what is heard, whole and in parts; and what is refused. */
#include "../unit/base/unit.h"

#include "../../tools/load/proto.h"

static struct keys keys;

static int
set_up(void **state)
{
	stamp_init();
	keys_init(&keys, "", 4, 1000);
	return 0;
}

/* ---- saying ---- */

#define NUMBER(n) (1 | KEYS_NUMBER), .number = (n)

/* In what is expected, V stands for the value: two digits, of a key of numbers. */
static const struct {
	struct request r;
	const char *text, *meta;
} said[] = {
	{ { .verb = VERB_GET, .key = 0, .width = 1 }, "get AAAA\r\n", "mg AAAA v f O9\r\n" },
	{ { .verb = VERB_GETS, .key = 0, .width = 1 }, "gets AAAA\r\n", "mg AAAA v f c O9\r\n" },
	{ { .verb = VERB_GAT, .key = 0, .width = 1, .ttl = 60 }, "gat 60 AAAA\r\n", "mg AAAA v f T60 O9\r\n" },
	{ { .verb = VERB_GATS, .key = 0, .width = 1, .ttl = 60 }, "gats 60 AAAA\r\n", "mg AAAA v f c T60 O9\r\n" },
	{ { .verb = VERB_GET, .key = 1, .width = 3 }, "get AAAB AAAC aaaa\r\n",
	    "mg AAAB v f O6 q\r\nmg AAAC v f O7 q\r\nmg aaaa v f O8 q\r\nmn\r\n" },
	{ { .verb = VERB_SET, .key = NUMBER(42) }, "set aaab 0 0 2\r\n42\r\n", "ms aaab 2 O9\r\n42\r\n" },
	{ { .verb = VERB_SET, .key = NUMBER(42), .ttl = 5, .flagged = true }, "set aaab F 5 2\r\n42\r\n",
	    "ms aaab 2 T5 FF O9\r\n42\r\n" },
	{ { .verb = VERB_ADD, .key = NUMBER(42) }, "add aaab 0 0 2\r\n42\r\n", "ms aaab 2 ME O9\r\n42\r\n" },
	{ { .verb = VERB_REPLACE, .key = NUMBER(42) }, "replace aaab 0 0 2\r\n42\r\n", "ms aaab 2 MR O9\r\n42\r\n" },
	{ { .verb = VERB_APPEND, .key = NUMBER(42) }, "append aaab 0 0 2\r\n42\r\n", "ms aaab 2 MA O9\r\n42\r\n" },
	{ { .verb = VERB_PREPEND, .key = NUMBER(42) }, "prepend aaab 0 0 2\r\n42\r\n", "ms aaab 2 MP O9\r\n42\r\n" },
	{ { .verb = VERB_CAS, .key = NUMBER(42), .cas = 77 }, "cas aaab 0 0 2 77\r\n42\r\n",
	    "ms aaab 2 C77 O9\r\n42\r\n" },
	{ { .verb = VERB_DELETE, .key = 25 }, "delete AAAZ\r\n", "md AAAZ O9\r\n" },
	{ { .verb = VERB_INCR, .key = NUMBER(3) }, "incr aaab 3\r\n", "ma aaab v D3 O9\r\n" },
	{ { .verb = VERB_DECR, .key = NUMBER(3) }, "decr aaab 3\r\n", "ma aaab v MD D3 O9\r\n" },
	{ { .verb = VERB_TOUCH, .key = 0, .ttl = 9 }, "touch AAAA 9\r\n", "mg AAAA T9 O9\r\n" },
	{ { .verb = VERB_VERSION }, "version\r\n", "version\r\n" },
	{ { .verb = VERB_NOOP }, "mn\r\n", "mn\r\n" },
	{ { .verb = VERB_FLUSH }, "flush_all\r\n", "flush_all\r\n" },
};

static void
check_said(const struct proto *proto, const struct request *as, const char *pattern)
{
	const uint32_t slots[] = { 1, 2, KEYS_NUMBER };
	struct request r = *as;
	char buf[4096], want[200], *end, *w = want;

	r.opaque = 9;
	if (r.width == 0)
		r.width = 1;
	/* F stands for the key's client flags. */
	for (const char *p = pattern; *p != '\0'; p++)
		if (*p == 'F' && (p[1] == ' ') && r.flagged)
			w += sprintf(w, "%u", (unsigned)request_flags(&r, r.key));
		else
			*w++ = *p;
	*w = '\0';
	end = proto->say(&r, slots, &keys, buf);
	assert_true((size_t)(end - buf) <= proto_room(r.width, request_size(&r)));
	*end = '\0';
	assert_string_equal(buf, want);
}

static void
test_said_in_text_and_meta(void **state)
{
	for (size_t i = 0; i < COUNT_OF(said); i++) {
		check_said(&proto_text, &said[i].r, said[i].text);
		check_said(&proto_meta, &said[i].r, said[i].meta);
	}
}

#define HEAD(op, keylen, ext, body) "\x80" op "\0" keylen ext "\0\0\0\0\0\0" body "\0\0\0\x09\0\0\0\0\0\0\0\0"

static void
test_said_in_binary(void **state)
{
	static const struct {
		struct request r;
		size_t len;
		const char *bytes;
	} rows[] = {
		{ { .verb = VERB_GET, .width = 1 }, 28, HEAD("\0", "\4", "\0", "\4") "AAAA" },
		{ { .verb = VERB_GAT, .width = 1, .ttl = 60 }, 32,
		    HEAD("\x1d", "\4", "\4", "\x8") "\0\0\0\x3c"
						    "AAAA" },
		{ { .verb = VERB_SET, .width = 1, .key = NUMBER(42), .ttl = 5 }, 38,
		    HEAD("\1", "\4", "\x8", "\xe") "\0\0\0\0\0\0\0\5"
						   "aaab"
						   "42" },
		{ { .verb = VERB_APPEND, .width = 1, .key = NUMBER(42) }, 30, HEAD("\xe", "\4", "\0", "\6") "aaab42" },
		{ { .verb = VERB_DELETE, .width = 1, .key = 25 }, 28, HEAD("\4", "\4", "\0", "\4") "AAAZ" },
		{ { .verb = VERB_INCR, .width = 1, .key = NUMBER(3) }, 48,
		    HEAD("\5", "\4", "\x14", "\x18") "\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\0\xff\xff\xff\xff"
						     "aaab" },
		{ { .verb = VERB_NOOP, .width = 1 }, 24, HEAD("\xa", "\0", "\0", "\0") },
		{ { .verb = VERB_FLUSH, .width = 1 }, 24, HEAD("\x8", "\0", "\0", "\0") },
	};
	char buf[4096];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct request r = rows[i].r;
		char *end;

		r.opaque = 9;
		end = proto_binary.say(&r, NULL, &keys, buf);
		assert_int_equal(end - buf, rows[i].len);
		/* HEAD leaves out the zeros of longer bodies: header bytes 8 .. 11 are the length. */
		assert_memory_equal(buf, rows[i].bytes, rows[i].len);
	}
}

/* A server may answer the first of several keys before the last is written: what is written again is the same. */
static void
test_said_the_same_when_answered(void **state)
{
	static const struct proto *const protos[] = { &proto_text, &proto_meta, &proto_binary };
	struct request r = { .verb = VERB_GET, .width = 3, .opaque = 9 };
	struct keys short_keys = { 0 };

	keys_init(&short_keys, "", 1, 26);
	for (size_t i = 0; i < COUNT_OF(protos); i++) {
		const uint32_t open[] = { 1, 2 | KEYS_NUMBER, 3 };
		const uint32_t answered[] = { 1 | SLOT_ANSWERED, 2 | KEYS_NUMBER | SLOT_ANSWERED, 3 };
		char first[1200], again[1200];
		size_t len = (size_t)(protos[i]->say(&r, open, &short_keys, first) - first);

		assert_int_equal(protos[i]->say(&r, answered, &short_keys, again) - again, len);
		assert_memory_equal(first, again, len);
	}
}

/* ---- hearing ---- */

enum end { DONE, MORE, BROKEN };

/* Gives bytes in parts; counts values and faults; returns how it ended. */
static enum end
hear(const struct proto *proto, struct ear *e, struct request *r, uint32_t *slots, const char *bytes, size_t len,
    size_t part, unsigned *faults)
{
	*e = (struct ear){ .keys = &keys };
	r->heard = 0;
	*faults = 0;
	for (size_t at = 0;;) {
		size_t n = len - at < part ? len - at : part;
		/* A copy of just the part: reading beyond it is seen by the sanitizer. */
		char *copy = malloc(n + (n == 0));
		const char *p = copy;
		enum hear heard;

		memcpy(copy, bytes + at, n);
		while ((heard = proto->hear(e, r, slots, &p, copy + n)) == HEAR_VALUE) {
			r->heard++;
			*faults += e->inspect.fault != FAULT_NONE;
		}
		at += (size_t)(p - copy);
		free(copy);
		if (heard == HEAR_BROKEN)
			return BROKEN;
		if (heard == HEAR_DONE)
			return at == len ? DONE : BROKEN;
		if (at == len)
			return MORE;
	}
}

struct heard {
	const struct proto *proto;
	enum verb verb;
	uint32_t key, width;
	const char *bytes;
	size_t len;
	enum end end;
	enum outcome outcome;
	unsigned hits;
	uint64_t number, cas;
};

static void
check_heard(const struct heard *h)
{
	for (size_t part = 1; part <= h->len; part++) {
		struct request r = {
			.verb = (uint8_t)h->verb, .key = h->key, .width = h->width == 0 ? 1 : h->width, .opaque = 9
		};
		uint32_t slots[] = { 1 | KEYS_NUMBER, 2 | KEYS_NUMBER, 3 | KEYS_NUMBER };
		struct ear e;
		unsigned faults;
		enum end end = hear(h->proto, &e, &r, slots, h->bytes, h->len, part, &faults);

		if (end != h->end)
			fail_msg("%s %s in parts of %zu: ended with %d, not %d: %s", h->proto->name, h->bytes, part,
			    end, h->end, e.why);
		if (end != DONE)
			continue;
		assert_int_equal(faults, 0);
		assert_int_equal(e.answer.outcome, h->outcome);
		assert_int_equal(r.heard, h->hits);
		if (verb_counts(h->verb) && h->outcome == OUTCOME_OK)
			assert_int_equal(e.answer.number, h->number);
		if (h->cas != 0)
			assert_int_equal(e.answer.cas, h->cas);
	}
}

#define T(v, b, e, o)                                                                                \
	{                                                                                            \
		&proto_text, VERB_##v, 1 | KEYS_NUMBER, 1, b, sizeof(b) - 1, e, OUTCOME_##o, 0, 0, 0 \
	}
#define M(v, b, e, o)                                                                                \
	{                                                                                            \
		&proto_meta, VERB_##v, 1 | KEYS_NUMBER, 1, b, sizeof(b) - 1, e, OUTCOME_##o, 0, 0, 0 \
	}

static void
test_heard(void **state)
{
	static const struct heard rows[] = {
		T(SET, "STORED\r\n", DONE, OK),
		T(ADD, "NOT_STORED\r\n", DONE, NOT_STORED),
		T(CAS, "EXISTS\r\n", DONE, EXISTS),
		T(CAS, "NOT_FOUND\r\n", DONE, MISS),
		T(DELETE, "DELETED\r\n", DONE, OK),
		T(TOUCH, "TOUCHED\r\n", DONE, OK),
		T(TOUCH, "NOT_FOUND\r\n", DONE, MISS),
		T(FLUSH, "OK\r\n", DONE, OK),
		T(NOOP, "MN\r\n", DONE, OK),
		T(VERSION, "VERSION 1.6.18\r\n", DONE, OK),
		T(GET, "END\r\n", DONE, MISS),
		T(SET, "SERVER_ERROR object too large for cache\r\n", DONE, TOO_LARGE),
		T(SET, "SERVER_ERROR out of memory storing object\r\n", DONE, ERROR),
		T(GET, "SERVER_ERROR backend down\r\n", DONE, ERROR),
		T(INCR, "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n", DONE, NOT_A_NUMBER),
		T(GET, "ERROR\r\n", DONE, ERROR),
		T(SET, "DELETED\r\n", BROKEN, OK),
		T(SET, "STORED \r\n", BROKEN, OK),
		T(SET, "STORED\n", BROKEN, OK),
		T(DELETE, "STORED\r\n", BROKEN, OK),
		T(GET, "STORED\r\n", BROKEN, OK),
		T(SET, "VALUE aaab 0 2\r\n", BROKEN, OK),
		T(SET, "STORE", MORE, OK),
		T(GET, "VALUE aaac 0 2\r\n42\r\nEND\r\n", BROKEN, OK),
		T(GET, "VALUE aaab x 2\r\n42\r\nEND\r\n", BROKEN, OK),
		T(GET, "VALUE aaab 0 -2\r\n42\r\nEND\r\n", BROKEN, OK),
		T(GET, "VALUE aaab 0 2 5\r\n42\r\nEND\r\n", BROKEN, OK),
		T(GET, "VALUE aaab 0 2 \r\n42\r\nEND\r\n", BROKEN, OK),
		T(GET, "VALUE aaab 0\r\n42\r\nEND\r\n", BROKEN, OK),
		T(GET, "VALUE aaab  0 2\r\n42\r\nEND\r\n", BROKEN, OK),
		T(GET, "VALUE aaabb 0 2\r\n42\r\nEND\r\n", BROKEN, OK),
		T(GETS, "VALUE aaab 0 2 5 \r\n42\r\nEND\r\n", BROKEN, OK),
		T(GETS, "VALUE aaab 0 2 x\r\n42\r\nEND\r\n", BROKEN, OK),
		T(GETS, "VALUE aaab 0 2\r\n42\r\nEND\r\n", BROKEN, OK),
		T(GET, "VALUE aaab 0 1\r\n42\r\nEND\r\n", BROKEN, OK),
		T(GET, "VALUE aaab 0 3\r\n42\r\nEND\r\n", BROKEN, OK),
		T(GET, "VALUE aaab 0 2\r\n42\r\n", MORE, OK),
		T(GET, "VALUE aaab 0 2\r\n42\r\nVALUE aaab 0 2\r\n42\r\nEND\r\n", BROKEN, OK),
		{ &proto_text, VERB_GET, 1 | KEYS_NUMBER, 1, "VALUE aaab 0 2\r\n42\r\nEND\r\n", 25, DONE, OUTCOME_OK, 1,
		    0, 0 },
		{ &proto_text, VERB_GETS, 1 | KEYS_NUMBER, 1, "VALUE aaab 0 2 77\r\n42\r\nEND\r\n", 28, DONE,
		    OUTCOME_OK, 1, 0, 77 },
		{ &proto_text, VERB_GET, 0, 3, "VALUE aaac 0 1\r\n4\r\nVALUE aaab 0 1\r\n5\r\nEND\r\n", 43, DONE,
		    OUTCOME_OK, 2, 0, 0 },
		{ &proto_text, VERB_GET, 0, 3, "VALUE aaac 0 1\r\n4\r\nVALUE aaac 0 1\r\n5\r\nEND\r\n", 43, BROKEN,
		    OUTCOME_OK, 0, 0, 0 },
		{ &proto_text, VERB_INCR, 1 | KEYS_NUMBER, 1, "90\r\n", 4, DONE, OUTCOME_OK, 0, 90, 0 },
		{ &proto_text, VERB_DECR, 1 | KEYS_NUMBER, 1, "9 \r\n", 4, DONE, OUTCOME_OK, 0, 9, 0 },
		T(INCR, "9x\r\n", BROKEN, OK),
		M(SET, "HD O9\r\n", DONE, OK),
		M(SET, "NS O9\r\n", DONE, NOT_STORED),
		M(CAS, "EX O9\r\n", DONE, EXISTS),
		M(CAS, "NF O9\r\n", DONE, MISS),
		M(DELETE, "NF O9\r\n", DONE, MISS),
		M(TOUCH, "EN\r\n", BROKEN, MISS),
		M(TOUCH, "EN O9\r\n", DONE, MISS),
		M(GET, "EN O9\r\n", DONE, MISS),
		M(SET, "HD O8\r\n", BROKEN, OK),
		M(SET, "HD\r\n", BROKEN, OK),
		M(SET, "EN O9\r\n", BROKEN, OK),
		M(GET, "HD O9\r\n", BROKEN, OK),
		M(GET, "VA 2 f0 O8\r\n42\r\n", BROKEN, OK),
		M(GET, "VA x f0 O9\r\n42\r\n", BROKEN, OK),
		M(GET, "VA 2 f0 O9\r\n42", MORE, OK),
		M(GET, "VA 2 O9\r\n42\r\n", BROKEN, OK),
		M(GET, "VA 2 f0\r\n42\r\n", BROKEN, OK),
		M(GET, "VA 2 f0 O9 c5\r\n42\r\n", BROKEN, OK),
		M(GET, "VA 2 f0 O9 X\r\n42\r\n", BROKEN, OK),
		M(GET, "VA 2 f0 O9 f0\r\n42\r\n", BROKEN, OK),
		M(GET, "VA 2 f4294967296 O9\r\n42\r\n", BROKEN, OK),
		M(GET, "VA 2 f0 O4294967305\r\n42\r\n", BROKEN, OK),
		M(GET, "VA 2 f O9\r\n42\r\n", BROKEN, OK),
		M(GET, "VA 2 f0 O\r\n42\r\n", BROKEN, OK),
		M(GET, "VA 2 f0  O9\r\n42\r\n", BROKEN, OK),
		M(GETS, "VA 2 f0 O9\r\n42\r\n", BROKEN, OK),
		M(SET, "HD f0 O9\r\n", BROKEN, OK),
		M(INCR, "VA 2 f0 O9\r\n42\r\n", BROKEN, OK),
		M(NOOP, "MN\r\n", DONE, OK),
		M(SET, "CLIENT_ERROR bad data chunk\r\n", DONE, ERROR),
		{ &proto_meta, VERB_GET, 1 | KEYS_NUMBER, 1, "VA 2 f0 O9\r\n42\r\n", 16, DONE, OUTCOME_OK, 1, 0, 0 },
		{ &proto_meta, VERB_GETS, 1 | KEYS_NUMBER, 1, "VA 2 f0 c77 O9\r\n42\r\n", 20, DONE, OUTCOME_OK, 1, 0,
		    77 },
		{ &proto_meta, VERB_INCR, 1 | KEYS_NUMBER, 1, "VA 2 O9\r\n42\r\n", 13, DONE, OUTCOME_OK, 0, 42, 0 },
		{ &proto_meta, VERB_INCR, 1 | KEYS_NUMBER, 1, "VA 2 O9\r\n4x\r\n", 13, BROKEN, OUTCOME_OK, 0, 42, 0 },
		{ &proto_meta, VERB_GET, 0, 3, "VA 1 f0 O8\r\n4\r\nVA 1 f0 O6\r\n5\r\nMN\r\n", 34, DONE, OUTCOME_OK, 2,
		    0, 0 },
		{ &proto_meta, VERB_GET, 0, 3, "VA 1 f0 O8\r\n4\r\nVA 1 f0 O8\r\n5\r\nMN\r\n", 34, BROKEN, OUTCOME_OK,
		    2, 0, 0 },
		{ &proto_meta, VERB_GET, 0, 3, "MN\r\n", 4, DONE, OUTCOME_MISS, 0, 0, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check_heard(&rows[i]);
}

/* A header of an answer, into buf.  Returns its end. */
static char *
header(char *p, uint8_t opcode, uint16_t status, uint8_t extras, uint32_t body, uint32_t opaque)
{
	memset(p, 0, 24);
	p[0] = (char)0x81;
	p[1] = (char)opcode;
	p[4] = (char)extras;
	p[6] = (char)(status >> 8);
	p[7] = (char)status;
	p[11] = (char)body;
	p[15] = (char)opaque;
	p[23] = 77;
	return p + 24;
}

static void
test_heard_in_binary(void **state)
{
	static const struct {
		enum verb verb;
		uint8_t opcode;
		uint16_t status;
		uint8_t extras, opaque;
		const char *body;
		uint8_t len;
		enum end end;
		enum outcome outcome;
		unsigned hits;
	} rows[] = {
		{ VERB_SET, 1, 0, 0, 9, "", 0, DONE, OUTCOME_OK, 0 },
		{ VERB_SET, 1, 3, 0, 9, "Too large", 9, DONE, OUTCOME_TOO_LARGE, 0 },
		{ VERB_ADD, 2, 2, 0, 9, "Exists", 6, DONE, OUTCOME_NOT_STORED, 0 },
		{ VERB_REPLACE, 3, 1, 0, 9, "", 0, DONE, OUTCOME_NOT_STORED, 0 },
		{ VERB_APPEND, 14, 5, 0, 9, "", 0, DONE, OUTCOME_NOT_STORED, 0 },
		{ VERB_CAS, 1, 2, 0, 9, "", 0, DONE, OUTCOME_EXISTS, 0 },
		{ VERB_DELETE, 4, 1, 0, 9, "", 0, DONE, OUTCOME_MISS, 0 },
		{ VERB_INCR, 5, 0, 0, 9, "\0\0\0\0\0\0\0\x2a", 8, DONE, OUTCOME_OK, 0 },
		{ VERB_INCR, 5, 0, 0, 9, "\0\0\0\x2a", 4, BROKEN, OUTCOME_OK, 0 },
		{ VERB_INCR, 5, 6, 0, 9, "no", 2, DONE, OUTCOME_NOT_A_NUMBER, 0 },
		{ VERB_GET, 0, 0x84, 0, 9, "down", 4, DONE, OUTCOME_ERROR, 0 },
		{ VERB_GET, 0, 1, 0, 9, "Not found", 9, DONE, OUTCOME_MISS, 0 },
		{ VERB_GET, 0, 0, 4, 9,
		    "\0\0\0\0"
		    "42",
		    6, DONE, OUTCOME_OK, 1 },
		{ VERB_GET, 0, 0, 0, 9, "42", 2, BROKEN, OUTCOME_OK, 1 },
		{ VERB_GET, 0, 0, 8, 9,
		    "\0\0\0\0"
		    "42",
		    6, BROKEN, OUTCOME_OK, 1 },
		{ VERB_GETE, 0x40, 0, 8, 9,
		    "\0\0\0\0\0\0\0\0"
		    "42",
		    10, DONE, OUTCOME_OK, 1 },
		{ VERB_SET, 1, 0, 0, 8, "", 0, BROKEN, OUTCOME_OK, 0 },
		{ VERB_SET, 4, 0, 0, 9, "", 0, BROKEN, OUTCOME_OK, 0 },
		{ VERB_TOUCH, 0x1c, 0, 4, 9, "\0\0\0\0", 4, DONE, OUTCOME_OK, 0 },
	};
	char bytes[200];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *end = header(bytes, rows[i].opcode, rows[i].status, rows[i].extras, rows[i].len, rows[i].opaque);
		struct heard h = { &proto_binary, rows[i].verb, 1 | KEYS_NUMBER, 1, bytes, 24 + rows[i].len,
			rows[i].end, rows[i].outcome, rows[i].hits, 42, rows[i].end == DONE ? 77 : 0 };

		memcpy(end, rows[i].body, rows[i].len);
		check_heard(&h);
	}
}

/* Quiet gets and a noop: hits in any order, an error among them, one twice, the noop's opaque wrong. */
static void
test_heard_several_in_binary(void **state)
{
	char bytes[300], *p;
	struct heard h = { &proto_binary, VERB_GET, 0, 3, bytes, 0, DONE, OUTCOME_OK, 2, 0, 0 };

	p = header(bytes, 9, 0, 4, 5, 8);
	memcpy(p,
	    "\0\0\0\0"
	    "4",
	    5);
	p = header(p + 5, 9, 0, 4, 5, 6);
	memcpy(p,
	    "\0\0\0\0"
	    "5",
	    5);
	p = header(p + 5, 10, 0, 0, 0, 9);
	h.len = (size_t)(p - bytes);
	check_heard(&h);
	bytes[29 + 15] = 8;
	h.end = BROKEN;
	check_heard(&h);
	bytes[29 + 15] = 6;
	p[-24 + 15] = 7;
	check_heard(&h);
	p[-24 + 15] = 9;
	/* The noop is an error. */
	p[-24 + 7] = (char)0x85;
	h.end = DONE;
	h.outcome = OUTCOME_ERROR;
	check_heard(&h);
	p[-24 + 7] = 0;
	/* The second is an error now, whose body is 5 bytes of words. */
	bytes[29 + 4] = 0;
	bytes[29 + 7] = (char)0x84;
	h.end = DONE;
	h.outcome = OUTCOME_ERROR;
	h.hits = 1;
	check_heard(&h);
}

/* Whatever bytes come: an end, and none of them twice. */
static void
test_noise(void **state)
{
	static const struct proto *const protos[] = { &proto_text, &proto_meta, &proto_binary };
	static const char letters[] = "VALUE aaab 0 2\r\n42END HDNSMNVA O9f1\x81\0";
	uint64_t seed = 1;

	for (int n = 0; n < 200000; n++) {
		struct request r = { .verb = (uint8_t)(unit_random(&seed) % VERB_FLUSH),
			.key = 1 | KEYS_NUMBER,
			.width = 1,
			.opaque = 9 };
		uint32_t slots[] = { 1 | KEYS_NUMBER, 2 | KEYS_NUMBER, 3 | KEYS_NUMBER };
		char noise[64];
		struct ear e;
		unsigned faults;
		size_t len = 1 + unit_random(&seed) % sizeof noise;

		for (size_t i = 0; i < len; i++)
			noise[i] = letters[unit_random(&seed) % sizeof letters];
		if (n % 3 == 2)
			header(noise, (uint8_t)unit_random(&seed) % 20, unit_random(&seed) % 3, unit_random(&seed) % 9,
			    unit_random(&seed) % 40, 9);
		if (verb_reads(r.verb) && unit_random(&seed) % 2 == 0)
			r.width = 3;
		hear(protos[n % 3], &e, &r, slots, noise, len, 1 + unit_random(&seed) % len, &faults);
	}
}

static void
test_a_line_without_an_end(void **state)
{
	static char line[2 * EAR_LINE_MAX];
	struct request r = { .verb = VERB_GET, .width = 1 };
	struct ear e;
	unsigned faults;

	memset(line, 'A', sizeof line);
	for (size_t part = 1; part <= sizeof line; part *= 2)
		assert_int_equal(hear(&proto_text, &e, &r, NULL, line, sizeof line, part, &faults), BROKEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_said_in_text_and_meta),
		cmocka_unit_test(test_said_in_binary),
		cmocka_unit_test(test_said_the_same_when_answered),
		cmocka_unit_test(test_heard),
		cmocka_unit_test(test_heard_in_binary),
		cmocka_unit_test(test_heard_several_in_binary),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_a_line_without_an_end),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
