/* Locks for keys: see keys.h. */
#include "keys.h"

#include <pthread.h>
#include <stdlib.h>

struct stripe {
	pthread_mutex_t lock;
	bool taken;
	struct keys_turn *first, **end;
} __attribute__((aligned(64)));

struct keys {
	size_t per, count; /* stripes: of a group, and of all */
	struct stripe stripes[];
};

static struct stripe *
stripe_of(struct keys *k, unsigned group, uint64_t khash)
{
	return &k->stripes[group * k->per + (khash & (k->per - 1))];
}

struct keys *
keys_new(unsigned groups, uint32_t stripes)
{
	size_t count = (size_t)groups * stripes, size = sizeof(struct keys) + count * sizeof(struct stripe);
	struct keys *k = aligned_alloc(64, (size + 63) / 64 * 64);

	if (k == NULL)
		return NULL;
	k->per = stripes;
	k->count = count;
	for (size_t i = 0; i < count; i++) {
		struct stripe *s = &k->stripes[i];

		pthread_mutex_init(&s->lock, NULL);
		s->taken = false;
		s->first = NULL;
		s->end = &s->first;
	}
	return k;
}

void
keys_free(struct keys **keysp)
{
	struct keys *k = *keysp;

	*keysp = NULL;
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->count; i++)
		pthread_mutex_destroy(&k->stripes[i].lock);
	free(k);
}

bool
keys_take(struct keys *k, unsigned group, uint64_t khash, struct keys_turn *turn)
{
	struct stripe *s = stripe_of(k, group, khash);
	bool mine;

	pthread_mutex_lock(&s->lock);
	mine = !s->taken;
	s->taken = true;
	if (!mine) {
		turn->next = NULL;
		*s->end = turn;
		s->end = &turn->next;
	}
	pthread_mutex_unlock(&s->lock);
	return mine;
}

void
keys_give(struct keys *k, unsigned group, uint64_t khash)
{
	struct stripe *s = stripe_of(k, group, khash);
	struct keys_turn *next;

	pthread_mutex_lock(&s->lock);
	next = s->first;
	if (next == NULL) {
		s->taken = false;
	} else {
		s->first = next->next;
		if (s->first == NULL)
			s->end = &s->first;
	}
	pthread_mutex_unlock(&s->lock);
	if (next != NULL)
		next->go(next);
}
