/*
 * What the engine knows of a worker: its pools, its ready list, its inbox.  The loop around it is net's.
 *
 *	one turn:  sockets (net) ─► worker_turn: inbox, ready list ─► worker_flush: the instances that got ops ─► writes (net)
 */
#ifndef ENGINE_WORKER_H
#define ENGINE_WORKER_H

#include <stdbool.h>

#include "base/inbox.h"
#include "base/list.h"
#include "base/pool.h"
#include "rend/worker.h"

struct generation;
struct instance;
struct event_base;

struct rend_worker {
	unsigned magic;
#define WORKER_MAGIC 0x30c4e77aU
	int index;
	struct event_base *base; /* net's, or NULL */
	struct inbox inbox;
	struct list ready;	   /* answered ops whose done is to be called */
	struct list touched;	   /* instances that got an op this turn */
	struct list instances;	   /* all that are attached here */
	struct pool roots, kids;   /* clients' ops (with room for a key), and the others */
	struct generation *newest; /* what the next client's op pins; NULL before the first */
	struct rend_op *running;   /* whose handler or done runs now, for a panic */
	const struct instance
	    *at;	   /* whose plugin's function runs now; NULL: none of a node.  Relaxed atomic, for a watchdog */
	uint32_t versions; /* that were made up here */
	uint64_t reserved; /* bytes that stores have given to values on their way, and that have not come */
	uint64_t tokens;   /* the same, of leases */
	uint64_t ticked;   /* when instances were last given their second */
	bool gave_up;	   /* on all ops, at the end */
};

/* A function of this instance's plugin is about to be called; NULL: it is over.  Returns whose was.  On the worker. */
static inline const struct instance *
worker_call(struct rend_worker *w, const struct instance *in)
{
	const struct instance *before = w->at;

	__atomic_store_n(&w->at, in, __ATOMIC_RELAXED);
	return before;
}

/* The node whose plugin's function w is in, or NULL: none that is known by name.  Any thread, while the generation is attached. */
const struct rend_node *worker_at(const struct rend_worker *w);

/* How many there will be.  Before the first worker_init() and the first open(); main thread. */
void worker_set_count(int count);

/* What rend_item_size_max() says; no limit without it.  Before the first open(); main thread. */
void worker_set_item_size_max(uint64_t bytes);

/* 0, or -1 and errno.  On any thread; worker_enter() makes it the calling thread's. */
int worker_init(struct rend_worker *w, int index);

/* Every instance is detached.  Calls that are still in its inbox are forgotten. */
void worker_fini(struct rend_worker *w);

/* The calling thread is w's from now on; NULL: nobody's. */
void worker_enter(struct rend_worker *w);

/* The worker whose thread this is, or NULL. */
extern __thread struct rend_worker *worker_here;
static inline struct rend_worker *
worker_self(void)
{
	return worker_here;
}

/*
 * Gives up what is past its deadline, runs the calls in the inbox, then the done of each op that was ready when that was over.  What gets
 * ready meanwhile waits for the next turn.
 */
void worker_turn(struct rend_worker *w);

/* Tells each instance that got an op that no more come this turn; once a second, gives each its tick. */
void worker_flush(struct rend_worker *w);

/* Is an answered op, or an instance that has not been told flush, waiting for the next turn?  Then it should come at once. */
bool worker_ready(const struct rend_worker *w);

/* When worker_turn() has something to do even if nothing arrives: monotonic ns; UINT64_MAX: never. */
uint64_t worker_due(struct rend_worker *w);

/*
 * At the end: gives up all ops that are in handlers' hands, whatever their deadline, and what is asked because of that.  Ops that were
 * answered are still ready, and may ask more: then it is to be called again.  From now on rend_op_given_up() says so of every op.
 */
void worker_give_up(struct rend_worker *w);

/* Asks each instance's plugin whether it is reachable, for node_reached().  On w. */
void worker_look(struct rend_worker *w);

/* Ops that are not freed yet, clients' and children's. */
size_t worker_ops(const struct rend_worker *w);

#endif
