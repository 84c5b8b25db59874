/*
 * The threads that read.  Jobs wait in a queue of their bin; a thread takes several of one bin at once.
 *
 *	workers ──► [ bin 0: j j j ] [ bin 2: j ] ──► bins in turn ──► threads
 *
 * What waits is bounded by who submits: the core has only so many ops in flight at a node.
 */
#ifndef MNEMONIC_READERS_H
#define MNEMONIC_READERS_H

#include <pthread.h>
#include <stdbool.h>

#include "folder.h"

#define READERS_MOST 64

struct job;

/* Of each bin: who waits. */
struct waiting {
	struct job *first, *last;
	unsigned count;
	struct waiting *next; /* of those bins whose turn comes */
	bool in_line;
};

struct readers {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct waiting bins[BINS_MOST];
	struct waiting *first, *last;
	unsigned idle, count, ended;
	bool ends;
	pthread_t threads[READERS_MOST];
};

/* 0, or -1: no thread. */
int readers_start(struct readers *r, unsigned count);

/* One, whatever its queue_next is; or a list, linked by queue_next, of any bins.  Any thread. */
void readers_put(struct readers *r, struct job *j);
void readers_put_all(struct readers *r, struct job *jobs);

/* There are no jobs, and none come.  By `deadline`, ns.  false: one waits for the disk still. */
bool readers_stop(struct readers *r, uint64_t deadline);

#endif
