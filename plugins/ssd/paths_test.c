/* A store over two disks: one dies, hangs, or cannot be written, and the other goes on; nothing old is served then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "breaker.h"
#include "paths_test.h"
#include "probe.h"

/* ---- both are well ---- */

static void
both_are_used(void **state)
{
	struct usage *u = begin();

	fill(u);
	for (unsigned key = 0; key < KEYS; key++)
		assert_int_equal(get(u, key), FETCH_HIT);
	use(u, 1500);
	flush(u);
	assert_in_range(in_use(u, 0), 6, SEGMENTS / 2);
	assert_in_range(in_use(u, 1), 6, SEGMENTS / 2);
	world_settle(&u->w, true);
	world_audit(&u->w);
	assert_int_equal(u->failed, 0);
	assert_true(world_close(&u->w));
	reopened(u, STORE_CLEAN);
	look(u, true);
	world_audit(&u->w);
	use(u, 500);
	world_settle(&u->w, true);
	world_crash(&u->w, SIM_KILL);
	reopened(u, STORE_REBUILT);
	assert_false(u->w.opened.damaged);
	assert_in_range(look(u, true), KEYS / 2, KEYS);
	world_audit(&u->w);
	end(u);
}

/* ---- one is not ---- */

enum trouble { DIES, HANGS, CANNOT_BE_WRITTEN };

static void
let_be(struct usage *u, unsigned path, enum trouble trouble)
{
	static const enum sim_fault faults[] = { [DIES] = SIM_GONE, [HANGS] = SIM_HANG };

	if (trouble != CANNOT_BE_WRITTEN)
		assert_int_equal(sim_fault(disk(u, path), 0, faults[trouble], 0), IO_OK);
	for (uint64_t n = 1; trouble == CANNOT_BE_WRITTEN && n <= 40; n++)
		assert_int_equal(sim_fault_next(disk(u, path), IO_WRITE, n, SIM_EIO, 0), IO_OK);
}

static void
mend(struct usage *u, unsigned path)
{
	sim_clear_faults(disk(u, path));
	sim_back(disk(u, path));
	sim_release(disk(u, path));
	for (unsigned n = 0; n < 8; n++) {
		sim_advance(u->w.io, 2 * S);
		flush(u);
	}
	assert_false(store_path_is_out(u->w.store, path));
}

static void
one_fails(unsigned path, enum trouble trouble)
{
	struct usage *u = begin();
	uint64_t stored;

	use(u, 600);
	let_be(u, path, trouble);
	use(u, 60);
	assert_true(store_path_is_out(u->w.store, path));
	assert_false(store_path_is_out(u->w.store, 1 - path));
	/* The other takes what is stored, and gives it, for many rounds of its segments. */
	stored = u->stored;
	u->hits = u->refused = u->failed = 0;
	use(u, 1500);
	assert_in_range(u->refused, 0, (u->stored - stored) / 10);
	assert_true(u->hits > u->failed);
	assert_true(u->hits > 100);
	for (unsigned key = 0; key < KEYS; key++)
		set(u, key, 500);
	u->hits = 0;
	for (unsigned key = 0; key < KEYS; key++)
		get(u, key);
	assert_in_range(u->hits, KEYS - 2, KEYS);
	/* And flushes end. */
	for (unsigned n = 0; n < 4; n++)
		flush(u);
	assert_true(store_flushed(u->w.store) + S > io_now(u->w.io));
	mend(u, path);
	use(u, 600);
	for (unsigned n = 0; n < 4; n++)
		flush(u);
	assert_in_range(in_use(u, path), 2, SEGMENTS / 2);
	world_settle(&u->w, true);
	world_audit(&u->w);
	world_crash(&u->w, SIM_KILL);
	reopened(u, STORE_REBUILT);
	look(u, true);
	use(u, 300);
	world_settle(&u->w, true);
	assert_true(world_close(&u->w));
	reopened(u, STORE_CLEAN);
	look(u, true);
	end(u);
}

static void
one_dies(void **state)
{
	one_fails(0, DIES);
	one_fails(1, DIES);
}

static void
one_hangs(void **state)
{
	one_fails(0, HANGS);
	one_fails(1, HANGS);
}

static void
one_cannot_be_written(void **state)
{
	one_fails(0, CANNOT_BE_WRITTEN);
	one_fails(1, CANNOT_BE_WRITTEN);
}

