/* What one step, one read, and the end may take: time, memory, room and files have bounds. */
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
#define S   1000000000ULL

/* ---- a step ---- */

/* Large segments whose values are all worth keeping: they go by and by, and whoever stores meanwhile is not refused. */
static void
segments_go_by_and_by(void **state)
{
	struct world w;
	uint64_t most = 0, n;

	world_init(&w, 0);
	w.options.segment = 8 * MIB;
	w.options.capacity = 16 * 8 * MIB;
	w.options.bank = 64 * MIB;
	w.options.images = 5;
	w.options.moves = 90;
	opened(&w);
	for (unsigned key = 0; key < 4000; key++) {
		uint64_t moves = world_counts(&w).moves;

		assert_int_equal(world_set(&w, key, 1, 60 * KIB, 0), STORED);
		world_get(&w, key, &n, NULL);
		store_step(w.store, false, w.wall);
		if (world_counts(&w).moves - moves > most)
			most = world_counts(&w).moves - moves;
	}
	assert_true(world_counts(&w).freed_segments > 10);
	assert_true(world_counts(&w).moves > 500);
	/* A segment has 136. */
	assert_in_range(most, 1, 80);
	world_settle(&w, true);
	world_audit(&w);
	world_fini(&w);
}

/*
 * So much expires in the same second that its tombs are far more than there is room for at once, as most images are in use: nothing is given up for
 * that.
 */
static void
much_expires_at_once(void **state)
{
	static const uint32_t exptimes[] = { 0, WORLD_WALL + 50000, WORLD_WALL + 3000 };
	struct world w;

	world_init(&w, 64);
	w.options.images = 5;
	opened(&w);
	assert_int_equal(world_set(&w, 9999, 1, 100, 0), STORED);
	seal(&w);
	for (unsigned i = 0; i < 25000; i++) {
		assert_int_equal(world_set(&w, i % 500, i, 100, WORLD_WALL + 60), STORED);
		if (i % 50 == 0)
			store_step(w.store, false, w.wall);
	}
	seal(&w);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(world_set(&w, 8000 + i, 1, 110 * KIB, exptimes[i]), STORED);
	w.wall += 61;
	world_settle(&w, false);
	assert_true(world_counts(&w).expired_segments > 30);
	assert_int_equal(world_counts(&w).discards, 0);
	assert_true(world_counts(&w).tombs > 15000);
	world_settle(&w, true);
	world_audit(&w);
	world_crash(&w, SIM_KILL);
	opened(&w);
	assert_int_equal(w.opened.objects, 4);
	has(&w, 9999, 1);
	world_fini(&w);
}

/* All that can be noted without the keeper is noted. */
static void
fill_up(struct world *w)
{
	bool room = true;

	for (unsigned n = 0; world_set(w, 20000 + n, 1, 20 * KIB, 0) == STORED; n++)
		assert_true(n < 10000);
	for (unsigned n = 0; room; n++) {
		pthread_mutex_lock(&w->store->lock);
		room = log_takes_tombs(w->store);
		pthread_mutex_unlock(&w->store->lock);
		if (room)
			log_tomb(w->store, n, 0, 0);
	}
	assert_int_equal(w->store->tomb_count, 0);
}

/* The same with one segment, when there is room for none of its tombs. */
static void
much_expires_in_one_segment(void **state)
{
	struct world w;

	world_init(&w, 0);
	w.options.segment = MIB;
	w.options.capacity = 32 * MIB;
	w.options.bank = 32 * MIB;
	w.options.images = 5;
	opened(&w);
	assert_int_equal(world_set(&w, 9999, 1, 100, 0), STORED);
	seal(&w);
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(world_set(&w, i % 500, i, 100, WORLD_WALL + 60), STORED);
		store_step(w.store, false, w.wall);
	}
	seal(&w);
	w.wall += 61;
	fill_up(&w);
	world_settle(&w, false);
	assert_in_range(world_counts(&w).expired_segments, 2, 4);
	assert_int_equal(world_counts(&w).discards, 0);
	world_settle(&w, true);
	world_audit(&w);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has(&w, 9999, 1);
	has_not(&w, 1);
	world_fini(&w);
}

