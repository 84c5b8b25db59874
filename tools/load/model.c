/* What must be in the cache: see model.h. */
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* No value grows beyond that by append and prepend. */
#define LONGEST (256 * 1024)

int
model_init(struct model *m, const struct keys *k, bool may_evict)
{
	*m = (struct model){
		.keys = k, .may_evict = may_evict, .items = calloc(2 * (size_t)k->count, sizeof *m->items)
	};
	return m->items == NULL ? -1 : 0;
}

void
model_fini(struct model *m)
{
	free(m->items);
	m->items = NULL;
}

struct model_item *
model_item(struct model *m, uint32_t key)
{
	return &m->items[key & KEYS_NUMBER ? m->keys->count + (key & ~KEYS_NUMBER) : key];
}

static uint64_t
length(const struct model_item *it)
{
	uint64_t len = 0;

	for (uint32_t i = 0; i < it->pieces; i++)
		len += it->piece[i].len;
	return len;
}

/* Does nobody take the value for a number?  Its first byte says so, if it is one of a checksum. */
static bool
no_number(const struct model *m, const struct model_item *it, uint32_t key)
{
	const struct stamp s = { .key = key, .len = it->piece[0].len, .version = it->piece[0].version };
	char head[STAMP_HEAD];

	if (s.len < STAMP_HEAD)
		return false;
	stamp_head(m->keys, &s, head);
	return (unsigned char)head[0] >= 'A';
}

bool
model_can(struct model *m, enum verb v, uint32_t key)
{
	const struct model_item *it = model_item(m, key);
	bool number = key & KEYS_NUMBER;

	switch (v) {
	case VERB_SET:
	case VERB_DELETE:
		return true;
	case VERB_APPEND:
	case VERB_PREPEND:
		return !number && (it->state == MODEL_ABSENT ||
				      (it->state == MODEL_VALUE && it->pieces < PIECES_MAX && length(it) < LONGEST));
	case VERB_CAS:
		return !number && it->seen && it->state != MODEL_UNKNOWN;
	case VERB_INCR:
	case VERB_DECR:
		return it->state == MODEL_ABSENT || it->state == MODEL_NUMBER ||
		       (it->state == MODEL_VALUE && no_number(m, it, key));
	case VERB_VERSION:
	case VERB_NOOP:
	case VERB_FLUSH:
		return false;
	default:
		return it->state != MODEL_UNKNOWN;
	}
}

static void
store(struct model_item *it, const struct request *r)
{
	it->changes++;
	if (r->key & KEYS_NUMBER) {
		it->state = MODEL_NUMBER;
		it->number = r->number;
		return;
	}
	it->state = MODEL_VALUE;
	it->pieces = 1;
	it->piece[0] = r->piece[0];
}

static void
extend(struct model_item *it, const struct request *r)
{
	uint32_t at = r->verb == VERB_APPEND ? it->pieces : 0;

	it->changes++;
	for (uint32_t i = it->pieces; i > at; i--)
		it->piece[i] = it->piece[i - 1];
	it->piece[at] = r->piece[0];
	it->pieces++;
}

/* r stores if `allowed`; else it is answered with `else_may`. */
static void
ask_store(struct model_item *it, struct request *r, bool allowed, uint8_t else_may)
{
	r->may = allowed ? MAY(OK) : else_may;
	if (allowed && (r->verb == VERB_APPEND || r->verb == VERB_PREPEND))
		extend(it, r);
	else if (allowed)
		store(it, r);
}

static void
ask_get(const struct model_item *it, struct request *r, bool there)
{
	r->may = there ? MAY(OK) : MAY(MISS);
	r->mark = it->changes;
	r->check = !there ? CHECK_NOTHING : it->state == MODEL_NUMBER ? CHECK_NUMBER : CHECK_PIECES;
	r->expect = it->number;
	r->pieces = it->pieces;
	for (uint32_t i = 0; i < it->pieces; i++)
		r->piece[i] = it->piece[i];
}

