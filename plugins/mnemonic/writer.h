/*
 * The thread that writes to one bin: what has come together while it wrote is written at once, by one call and with one entry in the log.
 * Nobody else writes there.
 */
#ifndef MNEMONIC_WRITER_H
#define MNEMONIC_WRITER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct job;
struct mnemonic;

struct writer {
	struct mnemonic *store;
	struct rocks_batch *batch;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct job *first, *last;
	bool ends, ended, runs;
	pthread_t thread;
};

/* 0, or -1: no thread. */
int writer_start(struct writer *w, struct mnemonic *store);

/* Any thread.  What is to be changed is in the job. */
void writer_put(struct writer *w, struct job *job);

/* There are no jobs, and none come.  By `deadline`, ns.  false: it waits for the disk still. */
bool writer_stop(struct writer *w, uint64_t deadline);

#endif
