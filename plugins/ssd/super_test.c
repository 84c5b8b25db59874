/* Which store it is, how it was left, and what follows from that: also when one of the supers is lost. */
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

static void
set(struct world *w, unsigned key, uint64_t n)
{
	assert_int_equal(world_set(w, key, n, 1000, 0), STORED);
}

static uint64_t
cas_of(struct world *w, unsigned key)
{
	struct record_head head = { 0 };
	uint64_t n;

	assert_true(world_get(w, key, &n, &head));
	return head.cas;
}

/* ---- one of them is lost ---- */

enum loss { BAD_BLOCK, BIT, EMPTY, LOSSES };

static void
lose(struct world *w, const char *path, enum loss how)
{
	switch (how) {
	case BAD_BLOCK:
		assert_int_equal(sim_bad(w->io, path, 0, FORMAT_BLOCK), IO_OK);
		break;
	case BIT:
		assert_int_equal(sim_flip(w->io, path, 1000), IO_OK);
		break;
	default:
		assert_int_equal(sim_truncate(w->io, path, 0), IO_OK);
	}
}

static const char *const supers[] = { "store/super.a", "store/super.b" };

/* What was flushed by flush_all is gone, whichever of them can be read. */
static void
flush_all_holds(void **state)
{
	for (unsigned i = 0; i < 2 * LOSSES; i++) {
		struct world w;

		world_init(&w, 32);
		opened(&w);
		set(&w, 1, 1);
		world_settle(&w, true);
		store_flush_all(w.store);
		set(&w, 2, 2);
		world_settle(&w, true);
		world_crash(&w, SIM_KILL);
		lose(&w, supers[i % 2], (enum loss)(i / 2));
		opened(&w);
		has_not(&w, 1);
		has(&w, 2, 2);
		/* Both are there again. */
		set(&w, 3, 3);
		world_settle(&w, true);
		world_crash(&w, SIM_KILL);
		lose(&w, supers[(i + 1) % 2], (enum loss)(i / 2));
		opened(&w);
		has_not(&w, 1);
		has(&w, 2, 2);
		has(&w, 3, 3);
		world_fini(&w);
	}
}

/* The index that was kept is from before the last start: it is not believed after that. */
static void
old_index_is_not_believed(void **state)
{
	for (unsigned i = 0; i < 2 * LOSSES; i++) {
		struct world w;

		world_init(&w, 32);
		opened(&w);
		set(&w, 1, 1);
		set(&w, 2, 1);
		assert_true(world_close(&w));
		opened(&w);
		assert_int_equal(w.opened.how, STORE_CLEAN);
		set(&w, 1, 2);
		assert_true(world_delete(&w, 2));
		world_settle(&w, true);
		world_crash(&w, SIM_KILL);
		lose(&w, supers[i % 2], (enum loss)(i / 2));
		opened(&w);
		assert_int_equal(w.opened.how, STORE_REBUILT);
		has(&w, 1, 2);
		has_not(&w, 2);
		world_fini(&w);
	}
}

/* And the one that was kept last is, by whichever of them. */
static void
kept_index_is_found(void **state)
{
	for (unsigned i = 0; i < 2 * LOSSES; i++) {
		struct world w;

		world_init(&w, 32);
		opened(&w);
		set(&w, 1, 1);
		assert_true(world_close(&w));
		lose(&w, supers[i % 2], (enum loss)(i / 2));
		opened(&w);
		assert_int_equal(w.opened.how, STORE_CLEAN);
		has(&w, 1, 1);
		world_fini(&w);
	}
}

/* Versions are not given twice either. */
static void
versions_hold(void **state)
{
	for (unsigned i = 0; i < 2 * LOSSES; i++) {
		struct world w;
		uint64_t cas;

		world_init(&w, 32);
		opened(&w);
		w.store->next_version = w.store->version_limit - (1 << 22);
		set(&w, 1, 1);
		world_settle(&w, true);
		w.store->next_version += 1 << 23;
		set(&w, 1, 2);
		cas = cas_of(&w, 1);
		world_settle(&w, true);
		world_crash(&w, SIM_KILL);
		lose(&w, supers[i % 2], (enum loss)(i / 2));
		opened(&w);
		has(&w, 1, 2);
		set(&w, 2, 1);
		assert_true(cas_of(&w, 2) > cas);
		world_fini(&w);
	}
}

