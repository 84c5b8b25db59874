/*
 * Is a worker turning?  A few times a second another thread posts it a call; how long that takes to be run is what an answer or a socket
 * would have had to wait.  One that is not back after PULSE_STALL_NS means that somebody keeps the worker, and the watcher says who.
 *
 *	watcher                         worker
 *	pulse_feel ── call ───────────► inbox, in its next turn
 *	     ▲                            lag into the histogram; are its nodes reachable?
 *	     └──────── it is back ────────┘
 *
 * An idle worker is woken for it: that is what it costs.  Nothing on the way of a request knows of it.
 */
#ifndef NET_PULSE_H
#define NET_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "rend/worker.h"

struct loop;

#define PULSE_EVERY_NS 250000000U     /* how often it is felt */
#define PULSE_STALL_NS 500000000U     /* a worker that takes longer is kept by somebody */
#define PULSE_DEAD_NS  2000000000U    /* and for people who ask, it is not alive */
#define PULSE_SAY_NS   10000000000ULL /* a worker's stalls are told so often at most */

/* Of one worker.  All-zero but for call.fn is the beginning. */
struct pulse {
	struct rend_call call;
	/* relaxed atomics */
	uint64_t asked; /* when the call was posted: monotonic ns */
	uint64_t took;	/* the last one that came back, ns */
	bool
	    out; /* it is not back.  Released with what is above: a reader takes no old `asked` for that of a call that is out */
	uint64_t stalls;
	struct histogram lag; /* the worker writes */
	/* the watcher's */
	bool told;	 /* that it stalls */
	uint64_t said;	 /* when that was logged last; 0: never */
	uint64_t unsaid; /* stalls since then that were not */
};

/* Looks how it goes with the call that is out, says what is to be said, and posts the next.  On the watcher's thread. */
void pulse_feel(struct loop *l, uint64_t now);

/* For how long the worker has not turned, ns: 0 while it turns.  Any thread. */
uint64_t pulse_missing(const struct loop *l, uint64_t now);

#endif
