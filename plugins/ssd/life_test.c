/* I4: nothing comes back that was deleted, overwritten, flushed or has expired. */
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

static uint64_t
random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

/* I4: what was deleted, has expired or was flushed does not come back, whatever is freed in which order. */
static void
no_resurrection(void **state)
{
	struct world w;

	world_init(&w, 32);
	w.options.moves = 0;
	opened(&w);
	/* A value for ever, and a short one over it, whose segment is freed first. */
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	assert_int_equal(world_set(&w, 2, 1, 100, 0), STORED);
	assert_int_equal(world_set(&w, 4, 1, 100, 0), STORED);
	seal(&w);
	assert_int_equal(world_set(&w, 1, 2, 100, WORLD_WALL + 10), STORED);
	assert_true(world_delete(&w, 2));
	assert_int_equal(world_set(&w, 3, 1, 100, WORLD_WALL + 10), STORED);
	/* Noted in the same segment. */
	assert_true(world_touch(&w, 4, WORLD_WALL + 5000));
	seal(&w);
	w.wall += 11;
	has_not(&w, 1);
	world_settle(&w, true);
	assert_int_equal(world_counts(&w).expired_segments, 1);
	world_audit(&w);
	/* All that is free is used, so that nothing of the short ones is left on the disk; the old one is the oldest still. */
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(world_set(&w, 100 + i, 1, 100, (uint32_t)w.wall + 1), STORED);
		seal(&w);
		w.wall += 2;
		world_settle(&w, true);
	}
	assert_int_equal(world_counts(&w).freed_segments, 0);
	world_crash(&w, SIM_KILL);
	opened(&w);
	assert_int_equal(w.opened.how, STORE_REBUILT);
	for (unsigned key = 1; key < 4; key++)
		has_not(&w, key);
	has(&w, 4, 1);
	w.wall += 5000;
	has_not(&w, 4);
	world_fini(&w);
}

/* I4, by many: random sets with times of all streams, some of which are rarely used, deletes, touches; crashes and laps in between. */
enum { KEYS = 60 };

struct life {
	uint64_t n;
	uint32_t exptime;
	bool gone;
};

static uint32_t
random_exptime(const struct world *w, uint64_t *rnd)
{
	switch (random_next(rnd) % 24) {
	case 0:
		return (uint32_t)(w->wall + 50000);
	case 1:
	case 2:
	case 3:
	case 4:
	case 5:
	case 6:
		return (uint32_t)(w->wall + 1 + (int64_t)(random_next(rnd) % 200));
	default:
		return 0;
	}
}

/* Some are in pieces. */
static size_t
random_length(uint64_t *rnd)
{
	if (random_next(rnd) % 24 == 0)
		return 115 * KIB + random_next(rnd) % (200 * KIB);
	return 32 + random_next(rnd) % 2000;
}

static unsigned
check_lives(struct world *w, const struct life *is)
{
	unsigned hits = 0;

	for (unsigned key = 0; key < KEYS; key++) {
		uint64_t got;

		if (!world_get(w, key, &got, NULL))
			continue;
		hits++;
		assert_false(is[key].gone);
		assert_int_equal(got, is[key].n);
		assert_false(exptime_passed(is[key].exptime, w->wall));
	}
	return hits;
}

static void
live(struct world *w, struct life *is, uint64_t *n, uint64_t *rnd)
{
	unsigned key = random_next(rnd) % KEYS;
	uint32_t exptime = random_exptime(w, rnd);

	switch (random_next(rnd) % 8) {
	case 0:
	case 1:
		is[key] = (struct life){ *n, exptime, false };
		if (world_set(w, key, (*n)++, random_length(rnd), exptime) != STORED)
			is[key].gone = true;
		break;
	case 2:
		if (random_next(rnd) % 2 == 0) {
			world_delete(w, key);
			is[key].gone = true;
		}
		break;
	case 3:
		if (world_touch(w, key, exptime))
			is[key].exptime = exptime;
		break;
	case 4:
		w->wall += (int64_t)(random_next(rnd) % 5);
		break;
	default:
		world_set(w, 1000 + (unsigned)random_next(rnd) % 5000, 1, 9000,
		    random_next(rnd) % 2 == 0 ? 0 : (uint32_t)(w->wall + 30));
	}
}