/* A change that is in one of them only did not happen yet: all that is done because of it waits. */
static void
both_or_not(void **state)
{
	struct world w;
	uint64_t generation;

	world_init(&w, 32);
	opened(&w);
	set(&w, 1, 1);
	world_settle(&w, true);
	generation = w.store->super.generation;
	for (uint64_t n = 2; n <= 3; n++)
		assert_int_equal(sim_fault_next(w.io, IO_WRITE, n, SIM_EIO, 0), IO_OK);
	store_flush_all(w.store);
	assert_int_equal(write_super(w.store, SUPER_DIRTY), IO_FAILED);
	assert_true(w.store->super_due);
	assert_int_equal(w.store->super.generation, generation + 1);
	sim_clear_faults(w.io);
	assert_int_equal(write_super(w.store, SUPER_DIRTY), IO_OK);
	assert_int_equal(w.store->super.generation, generation + 3);
	world_fini(&w);
}

/* ---- both are ---- */

static void
both_lost(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct world w;
		uint64_t cas;

		world_init(&w, 32);
		opened(&w);
		set(&w, 1, 1);
		cas = cas_of(&w, 1);
		assert_true(world_close(&w));
		lose(&w, supers[0], (enum loss)i);
		lose(&w, supers[1], (enum loss)i);
		assert_false(world_open(&w));
		assert_non_null(strstr(w.opened.sentence, "neither super.a nor super.b"));
		w.options.empty = true;
		w.wall++;
		opened(&w);
		assert_int_equal(w.opened.how, STORE_NEW);
		has_not(&w, 1);
		set(&w, 1, 2);
		assert_true(cas_of(&w, 1) > cas);
		world_crash(&w, SIM_KILL);
		w.options.empty = false;
		opened(&w);
		world_fini(&w);
	}
}

/* Gone, or empty, they say no less than if they were broken: what is there is not taken for nothing. */
static void
both_gone(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct world w;
		uint64_t seq;

		world_init(&w, 32);
		opened(&w);
		set(&w, 1, 1);
		world_settle(&w, true);
		seq = w.store->next_seq;
		world_crash(&w, SIM_KILL);
		for (unsigned n = 0; n < 2; n++)
			if (i == 1 || (i == 2 && n == 0))
				lose(&w, supers[n], EMPTY);
			else if (i == 3 && n == 0)
				lose(&w, supers[n], BIT);
			else
				assert_int_equal(io_unlink(w.io, supers[n]), IO_OK);
		for (unsigned n = 0; n < 2; n++) {
			assert_false(world_open(&w));
			assert_non_null(strstr(w.opened.sentence, "data.NNN"));
		}
		w.options.empty = true;
		w.wall += 2;
		opened(&w);
		assert_int_equal(w.opened.how, STORE_NEW);
		has_not(&w, 1);
		/* Its records are not taken for this one's, which may lie before them. */
		assert_true(w.store->next_seq > seq + (1 << 20));
		set(&w, 2, 1);
		world_settle(&w, true);
		world_crash(&w, SIM_KILL);
		w.options.empty = false;
		opened(&w);
		has_not(&w, 1);
		has(&w, 2, 1);
		world_fini(&w);
	}
}

static void
change_super(struct world *w, const char *path, void (*change)(struct super *))
{
	char *block = aligned_alloc(IO_ALIGN, FORMAT_BLOCK);
	struct super s;
	struct io_file *f;
	struct geometry g;

	assert_non_null(block);
	assert_int_equal(io_open(w->io, path, 0, NULL, &f), IO_OK);
	assert_int_equal(io_read(f, block, FORMAT_BLOCK, 0, NULL), IO_OK);
	assert_int_equal(format_super_look(block, &s, &g), SUPER_VALID);
	change(&s);
	format_super(block, &s);
	assert_int_equal(io_write(f, block, FORMAT_BLOCK, 0, NULL), IO_OK);
	io_close(&f);
	free(block);
}

static void
next_format(struct super *s)
{
	s->format = FORMAT_NEWEST + 1;
}

/* What another version of rend has made is not taken for anything, and not touched. */
static void
other_format(void **state)
{
	struct world w;

	world_init(&w, 32);
	opened(&w);
	set(&w, 1, 1);
	assert_true(world_close(&w));
	for (unsigned i = 0; i < 2; i++)
		change_super(&w, supers[i], next_format);
	for (unsigned i = 0; i < 3; i++) {
		w.options.empty = i == 1;
		w.options.fresh = i == 2;
		assert_false(world_open(&w));
		assert_non_null(strstr(w.opened.sentence, "format"));
	}
	world_fini(&w);
}

