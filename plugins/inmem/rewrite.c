/*
 * append, prepend, incr, decr: a new record out of the old one, since nobody may see bytes change.
 *
 *	look, plan ──► write a draft ──► look again: still the same? ──► what is small of the old one is copied ──► put
 */
#include "rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "haul.h"
#include "rend/counter.h"
#include "verb.h"

/* What is to become of an item. */
struct change {
	size_t len;	/* of the new value */
	size_t old_len; /* of the one it was planned for */
	uint64_t version;
	int64_t exptime;   /* it has now */
	struct large *old; /* that one's large value, pinned; NULL: it is small */
	size_t ndigits;
	char digits[REND_COUNTER_DIGITS_MAX];
	uint64_t number;
	bool missing; /* there is nothing to change */
};

/* ---- append, prepend ---- */

static enum rend_status
plan_join(const struct visit *v, const struct rend_op *op, struct change *c)
{
	c->len = c->old_len + op->item.value.len;
	if (c->len > rend_item_size_max())
		return REND_TOO_BIG;
	return store_fits(v->store, op->keylen, c->len) ? REND_OK : REND_TOO_BIG;
}

static void
fill_join(const struct rend_op *op, const struct change *c, const struct draft *d)
{
	draft_write_value(d, op->verb == REND_APPEND ? c->old_len : 0, &op->item.value);
}

/* Where the old value's bytes go. */
static size_t
old_place(const struct rend_op *op)
{
	return op->verb == REND_APPEND ? 0 : op->item.value.len;
}

/* All of a large value, which stays where it is. */
static void
write_old(const struct rend_op *op, const struct change *c, const struct draft *d)
{
	size_t at = old_place(op), len;
	const char *p;

	for (unsigned n = 0; (p = large_piece(d->pages, c->old, n, &len)) != NULL; n++) {
		draft_write(d, at, p, len);
		at += len;
	}
}

/* ---- incr, decr ---- */

/* The number of a large value: almost always it has none, and its first byte says so. */
static enum rend_status
parse_large(const struct visit *v, const struct large *l, uint64_t *number)
{
	bool parsed;
	char *copy;

	if (l->len > REND_COUNTER_VALUE_MAX)
		return REND_NOT_A_NUMBER;
	copy = malloc(l->len);
	if (copy == NULL)
		return REND_NO_MEMORY;
	large_read(v->store->arena.pages, l, 0, copy, l->len);
	parsed = rend_counter_read(copy, l->len, number);
	free(copy);
	return parsed ? REND_OK : REND_NOT_A_NUMBER;
}

static enum rend_status
parse(const struct visit *v, uint64_t *number)
{
	const struct large *l = large_of(&v->store->arena, v->found);

	if (l != NULL)
		return parse_large(v, l, number);
	return rend_counter_read(record_value(v->found), v->found->len, number) ? REND_OK : REND_NOT_A_NUMBER;
}

/* The digits replace the value; a shorter number keeps its length, with spaces, as in memcached. */
static enum rend_status
plan_count(const struct visit *v, const struct rend_op *op, struct change *c)
{
	enum rend_status status = parse(v, &c->number);

	if (status != REND_OK)
		return status;
	c->number = rend_counter_step(c->number, op->ask.delta, op->verb == REND_INCR);
	c->ndigits = rend_counter_print(c->digits, c->number);
	c->len = c->ndigits > c->old_len ? c->ndigits : c->old_len;
	return REND_OK;
}

static void
fill_count(const struct rend_op *op, const struct change *c, const struct draft *d)
{
	char spaces[256];
	size_t at = c->ndigits;

	draft_write(d, 0, c->digits, c->ndigits);
	memset(spaces, ' ', sizeof spaces);
	for (size_t n; at < c->len; at += n) {
		n = c->len - at < sizeof spaces ? c->len - at : sizeof spaces;
		draft_write(d, at, spaces, n);
	}
}

