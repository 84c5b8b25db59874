/*
 * Reads one answer:
 *
 *	LINE ──► BODY ──► BODY_END ──► TAIL ──► ready
 *	  │       value     \r\n     │  END\r\n, classic get
 *	  └──► ready                 └──► ready
 *
 * Nothing in it is believed: it must be of a kind that fits the question, carry its opaque or key, have lengths that
 * add up, and numbers that are numbers.
 */
#include "answer.h"

#include <string.h>

#include "flags.h"
#include "hit.h"
#include "word.h"

/* Room for 2^64 - 1 and the spaces that decr leaves behind a number that got shorter. */
#define NUMBER_MAX 40

static enum answer_parse
garbage(struct answer *a, const char *why)
{
	a->why = why;
	return ANSWER_GARBAGE;
}

/* ---- answers that are one line ---- */

#define LINE(s) s, sizeof(s) - 1

struct answer_row {
	const char *line;
	size_t len;
	uint16_t forms;
	uint8_t status;
};

static const struct answer_row plain[] = {
	{ LINE("HD"), FORM_META, REND_OK },
	{ LINE("EN"), FORM_MG, REND_MISS },
	{ LINE("NF"), FORM_MS | FORM_MD | FORM_MA, REND_MISS },
	{ LINE("NS"), FORM_MS | FORM_MA, REND_NOT_STORED },
	{ LINE("EX"), FORM_MS | FORM_MD | FORM_MA, REND_EXISTS },
	{ LINE("END"), FORM_GET, REND_MISS },
	{ LINE("STORED"), FORM_STORE, REND_OK },
	{ LINE("NOT_STORED"), FORM_STORE, REND_NOT_STORED },
	{ LINE("EXISTS"), FORM_STORE, REND_EXISTS },
	{ LINE("NOT_FOUND"), FORM_STORE | FORM_DELETE | FORM_TOUCH | FORM_ARITH, REND_MISS },
	{ LINE("DELETED"), FORM_DELETE, REND_OK },
	{ LINE("TOUCHED"), FORM_TOUCH, REND_OK },
	{ LINE("OK"), FORM_FLUSH, REND_OK },
	{ NULL, 0, 0, 0 },
};

/* Beginnings of lines; the first that fits counts.  in_step: after it, a value that was sent has been read by the
 * backend. */
static const struct {
	const char *begins;
	size_t len;
	uint8_t status;
	bool in_step;
} errors[] = {
	{ LINE("SERVER_ERROR object too large for cache"), REND_TOO_BIG, true },
	{ LINE("SERVER_ERROR out of memory"), REND_NO_MEMORY, true },
	/* It may be a rend, which says this also of a write that it had sent when its own backend broke. */
	{ LINE("SERVER_ERROR backend down"), REND_LOST, true },
	{ LINE("SERVER_ERROR backend busy"), REND_BUSY, true },
	{ LINE("SERVER_ERROR backend timeout"), REND_TIMEOUT, true },
	{ LINE("SERVER_ERROR not supported"), REND_UNSUPPORTED, true },
	{ LINE("SERVER_ERROR"), REND_IO, true },
	{ LINE("CLIENT_ERROR cannot increment or decrement non-numeric value"), REND_NOT_A_NUMBER, true },
	{ LINE("CLIENT_ERROR flush_all not allowed"), REND_UNSUPPORTED, true },
	{ LINE("CLIENT_ERROR invalid flag"), REND_UNSUPPORTED, false },
	{ LINE("CLIENT_ERROR invalid or duplicate flag"), REND_UNSUPPORTED, false },
	{ LINE("CLIENT_ERROR"), REND_IO, false },
	{ LINE("ERROR"), REND_UNSUPPORTED, false },
};

/* What is nothing else. */
static enum answer_parse
read_error(struct answer *a, struct line l, const struct question *asked)
{
	size_t len = (size_t)(l.end - l.p);

	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		size_t n = errors[i].len;

		if (len < n || memcmp(l.p, errors[i].begins, n) != 0)
			continue;
		if (len > n && l.p[n] != ' ')
			continue;
		a->status = errors[i].status;
		a->suspect = !errors[i].in_step && rend_verb_stores(asked->verb);
		return ANSWER_READY;
	}
	return garbage(a, "no answer to what was asked");
}

static const struct answer_row *
plain_row(struct word w, uint16_t form)
{
	const struct answer_row *row;

	for (row = plain; row->line != NULL; row++)
		if ((row->forms & form) && word_is(w, row->line, row->len))
			return row;
	return NULL;
}

