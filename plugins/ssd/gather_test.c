/* Values in pieces that are read, and what of them may be missing or wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gather.h"
#include "world_words.h"

#define KIB 1024
#define MIB (1024 * 1024)

/* More than one piece, in the small segments of a world. */
#define LARGE (300 * KIB)

/* The manifest that a key leads to, for who has to know where its pieces are. */
static struct gather *
manifest_of(struct world *w, unsigned key)
{
	struct gather *g = NULL;
	char name[32], *block = aligned_alloc(IO_ALIGN, w->store->g.segment);
	struct record_head h;
	struct entry e;
	uint64_t khash = store_khash(w->store, name, (size_t)snprintf(name, sizeof name, "key-%u", key));
	const char *at;

	assert_true(index_find(w->store->index, khash, &e));
	assert_int_equal(io_read(write_bank(w->store, e.place.seg), block, w->store->g.segment,
			     geometry_offset(&w->store->g, e.place.seg), NULL),
	    IO_OK);
	at = block + (size_t)e.place.start * w->store->g.chunk;
	assert_true(format_record_read(at, &w->store->g, w->store->segments[e.place.seg].seq, w->store->g.segment, &h));
	assert_int_equal(h.type, RECORD_MANIFEST);
	assert_true(gather_new(&g, &w->fetcher, khash, at + RECORD_HEAD + h.keylen, h.len));
	assert_non_null(g);
	free(block);
	return g;
}

static struct manifest_piece
nth_piece(struct world *w, unsigned key, uint32_t nth)
{
	struct gather *g = manifest_of(w, key);
	struct manifest_piece p = gather_piece(g, nth);

	gather_free(&g);
	return p;
}

/* Up to a MiB one read; beyond, one of the manifest and one of each piece, a MiB at most. */
static void
reads(void **state)
{
	struct world w;
	uint64_t before, bytes, n = 0;
	struct fetch f;

	world_init(&w, 64);
	w.options.segment = 4 << 20;
	w.options.capacity = 128 << 20;
	w.options.bank = 64 << 20;
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, MIB, 0), STORED);
	assert_int_equal(world_set(&w, 2, 2, MIB + 1, 0), STORED);
	assert_int_equal(world_set(&w, 3, 3, 7 * MIB, 0), STORED);
	seal(&w);
	before = sim_operations(w.io);
	has(&w, 1, 1);
	assert_int_equal(sim_operations(w.io), before + 1);
	has(&w, 2, 2);
	assert_int_equal(sim_operations(w.io), before + 1 + 3);
	bytes = io_queue_counts(w.queue)->bytes[IO_READ];
	before = sim_operations(w.io);
	has(&w, 3, 3);
	/* Seven that are whole, and what was left of a segment once or twice. */
	assert_in_range(sim_operations(w.io), before + 1 + 8, before + 1 + 10);
	assert_true(io_queue_counts(w.queue)->bytes[IO_READ] - bytes < 7 * MIB + 12 * 2 * FORMAT_BLOCK);
	/* Is it there at all?  No piece is read for that. */
	before = sim_operations(w.io);
	assert_int_equal(world_fetch(&w, 3, false, &n, &f), FETCH_HIT);
	assert_int_equal(f.len, 7 * MIB);
	assert_int_equal(sim_operations(w.io), before + 2);
	world_fini(&w);
}

/* When a piece's segment is freed the value goes; after a crash too, which may find the manifest again. */
static void
a_freed_piece(void **state)
{
	struct world w;
	struct manifest_piece first;

	world_init(&w, 32);
	w.options.moves = 90;
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, LARGE, WORLD_WALL + 1000), STORED);
	seal(&w);
	has(&w, 1, 1);
	first = nth_piece(&w, 1, 0);
	for (unsigned i = 0; w.store->segments[first.segment].seq == first.seq && i < 1000; i++) {
		assert_int_equal(world_set(&w, 1000 + i, 1, 30 * KIB, 0), STORED);
		store_step(w.store, false, w.wall);
	}
	assert_int_not_equal(w.store->segments[first.segment].seq, first.seq);
	has_not(&w, 1);
	assert_false(world_delete(&w, 1));
	world_settle(&w, true);
	world_audit(&w);
	assert_int_equal(world_counts(&w).check_errors, 0);
	/* After a crash the manifest is found again, and leads to nothing. */
	world_crash(&w, SIM_KILL);
	opened(&w);
	assert_false(world_touch(&w, 1, WORLD_WALL + 2000));
	has_not(&w, 1);
	assert_int_equal(world_counts(&w).check_errors, 0);
	world_fini(&w);
}

