/* What is not stored because the options say so: which values these are, that nothing older is there then, and that a budget is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_words.h"

#define KIB    1024
#define S      1000000000ULL
#define BUDGET ((uint64_t)100 * KIB) /* bytes per second */

static void
begin(struct world *w, uint64_t budget, int64_t min_ttl, uint64_t max_value)
{
	world_init(w, 64);
	w->options.write_budget = budget;
	w->options.min_ttl = min_ttl;
	w->options.max_value = max_value;
	opened(w);
}

/* What is asked of a value of so many bytes.  The key is that of world_set(). */
struct asked {
	size_t len;
	uint32_t exptime;
	bool keeps_time, needed;
};

static bool
admits(struct world *w, unsigned key, struct asked a)
{
	struct rend_value value = { .len = a.len };
	char name[32];
	size_t keylen = (size_t)snprintf(name, sizeof name, "key-%u", key);
	struct store_item item = {
		.khash = store_khash(w->store, name, keylen),
		.key = name,
		.keylen = (uint8_t)keylen,
		.exptime = a.exptime,
		.keeps_time = a.keeps_time,
		.needed = a.needed,
		.value = &value,
	};

	return store_admit(w->store, &item, w->wall);
}

static void
too_long(void **state)
{
	struct world w;

	begin(&w, 0, 0, 1000);
	assert_int_equal(world_set(&w, 1, 1, 500, 0), STORED);
	assert_true(admits(&w, 1, (struct asked){ .len = 1000 }));
	has(&w, 1, 1);
	assert_false(admits(&w, 1, (struct asked){ .len = 1001 }));
	has_not(&w, 1);
	assert_true(admits(&w, 2, (struct asked){ .len = 1001, .needed = true }));
	assert_false(admits(&w, 2, (struct asked){ .len = 1ULL << 40 }));
	assert_int_equal(world_counts(&w).refused_size, 2);
	assert_int_equal(world_counts(&w).not_admitted, 2);
	world_fini(&w);
}

static void
gone_too_soon(void **state)
{
	struct world w;
	uint32_t now = WORLD_WALL;

	begin(&w, 0, 60, 0);
	assert_int_equal(world_set(&w, 1, 1, 500, 0), STORED);
	assert_true(admits(&w, 1, (struct asked){ .len = 100 }));
	assert_true(admits(&w, 1, (struct asked){ .len = 100, .exptime = now + 60 }));
	/* What has expired is a delete of what was there, whoever asks. */
	assert_true(admits(&w, 1, (struct asked){ .len = 100, .exptime = now }));
	assert_true(admits(&w, 1, (struct asked){ .len = 100, .exptime = 1 }));
	/* It was let in for long enough. */
	assert_true(admits(&w, 1, (struct asked){ .len = 100, .exptime = now + 59, .keeps_time = true }));
	assert_true(admits(&w, 1, (struct asked){ .len = 100, .exptime = now + 59, .needed = true }));
	has(&w, 1, 1);
	assert_false(admits(&w, 1, (struct asked){ .len = 100, .exptime = now + 59 }));
	has_not(&w, 1);
	assert_false(admits(&w, 1, (struct asked){ .len = 100, .exptime = now + 1 }));
	assert_int_equal(world_counts(&w).refused_ttl, 2);
	assert_int_equal(world_counts(&w).not_admitted, 2);
	world_fini(&w);
}

/* What was refused has left nothing older, after a crash neither. */
static void
nothing_older_comes_back(void **state)
{
	struct world w;

	begin(&w, 0, 60, 1000);
	for (unsigned key = 0; key < 30; key++)
		assert_int_equal(world_set(&w, key, 1, 500, 0), STORED);
	seal(&w);
	for (unsigned key = 0; key < 10; key++)
		assert_false(admits(&w, key, (struct asked){ .len = 5000 }));
	for (unsigned key = 10; key < 20; key++)
		assert_false(admits(&w, key, (struct asked){ .len = 50, .exptime = WORLD_WALL + 5 }));
	world_settle(&w, true);
	for (unsigned again = 0; again < 2; again++) {
		for (unsigned key = 0; key < 30; key++)
			key < 20 ? has_not(&w, key) : has(&w, key, 1);
		world_crash(&w, SIM_POWER_CUT);
		opened(&w);
	}
	world_audit(&w);
	world_fini(&w);
}

/* Bytes that go through in so many steps of so many ns, with more asked for in each than there is budget for. */
static uint64_t
goes_through(struct world *w, unsigned steps, uint64_t ns, size_t len)
{
	uint64_t bytes = 0;

	for (unsigned n = 0; n < steps; n++) {
		sim_advance(w->io, ns);
		for (unsigned key = 0; key < 30; key++)
			if (admits(w, key, (struct asked){ .len = len }))
				bytes += (RECORD_HEAD + 6 + len + 63) / 64 * 64;
	}
	return bytes;
}

static void
a_budget_is_kept(void **state)
{
	static const struct {
		uint64_t ns;
		size_t len;
	} rows[] = { { S / 1000, 100 }, { S / 100, 4000 }, { S / 10, 20 * KIB }, { 7, 64 }, { S, 50 * KIB } };

	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned steps = rows[i].ns < S / 10000 ? 3000 : 300;
		uint64_t one = rows[i].len + 2 * RECORD_HEAD, bytes, may;
		struct world w;

		begin(&w, BUDGET, 0, 0);
		bytes = goes_through(&w, steps, rows[i].ns, rows[i].len);
		may = BUDGET + (uint64_t)((unsigned __int128)BUDGET * rows[i].ns * steps / S);
		/* A second's worth at first, then what it says; and nearly all of that. */
		assert_in_range(bytes, may > BUDGET + one ? may - BUDGET - one : BUDGET / 2, may + one);
		assert_true(world_counts(&w).refused_budget > 0);
		assert_int_equal(world_counts(&w).refused_budget, world_counts(&w).not_admitted);
		world_fini(&w);
	}
}

