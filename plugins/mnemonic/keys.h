/*
 * Locks for keys that nobody sleeps at: who cannot have one at once waits in a queue, and is called when it is his.
 *
 *	keys_take() ── free ──► it is yours		keys_give() ── nobody waits ──► free
 *	     └─────── taken ──► [ queue ] ◄────────────────┴─ go() of the first: it is his
 *
 * A lock is of all keys of one group with the same few bits of the hash.  Groups share none: what waits in one keeps nobody in another from anything.
 */
#ifndef MNEMONIC_KEYS_H
#define MNEMONIC_KEYS_H

#include <stdbool.h>
#include <stdint.h>

struct keys;

/* Whoever waits.  Embed it in what waits; the queue's from a keys_take() that says false until go(). */
struct keys_turn {
	void (*go)(
	    struct keys_turn *turn); /* on the thread that gave the lock back, which holds nothing: only post it home */
	struct keys_turn *next;
};

/* stripes: how many locks each group has; a power of two.  NULL: no memory. */
struct keys *keys_new(unsigned groups, uint32_t stripes);
void keys_free(struct keys **keysp);

/* true: it is the caller's.  false: it will be, when go() is called.  Any thread. */
bool keys_take(struct keys *k, unsigned group, uint64_t khash, struct keys_turn *turn);

/* Gives it back; from any thread. */
void keys_give(struct keys *k, unsigned group, uint64_t khash);

#endif
