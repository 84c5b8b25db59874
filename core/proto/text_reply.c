/*
 * memcached's text protocol: answers to bytes.
 *
 *	get a b c ──► VALUE a 0 5\r\nhello\r\n  (b: a miss, nothing)  VALUE c ...  END\r\n
 *	                                         (b: could not say)    VALUE c ...  SERVER_ERROR backend timeout\r\n
 */
#include <string.h>

#include "proto/meta.h"
#include "proto/number.h"
#include "proto/text.h"

struct sentence {
	const char *p;
	size_t len;
};

#define SAY(s)                                 \
	{                                      \
		s "\r\n", sizeof(s "\r\n") - 1 \
	}

#define OUT_OF_MEMORY	  "SERVER_ERROR out of memory"
#define NO_ROOM_FOR_VALUE "SERVER_ERROR out of memory storing object"

/* What each status is, whatever was asked. */
static const struct sentence said[] = {
	[REND_OK] = SAY("OK"),
	[REND_MISS] = SAY("NOT_FOUND"),
	[REND_EXISTS] = SAY("EXISTS"),
	[REND_NOT_STORED] = SAY("NOT_STORED"),
	[REND_NOT_A_NUMBER] = SAY("CLIENT_ERROR cannot increment or decrement non-numeric value"),
	[REND_TOO_BIG] = { TEXT_TOO_LARGE, sizeof(TEXT_TOO_LARGE) - 1 },
	/* Not STORED: the value cannot be read back, not even at once. */
	[REND_NOT_ADMITTED] = SAY(NO_ROOM_FOR_VALUE),
	[REND_UNSUPPORTED] = SAY("SERVER_ERROR not supported"),
	[REND_BUSY] = SAY("SERVER_ERROR backend busy"),
	[REND_TIMEOUT] = SAY("SERVER_ERROR backend timeout"),
	[REND_LOST] = SAY("SERVER_ERROR backend down"),
	[REND_DOWN] = SAY("SERVER_ERROR backend down"),
	[REND_NO_MEMORY] = SAY(OUT_OF_MEMORY),
	[REND_CORRUPT] = SAY("SERVER_ERROR backend error"),
	[REND_IO] = SAY("SERVER_ERROR backend error"),
};
_Static_assert(sizeof(said) / sizeof(said[0]) == REND_STATUS_COUNT, "a status has no sentence");

/* Where a verb says it differently. */
static const struct sentence said_of[REND_VERB_COUNT][REND_STATUS_COUNT] = {
	[REND_GET] = { [REND_NO_MEMORY] = SAY("SERVER_ERROR out of memory writing get response") },
	[REND_SET] = { [REND_OK] = SAY("STORED"), [REND_NO_MEMORY] = SAY(NO_ROOM_FOR_VALUE) },
	[REND_ADD] = { [REND_OK] = SAY("STORED"),
	    [REND_EXISTS] = SAY("NOT_STORED"),
	    [REND_NO_MEMORY] = SAY(NO_ROOM_FOR_VALUE) },
	[REND_REPLACE] = { [REND_OK] = SAY("STORED"),
	    [REND_MISS] = SAY("NOT_STORED"),
	    [REND_NO_MEMORY] = SAY(NO_ROOM_FOR_VALUE) },
	/* A value that would grow too large is left as it was. */
	[REND_APPEND] = { [REND_OK] = SAY("STORED"),
	    [REND_MISS] = SAY("NOT_STORED"),
	    [REND_TOO_BIG] = SAY("NOT_STORED"),
	    [REND_NO_MEMORY] = SAY(NO_ROOM_FOR_VALUE) },
	[REND_PREPEND] = { [REND_OK] = SAY("STORED"),
	    [REND_MISS] = SAY("NOT_STORED"),
	    [REND_TOO_BIG] = SAY("NOT_STORED"),
	    [REND_NO_MEMORY] = SAY(NO_ROOM_FOR_VALUE) },
	[REND_INCR] = { [REND_NOT_ADMITTED] = SAY(OUT_OF_MEMORY) },
	[REND_DECR] = { [REND_NOT_ADMITTED] = SAY(OUT_OF_MEMORY) },
	[REND_DELETE] = { [REND_OK] = SAY("DELETED") },
	[REND_TOUCH] = { [REND_OK] = SAY("TOUCHED") },
};

void
text_say(struct chain *out, unsigned verb, unsigned status)
{
	const struct sentence *s;

	if (status >= REND_STATUS_COUNT)
		status = REND_IO; /* a number that a handler made up */
	s = &said_of[verb][status];
	if (s->p == NULL)
		s = &said[status];
	chain_put(out, s->p, s->len);
}

/* ---- get ---- */

#define END "END\r\n"

/* "VALUE key flags bytes [cas]\r\n" without the key */
#define HEADER_MAX (sizeof("VALUE    \r\n") - 1 + 3 * NUMBER_MAX)

