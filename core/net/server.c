/* The server as a whole: see server.h. */
#include "net/server.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/generation.h"
#include "engine/offload.h"
#include "net/admin.h"
#include "net/comeback.h"
#include "net/conn.h"
#include "net/listener.h"
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

struct server *
server_new(const struct server_settings *settings, struct rend_error *err)
{
	struct server *s = calloc(1, sizeof *s);

	if (s == NULL || (s->listeners = calloc(settings->listener_count + 1, sizeof *s->listeners)) == NULL) {
		free(s);
		error_set(err, EX_OSERR, "no memory for a server");
		return NULL;
	}
	s->settings = settings;
	s->began = rend_now();
	s->began_wall = rend_wall();
	pthread_mutex_init(&s->reset_lock, NULL);
	prefixes_init(&s->prefixes);
	for (size_t i = 0; i < settings->listener_count; i++)
		s->listeners[i].fd = -1;
	if (flush_timer_init(&s->flush_timer, settings->listener_count) != 0) {
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
	if (s->admin == NULL)
		server_free(&s);
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

struct listener *
server_listener(struct server *s, const struct listener_settings *settings)
{
	return &s->listeners[settings - s->settings->listeners];
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
server_flush_later(struct server *s, const struct listener_settings *listener, int64_t delay)
{
	struct rend_call *call;

	if (delay <= 0) {
		flush_timer_set(&s->flush_timer, listener->policy, 0);
		return;
	}
	flush_timer_set(&s->flush_timer, listener->policy, rend_now() + (uint64_t)delay * 1000000000U);
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
	for (size_t i = 0; i < s->settings->listener_count; i++)
		listener_close(&s->listeners[i]);
}

static void
on_stop_signal(evutil_socket_t sig, short what, void *arg)
{
	struct server *s = arg;

	(void)what;
	if (s->draining) {
		rend_log(REND_LOG_WARN, "signal %d again: connections are cut", (int)sig);
		event_base_loopbreak(s->base);
		return;
	}
	__atomic_store_n(&s->draining, true, __ATOMIC_RELAXED);
	rend_log(REND_LOG_INFO, "signal %d: no connection is taken in any more, %u get their answers", (int)sig,
	    __atomic_load_n(&s->connections, __ATOMIC_RELAXED));
	close_listeners(s);
	for (int i = 0; i < s->loop_count; i++)
		loop_drain(&s->loops[i]);
	event_base_loopbreak(s->base);
}

/* The log file was renamed. */
static void
on_reopen_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	(void)arg;
	log_reopen();
}

static int
start_signals(struct server *s)
{
	static const struct {
		int sig;
		event_callback_fn fn;
	} wanted[] = { { SIGTERM, on_stop_signal }, { SIGINT, on_stop_signal }, { SIGUSR1, on_reopen_signal } };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		s->signals[i] = evsignal_new(s->base, wanted[i].sig, wanted[i].fn, s);
		if (s->signals[i] == NULL || event_add(s->signals[i], NULL) != 0)
			return -1;
	}
	return 0;
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

int
server_start(struct server *s, struct rend_error *err)
{
	worker_set_count(s->settings->workers);
	worker_set_item_size_max(s->settings->item_size_max);
	offload_set_threads(s->settings->disk_threads);
	s->generation = s->settings->generation;
	s->base = event_base_new();
	if (s->base == NULL || start_signals(s) != 0)
		return error_set(err, EX_OSERR, "no event base");
	/* A store may take its time to open, and somebody may ask meanwhile. */
	if (admin_start(s->admin, err) != 0)
		return -1;
	if (generation_open(s->generation, err) != 0)
		return -1;
	if (start_loops(s, err) != 0)
		return -1;
	if (s->settings->state_dir != NULL && comeback(s->generation, &s->loops[0], s->settings->state_dir, err) != 0)
		return -1;
	for (size_t i = 0; i < s->settings->listener_count; i++)
		if (listener_start(&s->listeners[i]) != 0)
			return error_set(err, EX_OSERR, "no memory for %s", s->listeners[i].name);
	__atomic_store_n(&s->serving, true, __ATOMIC_RELEASE);
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
	until = rend_now() + s->settings->drain_timeout;
	while (s->draining && !all_gone(s) && rend_now() < until) {
		event_base_loopexit(s->base, &drain_look);
		event_base_dispatch(s->base);
		if (event_base_got_break(s->base))
			break;
	}
	if (!all_gone(s))
		rend_log(REND_LOG_WARN, "%u connections are cut", __atomic_load_n(&s->connections, __ATOMIC_RELAXED));
}

/* Nobody is detached while a client of another worker could still reach over to it. */
static bool
stop_loops(struct server *s)
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
	for (int i = 0; i < s->loop_count && detached; i++)
		loop_fini(&s->loops[i]);
	return detached;
}

void
server_free(struct server **sp)
{
	struct server *s = *sp;
	bool detached;

	*sp = NULL;
	if (s == NULL)
		return;
	close_listeners(s);
	/* It looks at all that is about to go. */
	admin_free(&s->admin);
	detached = stop_loops(s);
	for (size_t i = 0; i < sizeof s->signals / sizeof *s->signals; i++)
		if (s->signals[i] != NULL)
			event_free(s->signals[i]);
	if (s->base != NULL)
		event_base_free(s->base);
	flush_timer_fini(&s->flush_timer);
	pthread_mutex_destroy(&s->reset_lock);
	prefixes_fini(&s->prefixes);
	if (!detached) {
		rend_log(REND_LOG_ERROR, "some ops did not come back: their nodes are left as they are");
		return;
	}
	if (s->generation != NULL)
		generation_drain(s->generation, rend_now() + s->settings->drain_timeout);
	generation_free(&s->generation);
	free(s->loops);
	free(s->listeners);
	free(s);
}
