/* From one generation to the next: see swap.h. */
#include "net/swap.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "base/clock.h"
#include "engine/generation.h"
#include "engine/op.h"
#include "net/body.h"
#include "net/conn.h"
#include "net/passage.h"
#include "net/patience.h"
#include "net/server.h"

/* How often it is looked whether what is under way is over. */
static const struct timespec look = { .tv_nsec = 500 * 1000 };

/* How long a worker may take for a turn, beside reload_wait, while nobody is held. */
#define TURN_NS 1000000000ULL

/* After that long a worker that holds, and was not told anything, goes on by itself: beside reload_wait. */
#define HOLD_MORE_NS 50000000ULL

/* ---- one call to each worker ---- */

struct errand;
typedef void errand_f(struct loop *l, struct errand *e);

struct step {
	struct generation *g;
	const struct rend_node *const *policies;
	const struct server_settings *settings;
	struct generation *const *quiet; /* of which nothing may be under way */
	size_t quiet_count;
	uint64_t hold_until; /* monotonic ns */
	int to;		     /* where connections are passed to, */
	uint64_t pass_by;    /* by when: monotonic ns, */
	unsigned at_once;    /* how many together, */
	size_t bytes;	     /* and how much of their input from each worker */
};

/* It is taken by its worker, or given up by who waits, and then its worker frees it. */
enum { WAITS, TAKEN, GIVEN_UP, OVER };

struct errand {
	struct rend_call call;
	struct loop *loop;
	errand_f *fn;
	const struct step *step;
	int state; /* atomic */
	bool said; /* what it found */
	struct rend_error err;
	sem_t *over;
};

