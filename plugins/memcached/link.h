/*
 * One connection to a backend, shared by all clients of a worker.
 *
 *	            connect()              probe asked              probe answered
 *	   DOWN ──────────────► CONNECTING ────────────► PROBING ──────────────────► UP
 *	    ▲  back-off              │ refused, too long     │ garbage, too long      │ stopped, garbage, closed
 *	    └────────────────────────┴───────────────────────┴───────────────────────┘
 *
 *	op ──► waiting (while there is hope) ──► sent, FIFO ──► answer matched with the first of sent ──► rend_done()
 *	              DOWN: answered at once        closed: LOST if begun, DOWN if not
 *
 * A connection that was of use for a while, and which the backend closed, or we did because nothing came over it, is made
 * again at once, and ops that are safe to ask again (reads, and what was not begun) go on waiting for it; every other end
 * is followed by a pause, and so are max_timeouts in a row.
 */
#ifndef MEMCACHED_LINK_H
#define MEMCACHED_LINK_H

#include "backend.h"

struct link;

/* Bytes of scratch it needs in each op. */
#define LINK_SCRATCH_SIZE 112

/* Begins to connect.  NULL: no memory.  On the worker, as all below. */
struct link *link_new(struct backend *b, struct rend_worker *worker);

/* Closes it.  Ops that it still has, for which nobody waits any more, are answered. */
void link_free(struct link **lp);

/* Takes an op, to be answered with rend_done(). */
void link_ask(struct link *l, struct rend_op *op);

/* Writes what was asked. */
void link_flush(struct link *l);

/* About once a second. */
void link_tick(struct link *l);

/* Is it up, or may soon be? */
bool link_hopeful(const struct link *l);

#endif
