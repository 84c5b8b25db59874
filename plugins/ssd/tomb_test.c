/* Tombs are of what is gone, and of nothing newer: of what is stored at the same moment, which has a version already, and is not found yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_words.h"

#define KIB   1024
#define SMALL 9 /* objects: all have the same few buckets */

/* Called once, after a value has its version and before it is known: when it opens a segment. */
static void
in_between(struct world *w, void (*what)(void *arg))
{
	w->store->options.wake = what;
	w->store->options.wake_arg = w;
}

static void
a_crowd(void *arg)
{
	struct world *w = arg;

	w->store->options.wake = NULL;
	for (unsigned key = 100; key < 140; key++)
		assert_int_equal(world_set(w, key, 1, 100, 0), STORED);
}

static unsigned
known(struct world *w, unsigned from, unsigned to)
{
	unsigned count = 0;
	uint64_t n;

	for (unsigned key = from; key < to; key++)
		count += world_get(w, key, &n, NULL);
	return count;
}

/* A crowd in the index while a key is written anew: its older value is not evicted with a tomb that the newer one would be under after a crash. */
static void
evicted_while_written(void **state)
{
	struct world w;

	world_init(&w, 32);
	w.options.objects = SMALL;
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	seal(&w);
	for (unsigned key = 10; key < 10 + SMALL; key++)
		assert_int_equal(world_set(&w, key, 1, 100, 0), STORED);
	seal(&w);
	in_between(&w, a_crowd);
	assert_int_equal(world_set(&w, 1, 2, 100, 0), STORED);
	assert_null(w.store->options.wake);
	assert_in_range(world_counts(&w).index_evictions, 30, 60);
	has(&w, 1, 2);
	world_settle(&w, true);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has(&w, 1, 2);
	world_audit(&w);
	world_fini(&w);
}

/* Who was evicted is not there after a crash, although there is room for him then. */
static void
evicted_for_good(void **state)
{
	struct world w;
	bool there[60] = { false };
	uint64_t n;

	world_init(&w, 32);
	w.options.objects = SMALL;
	opened(&w);
	for (unsigned key = 0; key < 60; key++)
		assert_int_equal(world_set(&w, key, 1, 100, 0), STORED);
	for (unsigned key = 0; key < 60; key++)
		there[key] = world_get(&w, key, &n, NULL);
	world_settle(&w, true);
	for (unsigned key = 0; key < 60; key++)
		if (there[key])
			assert_true(world_delete(&w, key));
	world_settle(&w, true);
	for (unsigned crash = 0; crash < 3; crash++) {
		world_crash(&w, SIM_KILL);
		opened(&w);
		assert_int_equal(known(&w, 0, 60), 0);
		assert_int_equal(w.opened.objects, 0);
	}
	world_fini(&w);
}

/* All that could go are being changed: then what is new goes itself, at once, and is not there after a crash either. */
static void
nobody_may_go(void **state)
{
	struct world w;
	unsigned count = 0;
	uint64_t n;

	world_init(&w, 32);
	w.options.objects = SMALL;
	opened(&w);
	for (unsigned key = 0; key < 30; key++)
		assert_int_equal(world_set(&w, key, 1, 100, 0), STORED);
	count = known(&w, 0, 30);
	for (unsigned stripe = 0; stripe < 4096; stripe++) {
		char name[32];

		snprintf(name, sizeof name, "key-%d", 50);
		if ((store_khash(w.store, name, 6) & 4095) != stripe)
			assert_true(keys_try(store_keys(w.store), stripe));
	}
	assert_int_equal(world_set(&w, 50, 1, 100, 0), STORED);
	assert_false(world_get(&w, 50, &n, NULL));
	assert_int_equal(known(&w, 0, 30), count);
	world_settle(&w, true);
	world_audit(&w);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has_not(&w, 50);
	world_fini(&w);
}

static void
a_read(void *arg)
{
	struct world *w = arg;
	uint64_t n;

	w->store->options.wake = NULL;
	assert_int_equal(sim_fault_next(w->io, IO_READ, 1, SIM_EIO, 0), IO_OK);
	assert_false(world_get(w, 1, &n, NULL));
	assert_int_equal(world_counts(w).read_errors, 1);
}

/* The older value cannot be read while the key is written anew: it is a miss, and the newer one is there after a crash. */
static void
unreadable_while_written(void **state)
{
	struct world w;

	world_init(&w, 32);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	seal(&w);
	in_between(&w, a_read);
	assert_int_equal(world_set(&w, 1, 2, 100, 0), STORED);
	assert_null(w.store->options.wake);
	world_settle(&w, true);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has(&w, 1, 2);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evicted_while_written),
		cmocka_unit_test(evicted_for_good),
		cmocka_unit_test(nobody_may_go),
		cmocka_unit_test(unreadable_while_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
