/*
 * Makes room in a store that is full of what nobody sees any more: merges all files of the bins that forgot something, where nothing is dropped otherwise.
 * A flush_all costs the same whatever there is, and its price is paid here, if the room is wanted.
 */
#ifndef MNEMONIC_SWEEPER_H
#define MNEMONIC_SWEEPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "folder.h"

struct mnemonic;

struct sweeper {
	struct mnemonic *store;
	bool runs;
	uint64_t busy, ends;	   /* atomic */
	uint64_t swept[BINS_MOST]; /* the floor of each bin when it was last merged; its own while it is busy */
	pthread_t thread;
};

void sweeper_init(struct sweeper *s, struct mnemonic *store);

/* Begins, if it is time to.  The keeper, now and then. */
void sweeper_look(struct sweeper *s);

/* There is no keeper any more.  What is being merged is given up.  May wait for the disk. */
void sweeper_end(struct sweeper *s);

#endif
