/* The thread that builds and ends generations: see keeper.h. */
#include "net/keeper.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "net/eras.h"
#include "net/heir.h"
#include "net/news.h"
#include "net/server.h"
#include "rend/log.h"

/* How often it is looked whether an earlier generation is over. */
#define LOOK_NS	  (20 * 1000 * 1000)
#define REOPEN_NS 999999999

#define SAID_MAX  (64 * 1024)

struct keeper {
	struct server *server;
	const struct server_source *source;
	struct eras eras; /* the keeper's thread's */
	void (*done)(struct server *s, const struct keeper_result *r);
	struct event *event;
	int fd; /* wakes the main thread */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock */
	bool wanted, busy, ending, has_result; /* ending: written atomically, too */
	bool upgrade;			       /* is what is wanted, or what came out */
	struct heir_at heir;
	bool given;		   /* it serves: the keeper's thread's */
	bool away;		   /* a store may be that had let go of its files: the same */
	void (*errand)(void *arg); /* the main thread's */
	void *errand_arg;
	int exit_code;
	struct strbuf said;
	struct news news;
};

/* ---- the thread ---- */

/* Under the lock. */
static void
give_result(struct keeper *k, int exit_code)
{
	k->exit_code = exit_code;
	k->has_result = true;
	while (eventfd_write(k->fd, 1) != 0 && errno == EINTR)
		;
	/* Until it is published, nothing that it replaces may end. */
	while (k->has_result && !k->ending)
		pthread_cond_wait(&k->changed, &k->lock);
}

/* Under the lock, as it is again afterwards. */
static void
reload(struct keeper *k)
{
	struct news n = { 0 };
	int rc;

	k->wanted = false;
	pthread_mutex_unlock(&k->lock);
	k->said = (struct strbuf){ .most = SAID_MAX };
	rc = eras_add(&k->eras, &n, &k->said);
	pthread_mutex_lock(&k->lock);
	k->news = n;
	give_result(k, rc);
}

/* ---- an upgrade ---- */

bool
keeper_on_main(struct keeper *k, void (*fn)(void *arg), void *arg)
{
	bool done;

	pthread_mutex_lock(&k->lock);
	k->errand_arg = arg;
	k->errand = fn;
	while (eventfd_write(k->fd, 1) != 0 && errno == EINTR)
		;
	while (k->errand != NULL && !k->ending)
		pthread_cond_wait(&k->changed, &k->lock);
	done = k->errand == NULL;
	k->errand = NULL;
	pthread_mutex_unlock(&k->lock);
	return done;
}

/* Starts the new process, and has its end of a pair. */
static int
start_heir(struct keeper *k, struct rend_error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return error_set(err, EX_OSERR, "there can be no new process: %s", strerror(errno));
	if (k->source->spawn(k->source->arg, pair[1], &k->heir.pid, err) != 0) {
		close(pair[0]);
		pair[0] = -1;
	}
	close(pair[1]);
	k->heir.fd = pair[0];
	return k->heir.fd < 0 ? -1 : 0;
}

/* One that was started is still a child of ours, so its number is its own. */
static int
give_to_heir(struct keeper *k, bool started, struct rend_error *err)
{
	if (started && process_of_child(k->heir.pid, &k->heir.process) != 0)
		return error_set(err, EX_OSERR, "the new process cannot be watched: %s", strerror(errno));
	return heir_hand_over(k->server, k, &k->heir, &k->ending, err);
}

/* 0: another process serves; or an exit code. */
static int
hand_over(struct keeper *k)
{
	struct rend_error err = { 0 };
	bool started = k->heir.fd < 0;
	int rc;

	k->said = (struct strbuf){ .most = SAID_MAX };
	if (started && start_heir(k, &err) != 0)
		return eras_refuse(&k->said, &err);
	if (give_to_heir(k, started, &err) == 0) {
		k->given = true;
		return 0;
	}
	close(k->heir.fd);
	k->heir.fd = -1;
	rc = eras_refuse(&k->said, &err);
	if (started)
		k->source->reap(k->source->arg, k->heir.pid, &k->said);
	return rc;
}

static void
end_server(void *arg)
{
	server_drain(((struct keeper *)arg)->server);
}

/* Under the lock, as it is again afterwards. */
static void
upgrade(struct keeper *k)
{
	int rc;

	k->wanted = false;
	pthread_mutex_unlock(&k->lock);
	rc = hand_over(k);
	pthread_mutex_lock(&k->lock);
	give_result(k, rc);
	k->away = rc != 0;
	if (rc != 0)
		return;
	pthread_mutex_unlock(&k->lock);
	heir_see_off(k->server, k->heir.fd, &k->ending);
	k->heir.fd = -1;
	keeper_on_main(k, end_server, k);
	pthread_mutex_lock(&k->lock);
}

static void
wait_a_while(struct keeper *k, long ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ns;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&k->changed, &k->lock, &until);
}

