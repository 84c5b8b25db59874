/*
 * The server as a whole: listeners, workers, and the graph they ask.
 *
 *	server_new     binds the listeners: what needs privileges
 *	server_start   opens the graph, starts the workers, begins to accept
 *	server_run     until SIGTERM or SIGINT; then drains
 *	server_free
 * All on the main thread.
 */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "net/counts.h"
#include "net/flush_timer.h"
#include "net/loop.h"
#include "net/prefixes.h"
#include "net/settings.h"

struct admin;
struct control;
struct event;
struct event_base;
struct inherited;
struct keeper;
struct listener;
struct runner;
struct takeover;

/* Where another rend.conf comes from: main's, for whom net is below. */
struct server_source {
	void *arg;
	/*
	 * Reads it anew, beside a generation that runs.  0 and *next, whose generation is the caller's; or an exit code.  said gets what there is to
	 * say about it, a line each.  *stop (a relaxed atomic) gives up what may take long.  The keeper's thread.
	 */
	int (*read)(void *arg, const struct generation *now, const bool *stop, struct server_settings **next,
	    struct strbuf *said);
	/* Starts the program at its path, with this end of a pair.  0 and *pid, or -1 with the reason.  The keeper's thread. */
	int (*spawn)(void *arg, int channel, pid_t *pid, struct rend_error *err);
	/* Waits for one that failed, or ends it; said gets how it died, if that is of interest.  The same. */
	void (*reap)(void *arg, pid_t pid, struct strbuf *said);
	/* The descriptor of the pid file, which stays its own, and its path; or -1.  Main thread. */
	int (*pid_file)(void *arg, const char **path);
	/* That process serves (0: nobody knows its number): nothing of the pid file is ours any more.  Main thread. */
	void (*left)(void *arg, pid_t pid);
	/* *next is no one's any more; not its generation.  The keeper's thread, or the main one when that has ended. */
	void (*release)(void *arg, struct server_settings **next);
};

struct server {
	/* Of the main thread, which changes them when all workers have; who may look when: server_settings(), server_generation() */
	const struct server_settings *settings;
	struct generation *generation;
	pthread_mutex_t
	    view; /* whoever looks at nodes or listeners and is no worker, has it meanwhile; so has whoever frees them */
	const struct server_source *source;
	struct keeper *keeper;
	bool reload_again;		   /* SIGHUP came while one was under way */
	uint64_t reloads, reloads_refused; /* relaxed atomics */
	unsigned plugins_stale;		   /* the same */
	struct control *control;
	struct runner *runner;	     /* of commands of plugins; NULL: none are run */
	struct inherited *inherited; /* sockets that others opened; or NULL */
	struct takeover *takeover;   /* what the process before this one has; or NULL */
	bool resting, left;	     /* nobody is taken in for now; another process serves */
	uint64_t left_at;	     /* since when: monotonic ns */
	struct event_base *base;     /* the main thread's */
	struct event *signals[5];
	struct listener *listeners;
	size_t listener_count, listener_room; /* those that are there, or were; how many there can be */
	struct loop *loops;
	int loop_count; /* that run */
	int next_loop;	/* gets the next connection */
	int hold;	/* what became of what the workers hold: swap.c's.  Atomic */
	struct flush_timer flush_timer;
	uint64_t began;	    /* monotonic ns */
	int64_t began_wall; /* unix seconds */
	struct admin *admin;
	bool serving; /* all is started, and stays until the admin thread has ended: released, acquired */
	/* relaxed atomics */
	bool draining, shutting_down;
	unsigned connections;
	uint64_t accepted, rejected, accept_pauses;
	uint64_t accept_paused_ns; /* in pauses that are over */
	unsigned accept_paused;	   /* listeners that are in one */
	/* stats reset: what had been counted by then */
	pthread_mutex_t reset_lock;
	struct counts reset_counts;
	struct tally reset_tally;
	uint64_t reset_accepted, reset_rejected;
	struct prefixes prefixes;
};

/* What others left to it; all of it must outlive the server.  All-zero: nothing. */
struct server_heritage {
	struct inherited *sockets;
	struct takeover *takeover; /* it has begun to hear */
};

/* Settings and source must outlive it; source NULL: there is no other rend.conf.  The generation is the server's from server_start() on.  NULL with the reason: EX_OSERR
 * names address and port. */
struct server *server_new(const struct server_settings *settings, const struct server_source *source,
    const struct server_heritage *from, struct rend_error *err);

/* 0, or -1 with the reason; server_free() then. */
int server_start(struct server *s, struct rend_error *err);

/* Serves.  Returns when every connection has its answers and no command of a plugin is under way, or drain_timeout has passed, or a second signal came. */
void server_run(struct server *s);

/* false: threads of plugins did not come back, and use yet what it was made of: the process frees nothing more, and ends. */
bool server_free(struct server **sp);

/* ---- for the rest of net ---- */

/* A connection has been accepted and counted: gives it to a worker.  Main thread. */
void server_conn_accepted(struct server *s, int fd, const struct listener_settings *listener);

/*
 * The newest settings and graph that all workers have begun with.  On a worker's thread they stay until its turn ends; on the main thread, until it changes
 * them; elsewhere, while one has the view.
 */
static inline const struct server_settings *
server_settings(const struct server *s)
{
	return __atomic_load_n(&s->settings, __ATOMIC_ACQUIRE);
}

static inline struct generation *
server_generation(const struct server *s)
{
	return __atomic_load_n(&s->generation, __ATOMIC_ACQUIRE);
}

/* How many listeners there are or were; the first ones stay where they are.  Any thread. */
static inline size_t
server_listeners(const struct server *s)
{
	return __atomic_load_n(&s->listener_count, __ATOMIC_ACQUIRE);
}

/* Which of them has these settings, which must be a listener's own. */
size_t server_listener_nth(const struct server *s, const struct listener_settings *settings);

/* Takes nobody in for now (false: it ends); and does again; or leaves all that to another process.  Main thread. */
bool server_rest(struct server *s);
void server_go_on(struct server *s);
void server_leave(struct server *s, pid_t pid);

/* A connection of another process is counted here. */
void server_conn_resumed(struct server *s, const struct listener_settings *listener);

/* As SIGTERM does, on the main thread. */
void server_drain(struct server *s);

/* The listener that is made from these settings. */
struct listener *server_listener(struct server *s, const struct listener_settings *settings);

/* One connection of a listener less.  Any thread. */
void server_conn_closed(struct server *s, const struct listener_settings *listener);

/* flush_all in `delay` seconds at a listener's policy; an earlier one that has not come yet is forgotten; 0 or less
 * only forgets it.  A worker. */
void server_flush_later(struct loop *l, const struct listener_settings *listener, int64_t delay);

/* Are its workers and its graph there to be looked at?  Any thread that ends before them. */
bool server_serves(const struct server *s);

/* As SIGTERM does.  Any thread. */
void server_shut_down(struct server *s);

#endif
