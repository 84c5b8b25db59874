/*
 * One worker's thread: its libevent base, its connections, and the order in which a turn goes.
 *
 *	┌─► sockets that are ready: read, parse, submit
 *	│   connections that had more than their share last turn
 *	│   worker_turn: deadlines, inbox, answers that came
 *	│   worker_flush: backends get what was queued for them
 *	└── one write for each connection that is owed something
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include "base/chain.h"
#include "base/error.h"
#include "base/histogram.h"
#include "base/list.h"
#include "base/pool.h"
#include "engine/worker.h"
#include "net/counts.h"
#include "net/pulse.h"
#include "net/readbuf.h"
#include "net/roster.h"
#include "proto/proto.h"

struct event;
struct listener_settings;
struct rend_node;
struct server;
struct server_settings;

struct loop {
	struct rend_worker worker; /* first, so that a worker is its loop */
	struct server *server;
	struct event *inbox_event, *timer;
	uint64_t timer_due; /* when the timer fires: monotonic ns; 0: it is not set */
	pthread_t thread;
	pthread_barrier_t started;
	bool attached, stop, may_end, draining;
	const struct rend_node **policies; /* who is asked, of each listener */
	bool holding;			   /* no command is carried out, and no connection read from: see swap.h */
	struct list held;		   /* conns that would have been, by runnable */
	struct list arrivals;		   /* connections of another process that have no seat yet: see arrivals.h */
	uint64_t hold_until;		   /* then it goes on by itself: monotonic ns */
	uint64_t ending;      /* the number of the generation of which it is looked whether clients are owed some */
	bool quiet;	      /* relaxed atomic */
	sem_t stopped;	      /* its connections are closed */
	uint64_t stop_by;     /* when it no longer waits for ops: monotonic ns */
	struct list conns;    /* all of them */
	struct list runnable; /* have input and may go on next turn */
	struct list dirty;    /* may have something to write at the end of this turn */
	struct list surveys;  /* that have a visit under way, by when it is given up */
	struct list stalled, idle; /* by since: half a request or a client that does not read; nothing going on */
	struct readbuf readbuf;
	struct chain_pools chains;
	struct pool answers;
	struct pool conns_pool;
	struct roster roster; /* of conns */
	unsigned conn_count;  /* relaxed atomic: others look */
	struct proto_limits limits;
	struct counts counts;
	struct tally *tallies;		       /* for each listener and form */
	struct histogram latency[COUNT_SLOTS]; /* of clients' commands: from being asked to being said, ns */
	struct pulse pulse;		       /* is it turning? */
	struct rend_error error;	       /* of attach */
	struct rend_call stop_call, end_call, drain_call;
};

/* Starts the thread and attaches the server's generation to its worker.  0, or -1 with the reason. */
int loop_start(struct loop *l, struct server *server, int index, struct rend_error *err);

/* Asks it to end its connections: each when it is owed nothing and has no request half there.  Any thread. */
void loop_drain(struct loop *l);

/* What it comes to on the worker: each connection is heard once more.  On its thread. */
void loop_drain_conns(struct loop *l);

/* What clients may do, as these settings say.  On its thread, or before it starts. */
void loop_set_limits(struct loop *l, const struct server_settings *s);

/* What it counts of a listener's clients: FORM_COUNT tallies.  Any thread reads. */
struct tally *loop_tallies(const struct loop *l, const struct listener_settings *listener);

/* How many connections it has.  Any thread. */
unsigned loop_connections(const struct loop *l);

/*
 * The end, in steps that all loops take together, since workers reach for each other until the last has no connection:
 *
 *	loop_stop      closes its connections, and waits until they are; it goes on turning
 *	loop_is_quiet  are its ops back, or given up?  Within two seconds of loop_stop().  Any thread
 *	loop_end       ends the thread, when the disk threads have ended, and waits for it.  true: its worker is detached; false: a plugin
 *	               kept ops, and what they hold must stay where it is
 *	loop_fini      frees what is left of it, when all threads have ended
 */
void loop_stop(struct loop *l);
bool loop_is_quiet(const struct loop *l);
bool loop_end(struct loop *l);
void loop_fini(struct loop *l);

static inline struct loop *
loop_of(struct rend_worker *w)
{
	return (struct loop *)(void *)w;
}

#endif
