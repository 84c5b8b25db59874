/*
 * The guard words of one L1 node: an array of 2^20 words, epoch:48 | writers:16, indexed by key hash.  Keys that share a word only cost
 * each other promotions, never truth.
 */
#ifndef ENGINE_GUARD_H
#define ENGINE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "rend/guard.h"

struct guard; /* the words; belongs to the L1 node, shared by all policies over it */

/* What an op carries: its word, and how it has to be.  In place; the op's child points to it. */
struct rend_guard {
	struct guard *words; /* NULL: not begun */
	uint64_t index;
	uint64_t seen; /* the word as it must still be */
	bool writing;  /* counted as a writer */
	bool alone;    /* may store: no other writer was there when it began */
	bool all;      /* every word: flush_all */
};

/* NULL: no memory.  Memory is taken page by page as words are used. */
struct guard *guard_new(void);
void guard_free(struct guard **gp);

/* A read that will store what it finds elsewhere looks at the word. */
void guard_read(struct guard *words, uint64_t hash, struct rend_guard *g);

/* A mutation changes the word and is its writer until guard_end().  false: too many writers, refuse with BUSY; nothing was changed. */
bool guard_write(struct guard *words, uint64_t hash, struct rend_guard *g);

/* The same for every word.  false: some word has too many writers; nothing is held. */
bool guard_write_all(struct guard *words, struct rend_guard *g);

/* The same, however many there are: for one who cannot be refused, and comes once. */
void guard_take_all(struct guard *words, struct rend_guard *g);

/* Gives back what was taken; *g is empty afterwards.  Any thread. */
void guard_end(struct rend_guard *g);

#endif
