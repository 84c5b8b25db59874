/*
 * get.  Without a lock where it changes nothing but counts hits; else in a visit.
 *
 * An item may be in somebody's hands to be filled: whoever is told REND_WON is the one, and until he has stored it, others are told
 * REND_SENT.
 *
 *	no item ── vivify ──► empty, sent
 *	item ── soon to expire (recache), or stale ──► sent ── a set ──► a new item
 */
#include "lookup.h"

#include "pin.h"
#include "quest.h"
#include "verb.h"

#define WANTS_KNOWN (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS | REND_WANT_SIZE | REND_WANT_ACCESS)

/* Modes that change an item, or make one. */
#define MODES_CHANGE (REND_ALSO_TOUCH | REND_VIVIFY | REND_RECACHE)

/* Is this client the one to fill the item?  As memcached decides. */
static bool
wins(const struct rend_op *op, const struct record *r, uint8_t state, int64_t wall)
{
	int64_t exptime = record_exptime(r);

	if ((state & RECORD_SENT) || (op->ask.want & REND_WANT_NO_WIN))
		return false;
	if (state & RECORD_STALE)
		return true;
	return (op->ask.mode & REND_RECACHE) && exptime != 0 && exptime - wall < op->ask.recache;
}

/* With REND_WON only in a visit: a record that is marked stale, or is to be recached, is not answered for without. */
static uint32_t
signs(const struct rend_op *op, struct record *r, int64_t wall, bool vivified)
{
	uint8_t state = record_state(r);
	uint32_t signs = (state & RECORD_SENT && !vivified ? REND_SENT : 0) | (state & RECORD_STALE ? REND_STALE : 0);

	if ((op->ask.want & REND_WANT_ACCESS) && (state & RECORD_FETCHED))
		signs |= REND_HIT_BEFORE;
	if (vivified || wins(op, r, state, wall)) {
		record_mark(r, RECORD_SENT);
		signs |= REND_WON;
	}
	return signs;
}

/* The value, but to somebody who has it already.  A small one is copied; a large one is pinned, in a visit. */
static int
give_value(struct shelf *sh, struct rend_op *op, struct record *r)
{
	struct large *l;

	if ((op->ask.want & REND_WANT_VALUE) == 0)
		return 0;
	if ((op->ask.mode & REND_IF_CAS) && r->version == op->ask.cas) {
		op->item.have &= ~(uint32_t)REND_WANT_VALUE;
		return 0;
	}
	if (op->item.value.nsegs != 0)
		rend_value_drop(&op->item.value);
	l = large_of(&sh->store->arena, r);
	if (l == NULL)
		return outgoing_copy(&sh->outgoing, &op->item.value, record_value(r), r->len);
	return pin_give(sh->store->arena.pages, l, &op->item.value);
}

/* All that is told of a record.  touches: in a visit, and it has its new exptime before it is asked whether that is to be filled anew. */
static enum rend_status
answer(struct shelf *sh, struct rend_op *op, struct record *r, int64_t wall, bool vivified, bool touches)
{
	op->item.have = op->ask.want & WANTS_KNOWN;
	if (give_value(sh, op, r) != 0)
		return REND_NO_MEMORY;
	if (touches)
		store_touch(sh->store, r, op->ask.exptime);
	op->item.flags = r->flags;
	op->item.signs = signs(op, r, wall, vivified);
	op->item.exptime = record_exptime(r);
	op->item.cas = r->version;
	op->item.size = large_or_len(&sh->store->arena, r);
	op->item.last_access = record_idle(r, wall);
	return REND_OK;
}

static void
note_hit(
    const struct store *s, const struct rend_op *op, struct record *r, int64_t wall, uint64_t *slot, uint64_t entry)
{
	if (op->ask.mode & REND_NO_BUMP)
		return;
	index_hit(slot, entry);
	/* What came from another process and was not all looked at yet is not written to. */
	if (record_epoch(r) != (uint16_t)__atomic_load_n(&s->epoch, __ATOMIC_RELAXED))
		return;
	record_mark(r, RECORD_FETCHED);
	record_use(r, wall);
}

/* ---- in a visit ---- */

