/*
 * memcached's meta commands: answers to bytes.
 *
 *	mg k v t Oab ──► VA 5 t30 Oab W\r\nhello\r\n     (a miss: EN Oab\r\n)
 *	ms k 5 c     ──► HD c17\r\n
 */
#include <string.h>

#include "proto/base64.h"
#include "proto/meta.h"
#include "proto/number.h"
#include "proto/text.h"
#include "rend/worker.h"

/* How an answer begins.  Empty: it is a sentence instead. */
static const char codes[REND_VERB_COUNT][REND_STATUS_COUNT][3] = {
	/* The tier works, and has nothing to give. */
	[REND_GET] = { [REND_OK] = "HD",
	    [REND_MISS] = "EN",
	    [REND_EXISTS] = "EN",
	    [REND_NOT_STORED] = "EN",
	    [REND_NOT_A_NUMBER] = "EN",
	    [REND_TOO_BIG] = "EN",
	    [REND_NOT_ADMITTED] = "EN" },
	[REND_SET] = { [REND_OK] = "HD", [REND_MISS] = "NF", [REND_EXISTS] = "EX", [REND_NOT_STORED] = "NS" },
	[REND_ADD] = { [REND_OK] = "HD", [REND_MISS] = "NS", [REND_EXISTS] = "NS", [REND_NOT_STORED] = "NS" },
	[REND_REPLACE] = { [REND_OK] = "HD", [REND_MISS] = "NS", [REND_EXISTS] = "EX", [REND_NOT_STORED] = "NS" },
	/* A value that would grow too large is left as it was. */
	[REND_APPEND] = { [REND_OK] = "HD",
	    [REND_MISS] = "NS",
	    [REND_EXISTS] = "EX",
	    [REND_NOT_STORED] = "NS",
	    [REND_TOO_BIG] = "NS" },
	[REND_PREPEND] = { [REND_OK] = "HD",
	    [REND_MISS] = "NS",
	    [REND_EXISTS] = "EX",
	    [REND_NOT_STORED] = "NS",
	    [REND_TOO_BIG] = "NS" },
	[REND_INCR] = { [REND_OK] = "HD", [REND_MISS] = "NF", [REND_EXISTS] = "EX", [REND_NOT_STORED] = "NS" },
	[REND_DECR] = { [REND_OK] = "HD", [REND_MISS] = "NF", [REND_EXISTS] = "EX", [REND_NOT_STORED] = "NS" },
	[REND_DELETE] = { [REND_OK] = "HD", [REND_MISS] = "NF", [REND_EXISTS] = "EX", [REND_NOT_STORED] = "NS" },
};

static const char *
code_of(unsigned verb, unsigned status)
{
	return status < REND_STATUS_COUNT ? codes[verb][status] : "";
}

/* Does q hide it? */
static bool
is_nominal(const struct asked *asked, unsigned status)
{
	return asked->verb == REND_GET ? status != REND_OK : status == REND_OK;
}

/* ---- flags ---- */

typedef char *tell_f(char *p, const struct asked *asked, const struct rend_op *op);

static char *
put_number(char *p, uint64_t n)
{
	return p + number_print(p, n);
}

static char *
put_key(char *p, const struct asked *asked, const struct rend_op *op)
{
	if (asked->meta.base64)
		return p + base64_encode(op->key, op->keylen, p);
	return chain_copy(p, op->key, op->keylen);
}

/* Seconds that are left; -1: no end is known. */
static char *
put_ttl(char *p, const struct rend_item *item)
{
	int64_t left = item->exptime - rend_wall();

	if (!(item->have & REND_WANT_EXPTIME) || item->exptime == 0) {
		memcpy(p, "-1", 2);
		return p + 2;
	}
	return put_number(p, left > 0 ? (uint64_t)left : 0);
}

static uint64_t
access_of(const struct rend_item *item)
{
	return (item->have & REND_WANT_ACCESS) && item->last_access > 0 ? (uint64_t)item->last_access : 0;
}

static uint64_t
size_of(const struct rend_item *item)
{
	return item->have & REND_WANT_SIZE ? item->size : item->value.len;
}

/* A get says whether it knows the version; a verb that changes it gives the new one, or 0. */
static uint64_t
version_of(const struct asked *asked, const struct rend_op *op)
{
	if (op->status != REND_OK || (asked->verb == REND_GET && !(op->item.have & REND_WANT_CAS)))
		return 0;
	return op->item.cas;
}

