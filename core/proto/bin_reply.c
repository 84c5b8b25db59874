/*
 * memcached's binary protocol: answers to bytes.
 *
 *	GETQ a, GETQ b, GETK c, NOOP ──► [a's flags, value]  (b: a miss, nothing)  [0x01, c]  [NOOP]
 *
 * A quiet request says nothing when all is well, and a quiet get nothing of a miss; whatever fails is said.
 */
#include <string.h>

#include "proto/bin.h"

struct failure {
	uint16_t code;
	uint16_t len;
	const char *text;
};

#define FAIL(code, s)                  \
	{                              \
		code, sizeof(s) - 1, s \
	}

#define IS_MISS	      FAIL(BIN_NOT_FOUND, "Not found")
#define IS_EXISTS     FAIL(BIN_EXISTS, "Data exists for key.")
#define IS_NOT_STORED FAIL(BIN_NOT_STORED, "Not stored.")

/* What each status is, whatever was asked. */
static const struct failure failures[] = {
	[REND_OK] = FAIL(BIN_OK, ""),
	[REND_MISS] = IS_MISS,
	[REND_EXISTS] = IS_EXISTS,
	[REND_NOT_STORED] = IS_NOT_STORED,
	[REND_NOT_A_NUMBER] = FAIL(BIN_NOT_A_NUMBER, "Non-numeric server-side value for incr or decr"),
	[REND_TOO_BIG] = FAIL(BIN_TOO_LARGE, BIN_SAY_TOO_LARGE),
	/* Not OK: the value cannot be read back, not even at once. */
	[REND_NOT_ADMITTED] = FAIL(BIN_NO_MEMORY, "Out of memory"),
	[REND_UNSUPPORTED] = FAIL(BIN_NOT_SUPPORTED, "Not supported"),
	[REND_BUSY] = FAIL(BIN_BUSY, "Backend busy"),
	[REND_TIMEOUT] = FAIL(BIN_TEMPORARY, "Backend timeout"),
	[REND_LOST] = FAIL(BIN_TEMPORARY, "Backend down"),
	[REND_DOWN] = FAIL(BIN_TEMPORARY, "Backend down"),
	[REND_NO_MEMORY] = FAIL(BIN_NO_MEMORY, "Out of memory"),
	[REND_CORRUPT] = FAIL(BIN_INTERNAL, "Backend error"),
	[REND_IO] = FAIL(BIN_INTERNAL, "Backend error"),
};
_Static_assert(sizeof(failures) / sizeof(failures[0]) == REND_STATUS_COUNT, "a status has no words");

/* Where a verb says it differently. */
static const struct failure failures_of[REND_VERB_COUNT][REND_STATUS_COUNT] = {
	[REND_ADD] = { [REND_NOT_STORED] = IS_EXISTS },
	[REND_REPLACE] = { [REND_NOT_STORED] = IS_MISS },
	/* A value that would grow too large is left as it was. */
	[REND_APPEND] = { [REND_MISS] = IS_NOT_STORED, [REND_TOO_BIG] = IS_NOT_STORED },
	[REND_PREPEND] = { [REND_MISS] = IS_NOT_STORED, [REND_TOO_BIG] = IS_NOT_STORED },
};

/* What stands in an answer's header beside what the request gave. */
struct head {
	uint16_t status;
	uint8_t extlen;
	uint8_t keylen;
	size_t bodylen;
	uint64_t cas;
};

/* Returns what is behind it. */
static char *
print_header(char *to, const struct asked *asked, const struct head *h)
{
	to[0] = (char)BIN_RESPONSE;
	to[BIN_AT_OPCODE] = (char)asked->bin.opcode;
	bin_put_u16(to + BIN_AT_KEYLEN, h->keylen);
	bin_put_u16(to + BIN_AT_EXTLEN, (uint16_t)(h->extlen << 8)); /* and the data type, which is always 0 */
	bin_put_u16(to + BIN_AT_STATUS, h->status);
	bin_put_u32(to + BIN_AT_BODYLEN, (uint32_t)h->bodylen);
	memcpy(to + BIN_AT_OPAQUE, &asked->bin.opaque, sizeof(asked->bin.opaque));
	bin_put_u64(to + BIN_AT_CAS, h->cas);
	return to + BIN_HEADER;
}

/* A header with a short body. */
static void
put(struct chain *out, const struct asked *asked, const struct head *h, const void *body)
{
	char *to = chain_room(out, BIN_HEADER + h->bodylen);

	if (to == NULL)
		return;
	to = print_header(to, asked, h);
	memcpy(to, body, h->bodylen);
	chain_took(out, BIN_HEADER + h->bodylen);
}

static void
put_failure(struct chain *out, const struct asked *asked, unsigned status)
{
	const struct failure *f;

	if (status >= REND_STATUS_COUNT)
		status = REND_IO; /* a number that a handler made up */
	f = &failures_of[asked->verb][status];
	if (f->text == NULL)
		f = &failures[status];
	put(out, asked, &(struct head){ .status = f->code, .bodylen = f->len }, f->text);
}

static void
put_ok(struct chain *out, const struct asked *asked, uint64_t cas)
{
	if (!asked->quiet)
		put(out, asked, &(struct head){ .cas = cas }, "");
}

/* ---- get ---- */

/* What the wire's 32 bits say of an exptime. */
static uint32_t
exptime_said(int64_t exptime)
{
	if (exptime < 0)
		return 1;
	return exptime > UINT32_MAX ? UINT32_MAX : (uint32_t)exptime;
}

