/* What a store promises while it runs, and after a proper end: over a simulated disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_words.h"

#define KIB 1024
#define MIB (1024 * 1024)

/* Everything that is there is written over, several times. */
static void
lap(struct world *w, unsigned from, unsigned times)
{
	unsigned each = (unsigned)(w->options.capacity / (30 * KIB));

	for (unsigned i = 0; i < each * times; i++) {
		assert_int_equal(world_set(w, from + i % 50000, 1, 30 * KIB, 0), STORED);
		if (i % 8 == 7)
			world_settle(w, false);
	}
	world_settle(w, true);
}

/* ---- one key at a time ---- */

static void
from_image_and_disk(void **state)
{
	static const size_t sizes[] = { 0, 32, 100, 3000, 5000, 60 * KIB };
	struct world w;

	world_init(&w, 32);
	opened(&w);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(world_set(&w, i, sizes[i] == 0 ? 0 : i + 1, sizes[i], 0), STORED);
	for (int on_disk = 0; on_disk < 3; on_disk++) {
		for (unsigned i = 0; i < 6; i++)
			has(&w, i, sizes[i] == 0 ? 0 : i + 1);
		has_not(&w, 99);
		if (on_disk == 0)
			seal(&w);
		else if (on_disk == 1) {
			assert_true(world_close(&w));
			opened(&w);
			assert_int_equal(w.opened.how, STORE_CLEAN);
		}
		world_audit(&w);
	}
	world_fini(&w);
}

static void
changes(void **state)
{
	struct world w;
	struct record_head a, b;
	uint64_t n;

	world_init(&w, 32);
	opened(&w);
	for (int sealed = 0; sealed < 2; sealed++) {
		assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
		if (sealed)
			seal(&w);
		assert_true(world_get(&w, 1, &n, &a));
		assert_int_equal(world_set(&w, 1, 2, 200, 0), STORED);
		has(&w, 1, 2);
		assert_true(world_get(&w, 1, &n, &b));
		assert_true(b.cas > a.cas);
		assert_true(world_touch(&w, 1, WORLD_WALL + 100));
		assert_true(world_get(&w, 1, &n, &a));
		assert_int_equal(a.cas, b.cas);
		w.wall += 100;
		has_not(&w, 1);
		assert_int_equal(world_set(&w, 1, 3, 100, 0), STORED);
		assert_true(world_delete(&w, 1));
		assert_false(world_delete(&w, 1));
		has_not(&w, 1);
		w.wall = WORLD_WALL;
	}
	/* More than a quarter of the store: see pieces_test. */
	assert_int_equal(world_set(&w, 2, 1, MIB + 1, 0), STORE_TOO_BIG);
	world_fini(&w);
}

static void
flush_all(void **state)
{
	struct world w;

	world_init(&w, 32);
	opened(&w);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned key = 0; key < 300; key++)
			assert_int_equal(world_set(&w, key, round * 1000 + key, 2000, 0), STORED);
		if (round % 2 == 0)
			seal(&w);
		store_flush_all(w.store);
		for (unsigned key = 0; key < 300; key++)
			has_not(&w, key);
		assert_int_equal(world_set(&w, 7, round + 1, 100, 0), STORED);
		has(&w, 7, round + 1);
		world_settle(&w, true);
		has(&w, 7, round + 1);
		has_not(&w, 8);
		world_audit(&w);
	}
	world_crash(&w, SIM_KILL);
	opened(&w);
	has(&w, 7, 5);
	has_not(&w, 8);
	assert_int_equal(index_count(w.store->index), 1);
	world_fini(&w);
}

/* One read of the disk for a hit, none for a miss, whatever its size. */
static void
one_read(void **state)
{
	struct world w;
	uint64_t before;

	world_init(&w, 64);
	w.options.segment = 4 << 20;
	w.options.capacity = 128 << 20;
	w.options.bank = 64 << 20;
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 300, 0), STORED);
	assert_int_equal(world_set(&w, 2, 2, 1 << 20, 0), STORED);
	seal(&w);
	before = sim_operations(w.io);
	has(&w, 1, 1);
	assert_int_equal(sim_operations(w.io), before + 1);
	has(&w, 2, 2);
	assert_int_equal(sim_operations(w.io), before + 2);
	has_not(&w, 3);
	assert_int_equal(sim_operations(w.io), before + 2);
	world_fini(&w);
}

