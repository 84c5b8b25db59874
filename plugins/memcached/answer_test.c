/* Every answer of a backend: whole, in two pieces cut at every byte, byte by byte, and wrong in every way that is
 * known. */
#include "answer.h"
#include "probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WALL	 1700000000
#define READ_ALL (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS)

#define TOKEN	 .token = { "1007" }
static const struct question mg = { .form = FORM_MG, .verb = REND_GET, TOKEN, .want = READ_ALL };
static const struct question mg_meta = { .form = FORM_MG, .verb = REND_GET, TOKEN, .want = REND_WANT_CAS };
static const struct question mg_touch = { .form = FORM_MG, .verb = REND_TOUCH, TOKEN };
static const struct question mg_gat = {
	.form = FORM_MG, .verb = REND_GET, TOKEN, .want = READ_ALL, .mode = REND_ALSO_TOUCH, .exptime = WALL + 99
};
static const struct question mg_all = {
	.form = FORM_MG, .verb = REND_GET, TOKEN, .want = READ_ALL | REND_WANT_SIZE | REND_WANT_ACCESS
};
static const struct question mg_size = { .form = FORM_MG, .verb = REND_GET, TOKEN, .want = REND_WANT_SIZE };
static const struct question mg_unless = {
	.form = FORM_MG, .verb = REND_GET, TOKEN, .want = REND_WANT_VALUE, .mode = REND_IF_CAS, .cas = 9
};
static const struct question ma_time = { .form = FORM_MA, .verb = REND_INCR, TOKEN, .want = REND_WANT_EXPTIME };
static const struct question append = { .form = FORM_MS, .verb = REND_APPEND, TOKEN };
static const struct question get_unless = { .form = FORM_GET,
	.verb = REND_GET,
	.key = "kk",
	.keylen = 2,
	.want = REND_WANT_VALUE | REND_WANT_SIZE,
	.mode = REND_IF_CAS,
	.cas = 9 };
static const struct question ms = { .form = FORM_MS, .verb = REND_SET, TOKEN };
static const struct question ms_cas = { .form = FORM_MS, .verb = REND_REPLACE, TOKEN, .mode = REND_IF_CAS };
static const struct question md = { .form = FORM_MD, .verb = REND_DELETE, TOKEN };
static const struct question ma = { .form = FORM_MA, .verb = REND_INCR, TOKEN };
static const struct question get = { .form = FORM_GET, .verb = REND_GET, .key = "kk", .keylen = 2, .want = READ_ALL };
static const struct question get_meta = { .form = FORM_GET, .verb = REND_GET, .key = "kk", .keylen = 2 };
static const struct question store = { .form = FORM_STORE, .verb = REND_SET, .key = "kk", .keylen = 2 };
static const struct question del = { .form = FORM_DELETE, .verb = REND_DELETE, .key = "kk", .keylen = 2 };
static const struct question touch = { .form = FORM_TOUCH, .verb = REND_TOUCH, .key = "kk", .keylen = 2 };
static const struct question arith = { .form = FORM_ARITH, .verb = REND_DECR, .key = "kk", .keylen = 2 };
static const struct question flush = { .form = FORM_FLUSH, .verb = REND_FLUSH_ALL };
static const struct question version = { .form = FORM_VERSION };

