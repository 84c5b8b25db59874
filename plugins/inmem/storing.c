/* set, add, replace, cas: see storing.h. */
#include "storing.h"

#include "haul.h"
#include "pin.h"
#include "verb.h"

/* Of the limit, what may be lent for values that are on their way. */
#define LENT_PART 4

/* Steps that are taken at once for memory that is to be lent. */
#define LEND_STEPS 4

/* An older version than what is there, which its sender would rather have kept as stale than refused? */
static bool
comes_late(const struct visit *v, const struct rend_op *op)
{
	return (op->ask.mode & REND_INVALIDATE) && (op->ask.mode & REND_IF_CAS) && op->ask.cas < v->found->version;
}

/* May this op store where v looks?  The guard is asked last, since it is what a refusal is not the client's fault for.
 */
static enum rend_status
may_store(const struct visit *v, const struct rend_op *op)
{
	bool there = v->found != NULL;

	if ((op->ask.mode & REND_IF_CAS) && !there)
		return REND_MISS;
	if (there && !verb_version_fits(op, v->found) && !comes_late(v, op))
		return REND_EXISTS;
	if (op->verb == REND_ADD ? there : op->verb != REND_SET && !there)
		return REND_NOT_STORED;
	return rend_guard_holds(op) ? REND_OK : REND_NOT_STORED;
}

void
storing_drop(struct shelf *sh, const struct rend_op *op)
{
	struct visit v;

	visit_enter(&v, sh, op);
	if (v.found != NULL)
		visit_take(&v);
	visit_leave(&v);
}

/* A draft with what the op brings.  A set that cannot be kept leaves no older value behind; with evict = false that may
 * be what it needs. */
static enum rend_status
draft_of(struct shelf *sh, const struct rend_op *op, struct draft *d)
{
	size_t len = op->item.value.len;
	bool made = draft_new(d, sh, op, len, op->item.exptime);

	if (!made && storing_replaces(op)) {
		storing_drop(sh, op);
		made = draft_new(d, sh, op, len, op->item.exptime);
	}
	if (!made)
		return REND_NO_MEMORY;
	draft_write_value(d, 0, &op->item.value);
	return REND_OK;
}

static enum rend_status
put(struct visit *v, struct rend_op *op, struct draft *d)
{
	struct record *r = d->record;
	enum rend_status status = may_store(v, op);

	if (status != REND_OK)
		return status;
	if (v->found != NULL && comes_late(v, op)) {
		/* It takes the place of what was marked stale, with all that is known of that. */
		r->state |= RECORD_STALE | (record_state(v->found) & RECORD_SENT);
		record_set_exptime(r, record_exptime(v->found));
	}
	if (!visit_put(v, op, d))
		return REND_NO_MEMORY;
	verb_stored(op, r, d->len);
	return REND_OK;
}

/* Whether there is a draft or none: the op is over. */
static void
end(struct shelf *sh, struct rend_op *op, struct draft *d, enum rend_status status)
{
	struct visit v;

	if (status == REND_OK) {
		d->record->flags = op->item.flags;
		record_set_exptime(d->record, op->item.exptime);
		visit_enter(&v, sh, op);
		status = put(&v, op, d);
		visit_leave(&v);
		draft_waste(d, sh);
	}
	rend_done(op, status);
}

void
storing_end(struct shelf *sh, struct rend_op *op, struct large *large)
{
	enum rend_status status = REND_OK;
	struct draft d;

	if (!draft_of_large(&d, sh, op, large, op->item.exptime)) {
		if (storing_replaces(op))
			storing_drop(sh, op);
		status = REND_NO_MEMORY;
	}
	end(sh, op, &d, status);
}

void
storing_put(void *inst, struct rend_op *op)
{
	struct shelf *sh = inst;
	size_t len = op->item.value.len;
	struct large *l;
	struct draft d;

	shelf_enter(sh);
	if (!store_fits(sh->store, op->keylen, len)) {
		if (storing_replaces(op))
			storing_drop(sh, op);
		rend_done(op, REND_TOO_BIG);
		return;
	}
	l = len <= sh->store->small_max ? NULL : pin_returned(sh->store->arena.pages, &op->item.value);
	if (l != NULL)
		storing_end(sh, op, l);
	else if (len > HAUL_LEAST)
		haul_begin(sh, op);
	else
		end(sh, op, &d, draft_of(sh, op, &d));
}

void
storing_reserve(void *inst, uint64_t hash, size_t size, struct rend_value *body)
{
	struct shelf *sh = inst;
	struct store *s = sh->store;
	struct pages *p = s->arena.pages;
	struct quest q = { .wanted = large_pages(size) };
	enum quest_come come = QUEST_MORE;
	struct large *l;

	if (size <= s->small_max || __atomic_load_n(&s->given, __ATOMIC_ACQUIRE) ||
	    !store_fits(s, REND_KEY_MAX, size) ||
	    __atomic_load_n(&p->reserved, __ATOMIC_RELAXED) + size > s->arena.limit / LENT_PART)
		return;
	shelf_enter(sh);
	for (int i = 0; i < LEND_STEPS && come == QUEST_MORE; i++)
		come = quest_seek(sh, &q);
	grace_leave(&s->grace, sh->worker);
	if (come == QUEST_HAS)
		q.got = 0; /* it goes over to the value */
	quest_end(sh, &q);
	if (come != QUEST_HAS)
		return;
	l = large_new(p, size);
	if (l != NULL)
		pin_lend(p, l, body);
}
