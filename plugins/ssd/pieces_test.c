/* Values that are too large for one record: how they are stored, and what is left of them.  gather_test reads them. */
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

/* More than one piece, in the small segments of a world. */
#define LARGE (300 * KIB)

/* A value on its way, which the test itself takes further. */
struct way {
	struct pieces p;
	struct rend_value value;
	char name[32];
	uint64_t cas;
};

static void
begin(struct world *w, struct way *way, unsigned key, size_t len, uint64_t flushes)
{
	struct store_item item = { .key = way->name, .value = &way->value, .flushes = flushes };

	*way = (struct way){ 0 };
	item.keylen = (uint8_t)snprintf(way->name, sizeof way->name, "key-%u", key);
	item.khash = store_khash(w->store, way->name, item.keylen);
	memset(w->buf, 'x', len);
	assert_int_equal(rend_value_copy_in(&way->value, w->buf, len), 0);
	pieces_begin(&way->p, w->store, &item);
}

static enum stored
go(struct world *w, struct way *way)
{
	return pieces_go(&way->p, w->wall, &way->cas);
}

static void
end(struct way *way)
{
	pieces_end(&way->p);
	rend_value_drop(&way->value);
}

/* ---- one key at a time ---- */

static void
from_image_and_disk(void **state)
{
	static const size_t sizes[] = { 115 * KIB, 200 * KIB, LARGE, 777777, 100 };
	struct world w;

	world_init(&w, 64);
	opened(&w);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(world_set(&w, i, i + 1, sizes[i], 0), STORED);
	for (int on_disk = 0; on_disk < 4; on_disk++) {
		struct fetch f;
		uint64_t n;

		for (unsigned i = 0; i < 5; i++) {
			has(&w, i, i + 1);
			assert_int_equal(world_fetch(&w, i, false, &n, &f), FETCH_HIT);
			assert_int_equal(f.len, sizes[i]);
		}
		world_audit(&w);
		if (on_disk == 0)
			seal(&w);
		else if (on_disk == 1)
			assert_true(world_close(&w));
		else
			world_crash(&w, SIM_POWER_CUT_NONE);
		if (on_disk > 0)
			opened(&w);
	}
	assert_int_equal(world_counts(&w).check_errors, 0);
	world_fini(&w);
}

static void
changes(void **state)
{
	struct world w;
	struct record_head a, b;
	uint64_t n;

	world_init(&w, 64);
	opened(&w);
	for (int sealed = 0; sealed < 2; sealed++) {
		assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
		assert_int_equal(world_set(&w, 1, 2, LARGE, 0), STORED);
		if (sealed)
			seal(&w);
		assert_true(world_get(&w, 1, &n, &a));
		assert_int_equal(n, 2);
		assert_int_equal(world_set(&w, 1, 3, LARGE + 1, 0), STORED);
		has(&w, 1, 3);
		assert_true(world_get(&w, 1, &n, &b));
		assert_true(b.cas > a.cas);
		assert_true(world_touch(&w, 1, WORLD_WALL + 100));
		assert_true(world_get(&w, 1, &n, &a));
		assert_int_equal(a.cas, b.cas);
		w.wall += 100;
		has_not(&w, 1);
		assert_int_equal(world_set(&w, 1, 4, LARGE, 0), STORED);
		assert_int_equal(world_set(&w, 1, 5, 100, 0), STORED);
		has(&w, 1, 5);
		assert_int_equal(world_set(&w, 1, 6, LARGE, 0), STORED);
		assert_true(world_delete(&w, 1));
		assert_false(world_delete(&w, 1));
		has_not(&w, 1);
		assert_false(world_touch(&w, 1, WORLD_WALL + 1000));
		w.wall = WORLD_WALL;
	}
	world_settle(&w, true);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has_not(&w, 1);
	world_fini(&w);
}

static void
too_large(void **state)
{
	struct world w;

	world_init(&w, 64);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 2 * MIB, 0), STORED);
	assert_int_equal(world_set(&w, 1, 2, 2 * MIB + 1, 0), STORE_TOO_BIG);
	assert_false(pieces_fit(w.store, 5, (size_t)PIECES_MOST + 1));
	world_fini(&w);
}

/* ---- many ---- */

