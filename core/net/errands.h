/*
 * One call to each worker, which runs it in a turn of its own, between the events of clients; whoever sends them waits until all are over.  On the keeper's
 * thread, while the workers turn.
 */
#ifndef NET_ERRANDS_H
#define NET_ERRANDS_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "rend/worker.h"

struct errand;
struct loop;
struct server;

/* On that worker.  It says what it found, and why not. */
typedef void errand_f(struct loop *l, struct errand *e);

struct errand {
	struct rend_call call;
	struct loop *loop;
	errand_f *fn;
	const void *arg;
	int state; /* atomic */
	bool said; /* what it found */
	struct rend_error err;
	sem_t *over;
};

/*
 * Has fn run on each worker that gets to it by `until` (monotonic ns; 0: on all).  true: all did, and said yes; else *err (or NULL) is what the first
 * one said that did not.  Where it has not begun by then it never will; where it has it is waited for: with a deadline fn asks no plugin.
 */
bool errands_until(struct server *s, errand_f *fn, const void *arg, struct rend_error *err, uint64_t until);
bool errands(struct server *s, errand_f *fn, const void *arg, struct rend_error *err);

/* The same on one worker after the other: it needs no memory, so it always happens. */
void errands_one_by_one(struct server *s, errand_f *fn, const void *arg);

#endif
