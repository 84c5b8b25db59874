/*
 * The binary protocol, from the client's side.  Each request carries an opaque, so an answer that is missing shows at the next one.
 * A get with several keys is as many quiet ones and a noop.
 *
 *	get:	LINE (the header) ──► EXTRAS ──► VALUE ──► TAIL ──► done; among several keys ──► LINE
 *	else:	LINE ──► BODY ──► done
 */
#include "proto.h"

#include "proto/bin_wire.h"

#define SHOWN 100 /* bytes of a body that is no value */

static const struct opcode {
	uint8_t code, quiet, extras;
} opcodes[VERB_COUNT] = {
	[VERB_GET] = { BIN_GET, BIN_GETQ, 0 },
	[VERB_GETS] = { BIN_GET, BIN_GETQ, 0 },
	[VERB_GAT] = { BIN_GAT, BIN_GATQ, 4 },
	[VERB_GATS] = { BIN_GAT, BIN_GATQ, 4 },
	[VERB_GETE] = { BIN_GETE, BIN_GETEQ, 0 },
	[VERB_SET] = { BIN_SET, 0, 8 },
	[VERB_ADD] = { BIN_ADD, 0, 8 },
	[VERB_REPLACE] = { BIN_REPLACE, 0, 8 },
	[VERB_APPEND] = { BIN_APPEND, 0, 0 },
	[VERB_PREPEND] = { BIN_PREPEND, 0, 0 },
	[VERB_CAS] = { BIN_SET, 0, 8 },
	[VERB_DELETE] = { BIN_DELETE, 0, 0 },
	[VERB_INCR] = { BIN_INCREMENT, 0, 20 },
	[VERB_DECR] = { BIN_DECREMENT, 0, 20 },
	[VERB_TOUCH] = { BIN_TOUCH, 0, 4 },
	[VERB_VERSION] = { BIN_VERSION, 0, 0 },
	[VERB_NOOP] = { BIN_NOOP, 0, 0 },
	[VERB_FLUSH] = { BIN_FLUSH, 0, 0 },
};

static char *
say_one(const struct request *r, const struct keys *k, uint32_t key, uint8_t opcode, uint32_t opaque, char *to)
{
	const struct opcode *op = &opcodes[r->verb];
	char *head = to, *p = to + BIN_HEADER;
	size_t keylen = r->verb < VERB_VERSION ? k->len : 0;

	memset(head, 0, BIN_HEADER);
	head[0] = (char)BIN_REQUEST;
	head[BIN_AT_OPCODE] = (char)opcode;
	bin_put_u16(head + BIN_AT_KEYLEN, (uint16_t)keylen);
	head[BIN_AT_EXTLEN] = (char)op->extras;
	bin_put_u32(head + BIN_AT_OPAQUE, opaque);
	if (r->verb == VERB_CAS)
		bin_put_u64(head + BIN_AT_CAS, r->cas);
	if (op->extras == 4) {
		bin_put_u32(p, r->ttl);
	} else if (op->extras == 8) {
		bin_put_u32(p, request_flags(r, key));
		bin_put_u32(p + 4, r->ttl);
	} else if (op->extras == 20) {
		bin_put_u64(p, r->number);
		bin_put_u64(p + 8, 0);
		/* A miss makes no item. */
		bin_put_u32(p + 16, UINT32_MAX);
	}
	p += op->extras;
	if (keylen > 0)
		p = keys_name(k, key, p);
	if (verb_stores(r->verb))
		p = request_value(r, k, p);
	bin_put_u32(head + BIN_AT_BODYLEN, (uint32_t)(p - head - BIN_HEADER));
	return p;
}

static char *
say(const struct request *r, const uint32_t *slots, const struct keys *k, char *to)
{
	if (!verb_reads(r->verb) || r->width == 1)
		return say_one(r, k, r->key, opcodes[r->verb].code, r->opaque, to);
	for (uint32_t i = 0; i < r->width; i++)
		to = say_one(r, k, slots[i], opcodes[r->verb].quiet, r->opaque - r->width + i, to);
	memset(to, 0, BIN_HEADER);
	to[0] = (char)BIN_REQUEST;
	to[BIN_AT_OPCODE] = BIN_NOOP;
	bin_put_u32(to + BIN_AT_OPAQUE, r->opaque);
	return to + BIN_HEADER;
}

/* What add, replace and append call differently than the text protocol does. */
static enum outcome
outcome_of(uint16_t status, enum verb v)
{
	switch (status) {
	case BIN_OK:
		return OUTCOME_OK;
	case BIN_NOT_FOUND:
		return v == VERB_REPLACE ? OUTCOME_NOT_STORED : OUTCOME_MISS;
	case BIN_EXISTS:
		return v == VERB_ADD ? OUTCOME_NOT_STORED : OUTCOME_EXISTS;
	case BIN_NOT_STORED:
		return OUTCOME_NOT_STORED;
	case BIN_TOO_LARGE:
		return OUTCOME_TOO_LARGE;
	case BIN_NOT_A_NUMBER:
		return OUTCOME_NOT_A_NUMBER;
	}
	return OUTCOME_ERROR;
}

/* Which key of *r the opaque is of; r->width: none that is still open. */
static uint32_t
slot_of(const struct request *r, const uint32_t *slots, uint32_t opaque)
{
	uint32_t i = opaque - (r->opaque - r->width);

	if (!verb_reads(r->verb) || r->width == 1)
		return opaque == r->opaque ? 0 : r->width;
	if (opaque == r->opaque)
		return 0;
	return i < r->width && !(slots[i] & SLOT_ANSWERED) ? i : r->width;
}