static enum rend_status
answer_found(struct visit *v, struct rend_op *op, bool vivified)
{
	bool touches = (op->ask.mode & REND_ALSO_TOUCH) && !vivified;
	struct record *r = v->found;
	enum rend_status status;

	if (touches && !rend_guard_holds(op))
		return REND_NOT_STORED;
	status = answer(v->shelf, op, r, v->wall, vivified, touches);
	if (status != REND_OK)
		return status;
	if (touches)
		op->item.exptime = op->ask.exptime;
	if (!vivified)
		note_hit(v->store, op, r, v->wall, v->home.slot, v->home.entry);
	else if ((op->ask.mode & REND_NO_BUMP) == 0)
		record_mark(r, RECORD_FETCHED);
	if (touches)
		visit_touch(v, op->ask.exptime);
	return REND_OK;
}

/* What an empty item that was gone when it was made is answered with: it is the client's to be filled all the same. */
static enum rend_status
answer_gone(struct shelf *sh, struct rend_op *op, struct record *r)
{
	return answer(sh, op, r, rend_wall(), true, false);
}

/* On a miss: an empty item, unless another client puts one there first.  The visit goes on, at whatever is there then. */
static enum rend_status
vivify(struct visit *v, struct rend_op *op)
{
	struct shelf *sh = v->shelf;
	enum rend_status status = REND_OK;
	struct draft d;

	visit_leave(v);
	if (draft_new(&d, sh, op, 0, op->ask.vivify)) {
		record_set_exptime(d.record, op->ask.vivify);
		/* Before others can find it: to them it is no empty value. */
		record_mark(d.record, RECORD_SENT);
	}
	visit_enter(v, sh, op);
	if (v->found != NULL)
		status = answer_found(v, op, false);
	else if (d.record == NULL)
		status = REND_NO_MEMORY;
	else if (!rend_guard_holds(op))
		status = REND_NOT_STORED;
	else if (!visit_put(v, op, &d))
		status = REND_NO_MEMORY;
	else if (d.record == NULL)
		status = answer_found(v, op, true);
	else
		status = answer_gone(sh, op, d.record);
	draft_waste(&d, sh);
	return status;
}

/* Of a value that is one too many of those that answers hold, a copy is told, if there may be one. */
static enum rend_status
not_too_much(struct shelf *sh, struct rend_op *op)
{
	struct pages *p = sh->store->arena.pages;
	uint64_t pages;
	size_t cost;

	/* Who is to fill the item anew has to be told that. */
	if ((op->item.have & REND_WANT_VALUE) == 0 || !pin_is_over(p, &op->item.value) ||
	    (op->item.signs & REND_WON) != 0)
		return REND_OK;
	cost = pin_copy_cost(p, &op->item.value);
	pages = (cost + PAGES_PAGE - 1) / PAGES_PAGE;
	if (cost != 0 && quest_pages(sh, pages)) {
		pages_cash(p, pages);
		if (pin_copy(p, &op->item.value, pages * PAGES_PAGE) == 0)
			return REND_OK;
	}
	rend_value_drop(&op->item.value);
	return REND_NO_MEMORY;
}

static enum rend_status
get_in_visit(struct shelf *sh, struct rend_op *op)
{
	enum rend_status status;
	struct visit v;

	visit_enter(&v, sh, op);
	if (v.found != NULL)
		status = answer_found(&v, op, false);
	else if (op->ask.mode & REND_VIVIFY)
		status = vivify(&v, op);
	else
		status = REND_MISS;
	visit_leave(&v);
	return status == REND_OK ? not_too_much(sh, op) : status;
}

/* Changes an item, or needs its large value to stay while it is pinned? */
static bool
needs_visit(const struct record *r)
{
	return (record_state(r) & (RECORD_STALE | RECORD_LARGE)) != 0;
}

void
lookup_get(void *inst, struct rend_op *op)
{
	struct shelf *sh = inst;
	int64_t wall = rend_wall();
	enum rend_status status;
	uint64_t *slot, entry;
	struct record *r;

	shelf_enter(sh);
	if (op->ask.mode & MODES_CHANGE) {
		rend_done(op, get_in_visit(sh, op));
		return;
	}
	r = store_find(sh->store, op, wall, &slot, &entry);
	if (r == NULL) {
		rend_done(op, REND_MISS);
		return;
	}
	if (needs_visit(r)) {
		rend_done(op, get_in_visit(sh, op));
		return;
	}
	status = answer(sh, op, r, wall, false, false);
	if (status == REND_OK)
		note_hit(sh->store, op, r, wall, slot, entry);
	rend_done(op, status);
}