static void
no_resurrection_random(void **state)
{
	unsigned hits = 0, rounds = getenv("REND_TEST_LONG") != NULL ? 100 : 4;

	for (unsigned round = 0; round < rounds; round++) {
		struct life is[KEYS] = { { 0 } };
		uint64_t rnd = 11 + round, n = 1;
		struct world w;

		for (unsigned key = 0; key < KEYS; key++)
			is[key].gone = true;
		world_init(&w, 20);
		w.options.moves = round % 2 == 0 ? 30 : 0;
		opened(&w);
		for (unsigned i = 0; i < 6000; i++) {
			live(&w, is, &n, &rnd);
			if (i % 10 == 0)
				store_step(w.store, random_next(&rnd) % 3 == 0, w.wall);
			if (i % 200 != 199)
				continue;
			world_settle(&w, true);
			world_audit(&w);
			world_crash(&w, SIM_KILL);
			opened(&w);
			world_audit(&w);
			hits += check_lives(&w, is);
		}
		world_fini(&w);
	}
	assert_true(hits > 1000);
}

struct flusher {
	struct world *w;
	uint64_t at; /* operation */
};

static void
flush_now(void *arg, struct io *io, uint64_t n)
{
	struct flusher *f = arg;

	if (n < f->at)
		return;
	sim_watch(io, NULL, NULL);
	store_flush_all(f->w->store);
}

/* A flush_all while values are moved, before any of the reads and writes that belong to it: none of them gets past it. */
static void
flush_during_a_move(void **state)
{
	unsigned moved = 0;

	for (unsigned at = 0; at < 40; at++) {
		struct world w;
		struct flusher f = { .w = &w };

		world_init(&w, 32);
		opened(&w);
		for (unsigned key = 0; key < 20; key++)
			assert_int_equal(world_set(&w, key, 1, 1000, 0), STORED);
		seal(&w);
		for (unsigned key = 0; key < 20; key++)
			has(&w, key, 1);
		/* Up to where the first segment is to go. */
		for (unsigned i = 0; world_counts(&w).freed_segments == 0 && i < 1000; i++) {
			struct store_sizes sizes;

			store_sizes(w.store, &sizes);
			if (sizes.free <= free_wanted(w.store) + 1)
				break;
			assert_int_equal(world_set(&w, 1000 + i, 1, 30 * KIB, 0), STORED);
			store_step(w.store, false, w.wall);
		}
		assert_int_equal(world_counts(&w).freed_segments, 0);
		f.at = sim_operations(w.io) + 1 + at;
		sim_watch(w.io, flush_now, &f);
		for (unsigned i = 0; i < 40; i++) {
			world_set(&w, 2000 + i, 1, 30 * KIB, 0);
			store_step(w.store, false, w.wall);
		}
		moved += world_counts(&w).moves != 0;
		for (unsigned key = 0; key < 20; key++)
			has_not(&w, key);
		has_not(&w, 1000);
		world_fini(&w);
	}
	assert_true(moved > 0);
}

/* Who sets a key between the removal of what could not be read and its tomb, which finds no room at first. */
static void
set_in_between(void *arg)
{
	struct world *w = arg;

	w->store->options.wake = NULL;
	world_settle(w, true);
	assert_int_equal(world_set(w, 1, 2, 100, 0), STORED);
}

static void
tomb_of_what_was(void **state)
{
	struct world w;
	struct entry e;
	uint64_t khash;

	world_init(&w, 32);
	opened(&w);
	khash = store_khash(w.store, "key-1", 5);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	world_settle(&w, true);
	for (unsigned n = 0; w.store->tomb_count == 0; n++)
		if (world_set(&w, 1000 + n % 100, 2, 20 * KIB, 0) == STORE_NOT_ADMITTED)
			log_tomb(w.store, n, 0, 0);
	assert_true(store_find(w.store, khash, w.wall, &e));
	w.store->options.wake = set_in_between;
	w.store->options.wake_arg = &w;
	store_erase(w.store, khash, &e.place);
	assert_null(w.store->options.wake);
	world_settle(&w, true);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has(&w, 1, 2);
	world_fini(&w);
}