/* What is put aside while nothing is stored is no more than a second's. */
static void
what_is_put_aside_has_a_bound(void **state)
{
	struct world w;
	uint64_t bytes = 0;

	begin(&w, BUDGET, 0, 0);
	sim_advance(w.io, 3600 * S);
	for (unsigned n = 0; n < 10000; n++)
		if (admits(&w, n, (struct asked){ .len = 1000 }))
			bytes += 1088;
	assert_in_range(bytes, BUDGET - 1088, BUDGET + 1088);
	world_fini(&w);
}

/* One that is much longer than that is stored, and owed for. */
static void
a_long_value_is_owed_for(void **state)
{
	struct world w;
	unsigned n = 0;

	begin(&w, BUDGET, 0, 0);
	assert_true(admits(&w, 1, (struct asked){ .len = 10 * BUDGET }));
	while (!admits(&w, 1, (struct asked){ .len = 10 })) {
		sim_advance(w.io, S / 10);
		assert_true(++n < 1000);
	}
	assert_in_range(n, 89, 91);
	world_fini(&w);
}

/* What nobody is asked about counts, too: counters, and what is moved.  It is owed for up to a second. */
static void
what_has_to_be_written_counts(void **state)
{
	struct world w;
	unsigned n = 0;

	begin(&w, BUDGET, 0, 0);
	for (unsigned i = 0; i < 100000; i++)
		assert_true(admits(&w, 1, (struct asked){ .len = 20, .needed = true }));
	assert_false(admits(&w, 1, (struct asked){ .len = 10 }));
	while (!admits(&w, 1, (struct asked){ .len = 10 })) {
		sim_advance(w.io, S / 10);
		assert_true(++n < 100);
	}
	assert_in_range(n, 10, 11);
	world_fini(&w);
}

static void
what_is_moved_counts(void **state)
{
	struct world w;
	struct store_counts counts;
	int64_t before;
	uint64_t n;

	world_init(&w, 18);
	w.options.write_budget = 100 << 20;
	opened(&w);
	for (unsigned key = 0; key < 60; key++)
		assert_int_equal(world_set(&w, key, 1, 1000, 0), STORED);
	before = w.store->admission.left;
	for (unsigned round = 0; world_counts(&w).moves < 30; round++) {
		assert_true(round < 200);
		for (unsigned key = 0; key < 60; key++)
			world_get(&w, key, &n, NULL);
		for (unsigned key = 0; key < 100; key++)
			world_set(&w, 1000 + key, 1, 1000, 0);
		world_settle(&w, true);
	}
	counts = world_counts(&w);
	/* world_set() asks nobody; the clock stands still. */
	assert_int_equal(before - w.store->admission.left, (int64_t)counts.moves * 1088);
	world_fini(&w);
}

/* Without options nothing is asked. */
static void
all_goes_through_by_default(void **state)
{
	struct world w;

	begin(&w, 0, 0, 0);
	for (unsigned i = 0; i < 100000; i++)
		assert_true(admits(&w, i, (struct asked){ .len = 1 << 20, .exptime = WORLD_WALL + 1 }));
	assert_int_equal(world_counts(&w).not_admitted, 0);
	world_fini(&w);
}

/* Clocks of workers differ by a turn: one that is behind is given nothing for that. */
static void
a_clock_that_is_behind_gains_nothing(void **state)
{
	struct asked a = { .len = 10 * KIB };
	struct world w;
	unsigned admitted = 0;

	begin(&w, BUDGET, 0, 0);
	for (unsigned i = 0; i < 1000; i++) {
		w.store->admission.since = io_now(w.io) + 1000 * (1 + i % 2);
		admitted += admits(&w, i, a);
	}
	assert_in_range(admitted, 5, 11);
	world_fini(&w);
}

/* What was not stored after all costs nothing. */
static void
what_is_given_back_is_there_again(void **state)
{
	struct rend_value value = { .len = 10 * KIB };
	struct store_item item = { .khash = 1, .key = "k", .keylen = 1, .value = &value };
	struct world w;

	begin(&w, BUDGET, 0, 0);
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(store_admit(w.store, &item, w.wall));
		store_admit_back(w.store, &item);
	}
	assert_int_equal(w.store->admission.left, BUDGET);
	store_admit_back(w.store, &item);
	assert_int_equal(w.store->admission.left, BUDGET);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_long),
		cmocka_unit_test(gone_too_soon),
		cmocka_unit_test(nothing_older_comes_back),
		cmocka_unit_test(a_budget_is_kept),
		cmocka_unit_test(what_is_put_aside_has_a_bound),
		cmocka_unit_test(a_long_value_is_owed_for),
		cmocka_unit_test(what_has_to_be_written_counts),
		cmocka_unit_test(what_is_moved_counts),
		cmocka_unit_test(all_goes_through_by_default),
		cmocka_unit_test(a_clock_that_is_behind_gains_nothing),
		cmocka_unit_test(what_is_given_back_is_there_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