/* ---- meta ---- */

static enum answer_parse
read_flags(struct answer *a, struct line *l, const struct question *asked, int64_t wall)
{
	const char *why = flags_read(a, l, asked, wall);

	return why == NULL ? ANSWER_READY : garbage(a, why);
}

/* A value follows. */
static enum answer_parse
read_length(struct answer *a, struct line *l, uint64_t max)
{
	uint64_t n;

	if (!line_number(l, UINT64_MAX, &n))
		return garbage(a, "the length is no number");
	if (n > max)
		return garbage(a, "the length is more than a value can have");
	a->left = (size_t)n;
	return ANSWER_READY;
}

static enum answer_parse
read_meta_line(struct answer *a, struct line l, const struct question *asked, int64_t wall)
{
	const struct line whole = l;
	struct word code = line_word(&l);
	bool value = WORD_IS(code, "VA");
	const struct answer_row *row = value ? NULL : plain_row(code, asked->form);
	enum answer_parse parse;

	if (row == NULL && !value)
		return read_error(a, whole, asked);
	a->meta = true;
	if (row != NULL) {
		a->status = row->status;
		a->hit = row->status == REND_OK;
		return read_flags(a, &l, asked, wall);
	}
	if (!(asked->form & (FORM_MG | FORM_MA)))
		return garbage(a, "no answer to what was asked");
	if (asked->form == FORM_MG && !(asked->want & REND_WANT_VALUE))
		return garbage(a, "a value that nobody asked for");
	a->hit = true;
	a->stage = ANSWER_BODY;
	parse = read_length(a, &l, asked->form == FORM_MA ? NUMBER_MAX : ANSWER_VALUE_MAX);
	return parse == ANSWER_READY ? read_flags(a, &l, asked, wall) : parse;
}

/* ---- classic ---- */

/* VALUE key flags length[ cas] */
static enum answer_parse
read_value_line(struct answer *a, struct line l, const struct question *asked)
{
	struct word key = line_word(&l);
	enum answer_parse parse;
	uint64_t n;

	if (key.len != asked->keylen || memcmp(key.p, asked->key, key.len) != 0)
		return garbage(a, "the key is of another request");
	if (!line_number(&l, UINT32_MAX, &n))
		return garbage(a, "the client flags are no number of 32 bits");
	a->item.flags = (uint32_t)n;
	a->hit = true;
	a->stage = ANSWER_BODY;
	parse = read_length(a, &l, ANSWER_VALUE_MAX);
	if (parse != ANSWER_READY || l.p == l.end)
		return parse;
	if (!line_number(&l, UINT64_MAX, &a->item.cas) || l.p != l.end)
		return garbage(a, "the cas is no number");
	a->item.have |= REND_WANT_CAS;
	return ANSWER_READY;
}

/* A version that is no number is one too: other servers have their own. */
static void
read_version(struct answer *a, struct line l)
{
	unsigned parts[3] = { 0 }, i = 0;

	for (; l.p < l.end && i < 3; l.p++) {
		if (*l.p == '.')
			i++;
		else if (*l.p >= '0' && *l.p <= '9' && parts[i] < 100)
			parts[i] = parts[i] * 10 + (unsigned)(*l.p - '0');
		else
			break;
	}
	a->version = i == 2 && parts[1] < 100 && parts[2] < 100 ? parts[0] * 10000 + parts[1] * 100 + parts[2] : 0;
}

static enum answer_parse
read_text_line(struct answer *a, struct line l, const struct question *asked)
{
	struct line rest = l;
	struct word first = line_word(&rest), whole = { l.p, (size_t)(l.end - l.p) };
	const struct answer_row *row = plain_row(whole, asked->form);

	if (row != NULL) {
		a->status = row->status;
		return ANSWER_READY;
	}
	if (asked->form == FORM_GET && WORD_IS(first, "VALUE"))
		return read_value_line(a, rest, asked);
	if (asked->form == FORM_VERSION && WORD_IS(first, "VERSION")) {
		read_version(a, rest);
		return ANSWER_READY;
	}
	while (whole.len > 0 && whole.p[whole.len - 1] == ' ')
		whole.len--;
	if (asked->form == FORM_ARITH && word_number(whole, UINT64_MAX, &a->item.number))
		return ANSWER_READY;
	return read_error(a, l, asked);
}

