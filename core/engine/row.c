/* One row of a table: see row.h. */
#include "engine/row.h"

#include "base/hash.h"
#include "engine/worker.h"

/* An item in tier 0 alone must not have a version that another tier may give to another item: a client would take them for the same. */
static uint64_t
version_of_its_own(struct rend_worker *w)
{
	uint64_t n = (uint64_t)w->index << 21 | (w->versions++ & ((1U << 21) - 1));

	return 1ULL << 63 | (uint64_t)rend_wall() << 28 | n;
}

/*
 * Of an empty item.  Another rend over the same tier may make one at the same moment, so nothing but chance keeps the two apart; and it must be no
 * version that an item with a value may have.
 */
static uint64_t
new_token(struct rend_worker *w)
{
	uint64_t parts[3] = { (uint64_t)w->index, w->tokens++, rend_now() };

	return 1ULL << 63 | hash_key(parts, sizeof parts);
}

/* Does it leave something in tier 0 of which no other tier knows? */
static bool
row_makes_item(const struct rend_step *step, uint32_t mode)
{
	if (step->tier != 0)
		return false;
	return (step->verb == REND_GET && (mode & REND_VIVIFY)) ||
	       (step->verb == REND_DELETE && (mode & (REND_INVALIDATE | REND_DROP_VALUE)));
}

static void
row_ask_own(struct rend_ask *ask, const struct rend_op *home, const struct rend_step *step)
{
	const struct rend_ask *clients = &home->ask;

	ask->mode = step->mode | (clients->mode & step->pass);
	ask->exptime = clients->exptime;
	ask->vivify = clients->vivify;
	ask->recache = clients->recache;
	ask->cas = clients->cas;
	if (step->verb == home->verb)
		ask->want = clients->want;
	if (rend_verb_stores(step->verb))
		ask->cas_new = home->item.cas;
	else if (row_makes_item(step, ask->mode))
		ask->cas_new = clients->cas_new != 0 ? clients->cas_new : version_of_its_own(home->worker);
}

static void
row_ask_lease(struct rend_ask *ask, struct rend_worker *w, const struct rend_step *step, const struct row_lease *lease)
{
	switch ((enum rend_lease)step->lease) {
	case REND_NO_LEASE:
		break;
	case REND_LEASE_ONLY:
		ask->want = 0;
		/* fall through */
	case REND_LEASE_TAKE:
		ask->want |= REND_WANT_CAS;
		ask->mode |= REND_VIVIFY;
		ask->vivify = rend_wall() + REND_LEASE_TIME;
		ask->cas_new = new_token(w);
		break;
	case REND_LEASE_LOOK:
		ask->want |= REND_WANT_UNDER_WAY;
		break;
	case REND_LEASE_USE:
		ask->mode |= REND_IF_CAS;
		ask->cas = lease->token;
		ask->link = lease->link;
		/* Who chooses versions himself cannot be told one. */
		if (lease->link != 0)
			ask->cas_new = 0;
		break;
	}
}

enum rend_status
row_leased(const struct rend_op *kid, const struct rend_step *step, enum rend_status status, struct row_lease *lease)
{
	bool empty = (kid->item.signs & (REND_WON | REND_SENT | REND_STALE)) != 0;

	if (status != REND_OK)
		return status;
	switch ((enum rend_lease)step->lease) {
	case REND_LEASE_TAKE:
		*lease = (struct row_lease){ kid->item.cas, kid->item.link };
		return empty ? REND_MISS : REND_OK;
	case REND_LEASE_ONLY:
		*lease = (struct row_lease){ kid->item.cas, kid->item.link };
		return empty ? REND_OK : REND_EXISTS;
	case REND_LEASE_LOOK:
		return empty ? REND_EXISTS : REND_OK;
	default:
		return status;
	}
}

bool
row_fill(struct rend_op *kid, const struct rend_op *home, const struct rend_step *step, int64_t until,
    const struct row_lease *lease)
{
	kid->verb = step->verb;
	if (step->verb == home->verb && !step->own && !step->guarded && step->lease == REND_NO_LEASE)
		kid->ask = home->ask;
	else
		row_ask_own(&kid->ask, home, step);
	if (step->lease != REND_NO_LEASE)
		row_ask_lease(&kid->ask, home->worker, step, lease);
	if (step->verb == REND_GET)
		kid->ask.want |= step->want;
	if (!rend_verb_stores(step->verb))
		return true;
	kid->item.flags = home->item.flags;
	kid->item.exptime = rend_earlier(home->item.exptime, until);
	return rend_value_share(&kid->item.value, &home->item.value) == 0;
}

uint8_t
row_edge(const struct rend_step *step, enum rend_outcome o)
{
	return o == REND_YES ? step->yes : o == REND_NO ? step->no : step->fail;
}

uint8_t
row_next(const struct rend_step *step, enum rend_status status)
{
	if (status != REND_OK)
		for (size_t i = 0; i < sizeof step->but / sizeof step->but[0] && step->but[i].status != 0; i++)
			if (step->but[i].status == status)
				return step->but[i].row;
	return row_edge(step, rend_outcome(status));
}
