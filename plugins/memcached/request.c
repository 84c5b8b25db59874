/* Ops as a backend wants to read them. */
#include "request.h"

#include <string.h>

#include "pen.h"

#define RELATIVE_MAX (60 * 60 * 24 * 30)

/* memcached reads a time as 32 bits with a sign: what is beyond is gone at once, or refused by newer ones. */
#define ABSOLUTE_MAX INT32_MAX

/* memcached's limit for a key as it stands in a line. */
#define KEY_LINE_MAX 250

/* A line: a verb, a key, at most twelve numbers with a letter and a space, and what is copied behind the last one. */
#define LINE_MAX_BYTES (32 + KEY_LINE_MAX + 12 * 23 + NUMBER_MAX_BYTES)

struct writing {
	struct pen pen;
	const struct rend_op *op;
	int64_t wall;
	bool base64; /* the key is written so */
	bool sets_cas;
};

/* " F5" */
static void
pen_flag(struct pen *pen, char letter, uint64_t n)
{
	*pen->p++ = ' ';
	*pen->p++ = letter;
	pen_number(pen, n);
}

/* " T100" */
static void
pen_ttl(struct writing *w, const char *flag, int64_t exptime)
{
	pen_word(&w->pen, flag);
	pen_signed(&w->pen, request_exptime(exptime, w->wall));
}

#define EACH_BYTE(b) (UINT64_MAX / 255 * (b))

/* Of eight bytes: not 0 if any of them is a control character, a space or 0x7f. */
static uint64_t
odd_of_eight(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof x);
	return ((x - EACH_BYTE(' ' + 1)) | ((x ^ EACH_BYTE(0x7f)) - EACH_BYTE(1))) & ~x & EACH_BYTE(0x80);
}

/* A space or a line end inside a key would be read as another command. */
static bool
key_is_plain(const struct rend_op *op)
{
	size_t i, len = op->keylen;
	uint64_t odd;

	if (len >= 8) {
		odd = odd_of_eight(op->key + len - 8);
		for (i = 0; i + 8 < len; i += 8)
			odd |= odd_of_eight(op->key + i);
		return odd == 0;
	}
	for (i = 0; i < len; i++)
		if ((unsigned char)op->key[i] <= ' ' || op->key[i] == 0x7f)
			return false;
	return true;
}

/* " key" */
static void
pen_key(struct writing *w)
{
	*w->pen.p++ = ' ';
	if (w->base64)
		pen_base64(&w->pen, w->op->key, w->op->keylen);
	else
		pen_bytes(&w->pen, w->op->key, w->op->keylen);
}

static void
pen_if_cas(struct writing *w)
{
	if (w->op->ask.mode & REND_IF_CAS)
		pen_flag(&w->pen, 'C', w->op->ask.cas);
}

/* Does it give an item a version of the client's own?  A get does only where it makes one, a delete where it leaves one. */
static bool
gives_version(const struct rend_op *op)
{
	if (op->ask.cas_new == 0 || op->verb == REND_TOUCH)
		return false;
	if (op->verb == REND_GET)
		return op->ask.mode & REND_VIVIFY;
	if (op->verb == REND_DELETE)
		return op->ask.mode & (REND_INVALIDATE | REND_DROP_VALUE);
	return true;
}

/* Does its answer say which version it is? */
static bool
is_told_version(const struct rend_op *op)
{
	return op->verb == REND_GET && (op->ask.want & REND_WANT_CAS);
}

static void
pen_new_cas(struct writing *w)
{
	if (gives_version(w->op) && w->sets_cas)
		pen_flag(&w->pen, 'E', w->op->ask.cas_new);
}

static void
pen_touch(struct writing *w)
{
	if (w->op->ask.mode & REND_ALSO_TOUCH)
		pen_ttl(w, " T", w->op->ask.exptime);
}

static void
pen_vivify(struct writing *w)
{
	if (w->op->ask.mode & REND_VIVIFY)
		pen_ttl(w, " N", w->op->ask.vivify);
}

static void
pen_invalidate(struct writing *w)
{
	if (w->op->ask.mode & REND_INVALIDATE)
		PEN_LITERAL(&w->pen, " I");
}

int64_t
request_exptime(int64_t exptime, int64_t wall)
{
	if (exptime == 0)
		return 0;
	if (exptime <= wall)
		return -1;
	if (exptime - wall <= RELATIVE_MAX)
		return exptime - wall;
	return exptime < ABSOLUTE_MAX ? exptime : ABSOLUTE_MAX;
}