/* A segment that hid older values is not used again before there are tombs on the disk in its stead. */
static void
tombs_come_first(void **state)
{
	struct world w;
	struct entry e = { 0 };

	world_init(&w, 32);
	w.options.moves = 0;
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	seal(&w);
	assert_int_equal(world_set(&w, 1, 2, 100, WORLD_WALL + 10), STORED);
	seal(&w);
	assert_true(index_find(w.store->index, store_khash(w.store, "key-1", 5), &e));
	w.wall += 11;
	fill_up(&w);
	/* Its tomb has to wait, and there is a checkpoint. */
	w.store->super_due = true;
	store_step(w.store, false, w.wall);
	assert_int_equal(w.store->segments[e.place.seg].state, SEGMENT_FREEING);
	assert_int_equal(w.store->tomb_count, 1);
	assert_false(w.store->super_due);
	world_settle(&w, true);
	assert_int_equal(w.store->tomb_count, 0);
	assert_int_equal(world_counts(&w).discards, 0);
	world_audit(&w);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has_not(&w, 1);
	world_fini(&w);
}

/* When there are too many to wait, what is given up for them is no more than what they could hide: of several, the oldest go without. */
static void
tombs_cost_what_they_hide(void **state)
{
	struct record_head head = { 0 };
	struct world w;
	uint64_t n;

	world_init(&w, 32);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	seal(&w);
	assert_int_equal(world_set(&w, 2, 1, 100, 0), STORED);
	seal(&w);
	assert_true(world_get(&w, 1, &n, &head));
	fill_up(&w);
	for (unsigned i = 0; i <= TOMBS_MAX; i++)
		log_tomb(w.store, i, head.version, 0);
	assert_int_equal(world_counts(&w).discards, 1);
	assert_int_equal(w.store->discard_below, head.version + 1);
	world_settle(&w, true);
	has(&w, 1, 1);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has_not(&w, 1);
	has(&w, 2, 1);
	world_fini(&w);
}

/* ---- room ---- */

/* What a random life leaves behind when all of it is flushed is what there was at first: free segments, free images, an empty index. */
static void
nothing_leaks(void **state)
{
	struct world w;
	uint64_t rnd = 1, n, freed = 0;
	const struct image *im;
	uint32_t images = 0;
	struct store_sizes sizes;

	world_init(&w, 40);
	opened(&w);
	for (unsigned lap = 0; lap < 10; lap++) {
		/* As many bytes as there are, and some more. */
		for (uint64_t bytes = 0; bytes < w.options.capacity * 5 / 4;) {
			unsigned key, len;

			rnd = rnd * 6364136223846793005ULL + 1442695040888963407ULL;
			key = (unsigned)(rnd >> 33) % 3000;
			len = (rnd >> 45) % 40 == 0 ? 150 * KIB : 32 + (unsigned)(rnd >> 50) % 9000;
			switch ((rnd >> 40) % 8) {
			case 0:
				world_delete(&w, key);
				break;
			case 1:
				world_touch(&w, key, (uint32_t)w.wall + 30);
				break;
			case 2:
				world_get(&w, key, &n, NULL);
				break;
			default:
				world_set(
				    &w, key, lap, len, rnd >> 63 ? 0 : (uint32_t)w.wall + 1 + (uint32_t)(rnd >> 57));
				bytes += len;
			}
			if ((rnd >> 36) % 8 == 0)
				store_step(w.store, rnd >> 62 == 0, w.wall);
			w.wall += (rnd >> 37) % 16 == 0;
		}
		/* The disk fails twice in a row, now and then. */
		sim_fault_next(w.io, IO_WRITE, 1, SIM_EIO, 0);
		sim_fault_next(w.io, IO_WRITE, 2, SIM_EIO, 0);
		world_settle(&w, true);
		sim_advance(w.io, 6 * S);
		world_settle(&w, true);
		world_audit(&w);
		store_sizes(w.store, &sizes);
		assert_true(sizes.free >= free_wanted(w.store));
		assert_int_equal(sizes.free + sizes.open + sizes.sealed + sizes.bad + w.store->freeing, sizes.segments);
		freed += world_counts(&w).freed_segments + world_counts(&w).expired_segments;
		if (lap % 3 == 2) {
			world_crash(&w, SIM_KILL);
			opened(&w);
			world_audit(&w);
		}
	}
	assert_true(freed > 10 * 40);
	store_flush_all(w.store);
	world_settle(&w, true);
	sim_advance(w.io, 6 * S);
	seal(&w);
	assert_true(write_checkpoint(w.store));
	store_sizes(w.store, &sizes);
	assert_int_equal(sizes.objects, 0);
	assert_int_equal(sizes.free + sizes.open, sizes.segments);
	for (im = w.store->free_images; im != NULL; im = im->next)
		images++;
	assert_int_equal(images + sizes.open, w.store->image_count);
	assert_int_equal(
	    w.store->freeing + w.store->bad + atomic_load(&w.store->untold) + atomic_load(&w.store->tomb_count), 0);
	/* And all of it can be used. */
	for (unsigned key = 0; key < 20; key++) {
		assert_int_equal(world_set(&w, key, 1, 100 * KIB, 0), STORED);
		store_step(w.store, true, w.wall);
	}
	for (unsigned key = 0; key < 20; key++)
		has(&w, key, 1);
	world_fini(&w);
}