/* Laps of large values over a store that has room for a few. */
static void
laps(void **state)
{
	struct world w;
	unsigned hits = 0;

	world_init(&w, 32);
	opened(&w);
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(world_set(&w, i % 20, i + 1, 115 * KIB + i * 29999 % (600 * KIB), 0), STORED);
		for (unsigned key = i % 5; key < 20; key += 5) {
			uint64_t n;

			if (!world_get(&w, key, &n, NULL))
				continue;
			hits++;
			assert_int_equal((n - 1) % 20, key);
			assert_true(n + 20 > i + 1);
		}
		if (i % 10 == 0)
			world_settle(&w, true);
		if (i % 25 == 24) {
			world_audit(&w);
			world_crash(&w, SIM_KILL);
			opened(&w);
			world_audit(&w);
		}
	}
	assert_in_range(hits, 200, 790);
	world_fini(&w);
}

/* With a piece's segment goes the entry, although the manifest, which is much younger here, is there still. */
static void
a_freed_piece_takes_the_entry(void **state)
{
	struct world w;
	struct way way;
	struct fetch f;
	struct entry e, now;
	uint64_t n, seq;

	world_init(&w, 32);
	w.options.moves = 0;
	opened(&w);
	begin(&w, &way, 1, LARGE, 0);
	assert_int_equal(go(&w, &way), STORE_WAITS);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(world_set(&w, 500 + i, 1, 30 * KIB, 0), STORED);
		store_step(w.store, true, w.wall);
	}
	assert_int_equal(go(&w, &way), STORED);
	seal(&w);
	assert_int_equal(world_fetch(&w, 1, false, &n, &f), FETCH_HIT);
	assert_true(index_find(w.store->index, way.p.item.khash, &e));
	seq = w.store->segments[e.place.seg].seq;
	assert_true(seq > way.p.piece[way.p.manifest.count - 1].seq + 5);
	for (unsigned i = 0; index_find(w.store->index, way.p.item.khash, &now); i++) {
		assert_true(i < 1000);
		assert_int_equal(world_set(&w, 1000 + i, 1, 30 * KIB, 0), STORED);
		store_step(w.store, false, w.wall);
	}
	assert_int_equal(w.store->segments[e.place.seg].state, SEGMENT_SEALED);
	assert_int_equal(w.store->segments[e.place.seg].seq, seq);
	assert_int_not_equal(w.store->segments[way.p.piece[0].segment].state, SEGMENT_SEALED);
	has_not(&w, 1);
	assert_int_equal(world_counts(&w).check_errors, 0);
	world_settle(&w, true);
	world_audit(&w);
	/* A crash finds the manifest, which leads to nothing: nobody touches or deletes that. */
	world_crash(&w, SIM_KILL);
	opened(&w);
	assert_false(world_touch(&w, 1, WORLD_WALL + 2000));
	assert_false(world_delete(&w, 1));
	has_not(&w, 1);
	assert_int_equal(world_counts(&w).check_errors, 0);
	end(&way);
	world_fini(&w);
}

/* Overwritten and deleted, with all segments used again: nothing that is left of it is believed. */
static void
leaves_nothing(void **state)
{
	struct world w;

	world_init(&w, 32);
	opened(&w);
	for (unsigned round = 0; round < 40; round++) {
		assert_int_equal(
		    world_set(&w, 1, 3 * round + 1, LARGE, round % 2 == 0 ? 0 : WORLD_WALL + 9000), STORED);
		assert_int_equal(world_set(&w, 2, 3 * round + 2, LARGE, 0), STORED);
		if (round % 3 == 0)
			seal(&w);
		if (round % 4 == 3)
			store_flush_all(w.store);
		world_delete(&w, 1);
		assert_int_equal(world_set(&w, 2, 3 * round + 3, 100, 0), STORED);
		world_settle(&w, true);
		if (round % 2 == 0)
			world_crash(&w, SIM_KILL);
		else
			assert_true(world_close(&w));
		opened(&w);
		has_not(&w, 1);
		has(&w, 2, 3 * round + 3);
		world_audit(&w);
	}
	world_fini(&w);
}

/* ---- on its way ---- */

/* Until the manifest is there, the older value is. */
static void
the_older_one_meanwhile(void **state)
{
	struct world w;
	struct way way;

	world_init(&w, 64);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	store_step(w.store, true, w.wall);
	begin(&w, &way, 1, LARGE, 0);
	assert_int_equal(go(&w, &way), STORE_WAITS);
	assert_int_equal(way.p.manifest.len, LARGE); /* all there, but only in RAM */
	has(&w, 1, 1);
	assert_int_equal(go(&w, &way), STORE_WAITS);
	for (int crash = 0; crash < SIM_CRASHES; crash++) {
		struct world after = w;

		after.store = NULL;
		after.queue = NULL;
		after.io = sim_after(w.io, (enum sim_crash)crash, 1);
		opened(&after);
		has(&after, 1, 1);
		world_audit(&after);
		world_crash(&after, SIM_KILL);
		io_free(&after.io);
	}
	store_step(w.store, false, w.wall);
	assert_int_equal(go(&w, &way), STORED);
	end(&way);
	/* What it has in RAM only is the manifest. */
	world_crash(&w, SIM_KILL);
	opened(&w);
	has(&w, 1, 1);
	world_fini(&w);
}

