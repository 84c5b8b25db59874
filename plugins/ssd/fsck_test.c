/* rend-fsck: does it see what is wrong, and nothing that is not? */
#include "fsck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim_disk.h"
#include "state.h"
#include "world.h"

#define KIB 1024

struct heard {
	unsigned wrong, notes;
	char first[512], last[512];
};

static void
hear(void *arg, bool wrong, const char *sentence)
{
	struct heard *h = arg;

	*(wrong ? &h->wrong : &h->notes) += 1;
	if (wrong && h->wrong == 1)
		snprintf(h->first, sizeof(h->first), "%s", sentence);
	if (wrong)
		snprintf(h->last, sizeof(h->last), "%s", sentence);
}

static struct heard heard;
static struct fsck_found found;

static enum fsck_ended
check(struct io *io)
{
	enum fsck_ended ended;

	heard = (struct heard){ 0 };
	ended = fsck(io, "store", hear, &heard, &found);
	assert_int_equal(heard.wrong, ended == FSCK_LOOKED ? found.wrong : 0);
	return ended;
}

static void
is_well(struct io *io)
{
	if (check(io) != FSCK_LOOKED || found.wrong > 0)
		fail_msg("%s", heard.first);
}

/* A store that has everything: several versions, deletions, touches, expired ones, large and empty values, freed segments. */
static void
fill(struct world *w, unsigned keys)
{
	assert_true(world_open(w));
	for (unsigned i = 0; i < keys; i++) {
		size_t len = i % 7 == 0 ? 0 : i % 50 == 1 ? 40 * KIB : i % 50 == 2 ? 250 * KIB : 32 + i * 13 % 3000;

		world_set(w, i % (keys / 2), i + 1, len, i % 5 == 0 ? WORLD_WALL + 1000 : 0);
		if (i % 11 == 0)
			world_delete(w, i / 2);
		if (i % 13 == 0)
			world_touch(w, i / 3, WORLD_WALL + 5000);
		if (i % 20 == 0)
			world_settle(w, i % 3 == 0);
	}
	world_settle(w, true);
}

static void
finds_nothing_in_a_store_that_was_left_clean(void **state)
{
	struct world w;

	world_init(&w, 32);
	fill(&w, 600);
	assert_true(world_close(&w));
	is_well(w.io);
	assert_int_equal(found.super.state, SUPER_CLEAN);
	assert_true(found.has_index);
	assert_int_equal(heard.notes, 0);
	assert_int_equal(found.unsealed, 0);
	assert_int_equal(found.sealed + found.free, 32);
	assert_true(found.sealed > 0 && found.values > 0 && found.pieces > 0 && found.tombs > 0 && found.touches > 0);
	assert_true(world_open(&w));
	assert_int_equal(found.objects, w.opened.objects);
	world_fini(&w);
}

/* Also when everything was freed and written again, several times. */
static void
finds_nothing_after_laps(void **state)
{
	struct world w;

	world_init(&w, 16);
	fill(&w, 4000);
	assert_true(world_counts(&w).freed_segments > 16);
	assert_true(world_close(&w));
	is_well(w.io);
	world_fini(&w);
}

static void
finds_nothing_after_a_kill(void **state)
{
	for (unsigned i = 0; i < 5; i++) {
		struct world w;

		world_init(&w, 32);
		fill(&w, 100 + i * 200);
		world_set(&w, 1, 1, 2000, 0);
		world_crash(&w, SIM_KILL);
		is_well(w.io);
		assert_int_equal(found.super.state, SUPER_DIRTY);
		assert_false(found.has_index);
		/* And once it was started again. */
		assert_true(world_open(&w));
		assert_true(world_close(&w));
		is_well(w.io);
		world_fini(&w);
	}
}