static void
run(struct rend_call *call)
{
	struct errand *e = LIST_OBJ(call, struct errand, call);
	sem_t *over = e->over;
	int waits = WAITS;

	if (!__atomic_compare_exchange_n(&e->state, &waits, TAKEN, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		free(e);
		return;
	}
	e->fn(e->loop, e);
	__atomic_store_n(&e->state, OVER, __ATOMIC_RELEASE);
	sem_post(over);
}

static bool
is_over(const struct errand *e)
{
	return __atomic_load_n(&e->state, __ATOMIC_ACQUIRE) == OVER;
}

static bool
give_up(struct errand *e)
{
	int waits = WAITS;

	return __atomic_compare_exchange_n(&e->state, &waits, GIVEN_UP, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Waits for so many that are over; true: they are, by then (monotonic ns; 0: however long that takes). */
static bool
await(sem_t *over, int *count, uint64_t until)
{
	const struct timespec at = { .tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000) };

	while (*count > 0) {
		if ((until == 0 ? sem_wait(over) : sem_clockwait(over, CLOCK_MONOTONIC, &at)) == 0)
			--*count;
		else if (errno == ETIMEDOUT)
			return false;
	}
	return true;
}

/*
 * Has fn run on each worker that gets to it by `until` (monotonic ns; 0: on all).  true: all did, and said yes; else *err is what the first one said
 * that did not.  Where it has not begun by then it never will.
 */
static bool
everywhere_until(struct server *s, errand_f *fn, const struct step *step, struct rend_error *err, uint64_t until)
{
	struct errand *all[NODE_WORKERS_MAX];
	int count = s->loop_count;
	bool yes = true;
	sem_t over;

	for (int i = 0; i < s->loop_count; i++)
		if ((all[i] = calloc(1, sizeof *all[i])) == NULL) {
			while (i > 0)
				free(all[--i]);
			if (err != NULL)
				error_set(err, EX_OSERR, "no memory for a reload");
			return false;
		}
	sem_init(&over, 0, 0);
	for (int i = 0; i < s->loop_count; i++) {
		*all[i] = (struct errand){
			.call.fn = run, .loop = &s->loops[i], .fn = fn, .step = step, .state = WAITS, .over = &over
		};
		rend_post(&s->loops[i].worker, &all[i]->call);
	}
	if (!await(&over, &count, until)) {
		for (int i = 0; i < s->loop_count; i++)
			if (give_up(all[i])) {
				all[i] = NULL;
				count--;
			}
		/* Those that have begun do not take long: they ask no plugin. */
		await(&over, &count, 0);
	}
	sem_destroy(&over);
	for (int i = 0; i < s->loop_count; i++) {
		bool over_here = all[i] != NULL && is_over(all[i]);

		if (yes && !(over_here && all[i]->said)) {
			yes = false;
			if (all[i] != NULL && err != NULL)
				*err = all[i]->err;
		}
		free(all[i]);
	}
	return yes;
}

static bool
everywhere(struct server *s, errand_f *fn, const struct step *step, struct rend_error *err)
{
	return everywhere_until(s, fn, step, err, 0);
}

/* The same on one worker after the other: it needs no memory, so it always happens. */
static void
one_by_one(struct server *s, errand_f *fn)
{
	static const struct step step;
	sem_t over;

	sem_init(&over, 0, 0);
	for (int i = 0; i < s->loop_count; i++) {
		struct errand e = {
			.call.fn = run, .loop = &s->loops[i], .fn = fn, .step = &step, .state = WAITS, .over = &over
		};
		int count = 1;

		rend_post(&s->loops[i].worker, &e.call);
		await(&over, &count, 0);
	}
	sem_destroy(&over);
}

/* ---- attach, detach ---- */

static void
attach_here(struct loop *l, struct errand *e)
{
	e->said = generation_attach(e->step->g, &l->worker, &e->err) == 0;
}

static void
detach_here(struct loop *l, struct errand *e)
{
	e->said = generation_detach(e->step->g, &l->worker);
}

int
swap_attach(struct server *s, struct generation *g, struct rend_error *err)
{
	const struct step step = { .g = g };

	if (everywhere(s, attach_here, &step, err))
		return 0;
	everywhere(s, detach_here, &step, NULL);
	return -1;
}

bool
swap_detach(struct server *s, struct generation *g)
{
	const struct step step = { .g = g };

	return everywhere(s, detach_here, &step, NULL);
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
	l->hold_until = e->step->hold_until;
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
	const struct step *step = e->step;

	e->said = l->holding;
	for (size_t i = 0; i < step->quiet_count && e->said; i++)
		e->said = is_quiet(l, step->quiet[i]);
}

static bool
hold(struct server *s, const struct step *step, uint64_t until)
{
	if (!everywhere_until(s, hold_here, step, NULL, until))
		return false;
	while (!everywhere_until(s, is_quiet_here, step, NULL, until)) {
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

	return everywhere_until(s, turn_here, &step, NULL, clock_mono() + wait + TURN_NS);
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
	everywhere_until(s, go_on_here, &step, NULL, clock_mono() + TURN_NS);
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
	const struct step *step = e->step;

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

	everywhere(s, begin_here, &step, NULL);
}

/* ---- to another process ---- */

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

	return everywhere_until(s, nothing_here, &step, NULL, clock_mono() + TURN_NS);
}

/* Where they go one by one, one that cannot does not keep the next. */
static int
pass_all(struct loop *l, const struct step *step, struct departure *d)
{
	size_t left = step->bytes;
	int rc = 0;

	departure_begin(d, step->to, step->pass_by, step->at_once, left);
	LIST_EACH (k, &l->conns) {
		struct conn *c = LIST_OBJ(k, struct conn, listed);

		if (c->passed || !passage_is_open(c) ||
		    (departure_add(d, c) == 0 && (step->at_once > 1 || departure_end(d) == 0)))
			continue;
		rc = -1;
		if (step->at_once > 1)
			return -1;
		left = d->bytes;
		departure_begin(d, step->to, step->pass_by, step->at_once, left);
	}
	return departure_end(d) == 0 ? rc : -1;
}

static void
pass_here(struct loop *l, struct errand *e)
{
	struct departure d;

	l->hold_until = UINT64_MAX;
	e->said = pass_all(l, e->step, &d) == 0;
	if (!e->said)
		error_set(&e->err, EX_TEMPFAIL, "a connection cannot be passed: %s", strerror(errno));
}

int
swap_pass(struct server *s, int to, uint64_t until, unsigned at_once, struct rend_error *err)
{
	const struct step step = { .to = to,
		.pass_by = until,
		.at_once = at_once,
		.bytes = PASSAGE_BYTES / (size_t)s->loop_count };

	return everywhere(s, pass_here, &step, err) ? 0 : -1;
}

static void
leave_here(struct loop *l, struct errand *e)
{
	LIST_EACH (k, &l->conns) {
		struct conn *c = LIST_OBJ(k, struct conn, listed);

		if (c->passed)
			conn_leave(c);
	}
	e->said = true;
}

void
swap_leave(struct server *s)
{
	one_by_one(s, leave_here);
}

static void
stay_here(struct loop *l, struct errand *e)
{
	LIST_EACH (k, &l->conns) {
		struct conn *c = LIST_OBJ(k, struct conn, listed);

		if (!c->passed)
			continue;
		c->passed = false;
		patience_update(c, 0);
	}
	if (l->holding)
		swap_go_on(l);
	e->said = true;
}

void
swap_stay(struct server *s)
{
	one_by_one(s, stay_here);
}

/* ---- over ---- */

/*
 * What a client is owed may lie in a store that is about to close.  From the moment when no op pins it any more no more of it can come; whoever has
 * been owed nothing since then has none of it.
 */
static void
is_over_here(struct loop *l, struct errand *e)
{
	const struct generation *g = e->step->g;
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

	return everywhere(s, is_over_here, &step, NULL);
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
