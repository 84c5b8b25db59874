/*
 * sync = always, at the store: what store_commit_at() promises, when the disk takes it, refuses it, and hangs.  crash_test.c cuts the power in one in
 * five of the states on the way; tests/talk has the answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_words.h"

static void
begin(struct world *w)
{
	world_init(w, 32);
	w->options.sync = STORE_SYNC_ALWAYS;
	opened(w);
}

/* As a change does before its answer. */
static uint64_t
asked(struct world *w)
{
	uint64_t at = store_commit_at(w->store);

	store_commit_ask(w->store);
	return at;
}

/* What a keeper does that was woken. */
static void
flush(struct world *w)
{
	assert_true(store_commit_due(w->store));
	store_step(w->store, true, w->wall);
}

static void
many_share_a_sync(void **state)
{
	struct world w;
	uint64_t at[200], before;

	begin(&w);
	asked(&w);
	flush(&w);
	before = world_counts(&w).syncs;
	for (unsigned key = 0; key < 200; key++) {
		assert_int_equal(world_set(&w, key, 1, 1000, 0), STORED);
		at[key] = asked(&w);
		assert_true(store_committed(w.store) < at[key]);
	}
	flush(&w);
	for (unsigned key = 0; key < 200; key++)
		assert_true(store_committed(w.store) >= at[key]);
	/* One, and one more for each of the segments that were filled: they are sealed in between. */
	assert_in_range(world_counts(&w).syncs - before, 1, 1 + 2 * (200 / 110 + 1));
	assert_false(store_commit_due(w.store));
	assert_false(store_commit_missed(w.store));
	world_crash(&w, SIM_POWER_CUT_NONE);
	opened(&w);
	for (unsigned key = 0; key < 200; key++)
		has(&w, key, 1);
	world_fini(&w);
}

/* A flush that began before the change has perhaps looked already. */
static void
a_flush_under_way_does_not_count(void **state)
{
	struct world w;
	uint64_t at;

	begin(&w);
	atomic_fetch_add(&w.store->commit_begun, 1);
	assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
	at = asked(&w);
	atomic_store(&w.store->commit_done, atomic_load(&w.store->commit_begun));
	assert_true(store_committed(w.store) < at);
	assert_true(store_commit_missed(w.store));
	flush(&w);
	assert_true(store_committed(w.store) >= at);
	world_fini(&w);
}

/* Who copies just now keeps what is behind him from being written, and nobody is told otherwise. */
static void
who_copies_keeps_others_waiting(void **state)
{
	struct append a = { .stream = STREAM_LONG, .head = { .type = RECORD_VALUE, .keylen = 1, .khash = 5 } };
	struct world w;
	uint64_t at;

	begin(&w);
	assert_true(log_reserve(w.store, &a));
	assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
	at = asked(&w);
	flush(&w);
	assert_true(store_committed(w.store) < at && store_commit_missed(w.store));
	a.at[RECORD_HEAD] = 'k';
	log_seal_record(w.store, &a);
	log_done(w.store, &a);
	store_step(w.store, true, w.wall);
	assert_true(store_committed(w.store) >= at && !store_commit_missed(w.store));
	world_crash(&w, SIM_POWER_CUT_NONE);
	opened(&w);
	has(&w, 1, 1);
	world_fini(&w);
}

/* What the disk did not take is not told as stored, and then is not there, nor what was there before. */
static void
gives_up(enum io_kind kind, enum sim_fault fault)
{
	struct world w;
	uint64_t at, before;

	begin(&w);
	assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
	assert_int_equal(world_set(&w, 2, 1, 1000, 0), STORED);
	asked(&w);
	flush(&w);
	seal(&w);
	before = store_given_up(w.store);
	assert_int_equal(world_set(&w, 1, 2, 1000, 0), STORED);
	at = asked(&w);
	assert_int_equal(sim_fault_next(w.io, kind, 1, fault, 0), IO_OK);
	assert_int_equal(sim_fault_next(w.io, kind, 2, fault, 0), IO_OK);
	flush(&w);
	/* Not stored: either it says that, or that it is not there yet. */
	assert_true(store_given_up(w.store) > before);
	assert_true(store_committed(w.store) < at);
	sim_clear_faults(w.io);
	sim_release(w.io);
	for (unsigned n = 0; store_commit_missed(w.store); n++) {
		assert_true(n < 20);
		store_step(w.store, true, w.wall);
	}
	/* From here on it is known what became of it, after a power cut, too. */
	has_not(&w, 1);
	has(&w, 2, 1);
	world_crash(&w, SIM_POWER_CUT_NONE);
	opened(&w);
	has_not(&w, 1);
	has(&w, 2, 1);
	before = store_given_up(w.store);
	assert_int_equal(world_set(&w, 1, 3, 1000, 0), STORED);
	at = asked(&w);
	flush(&w);
	assert_true(store_committed(w.store) >= at);
	assert_int_equal(store_given_up(w.store), before);
	world_crash(&w, SIM_POWER_CUT_NONE);
	opened(&w);
	has(&w, 1, 3);
	world_audit(&w);
	world_fini(&w);
}