/* What a flush syncs is safe when it is synced; else, when it is written. */
static void
written_or_synced(void **state)
{
	for (int flush = 0; flush < 2; flush++) {
		struct world w;
		struct way way;

		world_init(&w, 64);
		w.options.sync = flush ? STORE_SYNC_FLUSH : STORE_SYNC_SEAL;
		opened(&w);
		begin(&w, &way, 1, LARGE, 0);
		assert_int_equal(go(&w, &way), STORE_WAITS);
		/* So that the last piece's last block is full, and written without being asked for. */
		assert_int_equal(world_set(&w, 2, 1, 20 * KIB, 0), STORED);
		atomic_store(&w.store->write_due, false);
		store_step(w.store, false, w.wall);
		if (flush) {
			assert_int_equal(go(&w, &way), STORE_WAITS);
			store_step(w.store, false, w.wall);
		}
		assert_int_equal(go(&w, &way), STORED);
		end(&way);
		world_fini(&w);
	}
}

/* While a large one waits for the disk, small ones are stored; when it waits too long, nothing older is there either. */
static void
waits_alone(void **state)
{
	struct world w;
	struct way way;

	world_init(&w, 64);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	begin(&w, &way, 1, 2 * MIB, 0);
	assert_int_equal(go(&w, &way), STORE_WAITS);
	assert_true(way.p.manifest.len < 2 * MIB);
	for (unsigned key = 10; key < 20; key++)
		assert_int_equal(world_set(&w, key, 1, 20 * KIB, 0), STORED);
	assert_int_equal(go(&w, &way), STORE_WAITS);
	assert_false(pieces_wait(&way.p, 1));
	has(&w, 1, 1);
	store_refuse(w.store, way.p.item.khash);
	end(&way);
	has_not(&w, 1);
	world_settle(&w, true);
	world_crash(&w, SIM_KILL);
	opened(&w);
	has_not(&w, 1);
	world_fini(&w);
}

/* A flush_all in between: what was made of an older value is not stored; what was not is stored after it. */
static void
flushed_meanwhile(void **state)
{
	struct world w;
	struct way way;
	struct fetch f;
	uint64_t n;

	world_init(&w, 64);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, LARGE, 0), STORED);
	begin(&w, &way, 1, LARGE, store_flushes(w.store));
	assert_int_equal(go(&w, &way), STORE_WAITS);
	store_flush_all(w.store);
	assert_int_equal(go(&w, &way), STORE_FLUSHED);
	end(&way);
	has_not(&w, 1);

	for (unsigned steps = 0; steps < 3; steps++) {
		begin(&w, &way, 1, LARGE, 0);
		assert_int_equal(go(&w, &way), STORE_WAITS);
		for (unsigned i = 0; i < steps; i++)
			store_step(w.store, true, w.wall);
		store_flush_all(w.store);
		for (unsigned i = 0; go(&w, &way) != STORED; i++) {
			assert_true(i < 100);
			store_step(w.store, true, w.wall);
		}
		end(&way);
		assert_int_equal(world_fetch(&w, 1, false, &n, &f), FETCH_HIT);
		world_settle(&w, true);
		world_audit(&w);
		world_crash(&w, SIM_KILL);
		opened(&w);
		assert_int_equal(world_fetch(&w, 1, false, &n, &f), FETCH_HIT);
		assert_int_equal(f.len, LARGE);
	}
	world_fini(&w);
}

