/*
 * What a backend answers.  The first byte says what it was asked, the rest is what comes back: at once, and byte by byte, which must
 * make no difference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/memcached/answer.h"
#include "base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

#define WALL 1700000000
#define TOKEN          \
	{              \
		"1007" \
	}

#define MUST(cond)                                                                                \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

#define READ_ALL (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS)
#define KEY	 .key = "kk", .keylen = 2

/* In this order in the corpus. */
static const struct question questions[] = {
	{ .form = FORM_MG, .verb = REND_GET, .token = TOKEN, .want = READ_ALL },
	{ .form = FORM_MG, .verb = REND_GET, .token = TOKEN, .want = REND_WANT_SIZE | REND_WANT_ACCESS },
	{ .form = FORM_MG, .verb = REND_GET, .token = TOKEN, .want = READ_ALL, .mode = REND_IF_CAS, .cas = 9 },
	{ .form = FORM_MG,
	    .verb = REND_GET,
	    .token = TOKEN,
	    .want = READ_ALL,
	    .mode = REND_ALSO_TOUCH,
	    .exptime = WALL + 9 },
	{ .form = FORM_MG, .verb = REND_TOUCH, .token = TOKEN },
	{ .form = FORM_MS, .verb = REND_SET, .token = TOKEN },
	{ .form = FORM_MS, .verb = REND_REPLACE, .token = TOKEN, .mode = REND_IF_CAS },
	{ .form = FORM_MS, .verb = REND_APPEND, .token = TOKEN },
	{ .form = FORM_MD, .verb = REND_DELETE, .token = TOKEN },
	{ .form = FORM_MA, .verb = REND_INCR, .token = TOKEN, .want = REND_WANT_EXPTIME },
	{ .form = FORM_GET, .verb = REND_GET, KEY, .want = READ_ALL },
	{ .form = FORM_STORE, .verb = REND_SET, KEY },
	{ .form = FORM_DELETE, .verb = REND_DELETE, KEY },
	{ .form = FORM_TOUCH, .verb = REND_TOUCH, KEY },
	{ .form = FORM_ARITH, .verb = REND_DECR, KEY },
	{ .form = FORM_FLUSH, .verb = REND_FLUSH_ALL },
	{ .form = FORM_VERSION },
};
#define QUESTIONS (sizeof questions / sizeof *questions)

/* FNV-1a */
static void
note(uint64_t *hash, const void *p, size_t len)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < len; i++)
		*hash = (*hash ^ c[i]) * 0x100000001b3;
}

static void
note_item(uint64_t *hash, const struct rend_item *item)
{
	const uint64_t all[] = { item->value.len, item->flags, item->have, item->signs, (uint64_t)item->exptime,
		(uint64_t)item->last_access, item->cas, item->size, item->number };

	note(hash, all, sizeof all);
	for (unsigned i = 0; i < item->value.nsegs; i++)
		note(hash, rend_value_segs(&item->value)[i].p, rend_value_segs(&item->value)[i].len);
}

/* The answer goes to its op, as link.c gives it. */
static void
give(uint64_t *hash, struct answer *a, const struct question *asked)
{
	struct rend_op op = { .verb = asked->verb, .key = asked->key, .keylen = (uint8_t)asked->keylen };
	const uint64_t said[] = { a->status, a->suspect, a->meta, a->version };
	uint8_t status;

	note(hash, said, sizeof said);
	if (asked->form == FORM_VERSION) {
		answer_drop(a);
		return;
	}
	status = answer_give(a, &op);
	MUST(status < REND_STATUS_COUNT);
	MUST(a->item.value.len == 0);
	note_item(hash, &op.item);
	rend_value_drop(&op.item.value);
}

/* false: the connection would end here. */
static bool
read_all(uint64_t *hash, struct recvq *q, struct answer *a, const struct question *asked)
{
	for (;;) {
		enum answer_parse parse = answer_read(a, q, asked, WALL);

		if (parse == ANSWER_MORE)
			return true;
		note(hash, &parse, sizeof parse);
		if (parse != ANSWER_READY) {
			MUST(a->why != NULL);
			note(hash, a->why, strlen(a->why));
			return false;
		}
		give(hash, a, asked);
	}
}

static uint64_t
hear(const struct question *asked, const uint8_t *p, size_t len, size_t piece)
{
	uint64_t hash = 0xcbf29ce484222325;
	struct recvq q = { 0 };
	struct answer a = { 0 };
	bool more = true;

	for (size_t at = 0; at < len && more;) {
		size_t room, n = piece < len - at ? piece : len - at;
		char *to = recvq_room(&q, &room);

		MUST(to != NULL && room > 0);
		n = n < room ? n : room;
		memcpy(to, p + at, n);
		recvq_took(&q, n);
		at += n;
		more = read_all(&hash, &q, &a, asked);
	}
	answer_drop(&a);
	recvq_drop(&q);
	return hash;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	const struct question *asked;
	uint64_t whole;

	if (len < 1)
		return 0;
	clock_fake(1000000000, WALL);
	asked = &questions[p[0] % QUESTIONS];
	whole = hear(asked, p + 1, len - 1, len);
	MUST(hear(asked, p + 1, len - 1, 1) == whole);
	return 0;
}