/* What a whole answer means. */
static const struct good {
	const struct question *asked;
	const char *bytes;
	uint8_t status;
	const char *value; /* NULL: empty */
	uint32_t flags, have;
	int64_t exptime;
	uint64_t cas, number;
	bool suspect;
	uint32_t signs;
	uint64_t size;
	int64_t last_access;
} goods[] = {
	{ &mg, "VA 5 f3 c9 t100 O1007\r\nhello\r\n", REND_OK, "hello", 3, READ_ALL, WALL + 100, 9, 0, false, 0, 0, 0 },
	{ &mg, "VA 5 f4294967295 c18446744073709551615 t-1 O1007\r\nhel\r\n\r\n", REND_OK, "hel\r\n", 4294967295U,
	    READ_ALL, 0, 18446744073709551615ULL, 0, false, 0, 0, 0 },
	{ &mg, "VA 1 f0 t4294967294 O1007\r\nx\r\n", REND_OK, "x", 0, REND_WANT_VALUE | REND_WANT_EXPTIME, WALL - 2, 0,
	    0, false, 0, 1, 0 },
	{ &mg, "VA 2 f7 c18446744073709551615 O1007\r\nab\r\n", REND_OK, "ab", 7, REND_WANT_VALUE | REND_WANT_CAS, 0,
	    18446744073709551615ULL, 0, false, 0, 0, 0 },
	{ &mg, "VA 2 f7 c0000000000000000000000012 O1007\r\nab\r\n", REND_OK, "ab", 7, REND_WANT_VALUE | REND_WANT_CAS,
	    0, 12, 0, false, 0, 0, 0 },
	{ &mg, "VA 0 f0 O1007\r\n\r\n", REND_OK, NULL, 0, REND_WANT_VALUE, 0, 0, 0, false, 0, 0, 0 },
	{ &mg, "VA 2 W f0 s2 O1007\r\nab\r\n", REND_OK, "ab", 0, REND_WANT_VALUE, 0, 0, 0, false, REND_WON, 2, 0 },
	{ &mg, "VA 2 f0 Z X O1007\r\nab\r\n", REND_OK, "ab", 0, REND_WANT_VALUE, 0, 0, 0, false, REND_SENT | REND_STALE,
	    2, 0 },
	{ &mg_all, "VA 2 f1 c2 t3 s2 l44 h1 O1007\r\nab\r\n", REND_OK, "ab", 1,
	    READ_ALL | REND_WANT_SIZE | REND_WANT_ACCESS, WALL + 3, 2, 0, false, REND_HIT_BEFORE, 2, 44 },
	{ &mg_size, "HD f1 s77 O1007\r\n", REND_OK, NULL, 1, REND_WANT_SIZE, 0, 0, 0, false, 0, 77, 0 },
	{ &mg_unless, "VA 2 f1 c9 O1007\r\nab\r\n", REND_OK, NULL, 1, 0, 0, 0, 0, false, 0, 2, 0 },
	{ &mg_unless, "VA 2 f1 c10 O1007\r\nab\r\n", REND_OK, "ab", 1, REND_WANT_VALUE, 0, 0, 0, false, 0, 2, 0 },
	{ &get_unless, "VALUE kk 1 2 9\r\nab\r\nEND\r\n", REND_OK, NULL, 1, REND_WANT_SIZE, 0, 0, 0, false, 0, 2, 0 },
	{ &get_unless, "VALUE kk 1 2 8\r\nab\r\nEND\r\n", REND_OK, "ab", 1, REND_WANT_VALUE | REND_WANT_SIZE, 0, 0, 0,
	    false, 0, 2, 0 },
	{ &ma_time, "VA 1 c4 t50 O1007\r\n9\r\n", REND_OK, NULL, 0, REND_WANT_CAS | REND_WANT_EXPTIME, WALL + 50, 4, 9,
	    false, 0, 0, 0 },
	{ &append, "HD c5 O1007\r\n", REND_OK, NULL, 0, REND_WANT_CAS, 0, 5, 0, false, 0, 0, 0 },
	{ &ms, "CLIENT_ERROR invalid flag\r\n", REND_UNSUPPORTED, NULL, 0, 0, 0, 0, 0, true, 0, 0, 0 },
	{ &mg, "EN O1007\r\n", REND_MISS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &mg, "SERVER_ERROR out of memory writing get response\r\n", REND_NO_MEMORY, NULL, 0, 0, 0, 0, 0, false, 0, 0,
	    0 },
	{ &mg, "SERVER_ERROR backend down\r\n", REND_LOST, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &mg, "SERVER_ERROR backend timeout\r\n", REND_TIMEOUT, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &mg, "SERVER_ERROR not supported\r\n", REND_UNSUPPORTED, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &ms, "SERVER_ERROR not supported\r\n", REND_UNSUPPORTED, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &mg, "SERVER_ERROR\r\n", REND_IO, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &mg, "CLIENT_ERROR bad command line format\r\n", REND_IO, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &mg, "ERROR\r\n", REND_UNSUPPORTED, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &mg_meta, "HD f3 c9 O1007\r\n", REND_OK, NULL, 3, REND_WANT_CAS, 0, 9, 0, false, 0, 0, 0 },
	{ &mg_touch, "HD f3 O1007\r\n", REND_OK, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &mg_touch, "EN O1007\r\n", REND_MISS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &mg_gat, "VA 1 t50 f3 c9 O1007\r\nx\r\n", REND_OK, "x", 3, READ_ALL, WALL + 99, 9, 0, false, 0, 0, 0 },
	{ &ms, "HD c5 O1007\r\n", REND_OK, NULL, 0, REND_WANT_CAS | REND_WANT_SIZE, 0, 5, 0, false, 0, 0, 0 },
	{ &ms, "NS c0 O1007\r\n", REND_NOT_STORED, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &ms, "EX c0 O1007\r\n", REND_EXISTS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &ms, "NF c0 O1007\r\n", REND_MISS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &ms_cas, "NS c0 O1007\r\n", REND_MISS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &ms, "SERVER_ERROR object too large for cache\r\n", REND_TOO_BIG, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &ms, "SERVER_ERROR out of memory storing object\r\n", REND_NO_MEMORY, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &ms, "CLIENT_ERROR bad data chunk\r\n", REND_IO, NULL, 0, 0, 0, 0, 0, true, 0, 0, 0 },
	{ &ms, "ERROR\r\n", REND_UNSUPPORTED, NULL, 0, 0, 0, 0, 0, true, 0, 0, 0 },
	{ &md, "HD O1007\r\n", REND_OK, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &md, "NF O1007\r\n", REND_MISS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &md, "EX O1007\r\n", REND_EXISTS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &ma, "VA 1 c4 O1007\r\n9\r\n", REND_OK, NULL, 0, REND_WANT_CAS, 0, 4, 9, false, 0, 0, 0 },
	{ &ma, "VA 20 c4 O1007\r\n18446744073709551615\r\n", REND_OK, NULL, 0, REND_WANT_CAS, 0, 4,
	    18446744073709551615ULL, false, 0, 0, 0 },
	{ &ma, "VA 2 c4 O1007\r\n9 \r\n", REND_OK, NULL, 0, REND_WANT_CAS, 0, 4, 9, false, 0, 0, 0 },
	{ &ma, "NF O1007\r\n", REND_MISS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &ma, "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n", REND_NOT_A_NUMBER, NULL, 0, 0, 0, 0,
	    0, false, 0, 0, 0 },
	{ &get, "VALUE kk 3 5\r\nhello\r\nEND\r\n", REND_OK, "hello", 3, REND_WANT_VALUE, 0, 0, 0, false, 0, 0, 0 },
	{ &get, "VALUE kk 3 5 77\r\nEND\r\n\r\nEND\r\n", REND_OK, "END\r\n", 3, REND_WANT_VALUE | REND_WANT_CAS, 0, 77,
	    0, false, 0, 0, 0 },
	{ &get, "VALUE kk 0 0\r\n\r\nEND\r\n", REND_OK, NULL, 0, REND_WANT_VALUE, 0, 0, 0, false, 0, 0, 0 },
	{ &get, "END\r\n", REND_MISS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &get_meta, "VALUE kk 3 5\r\nhello\r\nEND\r\n", REND_OK, NULL, 3, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &store, "STORED\r\n", REND_OK, NULL, 0, REND_WANT_SIZE, 0, 0, 0, false, 0, 0, 0 },
	{ &store, "NOT_STORED\r\n", REND_NOT_STORED, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &store, "EXISTS\r\n", REND_EXISTS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &store, "NOT_FOUND\r\n", REND_MISS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &del, "DELETED\r\n", REND_OK, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &del, "NOT_FOUND\r\n", REND_MISS, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &touch, "TOUCHED\r\n", REND_OK, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &touch, "ERROR\r\n", REND_UNSUPPORTED, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &arith, "12\r\n", REND_OK, NULL, 0, 0, 0, 0, 12, false, 0, 0, 0 },
	{ &arith, "9 \r\n", REND_OK, NULL, 0, 0, 0, 0, 9, false, 0, 0, 0 },
	{ &flush, "OK\r\n", REND_OK, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
	{ &flush, "CLIENT_ERROR flush_all not allowed\r\n", REND_UNSUPPORTED, NULL, 0, 0, 0, 0, 0, false, 0, 0, 0 },
};

/* What is no answer, however it arrives. */
static const struct bad {
	const struct question *asked;
	const char *bytes;
} bads[] = {
	{ &mg, "VA 5 f3 O1008\r\n" },
	{ &mg, "VA 5 f3\r\n" },
	{ &mg, "EN\r\n" },
	{ &mg, "EN O\r\n" },
	{ &mg, "EN O1007x\r\n" },
	{ &mg, "EN O10071\r\n" },
	{ &mg, "VA 5 O1007\r\n" },
	{ &mg, "VA 5 f4294967296 O1007\r\n" },
	{ &mg, "VA 5 f-1 O1007\r\n" },
	{ &mg, "VA 5 f1 c18446744073709551616 O1007\r\n" },
	{ &mg, "VA 5 f1 t-2 O1007\r\n" },
	{ &mg, "VA 5 f1 t99999999999 O1007\r\n" },
	{ &mg, "VA  f1 O1007\r\n" },
	{ &mg, "VA -1 f1 O1007\r\n" },
	{ &mg, "VA 1074790401 f1 O1007\r\n" },
	{ &mg, "VA 2147483647 f1 O1007\r\n" },
	{ &mg, "VA 4294967295 f1 O1007\r\n" },
	{ &mg, "VA 18446744073709551615 f1 O1007\r\n" },
	{ &mg, "VA 99999999999999999999999 f1 O1007\r\n" },
	{ &mg, "VA 5 f1 \001 O1007\r\n" },
	{ &mg, "VA 5 f1 \377 O1007\r\n" },
	{ &mg, "HD f1 O1007\r\n" },
	{ &mg, "NF O1007\r\n" },
	{ &mg, "END\r\n" },
	{ &mg, "\r\n" },
	{ &mg, "\n" },
	{ &mg, "EN O1007\n" },
	{ &mg, "\200" },
	{ &mg, "error\r\n" },
	{ &mg, "HTTP/1.1 400 Bad Request\r\n" },
	{ &mg, "VA 5 f3 O1007\r\nhelloX" },
	{ &mg, "VA 5 f3 O1007\r\nhello\rX" },
	{ &mg, "ERRORS\r\n" },
	{ &mg_meta, "VA 5 f3 c9 O1007\r\n" },
	{ &ms, "STORED\r\n" },
	{ &ms, "EN O1007\r\n" },
	{ &ms, "VA 1 O1007\r\n" },
	{ &md, "NS O1007\r\n" },
	{ &ma, "VA 41 O1007\r\n" },
	{ &ma, "VA 1 O1007\r\nx\r\n" },
	{ &ma, "VA 0 O1007\r\n\r\n" },
	{ &ma, "VA 21 O1007\r\n184467440737095516160\r\n" },
	{ &ma, "HD O1007\r\n" },
	{ &get, "VALUE kx 3 5\r\n" },
	{ &get, "VALUE k 3 5\r\n" },
	{ &get, "VALUE kkk 3 5\r\n" },
	{ &get, "VALUE kk 3\r\n" },
	{ &get, "VALUE kk x 5\r\n" },
	{ &get, "VALUE kk 3 -5\r\n" },
	{ &get, "VALUE kk 3 5 6 7\r\n" },
	{ &get, "VALUE kk 3 5 x\r\n" },
	{ &get, "VALUE kk 3 4294967295\r\n" },
	{ &get, "VALUE kk 3 5\r\nhello\r\nVALUE" },
	{ &get, "VALUE kk 3 5\r\nhello\r\nEND \r\n" },
	{ &get, "STORED\r\n" },
	{ &store, "DELETED\r\n" },
	{ &store, "STORED \r\n" },
	{ &arith, "-1\r\n" },
	{ &arith, "\r\n" },
	{ &arith, "18446744073709551616\r\n" },
	{ &flush, "MN\r\n" },
	{ &version, "MN\r\n" },
};

static void
feed(struct recvq *q, const char *p, size_t len)
{
	while (len > 0) {
		size_t room, n;
		char *to = recvq_room(q, &room);

		assert_non_null(to);
		n = room < len ? room : len;
		memcpy(to, p, n);
		recvq_took(q, n);
		p += n;
		len -= n;
	}
}

/* Feeds in pieces of `first` bytes, and then `step` at a time, reading after each.  Returns what the last read said. */
static enum answer_parse
converse(struct answer *a, struct recvq *q, const struct question *asked, const char *bytes, size_t len, size_t first,
    size_t step)
{
	enum answer_parse parse = ANSWER_MORE;
	size_t at = 0, n = first;

	while (parse == ANSWER_MORE && at < len) {
		if (n > len - at)
			n = len - at;
		feed(q, bytes + at, n);
		at += n;
		n = step;
		parse = answer_read(a, q, asked, WALL);
		if (parse == ANSWER_READY)
			assert_int_equal(at, len);
	}
	return parse;
}

static void
expect_good(const struct good *g, struct answer *a)
{
	struct rend_op *op = calloc(1, sizeof *op);
	char value[64];

	assert_non_null(op);
	op->verb = g->asked->verb;
	assert_int_equal(a->suspect, g->suspect);
	assert_int_equal(answer_give(a, op), g->status);
	assert_int_equal(op->item.value.len, g->value == NULL ? 0 : strlen(g->value));
	rend_value_copy_out(&op->item.value, 0, value, sizeof value);
	assert_memory_equal(value, g->value == NULL ? "" : g->value, op->item.value.len);
	assert_int_equal(op->item.flags, g->flags);
	assert_int_equal(op->item.have, g->have);
	assert_int_equal(op->item.exptime, g->exptime);
	assert_int_equal(op->item.cas, g->cas);
	assert_int_equal(op->item.number, g->number);
	assert_int_equal(op->item.signs, g->signs);
	if (op->item.have & REND_WANT_SIZE)
		assert_int_equal(op->item.size, g->size);
	assert_int_equal(op->item.last_access, g->last_access);
	rend_value_drop(&op->item.value);
	free(op);
}

static void
good_answers_cut_anywhere(void **state)
{
	for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
		const struct good *g = &goods[i];
		size_t len = strlen(g->bytes);

		for (size_t cut = 1; cut <= len; cut++) {
			struct recvq q = { 0 };
			struct answer a = { 0 };
			enum answer_parse parse = converse(&a, &q, g->asked, g->bytes, len, cut, cut == 1 ? 1 : len);

			if (parse != ANSWER_READY)
				print_error("%s cut at %zu: %s\n", g->bytes, cut, a.why == NULL ? "" : a.why);
			assert_int_equal(parse, ANSWER_READY);
			expect_good(g, &a);
			recvq_drop(&q);
		}
	}
}

