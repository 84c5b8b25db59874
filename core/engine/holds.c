/* Writers whose end nobody will tell: see holds.h.  All are held for the same time, so the oldest is the first to go. */
#include "engine/holds.h"

#include <pthread.h>
#include <stdlib.h>

#include "rend/log.h"
#include "rend/worker.h"

struct hold {
	struct rend_guard guard;
	uint64_t until; /* ns */
};

struct holds {
	struct guard *words;
	uint64_t time;
	pthread_mutex_t lock;
	struct hold ring[HOLDS_MAX];
	unsigned first, used;
	struct hold all; /* every word, because the ring was full; until 0: not */
	/* for those who look without the lock: atomic */
	uint64_t now, total;
};

struct holds *
holds_new(struct guard *words, uint64_t time)
{
	/* So much at once is fresh from the kernel: pages cost memory when something is held. */
	struct holds *h = calloc(1, sizeof *h);

	if (h == NULL)
		return NULL;
	h->words = words;
	h->time = time;
	pthread_mutex_init(&h->lock, NULL);
	return h;
}

void
holds_free(struct holds **hp)
{
	struct holds *h = *hp;

	*hp = NULL;
	if (h == NULL)
		return;
	pthread_mutex_destroy(&h->lock);
	free(h);
}

/* Under the lock, when something has changed. */
static void
show(struct holds *h)
{
	__atomic_store_n(&h->now, h->used + (h->all.until != 0), __ATOMIC_RELAXED);
}

/* There is no room for one more: from now on nobody stores anywhere, so that one's own word may be given back. */
static void
hold_all(struct holds *h, struct rend_guard *g, uint64_t until)
{
	if (h->all.until == 0) {
		guard_take_all(h->words, &h->all.guard);
		rend_log(REND_LOG_WARN, "more than %d writes ended without an answer: nothing is promoted for %llu ms",
		    HOLDS_MAX, (unsigned long long)(h->time / 1000000));
	}
	h->all.until = until;
	guard_end(g);
}

void
holds_keep(struct holds *h, struct rend_guard *g)
{
	uint64_t until = rend_now() + h->time;

	pthread_mutex_lock(&h->lock);
	__atomic_store_n(&h->total, h->total + 1, __ATOMIC_RELAXED);
	if (h->used == HOLDS_MAX) {
		hold_all(h, g, until);
	} else {
		h->ring[(h->first + h->used++) % HOLDS_MAX] = (struct hold){ *g, until };
		*g = (struct rend_guard){ 0 };
	}
	show(h);
	pthread_mutex_unlock(&h->lock);
}

void
holds_tick(struct holds *h, uint64_t now)
{
	if (holds_now(h) == 0)
		return;
	pthread_mutex_lock(&h->lock);
	for (; h->used > 0 && h->ring[h->first].until <= now; h->used--) {
		guard_end(&h->ring[h->first].guard);
		h->first = (h->first + 1) % HOLDS_MAX;
	}
	if (h->all.until != 0 && h->all.until <= now) {
		guard_end(&h->all.guard);
		h->all.until = 0;
	}
	show(h);
	pthread_mutex_unlock(&h->lock);
}

uint64_t
holds_now(const struct holds *h)
{
	return __atomic_load_n(&h->now, __ATOMIC_RELAXED);
}

uint64_t
holds_total(const struct holds *h)
{
	return __atomic_load_n(&h->total, __ATOMIC_RELAXED);
}
