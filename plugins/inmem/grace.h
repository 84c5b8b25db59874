/*
 * When is nobody reading any more what has been taken out?
 *
 * A thread says an epoch before it looks at anything, and looks at nothing from before when it says the next: an op holds nothing when it is
 * over.  What was taken out at epoch E may be used again once every thread that is at work has said E, or a later one.
 *
 *	taken out, grace_mark() = E ──► ... ──► grace_over(E)? ──► used again
 *	a thread:  grace_enter() ── reads ── grace_enter() ── reads ── grace_leave()
 */
#ifndef INMEM_GRACE_H
#define INMEM_GRACE_H

#include <stdbool.h>
#include <stdint.h>

struct grace_thread {
	uint64_t said; /* atomic; 0: not at work */
} __attribute__((aligned(64)));

struct grace {
	uint64_t epoch; /* atomic; from 1 on */
	unsigned count;
	uint64_t over __attribute__((aligned(64))); /* atomic: graces up to this one are known to be over */
	struct grace_thread *threads;
};

/* 0, or -1: no memory. */
int grace_init(struct grace *g, unsigned threads);
void grace_fini(struct grace *g);

void grace_say(struct grace *g, unsigned thread);

/* From here on the thread may look; what it found before, it has forgotten. */
static inline void
grace_enter(struct grace *g, unsigned thread)
{
	if (__atomic_load_n(&g->threads[thread].said, __ATOMIC_RELAXED) != __atomic_load_n(&g->epoch, __ATOMIC_RELAXED))
		grace_say(g, thread);
}

/* The thread looks at nothing until it enters again. */
static inline void
grace_leave(struct grace *g, unsigned thread)
{
	__atomic_store_n(&g->threads[thread].said, 0, __ATOMIC_RELEASE);
}

/* After something has been taken out: the epoch that everybody has to say first.  Any thread. */
uint64_t grace_mark(struct grace *g);

/* Any thread. */
bool grace_over(struct grace *g, uint64_t epoch);

#endif
