/*
 * append, prepend, incr, decr: a new value out of the old one.  Nobody may see bytes change, so nearly always that is a new item:
 *
 *	look, plan ──► build without the lock ──► look again: still the same? ──► put
 */
#include "rewrite.h"

#include <string.h>

#include "number.h"
#include "verb.h"

/* What is to become of an item. */
struct change {
	size_t len; /* of the new value */
	size_t ndigits;
	char digits[NUMBER_DIGITS_MAX];
	uint64_t number;
	bool missing; /* there is nothing to change */
};

static enum rend_status
plan_join(const struct visit *v, const struct rend_op *op, struct change *c)
{
	c->len = v->found->buf.size + op->item.value.len;
	if (c->len > rend_item_size_max())
		return REND_TOO_BIG;
	return table_fits(v->table, op->keylen, c->len) ? REND_OK : REND_TOO_BIG;
}

static void
fill_join(const struct rend_op *op, const struct change *c, const struct item *old, char *to)
{
	size_t len = op->item.value.len;
	bool behind = op->verb == REND_APPEND;

	memcpy(to + (behind ? 0 : len), old->buf.data, old->buf.size);
	rend_value_copy_out(&op->item.value, 0, to + (behind ? old->buf.size : 0), len);
}

/* The digits replace the value; a shorter number keeps its length, with spaces, as in memcached. */
static enum rend_status
plan_count(const struct visit *v, const struct rend_op *op, struct change *c)
{
	const struct rend_buf *buf = &v->found->buf;

	if (!number_parse(buf->data, buf->size, &c->number))
		return REND_NOT_A_NUMBER;
	c->number = number_step(c->number, op->ask.delta, op->verb == REND_INCR);
	c->ndigits = number_print(c->digits, c->number);
	c->len = c->ndigits > buf->size ? c->ndigits : buf->size;
	return REND_OK;
}

static void
fill_count(const struct rend_op *op, const struct change *c, const struct item *old, char *to)
{
	memcpy(to, c->digits, c->ndigits);
	memset(to + c->ndigits, ' ', c->len - c->ndigits);
}

static const struct rewriting {
	enum rend_status (*plan)(const struct visit *v, const struct rend_op *op, struct change *c);
	void (*fill)(const struct rend_op *op, const struct change *c, const struct item *old, char *to);
	bool counts;		  /* incr, decr: may fill the old item if the length stays */
	enum rend_status without; /* the answer when there is no such key */
} joining = { plan_join, fill_join, false, REND_NOT_STORED }, counting = { plan_count, fill_count, true, REND_MISS };

static enum rend_status
plan(const struct rewriting *how, const struct visit *v, const struct rend_op *op, struct change *c)
{
	enum rend_status status;

	c->missing = v->found == NULL;
	if (c->missing)
		return (op->ask.mode & REND_IF_CAS) ? REND_MISS : how->without;
	/* An empty value is none, whatever its version is. */
	if (how->counts && v->found->buf.size == 0)
		return REND_NOT_A_NUMBER;
	if (!verb_version_fits(op, v->found))
		return REND_EXISTS;
	status = how->plan(v, op, c);
	if (status != REND_OK)
		return status;
	return rend_guard_holds(op) ? REND_OK : REND_NOT_STORED;
}

/* What is told of the item, besides what any storing verb tells. */
static void
answer_change(struct rend_op *op, const struct rewriting *how, const struct change *c, const struct item *it)
{
	verb_stored(op, it);
	if (!how->counts)
		return;
	op->item.number = c->number;
	if (op->ask.want & REND_WANT_EXPTIME) {
		op->item.exptime = it->exptime;
		op->item.have |= REND_WANT_EXPTIME;
	}
}

/* The new item, built without a lock.  A reference to old is held, so its bytes stay and its address is not used again. */
static struct item *
build(const struct rewriting *how, struct table *t, const struct rend_op *op, const struct change *c,
    const struct item *old)
{
	struct item *it = verb_item(t, op, c->len);

	if (it == NULL)
		return NULL;
	how->fill(op, c, old, it->buf.data);
	it->flags = old->flags;
	return it;
}

static bool
touches(const struct rewriting *how, const struct rend_op *op)
{
	return how->counts && (op->ask.mode & REND_ALSO_TOUCH);
}

/* As in memcached, the item is a new one: nobody has got it yet, and it is neither stale nor somebody's to fill. */
static void
inherit(const struct rewriting *how, const struct rend_op *op, const struct item *old, struct item *it)
{
	it->exptime = touches(how, op) ? op->ask.exptime : old->exptime; /* read late: a touch may have come between */
}

