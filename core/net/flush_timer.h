/*
 * flush_all with a delay: a timer of ours, so that all tiers behind a policy are flushed at one instant.  One for all listeners whose
 * policies are over the same tiers; the latest command wins.  The first worker fires it, at the policy that the listener has then.
 */
#ifndef NET_FLUSH_TIMER_H
#define NET_FLUSH_TIMER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "rend/worker.h"

struct flush_timer {
	unsigned armed;	      /* relaxed atomic: how many are set; while it is 0 nobody takes the lock */
	pthread_mutex_t lock; /* guards the rest */
	size_t count;
	uint64_t *due; /* of each listener: monotonic ns; 0: not set */
};

/* 0, or -1: no memory. */
int flush_timer_init(struct flush_timer *t, size_t count);
void flush_timer_fini(struct flush_timer *t);

/* Sets, or with due 0 forgets, the flush of the nth listener's policy; policies: all listeners', NULL: none.  Any thread; the first worker has
 * to look at flush_timer_due() again. */
void flush_timer_set(struct flush_timer *t, const struct rend_node *const *policies, size_t nth, uint64_t due);

/* When the nth listener's policy is to be flushed: monotonic ns; 0: it is not.  Any thread. */
uint64_t flush_timer_of(struct flush_timer *t, size_t nth);

/* The earliest; UINT64_MAX: none.  Any thread. */
uint64_t flush_timer_due(struct flush_timer *t);

/* Flushes what is due.  The first worker. */
void flush_timer_fire(struct flush_timer *t, const struct rend_node *const *policies, struct rend_worker *w);

#endif
