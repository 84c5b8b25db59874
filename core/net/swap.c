/* From one generation to the next: see swap.h. */
#include "net/swap.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "engine/generation.h"
#include "engine/op.h"
#include "net/arrivals.h"
#include "net/body.h"
#include "net/conn.h"
#include "net/errands.h"
#include "net/patience.h"
#include "net/server.h"

/* How often it is looked whether what is under way is over. */
static const struct timespec look = { .tv_nsec = 500 * 1000 };

/* How long a worker may take for a turn, beside reload_wait, while nobody is held. */
#define TURN_NS 1000000000ULL

/* After that long a worker that holds, and was not told anything, goes on by itself: beside reload_wait. */
#define HOLD_MORE_NS 50000000ULL

struct step {
	struct generation *g;
	const struct rend_node *const *policies;
	const struct server_settings *settings;
	struct generation *const *quiet; /* of which nothing may be under way */
	size_t quiet_count;
	uint64_t hold_until; /* monotonic ns */
};

static const struct step *
step_of(const struct errand *e)
{
	return e->arg;
}

/* ---- attach, detach ---- */

static void
attach_here(struct loop *l, struct errand *e)
{
	e->said = generation_attach(step_of(e)->g, &l->worker, &e->err) == 0;
}

static void
detach_here(struct loop *l, struct errand *e)
{
	e->said = generation_detach(step_of(e)->g, &l->worker);
}

int
swap_attach(struct server *s, struct generation *g, struct rend_error *err)
{
	const struct step step = { .g = g };

	if (errands(s, attach_here, &step, err))
		return 0;
	errands(s, detach_here, &step, NULL);
	return -1;
}

bool
swap_detach(struct server *s, struct generation *g)
{
	const struct step step = { .g = g };

	return errands(s, detach_here, &step, NULL);
}

/* ---- hold ---- */

/*
 * Each worker that holds goes on by itself when its time is up.  One that did may be asked something by an op of the earlier graph again, so then
 * nobody may begin with the next one: whichever of the two is first, the other does not happen.
 */
enum { HOLD_OPEN, HOLD_BROKEN, HOLD_KEPT };

