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

#include "base/error.h"
#include "net/counts.h"
#include "net/flush_timer.h"
#include "net/loop.h"
#include "net/prefixes.h"
#include "net/settings.h"

struct admin;
struct event;
struct event_base;
struct listener;

struct server {
	const struct server_settings *settings;
	struct generation *generation;
	struct event_base *base; /* the main thread's */
	struct event *signals[3];
	struct listener *listeners;
	struct loop *loops;
	int loop_count; /* that run */
	int next_loop;	/* gets the next connection */
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

/* settings must outlive it.  The generation is the server's from server_start() on.  NULL with the reason: EX_OSERR
 * names address and port. */
struct server *server_new(const struct server_settings *settings, struct rend_error *err);

/* 0, or -1 with the reason; server_free() then. */
int server_start(struct server *s, struct rend_error *err);

/* Serves.  Returns when every connection has its answers, or drain_timeout has passed, or a second signal came. */
void server_run(struct server *s);

void server_free(struct server **sp);

/* ---- for the rest of net ---- */

/* A connection has been accepted and counted: gives it to a worker.  Main thread. */
void server_conn_accepted(struct server *s, int fd, const struct listener_settings *listener);

/* The listener that is made from these settings. */
struct listener *server_listener(struct server *s, const struct listener_settings *settings);

/* One connection of a listener less.  Any thread. */
void server_conn_closed(struct server *s, const struct listener_settings *listener);

/* flush_all in `delay` seconds at a listener's policy; an earlier one that has not come yet is forgotten; 0 or less
 * only forgets it.  A worker. */
void server_flush_later(struct server *s, const struct listener_settings *listener, int64_t delay);

/* Are its workers and its graph there to be looked at?  Any thread that ends before them. */
bool server_serves(const struct server *s);

/* As SIGTERM does.  Any thread. */
void server_shut_down(struct server *s);

#endif
