/*
 * One stripe of the table: a lock, and under it a hash of chains and a list by last use.
 *
 * The hash doubles little by little: a new array is put beside the old one, and each insert moves a few chains over.
 *
 *	old:  [ moved | moved | chain | chain ]        a key is looked for where its old chain is,
 *	now:  [ chain | chain |   -   |   -   | ... ]  or, once that has moved, in the new array
 */
#ifndef INMEM_STRIPE_H
#define INMEM_STRIPE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "item.h"

#define STRIPE_CHAINS_MIN 64

struct stripe {
	pthread_mutex_t lock;
	struct item **chains;
	size_t mask; /* of chains; their number is a power of two */
	struct item **old;
	size_t old_mask, moved; /* of old; so many of its chains have moved */
	struct item **retired;	/* arrays that are empty, and perhaps still looked into: the next one at [0] */
	struct item *newest, *oldest;
	size_t swept;	/* the chain where the next sweep begins */
	uint64_t count; /* items; written under the lock, read by anyone */
	uint64_t idle;	/* when the oldest was last used, UINT64_MAX: empty.  A hint: written under the lock, read by
			   anyone */
} __attribute__((aligned(64)));

/* chains: STRIPE_CHAINS_MIN zeroed pointers from malloc, which the stripe takes over. */
void stripe_init(struct stripe *s, struct item **chains);

/* Frees the arrays, and drops the items that are left. */
void stripe_fini(struct stripe *s);

/*
 * Where the chain for this hash begins, in the new array.  Without the lock, by those who only want to know what to fetch: what is there may be
 * read (an atomic), and is the address of an item that may be gone.  Retired arrays are freed when nobody is between this and such a read.
 */
static inline struct item **
stripe_peek(const struct stripe *s, uint64_t hash)
{
	/* The mask first: an array is at least as large as the mask that was set after it. */
	size_t mask = __atomic_load_n(&s->mask, __ATOMIC_ACQUIRE);

	return &__atomic_load_n(&s->chains, __ATOMIC_ACQUIRE)[hash & mask];
}

/* All below: under the lock. */

struct item *stripe_find(const struct stripe *s, const char *key, size_t keylen, uint64_t hash);

/* Puts an item in, as the newest; its key must not be there. */
void stripe_link(struct stripe *s, struct item *it);

/* Takes one out; the reference that the stripe had is the caller's. */
void stripe_unlink(struct stripe *s, struct item *it);

/* It is the newest from now on. */
void stripe_renew(struct stripe *s, struct item *it, uint64_t now);

/* It was asked for just now: the same, once a second. */
void stripe_use(struct stripe *s, struct item *it, uint64_t now);

/* How many chains it should have by now; 0: what it has is enough, or it is growing already. */
static inline size_t
stripe_wants(const struct stripe *s)
{
	size_t chains = s->mask + 1;

	return s->old == NULL && s->count > chains + chains / 2 ? chains * 2 : 0;
}

/* Begins to grow into these zeroed chains (more than it has, a power of two); false: it is growing already, they stay
 * the caller's. */
bool stripe_grow(struct stripe *s, struct item **chains, size_t count);

/* Moves at most `chains` more of the old chains.  When the old array is empty, it is retired. */
void stripe_move(struct stripe *s, size_t chains);

#endif