struct toucher {
	struct world *w;
	uint64_t khash, version;
};

static void
touch_now(void *arg, struct io *io, uint64_t n)
{
	const struct toucher *t = arg;
	struct store *s = t->w->store;
	struct entry e;

	if (!s->leaving.active || s->leaving.how != GOES_EXPIRED)
		return;
	sim_watch(io, NULL, NULL);
	assert_true(index_find(s->index, t->khash, &e));
	assert_true(store_touch(s, t->khash, &e, t->version, WORLD_WALL + 5000));
}

/* A touch that was too late for the look at its segment: what it was of lives on, elsewhere. */
static void
touched_while_expiring(void **state)
{
	struct world w;
	struct toucher t = { .w = &w };
	struct record_head head;
	uint64_t n;

	world_init(&w, 32);
	opened(&w);
	t.khash = store_khash(w.store, "key-1", 5);
	assert_int_equal(world_set(&w, 900, 1, 100, 0), STORED);
	for (unsigned key = 1; key < 40; key++)
		assert_int_equal(world_set(&w, key, 1, 100, WORLD_WALL + 10), STORED);
	seal(&w);
	assert_true(world_get(&w, 1, &n, &head));
	w.wall += 11;
	t.version = head.version;
	sim_watch(w.io, touch_now, &t);
	world_settle(&w, true);
	assert_int_equal(world_counts(&w).expired_segments, 1);
	has(&w, 1, 1);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has(&w, 1, 1);
	has_not(&w, 2);
	world_fini(&w);
}

/* ---- in the middle of a segment that goes in shares ---- */

enum { LEAVE = 60 };

/* Some of the first keys have left the index, others not yet; all are on the disk.  Returns how many are gone: those from LEAVE - that on. */
static unsigned
half_left(struct world *w)
{
	unsigned gone = 0;
	uint64_t n;

	world_init(w, 32);
	w->options.moves = 0;
	w->options.share = 4;
	opened(w);
	for (unsigned key = 0; key < LEAVE; key++)
		assert_int_equal(world_set(w, key, 1, 1000, 0), STORED);
	seal(w);
	for (unsigned i = 0; i < 1000 && w->store->segments[w->store->leaving.segment].left < 8; i++) {
		assert_int_equal(world_set(w, 1000 + i, 1, 30 * KIB, 0), STORED);
		store_step(w->store, false, w->wall);
	}
	assert_true(w->store->leaving.active);
	while (gone < LEAVE && !world_get(w, LEAVE - 1 - gone, &n, NULL))
		gone++;
	assert_in_range(gone, 4, LEAVE - 4);
	has(w, 0, 1);
	return gone;
}

/* What a client did to a key of which nothing was found any more holds after the next flush: the value that left does not come back. */
static void
changed_while_leaving(void **state)
{
	struct world w;
	struct record_head head;
	uint64_t n, before;
	unsigned refused = LEAVE - 2, set = LEAVE - 3;

	half_left(&w);
	assert_false(world_delete(&w, LEAVE - 1));
	store_refuse(w.store, store_khash(w.store, "key-58", 6));
	assert_int_equal(world_set(&w, set, 2, 100, WORLD_WALL + 10), STORED);
	assert_true(world_get(&w, set, &n, &head));
	assert_true(head.flags & RECORD_OVERWRITES);
	before = store_flushed(w.store);
	sim_advance(w.io, 1);
	store_step(w.store, true, w.wall);
	assert_true(store_flushed(w.store) > before);
	assert_true(w.store->leaving.active);
	world_crash(&w, SIM_KILL);
	opened(&w);
	assert_int_equal(w.opened.how, STORE_REBUILT);
	has_not(&w, LEAVE - 1);
	has_not(&w, refused);
	has(&w, set, 2);
	w.wall += 11;
	has_not(&w, set);
	world_audit(&w);
	world_fini(&w);
}

