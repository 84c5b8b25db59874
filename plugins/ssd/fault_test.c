/* Disks that fail, and files that somebody has changed: no wrong value, no crash, and it goes on when the disk does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_words.h"

#define KEYS 60

static uint64_t
random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

static unsigned
rounds(unsigned few)
{
	return getenv("REND_TEST_LONG") != NULL ? 50 * few : few;
}

/* ---- I7: a disk that fails while the store is used ---- */

#define S 1000000000ULL

/* No answer is later than it may be: what is moved by the time that is waited for. */
static enum fetched
fetch_in_time(struct world *w, unsigned key, bool whole, uint64_t *n, struct fetch *f)
{
	uint64_t began = io_now(w->io);
	enum fetched how = world_fetch(w, key, whole, n, f);

	assert_in_range(io_now(w->io) - began, 0, w->fetcher.time + S / 100);
	return how;
}

struct usage {
	struct world w;
	uint64_t is[KEYS]; /* 0: nothing */
	uint64_t next, rnd;
};

/* What cannot be looked at is not deleted, and is as it was. */
static void
remove_key(struct usage *u, unsigned key)
{
	bool deleted = world_delete(&u->w, key);
	uint64_t n = 0;
	struct fetch f;

	switch (fetch_in_time(&u->w, key, true, &n, &f)) {
	case FETCH_HIT:
		assert_false(deleted);
		assert_int_equal(n, u->is[key]);
		break;
	case FETCH_MISS:
		u->is[key] = 0;
		break;
	case FETCH_FAILED:
		if (deleted)
			u->is[key] = 0;
	}
}

static void
use(struct usage *u)
{
	unsigned key = random_next(&u->rnd) % KEYS;
	uint64_t n = 0;
	struct fetch f;

	switch (random_next(&u->rnd) % 6) {
	case 0:
	case 1:
		n = u->next++;
		u->is[key] = world_set(&u->w, key, n, 32 + random_next(&u->rnd) % 12000, 0) == STORED ? n : 0;
		break;
	case 2:
		if (random_next(&u->rnd) % 4 == 0)
			remove_key(u, key);
		break;
	default:
		if (fetch_in_time(&u->w, key, true, &n, &f) == FETCH_HIT)
			assert_int_equal(n, u->is[key]);
	}
	if (random_next(&u->rnd) % 10 == 0)
		store_step(u->w.store, random_next(&u->rnd) % 2 == 0, u->w.wall);
}

static void
inject(struct usage *u)
{
	static const enum sim_fault faults[] = { SIM_EIO, SIM_ENOSPC, SIM_SHORT, SIM_FLIP, SIM_MISDIRECT, SIM_LOSE,
		SIM_HANG };
	enum sim_fault fault = faults[random_next(&u->rnd) % (sizeof faults / sizeof *faults)];
	enum io_kind kind = random_next(&u->rnd) % 3 == 0   ? IO_WRITE
			    : random_next(&u->rnd) % 4 == 0 ? IO_SYNC
							    : IO_READ;
	uint64_t amount = fault == SIM_MISDIRECT ? 4096 : random_next(&u->rnd) % 4096;

	sim_fault_next(u->w.io, kind, 1 + random_next(&u->rnd) % 10, fault, amount);
}

static void
failing_disk(void **state)
{
	for (unsigned round = 0; round < rounds(8); round++) {
		struct usage u = { .next = 1, .rnd = round + 1 };
		unsigned stored = 0;

		world_init(&u.w, 32);
		u.w.options.sync = round % 2 == 0 ? STORE_SYNC_SEAL : STORE_SYNC_FLUSH;
		opened(&u.w);
		for (unsigned i = 0; i < 4000; i++) {
			if (i % 20 == 0 && i < 3000)
				inject(&u);
			use(&u);
		}
		assert_true(sim_faults(u.w.io) > 20);
		/* The disk is well again, and so is the store. */
		sim_clear_faults(u.w.io);
		sim_release(u.w.io);
		for (unsigned i = 0; i < 40; i++) {
			sim_advance(u.w.io, 1000000000);
			world_settle(&u.w, true);
		}
		for (unsigned key = 0; key < KEYS; key++)
			stored += world_set(&u.w, key, u.next++, 500, 0) == STORED;
		assert_int_equal(stored, KEYS);
		world_settle(&u.w, true);
		assert_true(world_close(&u.w));
		opened(&u.w);
		world_fini(&u.w);
	}
}