static char *
tell_version(char *p, const struct asked *asked, const struct rend_op *op)
{
	return put_number(p, version_of(asked, op));
}

static char *
tell_flags(char *p, const struct asked *asked, const struct rend_op *op)
{
	return put_number(p, op->item.flags);
}

static char *
tell_hit(char *p, const struct asked *asked, const struct rend_op *op)
{
	*p = op->item.signs & REND_HIT_BEFORE ? '1' : '0';
	return p + 1;
}

static char *
tell_key(char *p, const struct asked *asked, const struct rend_op *op)
{
	p = put_key(p, asked, op);
	if (!asked->meta.base64)
		return p;
	memcpy(p, " b", 2);
	return p + 2;
}

static char *
tell_access(char *p, const struct asked *asked, const struct rend_op *op)
{
	return put_number(p, access_of(&op->item));
}

static char *
tell_opaque(char *p, const struct asked *asked, const struct rend_op *op)
{
	memcpy(p, asked->meta.opaque, asked->meta.opaque_len);
	return p + asked->meta.opaque_len;
}

/* What was not stored has the size that was sent. */
static char *
tell_size(char *p, const struct asked *asked, const struct rend_op *op)
{
	return put_number(p, op->status == REND_OK ? size_of(&op->item) : op->item.value.len);
}

static char *
tell_ttl(char *p, const struct asked *asked, const struct rend_op *op)
{
	return put_ttl(p, &op->item);
}

static const struct {
	tell_f *tell;
	bool always; /* not only of an item that is there */
} tellers['z' + 1] = {
	['O'] = { tell_opaque, true },
	['c'] = { tell_version, false },
	['f'] = { tell_flags, false },
	['h'] = { tell_hit, false },
	['k'] = { tell_key, true },
	['l'] = { tell_access, false },
	['s'] = { tell_size, false },
	['t'] = { tell_ttl, false },
};

/* "W", "X", "Z" */
static char *
put_signs(char *p, uint32_t signs)
{
	static const struct {
		uint32_t sign;
		char letter;
	} letters[] = { { REND_SENT, 'Z' }, { REND_STALE, 'X' }, { REND_WON, 'W' } };

	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (signs & letters[i].sign) {
			*p++ = ' ';
			*p++ = letters[i].letter;
		}
	return p;
}

static char *
put_flags(char *p, const struct asked *asked, const struct rend_op *op)
{
	bool all = op->status == REND_OK || rend_verb_stores(asked->verb);

	for (unsigned i = 0; i < asked->meta.count; i++) {
		unsigned char c = (unsigned char)asked->meta.returns[i];

		if (!all && !tellers[c].always)
			continue;
		*p++ = ' ';
		*p++ = (char)c;
		p = tellers[c].tell(p, asked, op);
	}
	return p;
}

/* ---- lines ---- */

/* "VA bytes", signs and the line end; then, for each flag, its letter and a number; the key and the opaque */
#define HEAD_MAX    (sizeof("VA  Z X W\r\n") - 1 + NUMBER_MAX)
#define HEAD_FLAG   (2 + NUMBER_MAX)
#define HEAD_ECHOED (2 + BASE64_LEN(REND_KEY_MAX) + 2 + 2 + META_OPAQUE_MAX)
_Static_assert(HEAD_MAX + META_RETURNS_MAX * HEAD_FLAG + HEAD_ECHOED + CHAIN_COPY_MAX + 2 <= CHAIN_ROOM_MAX,
    "an answer to a meta command does not fit");

static size_t
head_room(const struct asked *asked)
{
	return HEAD_MAX + (asked->meta.count == 0 ? 0 : asked->meta.count * HEAD_FLAG + HEAD_ECHOED);
}

static char *
put_end(char *p)
{
	memcpy(p, "\r\n", 2);
	return p + 2;
}

/* "HD", or another of the codes, or "VA bytes" */
static char *
put_code(char *p, const char *code, bool brings, size_t len)
{
	memcpy(p, brings ? "VA" : code, 2);
	p += 2;
	if (!brings)
		return p;
	*p++ = ' ';
	return put_number(p, len);
}