static void
put_hit(struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	const struct rend_item *item = &op->item;
	bool with_time = op->ask.want & REND_WANT_EXPTIME;
	size_t len = op->ask.want & REND_WANT_VALUE ? item->value.len : 0;
	struct head h = {
		.extlen = with_time ? 8 : 4,
		.keylen = asked->bin.with_key ? op->keylen : 0,
		.cas = item->have & REND_WANT_CAS ? item->cas : 0,
	};
	size_t before = BIN_HEADER + h.extlen + h.keylen;
	bool copied = len <= CHAIN_COPY_MAX;
	char *to, *p;

	h.bodylen = (size_t)h.extlen + h.keylen + len;
	if (h.bodylen > UINT32_MAX) {
		put_failure(out, asked, REND_TOO_BIG);
		return;
	}
	to = chain_room(out, before + (copied ? len : 0));
	if (to == NULL)
		return;
	p = print_header(to, asked, &h);
	bin_put_u32(p, item->flags);
	if (with_time)
		bin_put_u32(p + 4, exptime_said(item->exptime));
	p += h.extlen;
	if (h.keylen > 0)
		p = chain_copy(p, op->key, h.keylen);
	if (copied && len > 0)
		p = chain_copy_value(p, &item->value);
	chain_took(out, (size_t)(p - to));
	if (!copied)
		chain_put_value(out, &item->value);
}

static void
put_miss(struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	if (asked->quiet)
		return;
	if (!asked->bin.with_key) {
		put_failure(out, asked, REND_MISS);
		return;
	}
	put(out, asked, &(struct head){ .status = BIN_NOT_FOUND, .keylen = op->keylen, .bodylen = op->keylen },
	    op->key);
}

static void
reply_get(struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	if (op->status == REND_MISS)
		put_miss(out, asked, op);
	else if (op->status != REND_OK)
		put_failure(out, asked, op->status);
	else if (op->ask.want & ~op->item.have & REND_WANT_EXPTIME)
		put_failure(out, asked, REND_UNSUPPORTED); /* a time that nobody knows must not be read as never */
	else
		put_hit(out, asked, op);
}

/* ---- the others ---- */

/* The version that a write gave its item. */
static uint64_t
version_given(const struct dialog *d, const struct asked *asked, const struct rend_op *op)
{
	bool counts = asked->verb == REND_INCR || asked->verb == REND_DECR;

	return d->limits->cas_enabled && (counts || rend_verb_stores(asked->verb)) ? op->item.cas : 0;
}

static void
reply_number(struct chain *out, const struct asked *asked, const struct rend_op *op, uint64_t cas)
{
	char number[8];

	if (asked->quiet)
		return;
	bin_put_u64(number, op->item.number);
	put(out, asked, &(struct head){ .bodylen = sizeof(number), .cas = cas }, number);
}

static void
reply_op(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	/* After a timeout the handler still has the op and may be filling the item: it is looked at only when it is OK. */
	if (asked->verb == REND_GET)
		reply_get(out, asked, op);
	else if (op->status != REND_OK)
		put_failure(out, asked, op->status);
	else if (asked->verb == REND_INCR || asked->verb == REND_DECR)
		reply_number(out, asked, op, version_given(d, asked, op));
	else
		put_ok(out, asked, version_given(d, asked, op));
}

static void
reply_no_memory(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	put_failure(out, asked, REND_NO_MEMORY);
}

static void
reply_flush_all(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	if (op != NULL && op->status != REND_OK)
		put_failure(out, asked, op->status);
	else
		put_ok(out, asked, 0);
}

static void
reply_refused(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	struct head h = { .status = asked->code, .bodylen = strlen(asked->sentence) };

	put(out, asked, &h, asked->sentence);
}

/* If the older value could not be dropped, that is what the client has to know. */
static void
reply_too_large(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	unsigned status = op == NULL ? REND_OK : op->status;

	put_failure(out, asked, rend_outcome(status) == REND_FAIL ? status : REND_TOO_BIG);
}

static void
reply_version(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	put(out, asked, &(struct head){ .bodylen = sizeof(PROTO_VERSION) - 1 }, PROTO_VERSION);
}

static void
reply_ok(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	put_ok(out, asked, 0);
}

/* What has no function here is answered by the caller. */
static void (*const replies[])(struct dialog *, struct chain *, const struct asked *, const struct rend_op *) = {
	[COMMAND_OP] = reply_op,
	[COMMAND_FLUSH_ALL] = reply_flush_all,
	[COMMAND_REFUSED] = reply_refused,
	[COMMAND_NO_MEMORY] = reply_no_memory,
	[COMMAND_TOO_LARGE] = reply_too_large,
	[COMMAND_VERSION] = reply_version,
	[COMMAND_VERBOSITY] = reply_ok,
	[COMMAND_NOOP] = reply_ok,
	[COMMAND_STATS] = NULL,
	[COMMAND_SHUTDOWN] = NULL,
	[COMMAND_QUIT] = reply_ok,
};

void
bin_reply(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	if (replies[asked->kind] != NULL)
		replies[asked->kind](d, out, asked, op);
}

/* ---- stats ---- */

void
bin_stat(struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *value)
{
	bin_stat_text(d, out, asked, name, value, strlen(value));
}

void
bin_stat_text(
    struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *text, size_t len)
{
	size_t namelen = strnlen(name, UINT8_MAX);
	char header[BIN_HEADER];

	print_header(header, asked, &(struct head){ .keylen = (uint8_t)namelen, .bodylen = namelen + len });
	chain_put(out, header, sizeof(header));
	chain_put(out, name, namelen);
	chain_put(out, text, len);
}

void
bin_stat_end(struct dialog *d, struct chain *out, const struct asked *asked, enum stats_end how)
{
	if (how >= STATS_UNKNOWN)
		put_failure(out, asked, REND_MISS);
	else
		put_ok(out, asked, 0);
}