/* ---- stages ---- */

static enum answer_parse
stage_line(struct answer *a, struct recvq *q, const struct question *asked, int64_t wall)
{
	size_t len;
	const char *p = recvq_bytes(q, &len);
	const char *nl = len == 0 ? NULL : memchr(p, '\n', len < ANSWER_LINE_MAX ? len : ANSWER_LINE_MAX);
	enum answer_parse parse;
	struct line l;

	/* Rubbish need not have a line end to be seen. */
	if (len > 0 && (p[0] < '0' || p[0] > 'Z'))
		return garbage(a, "a line that begins with neither a capital nor a digit");
	if (nl == NULL)
		return len < ANSWER_LINE_MAX ? ANSWER_MORE : garbage(a, "a line without an end");
	if (nl == p || nl[-1] != '\r')
		return garbage(a, "a line that does not end in CRLF");
	l = (struct line){ p, nl - 1 };
	if (asked->form & FORM_META)
		parse = read_meta_line(a, l, asked, wall);
	else
		parse = read_text_line(a, l, asked);
	if (parse != ANSWER_GARBAGE)
		recvq_eat(q, (size_t)(nl + 1 - p));
	return parse;
}

static enum answer_parse
stage_body(struct answer *a, struct recvq *q)
{
	size_t moved;

	if (recvq_take(q, a->left, &a->item.value, &moved) != 0) {
		a->why = "no memory for a value's pieces";
		return ANSWER_MEMORY;
	}
	a->left -= moved;
	if (a->left > 0)
		return ANSWER_MORE;
	a->stage = ANSWER_BODY_END;
	return ANSWER_READY;
}

/* Exactly these n bytes come next. */
static inline enum answer_parse
stage_literal(struct answer *a, struct recvq *q, const char *s, size_t n, const char *why)
{
	size_t len;
	const char *p = recvq_bytes(q, &len);

	if (len >= n && memcmp(p, s, n) == 0) {
		recvq_eat(q, n);
		return ANSWER_READY;
	}
	return len < n && memcmp(p, s, len) == 0 ? ANSWER_MORE : garbage(a, why);
}

static bool
body_number(struct answer *a)
{
	char digits[NUMBER_MAX];
	struct word w = { digits, rend_value_copy_out(&a->item.value, 0, digits, sizeof digits) };

	while (w.len > 0 && digits[w.len - 1] == ' ')
		w.len--;
	return word_number(w, UINT64_MAX, &a->item.number);
}

/* ---- what is said most ---- */

/* Was a value asked for, with nothing to be done beside? */
static inline bool
may_be_hit(const struct question *asked)
{
	return asked->form == FORM_MG && asked->mode == 0 && (asked->want & REND_WANT_VALUE);
}

/* Most gets find something, and all of it has come.  false: this is something else, and nothing of it was taken. */
static bool
read_hit(struct answer *a, struct recvq *q, const struct question *asked)
{
	struct rend_item *item = &a->item;
	struct hit hit;
	size_t len;
	const char *p = recvq_bytes(q, &len), *value = hit_read(&hit, p, len, &asked->token);

	if (value == NULL)
		return false;
	recvq_eat(q, (size_t)(value - p));
	recvq_give(q, hit.len, &item->value);
	recvq_eat(q, 2);
	a->meta = a->hit = true;
	item->flags = hit.flags;
	item->cas = hit.cas;
	item->size = hit.len;
	item->have = (REND_WANT_VALUE | REND_WANT_SIZE | (hit.has_cas ? REND_WANT_CAS : 0)) & asked->want;
	return true;
}

/* It is all there: what is left is to see it as the one who asked does. */
static enum answer_parse
conclude(struct answer *a, const struct question *asked)
{
	bool reads = asked->verb == REND_GET, wants_value = reads && (asked->want & REND_WANT_VALUE);
	struct rend_item *item = &a->item;

	if (asked->form == FORM_MA && a->hit && !body_number(a))
		return garbage(a, "the number is none");
	if (asked->form == FORM_MG && a->hit && wants_value && a->stage == ANSWER_LINE)
		return garbage(a, "the value is missing");
	if (a->hit && reads && a->stage != ANSWER_LINE) {
		item->size = item->value.len;
		item->have |= REND_WANT_SIZE;
	}
	/* A value that the client has already is left out. */
	if (reads && (asked->mode & REND_IF_CAS) && (item->have & REND_WANT_CAS) && item->cas == asked->cas)
		wants_value = false;
	if (wants_value)
		item->have |= REND_WANT_VALUE;
	else
		rend_value_drop(&item->value);
	if (reads && (asked->mode & REND_ALSO_TOUCH)) {
		item->exptime = asked->exptime;
		item->have |= REND_WANT_EXPTIME;
	}
	if (reads)
		item->have &= asked->want;
	/* The one who asks for a version hears MISS where there is none; memcached says NS. */
	if ((asked->mode & REND_IF_CAS) && a->status == REND_NOT_STORED)
		a->status = REND_MISS;
	return ANSWER_READY;
}