static bool
decide(struct server *s, int what)
{
	int open = HOLD_OPEN;

	return __atomic_compare_exchange_n(&s->hold, &open, what, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
	       open == what;
}

void
swap_go_on(struct loop *l)
{
	struct list held = { 0 };
	struct link *k;

	l->holding = false;
	/* A drain hears each of those that are not on any list. */
	list_move(&held, &l->held);
	while ((k = list_take(&held)) != NULL) {
		/* Its time begins anew: it was not its fault that nobody listened. */
		patience_update(LIST_OBJ(k, struct conn, runnable), 1);
		if (!l->draining)
			list_append(&l->runnable, k);
	}
	if (l->draining)
		loop_drain_conns(l);
}

void
swap_look(struct loop *l)
{
	if (!l->holding || rend_now() < l->hold_until)
		return;
	if (decide(l->server, HOLD_BROKEN))
		swap_go_on(l);
	else
		l->hold_until = UINT64_MAX; /* whoever has all of them says when it is over */
}

/* It turns.  What it held for an earlier reload that came to nothing is over, too. */
static void
turn_here(struct loop *l, struct errand *e)
{
	if (l->holding)
		swap_go_on(l);
	e->said = true;
}

static void
hold_here(struct loop *l, struct errand *e)
{
	/* Who has come by now is one of those that are held, and may be passed on. */
	arrivals_seat_all(l);
	l->hold_until = step_of(e)->hold_until;
	l->holding = true;
	e->said = true;
}

static void
go_on_here(struct loop *l, struct errand *e)
{
	if (l->holding)
		swap_go_on(l);
	e->said = true;
}

/* A value that is on its way has an op already, which nobody was asked. */
static bool
is_quiet(struct loop *l, const struct generation *g)
{
	uint64_t unasked = 0;

	LIST_EACH (k, &l->conns) {
		const struct conn *c = LIST_OBJ(k, struct conn, listed);

		if (c->body != NULL && c->body->op != NULL && op_core(c->body->op)->pinned == g)
			unasked++;
	}
	return g->pins[l->worker.index].ops == unasked;
}

static void
is_quiet_here(struct loop *l, struct errand *e)
{
	const struct step *step = step_of(e);

	e->said = l->holding;
	for (size_t i = 0; i < step->quiet_count && e->said; i++)
		e->said = is_quiet(l, step->quiet[i]);
}

static bool
hold(struct server *s, const struct step *step, uint64_t until)
{
	if (!errands_until(s, hold_here, step, NULL, until))
		return false;
	while (!errands_until(s, is_quiet_here, step, NULL, until)) {
		if (clock_mono() >= until || __atomic_load_n(&s->draining, __ATOMIC_RELAXED))
			return false;
		nanosleep(&look, NULL);
	}
	return decide(s, HOLD_KEPT);
}

bool
swap_turns(struct server *s, uint64_t wait)
{
	static const struct step step;

	return errands_until(s, turn_here, &step, NULL, clock_mono() + wait + TURN_NS);
}

enum swap_held
swap_hold(struct server *s, struct generation *const *quiet, size_t count, uint64_t wait)
{
	struct step step = { .quiet = quiet, .quiet_count = count };
	uint64_t until;

	/* Whoever is busy is waited for while the others serve. */
	if (!swap_turns(s, wait))
		return SWAP_BUSY;
	until = clock_mono() + wait;
	step.hold_until = until + HOLD_MORE_NS;
	__atomic_store_n(&s->hold, HOLD_OPEN, __ATOMIC_RELEASE);
	if (hold(s, &step, until))
		return SWAP_HELD;
	decide(s, HOLD_BROKEN);
	/* Who does not get to it goes on by itself. */
	errands_until(s, go_on_here, &step, NULL, clock_mono() + TURN_NS);
	return SWAP_NOT_QUIET;
}

/* ---- begin ---- */

static void
turn_to(struct conn *c, const struct step *step)
{
	const struct rend_node *policy = c->loop->policies[server_listener_nth(c->loop->server, c->listener)];

	c->policy = policy == NULL ? step->settings->listeners[0].policy : policy;
	if (c->body != NULL)
		body_turn_to(c->body, c->policy, step->g);
	if (policy == NULL)
		conn_finish(c);
}

static void
begin_here(struct loop *l, struct errand *e)
{
	const struct step *step = step_of(e);

	generation_begin(step->g, &l->worker);
	memcpy(l->policies, step->policies, l->server->listener_room * sizeof *l->policies);
	loop_set_limits(l, step->settings);
	LIST_EACH (k, &l->conns)
		turn_to(LIST_OBJ(k, struct conn, listed), step);
	if (l->holding)
		swap_go_on(l);
	e->said = true;
}

void
swap_begin(struct server *s, struct generation *g, const struct rend_node *const *policies,
    const struct server_settings *settings)
{
	const struct step step = { .g = g, .policies = policies, .settings = settings };

	errands(s, begin_here, &step, NULL);
}

static void
nothing_here(struct loop *l, struct errand *e)
{
	(void)l;
	e->said = true;
}

bool
swap_next_turn(struct server *s)
{
	static const struct step step;

	return errands_until(s, nothing_here, &step, NULL, clock_mono() + TURN_NS);
}

/* ---- over ---- */

/*
 * What a client is owed may lie in a store that is about to close.  From the moment when no op pins it any more no more of it can come; whoever has
 * been owed nothing since then has none of it.
 */
static void
is_over_here(struct loop *l, struct errand *e)
{
	const struct generation *g = step_of(e)->g;
	bool new = l->ending != g->number;

	e->said = false;
	if (g->pins[l->worker.index].ops != 0)
		return;
	l->ending = g->number;
	e->said = true;
	LIST_EACH (k, &l->conns) {
		struct conn *c = LIST_OBJ(k, struct conn, listed);

		if (new)
			c->owes_old = c->out.len > 0;
		if (c->owes_old && !c->gone)
			e->said = false;
	}
}

bool
swap_is_over(struct server *s, struct generation *g)
{
	const struct step step = { .g = g };

	return errands(s, is_over_here, &step, NULL);
}

/* ---- the end of a worker ---- */

static bool
end_from(struct generation *g, struct loop *l)
{
	bool all = g->older == NULL || end_from(g->older, l);

	return generation_detach(g, &l->worker) && all;
}

bool
swap_end(struct loop *l)
{
	return end_from(server_generation(l->server), l);
}
