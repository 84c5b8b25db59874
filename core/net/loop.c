/* One worker's thread: see loop.h. */
#include "net/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "engine/generation.h"
#include "net/arrivals.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/patience.h"
#include "net/server.h"
#include "net/swap.h"
#include "net/survey.h"

/* Free connections and answers a worker keeps. */
#define CONNS_KEPT   1024
#define ANSWERS_KEPT 4096

/* How long ops may take to come back at the end, before they are given up. */
#define OPS_GRACE_NS 2000000000ULL

/* The eventfd only has to end the wait: worker_turn() empties the inbox. */
static void
on_inbox(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	l->timer_due = 0;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The timer is only ever moved forward: one that fires early costs a turn, moving it costs more each turn. */
static void
set_timer(struct loop *l)
{
	uint64_t due = least(least(worker_due(&l->worker), patience_due(l)), survey_due(l)), wait;
	struct timeval tv;

	if (l->worker.index == 0 && !l->stop)
		due = least(due, flush_timer_due(&l->server->flush_timer));
	if (l->stop && !loop_is_quiet(l))
		due = least(due, l->stop_by);
	if (l->holding)
		due = least(due, l->hold_until);
	if (due == UINT64_MAX || (l->timer_due != 0 && l->timer_due <= due))
		return;
	wait = due > rend_now() ? due - rend_now() : 0;
	wait += 1000000; /* not a moment too early, or it would fire for nothing */
	tv = (struct timeval){ .tv_sec = (time_t)(wait / 1000000000),
		.tv_usec = (suseconds_t)(wait % 1000000000 / 1000) };
	event_add(l->timer, &tv);
	l->timer_due = due;
}

static struct conn *
take_conn(struct list *from, size_t offset)
{
	struct link *k = list_take(from);

	return k == NULL ? NULL : (struct conn *)(void *)((char *)k - offset);
}

static void
run_runnable(struct loop *l)
{
	struct list now = { 0 };
	struct conn *c;

	if (l->holding)
		return;
	list_move(&now, &l->runnable);
	while ((c = take_conn(&now, offsetof(struct conn, runnable))) != NULL)
		conn_run_again(c);
}

static void
write_dirty(struct loop *l)
{
	struct list now = { 0 };
	struct conn *c;

	list_move(&now, &l->dirty);
	while ((c = take_conn(&now, offsetof(struct conn, dirty))) != NULL)
		conn_write(c);
}

static bool
has_work(const struct loop *l)
{
	bool held = !list_empty(&l->runnable) || !list_empty(&l->arrivals);

	return worker_ready(&l->worker) || (held && !l->holding) || !list_empty(&l->dirty);
}

bool
loop_is_quiet(const struct loop *l)
{
	return __atomic_load_n(&l->quiet, __ATOMIC_RELAXED);
}

/*
 * Has all come back?  What does not is given up.  What was answered meanwhile may go on for a turn, and ask somebody who is then given up,
 * too; a plugin that asks for ever is not waited for.
 */
static bool
ops_are_over(struct loop *l)
{
	if (rend_now() < l->stop_by)
		return worker_ops(&l->worker) == 0;
	worker_give_up(&l->worker);
	return !worker_ready(&l->worker) || rend_now() >= l->stop_by + OPS_GRACE_NS;
}

/* A connection stays until its ops have come back, and then it may go. */
static void
look_for_quiet(struct loop *l)
{
	bool over = ops_are_over(l);

	if (over && list_empty(&l->conns))
		__atomic_store_n(&l->quiet, true, __ATOMIC_RELAXED);
}

static void
turn(struct loop *l)
{
	bool more = has_work(l);

	if (!more)
		set_timer(l);
	clock_stale();
	if (event_base_loop(l->worker.base, EVLOOP_ONCE | (more ? EVLOOP_NONBLOCK : 0)) < 0)
		rend_panic(
		    __FILE__, __LINE__, "the event loop of worker %d failed: %s", l->worker.index, strerror(errno));
	swap_look(l);
	if (!l->holding)
		arrivals_go_on(l);
	run_runnable(l);
	if (l->worker.index == 0 && !l->stop && !l->holding)
		flush_timer_fire(&l->server->flush_timer, l->policies, &l->worker);
	worker_turn(&l->worker);
	worker_flush(&l->worker);
	patience_expire(l);
	survey_expire(l);
	write_dirty(l);
	if (l->stop && !loop_is_quiet(l))
		look_for_quiet(l);
}

static void *
loop_thread(void *arg)
{
	struct loop *l = arg;
	struct generation *g = server_generation(l->server);

	worker_enter(&l->worker);
	l->attached = generation_attach(g, &l->worker, &l->error) == 0;
	pthread_barrier_wait(&l->started);
	if (!l->attached)
		return NULL;
	while (!l->may_end)
		turn(l);
	arrivals_seat_all(l);
	/* Those that others replaced and that have not ended, and the newest. */
	l->attached = !swap_end(l);
	worker_enter(NULL);
	return NULL;
}

static int
make_events(struct loop *l)
{
	struct event_config *cfg = event_config_new();

	if (cfg == NULL)
		return -1;
	/* Nobody but this thread uses the base. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	l->worker.base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (l->worker.base == NULL)
		return -1;
	l->inbox_event = event_new(l->worker.base, l->worker.inbox.fd, EV_READ | EV_PERSIST, on_inbox, l);
	l->timer = event_new(l->worker.base, -1, 0, on_timer, l);
	if (l->inbox_event == NULL || l->timer == NULL)
		return -1;
	return event_add(l->inbox_event, NULL);
}

void
loop_fini(struct loop *l)
{
	if (l->inbox_event != NULL)
		event_free(l->inbox_event);
	if (l->timer != NULL)
		event_free(l->timer);
	if (l->worker.base != NULL)
		event_base_free(l->worker.base);
	readbuf_fini(&l->readbuf);
	chain_pools_fini(&l->chains);
	pool_fini(&l->answers);
	pool_fini(&l->conns_pool);
	roster_fini(&l->roster);
	free(l->tallies);
	free(l->policies);
	sem_destroy(&l->stopped);
	worker_fini(&l->worker);
}

void
loop_set_limits(struct loop *l, const struct server_settings *s)
{
	l->limits = proto_limits_default;
	l->limits.item_size_max = s->item_size_max;
	l->limits.flush_enabled = s->flush_enabled;
	l->limits.shutdown_enabled = s->shutdown_enabled;
	l->limits.cas_enabled = s->cas;
}

/* On cache lines that no other worker writes to. */
static int
make_tallies(struct loop *l)
{
	struct server *s = l->server;
	size_t bytes = s->listener_room * FORM_COUNT * sizeof *l->tallies;
	void *p;

	l->policies = calloc(s->listener_room, sizeof *l->policies);
	if (l->policies == NULL)
		return -1;
	for (size_t i = 0; i < server_listeners(s); i++)
		l->policies[i] = s->listeners[i].own.policy;
	if (posix_memalign(&p, 64, bytes) != 0)
		return -1;
	l->tallies = memset(p, 0, bytes);
	return 0;
}

struct tally *
loop_tallies(const struct loop *l, const struct listener_settings *listener)
{
	return l->tallies + server_listener_nth(l->server, listener) * FORM_COUNT;
}

int
loop_start(struct loop *l, struct server *server, int index, struct rend_error *err)
{
	sigset_t all, before;
	int e;

	memset(l, 0, sizeof *l);
	l->server = server;
	if (worker_init(&l->worker, index) != 0)
		return error_set(err, EX_OSERR, "worker %d: %s", index, strerror(errno));
	sem_init(&l->stopped, 0, 0);
	pool_init(&l->answers, sizeof(struct answer), ANSWERS_KEPT);
	pool_init(&l->conns_pool, sizeof(struct conn), CONNS_KEPT);
	chain_pools_init(&l->chains);
	loop_set_limits(l, server_settings(server));
	if (make_events(l) != 0 || make_tallies(l) != 0) {
		loop_fini(l);
		return error_set(err, EX_OSERR, "worker %d: no event base", index);
	}
	/* Signals are the main thread's. */
	pthread_barrier_init(&l->started, NULL, 2);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&l->thread, NULL, loop_thread, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e != 0) {
		pthread_barrier_destroy(&l->started);
		loop_fini(l);
		return error_set(err, EX_OSERR, "worker %d: no thread: %s", index, strerror(e));
	}
	pthread_barrier_wait(&l->started);
	if (l->attached)
		return 0;
	pthread_join(l->thread, NULL);
	pthread_barrier_destroy(&l->started);
	*err = l->error;
	loop_fini(l);
	return -1;
}

void
loop_drain_conns(struct loop *l)
{
	LIST_EACH (k, &l->conns)
		conn_drain(LIST_OBJ(k, struct conn, listed));
}

static void
drain_here(struct rend_call *call)
{
	struct loop *l = LIST_OBJ(call, struct loop, drain_call);

	l->draining = true;
	if (!l->holding)
		loop_drain_conns(l);
}

void
loop_drain(struct loop *l)
{
	l->drain_call.fn = drain_here;
	rend_post(&l->worker, &l->drain_call);
}

static void
stop_here(struct rend_call *call)
{
	struct loop *l = LIST_OBJ(call, struct loop, stop_call);

	l->stop = true;
	l->stop_by = rend_now() + OPS_GRACE_NS;
	LIST_EACH (k, &l->conns)
		conn_close(LIST_OBJ(k, struct conn, listed));
	sem_post(&l->stopped);
}

void
loop_stop(struct loop *l)
{
	l->stop_call.fn = stop_here;
	rend_post(&l->worker, &l->stop_call);
	while (sem_wait(&l->stopped) != 0)
		;
}

static void
end_here(struct rend_call *call)
{
	LIST_OBJ(call, struct loop, end_call)->may_end = true;
}

bool
loop_end(struct loop *l)
{
	l->end_call.fn = end_here;
	rend_post(&l->worker, &l->end_call);
	pthread_join(l->thread, NULL);
	pthread_barrier_destroy(&l->started);
	return !l->attached;
}

unsigned
loop_connections(const struct loop *l)
{
	return __atomic_load_n(&l->conn_count, __ATOMIC_RELAXED);
}
