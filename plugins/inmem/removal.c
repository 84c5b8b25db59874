/*
 * delete.  It may leave the item, marked as stale, or an empty one in its place; that is a new record under a new version, since nobody may see
 * one change.
 */
#include "removal.h"

#include "verb.h"

#define MODES_LEAVE (REND_INVALIDATE | REND_DROP_VALUE)

/* Each time it was lost, another op on the key came first. */
#define LEAVE_TRIES 64

static enum rend_status
may_remove(const struct visit *v, const struct rend_op *op)
{
	if (v->found == NULL)
		return REND_MISS;
	if (!verb_version_fits(op, v->found))
		return REND_EXISTS;
	if ((op->ask.mode & MODES_LEAVE) != 0 && !rend_guard_holds(op))
		return REND_NOT_STORED;
	return REND_OK;
}

static enum rend_status
take(struct shelf *sh, struct rend_op *op)
{
	enum rend_status status;
	struct visit v;

	visit_enter(&v, sh, op);
	status = may_remove(&v, op);
	if (status == REND_OK)
		visit_take(&v);
	visit_leave(&v);
	return status;
}

/* What the item that is left behind has of the one that was there. */
static void
inherit(const struct rend_op *op, struct draft *d, struct record *old)
{
	struct record *r = d->record;
	uint8_t state = record_state(old) & (RECORD_FETCHED | RECORD_STALE | RECORD_SENT);

	record_set_exptime(r, record_exptime(old));
	if ((op->ask.mode & REND_DROP_VALUE) == 0) {
		r->flags = old->flags;
		if (d->large == NULL)
			draft_write(d, 0, record_value(old), d->len);
	}
	if (op->ask.mode & REND_INVALIDATE) {
		state = (state | RECORD_STALE) & (uint8_t)~RECORD_SENT;
		if (op->ask.mode & REND_ALSO_TOUCH)
			record_set_exptime(r, op->ask.exptime);
	}
	r->state |= state;
}

/* Is a draft that was made for one item as large as what another needs? */
static bool
fits(const struct shelf *sh, const struct rend_op *op, const struct draft *d, const struct record *old)
{
	if (op->ask.mode & REND_DROP_VALUE)
		return true;
	return large_of(&sh->store->arena, old) == d->large && (d->large != NULL || old->len == d->len);
}

/* Room for what is to be left of what is there now.  false: there is none. */
static bool
draft_rest(struct shelf *sh, struct rend_op *op, struct draft *d, enum rend_status *status)
{
	struct large *l = NULL;
	struct visit v;
	size_t len = 0;
	int64_t exptime = 0;

	*d = (struct draft){ 0 };
	visit_enter(&v, sh, op);
	*status = may_remove(&v, op);
	if (*status == REND_OK)
		exptime = record_exptime(v.found);
	if (*status == REND_OK && (op->ask.mode & REND_DROP_VALUE) == 0) {
		l = large_of(&sh->store->arena, v.found);
		len = large_or_len(&sh->store->arena, v.found);
		if (l != NULL)
			large_own(l);
	}
	visit_leave(&v);
	if (*status != REND_OK)
		return false;
	if (l == NULL ? draft_new(d, sh, op, len, exptime) : draft_of_large(d, sh, op, l, exptime))
		return true;
	*status = REND_NO_MEMORY;
	return false;
}

static enum rend_status
leave(struct shelf *sh, struct rend_op *op)
{
	for (int i = 0; i < LEAVE_TRIES; i++) {
		enum rend_status status;
		struct draft d;
		struct visit v;
		bool same;

		if (!draft_rest(sh, op, &d, &status))
			return status;
		visit_enter(&v, sh, op);
		status = may_remove(&v, op);
		same = status != REND_OK || fits(sh, op, &d, v.found);
		if (same && status == REND_OK) {
			inherit(op, &d, v.found);
			if (!visit_put(&v, op, &d))
				status = REND_NO_MEMORY;
		}
		visit_leave(&v);
		draft_waste(&d, sh);
		if (same)
			return status;
	}
	return REND_BUSY;
}

void
removal_delete(void *inst, struct rend_op *op)
{
	struct shelf *sh = inst;

	shelf_enter(sh);
	rend_done(op, (op->ask.mode & MODES_LEAVE) == 0 ? take(sh, op) : leave(sh, op));
}
