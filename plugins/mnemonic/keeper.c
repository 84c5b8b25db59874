/* The thread that looks after a store: see keeper.h. */
#include "keeper.h"

#include <time.h>

#include "job.h"

#define NS_PER_S 1000000000ULL
#define PERIOD	 500000000ULL /* ns */

static void
set(uint64_t *number, uint64_t to)
{
	__atomic_store_n(number, to, __ATOMIC_RELAXED);
}

/* Of the bins that are open. */
static uint64_t
sum(struct mnemonic *m, const char *property)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < m->plan.bins; i++) {
		struct bin *b = &m->bins[i];

		if (bin_enter(b)) {
			all += rocks_number(b->db, property);
			bin_leave(b);
		}
	}
	return all;
}

static void
look(struct keeper *k)
{
#define KEEPER_LOOK(name, property, doc) set(&k->numbers.name, sum(k->store, property));
	KEEPER_NUMBERS(KEEPER_LOOK)
#undef KEEPER_LOOK
}

bool
keeper_is_full(const struct keeper *k)
{
	const struct mnemonic *m = k->store;

	return m->plan.rocks.compaction != ROCKS_FIFO &&
	       __atomic_load_n(&k->numbers.bytes, __ATOMIC_RELAXED) > m->plan.size;
}

/* Until it is woken, or so late.  true: it is not to end. */
static bool
wait_until(struct keeper *k, uint64_t until)
{
	struct timespec at = { .tv_sec = (time_t)(until / NS_PER_S), .tv_nsec = (long)(until % NS_PER_S) };
	bool goes_on;

	pthread_mutex_lock(&k->lock);
	while (!k->wanted && !k->ends && pthread_cond_timedwait(&k->changed, &k->lock, &at) == 0)
		continue;
	k->wanted = false;
	goes_on = !k->ends;
	pthread_mutex_unlock(&k->lock);
	return goes_on;
}

static bool
ends(struct keeper *k)
{
	bool ends;

	pthread_mutex_lock(&k->lock);
	ends = k->ends;
	pthread_mutex_unlock(&k->lock);
	return ends;
}

static void *
run(void *arg)
{
	struct keeper *k = arg;

	do {
		for (unsigned i = 0; i < k->store->plan.bins && !ends(k); i++)
			if (bin_mend(&k->store->bins[i]))
				COUNT(k->store, bins_reopened, 1);
		look(k);
		sweeper_look(&k->store->sweeper);
	} while (wait_until(k, rend_now() + PERIOD));
	pthread_mutex_lock(&k->lock);
	k->ended = true;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

int
keeper_start(struct keeper *k, struct mnemonic *store)
{
	pthread_condattr_t attr;

	*k = (struct keeper){ .store = store };
	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->changed, &attr);
	pthread_condattr_destroy(&attr);
	look(k);
	k->runs = pthread_create(&k->thread, NULL, run, k) == 0;
	if (!k->runs)
		return -1;
	pthread_setname_np(k->thread, "mnemonic-keep");
	return 0;
}

void
keeper_wake(struct keeper *k)
{
	pthread_mutex_lock(&k->lock);
	k->wanted = true;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
}

bool
keeper_stop(struct keeper *k, uint64_t deadline)
{
	struct timespec at = { .tv_sec = (time_t)(deadline / NS_PER_S), .tv_nsec = (long)(deadline % NS_PER_S) };
	bool ended;

	if (!k->runs)
		return true;
	pthread_mutex_lock(&k->lock);
	k->ends = true;
	pthread_cond_broadcast(&k->changed);
	while (!k->ended && pthread_cond_timedwait(&k->changed, &k->lock, &at) == 0)
		continue;
	ended = k->ended;
	pthread_mutex_unlock(&k->lock);
	if (!ended)
		return false;
	pthread_join(k->thread, NULL);
	k->runs = false;
	pthread_cond_destroy(&k->changed);
	pthread_mutex_destroy(&k->lock);
	return true;
}
