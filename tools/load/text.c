/*
 * The classic text protocol, from the client's side:
 *
 *	get:	LINE ──► VALUE ──► CRLF ──► LINE ...	LINE "END" ──► done
 *	else:	LINE ──► done
 */
#include "proto.h"

static const char *const heads[VERB_COUNT] = {
	[VERB_GET] = "get",
	[VERB_GETS] = "gets",
	[VERB_GAT] = "gat",
	[VERB_GATS] = "gats",
	[VERB_SET] = "set ",
	[VERB_ADD] = "add ",
	[VERB_REPLACE] = "replace ",
	[VERB_APPEND] = "append ",
	[VERB_PREPEND] = "prepend ",
	[VERB_CAS] = "cas ",
	[VERB_DELETE] = "delete ",
	[VERB_INCR] = "incr ",
	[VERB_DECR] = "decr ",
	[VERB_TOUCH] = "touch ",
	[VERB_VERSION] = "version",
	/* Classic has none; this one every memcached of 1.6 takes among classic commands. */
	[VERB_NOOP] = "mn",
	[VERB_FLUSH] = "flush_all",
};

static char *
say_store(const struct request *r, const struct keys *k, char *to)
{
	to = keys_name(k, r->key, to);
	to = put_number(to, " ", request_flags(r, r->key));
	to = put_number(to, " ", r->ttl);
	to = put_number(to, " ", request_size(r));
	if (r->verb == VERB_CAS)
		to = put_number(to, " ", r->cas);
	to = put(to, "\r\n");
	return request_value(r, k, to);
}

static char *
say(const struct request *r, const uint32_t *slots, const struct keys *k, char *to)
{
	to = put(to, heads[r->verb]);
	if (verb_reads(r->verb)) {
		if (r->verb == VERB_GAT || r->verb == VERB_GATS)
			to = put_number(to, " ", r->ttl);
		for (uint32_t i = 0; i < r->width; i++) {
			*to++ = ' ';
			to = keys_name(k, r->width > 1 ? slots[i] : r->key, to);
		}
	} else if (verb_stores(r->verb)) {
		to = say_store(r, k, to);
	} else if (r->verb < VERB_VERSION) {
		to = keys_name(k, r->key, to);
		if (r->verb == VERB_TOUCH)
			to = put_number(to, " ", r->ttl);
		if (verb_counts(r->verb))
			to = put_number(to, " ", r->number);
	}
	return put(to, "\r\n");
}

#define BIT(verb) (1U << VERB_##verb)
#define STORES	  (BIT(SET) | BIT(ADD) | BIT(REPLACE) | BIT(APPEND) | BIT(PREPEND) | BIT(CAS))

static const struct {
	const char *line;
	uint32_t verbs;
	enum outcome outcome;
} plain[] = {
	{ "STORED", STORES, OUTCOME_OK },
	{ "NOT_STORED", STORES, OUTCOME_NOT_STORED },
	{ "EXISTS", STORES, OUTCOME_EXISTS },
	{ "NOT_FOUND", BIT(CAS) | BIT(DELETE) | BIT(INCR) | BIT(DECR) | BIT(TOUCH), OUTCOME_MISS },
	{ "DELETED", BIT(DELETE), OUTCOME_OK },
	{ "TOUCHED", BIT(TOUCH), OUTCOME_OK },
	{ "MN", BIT(NOOP), OUTCOME_OK },
	{ "OK", BIT(FLUSH), OUTCOME_OK },
};

/* Digits at *p, and the space behind them, if there is one. */
static bool
take_number(const char **p, const char *end, uint64_t max, uint64_t *n)
{
	const char *from = *p;

	while (*p < end && **p >= '0' && **p <= '9')
		(*p)++;
	if (!ear_number(from, (size_t)(*p - from), max, n))
		return false;
	if (*p < end && *(*p)++ != ' ')
		return false;
	return true;
}

/* VALUE key flags length[ cas] */
static enum hear
value_line(struct ear *e, const struct request *r, const uint32_t *slots, const char *line, size_t len)
{
	const char *p = line + 6 + e->keys->len, *end = line + len;
	uint64_t flags, size;
	uint32_t slot;

	if (p >= end || *p++ != ' ' || (slot = ear_slot(e, r, slots, line + 6, e->keys->len)) == r->width)
		return ear_refuse(e, "the value is of a key that was not asked for", line, len);
	if (end[-1] == ' ' || !take_number(&p, end, UINT32_MAX, &flags) || p == end ||
	    !take_number(&p, end, 1 << 30, &size))
		return ear_refuse(e, "no VALUE line", line, len);
	if ((p < end) != (r->verb == VERB_GETS || r->verb == VERB_GATS) ||
	    (p < end && (!take_number(&p, end, UINT64_MAX, &e->answer.cas) || p < end)))
		return ear_refuse(e, "a version too many or missing", line, len);
	ear_value(e, r, slots, slot, size, (uint32_t)flags);
	return HEAR_MORE;
}

static enum hear
other_line(struct ear *e, const struct request *r, const char *line, size_t len)
{
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if ((plain[i].verbs >> r->verb & 1) && strlen(plain[i].line) == len &&
		    memcmp(plain[i].line, line, len) == 0) {
			e->answer.outcome = plain[i].outcome;
			return HEAR_DONE;
		}
	/* decr leaves spaces where digits were. */
	while (verb_counts(r->verb) && len > 1 && line[len - 1] == ' ')
		len--;
	if ((verb_counts(r->verb) && ear_number(line, len, UINT64_MAX, &e->answer.number)) ||
	    (r->verb == VERB_VERSION && len > 8 && memcmp(line, "VERSION ", 8) == 0)) {
		ear_quote(e->answer.text, sizeof e->answer.text, line, len);
		e->answer.outcome = OUTCOME_OK;
		return HEAR_DONE;
	}
	return ear_error(e, r, line, len);
}

static enum hear
hear(struct ear *e, const struct request *r, uint32_t *slots, const char **p, const char *end)
{
	const char *line;
	size_t len;
	bool broken = false;

	if (e->stage == EAR_LINE) {
		line = ear_line(e, p, end, &len, &broken);
		if (line == NULL)
			return broken ? HEAR_BROKEN : HEAR_MORE;
		if (verb_reads(r->verb) && len > 6 && memcmp(line, "VALUE ", 6) == 0) {
			if (value_line(e, r, slots, line, len) == HEAR_BROKEN)
				return HEAR_BROKEN;
		} else if (verb_reads(r->verb) && len == 3 && memcmp(line, "END", 3) == 0) {
			e->answer.outcome = r->heard > 0 ? OUTCOME_OK : OUTCOME_MISS;
			return HEAR_DONE;
		} else {
			return other_line(e, r, line, len);
		}
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
	ear_heard(e, r, slots);
	e->stage = EAR_LINE;
	return HEAR_VALUE;
}

const struct proto proto_text = { "text", ((1U << VERB_COUNT) - 1) & ~BIT(GETE), say, hear };