static enum hear
header(struct ear *e, const struct request *r, const uint32_t *slots, const char *h)
{
	const struct opcode *op = &opcodes[r->verb];
	uint8_t code = (uint8_t)h[BIN_AT_OPCODE], extras = (uint8_t)h[BIN_AT_EXTLEN];
	uint16_t status = bin_u16(h + BIN_AT_STATUS), keylen = bin_u16(h + BIN_AT_KEYLEN);
	uint32_t body = bin_u32(h + BIN_AT_BODYLEN), opaque = bin_u32(h + BIN_AT_OPAQUE);
	uint32_t wanted = verb_reads(r->verb) ? (r->verb == VERB_GETE ? 8 : 4) : 0;
	bool several = verb_reads(r->verb) && r->width > 1, ends = several && code == BIN_NOOP;

	e->ends = ends || !several;
	if ((uint8_t)h[0] != BIN_RESPONSE)
		return ear_refuse(e, "no header", h, BIN_HEADER);
	e->slot = slot_of(r, slots, opaque);
	if (e->slot == r->width || (several && ends != (opaque == r->opaque)))
		return ear_broken(
		    e, "the answer to another request: opaque %u, not %u", (unsigned)opaque, (unsigned)r->opaque);
	if (code != op->code && !(several && (code == op->quiet || code == BIN_NOOP)))
		return ear_broken(e, "an answer to opcode %02x, not %02x", code, op->code);
	if ((uint32_t)extras + keylen > body || body > (1 << 30) + 1024)
		return ear_broken(
		    e, "lengths that do not add up: %u, extras %u, key %u", (unsigned)body, extras, keylen);
	e->answer.outcome = outcome_of(status, r->verb);
	e->answer.cas = bin_u64(h + BIN_AT_CAS);
	if (verb_reads(r->verb) && !ends && status == BIN_OK) {
		if (extras != wanted || keylen != 0)
			return ear_broken(e, "a value with %u bytes of extras and %u of key", extras, keylen);
		e->left = body;
		e->stage = EAR_EXTRAS;
		return HEAR_MORE;
	}
	if (ends)
		e->answer.outcome = e->failed || status != BIN_OK ? OUTCOME_ERROR
				    : r->heard > 0		  ? OUTCOME_OK
								  : OUTCOME_MISS;
	else if (several && e->answer.outcome != OUTCOME_ERROR)
		return ear_broken(e, "status %u to a quiet get", status);
	e->left = body;
	e->stage = EAR_BODY;
	if (!ends || !e->failed)
		e->answer.text[0] = '\0';
	return HEAR_MORE;
}

/* The body of what is no value: a number, or words.  HEAR_VALUE: it is there, and the request goes on. */
static enum hear
body(struct ear *e, const struct request *r, uint32_t *slots, const char **p, const char *end)
{
	size_t part = (size_t)(end - *p) < e->left ? (size_t)(end - *p) : (size_t)e->left;
	size_t kept = SHOWN - e->line_len < part ? SHOWN - e->line_len : part;

	memcpy(e->line + e->line_len, *p, kept);
	e->line_len += (uint32_t)kept;
	*p += part;
	e->left -= part;
	if (e->left > 0)
		return HEAR_MORE;
	if (verb_counts(r->verb) && e->answer.outcome == OUTCOME_OK) {
		if (e->line_len != 8)
			return ear_broken(e, "a number of %u bytes", (unsigned)e->line_len);
		e->answer.number = bin_u64(e->line);
	}
	if (e->line_len > 0)
		ear_quote(e->answer.text, sizeof e->answer.text, e->line, e->line_len);
	e->line_len = 0;
	e->stage = EAR_LINE;
	if (!e->ends) {
		/* The noop still comes; its answer carries the error. */
		slots[e->slot] |= SLOT_ANSWERED;
		e->failed = true;
		return HEAR_VALUE;
	}
	e->failed = false;
	return HEAR_DONE;
}

static enum hear
hear(struct ear *e, const struct request *r, uint32_t *slots, const char **p, const char *end)
{
	const char *at;
	enum hear heard = HEAR_VALUE;

	if (e->stage == EAR_TAIL) {
		e->stage = EAR_LINE;
		return HEAR_DONE;
	}
	while (heard == HEAR_VALUE && e->stage != EAR_EXTRAS && e->stage != EAR_VALUE) {
		if (e->stage == EAR_BODY) {
			heard = body(e, r, slots, p, end);
			continue;
		}
		at = ear_bytes(e, p, end, BIN_HEADER);
		if (at == NULL)
			return HEAR_MORE;
		if (header(e, r, slots, at) == HEAR_BROKEN)
			return HEAR_BROKEN;
	}
	if (heard != HEAR_VALUE)
		return heard;
	if (e->stage == EAR_EXTRAS) {
		size_t extras = r->verb == VERB_GETE ? 8 : 4;

		at = ear_bytes(e, p, end, extras);
		if (at == NULL)
			return HEAR_MORE;
		ear_value(e, r, slots, e->slot, e->left - extras, bin_u32(at));
	}
	if (!ear_take(e, p, end))
		return HEAR_MORE;
	ear_heard(e, r, slots);
	e->stage = r->width > 1 ? EAR_LINE : EAR_TAIL;
	return HEAR_VALUE;
}

const struct proto proto_binary = { "binary", (1U << VERB_COUNT) - 1, say, hear };
