/*
 * A lock set: stripes, and the workers that turns at them go home to.  It belongs to an L1 node; all nodes of `locked` over that L1 share it.
 */
#ifndef LOCKED_LOCKSET_H
#define LOCKED_LOCKSET_H

#include "home.h"
#include "stripe.h"

struct lockset {
	unsigned magic;
#define LOCKSET_MAGIC 0x10c5e700U
	uint32_t count;
	struct stripe *stripes;
	struct home *homes; /* of each worker; NULL until it is opened */
	int home_count;
	pthread_mutex_t order; /* among those who take all stripes */
};

/* NULL: no memory. */
struct lockset *lockset_new(uint32_t count);
void lockset_free(struct lockset *ls);

/* How many workers there are.  Any number of times, with the same number.  0, or -1: no memory. */
int lockset_open(struct lockset *ls, int workers);

/* Turns of this worker may go home.  On the worker, or before it runs. */
void lockset_join(struct lockset *ls, struct rend_worker *w);

/* Which stripe a key is in. */
uint32_t lockset_stripe(const struct lockset *ls, uint64_t hash);

/* The turn is filled in but for waits and held.  On its home. */
enum taken lockset_take(struct lockset *ls, struct turn *t, uint32_t most);

/*
 * The same for one turn at each stripe, turns[0] to turns[count - 1], whatever waits there.  Two who do this get in line in the same order at
 * every stripe, so neither waits for the other and is waited for.  Returns how many turns are held already.
 */
uint32_t lockset_take_all(struct lockset *ls, struct turn *turns);

/* Gives back those of these turns that are held.  Whose turn it is now, goes on in home_run().  On their home. */
void lockset_give_back(struct lockset *ls, struct turn *turns, uint32_t count);

/* Those of these turns that wait leave.  Returns how many; the others' go() was called, or will be.  On their home. */
uint32_t lockset_leave(struct lockset *ls, struct turn *turns, uint32_t count);

/* How many turns wait.  Any thread. */
uint64_t lockset_waiting(const struct lockset *ls);

#endif
