/* The thread that watches and answers: see admin.h. */
#include "net/admin.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/exposition.h"
#include "net/health.h"
#include "net/http.h"
#include "net/listener.h"
#include "net/scrape.h"
#include "net/server.h"
#include "rend/log.h"

static const struct timeval look = { .tv_usec = PULSE_EVERY_NS / 1000 };

/* How long it is waited for that nobody is taken in any more: the thread may be in the middle of a page. */
#define REST_NS 1000000000ULL

/* Bytes each way; Linux takes twice that. */
#define KERNEL_BUFFER (32 * 1024)

struct admin {
	struct server *server;
	struct listener listener; /* fd -1: no port */
	bool listens;		  /* http closes it */
	struct event_base *base;
	struct event *beat, *told;
	int fd;		  /* wakes the thread, to look at these */
	bool ends, rests; /* relaxed atomics */
	unsigned asked;	  /* how often it was told to rest, or to go on, */
	unsigned seen;	  /* and up to which of these it has done so: atomics */
	sem_t heard;	  /* it has looked */
	struct http *http;
	pthread_t thread;
	bool started;
};

/* ---- pages ---- */

static void
say_index(void *arg, bool verbose, struct http_answer *answer)
{
	(void)arg;
	(void)verbose;
	strbuf_puts(&answer->text, "rend " PACKAGE_VERSION "\n\n"
				   "/metrics         numbers, as Prometheus reads them\n"
				   "/livez           is every worker turning?\n"
				   "/readyz          may clients be sent here?\n"
				   "/readyz?verbose  ... and everything that was looked at\n");
}

static void
say_metrics(void *arg, bool verbose, struct http_answer *answer)
{
	const struct admin *a = arg;
	struct exposition e = { .out.most = answer->text.most };

	(void)verbose;
	pthread_mutex_lock(&a->server->view);
	scrape(a->server, a->http, &e);
	pthread_mutex_unlock(&a->server->view);
	answer->type = EXPOSITION_TYPE;
	answer->text = e.out;
	e.out = (struct strbuf){ 0 };
	exposition_fini(&e);
}

static void
say_livez(void *arg, bool verbose, struct http_answer *answer)
{
	struct server *s = ((struct admin *)arg)->server;

	(void)verbose;
	pthread_mutex_lock(&s->view);
	if (!health_live(s, &answer->text))
		answer->code = 503;
	pthread_mutex_unlock(&s->view);
}

static void
say_readyz(void *arg, bool verbose, struct http_answer *answer)
{
	struct server *s = ((struct admin *)arg)->server;

	pthread_mutex_lock(&s->view);
	if (!health_ready(s, verbose, &answer->text))
		answer->code = 503;
	pthread_mutex_unlock(&s->view);
}

static const struct http_page pages[] = {
	{ "/", say_index },
	{ "/metrics", say_metrics },
	{ "/livez", say_livez },
	{ "/readyz", say_readyz },
	{ NULL, NULL },
};

/* ---- the thread ---- */

static void
on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct admin *a = arg;
	uint64_t now = clock_mono();

	(void)fd;
	(void)what;
	pthread_mutex_lock(&a->server->view);
	if (server_serves(a->server))
		for (int i = 0; i < a->server->loop_count; i++)
			pulse_feel(&a->server->loops[i], now);
	pthread_mutex_unlock(&a->server->view);
	if (a->http != NULL)
		http_tick(a->http, now);
}

static void
on_told(evutil_socket_t fd, short what, void *arg)
{
	struct admin *a = arg;
	unsigned asked;
	eventfd_t n;

	(void)what;
	eventfd_read(fd, &n);
	/* Before what it asks for, which may be newer than this, and never older. */
	asked = __atomic_load_n(&a->asked, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&a->ends, __ATOMIC_RELAXED))
		event_base_loopbreak(a->base);
	else if (a->http != NULL)
		http_rest(a->http, __atomic_load_n(&a->rests, __ATOMIC_RELAXED));
	__atomic_store_n(&a->seen, asked, __ATOMIC_RELEASE);
	sem_post(&a->heard);
}

static void
tell(struct admin *a, bool *what, bool value)
{
	__atomic_store_n(what, value, __ATOMIC_RELAXED);
	__atomic_fetch_add(&a->asked, 1, __ATOMIC_RELEASE);
	while (eventfd_write(a->fd, 1) != 0 && errno == EINTR)
		;
}