static void
a_sync_fails(void **state)
{
	gives_up(IO_SYNC, SIM_EIO);
}

static void
a_sync_hangs(void **state)
{
	gives_up(IO_SYNC, SIM_HANG);
}

static void
a_write_fails(void **state)
{
	gives_up(IO_WRITE, SIM_EIO);
}

/* The last sync of a segment that is full: its list is there, and not known to be. */
static void
a_sync_fails_while_sealing(void **state)
{
	struct world w;
	uint64_t at, flushed;

	begin(&w);
	assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
	seal(&w);
	sim_advance(w.io, 1000000);
	assert_int_equal(world_set(&w, 1, 2, 1000, 0), STORED);
	pthread_mutex_lock(&w.store->lock);
	for (unsigned i = 0; i < STREAMS; i++)
		log_close_stream(w.store, i);
	pthread_mutex_unlock(&w.store->lock);
	at = asked(&w);
	flushed = store_flushed(w.store);
	assert_int_equal(sim_fault_next(w.io, IO_SYNC, 1, SIM_EIO, 0), IO_OK);
	sim_advance(w.io, 1000000);
	store_step(w.store, true, w.wall);
	assert_true(store_committed(w.store) < at);
	assert_true(store_flushed(w.store) == flushed);
	world_fini(&w);
}

/* A segment is given up by and by.  Until all of it is, no flush has left nothing over, with any sync. */
static void
what_is_given_up_is_so_before_it_counts(void **state)
{
	struct world w;
	uint64_t before;

	world_init(&w, 32);
	w.options.share = 1;
	opened(&w);
	for (unsigned key = 0; key < 40; key++)
		assert_int_equal(world_set(&w, key, 1, 1000, 0), STORED);
	seal(&w);
	for (unsigned key = 0; key < 40; key++)
		assert_int_equal(world_set(&w, key, 2, 1000, 0), STORED);
	before = store_flushed(w.store);
	sim_advance(w.io, 1000);
	assert_int_equal(sim_fault_next(w.io, IO_WRITE, 1, SIM_EIO, 0), IO_OK);
	assert_int_equal(sim_fault_next(w.io, IO_WRITE, 2, SIM_EIO, 0), IO_OK);
	for (unsigned n = 0; store_flushed(w.store) <= before; n++) {
		assert_true(n < 200);
		store_step(w.store, true, w.wall);
	}
	assert_int_equal(world_counts(&w).bad_segments, 1);
	world_crash(&w, SIM_POWER_CUT_NONE);
	opened(&w);
	for (unsigned key = 0; key < 40; key++)
		has_not(&w, key);
	world_fini(&w);
}

/* A flush_all, and a delete of what has just left, are changes. */
static void
nothing_is_told_of_what_is_gone_before_that_lasts(void **state)
{
	struct world w;
	uint64_t at;

	begin(&w);
	for (unsigned key = 0; key < 10; key++)
		assert_int_equal(world_set(&w, key, 1, 1000, 0), STORED);
	asked(&w);
	flush(&w);
	assert_true(world_delete(&w, 1));
	at = asked(&w);
	flush(&w);
	assert_true(store_committed(w.store) >= at);
	world_crash(&w, SIM_POWER_CUT_NONE);
	opened(&w);
	has_not(&w, 1);
	has(&w, 2, 1);
	store_flush_all(w.store);
	at = asked(&w);
	flush(&w);
	assert_true(store_committed(w.store) >= at);
	world_crash(&w, SIM_POWER_CUT_NONE);
	opened(&w);
	for (unsigned key = 0; key < 10; key++)
		has_not(&w, key);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_share_a_sync),
		cmocka_unit_test(a_flush_under_way_does_not_count),
		cmocka_unit_test(who_copies_keeps_others_waiting),
		cmocka_unit_test(a_sync_fails),
		cmocka_unit_test(a_sync_fails_while_sealing),
		cmocka_unit_test(a_sync_hangs),
		cmocka_unit_test(a_write_fails),
		cmocka_unit_test(what_is_given_up_is_so_before_it_counts),
		cmocka_unit_test(nothing_is_told_of_what_is_gone_before_that_lasts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