/* Where a byte of a piece, or of the manifest, is on the disk. */
static void
flip(struct world *w, uint32_t segment, uint64_t byte)
{
	char path[64];

	snprintf(path, sizeof path, "store/data.%03u", geometry_bank(&w->store->g, segment));
	assert_int_equal(sim_flip(w->io, path, (geometry_offset(&w->store->g, segment) + byte) * 8), IO_OK);
}

static void
a_damaged_piece(void **state)
{
	/* In a head, in what it says, and at the very end. */
	for (unsigned i = 0; i < 3; i++) {
		struct world w;
		struct manifest_piece p;
		uint64_t at;

		world_init(&w, 64);
		opened(&w);
		assert_int_equal(world_set(&w, 1, 1, LARGE, 0), STORED);
		assert_int_equal(world_set(&w, 2, 2, LARGE, 0), STORED);
		seal(&w);
		p = nth_piece(&w, 1, i);
		at = (uint64_t)p.start * w.store->g.chunk + (i == 0 ? 20 : i == 1 ? 5000 : RECORD_HEAD + p.len - 1);
		flip(&w, p.segment, at);
		has_not(&w, 1);
		assert_int_equal(world_counts(&w).check_errors, 1);
		assert_int_equal(index_count(w.store->index), 1);
		has(&w, 2, 2);
		/* And it stays away. */
		world_settle(&w, true);
		flip(&w, p.segment, at);
		world_crash(&w, SIM_KILL);
		opened(&w);
		has_not(&w, 1);
		has(&w, 2, 2);
		world_fini(&w);
	}
}

static void
a_damaged_manifest(void **state)
{
	struct world w;
	struct entry e;
	char name[] = "key-1";

	world_init(&w, 64);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, LARGE, 0), STORED);
	seal(&w);
	assert_true(index_find(w.store->index, store_khash(w.store, name, 5), &e));
	flip(&w, e.place.seg, (uint64_t)e.place.start * w.store->g.chunk + RECORD_HEAD + 5 + 40);
	has_not(&w, 1);
	assert_int_equal(world_counts(&w).check_errors, 1);
	world_fini(&w);
}

/* A manifest whose sums are right, and which says what cannot be. */
static void
impossible_manifests(void **state)
{
	struct geometry g = { .chunk = 64, .segment = 128 * KIB, .segments = 8, .per_bank = 8, .banks = 1 };
	struct {
		struct manifest m;
		struct manifest_piece p[2];
	} good = { { .len = 300, .version = 5, .count = 2 },
		{ { .seq = 1, .segment = 7, .start = 64, .len = 200 },
		    { .seq = 2, .segment = 0, .start = 100, .len = 100 } } },
	  bad;
	struct manifest m;

	assert_true(format_manifest_read(&good, sizeof good, &g, &m));
	assert_int_equal(format_piece(&good, 1).start, 100);
	assert_false(format_manifest_read(&good, sizeof good - 1, &g, &m));
	assert_false(format_manifest_read(&good, 7, &g, &m));
#define IS_BAD(change)                                                        \
	do {                                                                  \
		bad = good;                                                   \
		change;                                                       \
		assert_false(format_manifest_read(&bad, sizeof bad, &g, &m)); \
	} while (0)
	IS_BAD(bad.m.len++);
	IS_BAD(bad.m.count = 0);
	IS_BAD(bad.m.count = UINT32_MAX);
	IS_BAD(bad.m.version = 0);
	IS_BAD(bad.p[0].segment = 8);
	IS_BAD(bad.p[0].seq = 0);
	IS_BAD(bad.p[0].start = 63);
	IS_BAD(bad.p[0].start = UINT32_MAX);
	IS_BAD(bad.p[1].len = 0; bad.m.len -= 100);
	IS_BAD(bad.p[1].len = FORMAT_PIECE_MOST + 1; bad.m.len += FORMAT_PIECE_MOST - 99);
	IS_BAD(bad.p[1].len = 128 * KIB; bad.m.len += 128 * KIB - 100);
}

