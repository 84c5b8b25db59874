/* The thread that writes: see keeper.h. */
#include "keeper.h"

#include <time.h>

#include "rend/worker.h"

#define NS_PER_S 1000000000ULL
#define LET_GO	 200000000ULL /* ns, for each disk that has not answered */
#define SOON	 5000000ULL   /* ns until a flush that others wait for, and that left something over, is tried again */

void
keeper_init(struct keeper *k, uint64_t interval)
{
	pthread_condattr_t attr;

	*k = (struct keeper){ .interval = interval };
	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void
keeper_fini(struct keeper *k)
{
	pthread_cond_destroy(&k->changed);
	pthread_mutex_destroy(&k->lock);
}

void
keeper_wake(void *arg)
{
	struct keeper *k = arg;

	pthread_mutex_lock(&k->lock);
	if (!k->wanted) {
		k->wanted = true;
		pthread_cond_broadcast(&k->changed);
	}
	pthread_mutex_unlock(&k->lock);
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

static void *
run(void *arg)
{
	struct keeper *k = arg;
	uint64_t flush_at = rend_now() + k->interval;
	bool more = false, left;

	/* A step does a share of what there is to do. */
	while (wait_until(k, more ? 0 : flush_at)) {
		bool flush = store_commit_due(k->store) || rend_now() >= flush_at;

		more = store_step(k->store, flush, rend_wall());
		if (flush)
			flush_at = rend_now() +
				   (store_commit_missed(k->store) && SOON < k->interval ? SOON : k->interval);
	}
	left = k->leaves && store_leave(k->store, k->leave_until);
	store_stop(k->store, LET_GO);
	pthread_mutex_lock(&k->lock);
	k->left = left;
	k->ended = true;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

int
keeper_start(struct keeper *k, struct store *store)
{
	k->store = store;
	k->runs = pthread_create(&k->thread, NULL, run, k) == 0;
	if (!k->runs)
		return -1;
	pthread_setname_np(k->thread, "ssd-keeper");
	return 0;
}

/* The lock is held, and given back. */
static bool
end(struct keeper *k, uint64_t deadline)
{
	struct timespec at = { .tv_sec = (time_t)(deadline / NS_PER_S), .tv_nsec = (long)(deadline % NS_PER_S) };
	bool ended;

	k->ends = true;
	pthread_cond_broadcast(&k->changed);
	while (!k->ended && pthread_cond_timedwait(&k->changed, &k->lock, &at) == 0)
		continue;
	ended = k->ended;
	pthread_mutex_unlock(&k->lock);
	if (ended) {
		pthread_join(k->thread, NULL);
		k->runs = false;
	}
	return ended;
}

bool
keeper_stop(struct keeper *k, uint64_t deadline)
{
	if (!k->runs)
		return true;
	pthread_mutex_lock(&k->lock);
	return end(k, deadline);
}

bool
keeper_leave(struct keeper *k, uint64_t deadline)
{
	if (!k->runs)
		return store_leave(k->store, deadline);
	pthread_mutex_lock(&k->lock);
	k->leaves = true;
	k->leave_until = deadline;
	return end(k, deadline) && k->left;
}