/* ---- a store after another ---- */

/* I5: also when a store begins empty, whatever the reason. */
static void
versions_rise_over_stores(void **state)
{
	struct world w;
	uint64_t last = 0;

	world_init(&w, 32);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t cas;

		w.options.fresh = i % 4 == 1;
		w.options.empty = i % 4 == 2;
		w.options.capacity = (i % 4 == 2 ? 24 : 32) * 128ULL * KIB;
		if (i % 4 == 3) {
			/* Somebody has removed it, and time goes on. */
			w.wall += 100000;
			assert_int_equal(io_unlink(w.io, supers[0]), IO_OK);
			assert_int_equal(io_unlink(w.io, supers[1]), IO_OK);
		}
		w.options.empty |= i == 4 || i % 4 == 3;
		opened(&w);
		for (unsigned n = 0; n < 10; n++) {
			set(&w, n, 1);
			cas = cas_of(&w, n);
			if (cas <= last)
				fail_msg("store %u gives %llu, %llu was given before", i, (unsigned long long)cas,
				    (unsigned long long)last);
			last = cas;
		}
		if (i % 2 == 0)
			assert_true(world_close(&w));
		else
			world_crash(&w, SIM_KILL);
	}
	world_fini(&w);
}

static bool
count_bank(void *arg, const char *name)
{
	*(unsigned *)arg += strncmp(name, "data.", 5) == 0;
	return true;
}

static unsigned
banks(struct world *w)
{
	unsigned n = 0;

	assert_int_equal(io_list(w->io, "store", count_bank, &n), IO_OK);
	return n;
}

/* A smaller one leaves no files behind. */
static void
smaller(void **state)
{
	struct world w;
	struct io_file *f;

	world_init(&w, 32);
	opened(&w);
	assert_int_equal(banks(&w), 4);
	assert_true(world_close(&w));
	w.options.capacity = 16 * 128 * KIB;
	w.options.empty = true;
	assert_int_equal(io_open(w.io, "store/data.old", IO_CREATE, NULL, &f), IO_OK);
	io_close(&f);
	opened(&w);
	assert_int_equal(banks(&w), 2 + 1);
	set(&w, 1, 1);
	assert_true(world_close(&w));
	opened(&w);
	has(&w, 1, 1);
	assert_int_equal(banks(&w), 2 + 1);
	world_fini(&w);
}

static void
make_file(struct world *w, const char *path, char filled_with)
{
	char *block = aligned_alloc(IO_ALIGN, FORMAT_BLOCK);
	struct io_file *f;

	assert_non_null(block);
	memset(block, filled_with, FORMAT_BLOCK);
	assert_int_equal(io_open(w->io, path, IO_CREATE, NULL, &f), IO_OK);
	assert_int_equal(io_write(f, block, FORMAT_BLOCK, 0, NULL), IO_OK);
	io_close(&f);
	free(block);
}

static bool
is_as_it_was(struct world *w, const char *path, char filled_with)
{
	char *block = aligned_alloc(IO_ALIGN, FORMAT_BLOCK);
	struct io_file *f;
	uint64_t size = 0;
	bool is;

	assert_non_null(block);
	if (io_open(w->io, path, IO_READ_ONLY, NULL, &f) != IO_OK) {
		free(block);
		return false;
	}
	is = io_size(f, &size) == IO_OK && size == FORMAT_BLOCK && io_read(f, block, FORMAT_BLOCK, 0, NULL) == IO_OK &&
	     block[0] == filled_with && block[FORMAT_BLOCK - 1] == filled_with;
	io_close(&f);
	free(block);
	return is;
}

/* A folder where somebody else has files of such names: they are not touched. */
static void
files_of_others(void **state)
{
	static const char *const names[] = { "store/data.001", "store/data.2024" };
	struct world w;

	for (unsigned i = 0; i < 2; i++) {
		world_init(&w, 32);
		assert_int_equal(io_make_dir(w.io, "store"), IO_OK);
		make_file(&w, names[i], 'x');
		for (unsigned n = 0; n < 2; n++) {
			assert_false(world_open(&w));
			assert_non_null(strstr(w.opened.sentence, "data.NNN"));
			assert_true(is_as_it_was(&w, names[i], 'x'));
		}
		world_fini(&w);
	}
	/* Nor those that no store before this one can have made. */
	for (unsigned i = 0; i < 2; i++) {
		world_init(&w, 32);
		opened(&w);
		assert_true(world_close(&w));
		make_file(&w, names[1], 'x');
		if (i == 1) {
			w.options.capacity = 16 * 128 * KIB;
			w.options.empty = true;
		}
		opened(&w);
		assert_int_equal(banks(&w), (i == 1 ? 2 : 4) + 1);
		assert_true(is_as_it_was(&w, names[1], 'x'));
		world_fini(&w);
	}
}