static void
bad_answers_cut_anywhere(void **state)
{
	for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
		const struct bad *b = &bads[i];
		size_t len = strlen(b->bytes);

		for (size_t cut = 1; cut <= len; cut++) {
			struct recvq q = { 0 };
			struct answer a = { 0 };
			enum answer_parse parse = converse(&a, &q, b->asked, b->bytes, len, cut, cut == 1 ? 1 : len);

			if (parse != ANSWER_GARBAGE)
				print_error("%s cut at %zu was taken\n", b->bytes, cut);
			assert_int_equal(parse, ANSWER_GARBAGE);
			assert_non_null(a.why);
			answer_drop(&a);
			recvq_drop(&q);
		}
	}
}

static void
half_an_answer_is_none(void **state)
{
	for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
		const struct good *g = &goods[i];

		for (size_t len = 1; len < strlen(g->bytes); len++) {
			struct recvq q = { 0 };
			struct answer a = { 0 };

			assert_int_equal(converse(&a, &q, g->asked, g->bytes, len, len, 1), ANSWER_MORE);
			answer_drop(&a);
			recvq_drop(&q);
		}
	}
}

static void
many_answers_in_one_read(void **state)
{
	static const char bytes[] = "EN O1007\r\nVA 3 f1 O1007\r\nabc\r\nHD c4 O1007\r\nEN O1007\r\n";
	const struct question *asked[] = { &mg, &mg, &ms, &mg };
	const uint8_t status[] = { REND_MISS, REND_OK, REND_OK, REND_MISS };
	struct recvq q = { 0 };
	struct answer a = { 0 };
	size_t left;

	feed(&q, bytes, sizeof bytes - 1);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(answer_read(&a, &q, asked[i], WALL), ANSWER_READY);
		assert_int_equal(a.status, status[i]);
		answer_drop(&a);
	}
	recvq_bytes(&q, &left);
	assert_int_equal(left, 0);
	recvq_drop(&q);
}

