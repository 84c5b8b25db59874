/*
 * get.  An item may be in somebody's hands to be filled: whoever is told REND_WON is the one, and until he has stored it, others are told
 * REND_SENT.
 *
 *	no item ── vivify ──► empty, sent
 *	item ── soon to expire (recache), or stale ──► sent ── a set ──► a new item
 */
#include "lookup.h"

#include "verb.h"

#define WANTS_KNOWN (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS | REND_WANT_SIZE | REND_WANT_ACCESS)

#define NS_PER_S    1000000000ULL

/* So much of a value is fetched into the cache while its answer is made. */
#define PREFETCH_MAX 256

/* Is this client the one to fill the item?  As memcached decides. */
static bool
wins(const struct rend_op *op, const struct item *it, int64_t wall)
{
	if (it->sent || (op->ask.want & REND_WANT_NO_WIN))
		return false;
	if (it->stale)
		return true;
	return (op->ask.mode & REND_RECACHE) && it->exptime != 0 && it->exptime - wall < op->ask.recache;
}

static uint32_t
signs(const struct rend_op *op, struct item *it, int64_t wall, bool vivified)
{
	uint32_t signs = (it->sent ? REND_SENT : 0) | (it->stale ? REND_STALE : 0);

	if ((op->ask.want & REND_WANT_ACCESS) && it->fetched)
		signs |= REND_HIT_BEFORE;
	if (vivified || wins(op, it, wall)) {
		it->sent = true;
		signs |= REND_WON;
	}
	return signs;
}

/* The value, but to somebody who has it already. */
static void
give_value(struct rend_op *op, struct item *it)
{
	if ((op->ask.want & REND_WANT_VALUE) == 0)
		return;
	if ((op->ask.mode & REND_IF_CAS) && it->cas == op->ask.cas) {
		op->item.have &= ~(uint32_t)REND_WANT_VALUE;
		return;
	}
	if (op->item.value.nsegs != 0)
		rend_value_drop(&op->item.value);
	/* It is copied to the client a little later. */
	for (size_t at = 0; at < it->buf.size && at < PREFETCH_MAX; at += 64)
		__builtin_prefetch(it->buf.data + at);
	if (it->buf.size == 0)
		return;
	rend_buf_ref(&it->buf);
	rend_value_set(&op->item.value, &it->buf, it->buf.data, it->buf.size);
}

static enum rend_status
answer(struct visit *v, struct rend_op *op, struct item *it, bool vivified)
{
	bool touches = (op->ask.mode & REND_ALSO_TOUCH) && !vivified;
	uint64_t now = rend_now();

	if (touches && !rend_guard_holds(op))
		return REND_NOT_STORED;
	op->item.have = op->ask.want & WANTS_KNOWN;
	give_value(op, it);
	if (touches)
		it->exptime = op->ask.exptime;
	op->item.flags = it->flags;
	op->item.signs = signs(op, it, v->wall, vivified);
	op->item.exptime = it->exptime;
	op->item.cas = it->cas;
	op->item.size = it->buf.size;
	op->item.last_access = now > it->used ? (int64_t)((now - it->used) / NS_PER_S) : 0;
	if ((op->ask.mode & REND_NO_BUMP) == 0) {
		it->fetched = true;
		if (!vivified)
			stripe_use(v->stripe, it, now);
	}
	if (touches)
		table_touch(v, op->ask.exptime);
	return REND_OK;
}

/* On a miss: an empty item, unless another client puts one there first.  The visit goes on, at whatever is there then. */
static enum rend_status
vivify(struct visit *v, struct rend_op *op, struct item **made)
{
	struct table *t = v->table;
	struct item *it;
	enum rend_status status = REND_OK;

	table_leave(v);
	it = verb_item(t, op, 0);
	verb_enter(v, t, op);
	if (v->found == NULL && it == NULL)
		status = REND_NO_MEMORY;
	else if (v->found == NULL && !rend_guard_holds(op))
		status = REND_NOT_STORED;
	if (v->found == NULL && status == REND_OK) {
		it->exptime = op->ask.vivify;
		verb_put(v, op, it);
		*made = it;
		return REND_OK;
	}
	if (it != NULL) {
		it->next = v->gone;
		v->gone = it;
	}
	return status;
}

void
lookup_get(void *inst, struct rend_op *op)
{
	enum rend_status status = REND_OK;
	struct item *made = NULL;
	struct visit v;

	verb_enter(&v, inst, op);
	if (v.found == NULL && (op->ask.mode & REND_VIVIFY))
		status = vivify(&v, op, &made);
	if (status == REND_OK && v.found == NULL && made == NULL)
		status = REND_MISS;
	if (status == REND_OK)
		status = answer(&v, op, made != NULL ? made : v.found, made != NULL);
	table_leave(&v);
	rend_done(op, status);
}