/* ---- named promises ---- */

/* I5: versions rise and none is given twice, also across ends of all kinds. */
static void
versions_rise(void **state)
{
	struct world w;
	uint64_t last = 0, n;

	world_init(&w, 32);
	opened(&w);
	for (unsigned i = 0; i < 40; i++) {
		struct record_head h;

		assert_int_equal(world_set(&w, i % 3, i + 1, 100, 0), STORED);
		assert_true(world_get(&w, i % 3, &n, &h));
		if (h.cas <= last)
			fail_msg("write %u has cas %llx, one before it had %llx; it is write %llu; %s", i + 1,
			    (unsigned long long)h.cas, (unsigned long long)last, (unsigned long long)n,
			    w.opened.sentence);
		last = h.cas;
		if (i % 2 == 0)
			world_settle(&w, true);
		if (i % 4 == 1)
			world_crash(&w, SIM_POWER_CUT_NONE);
		else if (i % 4 == 3)
			assert_true(world_close(&w));
		else
			continue;
		opened(&w);
	}
	world_fini(&w);
}

/* I6: after laps, every entry leads to a record, segments add up, and there is room. */
static void
space_adds_up(void **state)
{
	struct world w;
	struct store_sizes sizes;
	uint64_t n;

	world_init(&w, 32);
	opened(&w);
	for (unsigned i = 0; i < 10; i++) {
		lap(&w, i * 300, 1);
		for (unsigned key = i * 300 + 80; key < i * 300 + 130; key++)
			world_get(&w, key, &n, NULL);
		world_audit(&w);
		store_sizes(w.store, &sizes);
		assert_true(sizes.free >= free_wanted(w.store));
		assert_int_equal(sizes.free + sizes.open + sizes.sealed + sizes.bad, sizes.segments);
	}
	assert_true(world_counts(&w).freed_segments > 200);
	assert_true(world_counts(&w).moves > 0);
	world_fini(&w);
}

/* What was hit is written again when its segment is freed; what was not, goes. */
static void
hits_stay(void **state)
{
	struct world w;
	unsigned kept = 0;
	uint64_t n;

	world_init(&w, 32);
	opened(&w);
	for (unsigned key = 0; key < 40; key++)
		assert_int_equal(world_set(&w, key, 1, 1000, 0), STORED);
	seal(&w);
	for (unsigned key = 0; key < 20; key++)
		has(&w, key, 1);
	assert_true(world_touch(&w, 3, WORLD_WALL + 500));
	lap(&w, 1000, 1);
	for (unsigned key = 0; key < 40; key++) {
		bool there = world_get(&w, key, &n, NULL);

		kept += there;
		assert_int_equal(there, key < 20);
	}
	assert_int_equal(kept, 20);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has(&w, 3, 1);
	has(&w, 4, 1);
	w.wall += 501;
	has_not(&w, 3);
	has(&w, 4, 1);
	world_fini(&w);
}

/* What is made of an older value is not stored over a flush_all that took that one. */
static void
flush_before_a_put(void **state)
{
	struct world w;
	struct rend_value value = { 0 };
	struct store_item item = { .key = "k", .keylen = 1, .value = &value };
	uint64_t cas;

	world_init(&w, 32);
	opened(&w);
	item.khash = store_khash(w.store, "k", 1);
	item.flushes = store_flushes(w.store);
	assert_int_equal(store_put(w.store, &item, w.wall, &cas), STORED);
	store_flush_all(w.store);
	assert_int_equal(store_put(w.store, &item, w.wall, &cas), STORE_FLUSHED);
	item.flushes = store_flushes(w.store);
	assert_int_equal(store_put(w.store, &item, w.wall, &cas), STORED);
	world_fini(&w);
}