static void
refuses_what_is_no_store_or_in_use(void **state)
{
	struct world w;
	struct io_file *f;

	world_init(&w, 16);
	assert_int_equal(check(w.io), FSCK_NO_STORE);
	assert_true(world_open(&w));
	assert_int_equal(check(w.io), FSCK_IN_USE);
	assert_true(world_close(&w));
	is_well(w.io);
	assert_int_equal(io_open(w.io, "store/super.a", 0, NULL, &f), IO_OK);
	assert_int_equal(io_resize(f, 0), IO_OK);
	io_close(&f);
	assert_int_equal(io_open(w.io, "store/super.b", 0, NULL, &f), IO_OK);
	assert_int_equal(io_resize(f, 100), IO_OK);
	io_close(&f);
	assert_int_equal(check(w.io), FSCK_NO_STORE);
	world_fini(&w);
}

/* Any bit that says something. */
static void
sees_each_bit_that_is_turned(void **state)
{
	struct sim_random random = { 1 };
	struct world w;
	unsigned seen = 0, unseen = 0;
	uint64_t bank;

	world_init(&w, 32);
	fill(&w, 600);
	assert_true(world_close(&w));
	is_well(w.io);
	bank = found.g.bank;
	for (unsigned i = 0; i < 600; i++) {
		struct io *io = sim_after(w.io, SIM_KILL, i);
		char path[64];

		snprintf(path, sizeof(path), "store/data.%03u", (unsigned)(sim_random(&random) % found.g.banks));
		assert_int_equal(sim_flip(io, path, sim_random(&random) % (bank * 8)), IO_OK);
		assert_int_equal(check(io), FSCK_LOOKED);
		seen += found.wrong > 0;
		unseen += found.wrong == 0;
		io_free(&io);
	}
	/* The others are in free segments, behind what was written, and in what fills chunks and blocks. */
	print_message("%u of %u\n", seen, seen + unseen);
	assert_true(seen > 50);
	world_fini(&w);
}

/* A record, its row, the trailer, the head: each of them is looked at. */
static void
sees_what_is_turned_in(void **state)
{
	struct world w;
	uint64_t end, bits[] = { 0, 0, 0, 0, 0, 0 };
	static const char *const where[] = { "head", "record's head", "key", "value", "row", "trailer" };

	world_init(&w, 16);
	assert_true(world_open(&w));
	assert_int_equal(world_set(&w, 1, 1, 2000, 0), STORED);
	assert_true(world_close(&w));
	is_well(w.io);
	assert_int_equal(found.values, 1);
	end = found.g.segment;
	bits[0] = 8;
	bits[1] = FORMAT_BLOCK + 20;
	bits[2] = FORMAT_BLOCK + RECORD_HEAD + 1;
	bits[3] = FORMAT_BLOCK + RECORD_HEAD + 1000;
	bits[4] = end - FORMAT_BLOCK - 10;
	bits[5] = end - FORMAT_BLOCK + 20;
	for (unsigned i = 0; i < 6; i++) {
		unsigned seen = 0;

		/* Which segment that is, is not known here: one of them has it. */
		for (uint32_t n = 0; n < 16; n++) {
			struct io *io = sim_after(w.io, SIM_KILL, i);
			char path[64];

			snprintf(path, sizeof(path), "store/data.%03u", geometry_bank(&found.g, n));
			assert_int_equal(sim_flip(io, path, (geometry_offset(&found.g, n) + bits[i]) * 8), IO_OK);
			assert_int_equal(check(io), FSCK_LOOKED);
			seen += found.wrong > 0;
			io_free(&io);
		}
		if (seen != 1)
			fail_msg("%s: seen in %u segments", where[i], seen);
	}
	world_fini(&w);
}