/* ---- reading ---- */

static size_t
bytes_out(struct world *w)
{
	size_t out, kept;

	buffers_usage(w->buffers, &out, &kept);
	return out;
}

/* All its memory is counted, and taken before anything is read. */
static void
bounded_memory(void **state)
{
	struct world w;
	uint64_t before, n = 0;
	struct fetch f;

	world_init(&w, 64);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 900 * KIB, 0), STORED);
	seal(&w);
	buffers_free(&w.buffers);
	w.buffers = buffers_new(800 * KIB);
	w.fetcher.buffers = w.buffers;
	before = sim_operations(w.io);
	assert_int_equal(world_fetch(&w, 1, true, &n, &f), FETCH_FAILED);
	assert_int_equal(f.status, IO_NO_MEMORY);
	assert_int_equal(sim_operations(w.io), before + 1);
	assert_int_equal(bytes_out(&w), 0);
	assert_int_equal(world_fetch(&w, 1, false, &n, &f), FETCH_HIT);
	assert_int_equal(bytes_out(&w), 0);
	buffers_free(&w.buffers);
	w.buffers = buffers_new(2 * MIB);
	w.fetcher.buffers = w.buffers;
	has(&w, 1, 1);
	assert_int_equal(bytes_out(&w), 0);
	world_fini(&w);
}

/* Any of its reads fails: a miss.  Any hangs: its time is over, once for all of them, and the value is there afterwards. */
static void
a_disk_that_fails(void **state)
{
	for (unsigned nth = 1; nth < 6; nth++) {
		struct world w;
		uint64_t n = 0, began;
		struct fetch f;

		world_init(&w, 64);
		opened(&w);
		assert_int_equal(world_set(&w, 1, 1, 400 * KIB, 0), STORED);
		seal(&w);
		assert_int_equal(sim_fault_next(w.io, IO_READ, nth, SIM_HANG, 0), IO_OK);
		began = io_now(w.io);
		assert_int_equal(world_fetch(&w, 1, true, &n, &f), FETCH_FAILED);
		assert_int_equal(f.status, IO_TIMEOUT);
		assert_true(io_now(w.io) - began <= 2 * w.fetcher.time);
		sim_clear_faults(w.io);
		sim_release(w.io);
		while (io_pending(w.queue) > 0)
			io_wait(w.queue, 1000000000);
		assert_int_equal(bytes_out(&w), 0);
		has(&w, 1, 1);
		assert_int_equal(sim_fault_next(w.io, IO_READ, nth, SIM_EIO, 0), IO_OK);
		assert_int_equal(world_fetch(&w, 1, true, &n, &f), FETCH_MISS);
		sim_clear_faults(w.io);
		has_not(&w, 1);
		assert_int_equal(world_counts(&w).read_errors, 2);
		assert_int_equal(bytes_out(&w), 0);
		world_fini(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(a_freed_piece),
		cmocka_unit_test(a_damaged_piece),
		cmocka_unit_test(a_damaged_manifest),
		cmocka_unit_test(impossible_manifests),
		cmocka_unit_test(bounded_memory),
		cmocka_unit_test(a_disk_that_fails),
	};

	for (int failed, i = 0; i < 2; i++) {
		world_grain = i == 0 ? IO_GRAIN_LEAST : IO_ALIGN;
		failed = cmocka_run_group_tests(tests, NULL, NULL);
		if (failed != 0)
			return failed;
	}
	return 0;
}