/* ---- I7: what is counted is what there was ---- */

enum { FAULTY = 1, COUNTED = 4 };

/* So many faults of a kind, one after the other, each at an operation of its own, and the store that they are for. */
struct counted {
	const char *what;
	enum io_kind kind;
	enum sim_fault fault;
	uint64_t amount;
	unsigned in_a_row; /* operations that have it: the next ones, one behind the other */
	bool is_there;	   /* afterwards */
	/* How much each of these rises with one. */
	unsigned read_errors, check_errors, write_errors, bad_segments;
};

static const struct counted reads_that_fail[] = {
	{ "a read fails", IO_READ, SIM_EIO, 0, 1, false, .read_errors = 1 },
	{ "a read that finds no room", IO_READ, SIM_ENOSPC, 0, 1, false, .read_errors = 1 },
	{ "a read that ends early", IO_READ, SIM_SHORT, 0, 1, false, .read_errors = 1 },
	{ "a read that hangs", IO_READ, SIM_HANG, 0, 1, true, .read_errors = 1 },
	{ "a bit that turns", IO_READ, SIM_FLIP, 40000, 1, true, .read_errors = 0 },
	{ "three bits that turn", IO_READ, SIM_FLIP, 40000, 3, true, .read_errors = 0 },
	{ "a bit that is another each time", IO_READ, SIM_FLIP, 40000, 4, false, .check_errors = 1 },
	{ "a read that goes astray", IO_READ, SIM_MISDIRECT, 4096, 1, true, .read_errors = 0 },
	{ "reads that go astray", IO_READ, SIM_MISDIRECT, 4096, 4, false, .check_errors = 1 },
};

static void
has_counted(struct world *w, const struct counted *c, const struct store_counts *before, unsigned times)
{
	struct store_counts now = world_counts(w);

	if (now.read_errors - before->read_errors != c->read_errors * times ||
	    now.check_errors - before->check_errors != c->check_errors * times ||
	    now.write_errors - before->write_errors != c->write_errors * times ||
	    now.bad_segments - before->bad_segments != c->bad_segments * times)
		fail_msg("%s, %u times: %llu reads failed, %llu were wrong, %llu writes failed, %llu segments are bad",
		    c->what, times, (unsigned long long)(now.read_errors - before->read_errors),
		    (unsigned long long)(now.check_errors - before->check_errors),
		    (unsigned long long)(now.write_errors - before->write_errors),
		    (unsigned long long)(now.bad_segments - before->bad_segments));
}

static void
failed_reads_are_counted(void **state)
{
	for (size_t i = 0; i < sizeof reads_that_fail / sizeof *reads_that_fail; i++) {
		const struct counted *c = &reads_that_fail[i];
		struct store_counts before;
		struct world w;

		world_init(&w, 32);
		opened(&w);
		for (unsigned key = FAULTY; key < FAULTY + COUNTED; key++)
			assert_int_equal(world_set(&w, key, key, 6000, 0), STORED);
		seal(&w);
		before = world_counts(&w);
		for (unsigned key = FAULTY; key < FAULTY + COUNTED; key++) {
			uint64_t n = 0;
			struct fetch f;

			for (unsigned nth = 1; nth <= c->in_a_row; nth++)
				assert_int_equal(sim_fault_next(w.io, c->kind, nth, c->fault, c->amount + nth), IO_OK);
			fetch_in_time(&w, key, true, &n, &f);
			sim_clear_faults(w.io);
			sim_release(w.io);
			if ((fetch_in_time(&w, key, true, &n, &f) == FETCH_HIT) != c->is_there)
				fail_msg("%s: it %s there", c->what, c->is_there ? "is not" : "is");
			has_counted(&w, c, &before, key - FAULTY + 1);
		}
		if (sim_faults(w.io) != (uint64_t)COUNTED * c->in_a_row)
			fail_msg("%s: %llu faults took effect", c->what, (unsigned long long)sim_faults(w.io));
		world_fini(&w);
	}
}