/* It ends while one is away, however, and the next start has both: what the one has is as old as it is known to be. */
static void
ends_without_one(unsigned path, enum trouble trouble, bool properly)
{
	struct usage *u = begin();

	use(u, 600);
	let_be(u, path, trouble);
	use(u, 800);
	for (unsigned n = 0; n < 4; n++)
		flush(u);
	if (properly)
		world_close(&u->w);
	/* Else it would stay in memory for ever. */
	if (trouble == HANGS) {
		sim_clear_faults(disk(u, path));
		sim_release(disk(u, path));
	}
	world_crash(&u->w, SIM_KILL);
	opened(&u->w);
	look(u, true);
	use(u, 400);
	world_settle(&u->w, true);
	world_audit(&u->w);
	end(u);
}

static void
what_ends_without_one_goes_on_with_both(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		ends_without_one(i % 2, DIES, i / 2);
		ends_without_one(i % 2, CANNOT_BE_WRITTEN, i / 2);
	}
	ends_without_one(0, HANGS, false);
	ends_without_one(1, HANGS, false);
}

/* A write that is given up the disk does later, when it may not: what it is to write stays as it was until then. */
static void
what_hangs_is_left_alone(void **state)
{
	struct usage *u = begin();
	const struct image *held = NULL;
	char *copy = malloc(128 << 10);
	unsigned path = 0;

	assert_non_null(copy);
	fill(u);
	set(u, 1, 5000);
	for (unsigned i = 0; i < STREAMS; i++)
		if (u->w.store->open[i] != NULL)
			path = path_of(u->w.store, u->w.store->open[i]->segment);
	sim_fault(disk(u, path), 0, SIM_HANG, 0);
	flush(u);
	held = u->w.store->paths[path].image;
	assert_non_null(held);
	memcpy(copy, held->data, held->written + 4096);
	use(u, 1000);
	assert_ptr_equal(u->w.store->paths[path].image, held);
	assert_memory_equal(copy, held->data, held->written + 4096);
	mend(u, path);
	assert_null(u->w.store->paths[path].image);
	use(u, 300);
	world_settle(&u->w, true);
	world_audit(&u->w);
	free(copy);
	end(u);
}

/* Only what is in that file is given up. */
static void
a_write_that_fails_costs_no_other_path(void **state)
{
	struct usage *u = begin();
	struct store *s = u->w.store;
	unsigned path;

	fill(u);
	/* Two open segments, on a disk each. */
	assert_int_equal(world_set(&u->w, 1, u->next, 1000, 0), STORED);
	assert_int_equal(world_set(&u->w, 2, u->next, 1000, WORLD_WALL + 100), STORED);
	becomes(u, 1, u->next);
	becomes(u, 2, u->next++);
	path = path_of(s, s->open[STREAM_LONG]->segment);
	assert_int_equal(path_of(s, s->open[STREAM_HOUR]->segment), 1 - path);
	sim_fault_next(disk(u, path), IO_WRITE, 1, SIM_EIO, 0);
	sim_fault_next(disk(u, path), IO_WRITE, 2, SIM_EIO, 0);
	world_settle(&u->w, true);
	assert_int_equal(world_counts(&u->w).bad_segments, 1);
	assert_int_equal(get(u, 1), FETCH_MISS);
	assert_int_equal(get(u, 2), FETCH_HIT);
	for (unsigned key = 3; key < KEYS; key++)
		assert_int_equal(get(u, key), FETCH_HIT);
	world_audit(&u->w);
	end(u);
}

