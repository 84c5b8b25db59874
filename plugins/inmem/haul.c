/* Large stores, step by step: see haul.h. */
#include "haul.h"

#include <string.h>
#include <time.h>

#include "rewrite.h"
#include "storing.h"

#define SLICE	 (256 * 1024)
#define PATIENCE (20ULL * 1000 * 1000) /* ns that one waits for other workers' turns */

/* ns that one waits for its own turn, where it needs much and another one does; and those of a nap, so that the other comes to its end. */
#define QUEUES (2000ULL * 1000 * 1000)
#define NAP    100000

static void go_on(struct rend_call *call);

void
haulage_init(struct haulage *g)
{
	*g = (struct haulage){ .call = { .fn = go_on } };
}

void
haulage_enter(struct haulage *g, struct shelf *sh)
{
	g->shelf = sh;
}

static void
call_again(struct haulage *g, struct rend_worker *w)
{
	if (g->called)
		return;
	g->called = true;
	rend_post(w, &g->call);
}

static void
take_first(struct haulage *g)
{
	g->first = g->first->link;
	if (g->first == NULL)
		g->last = NULL;
}

/* What it has is not needed, or has gone over to the item. */
static void
let_go(struct shelf *sh, struct haul *h)
{
	large_drop(sh->store->arena.pages, &h->large);
	quest_end(sh, &h->quest);
}

void
haulage_leave(struct haulage *g)
{
	while (g->first != NULL) {
		struct rend_op *op = g->first;

		take_first(g);
		let_go(g->shelf, (struct haul *)(void *)op->scratch);
		rend_done(op, REND_NO_MEMORY);
	}
	g->shelf = NULL;
}

static void
start(struct haul *h, size_t len, bool again)
{
	*h = (struct haul){ .quest = { .wanted = large_pages(len) }, .again = again };
}

static void
append(struct haulage *g, struct rend_op *op)
{
	op->link = NULL;
	if (g->last == NULL)
		g->first = op;
	else
		g->last->link = op;
	g->last = op;
}

void
haul_begin(struct shelf *sh, struct rend_op *op)
{
	struct haulage *g = &sh->store->haulages[sh->worker];

	start((struct haul *)(void *)op->scratch, op->item.value.len, false);
	append(g, op);
	call_again(g, op->worker);
}

/* ---- steps: false, it has failed ---- */

static bool
find_room(struct shelf *sh, struct haul *h, size_t len)
{
	struct pages *p = sh->store->arena.pages;
	enum quest_come come = quest_seek(sh, &h->quest);

	if (come == QUEST_MORE || come != h->come)
		h->waits = 0;
	h->come = come;
	switch (come) {
	case QUEST_NEVER:
		return false;
	case QUEST_MORE:
		return true;
	case QUEST_HAS:
		/* In steps: what lies scattered is not cooled at once. */
		if (h->cools++ < h->quest.wanted / PAGES_COOL && pages_cool(p))
			return true;
		h->quest.got = 0; /* the claim ends with this, either way */
		h->large = large_new(p, len);
		return h->large != NULL;
	case QUEST_QUEUES:
		nanosleep(&(struct timespec){ .tv_nsec = NAP }, NULL);
		break;
	case QUEST_WAITS:
		break;
	}
	if (h->waits == 0)
		h->waits = rend_now();
	return rend_now() - h->waits < (come == QUEST_QUEUES ? QUEUES : PATIENCE);
}

static void
copy_some(struct shelf *sh, struct haul *h, const struct rend_value *value)
{
	const struct pages *p = sh->store->arena.pages;
	size_t at = 0, left = SLICE, len;
	char *piece;

	for (unsigned n = 0; left > 0 && (piece = large_piece(p, h->large, n, &len)) != NULL; at += len, n++) {
		size_t skip;

		if (h->done >= at + len)
			continue;
		skip = h->done - at;
		skip = rend_value_copy_out(value, h->done, piece + skip, len - skip < left ? len - skip : left);
		h->done += skip;
		left -= skip;
	}
}

static bool
is_join(const struct rend_op *op)
{
	return op->verb == REND_APPEND || op->verb == REND_PREPEND;
}

/* One that joins: is it its turn?  false: it is over. */
static bool
join(struct shelf *sh, struct rend_op *op)
{
	struct haul *h = (struct haul *)(void *)op->scratch;

	h->come = QUEST_QUEUES;
	if (h->waits == 0)
		h->waits = rend_now();
	if (rewrite_join_again(sh, op, rend_now() - h->waits < QUEUES))
		return false;
	nanosleep(&(struct timespec){ .tv_nsec = NAP }, NULL);
	return true;
}

/* A step of the first one.  false: it is over. */
static bool
step(struct shelf *sh, struct rend_op *op)
{
	struct haul *h = (struct haul *)(void *)op->scratch;
	size_t len = op->item.value.len;
	struct quest quest;
	struct large *l;

	if (is_join(op))
		return join(sh, op);
	if (h->large == NULL) {
		if (find_room(sh, h, len))
			return true;
		let_go(sh, h);
		/* A set leaves no older value; its room may be what is missing. */
		if (!h->again && storing_replaces(op)) {
			storing_drop(sh, op);
			start(h, len, true);
			return true;
		}
		rend_done(op, REND_NO_MEMORY);
		return false;
	}
	copy_some(sh, h, &op->item.value);
	if (h->done < len)
		return true;
	quest = h->quest;
	l = h->large;
	/* The scratch is gone with the op; only then are others to look for memory, since this may be what goes for them. */
	storing_end(sh, op, l);
	quest_end(sh, &quest);
	return false;
}

/* It is the next again; but one that has to queue lets those behind it pass, since it has nothing yet. */
static void
put_back(struct haulage *g, struct rend_op *op)
{
	const struct haul *h = (const struct haul *)(void *)op->scratch;

	if (h->come == QUEST_QUEUES) {
		append(g, op);
		return;
	}
	op->link = g->first;
	g->first = op;
	if (g->last == NULL)
		g->last = op;
}

static void
go_on(struct rend_call *call)
{
	struct haulage *g = (struct haulage *)(void *)call;
	struct shelf *sh = g->shelf;
	struct rend_op *op = g->first;

	g->called = false;
	if (sh == NULL || op == NULL)
		return;
	shelf_enter(sh);
	/* Out of the queue first: an op that is over is no longer ours. */
	take_first(g);
	if (step(sh, op))
		put_back(g, op);
	grace_leave(&sh->store->grace, sh->worker);
	if (g->first != NULL)
		call_again(g, g->first->worker);
}