static const struct counted writes_that_fail[] = {
	{ "a write that fails once", IO_WRITE, SIM_EIO, 0, 1, true, .read_errors = 0 },
	{ "a write that fails twice", IO_WRITE, SIM_EIO, 0, 2, false, .write_errors = 1, .bad_segments = 1 },
	{ "a write that twice finds no room", IO_WRITE, SIM_ENOSPC, 0, 2, false, .write_errors = 1, .bad_segments = 1 },
	{ "a write that twice ends early", IO_WRITE, SIM_SHORT, 0, 2, false, .write_errors = 1, .bad_segments = 1 },
	{ "a write that twice ends late", IO_WRITE, SIM_HANG, 0, 2, false, .write_errors = 1, .bad_segments = 1 },
	{ "a sync that fails", IO_SYNC, SIM_EIO, 0, 1, false, .write_errors = 1, .bad_segments = 1 },
};

static void
failed_writes_are_counted(void **state)
{
	for (size_t i = 0; i < sizeof writes_that_fail / sizeof *writes_that_fail; i++) {
		const struct counted *c = &writes_that_fail[i];
		struct store_counts before;
		struct world w;

		world_init(&w, 32);
		opened(&w);
		before = world_counts(&w);
		for (unsigned key = FAULTY; key < FAULTY + COUNTED; key++) {
			uint64_t n = 0;
			struct fetch f;

			assert_int_equal(world_set(&w, key, key, 6000, 0), STORED);
			for (unsigned nth = 1; nth <= c->in_a_row; nth++)
				assert_int_equal(sim_fault_next(w.io, c->kind, nth, c->fault, c->amount), IO_OK);
			world_settle(&w, true);
			sim_clear_faults(w.io);
			sim_release(w.io);
			world_settle(&w, true);
			if ((fetch_in_time(&w, key, true, &n, &f) == FETCH_HIT) != c->is_there)
				fail_msg("%s: it %s there", c->what, c->is_there ? "is not" : "is");
			has_counted(&w, c, &before, key - FAULTY + 1);
		}
		if (sim_faults(w.io) != (uint64_t)COUNTED * c->in_a_row)
			fail_msg("%s: %llu faults took effect", c->what, (unsigned long long)sim_faults(w.io));
		world_audit(&w);
		world_fini(&w);
	}
}

/* A flush that could not write says so: nothing counts as flushed until one has. */
static void
failed_flush(void **state)
{
	struct world w;
	uint64_t flushed;

	world_init(&w, 32);
	opened(&w);
	sim_advance(w.io, 1000);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	store_step(w.store, false, w.wall);
	assert_int_equal(store_flushed(w.store), io_now(w.io) - 1000);
	store_step(w.store, true, w.wall);
	flushed = store_flushed(w.store);
	assert_int_equal(flushed, io_now(w.io));
	sim_advance(w.io, 1000);
	assert_int_equal(world_set(&w, 2, 1, 100, 0), STORED);
	/* Twice: it tries again. */
	for (uint64_t n = 1; n <= 2; n++)
		assert_int_equal(sim_fault_next(w.io, IO_WRITE, n, SIM_EIO, 0), IO_OK);
	store_step(w.store, true, w.wall);
	assert_int_equal(store_flushed(w.store), flushed);
	for (unsigned i = 0; i < 3; i++) {
		sim_advance(w.io, 1000);
		store_step(w.store, true, w.wall);
	}
	assert_true(store_flushed(w.store) > flushed);
	world_fini(&w);
}

