/* The thread that writes, seals and frees for a store. */
#ifndef SSD_KEEPER_H
#define SSD_KEEPER_H

#include <pthread.h>
#include <stdbool.h>

#include "store.h"

struct keeper {
	struct store *store;
	uint64_t interval; /* ns between two flushes */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool wanted, ends, runs, ended;
	bool leaves, left;    /* store_leave() is to be called at the end; it said so */
	uint64_t leave_until; /* ns */
};

/* Before store_open(): keeper_wake() may be called from then on. */
void keeper_init(struct keeper *k, uint64_t interval);
void keeper_fini(struct keeper *k);

/* 0, or -1: no thread. */
int keeper_start(struct keeper *k, struct store *store);

/* Waits until it has ended, or rend_now() is `deadline`.  false: it waits for the disk, and uses the store still. */
bool keeper_stop(struct keeper *k, uint64_t deadline);

/*
 * The same, and the store is left as it should before that (store_leave()): by the keeper, so that a disk that hangs keeps nobody else.  Once.
 * false: it was not, or not by `deadline`.
 */
bool keeper_leave(struct keeper *k, uint64_t deadline);

/* Any thread.  arg: the keeper. */
void keeper_wake(void *arg);

#endif