/* Of what hangs the reads are answered at once before long; the other's are as ever, and nothing else is asked of it. */
static void
each_has_a_breaker(void **state)
{
	static const struct breaker_limits limits = { .errors = 3, .window = 20 * S, .pause = S };

	for (unsigned path = 0; path < 2; path++) {
		struct usage *u = begin();
		struct breaker *breakers[2] = { breaker_new(&limits), breaker_new(&limits) };
		struct probe probe = { { 0 } };
		unsigned down = 0, others = 0;
		uint64_t now;

		assert_true(world_close(&u->w));
		u->w.options.breaker = breakers[0];
		u->w.options.others[0].breaker = breakers[1];
		opened(&u->w);
		fill(u);
		sim_fault(disk(u, path), 0, SIM_HANG, 0);
		for (unsigned key = 0; key < KEYS && breaker_state(breakers[path]) == BREAKER_CLOSED; key++)
			get(u, key);
		assert_int_equal(breaker_state(breakers[path]), BREAKER_OPEN);
		assert_int_equal(breaker_state(breakers[1 - path]), BREAKER_CLOSED);
		now = io_now(u->w.io);
		for (unsigned key = 0; key < KEYS; key++) {
			bool there = path_of_key(u, key) == (int)path;

			assert_int_equal(get(u, key), there ? FETCH_FAILED : FETCH_HIT);
			down += there;
			others += !there;
		}
		assert_int_equal(io_now(u->w.io), now);
		assert_true(down > 5 && others > 5);
		/* What is stored goes to the other. */
		for (unsigned i = 0; i < 100; i++) {
			set(u, i % KEYS, 8000);
			flush(u);
		}
		assert_int_equal(u->refused, 0);
		for (uint32_t i = 0; i < u->w.store->g.segments; i++)
			if (u->w.store->segments[i].state == SEGMENT_OPEN)
				assert_int_equal(path_of(u->w.store, i), 1 - path);
		sim_clear_faults(disk(u, path));
		sim_release(disk(u, path));
		for (unsigned i = 0; i < 3; i++) {
			sim_advance(u->w.io, S);
			probe_tick(&probe, &u->w.fetcher);
			fetcher_flush(&u->w.fetcher);
			io_wait(u->w.queue, S / 10);
			io_wait(u->w.second_queue, S / 10);
		}
		assert_int_equal(breaker_state(breakers[path]), BREAKER_CLOSED);
		mend(u, path);
		for (unsigned key = 0; key < KEYS; key++)
			assert_int_not_equal(get(u, key), FETCH_FAILED);
		world_settle(&u->w, true);
		world_audit(&u->w);
		end(u);
		breaker_free(&breakers[0]);
		breaker_free(&breakers[1]);
	}
}

/* What the disk may read into yet is not used for anything else. */
static void
memory_of_a_read_that_hangs_is_left_alone(void **state)
{
	struct usage *u = begin();
	struct store *s = u->w.store;
	char *was = s->scratch;
	uint32_t segment = 0;
	uint64_t now;

	fill(u);
	while (path_of(s, segment) != 1 || s->segments[segment].state != SEGMENT_SEALED)
		segment++;
	sim_fault_next(u->w.second, IO_READ, 1, SIM_HANG, 0);
	assert_int_equal(path_read(s, segment, s->scratch, 4096, 0), IO_TIMEOUT);
	assert_ptr_not_equal(s->scratch, was);
	now = io_now(u->w.io);
	assert_int_equal(path_read(s, segment, s->scratch, 4096, 0), IO_TIMEOUT);
	assert_int_equal(io_now(u->w.io), now);
	memset(s->scratch, 'x', 4096);
	sim_release(u->w.second);
	store_step(s, false, u->w.wall);
	assert_false(s->paths[1].waits);
	assert_int_equal(s->scratch[0], 'x');
	assert_int_not_equal(was[0], 'x');
	assert_int_equal(path_read(s, segment, s->scratch, 4096, 0), IO_OK);
	assert_memory_equal(s->scratch, was, 4096);
	end(u);
}

/* Of a disk whose reads fail the open segments take no more; what they have can be written still, and is not lost. */
static void
open_segments_of_a_disk_that_is_down_are_closed(void **state)
{
	struct usage *u = begin();
	struct breaker *breaker = breaker_new(NULL);
	struct store *s;
	unsigned n = 0;

	assert_true(world_close(&u->w));
	u->w.options.others[0].breaker = breaker;
	opened(&u->w);
	s = u->w.store;
	do {
		seal(&u->w);
		set(u, n++, 1000);
	} while (path_of(s, s->open[STREAM_LONG]->segment) != 1);
	breaker_ended(breaker, IO_GONE, BREAKER_NO_PROBE, io_now(u->w.io));
	flush(u);
	assert_true(store_path_is_out(s, 1));
	assert_true(s->open[STREAM_LONG] == NULL || path_of(s, s->open[STREAM_LONG]->segment) == 0);
	world_settle(&u->w, true);
	assert_int_equal(world_counts(&u->w).bad_segments, 0);
	assert_int_equal(world_counts(&u->w).write_errors, 0);
	world_crash(&u->w, SIM_KILL);
	u->w.options.others[0].breaker = NULL;
	reopened(u, STORE_REBUILT);
	has(&u->w, n - 1, u->next - 1);
	end(u);
	breaker_free(&breaker);
}