/* The device is gone for a while: nothing hangs, nothing old comes back. */
static void
device_gone(void **state)
{
	struct usage u = { .next = 1, .rnd = 99 };
	struct world *w = &u.w;

	world_init(w, 32);
	opened(w);
	for (unsigned i = 0; i < 2000; i++)
		use(&u);
	sim_fault(w->io, 0, SIM_GONE, 0);
	for (unsigned i = 0; i < 3000; i++)
		use(&u);
	sim_clear_faults(w->io);
	sim_back(w->io);
	for (unsigned i = 0; i < 40; i++) {
		sim_advance(w->io, 1000000000);
		world_settle(w, true);
	}
	for (unsigned i = 0; i < 2000; i++)
		use(&u);
	for (unsigned key = 0; key < KEYS; key++)
		assert_int_equal(world_set(w, key, u.next + key, 500, 0), STORED);
	world_settle(w, true);
	world_audit(w);
	world_crash(w, SIM_KILL);
	opened(w);
	for (unsigned key = 0; key < KEYS; key++) {
		uint64_t n = 0;

		if (world_get(w, key, &n, NULL))
			assert_int_equal(n, u.next + key);
	}
	world_fini(w);
}

/* A write that fails twice costs its segment, and what was in it is gone rather than old. */
static void
bad_segment(void **state)
{
	struct world w;
	uint64_t n = 0;

	world_init(&w, 32);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
	world_settle(&w, true);
	assert_int_equal(world_set(&w, 1, 2, 1000, 0), STORED);
	sim_fault_next(w.io, IO_WRITE, 1, SIM_EIO, 0);
	sim_fault_next(w.io, IO_WRITE, 2, SIM_EIO, 0);
	world_settle(&w, true);
	assert_int_equal(world_counts(&w).bad_segments, 1);
	assert_int_equal(world_counts(&w).write_errors, 1);
	assert_false(world_get(&w, 1, &n, NULL));
	world_audit(&w);
	world_crash(&w, SIM_KILL);
	opened(&w);
	assert_false(world_get(&w, 1, &n, NULL));
	world_fini(&w);
}

/* A record that is not what was written is a miss, once; a read that turned a bit is tried again. */
static void
bad_record(void **state)
{
	struct world w;
	struct entry e = { 0 };
	uint64_t n = 0, at;

	world_init(&w, 32);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 6000, 0), STORED);
	assert_int_equal(world_set(&w, 2, 2, 6000, 0), STORED);
	assert_true(world_close(&w));
	opened(&w);
	assert_true(index_find(w.store->index, store_khash(w.store, "key-1", 5), &e));
	at = geometry_offset(&w.store->g, e.place.seg) + (uint64_t)e.place.start * w.store->g.chunk;
	sim_fault_next(w.io, IO_READ, 1, SIM_FLIP, 8000);
	assert_true(world_get(&w, 1, &n, NULL));
	assert_int_equal(geometry_bank(&w.store->g, e.place.seg), 0);
	assert_int_equal(sim_flip(w.io, "store/data.000", (at + 3000) * 8), IO_OK);
	assert_false(world_get(&w, 1, &n, NULL));
	assert_int_equal(world_counts(&w).check_errors, 1);
	assert_true(world_get(&w, 2, &n, NULL));
	assert_int_equal(index_count(w.store->index), 1);
	world_fini(&w);
}

/* ---- I9: files that somebody changed while nobody looked ---- */

static void
change_files(struct world *w, uint64_t *rnd)
{
	static const char *const names[] = { "store/super.a", "store/super.b", "store/index.snap", "store/data.000",
		"store/data.001", "store/data.002" };
	static const uint64_t sizes[] = { 4096, 4096, 80000, 1 << 20, 1 << 20, 1 << 20 };

	for (unsigned n = 1 + random_next(rnd) % 8; n > 0; n--) {
		unsigned file = random_next(rnd) % 6;
		/* Where it hurts: at a segment's begin or end, or anywhere. */
		uint64_t byte = random_next(rnd) % sizes[file];

		if (file >= 3 && random_next(rnd) % 2 == 0)
			byte = byte / (128 << 10) * (128 << 10) +
			       (random_next(rnd) % 2 == 0 ? byte % 8192 : (120 << 10) + byte % 8192);
		if (random_next(rnd) % 10 == 0)
			sim_truncate(w->io, names[file], byte);
		else
			sim_flip(w->io, names[file], byte * 8 + random_next(rnd) % 8);
	}
}