/* ---- a read ---- */

struct held {
	struct fetch f;
	bool done;
};

static void
held_done(struct fetch *f)
{
	((struct held *)(void *)f)->done = true;
}

static enum fetched
hold(struct world *w, struct held *h)
{
	*h = (struct held){ .f = { .khash = store_khash(w->store, "key-1", 5),
				.key = "key-1",
				.keylen = 5,
				.whole = true,
				.wall = w->wall,
				.done = held_done } };
	h->done = fetch_begin(&w->fetcher, &h->f);
	io_flush(w->queue);
	while (!h->done)
		io_wait(w->queue, S);
	return h->f.result;
}

/* Values of any size count for as long as somebody has them, out of RAM or from the disk. */
static void
reads_are_bounded(void **state)
{
	struct world w;
	struct held held[3];

	world_init(&w, 0);
	buffers_free(&w.buffers);
	w.buffers = buffers_new(3 * MIB - FORMAT_BLOCK);
	w.options.segment = 4 * MIB;
	w.options.capacity = 64 * MIB;
	w.options.bank = 64 * MIB;
	w.options.images = 5;
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, MIB, 0), STORED);
	for (int on_disk = 0; on_disk < 2; on_disk++) {
		assert_int_equal(hold(&w, &held[0]), FETCH_HIT);
		assert_int_equal(hold(&w, &held[1]), FETCH_HIT);
		assert_int_equal(hold(&w, &held[2]), FETCH_FAILED);
		assert_int_equal(held[2].f.status, IO_NO_MEMORY);
		rend_buf_drop(&held[0].f.buf);
		assert_int_equal(hold(&w, &held[2]), FETCH_HIT);
		rend_buf_drop(&held[1].f.buf);
		rend_buf_drop(&held[2].f.buf);
		seal(&w);
	}
	world_fini(&w);
}

/* An image that somebody reads in stays as it is, however much is written; then it is used again. */
static void
images_wait_for_readers(void **state)
{
	struct world w;
	struct entry e = { 0 };
	struct image *im;
	char *copy;

	world_init(&w, 32);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100 * KIB, 0), STORED);
	assert_true(index_find(w.store->index, store_khash(w.store, "key-1", 5), &e));
	im = w.store->segments[e.place.seg].image;
	assert_non_null(im);
	atomic_fetch_add(&im->readers, 1);
	copy = malloc(100 * KIB);
	memcpy(copy, im->data + e.place.start * w.store->g.chunk, 100 * KIB);
	for (int let_go = 0; let_go < 2; let_go++) {
		for (unsigned i = 0; i < 400; i++) {
			assert_int_equal(world_set(&w, 100 + i, 1, 30 * KIB, 0), STORED);
			store_step(w.store, false, w.wall);
		}
		assert_int_equal(memcmp(copy, im->data + e.place.start * w.store->g.chunk, 100 * KIB) == 0, !let_go);
		if (!let_go)
			atomic_fetch_sub(&im->readers, 1);
	}
	free(copy);
	world_settle(&w, true);
	world_audit(&w);
	world_fini(&w);
}