static char *
print_header(char *to, const struct asked *asked, const struct rend_op *op)
{
	char *p = to;

	memcpy(p, "VALUE ", 6);
	p += 6;
	p = chain_copy(p, op->key, op->keylen);
	*p++ = ' ';
	p += number_print(p, op->item.flags);
	*p++ = ' ';
	p += number_print(p, op->item.value.len);
	if (asked->with_cas) {
		*p++ = ' ';
		p += number_print(p, op->item.have & REND_WANT_CAS ? op->item.cas : 0);
	}
	*p++ = '\r';
	*p++ = '\n';
	return p;
}

static void
put_value(struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	const struct rend_value *v = &op->item.value;
	bool copied = v->len <= CHAIN_COPY_MAX;
	char *to = chain_room(out, HEADER_MAX + op->keylen + (copied ? v->len + 2 : 0));
	char *p;

	if (to == NULL)
		return;
	p = print_header(to, asked, op);
	if (copied) {
		p = chain_copy_value(p, v);
		*p++ = '\r';
		*p++ = '\n';
	}
	chain_took(out, (size_t)(p - to));
	if (copied)
		return;
	chain_put_value(out, v);
	CHAIN_LITERAL(out, "\r\n");
}

static void
reply_get(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	uint8_t status = op == NULL ? REND_NO_MEMORY : op->status;

	if (status == REND_OK)
		put_value(out, asked, op);
	else if (rend_outcome(status) == REND_FAIL && d->failed == REND_OK)
		d->failed = status;
	if (!asked->last)
		return;
	if (d->failed == REND_OK)
		CHAIN_LITERAL(out, END);
	else
		text_say(out, REND_GET, d->failed);
	d->failed = REND_OK;
}

/* ---- the others ---- */

static void
reply_number(struct chain *out, const struct rend_op *op)
{
	char line[NUMBER_MAX + 2];
	size_t len = number_print(line, op->item.number);

	memcpy(line + len, "\r\n", 2);
	chain_put(out, line, len + 2);
}

static void
reply_op(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	if (asked->verb == REND_GET)
		reply_get(d, out, asked, op);
	else if ((asked->verb == REND_INCR || asked->verb == REND_DECR) && op->status == REND_OK)
		reply_number(out, op);
	else
		text_say(out, asked->verb, op->status);
}

static void
reply_no_memory(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	if (asked->verb == REND_GET)
		reply_get(d, out, asked, NULL);
	else
		text_say(out, asked->verb, REND_NO_MEMORY);
}

static void
reply_flush_all(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	text_say(out, REND_FLUSH_ALL, op == NULL ? REND_OK : op->status);
}

static void
reply_refused(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	chain_put(out, asked->sentence, strlen(asked->sentence));
}

/* If the older value could not be dropped, that is what the client has to know. */
static void
reply_too_large(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	unsigned status = op == NULL ? REND_OK : op->status;

	text_say(out, asked->verb, rend_outcome(status) == REND_FAIL ? status : REND_TOO_BIG);
}

static void
reply_version(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	CHAIN_LITERAL(out, "VERSION " PROTO_VERSION "\r\n");
}

static void
reply_verbosity(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	CHAIN_LITERAL(out, "OK\r\n");
}

/* What has no function here is answered with nothing: by closing, or by the caller. */
static void (*const replies[])(struct dialog *, struct chain *, const struct asked *, const struct rend_op *) = {
	[COMMAND_OP] = reply_op,
	[COMMAND_FLUSH_ALL] = reply_flush_all,
	[COMMAND_REFUSED] = reply_refused,
	[COMMAND_NO_MEMORY] = reply_no_memory,
	[COMMAND_TOO_LARGE] = reply_too_large,
	[COMMAND_VERSION] = reply_version,
	[COMMAND_VERBOSITY] = reply_verbosity,
	[COMMAND_STATS] = NULL,
	[COMMAND_SHUTDOWN] = NULL,
	[COMMAND_QUIT] = NULL,
};

void
text_reply(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	if (asked->form == FORM_META) {
		meta_reply(out, asked, op);
		return;
	}
	if (!asked->quiet && replies[asked->kind] != NULL)
		replies[asked->kind](d, out, asked, op);
}

void
text_stat(struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *value)
{
	CHAIN_LITERAL(out, "STAT ");
	chain_put(out, name, strlen(name));
	CHAIN_LITERAL(out, " ");
	chain_put(out, value, strlen(value));
	CHAIN_LITERAL(out, "\r\n");
}

void
text_stat_text(
    struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *text, size_t len)
{
	chain_put(out, text, len);
}

void
text_stat_end(struct dialog *d, struct chain *out, const struct asked *asked, enum stats_end how)
{
	static const struct sentence ends[] = {
		[STATS_END] = SAY("END"),
		[STATS_RESET] = SAY("RESET"),
		[STATS_OK] = SAY("OK"),
		[STATS_SAID] = { "", 0 },
		[STATS_UNKNOWN] = SAY("ERROR"),
		[STATS_DETAIL_USAGE] = SAY("CLIENT_ERROR usage: stats detail on|off|dump"),
		[STATS_NO_CACHEDUMP] = SAY("CLIENT_ERROR stats cachedump not allowed"),
	};

	chain_put(out, ends[how].p, ends[how].len);
}