static void *
admin_thread(void *arg)
{
	struct admin *a = arg;

	if (event_base_dispatch(a->base) < 0)
		rend_log(REND_LOG_ERROR, "the admin thread failed: %s", strerror(errno));
	return NULL;
}

static int
make_events(struct admin *a)
{
	struct event_config *cfg = event_config_new();

	if (cfg == NULL)
		return -1;
	/* Nobody but its thread uses the base. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	a->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	a->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->base == NULL || a->fd < 0)
		return -1;
	a->beat = event_new(a->base, -1, EV_PERSIST, on_beat, a);
	a->told = event_new(a->base, a->fd, EV_READ | EV_PERSIST, on_told, a);
	if (a->beat == NULL || a->told == NULL)
		return -1;
	return event_add(a->beat, &look) != 0 || event_add(a->told, NULL) != 0 ? -1 : 0;
}

static int
make_http(struct admin *a)
{
	if (a->listener.fd < 0)
		return 0;
	a->http = http_new(a->base, a->listener.fd, server_settings(a->server)->admin.loopback, pages, a);
	if (a->http == NULL)
		return -1;
	a->listens = true;
	rend_log(REND_LOG_INFO, "admin port at %s", a->listener.name);
	return 0;
}

/* ---- the whole ---- */

/* What the kernel keeps for those who wait, and for those who were accepted: they inherit it. */
static void
bound_kernel(int fd)
{
	const int buffer = KERNEL_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	listen(fd, HTTP_CONNS_MAX);
}

struct admin *
admin_new(struct server *s, struct rend_error *err)
{
	struct admin *a = calloc(1, sizeof *a);

	if (a == NULL) {
		error_set(err, EX_OSERR, "no memory for the admin thread");
		return NULL;
	}
	a->server = s;
	a->fd = -1;
	sem_init(&a->heard, 0, 0);
	a->listener.fd = -1;
	if (server_settings(s)->admin.on && listener_open(&a->listener, s, &server_settings(s)->admin.at, err) != 0) {
		listener_fini(&a->listener);
		sem_destroy(&a->heard);
		free(a);
		return NULL;
	}
	if (a->listener.fd >= 0)
		bound_kernel(a->listener.fd);
	return a;
}

struct listener *
admin_listener(struct admin *a)
{
	return a == NULL || a->listener.fd < 0 ? NULL : &a->listener;
}

int
admin_start(struct admin *a, struct rend_error *err)
{
	sigset_t all, before;
	int e;

	if (make_events(a) != 0 || make_http(a) != 0)
		return error_set(err, EX_OSERR, "no memory for the admin thread");
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&a->thread, NULL, admin_thread, a);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e != 0)
		return error_set(err, EX_OSERR, "the admin thread: %s", strerror(e));
	a->started = true;
	return 0;
}

void
admin_rest(struct admin *a)
{
	uint64_t by = clock_mono() + REST_NS;
	const struct timespec until = { .tv_sec = (time_t)(by / 1000000000), .tv_nsec = (long)(by % 1000000000) };

	if (!a->started)
		return;
	while (sem_trywait(&a->heard) == 0)
		;
	tell(a, &a->rests, true);
	/* What is posted may be that it has seen the word before. */
	while (__atomic_load_n(&a->seen, __ATOMIC_ACQUIRE) != a->asked &&
	       (sem_clockwait(&a->heard, CLOCK_MONOTONIC, &until) == 0 || errno == EINTR))
		;
}

void
admin_go_on(struct admin *a)
{
	if (a->started)
		tell(a, &a->rests, false);
}

void
admin_free(struct admin **ap)
{
	struct admin *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	/* It may be in the middle of a page. */
	if (a->started) {
		tell(a, &a->ends, true);
		pthread_join(a->thread, NULL);
	}
	http_free(&a->http);
	if (a->listens)
		a->listener.fd = -1;
	listener_close(&a->listener);
	listener_fini(&a->listener);
	if (a->beat != NULL)
		event_free(a->beat);
	if (a->told != NULL)
		event_free(a->told);
	if (a->base != NULL)
		event_base_free(a->base);
	if (a->fd >= 0)
		close(a->fd);
	sem_destroy(&a->heard);
	free(a);
}
