/* Ops as a backend wants to read them. */
#include "request.h"

#include <string.h>

#define RELATIVE_MAX (60 * 60 * 24 * 30)

/* A line: a verb, a key, and at most nine numbers with a letter and a space. */
#define LINE_MAX_BYTES (32 + REND_KEY_MAX + 9 * 23)

/* Writes a line; there is room enough. */
struct pen {
	char *p;
};

struct writing {
	struct pen pen;
	const struct rend_op *op;
	struct dialect dialect;
	int64_t wall;
};

static void
pen_bytes(struct pen *pen, const char *s, size_t len)
{
	memcpy(pen->p, s, len);
	pen->p += len;
}

static void
pen_word(struct pen *pen, const char *s)
{
	pen_bytes(pen, s, strlen(s));
}

static void
pen_number(struct pen *pen, uint64_t n)
{
	char digits[20];
	size_t i = sizeof digits;

	do
		digits[--i] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	pen_bytes(pen, digits + i, sizeof digits - i);
}

static void
pen_signed(struct pen *pen, int64_t n)
{
	if (n < 0)
		*pen->p++ = '-';
	pen_number(pen, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

/* " F5" */
static void
pen_flag(struct pen *pen, char letter, uint64_t n)
{
	*pen->p++ = ' ';
	*pen->p++ = letter;
	pen_number(pen, n);
}

static void
pen_ttl(struct writing *w, int64_t exptime)
{
	pen_word(&w->pen, w->dialect.meta ? " T" : " ");
	pen_signed(&w->pen, request_exptime(exptime, w->wall));
}

static void
pen_key(struct writing *w, const char *verb)
{
	pen_word(&w->pen, verb);
	*w->pen.p++ = ' ';
	pen_bytes(&w->pen, w->op->key, w->op->keylen);
}

static void
pen_if_cas(struct writing *w)
{
	if (w->op->ask.mode & REND_IF_CAS)
		pen_flag(&w->pen, 'C', w->op->ask.cas);
}

static void
pen_new_cas(struct writing *w)
{
	if (w->op->ask.cas_new != 0)
		pen_flag(&w->pen, 'E', w->op->ask.cas_new);
}

int64_t
request_exptime(int64_t exptime, int64_t wall)
{
	if (exptime == 0)
		return 0;
	if (exptime <= wall)
		return -1;
	return exptime - wall <= RELATIVE_MAX ? exptime - wall : exptime;
}

static bool
appends(unsigned verb)
{
	return verb == REND_APPEND || verb == REND_PREPEND;
}

/* ---- meta ---- */

static void
meta_get(struct writing *w)
{
	const struct rend_ask *ask = &w->op->ask;

	pen_key(w, "mg");
	/* T stands first: memcached reports the time as it is when it comes to the t. */
	if (ask->mode & REND_ALSO_TOUCH)
		pen_ttl(w, ask->exptime);
	if (ask->want & REND_WANT_VALUE)
		pen_word(&w->pen, " v");
	pen_word(&w->pen, " f");
	if (ask->want & REND_WANT_CAS)
		pen_word(&w->pen, " c");
	if (ask->want & REND_WANT_EXPTIME)
		pen_word(&w->pen, " t");
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

	pen_key(w, "ms");
	*w->pen.p++ = ' ';
	pen_number(&w->pen, item->value.len);
	if (modes[w->op->verb] != NULL)
		pen_word(&w->pen, modes[w->op->verb]);
	/* An append leaves flags and time as they are. */
	if (item->flags != 0 && !appends(w->op->verb))
		pen_flag(&w->pen, 'F', item->flags);
	if (item->exptime != 0 && !appends(w->op->verb))
		pen_ttl(w, item->exptime);
	pen_if_cas(w);
	pen_new_cas(w);
	pen_word(&w->pen, " c");
}

static void
meta_arith(struct writing *w)
{
	pen_key(w, "ma");
	if (w->op->verb == REND_DECR)
		pen_word(&w->pen, " MD");
	pen_flag(&w->pen, 'D', w->op->ask.delta);
	pen_if_cas(w);
	pen_new_cas(w);
	pen_word(&w->pen, " v c");
}

static void
meta_delete(struct writing *w)
{
	pen_key(w, "md");
	pen_if_cas(w);
}

static void
meta_touch(struct writing *w)
{
	pen_key(w, "mg");
	pen_ttl(w, w->op->ask.exptime);
	pen_word(&w->pen, " f");
}

/* ---- classic ---- */

static void
text_get(struct writing *w)
{
	bool cas = (w->op->ask.want & REND_WANT_CAS) != 0;

	if (w->op->ask.mode & REND_ALSO_TOUCH) {
		pen_word(&w->pen, cas ? "gats" : "gat");
		pen_ttl(w, w->op->ask.exptime);
		pen_key(w, "");
		return;
	}
	pen_key(w, cas ? "gets" : "get");
}

static void
text_store(struct writing *w)
{
	const struct rend_item *item = &w->op->item;
	bool cas = (w->op->ask.mode & REND_IF_CAS) != 0;

	pen_key(w, cas ? "cas" : rend_verb_name(w->op->verb));
	*w->pen.p++ = ' ';
	pen_number(&w->pen, item->flags);
	pen_ttl(w, item->exptime);
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
	pen_key(w, w->op->verb == REND_INCR ? "incr" : "decr");
	*w->pen.p++ = ' ';
	pen_number(&w->pen, w->op->ask.delta);
}

static void
text_delete(struct writing *w)
{
	pen_key(w, "delete");
}

static void
text_touch(struct writing *w)
{
	pen_key(w, "touch");
	pen_ttl(w, w->op->ask.exptime);
}

static void
any_flush(struct writing *w)
{
	pen_word(&w->pen, "flush_all");
}

/* ---- which is which ---- */

struct request_row {
	void (*write)(struct writing *w);
	uint16_t form;
	bool with_cas; /* it can say REND_IF_CAS */
};

static const struct request_row rows[2][REND_VERB_COUNT] = {
	{
	    [REND_GET] = { text_get, FORM_GET, false },
	    [REND_SET] = { text_store, FORM_STORE, true },
	    [REND_ADD] = { text_store, FORM_STORE, false },
	    [REND_REPLACE] = { text_store, FORM_STORE, false },
	    [REND_APPEND] = { text_store, FORM_STORE, false },
	    [REND_PREPEND] = { text_store, FORM_STORE, false },
	    [REND_INCR] = { text_arith, FORM_ARITH, false },
	    [REND_DECR] = { text_arith, FORM_ARITH, false },
	    [REND_DELETE] = { text_delete, FORM_DELETE, false },
	    [REND_TOUCH] = { text_touch, FORM_TOUCH, false },
	    [REND_FLUSH_ALL] = { any_flush, FORM_FLUSH, false },
	},
	{
	    [REND_GET] = { meta_get, FORM_MG, false },
	    [REND_SET] = { meta_store, FORM_MS, true },
	    [REND_ADD] = { meta_store, FORM_MS, true },
	    [REND_REPLACE] = { meta_store, FORM_MS, true },
	    [REND_APPEND] = { meta_store, FORM_MS, true },
	    [REND_PREPEND] = { meta_store, FORM_MS, true },
	    [REND_INCR] = { meta_arith, FORM_MA, true },
	    [REND_DECR] = { meta_arith, FORM_MA, true },
	    [REND_DELETE] = { meta_delete, FORM_MD, true },
	    [REND_TOUCH] = { meta_touch, FORM_MG, false },
	    [REND_FLUSH_ALL] = { any_flush, FORM_FLUSH, false },
	},
};

/* A space or a line end inside a key would be read as another command. */
static bool
key_fits(const struct rend_op *op)
{
	if (op->keylen == 0 || op->keylen > REND_KEY_MAX)
		return false;
	for (size_t i = 0; i < op->keylen; i++)
		if ((unsigned char)op->key[i] <= ' ')
			return false;
	return true;
}

static bool
can_say(const struct request_row *row, const struct rend_op *op, struct dialect dialect)
{
	if (row->write == NULL)
		return false;
	if ((op->ask.mode & REND_IF_CAS) && !row->with_cas)
		return false;
	/* A version that was asked for and not given would be a lie to whoever compares it later. */
	if (op->ask.cas_new != 0 && op->verb != REND_GET && !dialect.sets_cas)
		return false;
	return op->verb == REND_FLUSH_ALL || key_fits(op);
}

enum rend_status
request_put(struct sendq *q, const struct rend_op *op, struct dialect dialect, uint32_t token, int64_t wall,
    struct question *asked)
{
	const struct request_row *row = &rows[dialect.meta][op->verb];
	struct writing w = { .op = op, .dialect = dialect, .wall = wall };
	const struct rend_value *value = &op->item.value;
	bool stores = rend_verb_stores(op->verb), copied = value->len <= SENDQ_COPY_MAX;
	char *start;

	if (!can_say(row, op, dialect))
		return REND_UNSUPPORTED;
	start = sendq_begin(q, LINE_MAX_BYTES + SENDQ_COPY_MAX + 2, stores && !copied ? value->nsegs : 0);
	if (start == NULL)
		return REND_NO_MEMORY;
	w.pen.p = start;
	row->write(&w);
	if (row->form & FORM_META)
		pen_flag(&w.pen, 'O', token);
	pen_word(&w.pen, "\r\n");
	if (stores && copied)
		w.pen.p += rend_value_copy_out(value, 0, w.pen.p, value->len);
	if (stores && !copied) {
		w.pen.p = sendq_wrote(q, (size_t)(w.pen.p - start));
		start = w.pen.p;
		sendq_value(q, value);
	}
	if (stores)
		pen_word(&w.pen, "\r\n");
	sendq_wrote(q, (size_t)(w.pen.p - start));
	*asked = (struct question){
		.form = row->form,
		.verb = op->verb,
		.token = token,
		.key = op->key,
		.keylen = op->keylen,
		.want = op->ask.want,
		.mode = op->ask.mode,
		.exptime = op->ask.exptime,
	};
	return REND_OK;
}
