/* The time as it passes while a function runs: rend_now() stands still for a turn of a worker's loop, and a tick is to end within one. */
#ifndef INMEM_TICKING_H
#define INMEM_TICKING_H

#include <stdint.h>
#include <time.h>

/* Monotonic nanoseconds.  Any thread. */
static inline uint64_t
ticking_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
