/* The server as a whole: see server.h. */
#include "net/server.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/notify.h"
#include "engine/generation.h"
#include "engine/offload.h"
#include "engine/pairs.h"
#include "engine/parcels.h"
#include "net/admin.h"
#include "net/comeback.h"
#include "net/conn.h"
#include "net/control.h"
#include "net/keeper.h"
#include "net/inherited.h"
#include "net/listener.h"
#include "net/renewal.h"
#include "net/runner.h"
#include "net/signals.h"
#include "net/takeover.h"
#include "rend/log.h"

/* How often a drain looks whether it is over. */
static const struct timeval drain_look = { .tv_usec = 10 * 1000 };

/* How often the end looks whether the workers are quiet. */
static const struct timespec quiet_look = { .tv_nsec = 1000 * 1000 };

/* A connection on its way to its worker. */
struct handover {
	struct rend_call call;
	struct loop *loop;
	int fd;
	const struct listener_settings *listener;
};

/* Listeners that may come by reloads, beside those there are at the start. */
#define LISTENERS_MORE 16

struct server *
server_new(const struct server_settings *settings, const struct server_source *source,
    const struct server_heritage *from, struct rend_error *err)
{
	struct server *s = calloc(1, sizeof *s);
	size_t room = settings->listener_count + LISTENERS_MORE;

	if (s == NULL || (s->listeners = calloc(room, sizeof *s->listeners)) == NULL) {
		free(s);
		error_set(err, EX_OSERR, "no memory for a server");
		return NULL;
	}
	s->settings = settings;
	s->source = source;
	s->inherited = from->sockets;
	s->takeover = from->takeover;
	s->listener_room = room;
	s->listener_count = settings->listener_count;
	pthread_mutex_init(&s->view, NULL);
	s->began = s->takeover != NULL ? takeover_began(s->takeover) : rend_now();
	s->began_wall = s->takeover != NULL ? takeover_began_wall(s->takeover) : rend_wall();
	pthread_mutex_init(&s->reset_lock, NULL);
	prefixes_init(&s->prefixes);
	for (size_t i = 0; i < room; i++)
		s->listeners[i].fd = -1;
	if (flush_timer_init(&s->flush_timer, room) != 0) {
		error_set(err, EX_OSERR, "no memory for a server");
		server_free(&s);
		return NULL;
	}
	for (size_t i = 0; i < settings->listener_count; i++)
		if (listener_open(&s->listeners[i], s, &settings->listeners[i], err) != 0) {
			server_free(&s);
			return NULL;
		}
	s->admin = admin_new(s, err);
	if (s->admin == NULL) {
		server_free(&s);
		return NULL;
	}
	if (source != NULL && settings->control != NULL && *settings->control != '\0') {
		s->control = control_new(s, settings->control, err);
		if (s->control == NULL)
			server_free(&s);
	}
	return s;
}

static void
hand_over(struct rend_call *call)
{
	struct handover *h = (struct handover *)(void *)call;

	/* What was on its way while the worker was told to stop. */
	if (h->loop->stop || h->loop->draining) {
		close(h->fd);
		server_conn_closed(h->loop->server, h->listener);
	} else {
		conn_new(h->loop, h->fd, h->listener);
	}
	free(h);
}

void
server_conn_accepted(struct server *s, int fd, const struct listener_settings *listener)
{
	struct handover *h = malloc(sizeof *h);

	if (h == NULL) {
		close(fd);
		return;
	}
	__atomic_fetch_add(&s->connections, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->accepted, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&server_listener(s, listener)->open, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&server_listener(s, listener)->accepted, 1, __ATOMIC_RELAXED);
	*h = (struct handover){ .call.fn = hand_over, .fd = fd, .listener = listener };
	h->loop = &s->loops[s->next_loop];
	s->next_loop = (s->next_loop + 1) % s->loop_count;
	rend_post(&h->loop->worker, &h->call);
}

void
server_conn_resumed(struct server *s, const struct listener_settings *listener)
{
	__atomic_fetch_add(&s->connections, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&server_listener(s, listener)->open, 1, __ATOMIC_RELAXED);
}

struct listener *
server_listener(struct server *s, const struct listener_settings *settings)
{
	return &s->listeners[server_listener_nth(s, settings)];
}

size_t
server_listener_nth(const struct server *s, const struct listener_settings *settings)
{
	const char *own = (const char *)settings - offsetof(struct listener, own);

	return (size_t)((const struct listener *)(const void *)own - s->listeners);
}

void
server_conn_closed(struct server *s, const struct listener_settings *listener)
{
	__atomic_fetch_sub(&s->connections, 1, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&server_listener(s, listener)->open, 1, __ATOMIC_RELAXED);
}