/* A first start that did not come to its end leaves nothing that would be in the way of the next. */
static void
first_start_ends_early(void **state)
{
	bool ended = false;

	for (uint64_t n = 1; !ended; n++) {
		struct world w;

		assert_true(n < 1000);
		world_init(&w, 32);
		sim_stop_at(w.io, sim_operations(w.io) + n);
		ended = world_open(&w);
		world_crash(&w, n % 2 == 0 ? SIM_KILL : SIM_POWER_CUT);
		opened(&w);
		set(&w, 1, 1);
		has(&w, 1, 1);
		world_fini(&w);
	}
}

/* ---- flush_all, and an end right behind it ---- */

static void
flush_all_then_end(void **state)
{
	struct world w;

	world_init(&w, 32);
	w.options.objects = 1300000; /* so that looking through the index takes more than one step */
	opened(&w);
	for (unsigned key = 0; key < 200; key++)
		set(&w, key, 1);
	world_settle(&w, true);
	for (unsigned key = 200; key < 220; key++)
		set(&w, key, 1);
	store_flush_all(w.store);
	set(&w, 500, 1);
	assert_true(world_close(&w));
	opened(&w);
	assert_int_equal(w.opened.how, STORE_CLEAN);
	assert_int_equal(w.opened.objects, 1);
	world_audit(&w);
	/* All that is free is used again. */
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(world_set(&w, 1000 + i, 1, 30 * KIB, 0), STORED);
		world_settle(&w, false);
		for (unsigned key = 0; i % 20 == 0 && key < 220; key++)
			has_not(&w, key);
	}
	world_settle(&w, true);
	world_audit(&w);
	world_fini(&w);
}

/* ---- a sync that fails ---- */

/* What else was written to that file before is in doubt, too, and goes with it. */
static void
failed_sync(void **state)
{
	for (unsigned at_flush = 0; at_flush < 2; at_flush++) {
		struct world w;

		world_init(&w, 32);
		w.options.sync = STORE_SYNC_FLUSH;
		opened(&w);
		set(&w, 1, 1);
		set(&w, 2, 1);
		world_settle(&w, true);
		/* Streams of their own, in one file. */
		set(&w, 1, 2);
		assert_int_equal(world_set(&w, 2, 2, 1000, WORLD_WALL + 1000), STORED);
		assert_int_equal(world_set(&w, 3, 1, 1000, WORLD_WALL + 20000), STORED);
		store_step(w.store, false, w.wall);
		if (!at_flush) {
			pthread_mutex_lock(&w.store->lock);
			log_close_stream(w.store, STREAM_LONG);
			pthread_mutex_unlock(&w.store->lock);
		}
		assert_int_equal(sim_fault_next(w.io, IO_SYNC, 1, SIM_EIO, 0), IO_OK);
		world_settle(&w, at_flush);
		world_settle(&w, true);
		assert_int_equal(world_counts(&w).bad_segments, 3);
		for (unsigned key = 1; key <= 3; key++)
			has_not(&w, key);
		world_audit(&w);
		world_crash(&w, SIM_POWER_CUT_NONE);
		opened(&w);
		for (unsigned key = 1; key <= 3; key++)
			has_not(&w, key);
		world_fini(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flush_all_holds),
		cmocka_unit_test(old_index_is_not_believed),
		cmocka_unit_test(kept_index_is_found),
		cmocka_unit_test(versions_hold),
		cmocka_unit_test(both_or_not),
		cmocka_unit_test(both_lost),
		cmocka_unit_test(both_gone),
		cmocka_unit_test(other_format),
		cmocka_unit_test(versions_rise_over_stores),
		cmocka_unit_test(smaller),
		cmocka_unit_test(files_of_others),
		cmocka_unit_test(first_start_ends_early),
		cmocka_unit_test(flush_all_then_end),
		cmocka_unit_test(failed_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
