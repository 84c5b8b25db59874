/* One call to each worker: see errands.h. */
#include "net/errands.h"

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "engine/node.h"
#include "net/server.h"

/* It is taken by its worker, or given up by who waits, and then its worker frees it. */
enum { WAITS, TAKEN, GIVEN_UP, OVER };

static void
run(struct rend_call *call)
{
	struct errand *e = LIST_OBJ(call, struct errand, call);
	sem_t *over = e->over;
	int waits = WAITS;

	if (!__atomic_compare_exchange_n(&e->state, &waits, TAKEN, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		free(e);
		return;
	}
	e->fn(e->loop, e);
	__atomic_store_n(&e->state, OVER, __ATOMIC_RELEASE);
	sem_post(over);
}

static bool
is_over(const struct errand *e)
{
	return __atomic_load_n(&e->state, __ATOMIC_ACQUIRE) == OVER;
}

static bool
give_up(struct errand *e)
{
	int waits = WAITS;

	return __atomic_compare_exchange_n(&e->state, &waits, GIVEN_UP, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Waits for so many that are over; true: they are, by then (monotonic ns; 0: however long that takes). */
static bool
await(sem_t *over, int *count, uint64_t until)
{
	const struct timespec at = { .tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000) };

	while (*count > 0) {
		if ((until == 0 ? sem_wait(over) : sem_clockwait(over, CLOCK_MONOTONIC, &at)) == 0)
			--*count;
		else if (errno == ETIMEDOUT)
			return false;
	}
	return true;
}

bool
errands_until(struct server *s, errand_f *fn, const void *arg, struct rend_error *err, uint64_t until)
{
	struct errand *all[NODE_WORKERS_MAX];
	int count = s->loop_count;
	bool yes = true;
	sem_t over;

	for (int i = 0; i < s->loop_count; i++)
		if ((all[i] = calloc(1, sizeof *all[i])) == NULL) {
			while (i > 0)
				free(all[--i]);
			if (err != NULL)
				error_set(err, EX_OSERR, "no memory for a reload");
			return false;
		}
	sem_init(&over, 0, 0);
	for (int i = 0; i < s->loop_count; i++) {
		*all[i] = (struct errand){
			.call.fn = run, .loop = &s->loops[i], .fn = fn, .arg = arg, .state = WAITS, .over = &over
		};
		rend_post(&s->loops[i].worker, &all[i]->call);
	}
	if (!await(&over, &count, until)) {
		for (int i = 0; i < s->loop_count; i++)
			if (give_up(all[i])) {
				all[i] = NULL;
				count--;
			}
		/* Those that have begun do not take long: they ask no plugin. */
		await(&over, &count, 0);
	}
	sem_destroy(&over);
	for (int i = 0; i < s->loop_count; i++) {
		bool over_here = all[i] != NULL && is_over(all[i]);

		if (yes && !(over_here && all[i]->said)) {
			yes = false;
			if (all[i] != NULL && err != NULL)
				*err = all[i]->err;
		}
		free(all[i]);
	}
	return yes;
}

bool
errands(struct server *s, errand_f *fn, const void *arg, struct rend_error *err)
{
	return errands_until(s, fn, arg, err, 0);
}

void
errands_one_by_one(struct server *s, errand_f *fn, const void *arg)
{
	sem_t over;

	sem_init(&over, 0, 0);
	for (int i = 0; i < s->loop_count; i++) {
		struct errand e = {
			.call.fn = run, .loop = &s->loops[i], .fn = fn, .arg = arg, .state = WAITS, .over = &over
		};
		int count = 1;

		rend_post(&s->loops[i].worker, &e.call);
		await(&over, &count, 0);
	}
	sem_destroy(&over);
}