/* I10: a start reads heads, trailers and rows of what is sealed, and nothing of the values. */
static void
start_reads_little(void **state)
{
	struct world w;
	struct store_sizes sizes;
	uint64_t before;

	world_init(&w, 64);
	w.options.segment = 1 << 20;
	w.options.capacity = 64 << 20;
	w.options.bank = 16 << 20;
	w.options.objects = 60000;
	opened(&w);
	for (unsigned i = 0; i < 20000; i++) {
		assert_int_equal(world_set(&w, i, 1, 2000, 0), STORED);
		if (i % 200 == 0)
			store_step(w.store, false, w.wall);
	}
	seal(&w);
	store_sizes(w.store, &sizes);
	world_crash(&w, SIM_KILL);
	before = sim_operations(w.io);
	opened(&w);
	assert_int_equal(w.opened.how, STORE_REBUILT);
	assert_int_equal(w.opened.objects, sizes.objects);
	assert_true(sim_operations(w.io) - before <= 3 * 64 + 20);
	world_fini(&w);
}

/* Segments in which all has expired are freed although others are older, and without a look at their values. */
static void
expired_segments(void **state)
{
	struct world w;
	struct store_counts before, after;
	struct store_sizes sizes;

	world_init(&w, 64);
	opened(&w);
	assert_int_equal(world_set(&w, 9999, 1, 1000, 0), STORED);
	for (unsigned key = 0; key < 300; key++) {
		assert_int_equal(world_set(&w, key, 1, 10 * KIB, WORLD_WALL + 60), STORED);
		world_settle(&w, false);
	}
	seal(&w);
	before = world_counts(&w);
	w.wall += 61;
	world_settle(&w, true);
	after = world_counts(&w);
	assert_true(after.expired_segments > 20);
	assert_int_equal(after.freed_segments, before.freed_segments);
	assert_int_equal(after.evictions, 0);
	has(&w, 9999, 1);
	world_audit(&w);
	/* What is freed is free when it is wanted. */
	lap(&w, 20000, 1);
	store_sizes(w.store, &sizes);
	assert_true(sizes.free >= free_wanted(w.store));
	world_fini(&w);
}

/* A store that the disk keeps waiting refuses, and keeps no older value either. */
static void
refused_leaves_nothing(void **state)
{
	struct world w;
	unsigned refused = 0;

	world_init(&w, 32);
	opened(&w);
	for (unsigned key = 0; key < 100; key++)
		assert_int_equal(world_set(&w, key, 1, 1000, 0), STORED);
	world_settle(&w, true);
	for (unsigned key = 0; key < 1100; key++)
		if (world_set(&w, key % 100, 2, 20 * KIB, 0) == STORE_NOT_ADMITTED) {
			has_not(&w, key % 100);
			refused++;
		}
	assert_true(refused > 0);
	world_settle(&w, true);
	world_audit(&w);
	world_crash(&w, SIM_KILL);
	opened(&w);
	for (unsigned key = 0; key < 100; key++) {
		uint64_t n;

		if (world_get(&w, key, &n, NULL))
			assert_int_equal(n, 2);
	}
	world_fini(&w);
}

/* What a refused store removed is gone after the next flush, too: one step, although nothing has room when it begins. */
static void
refused_is_flushed(void **state)
{
	struct world w;
	bool refused[100] = { false };
	unsigned count = 0;

	world_init(&w, 32);
	opened(&w);
	for (unsigned key = 0; key < 100; key++)
		assert_int_equal(world_set(&w, key, 1, 1000, 0), STORED);
	world_settle(&w, true);
	for (unsigned n = 0; count < 100; n++) {
		refused[n % 100] = world_set(&w, n % 100, 2, 20 * KIB, 0) == STORE_NOT_ADMITTED;
		count = refused[n % 100] ? count + 1 : 0;
	}
	/* Tombs have had all the room that was left for them. */
	for (unsigned n = 0; w.store->tomb_count == 0; n++)
		log_tomb(w.store, n, 0, 0);
	for (unsigned key = 0; key < 100; key++)
		assert_int_equal(world_set(&w, key, 3, 20 * KIB, 0), STORE_NOT_ADMITTED);
	store_step(w.store, true, w.wall);
	assert_int_equal(w.store->tomb_count, 0);
	world_crash(&w, SIM_POWER_CUT);
	opened(&w);
	for (unsigned key = 0; key < 100; key++)
		has_not(&w, key);
	world_fini(&w);
}

/*
 * A crowded index, whose tombs are more than its entries: when it is rebuilt, most of what was there is there.  What it had no place for is gone for
 * good: its key may be deleted, and there is nothing to delete.  Later, when the records around it have gone, it is not found either.
 */