/* Only wakes the first worker, which looks at the timer each turn. */
static void
look_at_timer(struct rend_call *call)
{
	free(call);
}

void
server_flush_later(struct loop *l, const struct listener_settings *listener, int64_t delay)
{
	struct server *s = l->server;
	size_t nth = server_listener_nth(s, listener);
	struct rend_call *call;

	if (delay <= 0) {
		flush_timer_set(&s->flush_timer, l->policies, nth, 0);
		return;
	}
	flush_timer_set(&s->flush_timer, l->policies, nth, rend_now() + (uint64_t)delay * 1000000000U);
	call = calloc(1, sizeof *call);
	if (call == NULL)
		return; /* it looks at its next turn */
	call->fn = look_at_timer;
	rend_post(&s->loops[0].worker, call);
}

void
server_shut_down(struct server *s)
{
	/* A second signal would cut those that are still being answered. */
	if (__atomic_exchange_n(&s->shutting_down, true, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&s->draining, __ATOMIC_RELAXED))
		return;
	rend_log(REND_LOG_INFO, "a client said shutdown");
	kill(getpid(), SIGTERM);
}

static void
close_listeners(struct server *s)
{
	for (size_t i = 0; i < s->listener_count; i++)
		listener_close(&s->listeners[i]);
}

void
server_drain(struct server *s)
{
	if (s->draining)
		return;
	__atomic_store_n(&s->draining, true, __ATOMIC_RELAXED);
	/* What ends if another process serves is not the service. */
	if (!s->left)
		notify_stopping();
	/* Those that rest may be another process's in a moment. */
	if (!s->resting)
		close_listeners(s);
	for (int i = 0; i < s->loop_count; i++)
		loop_drain(&s->loops[i]);
	event_base_loopbreak(s->base);
}

/* ---- upgrades ---- */

bool
server_rest(struct server *s)
{
	if (s->draining)
		return false;
	s->resting = true;
	for (size_t i = 0; i < s->listener_count; i++)
		listener_rest(&s->listeners[i]);
	if (s->admin != NULL)
		admin_rest(s->admin);
	return true;
}

void
server_go_on(struct server *s)
{
	s->resting = false;
	for (size_t i = 0; i < s->listener_count; i++)
		listener_go_on(&s->listeners[i]);
	if (s->control != NULL)
		control_go_on(s->control);
	if (s->admin != NULL)
		admin_go_on(s->admin);
	if (s->draining)
		close_listeners(s);
}

void
server_leave(struct server *s, pid_t pid)
{
	s->resting = false;
	s->left = true;
	s->left_at = clock_mono();
	for (size_t i = 0; i < s->listener_count; i++)
		listener_leave(&s->listeners[i]);
	admin_free(&s->admin);
	/* Before this process can end: a supervisor must not take that for the end of all. */
	notify_main(pid);
	s->source->left(s->source->arg, pid);
}

static int
start_loops(struct server *s, struct rend_error *err)
{
	s->loops = calloc((size_t)s->settings->workers, sizeof *s->loops);
	if (s->loops == NULL)
		return error_set(err, EX_OSERR, "no memory for %d workers", s->settings->workers);
	for (; s->loop_count < s->settings->workers; s->loop_count++)
		if (loop_start(&s->loops[s->loop_count], s, s->loop_count, err) != 0)
			return -1;
	return 0;
}

/* The process before this one serves no more. */
static void
take_over(struct server *s)
{
	struct listener *control = control_listener(s->control);

	takeover_begin(s->takeover, s);
	for (size_t i = 0; i < s->listener_count; i++) {
		struct listener *l = &s->listeners[i];

		listener_own(l);
		if (l->flush_due != 0)
			flush_timer_set(&s->flush_timer, s->loops[0].policies, i, l->flush_due);
	}
	if (control != NULL)
		listener_own(control);
}

static void
command_done(struct server *s, const struct runner_result *r)
{
	control_ran(s->control, r);
}