enum answer_parse
answer_read(struct answer *a, struct recvq *q, const struct question *asked, int64_t wall)
{
	enum answer_parse parse = ANSWER_READY;

	if (a->stage == ANSWER_LINE) {
		if (may_be_hit(asked) && read_hit(a, q, asked))
			return ANSWER_READY;
		parse = stage_line(a, q, asked, wall);
		if (parse == ANSWER_READY && a->stage == ANSWER_LINE)
			return conclude(a, asked);
	}
	if (parse == ANSWER_READY && a->stage == ANSWER_BODY)
		parse = stage_body(a, q);
	if (parse == ANSWER_READY && a->stage == ANSWER_BODY_END) {
		parse = stage_literal(a, q, LINE("\r\n"), "a value that does not end in CRLF");
		if (parse == ANSWER_READY && asked->form != FORM_GET)
			return conclude(a, asked);
		if (parse == ANSWER_READY)
			a->stage = ANSWER_TAIL;
	}
	if (parse == ANSWER_READY && a->stage == ANSWER_TAIL) {
		parse = stage_literal(a, q, LINE("END\r\n"), "END is missing behind a value");
		if (parse == ANSWER_READY)
			return conclude(a, asked);
	}
	return parse;
}

static void
give_item(struct answer *a, struct rend_op *op)
{
	struct rend_item *item = &op->item;

	if (item->value.nsegs != 0)
		rend_value_drop(&item->value);
	*item = a->item;
	a->item.value.nsegs = 0; /* it is the op's now */
	if (!(item->have & REND_WANT_EXPTIME))
		item->exptime = 0;
	if (!(item->have & REND_WANT_CAS))
		item->cas = 0;
}

static void
give_version(struct answer *a, struct rend_op *op)
{
	op->item.have = a->item.have & REND_WANT_CAS;
	op->item.cas = a->item.cas;
}

/* Not of append and prepend: how large the item is then, the backend does not say. */
static void
give_stored(struct answer *a, struct rend_op *op)
{
	give_version(a, op);
	op->item.have |= REND_WANT_SIZE;
	op->item.size = op->item.value.len;
}

static void
give_number(struct answer *a, struct rend_op *op)
{
	give_version(a, op);
	op->item.number = a->item.number;
	op->item.have |= a->item.have & REND_WANT_EXPTIME;
	if (a->item.have & REND_WANT_EXPTIME)
		op->item.exptime = a->item.exptime;
}

/* What a verb brings back with REND_OK; the others bring nothing. */
static void (*const gives[REND_VERB_COUNT])(struct answer *a, struct rend_op *op) = {
	[REND_GET] = give_item,
	[REND_SET] = give_stored,
	[REND_ADD] = give_stored,
	[REND_REPLACE] = give_stored,
	[REND_APPEND] = give_version,
	[REND_PREPEND] = give_version,
	[REND_INCR] = give_number,
	[REND_DECR] = give_number,
};

enum rend_status
answer_give(struct answer *a, struct rend_op *op)
{
	enum rend_status status = a->status;

	if (status == REND_OK && gives[op->verb] != NULL)
		gives[op->verb](a, op);
	answer_drop(a);
	return status;
}

void
answer_drop(struct answer *a)
{
	if (a->item.value.nsegs != 0)
		rend_value_drop(&a->item.value);
	/* In parts: for all of it at once, and for the item, the compiler takes an instruction that is slow to begin. */
	a->stage = ANSWER_LINE;
	a->left = 0;
	a->hit = a->suspect = a->meta = false;
	a->status = 0;
	a->version = 0;
	a->item.value = (struct rend_value){ 0 };
	a->item.flags = a->item.have = a->item.signs = 0;
	a->item.exptime = a->item.last_access = 0;
	a->item.cas = a->item.size = a->item.number = 0;
	a->why = NULL;
}