/* The disk does not take a piece: then it takes the others for nothing. */
static void
a_piece_that_is_not_written(void **state)
{
	unsigned refused = 0;

	for (unsigned nth = 1; nth < 6; nth++) {
		struct world w;

		world_init(&w, 64);
		opened(&w);
		assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
		world_settle(&w, true);
		assert_int_equal(sim_fault_next(w.io, IO_WRITE, nth, SIM_EIO, 0), IO_OK);
		assert_int_equal(sim_fault_next(w.io, IO_WRITE, nth + 1, SIM_EIO, 0), IO_OK);
		if (world_set(&w, 1, 2, LARGE, 0) == STORED) {
			has(&w, 1, 2);
		} else {
			refused++;
			has_not(&w, 1);
		}
		sim_clear_faults(w.io);
		assert_int_equal(world_set(&w, 1, 3, LARGE, 0), STORED);
		has(&w, 1, 3);
		world_settle(&w, true);
		world_audit(&w);
		world_crash(&w, SIM_KILL);
		opened(&w);
		has(&w, 1, 3);
		world_fini(&w);
	}
	assert_true(refused > 0);
}

/* A sync fails while pieces wait for it: what was written may not be there, so there is no manifest of it; nor is the older value there. */
static void
a_sync_that_fails(void **state)
{
	unsigned refused = 0;

	for (unsigned nth = 1; nth < 5; nth++) {
		struct world w;
		uint64_t n = 0;
		bool stored;

		world_init(&w, 64);
		opened(&w);
		assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
		world_settle(&w, true);
		assert_int_equal(sim_fault_next(w.io, IO_SYNC, nth, SIM_EIO, 0), IO_OK);
		stored = world_set(&w, 1, 2, LARGE, 0) == STORED;
		refused += !stored;
		for (unsigned i = 0; i < 3; i++)
			store_step(w.store, true, w.wall);
		assert_int_equal(sim_faults(w.io), 1);
		assert_true(world_counts(&w).write_errors >= 1);
		if (world_get(&w, 1, &n, NULL))
			assert_int_equal(n, 2);
		if (!stored)
			has_not(&w, 1);
		world_settle(&w, true);
		world_audit(&w);
		/* Only what was synced is there. */
		world_crash(&w, SIM_POWER_CUT_NONE);
		opened(&w);
		if (world_get(&w, 1, &n, NULL))
			assert_int_equal(n, 2);
		if (!stored)
			has_not(&w, 1);
		assert_int_equal(world_set(&w, 1, 3, LARGE, 0), STORED);
		has(&w, 1, 3);
		world_fini(&w);
	}
	assert_true(refused > 0);
}

/* ---- formats ---- */

/* A store of before there were pieces is taken over, and no rend of that time takes it back: it would not see what is behind a piece. */
static void
a_store_of_before(void **state)
{
	struct world w;
	char *block = aligned_alloc(IO_ALIGN, FORMAT_BLOCK);

	world_init(&w, 64);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 100, 0), STORED);
	world_settle(&w, true);
	world_crash(&w, SIM_KILL);
	for (int then = 0; then < 2; then++) {
		for (unsigned i = 0; i < 2; i++) {
			struct io_file *file;
			struct super super;
			struct geometry g;

			assert_int_equal(
			    io_open(w.io, i == 0 ? "store/super.a" : "store/super.b", 0, NULL, &file), IO_OK);
			assert_int_equal(io_read(file, block, FORMAT_BLOCK, 0, NULL), IO_OK);
			assert_true(format_super_read(block, &super, &g));
			assert_int_equal(super.format, FORMAT_VERSION);
			super.format = 1;
			format_super(block, &super);
			if (then == 0)
				assert_int_equal(io_write(file, block, FORMAT_BLOCK, 0, NULL), IO_OK);
			io_close(&file);
		}
		opened(&w);
		assert_int_equal(w.opened.how, STORE_REBUILT);
		has(&w, 1, 1);
		assert_int_equal(world_set(&w, 2, 2, LARGE, 0), STORED);
		world_crash(&w, SIM_KILL);
	}
	free(block);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_image_and_disk),
		cmocka_unit_test(changes),
		cmocka_unit_test(too_large),
		cmocka_unit_test(laps),
		cmocka_unit_test(a_freed_piece_takes_the_entry),
		cmocka_unit_test(leaves_nothing),
		cmocka_unit_test(the_older_one_meanwhile),
		cmocka_unit_test(written_or_synced),
		cmocka_unit_test(waits_alone),
		cmocka_unit_test(flushed_meanwhile),
		cmocka_unit_test(a_piece_that_is_not_written),
		cmocka_unit_test(a_sync_that_fails),
		cmocka_unit_test(a_store_of_before),
	};

	for (int failed, i = 0; i < 2; i++) {
		world_grain = i == 0 ? IO_GRAIN_LEAST : IO_ALIGN;
		failed = cmocka_run_group_tests(tests, NULL, NULL);
		if (failed != 0)
			return failed;
	}
	return 0;
}