static void
reply_get(struct chain *out, const struct asked *asked, const struct rend_op *op, const char *code)
{
	const struct rend_value *v = &op->item.value;
	bool hit = op->status == REND_OK;
	/* Asked for, and not left out because the client has it. */
	bool brings = hit && asked->meta.value && (op->item.have & REND_WANT_VALUE);
	bool copied = brings && v->len <= CHAIN_COPY_MAX;
	char *to = chain_room(out, head_room(asked) + (copied ? v->len + 2 : 0));
	char *p;

	if (to == NULL)
		return;
	p = put_code(to, code, brings, v->len);
	p = put_flags(p, asked, op);
	if (hit)
		p = put_signs(p, op->item.signs);
	p = put_end(p);
	if (copied) {
		p = chain_copy_value(p, v);
		p = put_end(p);
	}
	chain_took(out, (size_t)(p - to));
	if (brings && !copied) {
		chain_put_value(out, v);
		CHAIN_LITERAL(out, "\r\n");
	}
}

static void
reply_write(struct chain *out, const struct asked *asked, const struct rend_op *op, const char *code)
{
	bool counts = asked->verb == REND_INCR || asked->verb == REND_DECR;
	bool brings = counts && asked->meta.value && op->status == REND_OK;
	char number[NUMBER_MAX];
	size_t len = brings ? number_print(number, op->item.number) : 0;
	char *to = chain_room(out, head_room(asked) + NUMBER_MAX + 2);
	char *p;

	if (to == NULL)
		return;
	p = put_code(to, code, brings, len);
	p = put_flags(p, asked, op);
	p = put_end(p);
	if (brings) {
		memcpy(p, number, len);
		p = put_end(p + len);
	}
	chain_took(out, (size_t)(p - to));
}

static char *
put_words(char *p, const char *words)
{
	size_t len = strlen(words);

	memcpy(p, words, len);
	return p + len;
}

/* There are no slabs: all is of class 1, and the size is the value's. */
static void
reply_debug(struct chain *out, const struct asked *asked, const struct rend_op *op, const char *code)
{
	static const char words[] = "ME  exp= la= cas= fetch=yes cls=1 size=\r\n";
	const struct rend_item *item = &op->item;
	char *to, *p;

	if (op->status != REND_OK) {
		chain_put(out, code, 2);
		CHAIN_LITERAL(out, "\r\n");
		return;
	}
	to = chain_room(out, sizeof(words) + BASE64_LEN(REND_KEY_MAX) + 4 * NUMBER_MAX);
	if (to == NULL)
		return;
	p = put_words(to, "ME ");
	p = put_key(p, asked, op);
	p = put_ttl(put_words(p, " exp="), item);
	p = put_number(put_words(p, " la="), access_of(item));
	p = put_number(put_words(p, " cas="), version_of(asked, op));
	p = put_words(p, item->signs & REND_HIT_BEFORE ? " fetch=yes" : " fetch=no");
	p = put_number(put_words(p, " cls=1 size="), size_of(item));
	p = put_end(p);
	chain_took(out, (size_t)(p - to));
}

static void
reply_op(struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	const char *code = code_of(asked->verb, op->status);

	if (*code == '\0')
		text_say(out, asked->verb, op->status);
	else if (asked->quiet && is_nominal(asked, op->status))
		return;
	else if (asked->meta.debug)
		reply_debug(out, asked, op, code);
	else if (asked->verb == REND_GET)
		reply_get(out, asked, op, code);
	else
		reply_write(out, asked, op, code);
}

static void
reply_refused(struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	chain_put(out, asked->sentence, strlen(asked->sentence));
}

static void
reply_no_memory(struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	text_say(out, asked->verb, REND_NO_MEMORY);
}

/* If the older value could not be dropped, that is what the client has to know. */
static void
reply_too_large(struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	unsigned status = op == NULL ? REND_OK : op->status;

	text_say(out, REND_SET, rend_outcome(status) == REND_FAIL ? status : REND_TOO_BIG);
}

static void
reply_noop(struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	CHAIN_LITERAL(out, "MN\r\n");
}

void
meta_reply(struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	static void (*const replies[])(struct chain *, const struct asked *, const struct rend_op *) = {
		[COMMAND_OP] = reply_op,
		[COMMAND_REFUSED] = reply_refused,
		[COMMAND_NO_MEMORY] = reply_no_memory,
		[COMMAND_TOO_LARGE] = reply_too_large,
		[COMMAND_NOOP] = reply_noop,
	};

	replies[asked->kind](out, asked, op);
}