static void
changed_files(void **state)
{
	unsigned found = 0, refused = 0;

	for (unsigned round = 0; round < rounds(150); round++) {
		struct usage u = { .next = 1, .rnd = round + 1000 };
		struct world *w = &u.w;

		world_init(w, 24);
		opened(w);
		for (unsigned i = 0; i < 300; i++)
			use(&u);
		world_settle(w, true);
		if (round % 2 == 0)
			assert_true(world_close(w));
		world_crash(w, SIM_KILL);
		change_files(w, &u.rnd);
		if (world_open(w)) {
			for (unsigned key = 0; key < KEYS; key++) {
				struct fetch f;
				uint64_t n = 0;

				found += world_fetch(w, key, true, &n, &f) == FETCH_HIT;
			}
			for (unsigned i = 0; i < 100; i++) {
				unsigned key = random_next(&u.rnd) % KEYS;

				world_set(w, key, u.next++, 3000, 0);
				store_step(w->store, true, w->wall);
			}
		} else {
			assert_true(w->opened.sentence[0] != '\0');
			refused++;
		}
		world_fini(w);
	}
	assert_true(found > 1000);
	print_message("%u values found in changed files; %u stores would not open\n", found, refused);
}

/* Bytes of anybody's: the decoders look at all, and believe nothing. */
static void
decoders(void **state)
{
	struct geometry g = {
		.chunk = 64, .segment = 128 << 10, .per_bank = 8, .segments = 24, .banks = 3, .bank = 1 << 20
	};
	uint8_t *block = malloc(FORMAT_BLOCK), uuid[FORMAT_UUID] = { 0 };
	uint64_t rnd = 7;

	for (unsigned n = 0; n < 20000; n++) {
		struct segment_trailer t;
		struct segment_head sh;
		struct record_head h;
		struct super s;
		size_t room = random_next(&rnd) % FORMAT_BLOCK;

		for (unsigned i = 0; i < FORMAT_BLOCK; i += 64 + random_next(&rnd) % 64)
			block[i] = (uint8_t)random_next(&rnd);
		assert_false(format_super_read(block, &s, &g));
		assert_false(format_segment_head_read(block, uuid, 1, &sh));
		assert_false(format_trailer_read(block, &g, uuid, 1, &t));
		assert_false(format_record_read(block + FORMAT_BLOCK - room, &g, 1, room, &h));
	}
	/* Right sums over wrong numbers. */
	for (unsigned n = 0; n < 20000; n++) {
		struct segment_trailer t = { .magic = TRAILER_MAGIC,
			.seq = 1,
			.number = 1,
			.rows = (uint32_t)random_next(&rnd),
			.used = (uint32_t)random_next(&rnd),
			.touches = (uint32_t)random_next(&rnd) };
		struct record_head h = { .type = (uint8_t)random_next(&rnd) % 8,
			.keylen = (uint8_t)random_next(&rnd),
			.len = (uint32_t)(random_next(&rnd) >> random_next(&rnd) % 32),
			.chunks = (uint32_t)(random_next(&rnd) >> random_next(&rnd) % 32),
			.seq = 1 };
		struct record_head is;

		format_trailer(block, &t);
		if (format_trailer_read(block, &g, uuid, 1, &t))
			assert_true((uint64_t)t.used * 64 + (uint64_t)t.rows * 24 + 4096 <= g.segment);
		format_record(&h);
		memcpy(block, &h, sizeof h);
		if (format_record_read(block, &g, 1, FORMAT_BLOCK, &is))
			assert_true((uint64_t)is.chunks * 64 <= FORMAT_BLOCK &&
				    RECORD_HEAD + is.keylen + is.len <= FORMAT_BLOCK);
	}
	free(block);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failing_disk),
		cmocka_unit_test(failed_reads_are_counted),
		cmocka_unit_test(failed_writes_are_counted),
		cmocka_unit_test(failed_flush),
		cmocka_unit_test(device_gone),
		cmocka_unit_test(bad_segment),
		cmocka_unit_test(bad_record),
		cmocka_unit_test(changed_files),
		cmocka_unit_test(decoders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
