/*
 * The meta commands, from the client's side.  Each carries an opaque, so an answer that is missing shows at the next one.  A get with
 * several keys is as many quiet mg and one mn.
 *
 *	mg, ma:	LINE "VA" ──► VALUE ──► CRLF ──► TAIL ──► done; among several keys ──► LINE
 *	else:	LINE ──► done
 */
#include "proto.h"

static bool
with_version(const struct request *r)
{
	return r->verb == VERB_GETS || r->verb == VERB_GATS;
}

static char *
say_get(const struct request *r, const struct keys *k, uint32_t key, uint32_t opaque, char *to)
{
	to = put(to, "mg ");
	to = keys_name(k, key, to);
	to = put(to, with_version(r) ? " v f c" : " v f");
	if (r->verb == VERB_GAT || r->verb == VERB_GATS)
		to = put_number(to, " T", r->ttl);
	to = put_number(to, " O", opaque);
	return put(to, r->width > 1 ? " q\r\n" : "\r\n");
}

static char *
say_store(const struct request *r, const struct keys *k, char *to)
{
	static const char *const modes[VERB_COUNT] = {
		[VERB_ADD] = " ME", [VERB_REPLACE] = " MR", [VERB_APPEND] = " MA", [VERB_PREPEND] = " MP"
	};

	to = put(to, "ms ");
	to = keys_name(k, r->key, to);
	to = put_number(to, " ", request_size(r));
	if (r->ttl != 0)
		to = put_number(to, " T", r->ttl);
	if (r->flagged)
		to = put_number(to, " F", request_flags(r, r->key));
	if (modes[r->verb] != NULL)
		to = put(to, modes[r->verb]);
	if (r->verb == VERB_CAS)
		to = put_number(to, " C", r->cas);
	to = put_number(to, " O", r->opaque);
	to = put(to, "\r\n");
	to = request_value(r, k, to);
	return put(to, "\r\n");
}

static char *
say(const struct request *r, const uint32_t *slots, const struct keys *k, char *to)
{
	if (verb_reads(r->verb)) {
		if (r->width == 1)
			return say_get(r, k, r->key, r->opaque, to);
		for (uint32_t i = 0; i < r->width; i++)
			to = say_get(r, k, slots[i], r->opaque - r->width + i, to);
		return put(to, "mn\r\n");
	}
	if (verb_stores(r->verb))
		return say_store(r, k, to);
	if (r->verb == VERB_NOOP)
		return put(to, "mn\r\n");
	if (r->verb == VERB_VERSION)
		return put(to, "version\r\n");
	if (r->verb == VERB_FLUSH)
		return put(to, "flush_all\r\n");
	to = put(to, r->verb == VERB_DELETE ? "md " : r->verb == VERB_TOUCH ? "mg " : "ma ");
	to = keys_name(k, r->key, to);
	if (r->verb == VERB_TOUCH)
		to = put_number(to, " T", r->ttl);
	if (verb_counts(r->verb))
		to = put_number(to, r->verb == VERB_DECR ? " v MD D" : " v D", r->number);
	to = put_number(to, " O", r->opaque);
	return put(to, "\r\n");
}

/* The flags behind a code: those that were asked for, each once, in any order, and no others.  Each is a letter and a number. */
struct flags {
	const char *asked; /* their letters */
	unsigned came;	   /* a bit for each of these */
	uint32_t opaque;
	const char *wrong; /* NULL, or what is */
};

static void
take_flag(struct ear *e, struct flags *f, const char *p, size_t len)
{
	const char *asked = *p == '\0' ? NULL : strchr(f->asked, *p);
	unsigned bit = asked == NULL ? 0 : 1U << (asked - f->asked);
	uint64_t n;

	if (bit == 0 || f->came & bit) {
		f->wrong = "a flag that was not asked for";
		return;
	}
	if (!ear_number(p + 1, len - 1, *p == 'c' ? UINT64_MAX : UINT32_MAX, &n)) {
		f->wrong = "the token of a flag is no number";
		return;
	}
	f->came |= bit;
	if (*p == 'O')
		f->opaque = (uint32_t)n;
	else if (*p == 'f')
		e->answer.flags = (uint32_t)n;
	else
		e->answer.cas = n;
}

static void
read_flags(struct ear *e, struct flags *f, const char *p, const char *end)
{
	for (const char *stop; p < end; p = stop + 1) {
		stop = memchr(p, ' ', (size_t)(end - p));
		stop = stop == NULL ? end : stop;
		take_flag(e, f, p, (size_t)(stop - p));
	}
	if (f->wrong == NULL && f->came != (1U << strlen(f->asked)) - 1)
		f->wrong = "a flag is missing";
}

/* Which key of *r the opaque is of; r->width: none that is still open. */
static uint32_t
slot_of(const struct request *r, const uint32_t *slots, uint32_t opaque)
{
	uint32_t i = r->width > 1 ? opaque - (r->opaque - r->width) : 0;

	if (r->width == 1)
		return opaque == r->opaque ? 0 : 1;
	return i < r->width && !(slots[i] & SLOT_ANSWERED) ? i : r->width;
}

