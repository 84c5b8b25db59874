/*
 * Answers that wait until what they say is on the disk: sync = "always".
 *
 *	job: changed ──► [ waiting, in order ] ── a flush that began after it and left nothing over ──► answered
 *	                        ├── what was written meanwhile was given up ──► IO: it may be there or not
 *	                        └── timeout ──► TIMEOUT: the same
 *
 * Who comes while a flush is under way waits for the next one, so many share a sync.  The key's lock is held until the answer: nobody changes, or is told
 * no because of, what may be gone yet.  Gets take no lock, and see it before.
 */
#ifndef SSD_COMMIT_H
#define SSD_COMMIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "rend/status.h"
#include "rend/worker.h"

struct event;
struct instance;
struct job;
struct ssd;

/* A worker's. */
struct commits {
	pthread_mutex_t lock; /* of first, end and told */
	struct job *first, **end;
	bool told; /* the call is on its way */
	struct rend_call call;
	struct event *timer; /* for the first one's time */
	struct instance *inst;
};

/* Of a job. */
struct commit {
	struct job *next;
	uint64_t given_up; /* store_given_up() before it changed anything */
	uint64_t flush;	   /* store_commit_at() */
	uint64_t until;	   /* rend_now() */
	enum rend_status status;
};

/* The worker's thread, as the next one.  0, or -1: no memory. */
int commits_open(struct commits *c, struct instance *inst);

/* Answers who waits: the worker ends. */
void commits_close(struct commits *c);
void commits_fini(struct commits *c);

/* The job is to end so, when it is on the disk: job_end() follows, on its worker, or at once if that is not asked for.  Any thread. */
void commit_wait(struct job *j, enum rend_status status);

/* The keeper: a flush has ended.  arg: the struct ssd. */
void commit_flushed(void *arg);

/* ---- job.c ---- */

void job_end(struct job *j, enum rend_status status);

#endif