static bool
appends(unsigned verb)
{
	return verb == REND_APPEND || verb == REND_PREPEND;
}

/* ---- meta ---- */

/* What a get does beside. */
static void
meta_get_modes(struct writing *w)
{
	const struct rend_ask *ask = &w->op->ask;

	/* T stands first: memcached reports the time as it is when it comes to the t. */
	pen_touch(w);
	pen_vivify(w);
	pen_new_cas(w);
	/* Seconds from now, but what memcached would take for unix time is sent as that. */
	if (ask->mode & REND_RECACHE)
		pen_ttl(w, " R", ask->recache <= 0 ? 0 : w->wall + ask->recache);
	if (ask->mode & REND_NO_BUMP)
		PEN_LITERAL(&w->pen, " u");
}

static void
meta_get(struct writing *w)
{
	const struct rend_ask *ask = &w->op->ask;

	PEN_LITERAL(&w->pen, "mg");
	pen_key(w);
	if (ask->mode != 0)
		meta_get_modes(w);
	if (ask->want & REND_WANT_VALUE)
		PEN_LITERAL(&w->pen, " v");
	PEN_LITERAL(&w->pen, " f");
	if ((ask->want & REND_WANT_CAS) || (ask->mode & REND_IF_CAS))
		PEN_LITERAL(&w->pen, " c");
	if (ask->want & REND_WANT_EXPTIME)
		PEN_LITERAL(&w->pen, " t");
	if ((ask->want & REND_WANT_SIZE) && !(ask->want & REND_WANT_VALUE))
		PEN_LITERAL(&w->pen, " s");
	if (ask->want & REND_WANT_ACCESS)
		PEN_LITERAL(&w->pen, " l h");
}

static void
meta_store(struct writing *w)
{
	static const char *const modes[REND_VERB_COUNT] = {
		[REND_ADD] = " ME",
		[REND_REPLACE] = " MR",
		[REND_APPEND] = " MA",
		[REND_PREPEND] = " MP",
	};
	const struct rend_item *item = &w->op->item;

	PEN_LITERAL(&w->pen, "ms");
	pen_key(w);
	*w->pen.p++ = ' ';
	pen_number(&w->pen, item->value.len);
	if (modes[w->op->verb] != NULL)
		pen_word(&w->pen, modes[w->op->verb]);
	/* An append leaves flags and time as they are. */
	if (item->flags != 0 && !appends(w->op->verb))
		pen_flag(&w->pen, 'F', item->flags);
	if (item->exptime != 0 && !appends(w->op->verb))
		pen_ttl(w, " T", item->exptime);
	pen_vivify(w);
	pen_invalidate(w);
	pen_if_cas(w);
	pen_new_cas(w);
	PEN_LITERAL(&w->pen, " c");
}

static void
meta_arith(struct writing *w)
{
	PEN_LITERAL(&w->pen, "ma");
	pen_key(w);
	if (w->op->verb == REND_DECR)
		PEN_LITERAL(&w->pen, " MD");
	pen_flag(&w->pen, 'D', w->op->ask.delta);
	if (w->op->ask.mode & REND_VIVIFY)
		pen_flag(&w->pen, 'J', w->op->ask.initial);
	pen_vivify(w);
	pen_touch(w);
	pen_if_cas(w);
	pen_new_cas(w);
	PEN_LITERAL(&w->pen, " v c");
	if (w->op->ask.want & REND_WANT_EXPTIME)
		PEN_LITERAL(&w->pen, " t");
}

static void
meta_delete(struct writing *w)
{
	PEN_LITERAL(&w->pen, "md");
	pen_key(w);
	pen_invalidate(w);
	pen_touch(w);
	if (w->op->ask.mode & REND_DROP_VALUE)
		PEN_LITERAL(&w->pen, " x");
	pen_if_cas(w);
	pen_new_cas(w);
}

static void
meta_touch(struct writing *w)
{
	PEN_LITERAL(&w->pen, "mg");
	pen_key(w);
	pen_ttl(w, " T", w->op->ask.exptime);
	PEN_LITERAL(&w->pen, " f");
}

/* ---- classic ---- */

static void
text_get(struct writing *w)
{
	bool cas = (w->op->ask.want & REND_WANT_CAS) || (w->op->ask.mode & REND_IF_CAS);

	if (w->op->ask.mode & REND_ALSO_TOUCH) {
		pen_word(&w->pen, cas ? "gats" : "gat");
		pen_ttl(w, " ", w->op->ask.exptime);
		pen_key(w);
		return;
	}
	pen_word(&w->pen, cas ? "gets" : "get");
	pen_key(w);
}