static void
change_in_place(const struct rewriting *how, struct visit *v, struct rend_op *op, const struct change *c)
{
	struct item *it = v->found;

	how->fill(op, c, it, it->buf.data);
	it->cas = table_version(v->table, op->ask.cas_new);
	stripe_use(v->stripe, it, rend_now());
	if (touches(how, op))
		it->exptime = op->ask.exptime;
	answer_change(op, how, c, it);
	if (touches(how, op))
		table_touch(v, op->ask.exptime);
}

/* Looks, builds, looks again.  false: the item has changed meanwhile, because another op on this key came first. */
static bool
try_change(const struct rewriting *how, struct table *t, struct rend_op *op, enum rend_status *status, bool *missing)
{
	struct item *old, *it;
	struct change c;
	struct visit v;
	bool same;

	verb_enter(&v, t, op);
	*status = plan(how, &v, op, &c);
	*missing = c.missing;
	if (*status != REND_OK) {
		table_leave(&v);
		return true;
	}
	old = v.found;
	if (how->counts && c.len == old->buf.size && item_alone(old)) {
		change_in_place(how, &v, op, &c);
		table_leave(&v);
		return true;
	}
	rend_buf_ref(&old->buf);
	table_leave(&v);

	it = build(how, t, op, &c, old);
	if (it == NULL) {
		item_drop(&old);
		*status = REND_NO_MEMORY;
		return true;
	}
	verb_enter(&v, t, op);
	same = v.found == old && verb_version_fits(op, old); /* a delete may have made it stale, under a new version */
	if (same && !rend_guard_holds(op)) {
		*status = REND_NOT_STORED;
	} else if (same) {
		inherit(how, op, old, it);
		verb_put(&v, op, it);
		answer_change(op, how, &c, it);
		it = NULL;
	}
	table_leave(&v);
	item_drop(&it);
	item_drop(&old);
	return same;
}

/* ---- no such key, and REND_VIVIFY: begin with what was sent ---- */

static size_t
first_join(const struct rend_op *op, struct change *c)
{
	return op->item.value.len;
}

static size_t
first_count(const struct rend_op *op, struct change *c)
{
	c->number = op->ask.initial;
	return c->ndigits = number_print(c->digits, c->number);
}

/* false: another op on this key came first. */
static bool
try_begin(const struct rewriting *how, struct table *t, struct rend_op *op, enum rend_status *status)
{
	struct change c = { 0 };
	size_t len = how->counts ? first_count(op, &c) : first_join(op, &c);
	bool fits = table_fits(t, op->keylen, len), missing;
	struct item *it = fits ? verb_item(t, op, len) : NULL;
	struct visit v;

	if (it == NULL) {
		*status = fits ? REND_NO_MEMORY : REND_TOO_BIG;
		return true;
	}
	if (how->counts)
		memcpy(it->buf.data, c.digits, len);
	else
		rend_value_copy_out(&op->item.value, 0, it->buf.data, len);
	it->flags = how->counts ? 0 : op->item.flags;
	it->exptime = op->ask.vivify;
	verb_enter(&v, t, op);
	missing = v.found == NULL;
	if (missing)
		*status = rend_guard_holds(op) ? REND_OK : REND_NOT_STORED;
	if (missing && *status == REND_OK) {
		verb_put(&v, op, it);
		answer_change(op, how, &c, it);
		it = NULL;
	}
	table_leave(&v);
	item_drop(&it);
	return missing;
}

/* ---- until it is done ---- */

/* Each try lost means that another op on the key won; one that loses so often asks its client to come again. */
#define REWRITE_TRIES 64

static void
rewrite(const struct rewriting *how, struct table *t, struct rend_op *op)
{
	enum rend_status status = REND_OK;
	bool missing;

	for (int i = 0; i < REWRITE_TRIES; i++) {
		if (!try_change(how, t, op, &status, &missing))
			continue;
		if (!missing || (op->ask.mode & REND_VIVIFY) == 0 || try_begin(how, t, op, &status)) {
			rend_done(op, status);
			return;
		}
	}
	rend_done(op, REND_BUSY);
}

void
rewrite_join(void *inst, struct rend_op *op)
{
	rewrite(&joining, inst, op);
}

void
rewrite_count(void *inst, struct rend_op *op)
{
	rewrite(&counting, inst, op);
}
