/* Several workers while the index of inmem grows and shrinks all the time: what is there is found, and what is gone is not. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit_test.h"
#include "shelves_test.h"

#define KEPT	1500
#define MORE	2000
#define ROUNDS	500
#define READERS 2
#define WORKERS (READERS + 2)

static struct shelf *workers[WORKERS];
static bool over;
static unsigned gets, lost, torn;

static void *
read_all(void *arg)
{
	struct shelf *sh = arg;
	unsigned n = 0;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED) || n < KEPT) {
		int key = (int)(n++ % KEPT);
		struct record *r;

		shelf_enter(sh);
		r = find(key);
		if (r == NULL)
			__atomic_add_fetch(&lost, 1, __ATOMIC_RELAXED);
		else if (!is_whole(r, key, 10) && !is_whole(r, key, 20))
			__atomic_add_fetch(&torn, 1, __ATOMIC_RELAXED);
		if (n % 64 == 0)
			leave(sh);
	}
	leave(sh);
	__atomic_add_fetch(&gets, n, __ATOMIC_RELAXED);
	return NULL;
}

/* Stores the same again, and others that go again: these must be gone then. */
static void *
write_some(void *arg)
{
	struct shelf *sh = arg;

	for (unsigned n = 0; !__atomic_load_n(&over, __ATOMIC_RELAXED); n++) {
		int key = KEPT + (int)(n % MORE);

		put(sh, (int)(n % KEPT), n % 3 == 0 ? 20 : 10);
		put(sh, key, 10);
		if (find(key) == NULL)
			__atomic_add_fetch(&lost, 1, __ATOMIC_RELAXED);
		drop(sh, key);
		if (find(key) != NULL)
			__atomic_add_fetch(&torn, 1, __ATOMIC_RELAXED);
		if (n % 16 == 0)
			leave(sh);
	}
	leave(sh);
	return NULL;
}

/* To and fro, faster than anybody stores; each third time it turns round half way. */
static unsigned
shake(struct shelf *sh)
{
	struct index *ix = &store->index;
	unsigned shrunk = 0;

	for (unsigned round = 0; shrunk < ROUNDS; round++) {
		shelf_enter(sh);
		if (index_pages_in_use(ix) < 4 && budget_take(store->arena.budget, ARENA_PAGE) &&
		    !growth_begin(ix, true))
			budget_give(store->arena.budget, ARENA_PAGE);
		while (growth_runs(ix))
			growth_step(ix, 16, NULL, NULL);
		shrunk += growth_shrink(ix);
		growth_step(ix, 16 * (round % 16), NULL, NULL);
		if (round % 3 == 0)
			__atomic_store_n(&ix->crowded, true, __ATOMIC_RELAXED);
		while (growth_runs(ix))
			growth_step(ix, 16, NULL, NULL);
		leave(sh);
		growth_forget(ix, &store->grace);
	}
	return shrunk;
}

static unsigned
came_back(void)
{
	return (unsigned)(store->index.grown / INDEX_BACK);
}

static void
i9_i13_grow_and_shrink_under_load(void **state)
{
	pthread_t threads[WORKERS];

	store = store_new(8 * MIB, true, false, WORKERS);
	assert_non_null(store);
	for (unsigned w = 0; w < WORKERS; w++)
		assert_non_null(workers[w] = shelf_new(store, w));
	for (int i = 0; i < KEPT; i++)
		assert_true(put(workers[0], i, 10));
	leave(workers[0]);
	for (unsigned w = 1; w < WORKERS; w++)
		assert_int_equal(
		    pthread_create(&threads[w], NULL, w <= READERS ? read_all : write_some, workers[w]), 0);
	shake(workers[0]);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (unsigned w = 1; w < WORKERS; w++)
		pthread_join(threads[w], NULL);
	print_message("%u gets while %u buckets came back: %u lost, %u torn\n", gets, came_back(), lost, torn);
	assert_true(came_back() > ROUNDS * INDEX_BUCKETS / 4);
	assert_int_equal(lost, 0);
	assert_int_equal(torn, 0);
	assert_int_equal(store->index.displaced, 0);
	/* So few that in each bucket there was something. */
	assert_true(index_pages_in_use(&store->index) <= 4);
	assert_int_equal(audit(store), KEPT);
	for (unsigned w = 0; w < WORKERS; w++)
		shelf_free(&workers[w]);
	store_free(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i9_i13_grow_and_shrink_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