static void
text_store(struct writing *w)
{
	const struct rend_item *item = &w->op->item;
	bool cas = (w->op->ask.mode & REND_IF_CAS) != 0;

	pen_word(&w->pen, cas ? "cas" : rend_verb_name(w->op->verb));
	pen_key(w);
	*w->pen.p++ = ' ';
	pen_number(&w->pen, item->flags);
	pen_ttl(w, " ", item->exptime);
	*w->pen.p++ = ' ';
	pen_number(&w->pen, item->value.len);
	if (!cas)
		return;
	*w->pen.p++ = ' ';
	pen_number(&w->pen, w->op->ask.cas);
}

static void
text_arith(struct writing *w)
{
	pen_word(&w->pen, w->op->verb == REND_INCR ? "incr" : "decr");
	pen_key(w);
	*w->pen.p++ = ' ';
	pen_number(&w->pen, w->op->ask.delta);
}

static void
text_delete(struct writing *w)
{
	PEN_LITERAL(&w->pen, "delete");
	pen_key(w);
}

static void
text_touch(struct writing *w)
{
	PEN_LITERAL(&w->pen, "touch");
	pen_key(w);
	pen_ttl(w, " ", w->op->ask.exptime);
}

static void
any_flush(struct writing *w)
{
	PEN_LITERAL(&w->pen, "flush_all");
}

/* ---- which is which ---- */

struct request_row {
	void (*write)(struct writing *w);
	uint16_t form;
	uint32_t modes; /* REND_IF_CAS, ...: what it can say */
};

#define IF_CAS	   REND_IF_CAS
#define TOUCH	   REND_ALSO_TOUCH
#define VIVIFY	   REND_VIVIFY
#define INVALIDATE REND_INVALIDATE

static const struct request_row rows[2][REND_VERB_COUNT] = {
	{
	    [REND_GET] = { text_get, FORM_GET, IF_CAS | TOUCH },
	    [REND_SET] = { text_store, FORM_STORE, IF_CAS },
	    [REND_ADD] = { text_store, FORM_STORE, 0 },
	    [REND_REPLACE] = { text_store, FORM_STORE, 0 },
	    [REND_APPEND] = { text_store, FORM_STORE, 0 },
	    [REND_PREPEND] = { text_store, FORM_STORE, 0 },
	    [REND_INCR] = { text_arith, FORM_ARITH, 0 },
	    [REND_DECR] = { text_arith, FORM_ARITH, 0 },
	    [REND_DELETE] = { text_delete, FORM_DELETE, 0 },
	    [REND_TOUCH] = { text_touch, FORM_TOUCH, TOUCH },
	    [REND_FLUSH_ALL] = { any_flush, FORM_FLUSH, REND_ONLY_PART },
	},
	{
	    [REND_GET] = { meta_get, FORM_MG, IF_CAS | TOUCH | VIVIFY | REND_RECACHE | REND_NO_BUMP },
	    [REND_SET] = { meta_store, FORM_MS, IF_CAS | INVALIDATE },
	    [REND_ADD] = { meta_store, FORM_MS, IF_CAS | INVALIDATE },
	    [REND_REPLACE] = { meta_store, FORM_MS, IF_CAS | INVALIDATE },
	    [REND_APPEND] = { meta_store, FORM_MS, IF_CAS | INVALIDATE | VIVIFY },
	    [REND_PREPEND] = { meta_store, FORM_MS, IF_CAS | INVALIDATE | VIVIFY },
	    [REND_INCR] = { meta_arith, FORM_MA, IF_CAS | TOUCH | VIVIFY },
	    [REND_DECR] = { meta_arith, FORM_MA, IF_CAS | TOUCH | VIVIFY },
	    [REND_DELETE] = { meta_delete, FORM_MD, IF_CAS | TOUCH | INVALIDATE | REND_DROP_VALUE },
	    [REND_TOUCH] = { meta_touch, FORM_MG, TOUCH },
	    [REND_FLUSH_ALL] = { any_flush, FORM_FLUSH, REND_ONLY_PART },
	},
};

static bool
key_fits(const struct writing *w, struct dialect dialect)
{
	size_t len = w->op->keylen;

	if (len == 0 || len > KEY_LINE_MAX)
		return false;
	return !w->base64 || (dialect.meta && base64_len(len) <= KEY_LINE_MAX);
}