static void *
keeper_thread(void *arg)
{
	struct keeper *k = arg;

	pthread_mutex_lock(&k->lock);
	while (!k->ending) {
		if (k->wanted && k->upgrade) {
			upgrade(k);
		} else if (k->wanted) {
			reload(k);
		} else if (eras_have_old(&k->eras)) {
			pthread_mutex_unlock(&k->lock);
			eras_end_oldest(&k->eras);
			pthread_mutex_lock(&k->lock);
			if (!k->wanted && !k->ending)
				wait_a_while(k, LOOK_NS);
		} else if (k->away) {
			k->away = heir_reopen(k->server);
			wait_a_while(k, REOPEN_NS);
		} else {
			pthread_cond_wait(&k->changed, &k->lock);
		}
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

/* ---- the main thread ---- */

static void
run_errand(struct keeper *k)
{
	void (*fn)(void *arg);

	pthread_mutex_lock(&k->lock);
	fn = k->errand;
	pthread_mutex_unlock(&k->lock);
	if (fn == NULL)
		return;
	fn(k->errand_arg);
	pthread_mutex_lock(&k->lock);
	k->errand = NULL;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
}

static void
take_result(struct keeper *k)
{
	struct keeper_result r;
	struct strbuf said;

	pthread_mutex_lock(&k->lock);
	if (!k->has_result) {
		pthread_mutex_unlock(&k->lock);
		return;
	}
	if (k->exit_code == 0 && !k->upgrade)
		news_publish(k->server, &k->news);
	said = k->said;
	k->said = (struct strbuf){ 0 };
	r = (struct keeper_result){ k->upgrade, k->exit_code, &said };
	k->has_result = false;
	/* When another process serves, this one does nothing else any more. */
	k->busy = k->upgrade && k->exit_code == 0;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	k->done(k->server, &r);
	strbuf_fini(&said);
}

static void
on_result(evutil_socket_t fd, short what, void *arg)
{
	eventfd_t n;

	(void)what;
	if (eventfd_read(fd, &n) != 0)
		return;
	run_errand(arg);
	take_result(arg);
}

static bool
want(struct keeper *k, bool upgrade, const struct heir_at *at)
{
	bool begins;

	pthread_mutex_lock(&k->lock);
	begins = !k->busy;
	if (begins) {
		k->busy = k->wanted = true;
		k->upgrade = upgrade;
		k->heir = at == NULL ? (struct heir_at){ -1, 0, -1 } : *at;
	}
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	return begins;
}

bool
keeper_reload(struct keeper *k)
{
	return want(k, false, NULL);
}

bool
keeper_upgrade(struct keeper *k, const struct heir_at *at)
{
	return want(k, true, at);
}

bool
keeper_is_busy(const struct keeper *k)
{
	return k->busy; /* only this thread changes it */
}

bool
keeper_upgrades(const struct keeper *k)
{
	return k->busy && k->upgrade;
}

unsigned
keeper_old(const struct keeper *k)
{
	return eras_old(&k->eras);
}

static int
start_thread(struct keeper *k)
{
	pthread_condattr_t attr;
	sigset_t all, before;
	int e;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->changed, &attr);
	pthread_condattr_destroy(&attr);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&k->thread, NULL, keeper_thread, k);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e;
}

struct keeper *
keeper_new(struct server *s, const struct server_source *source,
    void (*done)(struct server *s, const struct keeper_result *r), struct rend_error *err)
{
	struct keeper *k = calloc(1, sizeof *k);

	if (k == NULL || eras_init(&k->eras, s, source, &k->ending) != 0) {
		free(k);
		error_set(err, EX_OSERR, "no memory for reloads");
		return NULL;
	}
	k->server = s;
	k->source = source;
	k->heir.fd = -1;
	k->done = done;
	k->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	k->event = k->fd < 0 ? NULL : event_new(s->base, k->fd, EV_READ | EV_PERSIST, on_result, k);
	if (k->event != NULL && event_add(k->event, NULL) == 0 && start_thread(k) == 0)
		return k;
	error_set(err, EX_OSERR, "there can be no reloads: %s", strerror(errno));
	if (k->event != NULL)
		event_free(k->event);
	if (k->fd >= 0)
		close(k->fd);
	eras_fini(&k->eras);
	free(k);
	return NULL;
}

void
keeper_stop(struct keeper *k)
{
	pthread_mutex_lock(&k->lock);
	__atomic_store_n(&k->ending, true, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	/* It was too late for the main thread to be asked. */
	if (k->given && !k->server->left)
		server_leave(k->server, k->heir.pid);
	take_result(k);
}

void
keeper_free(struct keeper **kp)
{
	struct keeper *k = *kp;

	*kp = NULL;
	if (k == NULL)
		return;
	event_free(k->event);
	close(k->fd);
	pthread_mutex_destroy(&k->lock);
	pthread_cond_destroy(&k->changed);
	eras_fini(&k->eras);
	free(k);
}