static void
a_line_without_end(void **state)
{
	char *bytes = malloc(ANSWER_LINE_MAX);
	struct recvq q = { 0 };
	struct answer a = { 0 };

	memset(bytes, 'X', ANSWER_LINE_MAX);
	assert_int_equal(converse(&a, &q, &mg, bytes, ANSWER_LINE_MAX - 1, 1, 1), ANSWER_MORE);
	feed(&q, "X", 1);
	assert_int_equal(answer_read(&a, &q, &mg, WALL), ANSWER_GARBAGE);
	recvq_drop(&q);
	free(bytes);
}

/* A length may claim what it likes: memory is what came. */
static void
memory_follows_the_bytes(void **state)
{
	static const char head[] = "VA 1073741824 f0 O1007\r\n";
	struct recvq q = { 0 };
	struct answer a = { 0 };
	size_t room;

	feed(&q, head, sizeof head - 1);
	assert_int_equal(answer_read(&a, &q, &mg, WALL), ANSWER_MORE);
	feed(&q, "xyz", 3);
	assert_int_equal(answer_read(&a, &q, &mg, WALL), ANSWER_MORE);
	assert_non_null(recvq_room(&q, &room));
	assert_true(q.buf->size <= 64 * 1024);
	answer_drop(&a);
	recvq_drop(&q);
}