/* Can it be asked to do what it is to do beside? */
static bool
can_do(const struct request_row *row, const struct rend_op *op, struct dialect dialect)
{
	if (op->ask.mode & ~row->modes)
		return false;
	/* Older ones take the N of an append for granted and do nothing. */
	if (appends(op->verb) && (op->ask.mode & VIVIFY) && !dialect.sets_cas)
		return false;
	/* A version that was asked for and not given would be a lie to whoever compares it later, unless he is told. */
	return !gives_version(op) || is_told_version(op) || dialect.sets_cas;
}

static bool
can_say(const struct request_row *row, const struct writing *w, struct dialect dialect)
{
	const struct rend_op *op = w->op;

	if (row->write == NULL)
		return false;
	if ((op->ask.mode != 0 || op->ask.cas_new != 0) && !can_do(row, op, dialect))
		return false;
	return op->verb == REND_FLUSH_ALL || key_fits(w, dialect);
}

static bool
is_copied(const struct rend_value *value)
{
	return value->len <= SENDQ_COPY_MAX;
}

/* What is to be stored comes behind its line, which began at start.  Returns where what is not in the queue yet begins. */
static char *
put_value(struct sendq *q, struct pen *pen, char *start, const struct rend_value *value)
{
	if (is_copied(value)) {
		pen->p += rend_value_copy_out(value, 0, pen->p, value->len);
	} else {
		start = pen->p = sendq_wrote(q, (size_t)(pen->p - start));
		sendq_value(q, value);
	}
	PEN_LITERAL(pen, "\r\n");
	return start;
}

/* " O1234\r\n" */
static void
pen_token(struct pen *pen, struct token token)
{
	PEN_LITERAL(pen, " O");
	pen_bytes(pen, token.digits, sizeof token.digits);
	PEN_LITERAL(pen, "\r\n");
}

static enum rend_status
put(struct sendq *q, const struct request_row *row, struct writing *w, struct token token)
{
	const struct rend_value *value = rend_verb_stores(w->op->verb) ? &w->op->item.value : NULL;
	char *start = sendq_begin(
	    q, LINE_MAX_BYTES + SENDQ_COPY_MAX + 2, value != NULL && !is_copied(value) ? value->nsegs : 0);

	if (start == NULL)
		return REND_NO_MEMORY;
	w->pen.p = start;
	row->write(w);
	if (w->base64)
		PEN_LITERAL(&w->pen, " b");
	if (row->form & FORM_META)
		pen_token(&w->pen, token);
	else
		PEN_LITERAL(&w->pen, "\r\n");
	if (value != NULL)
		start = put_value(q, &w->pen, start, value);
	sendq_wrote(q, (size_t)(w->pen.p - start));
	return REND_OK;
}

/* What is asked most is a value, with nothing to be done beside. */
static bool
is_plain_get(const struct rend_op *op)
{
	const uint32_t wants = REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_ACCESS;

	return op->verb == REND_GET && op->ask.mode == 0 && (op->ask.want & wants) == REND_WANT_VALUE;
}

/* As put() of meta_get(), in one go. */
static enum rend_status
put_plain_get(struct sendq *q, const struct rend_op *op, struct token token)
{
	char *start = sendq_begin(q, LINE_MAX_BYTES, 0);
	struct pen pen = { start };

	if (start == NULL)
		return REND_NO_MEMORY;
	PEN_LITERAL(&pen, "mg ");
	pen_bytes(&pen, op->key, op->keylen);
	PEN_LITERAL(&pen, " v f");
	if (op->ask.want & REND_WANT_CAS)
		PEN_LITERAL(&pen, " c");
	pen_token(&pen, token);
	sendq_wrote(q, (size_t)(pen.p - start));
	return REND_OK;
}

enum rend_status
request_put(struct sendq *q, const struct rend_op *op, struct dialect dialect, struct token token, int64_t wall,
    struct question *asked)
{
	const struct request_row *row = &rows[dialect.meta][op->verb];
	struct writing w = { .op = op, .wall = wall, .base64 = !key_is_plain(op), .sets_cas = dialect.sets_cas };
	enum rend_status status;

	if (!can_say(row, &w, dialect))
		return REND_UNSUPPORTED;
	if (row->form == FORM_MG && is_plain_get(op) && !w.base64)
		status = put_plain_get(q, op, token);
	else
		status = put(q, row, &w, token);
	if (status != REND_OK)
		return status;
	*asked = (struct question){
		.form = row->form,
		.verb = op->verb,
		.token = token,
		.key = op->key,
		.keylen = op->keylen,
		.want = op->ask.want,
		.mode = op->ask.mode,
		.exptime = op->ask.exptime,
		.cas = op->ask.cas,
		.wall = wall,
	};
	return REND_OK;
}
