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

/* Of one bin. */
struct swept {
	uint64_t floor; /* when it was last merged; 0 after a start, for nobody keeps it */
	uint64_t tried; /* the floor when that last failed */
	uint64_t pause; /* ns; 0: it did not fail */
	uint64_t at;	/* not before, unless it forgot something more */
};

struct sweeper {
	struct mnemonic *store;
	bool runs;
	uint64_t busy, ends;	       /* atomic */
	struct swept swept[BINS_MOST]; /* its own while it is busy */
	pthread_t thread;
};

void sweeper_init(struct sweeper *s, struct mnemonic *store);

/* Begins, if it is time to.  The keeper, now and then. */
void sweeper_look(struct sweeper *s);

/* There is no keeper any more.  What is being merged is given up.  May wait for the disk. */
void sweeper_end(struct sweeper *s);

#endif