/* ---- segments that go in order behind one that waits for its tombs ---- */

static uint32_t
segment_with(struct world *w, const char *name)
{
	struct entry e = { 0 };

	assert_true(index_find(w->store->index, store_khash(w->store, name, strlen(name)), &e));
	return e.place.seg;
}

static void
goes(struct world *w, uint32_t segment, enum goes how)
{
	leave_begin(w->store, segment, how);
	assert_true(leave_step(w->store, w->wall));
	assert_int_equal(w->store->segments[segment].state, SEGMENT_FREEING);
}

/* Nothing has room for a tomb without the keeper. */
static void
no_room_for_tombs(struct world *w)
{
	for (unsigned n = 0; world_set(w, 20000 + n, 1, 20 * KIB, 0) == STORED; n++)
		assert_true(n < 10000);
	while (w->store->tomb_count == 0)
		log_tomb(w->store, 0, 0, 0);
}

/*
 * The second segment has expired, and is not free before its tombs are written.  The third goes meanwhile, because it is the oldest.  Who deletes what
 * was in that one, and finds nothing, does not find it after a flush and a crash, either.
 */
static void
in_order_behind_one_that_owes(void **state)
{
	struct world w;
	uint32_t first, second, third;
	uint64_t before;

	world_init(&w, 64);
	w.options.moves = 0;
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	seal(&w);
	first = segment_with(&w, "key-1");
	assert_int_equal(world_set(&w, 1, 2, 100, WORLD_WALL + 10), STORED);
	seal(&w);
	second = segment_with(&w, "key-1");
	assert_int_equal(world_set(&w, 3, 1, 100, 0), STORED);
	seal(&w);
	third = segment_with(&w, "key-3");
	w.wall += 11;
	no_room_for_tombs(&w);
	goes(&w, second, GOES_EXPIRED);
	goes(&w, first, GOES_OLDEST);
	goes(&w, third, GOES_OLDEST);
	assert_true(w.store->segments[second].owes);
	assert_true(write_checkpoint(w.store));
	assert_int_equal(w.store->segments[first].state, SEGMENT_FREE);
	assert_int_equal(w.store->segments[second].state, SEGMENT_FREEING);
	/* The tombs find room, and nobody tells the super yet. */
	store_step(w.store, false, w.wall);
	assert_int_equal(w.store->tomb_count, 0);
	assert_false(world_delete(&w, 3));
	before = store_flushed(w.store);
	sim_advance(w.io, 1);
	store_step(w.store, true, w.wall);
	assert_true(store_flushed(w.store) > before);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has_not(&w, 1);
	has_not(&w, 3);
	world_audit(&w);
	world_fini(&w);
}

/* An end in between leaves nothing half gone: what was not found before it is not found after it and a crash. */
static void
ended_while_leaving(void **state)
{
	struct world w;
	unsigned gone = half_left(&w);

	assert_true(world_close(&w));
	opened(&w);
	assert_int_equal(w.opened.how, STORE_CLEAN);
	world_audit(&w);
	for (unsigned key = LEAVE - gone; key < LEAVE; key++)
		assert_false(world_delete(&w, key));
	store_step(w.store, true, w.wall);
	world_crash(&w, SIM_KILL);
	opened(&w);
	assert_int_equal(w.opened.how, STORE_REBUILT);
	for (unsigned key = LEAVE - gone; key < LEAVE; key++)
		has_not(&w, key);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_resurrection),
		cmocka_unit_test(no_resurrection_random),
		cmocka_unit_test(flush_during_a_move),
		cmocka_unit_test(touched_while_expiring),
		cmocka_unit_test(tomb_of_what_was),
		cmocka_unit_test(changed_while_leaving),
		cmocka_unit_test(ended_while_leaving),
		cmocka_unit_test(in_order_behind_one_that_owes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