static void
large_value(size_t size, size_t step)
{
	char head[64], *bytes = malloc(size), *back = malloc(size);
	struct recvq q = { 0 };
	struct answer a = { 0 };
	enum answer_parse parse = ANSWER_MORE;
	size_t biggest = 0;

	assert_non_null(bytes);
	assert_non_null(back);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 2654435761U >> 13);
	snprintf(head, sizeof head, "VA %zu f0 O1007\r\n", size);
	feed(&q, head, strlen(head));
	for (size_t at = 0; at < size; at += step) {
		size_t n = step < size - at ? step : size - at;

		assert_int_equal(answer_read(&a, &q, &mg, WALL), ANSWER_MORE);
		while (n > 0) {
			size_t room, part;
			char *to = recvq_room(&q, &room);

			assert_non_null(to);
			part = room < n ? room : n;
			memcpy(to, bytes + at + (step < size - at ? step : size - at) - n, part);
			recvq_took(&q, part);
			n -= part;
			assert_int_equal(answer_read(&a, &q, &mg, WALL), ANSWER_MORE);
			if (q.buf->size > biggest)
				biggest = q.buf->size;
		}
	}
	feed(&q, "\r\n", 2);
	parse = answer_read(&a, &q, &mg, WALL);
	assert_int_equal(parse, ANSWER_READY);
	assert_int_equal(a.item.value.len, size);
	assert_int_equal(rend_value_copy_out(&a.item.value, 0, back, size), size);
	assert_memory_equal(back, bytes, size);
	assert_true(biggest <= size + 64 * 1024);
	/* Buffers grow with what came, so even slow packets make few pieces. */
	assert_true(a.item.value.nsegs <= 2 + size / 65536);
	answer_drop(&a);
	recvq_drop(&q);
	free(bytes);
	free(back);
}

