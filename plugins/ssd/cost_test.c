/*
 * What a start and what is stored cost, counted: bytes read and written, and records offered to the index; not time, which is the machine's.
 *
 *	I10	a rebuild reads the heads, trailers and rows of what is sealed, and what was open; and offers each row once
 *	I12	what is written is what came, rounded up, with a row each; and 1/(1 - reinsert) times that at most, if all of it is worth being moved
 */
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
#define MIB (1024 * KIB)

/* ---- counting ---- */

static uint64_t bytes_read, bytes_written, offers;

enum io_status __real_io_read(struct io_file *file, void *data, size_t length, uint64_t offset, size_t *got);
enum io_status __wrap_io_read(struct io_file *file, void *data, size_t length, uint64_t offset, size_t *got);
enum io_status __real_io_write(struct io_file *file, const void *data, size_t length, uint64_t offset, size_t *put);
enum io_status __wrap_io_write(struct io_file *file, const void *data, size_t length, uint64_t offset, size_t *put);
void __real_index_rebuild_offer(struct index *ix, uint64_t hash, uint64_t version, bool dead, const struct entry *e);
void __wrap_index_rebuild_offer(struct index *ix, uint64_t hash, uint64_t version, bool dead, const struct entry *e);

enum io_status
__wrap_io_read(struct io_file *file, void *data, size_t length, uint64_t offset, size_t *got)
{
	bytes_read += length;
	return __real_io_read(file, data, length, offset, got);
}

enum io_status
__wrap_io_write(struct io_file *file, const void *data, size_t length, uint64_t offset, size_t *put)
{
	bytes_written += length;
	return __real_io_write(file, data, length, offset, put);
}

void
__wrap_index_rebuild_offer(struct index *ix, uint64_t hash, uint64_t version, bool dead, const struct entry *e)
{
	offers++;
	__real_index_rebuild_offer(ix, hash, version, dead, e);
}

static void
begin(struct world *w, uint32_t moves)
{
	world_init(w, 64);
	w->options.segment = MIB;
	w->options.capacity = 64 * MIB;
	w->options.bank = 16 * MIB;
	w->options.objects = 400000; /* none is evicted for want of place */
	w->options.moves = moves;
	opened(w);
}

/* ---- I10 ---- */

/*
 * What a rebuild may read, bytes: of each segment head and trailer; rows, twice if there are touches; what was open; and where one was never begun, the
 * 64 KiB behind the head that is not there.
 */
static uint64_t
most_to_read(const struct world *w, uint64_t rows, bool touches, uint64_t open, uint64_t blank)
{
	uint64_t segments = w->store->g.segments, of_rows = rows * sizeof(struct row) + segments * 2 * FORMAT_BLOCK;

	return 2 * FORMAT_BLOCK + segments * 2 * FORMAT_BLOCK + of_rows * (touches ? 2 : 1) + open * MIB +
	       blank * 64 * KIB;
}

static void
a_start_reads_rows(void **state)
{
	for (unsigned len = 500; len <= 32000; len *= 8) {
		unsigned count = 40 * MIB / len;
		struct store_sizes sizes;
		struct world w;
		uint64_t n;

		begin(&w, 0);
		for (unsigned i = 0; i < count; i++) {
			assert_int_equal(world_set(&w, i % 50000, i + 1, len, 0), STORED);
			if (i % 16 == 0)
				world_touch(&w, i % 50000, WORLD_WALL + 100);
			if (i % 64 == 0)
				store_step(w.store, false, w.wall);
		}
		seal(&w);
		store_sizes(w.store, &sizes);
		world_crash(&w, SIM_KILL);
		bytes_read = offers = 0;
		opened(&w);
		assert_int_equal(w.opened.how, STORE_REBUILT);
		assert_int_equal(w.opened.objects, sizes.objects);
		print_message("%u bytes each: %llu rows, %llu offered; %llu bytes read, of %llu written\n", len,
		    (unsigned long long)w.opened.rows, (unsigned long long)offers, (unsigned long long)bytes_read,
		    (unsigned long long)count * len);
		assert_true(w.opened.rows >= count);
		assert_true(offers <= w.opened.rows);
		assert_in_range(bytes_read, 1, most_to_read(&w, w.opened.rows, true, 0, sizes.free));
		assert_true(world_get(&w, count % 50000 - 1, &n, NULL));
		world_fini(&w);
	}
}

