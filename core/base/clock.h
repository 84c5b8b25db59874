/*
 * What time it is.  A thread that ticks (a worker, once per turn of its loop) sees the time of its last tick; others see the present.
 * Wall time is read once, at start, and goes on with the time since boot, sleep included: it never goes back, and a step of the system's
 * clock neither expires everything nor makes anything immortal.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "rend/worker.h"

/* What the calling thread saw at its last tick; clock.c's. */
extern __thread struct clock_seen {
	enum { CLOCK_PRESENT, CLOCK_TICKED, CLOCK_STALE } state;
	uint64_t mono;
	int64_t wall;
} clock_seen;

/* Are clocks faked?  Atomic; clock.c's. */
extern bool clock_faked;

/* rend_now(), on a worker without a call. */
static inline uint64_t
clock_now(void)
{
	bool known = clock_seen.state == CLOCK_TICKED && !__atomic_load_n(&clock_faked, __ATOMIC_RELAXED);

	return known ? clock_seen.mono : rend_now();
}

/* Reads the clocks for this thread; rend_now() and rend_wall() of this thread stand still until the next tick. */
void clock_tick(void);

/* The next rend_now() or rend_wall() of this thread ticks: for a loop that is about to wait for it does not know how long. */
void clock_stale(void);

/* Monotonic ns, really now.  Any thread. */
uint64_t clock_mono(void);

/* For tests: from here on all threads see these, until clock_unfake(); clock_tick() does not move them. */
void clock_fake(uint64_t mono_ns, int64_t wall_s);
void clock_unfake(void);

#endif