static void
large_values(void **state)
{
	large_value(1000, 1);
	large_value(65536, 1448);
	large_value(200000, 7);
	large_value(1 << 20, 1448);
	large_value(20 << 20, 100000);
}

/* A value points into the buffer it was read into, which goes on being read into. */
static void
values_survive_what_comes_after(void **state)
{
	struct recvq q = { 0 };
	struct rend_value kept[2000] = { { 0 } };
	char body[128], back[128];

	for (int i = 0; i < 2000; i++) {
		struct answer a = { 0 };
		char bytes[256];
		int n;

		snprintf(body, sizeof body, "value %d of this test, which is long enough to wrap often", i);
		n = snprintf(bytes, sizeof bytes, "VA %zu f0 O1007\r\n%s\r\n", strlen(body), body);
		assert_int_equal(converse(&a, &q, &mg, bytes, (size_t)n, 10 + (size_t)i % 50, 17), ANSWER_READY);
		rend_value_move(&kept[i], &a.item.value);
		answer_drop(&a);
	}
	for (int i = 0; i < 2000; i++) {
		snprintf(body, sizeof body, "value %d of this test, which is long enough to wrap often", i);
		assert_int_equal(rend_value_copy_out(&kept[i], 0, back, sizeof back), strlen(body));
		assert_memory_equal(back, body, strlen(body));
		rend_value_drop(&kept[i]);
	}
	recvq_drop(&q);
}