static void
lost_stays_lost(void **state)
{
	struct world w;
	bool lost[400] = { false };
	unsigned live = 0, count = 0;
	uint64_t n;

	world_init(&w, 64);
	w.options.objects = 150;
	w.options.moves = 0;
	opened(&w);
	for (unsigned i = 0; i < 2000; i++) {
		assert_int_equal(world_set(&w, i * 7 % 400, 1, 3000, 0), STORED);
		world_settle(&w, false);
	}
	world_settle(&w, true);
	for (unsigned key = 0; key < 400; key++)
		live += lost[key] = world_get(&w, key, &n, NULL);
	world_crash(&w, SIM_KILL);
	opened(&w);
	for (unsigned key = 0; key < 400; key++)
		count += lost[key] = lost[key] && !world_get(&w, key, &n, NULL);
	assert_in_range(count, 1, live / 4);
	for (unsigned i = 0; i < 64; i++) {
		for (unsigned key = 1000; key < 1030; key++)
			assert_int_equal(world_set(&w, key, 1, 3000, 0), STORED);
		world_settle(&w, true);
		world_crash(&w, SIM_KILL);
		opened(&w);
		for (unsigned key = 0; key < 400; key++)
			if (lost[key])
				has_not(&w, key);
	}
	world_fini(&w);
}

/* I8: RAM follows from the options. */
static void
ram_is_bounded(void **state)
{
	struct world w;
	struct store_sizes sizes;

	world_init(&w, 64);
	opened(&w);
	store_sizes(w.store, &sizes);
	assert_true(sizes.ram <= w.options.objects * 16 + 64 * 1024 + 64 * sizeof(struct segment) + 9 * (128 << 10));
	lap(&w, 0, 2);
	{
		struct store_sizes later;

		store_sizes(w.store, &later);
		assert_int_equal(later.ram, sizes.ram);
	}
	world_fini(&w);
}

/* I12: without moves, what is written is what came, and a little. */
static void
writes_little(void **state)
{
	struct world w;
	struct store_counts c;

	world_init(&w, 64);
	w.options.moves = 0;
	w.options.segment = 1 << 20;
	w.options.capacity = 64 << 20;
	w.options.bank = 16 << 20;
	opened(&w);
	for (unsigned i = 0; i < 3000; i++) {
		assert_int_equal(world_set(&w, i, 1, 4000, 0), STORED);
		if (i % 100 == 0)
			world_settle(&w, false);
	}
	seal(&w);
	c = world_counts(&w);
	assert_true((double)c.bytes_written <= 1.05 * (double)c.user_bytes);
	world_fini(&w);
}

/* Other options than it was made with: it says so, or begins empty. */
static void
other_sizes(void **state)
{
	struct world w;

	world_init(&w, 32);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	assert_true(world_close(&w));
	w.options.capacity *= 2;
	assert_false(world_open(&w));
	assert_non_null(strstr(w.opened.sentence, "other sizes"));
	w.options.capacity /= 2;
	opened(&w);
	has(&w, 1, 1);
	assert_true(world_close(&w));
	w.options.capacity *= 2;
	w.options.empty = true;
	opened(&w);
	assert_int_equal(w.opened.how, STORE_NEW);
	has_not(&w, 1);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has_not(&w, 1);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_image_and_disk),
		cmocka_unit_test(changes),
		cmocka_unit_test(flush_all),
		cmocka_unit_test(one_read),
		cmocka_unit_test(versions_rise),
		cmocka_unit_test(space_adds_up),
		cmocka_unit_test(hits_stay),
		cmocka_unit_test(flush_before_a_put),
		cmocka_unit_test(start_reads_little),
		cmocka_unit_test(expired_segments),
		cmocka_unit_test(refused_leaves_nothing),
		cmocka_unit_test(refused_is_flushed),
		cmocka_unit_test(lost_stays_lost),
		cmocka_unit_test(ram_is_bounded),
		cmocka_unit_test(writes_little),
		cmocka_unit_test(other_sizes),
	};

	for (int failed, i = 0; i < 2; i++) {
		world_grain = i == 0 ? IO_GRAIN_LEAST : IO_ALIGN;
		failed = cmocka_run_group_tests(tests, NULL, NULL);
		if (failed != 0)
			return failed;
	}
	return 0;
}
