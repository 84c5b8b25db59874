/* Stripes, and who waits for them: see lockset.h. */
#include "lockset.h"

#include <stdlib.h>

#include "rend/check.h"

/* An array whose members have lines of their own. */
static void *
lines_new(size_t count, size_t size)
{
	void *p;

	return posix_memalign(&p, 128, count * size) == 0 ? p : NULL;
}

struct lockset *
lockset_new(uint32_t count)
{
	struct lockset *ls = calloc(1, sizeof *ls);

	if (ls != NULL)
		ls->stripes = lines_new(count, sizeof *ls->stripes);
	if (ls == NULL || ls->stripes == NULL) {
		free(ls);
		return NULL;
	}
	ls->magic = LOCKSET_MAGIC;
	ls->count = count;
	pthread_mutex_init(&ls->order, NULL);
	for (uint32_t i = 0; i < count; i++)
		stripe_init(&ls->stripes[i]);
	return ls;
}

void
lockset_free(struct lockset *ls)
{
	REND_CHECK(ls, LOCKSET_MAGIC);
	for (uint32_t i = 0; i < ls->count; i++)
		stripe_fini(&ls->stripes[i]);
	for (int i = 0; i < ls->home_count; i++)
		home_fini(&ls->homes[i]);
	pthread_mutex_destroy(&ls->order);
	free(ls->homes);
	free(ls->stripes);
	ls->magic = 0;
	free(ls);
}

int
lockset_open(struct lockset *ls, int workers)
{
	REND_CHECK(ls, LOCKSET_MAGIC);
	if (ls->homes != NULL)
		return 0;
	ls->homes = lines_new((size_t)workers, sizeof *ls->homes);
	if (ls->homes == NULL)
		return -1;
	ls->home_count = workers;
	for (int i = 0; i < workers; i++)
		home_init(&ls->homes[i]);
	return 0;
}

void
lockset_join(struct lockset *ls, struct rend_worker *w)
{
	struct home *home = &ls->homes[rend_worker_index(w)];

	REND_CHECK(ls, LOCKSET_MAGIC);
	/* One that a later locked joins is in use, and other threads look at it. */
	if (home->worker != w)
		home->worker = w;
}

uint32_t
lockset_stripe(const struct lockset *ls, uint64_t hash)
{
	/* The upper half: tables below choose by the lower one. */
	return (uint32_t)(((hash >> 32) * ls->count) >> 32);
}

static struct outbox
outbox_of(struct lockset *ls, const struct turn *t)
{
	return (struct outbox){ .homes = ls->homes, .here = &ls->homes[t->home] };
}

enum taken
lockset_take(struct lockset *ls, struct turn *t, uint32_t most)
{
	return stripe_take(&ls->stripes[t->stripe], t, most);
}

uint32_t
lockset_take_all(struct lockset *ls, struct turn *turns)
{
	uint32_t held = 0;

	/* The one lock that is kept over more than a few instructions; nobody wants it but another such. */
	pthread_mutex_lock(&ls->order);
	for (uint32_t i = 0; i < ls->count; i++)
		held += stripe_take(&ls->stripes[i], &turns[i], UINT32_MAX) == TAKEN;
	pthread_mutex_unlock(&ls->order);
	return held;
}

void
lockset_give_back(struct lockset *ls, struct turn *turns, uint32_t count)
{
	struct outbox out = outbox_of(ls, turns);

	for (uint32_t i = 0; i < count; i++)
		if (turns[i].held)
			stripe_give_back(&ls->stripes[turns[i].stripe], &turns[i], &out);
	outbox_send(&out);
}

uint32_t
lockset_leave(struct lockset *ls, struct turn *turns, uint32_t count)
{
	struct outbox out = outbox_of(ls, turns);
	uint32_t left = 0;

	for (uint32_t i = 0; i < count; i++)
		left += stripe_leave(&ls->stripes[turns[i].stripe], &turns[i], &out);
	outbox_send(&out);
	return left;
}

uint64_t
lockset_waiting(const struct lockset *ls)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ls->count; i++)
		sum += __atomic_load_n(&ls->stripes[i].waiting, __ATOMIC_RELAXED);
	return sum;
}