static void
probe_versions(void **state)
{
	static const struct {
		const char *bytes;
		unsigned version;
	} rows[] = {
		{ "VERSION 1.6.18\r\n", 10618 },
		{ "VERSION 1.4.39\r\n", 10439 },
		{ "VERSION 1.6.27_3_gabc\r\n", 10627 },
		{ "VERSION rend 3\r\n", 0 },
		{ "VERSION \r\n", 0 },
		{ "VERSION 99999999999999999999.1.1\r\n", 0 },
		{ "ERROR\r\n", 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct recvq q = { 0 };
		struct answer a = { 0 };

		assert_int_equal(converse(&a, &q, &version, rows[i].bytes, strlen(rows[i].bytes), 1, 1), ANSWER_READY);
		assert_int_equal(a.version, rows[i].version);
		assert_false(a.meta);
		recvq_drop(&q);
	}
}

/* What a backend says to the probe, and what it is spoken to in. */
static void
probe_dialects(void **state)
{
	static const struct {
		const char *bytes;
		bool meta, sets_cas;
	} rows[] = {
		{ "EN O1001\r\nCLIENT_ERROR invalid flag\r\nVERSION 1.6.18\r\n", true, false },
		{ "HD f0 O1001\r\nCLIENT_ERROR invalid flag\r\nVERSION 1.6.13\r\n", true, false },
		{ "EN O1001\r\nEN O1002\r\nVERSION 1.6.27\r\n", true, true },
		{ "EN O1001\r\nEN O1002\r\nVERSION 1.6.18-rend-0.1\r\n", true, true },
		{ "HD f0 O1001\r\nHD f0 O1002\r\nVERSION rend\r\n", true, true },
		{ "EN O1001\r\nERROR\r\nVERSION rend\r\n", true, false },
		{ "EN O1001\r\nSERVER_ERROR out of memory\r\nVERSION 1.6.40\r\n", true, false },
		{ "EN O1001\r\nEN O1002\r\nVERSION 1.6.9\r\n", false, false },
		{ "EN O1001\r\nCLIENT_ERROR invalid flag\r\nERROR\r\n", true, false },
		{ "ERROR\r\nERROR\r\nVERSION 1.5.6\r\n", false, false },
		{ "ERROR\r\nEN O1002\r\nERROR\r\n", false, false },
		{ "CLIENT_ERROR what?\r\nERROR\r\nERROR\r\n", false, false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct recvq q = { 0 };
		struct sendq out = { 0 };
		struct probe p;
		struct dialect d;

		assert_int_equal(probe_put(&p, &out), 0);
		feed(&q, rows[i].bytes, strlen(rows[i].bytes));
		for (unsigned k = 0; k < PROBE_QUESTIONS; k++) {
			struct answer a = { 0 };

			assert_int_equal(answer_read(&a, &q, probe_next(&p), WALL), ANSWER_READY);
			assert_int_equal(probe_answered(&p, &a), k == PROBE_QUESTIONS - 1);
			answer_drop(&a);
		}
		d = probe_dialect(&p);
		assert_int_equal(d.meta, rows[i].meta);
		assert_int_equal(d.sets_cas, rows[i].sets_cas);
		recvq_drop(&q);
		sendq_drop(&out);
	}
}

/* Random bytes, and real answers with random changes: no crash, no hang, and what is taken is bounded. */
static void
noise(void **state)
{
	unsigned seed = 20240607;
	size_t taken = 0;

	for (int round = 0; round < 200000; round++) {
		const struct good *g = &goods[(unsigned)rand_r(&seed) % (sizeof goods / sizeof goods[0])];
		struct recvq q = { 0 };
		struct answer a = { 0 };
		char bytes[128];
		size_t len = strlen(g->bytes);

		memcpy(bytes, g->bytes, len);
		for (int changes = rand_r(&seed) % 4; changes >= 0; changes--)
			bytes[(unsigned)rand_r(&seed) % len] = (char)rand_r(&seed);
		feed(&q, bytes, len);
		if (answer_read(&a, &q, g->asked, WALL) == ANSWER_READY)
			taken++;
		assert_true(a.item.value.len <= len);
		answer_drop(&a);
		recvq_drop(&q);
	}
	assert_in_range(taken, 1, 199999);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_answers_cut_anywhere),
		cmocka_unit_test(bad_answers_cut_anywhere),
		cmocka_unit_test(half_an_answer_is_none),
		cmocka_unit_test(many_answers_in_one_read),
		cmocka_unit_test(a_line_without_end),
		cmocka_unit_test(memory_follows_the_bytes),
		cmocka_unit_test(large_values),
		cmocka_unit_test(values_survive_what_comes_after),
		cmocka_unit_test(probe_versions),
		cmocka_unit_test(probe_dialects),
		cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