int
server_start(struct server *s, struct rend_error *err)
{
	worker_set_count(s->settings->workers);
	worker_set_item_size_max(s->settings->item_size_max);
	offload_set_threads(s->settings->disk_threads);
	s->generation = s->settings->generation;
	s->base = event_base_new();
	if (s->base == NULL || signals_start(s) != 0)
		return error_set(err, EX_OSERR, "no event base");
	/* A store may take its time to open, and somebody may ask meanwhile; but whom another process answers that one answers. */
	if (s->takeover == NULL && admin_start(s->admin, err) != 0)
		return -1;
	if (s->takeover != NULL &&
	    (generation_open_beside(s->generation, err) != 0 || takeover_ready(s->takeover, err) != 0))
		return -1;
	if (parcels_open(s->takeover == NULL ? NULL : takeover_parcels(s->takeover), s->generation, err) != 0)
		return -1;
	if (start_loops(s, err) != 0)
		return -1;
	if (s->settings->state_dir != NULL &&
	    comeback(s->generation, NULL, &s->loops[0], s->settings->state_dir, NULL, err) != 0)
		return -1;
	pairs_note(s->generation);
	if (s->control != NULL) {
		s->runner = runner_new(s, command_done, err);
		if (s->runner == NULL)
			return -1;
	}
	if (s->source != NULL) {
		s->keeper = keeper_new(s, s->source, renewal_done, err);
		if (s->keeper == NULL || (s->control != NULL && control_start(s->control, err) != 0))
			return -1;
	}
	if (s->takeover != NULL && (takeover_collect(s->takeover, s, err) != 0 || admin_start(s->admin, err) != 0))
		return -1;
	for (size_t i = 0; i < s->listener_count; i++)
		if (listener_start(&s->listeners[i]) != 0)
			return error_set(err, EX_OSERR, "no memory for %s", s->listeners[i].name);
	__atomic_store_n(&s->serving, true, __ATOMIC_RELEASE);
	if (s->takeover != NULL)
		take_over(s);
	return 0;
}

bool
server_serves(const struct server *s)
{
	return __atomic_load_n(&s->serving, __ATOMIC_ACQUIRE);
}

static bool
all_gone(const struct server *s)
{
	return __atomic_load_n(&s->connections, __ATOMIC_RELAXED) == 0;
}

void
server_run(struct server *s)
{
	uint64_t until;

	if (event_base_dispatch(s->base) < 0)
		rend_log(REND_LOG_ERROR, "the main loop failed: %s", strerror(errno));
	/* After an upgrade it has run since then. */
	until = (s->left ? s->left_at : rend_now()) + server_settings(s)->drain_timeout;
	while (s->draining && (!all_gone(s) || runner_under_way(s->runner) != NULL || control_owes(s->control)) &&
	       rend_now() < until) {
		event_base_loopexit(s->base, &drain_look);
		event_base_dispatch(s->base);
		if (event_base_got_break(s->base))
			break;
	}
	if (!all_gone(s))
		rend_log(REND_LOG_WARN, "%u connections are cut", __atomic_load_n(&s->connections, __ATOMIC_RELAXED));
}

/*
 * Nobody is detached while a client of another worker could still reach over to it.  A command that did not come back may use its node's workers yet, so
 * they stay.
 */
static bool
stop_loops(struct server *s, bool all_back)
{
	bool detached;

	for (int i = 0; i < s->loop_count; i++)
		loop_stop(&s->loops[i]);
	for (int i = 0; i < s->loop_count; i++)
		while (!loop_is_quiet(&s->loops[i]))
			nanosleep(&quiet_look, NULL);
	/* While the workers still take what the disk threads finish. */
	detached = offload_stop();
	for (int i = 0; i < s->loop_count; i++)
		detached &= loop_end(&s->loops[i]);
	for (int i = 0; i < s->loop_count && detached && all_back; i++)
		loop_fini(&s->loops[i]);
	return detached;
}

/* Oldest first: what several have is the newest's. */
static void
end_generations(struct generation *g, uint64_t deadline, bool all_back)
{
	if (g == NULL)
		return;
	end_generations(g->older, deadline, all_back);
	generation_drain(g, deadline);
	if (all_back)
		generation_free(&g);
}

bool
server_free(struct server **sp)
{
	struct server *s = *sp;
	bool detached, all_back;

	*sp = NULL;
	if (s == NULL)
		return true;
	/* What it is at ends while the workers turn. */
	if (s->keeper != NULL)
		keeper_stop(s->keeper);
	all_back = runner_stop(s->runner);
	if (s->resting)
		server_go_on(s);
	control_free(&s->control);
	close_listeners(s);
	/* It looks at all that is about to go. */
	admin_free(&s->admin);
	detached = stop_loops(s, all_back);
	signals_end(s);
	if (s->takeover != NULL)
		takeover_hear_no_more(s->takeover);
	flush_timer_fini(&s->flush_timer);
	pthread_mutex_destroy(&s->reset_lock);
	prefixes_fini(&s->prefixes);
	if (!detached) {
		rend_log(REND_LOG_ERROR, "some ops did not come back: their nodes are left as they are");
		return false;
	}
	if (s->generation != NULL)
		end_generations(s->generation, rend_now() + server_settings(s)->drain_timeout, all_back);
	if (!all_back)
		return false;
	runner_free(&s->runner);
	keeper_free(&s->keeper);
	if (s->base != NULL)
		event_base_free(s->base);
	pthread_mutex_destroy(&s->view);
	for (size_t i = 0; i < s->listener_count; i++)
		listener_fini(&s->listeners[i]);
	free(s->loops);
	free(s->listeners);
	free(s);
	return true;
}