static const struct rewriting {
	enum rend_status (*plan)(const struct visit *v, const struct rend_op *op, struct change *c);
	void (*fill)(
	    const struct rend_op *op, const struct change *c, const struct draft *d); /* all but the old bytes */
	bool counts;		  /* incr, decr: nothing of the old bytes stays */
	enum rend_status without; /* the answer when there is no such key */
} joining = { plan_join, fill_join, false, REND_NOT_STORED }, counting = { plan_count, fill_count, true, REND_MISS };

static enum rend_status
plan(const struct rewriting *how, const struct visit *v, const struct rend_op *op, struct change *c)
{
	enum rend_status status;

	*c = (struct change){ .missing = v->found == NULL };
	if (c->missing)
		return (op->ask.mode & REND_IF_CAS) ? REND_MISS : how->without;
	c->old_len = large_or_len(&v->store->arena, v->found);
	c->version = v->found->version;
	c->exptime = record_exptime(v->found);
	/* An empty value is none, whatever its version is. */
	if (how->counts && c->old_len == 0)
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
answer_change(struct rend_op *op, const struct rewriting *how, const struct change *c, const struct record *r)
{
	verb_stored(op, r, c->len);
	if (!how->counts)
		return;
	op->item.number = c->number;
	if (op->ask.want & REND_WANT_EXPTIME) {
		op->item.exptime = record_exptime(r);
		op->item.have |= REND_WANT_EXPTIME;
	}
}

static bool
touches(const struct rewriting *how, const struct rend_op *op)
{
	return how->counts && (op->ask.mode & REND_ALSO_TOUCH);
}

/*
 * What is still to be done when the item is found as it was.  As in memcached, it is a new one: nobody has got it yet, and it is neither stale
 * nor somebody's to fill.  But for a number that stays as long as it was: that is the same item.
 */
static void
inherit(
    const struct rewriting *how, const struct rend_op *op, const struct change *c, struct record *old, struct draft *d)
{
	d->record->flags = old->flags;
	/* Read late: a touch may have come between. */
	record_set_exptime(d->record, touches(how, op) ? op->ask.exptime : record_exptime(old));
	if (how->counts && c->len == c->old_len)
		d->record->state |= record_state(old) & (RECORD_FETCHED | RECORD_STALE | RECORD_SENT);
	if (how->counts)
		how->fill(op, c, d);
	else if (c->old == NULL)
		draft_write(d, old_place(op), record_value(old), c->old_len);
}

static enum rend_status
put_change(const struct rewriting *how, struct visit *v, struct rend_op *op, const struct change *c, struct draft *d)
{
	struct record *r = d->record;

	if (!rend_guard_holds(op))
		return REND_NOT_STORED;
	inherit(how, op, c, v->found, d);
	if (!visit_put(v, op, d))
		return REND_NO_MEMORY;
	answer_change(op, how, c, r);
	return REND_OK;
}

/* The draft, with all that can be written without the lock: the bytes of a large value are, small ones may be gone by now. */
static bool
draft_change(
    const struct rewriting *how, struct draft *d, struct shelf *sh, const struct rend_op *op, const struct change *c)
{
	if (!draft_new(d, sh, op, c->len, c->exptime))
		return false;
	if (how->counts)
		return true;
	how->fill(op, c, d);
	if (c->old != NULL)
		write_old(op, c, d);
	return true;
}

/* Looks, writes, looks again.  false: the item has changed meanwhile, because another op on this key came first. */
static bool
try_change(const struct rewriting *how, struct shelf *sh, struct rend_op *op, bool *waits, enum rend_status *status,
    bool *missing)
{
	struct pages *p = sh->store->arena.pages;
	struct change c;
	struct draft d;
	struct visit v;
	bool same;

	visit_enter(&v, sh, op);
	*status = plan(how, &v, op, &c);
	*missing = c.missing;
	*waits = *waits && *status == REND_OK && quest_has_queue(sh, large_pages(c.len));
	if (*status == REND_OK && !how->counts && !*waits) {
		c.old = large_of(&sh->store->arena, v.found);
		if (c.old != NULL)
			large_pin(p, c.old);
	}
	visit_leave(&v);
	if (*status != REND_OK || *waits)
		return true;
	if (!draft_change(how, &d, sh, op, &c)) {
		if (c.old != NULL)
			large_unpin(p, c.old);
		*status = REND_NO_MEMORY;
		return true;
	}
	visit_enter(&v, sh, op);
	/* The version tells them apart, but for one that somebody chose again: that may be another number, of the same length. */
	same = v.found != NULL && v.found->version == c.version &&
	       large_or_len(&sh->store->arena, v.found) == c.old_len &&
	       (how->counts || large_of(&sh->store->arena, v.found) == c.old);
	if (same && how->counts)
		same = plan(how, &v, op, &c) == REND_OK && c.len == d.len;
	if (same)
		*status = put_change(how, &v, op, &c, &d);
	visit_leave(&v);
	draft_waste(&d, sh);
	if (c.old != NULL)
		large_unpin(p, c.old);
	return same;
}

/* ---- no such key, and REND_VIVIFY: begin with what was sent ---- */

static size_t
first_join(const struct rend_op *op)
{
	return op->item.value.len;
}

static size_t
first_count(const struct rend_op *op, struct change *c)
{
	c->number = op->ask.initial;
	return c->ndigits = rend_counter_print(c->digits, c->number);
}

/* false: another op on this key came first. */
static bool
try_begin(const struct rewriting *how, struct shelf *sh, struct rend_op *op, enum rend_status *status)
{
	struct change c = { 0 };
	bool missing;
	struct draft d;
	struct record *r;
	struct visit v;

	c.len = how->counts ? first_count(op, &c) : first_join(op);
	if (!store_fits(sh->store, op->keylen, c.len)) {
		*status = REND_TOO_BIG;
		return true;
	}
	if (!draft_new(&d, sh, op, c.len, op->ask.vivify)) {
		*status = REND_NO_MEMORY;
		return true;
	}
	if (how->counts)
		draft_write(&d, 0, c.digits, c.len);
	else
		draft_write_value(&d, 0, &op->item.value);
	r = d.record;
	r->flags = how->counts ? 0 : op->item.flags;
	record_set_exptime(r, op->ask.vivify);
	visit_enter(&v, sh, op);
	missing = v.found == NULL;
	if (missing)
		*status = rend_guard_holds(op) ? REND_OK : REND_NOT_STORED;
	if (missing && *status == REND_OK && !visit_put(&v, op, &d))
		*status = REND_NO_MEMORY;
	else if (missing && *status == REND_OK)
		answer_change(op, how, &c, r);
	visit_leave(&v);
	draft_waste(&d, sh);
	return missing;
}

/* ---- until it is done ---- */

/* Each try lost means that another op on the key won; one that loses so often asks its client to come again. */
#define REWRITE_TRIES 64

/* false: it has to wait. */
static bool
rewrite(const struct rewriting *how, struct shelf *sh, struct rend_op *op, bool may_wait)
{
	enum rend_status status = REND_OK;
	bool missing;

	shelf_enter(sh);
	for (int i = 0; i < REWRITE_TRIES; i++) {
		bool waits = may_wait;

		if (!try_change(how, sh, op, &waits, &status, &missing))
			continue;
		if (waits)
			return false;
		if (!missing || (op->ask.mode & REND_VIVIFY) == 0 || try_begin(how, sh, op, &status)) {
			rend_done(op, status);
			return true;
		}
	}
	rend_done(op, REND_BUSY);
	return true;
}

bool
rewrite_join_again(struct shelf *sh, struct rend_op *op, bool may_wait)
{
	return rewrite(&joining, sh, op, may_wait);
}

void
rewrite_join(void *inst, struct rend_op *op)
{
	if (!rewrite(&joining, inst, op, true))
		haul_begin(inst, op);
}

void
rewrite_count(void *inst, struct rend_op *op)
{
	rewrite(&counting, inst, op, false);
}
