/* Reads that share an answer: see join.h. */
#include "engine/join.h"

#include <stdlib.h>
#include <string.h>

#include "engine/op.h"

#define CHAINS 512

/* tests/faults has a rend in which this is not so, to see that it is found out. */
#ifndef JOIN_LOOKS_AT_THE_WORD
#define JOIN_LOOKS_AT_THE_WORD true
#endif

struct join {
	struct list chains[CHAINS]; /* those who lead, by hash */
};

struct join *
join_new(void)
{
	return calloc(1, sizeof(struct join));
}

void
join_free(struct join **jp)
{
	struct join *j = *jp;

	*jp = NULL;
	for (int i = 0; j != NULL && i < CHAINS; i++)
		REND_ASSERT(list_empty(&j->chains[i]));
	free(j);
}

static struct join_seat *
seat_of(struct link *k)
{
	return LIST_OBJ(k, struct join_seat, link);
}

static struct list *
chain_of(struct join *j, const struct rend_op *op)
{
	return &j->chains[op->hash % CHAINS];
}

/* Would what the leader asked for do? */
static bool
gives_all(const struct rend_op *leader, const struct rend_op *op)
{
	/* Who leads may win what he is to fill; who follows is told that another has. */
	return (op->ask.want & ~(leader->ask.want | REND_WANT_NO_WIN | REND_WANT_ANY_CAS)) == 0;
}

/* Where the tier chooses versions a token is a number of the connection that brought it: another one may have brought the same, of another lease. */
static bool
same_terms(const struct join_terms *a, const struct join_terms *b)
{
	return (a->word == b->word && a->token == b->token && a->link == b->link) || !JOIN_LOOKS_AT_THE_WORD;
}

static bool
fits(const struct join_seat *leader, const struct rend_node *to, const struct rend_op *op,
    const struct join_terms *terms)
{
	const struct rend_op *its = leader->op;

	return leader->to == to && same_terms(&leader->terms, terms) && its->hash == op->hash &&
	       its->keylen == op->keylen && memcmp(its->key, op->key, op->keylen) == 0 && gives_all(its, op);
}

static struct join_seat *
find(struct list *chain, const struct rend_node *to, const struct rend_op *op, const struct join_terms *terms)
{
	LIST_EACH (k, chain)
		if (fits(seat_of(k), to, op, terms))
			return seat_of(k);
	return NULL;
}

bool
join_submit(
    struct join *j, struct join_seat *seat, const struct rend_node *to, struct rend_op *op, struct join_terms terms)
{
	struct list *chain = chain_of(j, op);
	struct join_seat *leader = find(chain, to, op, &terms);

	*seat = (struct join_seat){ .op = op, .to = to, .terms = terms };
	if (leader != NULL) {
		if (op_wait(to, op))
			return true;
		seat->part = JOIN_FOLLOWS;
		list_append(&leader->followers, &seat->link);
		return false;
	}
	if (rend_submit(to, op))
		return true;
	seat->part = JOIN_LEADS;
	list_append(chain, &seat->link);
	return false;
}

/* The leader's answer, as if it had been given to this one.  A status. */
static enum rend_status
share(const struct rend_op *from, struct rend_op *op)
{
	struct rend_item *item = &op->item;

	if (from->status != REND_OK)
		return (enum rend_status)from->status;
	/* It may have been read before this one began, and have expired since. */
	if ((from->item.have & REND_WANT_EXPTIME) && rend_expired(from->item.exptime, rend_wall()))
		return REND_MISS;
	if (rend_value_share(&item->value, &from->item.value) != 0)
		return REND_NO_MEMORY;
	item->flags = from->item.flags;
	item->have = from->item.have;
	item->signs = from->item.signs;
	item->exptime = from->item.exptime;
	item->last_access = from->item.last_access;
	item->cas = from->item.cas;
	item->link = from->item.link;
	item->size = from->item.size;
	if (item->signs & REND_WON)
		item->signs = (item->signs & ~(uint32_t)REND_WON) | REND_SENT;
	return REND_OK;
}

static void
serve(struct join_seat *leader)
{
	struct link *k;

	while ((k = list_take(&leader->followers)) != NULL) {
		struct join_seat *seat = seat_of(k);

		seat->part = JOIN_SERVED;
		rend_done(seat->op, share(leader->op, seat->op));
	}
}

/*
 * The leader has given up.  Of those that still wait, the last one to come has, nearly always, the most time left: it asks, for all of them.
 * Those that give up in this same turn are not worth a question; if there are no others, they are let go, and have but their own time.
 */
static void
succeed(struct join_seat *leader)
{
	struct link *k = list_last(&leader->followers);
	struct join_seat *next;

	while (k != NULL && rend_op_given_up(seat_of(k)->op))
		k = list_prev(&leader->followers, k);
	if (k == NULL) {
		while (list_take(&leader->followers) != NULL)
			;
		return;
	}
	next = seat_of(k);
	link_remove(k);
	next->part = JOIN_LEADS;
	list_move(&next->followers, &leader->followers);
	link_after(&leader->link, &next->link);
	op_ask(next->op);
}

void
join_done(struct join_seat *seat)
{
	switch (seat->part) {
	case JOIN_LEADS:
		if (seat->op->state == OP_LATE)
			succeed(seat);
		else
			serve(seat);
		link_remove(&seat->link);
		break;
	case JOIN_FOLLOWS:
		/* It has given up, and nobody has it any more. */
		link_remove(&seat->link);
		rend_done(seat->op, REND_TIMEOUT);
		seat->part = JOIN_ALONE;
		break;
	default:
		break;
	}
}