/* ---- the end ---- */

static void
a_second_each(void *arg, struct io *io, uint64_t n)
{
	sim_advance(io, S);
}

/* A slow disk: the index is not kept rather than kept late. */
static void
the_end_comes_in_time(void **state)
{
	struct world w;
	uint64_t deadline;

	world_init(&w, 32);
	w.options.objects = 1000000; /* some 13 MiB */
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	seal(&w);
	io_queue_close(&w.queue, 0);
	deadline = io_now(w.io) + 8 * S;
	sim_watch(w.io, a_second_each, NULL);
	assert_false(store_leave(w.store, deadline));
	sim_watch(w.io, NULL, NULL);
	assert_in_range(io_now(w.io), deadline, deadline + 2 * S);
	world_crash(&w, SIM_KILL);
	opened(&w);
	assert_int_equal(w.opened.how, STORE_REBUILT);
	has(&w, 1, 1);
	world_fini(&w);
}

/* Of all data.NNN. */
static uint64_t
bytes_of_files(struct world *w)
{
	uint64_t bytes = 0, is;

	for (unsigned i = 0; i < 16; i++) {
		struct io_file *file = NULL;
		char path[300];

		snprintf(path, sizeof path, "%s/data.%03u", w->options.dir, i);
		if (io_open(w->io, path, IO_READ_ONLY, NULL, &file) == IO_OK && io_size(file, &is) == IO_OK)
			bytes += is;
		else
			assert_int_not_equal(i, 0);
		io_close(&file);
	}
	return bytes;
}

/* Room for the copy of the index is there from the first start on. */
static void
the_end_needs_no_room(void **state)
{
	struct world w;
	struct io_file *other = NULL;
	uint64_t piece = 4096;

	world_init(&w, 32);
	io_free(&w.io);
	w.io = sim_new(1, w.options.capacity + MIB);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	world_settle(&w, true);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(io_open(w.io, "other", IO_CREATE, NULL, &other), IO_OK);
		while (io_preallocate(other, 0, piece) == IO_OK)
			piece += 4096;
		io_close(&other);
		assert_true(world_close(&w));
		opened(&w);
		assert_int_equal(w.opened.how, STORE_CLEAN);
		has(&w, 1, 1);
	}
	world_fini(&w);
	/* And a start without room says so. */
	world_init(&w, 32);
	io_free(&w.io);
	w.io = sim_new(1, w.options.capacity + 8192);
	assert_false(world_open(&w));
	assert_non_null(strstr(w.opened.sentence, "no room"));
	assert_int_equal(bytes_of_files(&w), 0);
	world_fini(&w);
	/* Nor is there room for the last of its files. */
	world_init(&w, 32);
	io_free(&w.io);
	w.io = sim_new(1, w.options.capacity - 8192);
	assert_false(world_open(&w));
	assert_non_null(strstr(w.opened.sentence, "make it"));
	assert_int_equal(bytes_of_files(&w), 0);
	world_fini(&w);
}

/* ---- files ---- */

/* What the core grants a handler is enough for any size. */
static void
files_are_few(void **state)
{
	static const uint64_t sizes[] = { 1, 3, 60, 100, 1000, 1024, 4096, 8191 };

	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct store_options o = { .capacity = sizes[i] << 30 };
		struct store_opened opened;

		if (store_plan(&o, &opened) != 0)
			fail_msg("%s", opened.sentence);
		assert_in_range(opened.files, 3, 16 + 2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_go_by_and_by),
		cmocka_unit_test(much_expires_at_once),
		cmocka_unit_test(much_expires_in_one_segment),
		cmocka_unit_test(tombs_come_first),
		cmocka_unit_test(tombs_cost_what_they_hide),
		cmocka_unit_test(nothing_leaks),
		cmocka_unit_test(reads_are_bounded),
		cmocka_unit_test(images_wait_for_readers),
		cmocka_unit_test(the_end_comes_in_time),
		cmocka_unit_test(the_end_needs_no_room),
		cmocka_unit_test(files_are_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