#define BIT(verb) (1U << VERB_##verb)
#define READS	  (BIT(GET) | BIT(GETS) | BIT(GAT) | BIT(GATS))
#define STORES	  (BIT(SET) | BIT(ADD) | BIT(REPLACE) | BIT(APPEND) | BIT(PREPEND) | BIT(CAS))
#define COUNTS	  (BIT(INCR) | BIT(DECR))

static const struct {
	char code[3];
	uint32_t verbs;
	enum outcome outcome;
} codes[] = {
	{ "VA", READS | COUNTS, OUTCOME_OK },
	{ "HD", STORES | BIT(DELETE) | BIT(TOUCH), OUTCOME_OK },
	{ "EN", READS | BIT(TOUCH), OUTCOME_MISS },
	{ "NF", BIT(CAS) | BIT(DELETE) | COUNTS, OUTCOME_MISS },
	{ "NS", STORES, OUTCOME_NOT_STORED },
	{ "EX", BIT(CAS), OUTCOME_EXISTS },
};

static enum hear
code_line(struct ear *e, const struct request *r, const uint32_t *slots, const char *line, size_t len, size_t row)
{
	const char *p = line + 2, *end = line + len;
	bool value = row == 0;
	struct flags flags = { .asked = !value || verb_counts(r->verb) ? "O" : with_version(r) ? "Ofc" : "Of" };
	uint32_t slot;
	uint64_t size = 0;

	if (value) {
		const char *space = len > 3 ? memchr(line + 3, ' ', len - 3) : NULL;

		p = space == NULL ? end : space;
		if (len < 4 || !ear_number(line + 3, (size_t)(p - line - 3), 1 << 30, &size))
			return ear_refuse(e, "no length", line, len);
	}
	e->answer.flags = 0;
	read_flags(e, &flags, p < end ? p + 1 : end, end);
	/* The opaque is always the first that is asked for. */
	slot = flags.came & 1 ? slot_of(r, slots, flags.opaque) : r->width;
	if (slot == r->width)
		return ear_refuse(e, "the answer to another request", line, len);
	if (flags.wrong != NULL)
		return ear_refuse(e, flags.wrong, line, len);
	e->answer.outcome = codes[row].outcome;
	if (!value)
		return HEAR_DONE;
	ear_value(e, r, slots, slot, size, e->answer.flags);
	return HEAR_MORE;
}

static enum hear
first_line(struct ear *e, const struct request *r, const uint32_t *slots, const char *line, size_t len)
{
	bool several = verb_reads(r->verb) && r->width > 1;

	for (size_t i = 0; i < sizeof codes / sizeof *codes && len >= 2; i++)
		if ((codes[i].verbs >> r->verb & 1) && memcmp(codes[i].code, line, 2) == 0 &&
		    (len == 2 || line[2] == ' ') && !(several && codes[i].outcome == OUTCOME_MISS))
			return code_line(e, r, slots, line, len, i);
	ear_quote(e->answer.text, sizeof e->answer.text, line, len);
	if ((several || r->verb == VERB_NOOP) && len == 2 && memcmp(line, "MN", 2) == 0) {
		e->answer.outcome = r->heard > 0 || !several ? OUTCOME_OK : OUTCOME_MISS;
		return HEAR_DONE;
	}
	if ((r->verb == VERB_VERSION && len > 8 && memcmp(line, "VERSION ", 8) == 0) ||
	    (r->verb == VERB_FLUSH && len == 2 && memcmp(line, "OK", 2) == 0)) {
		e->answer.outcome = OUTCOME_OK;
		return HEAR_DONE;
	}
	return ear_error(e, r, line, len);
}

static enum hear
hear(struct ear *e, const struct request *r, uint32_t *slots, const char **p, const char *end)
{
	const char *line;
	enum hear heard;
	size_t len;
	bool broken = false;

	if (e->stage == EAR_TAIL) {
		e->stage = EAR_LINE;
		return HEAR_DONE;
	}
	if (e->stage == EAR_LINE) {
		line = ear_line(e, p, end, &len, &broken);
		if (line == NULL)
			return broken ? HEAR_BROKEN : HEAR_MORE;
		heard = first_line(e, r, slots, line, len);
		if (heard != HEAR_MORE)
			return heard;
	}
	if (e->stage == EAR_VALUE) {
		if (!ear_take(e, p, end))
			return HEAR_MORE;
		e->stage = EAR_CRLF;
	}
	line = ear_bytes(e, p, end, 2);
	if (line == NULL)
		return HEAR_MORE;
	if (memcmp(line, "\r\n", 2) != 0)
		return ear_broken(e, "a value that does not end in CRLF");
	if (verb_counts(r->verb)) {
		if (inspect_end(&e->inspect) != FAULT_NONE)
			return ear_broken(e, "the number is none");
		e->answer.number = e->inspect.number;
		e->stage = EAR_LINE;
		return HEAR_DONE;
	}
	ear_heard(e, r, slots);
	e->stage = r->width > 1 ? EAR_LINE : EAR_TAIL;
	return HEAR_VALUE;
}

const struct proto proto_meta = { "meta", ((1U << VERB_COUNT) - 1) & ~BIT(GETE), say, hear };