static void
ask_count(struct model_item *it, struct request *r)
{
	if (it->state != MODEL_NUMBER) {
		r->may = it->state == MODEL_ABSENT ? MAY(MISS) : MAY(NOT_A_NUMBER);
		return;
	}
	r->may = MAY(OK);
	it->changes++;
	if (r->verb == VERB_INCR)
		it->number += r->number;
	else
		it->number = it->number > r->number ? it->number - r->number : 0;
	r->expect = it->number;
}

/* Whatever is there, or not. */
static void
ask_unknown(struct model_item *it, struct request *r)
{
	r->may = r->verb == VERB_SET ? MAY(OK) : MAY(OK) | MAY(MISS);
	if (r->verb == VERB_SET) {
		store(it, r);
	} else {
		it->state = MODEL_ABSENT;
		it->changes++;
	}
}

void
model_ask(struct model *m, struct request *r)
{
	struct model_item *it = model_item(m, r->key);
	bool there = it->state == MODEL_VALUE || it->state == MODEL_NUMBER,
	     same = it->seen && it->seen_at == it->changes;

	if (it->state == MODEL_UNKNOWN) {
		ask_unknown(it, r);
		return;
	}
	switch (r->verb) {
	case VERB_SET:
		ask_store(it, r, true, 0);
		return;
	case VERB_ADD:
		ask_store(it, r, !there, MAY(NOT_STORED));
		break;
	case VERB_CAS:
		r->cas = it->cas;
		ask_store(it, r, there && same, there ? MAY(EXISTS) : MAY(MISS));
		break;
	case VERB_REPLACE:
	case VERB_APPEND:
	case VERB_PREPEND:
		ask_store(it, r, there, MAY(NOT_STORED));
		break;
	case VERB_DELETE:
		r->may = there ? MAY(OK) : MAY(MISS);
		it->changes += there;
		it->state = MODEL_ABSENT;
		it->pieces = 0;
		break;
	case VERB_INCR:
	case VERB_DECR:
		ask_count(it, r);
		break;
	case VERB_TOUCH:
		r->may = there ? MAY(OK) : MAY(MISS);
		break;
	default:
		ask_get(it, r, there);
		break;
	}
	/* If it may be gone, so may what follows from its being there: the answers say which it was. */
	if (m->may_evict && there)
		r->may |= MAY(OK) | MAY(MISS) | MAY(NOT_STORED) | (r->verb == VERB_CAS ? MAY(EXISTS) : 0);
}

const char *
model_answered(struct model *m, const struct request *r, const struct answer *a)
{
	struct model_item *it = model_item(m, r->key);
	static char why[120];

	if (r->wrong || a->outcome == OUTCOME_ERROR) {
		it->state = MODEL_UNKNOWN;
		return NULL;
	}
	/* A memcached that is short of memory also moves items, which gives them other versions. */
	if (m->may_evict && (a->outcome == OUTCOME_MISS || a->outcome == OUTCOME_NOT_STORED ||
				a->outcome == OUTCOME_EXISTS || r->verb == VERB_ADD)) {
		it->state = MODEL_UNKNOWN;
		return NULL;
	}
	if (a->outcome == OUTCOME_OK && (r->verb == VERB_GETS || r->verb == VERB_GATS)) {
		it->seen = true;
		it->seen_at = r->mark;
		it->cas = a->cas;
	}
	if (!verb_counts(r->verb) || a->outcome != OUTCOME_OK || a->number == r->expect)
		return NULL;
	it->state = MODEL_UNKNOWN;
	snprintf(why, sizeof why, "expected %" PRIu64 ", heard %" PRIu64, r->expect, a->number);
	return why;
}

void
model_lost(struct model *m, const struct request *r)
{
	model_item(m, r->key)->state = MODEL_UNKNOWN;
}