/* A piece that is not what its manifest says, beside the row that it is not either. */
static void
sees_a_value_that_is_not_whole(void **state)
{
	struct world w;
	unsigned seen = 0;

	world_init(&w, 32);
	assert_true(world_open(&w));
	assert_int_equal(world_set(&w, 1, 1, 300 * KIB, 0), STORED);
	assert_true(world_close(&w));
	is_well(w.io);
	assert_int_equal(found.values, 1);
	assert_int_equal(found.pieces, 3);
	assert_true(found.value_bytes > 300 * KIB);
	for (uint32_t n = 0; n < 32; n++) {
		struct io *io = sim_after(w.io, SIM_KILL, n);
		char path[64];

		snprintf(path, sizeof(path), "store/data.%03u", geometry_bank(&found.g, n));
		assert_int_equal(sim_flip(io, path, (geometry_offset(&found.g, n) + FORMAT_BLOCK + 40) * 8), IO_OK);
		assert_int_equal(check(io), FSCK_LOOKED);
		if (found.wrong > 0) {
			assert_int_equal(found.wrong, 2);
			assert_non_null(strstr(heard.last, "a value should have its piece"));
			seen++;
		}
		io_free(&io);
	}
	assert_int_equal(seen, 3);
	world_fini(&w);
}

static void
damage(struct world *w, const char *path, uint64_t bit)
{
	struct io *io = sim_after(w->io, SIM_KILL, 1);

	assert_int_equal(sim_flip(io, path, bit), IO_OK);
	assert_int_equal(check(io), FSCK_LOOKED);
	if (found.wrong == 0)
		fail_msg("%s, bit %llu: nothing is wrong", path, (unsigned long long)bit);
	io_free(&io);
}

static void
sees_what_is_wrong_with_files(void **state)
{
	struct world w;
	struct io *io;
	struct super super;

	world_init(&w, 32);
	fill(&w, 300);
	assert_true(world_close(&w));
	is_well(w.io);
	super = found.super;
	for (uint64_t bit = 0; bit < super.snap_bytes * 8; bit += super.snap_bytes / 50 * 8 + 1)
		damage(&w, "store/index.snap", bit);
	damage(&w, super.generation % 2 == 0 ? "store/super.b" : "store/super.a", 100);
	/* The newer one: the other says the same.  After a power cut it may be torn, and that is not wrong. */
	damage(&w, super.generation % 2 == 0 ? "store/super.a" : "store/super.b", 100);
	io = sim_after(w.io, SIM_POWER_CUT_ALL, 1);
	assert_int_equal(sim_flip(io, super.generation % 2 == 0 ? "store/super.a" : "store/super.b", 100), IO_OK);
	is_well(io);
	assert_int_equal(heard.notes, 1);
	assert_int_equal(found.super.state, SUPER_CLEAN);
	assert_true(found.has_index);
	io_free(&io);

	io = sim_after(w.io, SIM_KILL, 1);
	assert_int_equal(io_unlink(io, "store/data.001"), IO_OK);
	assert_int_equal(check(io), FSCK_LOOKED);
	assert_true(found.wrong > 0);
	io_free(&io);
	io = sim_after(w.io, SIM_KILL, 1);
	assert_int_equal(sim_truncate(io, "store/data.000", 300 * KIB), IO_OK);
	assert_int_equal(check(io), FSCK_LOOKED);
	assert_true(found.wrong > 0);
	io_free(&io);
	io = sim_after(w.io, SIM_KILL, 1);
	assert_int_equal(io_unlink(io, "store/index.snap"), IO_OK);
	assert_int_equal(check(io), FSCK_LOOKED);
	assert_int_equal(found.wrong, 1);
	io_free(&io);
	io = sim_after(w.io, SIM_KILL, 1);
	sim_fault_next(io, IO_READ, 20, SIM_EIO, 0);
	assert_int_equal(check(io), FSCK_LOOKED);
	assert_true(found.wrong > 0);
	io_free(&io);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_nothing_in_a_store_that_was_left_clean),
		cmocka_unit_test(finds_nothing_after_laps),
		cmocka_unit_test(finds_nothing_after_a_kill),
		cmocka_unit_test(refuses_what_is_no_store_or_in_use),
		cmocka_unit_test(sees_each_bit_that_is_turned),
		cmocka_unit_test(sees_what_is_turned_in),
		cmocka_unit_test(sees_a_value_that_is_not_whole),
		cmocka_unit_test(sees_what_is_wrong_with_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