/* What was not sealed is read whole, once. */
static void
a_start_reads_what_was_open(void **state)
{
	struct store_sizes sizes;
	struct world w;
	uint64_t open = 0;

	begin(&w, 0);
	for (unsigned i = 0; i < 3000; i++) {
		uint32_t exptimes[] = { 0, WORLD_WALL + 1000, WORLD_WALL + 20000 };

		assert_int_equal(world_set(&w, i, i + 1, 4000, exptimes[i % 3]), STORED);
		if (i % 64 == 0)
			store_step(w.store, true, w.wall);
	}
	world_settle(&w, true);
	for (unsigned i = 0; i < STREAMS; i++)
		open += w.store->open[i] != NULL;
	assert_int_equal(open, 3);
	store_sizes(w.store, &sizes);
	world_crash(&w, SIM_KILL);
	bytes_read = offers = 0;
	opened(&w);
	assert_int_equal(w.opened.objects, 3000);
	assert_int_equal(offers, 3000);
	assert_in_range(bytes_read, MIB, most_to_read(&w, 3000, false, open, sizes.free));
	world_fini(&w);
}

/* A start after a proper end reads the index, and nothing else. */
static void
a_start_reads_the_index(void **state)
{
	struct world w;

	begin(&w, 0);
	for (unsigned i = 0; i < 5000; i++) {
		assert_int_equal(world_set(&w, i, i + 1, 4000, 0), STORED);
		if (i % 64 == 0)
			store_step(w.store, false, w.wall);
	}
	assert_true(world_close(&w));
	bytes_read = offers = 0;
	opened(&w);
	assert_int_equal(w.opened.how, STORE_CLEAN);
	assert_int_equal(offers, 0);
	assert_in_range(bytes_read, 1, index_bytes(w.store->index) + 16 * FORMAT_BLOCK);
	world_fini(&w);
}

/* ---- I12 ---- */

/* Of a record: as it lies there, with its row.  Of a segment: its head and trailer, what rows and records are rounded up to, and what is kept for tombs. */
static double
model(uint64_t records, size_t len, unsigned keylen)
{
	uint64_t chunks = (RECORD_HEAD + keylen + len + 63) / 64;
	double bytes = (double)records * (double)(chunks * 64 + sizeof(struct row));

	return bytes * (1 + 4.0 * FORMAT_BLOCK / MIB);
}

/* Bytes written for each byte of the model, in some laps over a store, of which as many as may be are worth being moved. */
static double
written(uint32_t moves, size_t len, unsigned laps, struct store_counts *counts)
{
	unsigned count = laps * 64 * MIB / (unsigned)len;
	struct world w;
	double more;

	begin(&w, moves);
	bytes_written = 0;
	for (unsigned i = 0; i < count; i++) {
		uint64_t n;

		assert_int_equal(world_set(&w, 10000000 + i, i + 1, len, 0), STORED);
		if (moves != 0)
			assert_true(world_get(&w, 10000000 + i, &n, NULL));
		if (i % 32 == 0)
			store_step(w.store, false, w.wall);
	}
	seal(&w);
	*counts = world_counts(&w);
	/* Supers and all: nothing goes past the count. */
	assert_true(bytes_written >= counts->bytes_written);
	assert_int_equal(counts->index_evictions, 0);
	more = (double)bytes_written / model(count, len, 12);
	print_message("reinsert %u, values of %zu bytes: %.3f of the model written, %.3f of what came; %llu moved\n",
	    moves, len, more, (double)bytes_written / (double)counts->user_bytes, (unsigned long long)counts->moves);
	world_fini(&w);
	return more;
}

static void
writes_what_came(void **state)
{
	struct store_counts counts;

	for (size_t len = 200; len <= 60000; len *= 17) {
		assert_true(written(0, len, 2, &counts) <= 1.05);
		assert_int_equal(counts.moves, 0);
		assert_true(counts.freed_segments > 50);
	}
}

static void
moves_no_more_than_it_may(void **state)
{
	for (uint32_t moves = 10; moves <= 30; moves += 20) {
		struct store_counts counts;
		double most = 1 / (1 - moves / 100.0);

		assert_true(written(moves, 4000, 3, &counts) <= 1.05 * most);
		/* And it was worth a bound. */
		assert_true(counts.moves > 1000);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_reads_rows),
		cmocka_unit_test(a_start_reads_what_was_open),
		cmocka_unit_test(a_start_reads_the_index),
		cmocka_unit_test(writes_what_came),
		cmocka_unit_test(moves_no_more_than_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