static uint64_t
generation_in(struct usage *u, const char *path)
{
	_Alignas(IO_ALIGN) char block[FORMAT_BLOCK];
	struct io_file *f = NULL;
	struct super super;
	struct geometry g;

	assert_int_equal(io_open(u->w.second, path, IO_READ_ONLY, NULL, &f), IO_OK);
	assert_int_equal(io_read(f, block, FORMAT_BLOCK, 0, NULL), IO_OK);
	io_close(&f);
	assert_true(format_super_read(block, &super, &g));
	return super.generation;
}

/* While one of a path's supers may be torn, the other is not written. */
static void
one_super_of_each_path_is_whole(void **state)
{
	struct usage *u = begin();
	struct store *s = u->w.store;
	uint64_t last = s->super.generation, whole;
	const char *names[] = { "other/super.a", "other/super.b" };

	fill(u);
	world_settle(&u->w, true);
	last = s->super.generation;
	/* Both take the first one, and the second path not the second. */
	sim_fault_next(u->w.second, IO_SYNC, 2, SIM_EIO, 0);
	assert_int_equal(write_super(s, SUPER_DIRTY), IO_OK);
	assert_int_equal(s->super.generation, last + 2);
	whole = generation_in(u, names[(last + 1) % 2]);
	assert_int_equal(whole, last + 1);
	sim_advance(u->w.io, 6 * S);
	assert_int_equal(write_super(s, SUPER_DIRTY), IO_OK);
	assert_int_equal(s->super.generation, last + 4);
	assert_int_equal(generation_in(u, names[(last + 1) % 2]), whole);
	assert_int_equal(generation_in(u, names[last % 2]), last + 4);
	/* And if that is all that can be written, it is. */
	sim_fault_next(u->w.second, IO_SYNC, 2, SIM_EIO, 0);
	assert_int_equal(write_super(s, SUPER_DIRTY), IO_OK);
	sim_advance(u->w.io, 6 * S);
	let_be(u, 0, DIES);
	for (unsigned i = 0; i < 3; i++) {
		write_super(s, SUPER_DIRTY);
		sim_advance(u->w.io, 6 * S);
	}
	assert_int_equal(write_super(s, SUPER_DIRTY), IO_OK);
	assert_int_equal(generation_in(u, names[s->super.generation % 2]), s->super.generation);
	mend(u, 0);
	use(u, 100);
	end(u);
}

/* A flush_all just when the keeper has waited in vain: what it wrote needs not be given up any more, and nothing waits for it. */
static void
flush_all_while_one_hangs(void **state)
{
	struct usage *u = begin();
	struct store *s = u->w.store;
	unsigned path = 0;

	fill(u);
	set(u, 1, 5000);
	for (unsigned i = 0; i < STREAMS; i++)
		if (s->open[i] != NULL)
			path = path_of(s, s->open[i]->segment);
	assert_int_equal(sim_fault(disk(u, path), 0, SIM_HANG, 0), IO_OK);
	path_look(s);
	write_step(s, true);
	assert_true(s->paths[path].waits);
	store_flush_all(s);
	for (unsigned n = 0; n < 60; n++) {
		sim_advance(u->w.io, S);
		store_step(s, true, u->w.wall);
	}
	assert_int_equal(s->super.flush_seq, s->flush_seq);
	assert_true(store_flushed(s) + 2 * S > io_now(u->w.io));
	for (unsigned key = 0; key < KEYS; key++)
		has_not(&u->w, key);
	for (unsigned key = 0; key < KEYS; key++)
		becomes(u, key, 0);
	flushed(u);
	u->refused = 0;
	for (unsigned i = 0; i < 1000; i++) {
		set(u, i % KEYS, 4000);
		store_step(s, i % 4 == 0, u->w.wall);
	}
	assert_int_equal(u->refused, 0);
	mend(u, path);
	world_settle(&u->w, true);
	world_audit(&u->w);
	end(u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_are_used),
		cmocka_unit_test(one_dies),
		cmocka_unit_test(one_hangs),
		cmocka_unit_test(flush_all_while_one_hangs),
		cmocka_unit_test(one_cannot_be_written),
		cmocka_unit_test(what_ends_without_one_goes_on_with_both),
		cmocka_unit_test(what_hangs_is_left_alone),
		cmocka_unit_test(a_write_that_fails_costs_no_other_path),
		cmocka_unit_test(each_has_a_breaker),
		cmocka_unit_test(memory_of_a_read_that_hangs_is_left_alone),
		cmocka_unit_test(open_segments_of_a_disk_that_is_down_are_closed),
		cmocka_unit_test(one_super_of_each_path_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
