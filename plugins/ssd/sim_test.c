/* The simulated disk: does it fail as it is told, and only so? */
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK 4096
#define S     1000000000ULL

static unsigned char page[16][BLOCK] __attribute__((aligned(IO_ALIGN)));
static unsigned char back[16 * BLOCK] __attribute__((aligned(IO_ALIGN)));

static int
fill(void **state)
{
	for (int i = 0; i < 16; i++)
		memset(page[i], 'a' + i, BLOCK);
	memset(back, 0xee, sizeof(back));
	return 0;
}

static struct io *
disk(void)
{
	struct io *io = sim_new(1, 0);

	assert_non_null(io);
	return io;
}

static struct io_file *
created(struct io *io, const char *path)
{
	struct io_file *f;

	assert_int_equal(io_open(io, path, IO_CREATE | IO_DIRECT, NULL, &f), IO_OK);
	return f;
}

/* Durable, with its name. */
static struct io_file *
durable(struct io *io, const char *path)
{
	struct io_file *f = created(io, path);

	assert_int_equal(io_write(f, page[0], BLOCK, 0, NULL), IO_OK);
	assert_int_equal(io_sync(f), IO_OK);
	assert_int_equal(io_sync_dir(io, "."), IO_OK);
	return f;
}

/* The first n bytes at an offset, in `back`. */
static size_t
contents(struct io *io, const char *path, size_t n, uint64_t offset)
{
	struct io_file *f;
	size_t got = 0;

	assert_int_equal(io_open(io, path, IO_READ_ONLY, NULL, &f), IO_OK);
	io_read(f, back, n, offset, &got);
	io_close(&f);
	return got;
}

/* ---- files ---- */

static void
reads_what_was_written(void **state)
{
	struct io *io = disk();
	struct io_file *f = created(io, "f");
	uint64_t bytes;
	size_t got;

	assert_int_equal(io_write(f, page, 3 * BLOCK, BLOCK, NULL), IO_OK);
	assert_int_equal(io_size(f, &bytes), IO_OK);
	assert_int_equal(bytes, 4 * BLOCK);
	assert_int_equal(io_read(f, back, 8 * BLOCK, 0, &got), IO_SHORT);
	assert_int_equal(got, 4 * BLOCK);
	assert_true(back[0] == 0 && back[BLOCK - 1] == 0);
	assert_memory_equal(back + BLOCK, page, 3 * BLOCK);
	assert_int_equal(back[4 * BLOCK], 0xee);
	assert_int_equal(io_discard(f, BLOCK, BLOCK), IO_OK);
	assert_int_equal(io_read(f, back, 4 * BLOCK, 0, &got), IO_OK);
	assert_int_equal(back[BLOCK], 0);
	assert_memory_equal(back + 2 * BLOCK, page[1], 2 * BLOCK);
	assert_int_equal(io_resize(f, BLOCK), IO_OK);
	assert_int_equal(io_resize(f, 4 * BLOCK), IO_OK);
	assert_int_equal(io_read(f, back, 4 * BLOCK, 0, &got), IO_OK);
	for (int i = 0; i < 4 * BLOCK; i++)
		assert_int_equal(back[i], 0);
	io_close(&f);
	io_free(&io);
}

static void
refuses_what_is_not_aligned(void **state)
{
	struct io *io = disk();
	struct io_file *f = created(io, "f");

	assert_int_equal(io_write(f, page, 512, 0, NULL), IO_INVALID);
	assert_int_equal(io_write(f, page, BLOCK, 512, NULL), IO_INVALID);
	assert_int_equal(io_write(f, (char *)page + 512, BLOCK, 0, NULL), IO_INVALID);
	assert_int_equal(io_write(f, page, 0, 0, NULL), IO_INVALID);
	assert_int_equal(io_write(f, page, BLOCK, UINT64_MAX & ~4095ULL, NULL), IO_INVALID);
	assert_int_equal(io_read(f, back, 512, 0, NULL), IO_INVALID);
	assert_int_equal(io_discard(f, 0, 512), IO_INVALID);
	assert_int_equal(io_discard(f, 0, 0), IO_INVALID);
	assert_int_equal(sim_operations(io), 1);
	io_close(&f);
	io_free(&io);
}

static bool
count_name(void *arg, const char *name)
{
	int *count = arg;

	++*count;
	return strcmp(name, "stop") != 0;
}

static void
knows_names(void **state)
{
	struct io *io = disk();
	struct io_file *f, *g;
	int names = 0;

	assert_int_equal(io_open(io, "d/f", IO_CREATE, NULL, &f), IO_MISSING);
	assert_int_equal(io_make_dir(io, "d"), IO_OK);
	assert_int_equal(io_make_dir(io, "d"), IO_EXISTS);
	assert_int_equal(io_open(io, "d/f", 0, NULL, &f), IO_MISSING);
	assert_null(f);
	assert_int_equal(io_open(io, "d", 0, NULL, &f), IO_INVALID);
	assert_int_equal(io_open(io, "d/f", IO_CREATE | IO_EXCLUSIVE, NULL, &f), IO_OK);
	assert_string_equal(io_file_path(f), "d/f");
	assert_int_equal(io_open(io, "d/f", IO_CREATE | IO_EXCLUSIVE, NULL, &g), IO_EXISTS);
	assert_int_equal(io_open(io, "d/g", IO_CREATE, NULL, &g), IO_OK);
	assert_int_equal(io_lock(f), IO_OK);
	assert_int_equal(io_lock(f), IO_OK);
	io_close(&g);
	assert_int_equal(io_open(io, "d/f", 0, NULL, &g), IO_OK);
	assert_int_equal(io_lock(g), IO_LOCKED);
	io_close(&f);
	assert_int_equal(io_lock(g), IO_OK);
	io_close(&g);
	assert_int_equal(io_list(io, "d", count_name, &names), IO_OK);
	assert_int_equal(names, 2);
	assert_int_equal(io_list(io, "e", count_name, &names), IO_MISSING);
	assert_int_equal(io_rename(io, "d/f", "d/g"), IO_OK);
	assert_int_equal(io_rename(io, "d/f", "d/g"), IO_MISSING);
	assert_int_equal(io_unlink(io, "d/g"), IO_OK);
	assert_int_equal(io_unlink(io, "d/g"), IO_MISSING);
	names = 0;
	assert_int_equal(io_list(io, "d", count_name, &names), IO_OK);
	assert_int_equal(names, 0);
	io_free(&io);
}

static void
runs_out_of_space(void **state)
{
	struct io *io = sim_new(1, 4 * BLOCK);
	struct io_file *f = created(io, "f");

	assert_int_equal(io_preallocate(f, 0, 3 * BLOCK), IO_OK);
	assert_int_equal(io_write(f, page, 3 * BLOCK, 0, NULL), IO_OK);
	assert_int_equal(io_write(f, page, 2 * BLOCK, 3 * BLOCK, NULL), IO_NO_SPACE);
	assert_int_equal(io_discard(f, 0, BLOCK), IO_OK);
	assert_int_equal(io_write(f, page, 2 * BLOCK, 3 * BLOCK, NULL), IO_OK);
	assert_int_equal(io_preallocate(f, 0, BLOCK), IO_NO_SPACE);
	io_close(&f);
	io_free(&io);
}

/* ---- crashes ---- */

static void
keeps_all_that_was_written_when_the_process_ends(void **state)
{
	struct io *io = disk(), *after;
	struct io_file *f = created(io, "f");

	assert_int_equal(io_write(f, page, 2 * BLOCK, 0, NULL), IO_OK);
	after = sim_after(io, SIM_KILL, 1);
	assert_int_equal(contents(after, "f", 2 * BLOCK, 0), 2 * BLOCK);
	assert_memory_equal(back, page, 2 * BLOCK);
	io_free(&after);
	io_close(&f);
	io_free(&io);
}

static void
loses_what_was_not_synced(void **state)
{
	struct io *io = disk(), *after;
	struct io_file *f = durable(io, "f");

	assert_int_equal(io_write(f, page[1], BLOCK, 0, NULL), IO_OK);
	assert_int_equal(io_write(f, page[2], BLOCK, BLOCK, NULL), IO_OK);
	after = sim_after(io, SIM_POWER_CUT_NONE, 1);
	assert_int_equal(contents(after, "f", 2 * BLOCK, 0), BLOCK);
	assert_memory_equal(back, page[0], BLOCK);
	io_free(&after);
	after = sim_after(io, SIM_POWER_CUT_ALL, 1);
	assert_int_equal(contents(after, "f", 2 * BLOCK, 0), 2 * BLOCK);
	assert_memory_equal(back, page[1], 2 * BLOCK);
	io_free(&after);
	assert_int_equal(io_sync(f), IO_OK);
	after = sim_after(io, SIM_POWER_CUT_NONE, 1);
	assert_int_equal(contents(after, "f", 2 * BLOCK, 0), 2 * BLOCK);
	assert_memory_equal(back, page[1], 2 * BLOCK);
	io_free(&after);
	io_close(&f);
	io_free(&io);
}

/* Blocks of 512 bytes of three writes over each other: which of the four a block is says nothing of its neighbour. */
static void
tears_what_was_not_synced(void **state)
{
	struct io *io = disk();
	struct io_file *f = durable(io, "f");
	unsigned seen[4] = { 0 }, torn = 0, torn_4k = 0;

	for (int i = 1; i < 4; i++)
		assert_int_equal(io_write(f, page[i], BLOCK, 0, NULL), IO_OK);
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct io *after = sim_after(io, seed % 2 == 0 ? SIM_POWER_CUT : SIM_POWER_CUT_4K, seed);

		assert_int_equal(contents(after, "f", BLOCK, 0), BLOCK);
		for (int i = 0; i < BLOCK; i += 512) {
			assert_in_range(back[i], 'a', 'd');
			assert_int_equal(back[i], back[i + 511]);
			seen[back[i] - 'a']++;
			if (i > 0 && seed % 2 == 0)
				torn += back[i] != back[i - 512];
			if (i > 0 && seed % 2 == 1)
				torn_4k += back[i] != back[i - 512];
		}
		io_free(&after);
	}
	for (int i = 0; i < 4; i++)
		assert_true(seen[i] > 50);
	assert_true(torn > 100);
	assert_int_equal(torn_4k, 0);
	io_close(&f);
	io_free(&io);
}

static void
does_the_same_again_with_the_same_seed(void **state)
{
	static unsigned char first[4 * BLOCK];

	for (int round = 0; round < 2; round++) {
		struct io *io = sim_new(7, 0), *after;
		struct io_file *f = durable(io, "f");

		for (int i = 0; i < 8; i++)
			assert_int_equal(io_write(f, page[i], BLOCK, (uint64_t)(i % 4) * BLOCK, NULL), IO_OK);
		after = sim_after(io, SIM_POWER_CUT, 99);
		memset(back, 0, sizeof(first));
		contents(after, "f", 4 * BLOCK, 0);
		if (round == 0)
			memcpy(first, back, sizeof(first));
		else
			assert_memory_equal(first, back, sizeof(first));
		io_free(&after);
		io_close(&f);
		io_free(&io);
	}
}

static void
loses_names_that_were_not_synced(void **state)
{
	struct io *io = disk();
	struct io_file *f = durable(io, "old");
	unsigned olds = 0, news = 0, boths = 0;

	io_close(&f);
	f = created(io, "tmp");
	assert_int_equal(io_write(f, page[1], BLOCK, 0, NULL), IO_OK);
	assert_int_equal(io_sync(f), IO_OK);
	io_close(&f);
	assert_int_equal(io_rename(io, "tmp", "old"), IO_OK);
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct io *after = sim_after(io, SIM_POWER_CUT, seed);
		bool is_tmp = io_open(after, "tmp", 0, NULL, &f) == IO_OK;

		io_close(&f);
		assert_int_equal(contents(after, "old", BLOCK, 0), BLOCK);
		olds += back[0] == 'a';
		news += back[0] == 'b';
		boths += is_tmp;
		io_free(&after);
	}
	assert_true(olds > 10 && news > 10 && boths > 0 && olds + news == 100);
	assert_int_equal(io_sync_dir(io, "."), IO_OK);
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct io *after = sim_after(io, SIM_POWER_CUT, seed);

		assert_int_equal(io_open(after, "tmp", 0, NULL, &f), IO_MISSING);
		assert_int_equal(contents(after, "old", BLOCK, 0), BLOCK);
		assert_int_equal(back[0], 'b');
		io_free(&after);
	}
	io_free(&io);
}

static void
loses_what_is_in_a_folder_that_was_not_synced(void **state)
{
	struct io *io = disk(), *after;
	struct io_file *f;

	assert_int_equal(io_make_dir(io, "d"), IO_OK);
	f = created(io, "d/f");
	assert_int_equal(io_sync(f), IO_OK);
	assert_int_equal(io_sync_dir(io, "d"), IO_OK);
	after = sim_after(io, SIM_POWER_CUT_NONE, 1);
	io_close(&f);
	assert_int_equal(io_open(after, "d/f", 0, NULL, &f), IO_MISSING);
	assert_int_equal(io_list(after, "d", count_name, NULL), IO_MISSING);
	io_free(&after);
	io_free(&io);
}

/* What a sync could not write is not written by a later one either: the page cache has forgotten it. */
static void
does_not_make_good_what_a_sync_failed_to(void **state)
{
	unsigned olds = 0, news = 0;

	for (uint64_t seed = 0; seed < 40; seed++) {
		struct io *io = sim_new(seed, 0), *after;
		struct io_file *f = durable(io, "f");

		assert_int_equal(io_write(f, page[1], BLOCK, 0, NULL), IO_OK);
		assert_int_equal(sim_fault_next(io, IO_SYNC, 1, SIM_EIO, 0), IO_OK);
		assert_int_equal(io_sync(f), IO_FAILED);
		assert_int_equal(io_sync(f), IO_OK);
		after = sim_after(io, SIM_POWER_CUT_ALL, 1);
		assert_int_equal(contents(after, "f", BLOCK, 0), BLOCK);
		for (int i = 0; i < BLOCK; i += 512) {
			olds += back[i] == 'a';
			news += back[i] == 'b';
		}
		io_free(&after);
		io_close(&f);
		io_free(&io);
	}
	assert_true(olds > 80 && news > 80);
}

static void
stops_at_an_operation(void **state)
{
	struct io *io = disk(), *after;
	struct io_file *f = durable(io, "f");
	uint64_t n = sim_operations(io);
	unsigned torn = 0;

	sim_stop_at(io, n + 2);
	assert_int_equal(io_write(f, page[1], BLOCK, BLOCK, NULL), IO_OK);
	assert_false(sim_stopped(io));
	assert_int_equal(io_write(f, page[2], BLOCK, 0, NULL), IO_GONE);
	assert_true(sim_stopped(io));
	assert_int_equal(io_write(f, page[3], BLOCK, 0, NULL), IO_GONE);
	assert_int_equal(io_sync(f), IO_GONE);
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_GONE);
	assert_int_equal(io_unlink(io, "f"), IO_GONE);
	assert_int_equal(sim_operations(io), n + 2);
	after = sim_after(io, SIM_KILL, 1);
	assert_int_equal(contents(after, "f", 2 * BLOCK, 0), 2 * BLOCK);
	for (int i = 0; i < BLOCK; i += 512) {
		assert_true(back[i] == 'a' || back[i] == 'c');
		torn += back[i] == 'c';
	}
	assert_in_range(torn, 1, 7);
	assert_memory_equal(back + BLOCK, page[1], BLOCK);
	io_free(&after);
	io_close(&f);
	io_free(&io);
}

static void
count_state(void *arg, struct io *io, uint64_t n)
{
	struct io *after = sim_after(io, SIM_KILL, n);
	uint64_t *last = arg;

	assert_int_equal(n, *last + 1);
	*last = n;
	io_free(&after);
}

static void
shows_all_states_on_the_way(void **state)
{
	struct io *io = disk();
	struct io_file *f;
	uint64_t last = 0;

	sim_watch(io, count_state, &last);
	f = durable(io, "f"); /* create, write, sync, sync of the folder */
	assert_int_equal(last, 4);
	assert_int_equal(sim_operations(io), 4);
	io_close(&f);
	io_free(&io);
}

/* ---- faults ---- */

static void
fails_as_it_is_told(void **state)
{
	struct io *io = disk();
	struct io_file *f = durable(io, "f");
	uint64_t n = sim_operations(io);
	size_t got;

	sim_fault(io, n + 2, SIM_EIO, 0);
	sim_fault_next(io, IO_WRITE, 2, SIM_ENOSPC, 0);
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_OK);
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_FAILED);
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_OK);
	assert_int_equal(io_write(f, page, BLOCK, 0, NULL), IO_OK);
	assert_int_equal(io_write(f, page, BLOCK, 0, NULL), IO_NO_SPACE);
	assert_int_equal(io_write(f, page, BLOCK, 0, NULL), IO_OK);
	assert_int_equal(sim_faults(io), 2);

	/* Short: the rest is asked for; a piece of a block is the end. */
	assert_int_equal(io_write(f, page, 4 * BLOCK, 0, NULL), IO_OK);
	n = sim_operations(io);
	sim_fault_next(io, IO_READ, 1, SIM_SHORT, BLOCK);
	assert_int_equal(io_read(f, back, 4 * BLOCK, 0, &got), IO_OK);
	assert_int_equal(got, 4 * BLOCK);
	assert_memory_equal(back, page, 4 * BLOCK);
	assert_int_equal(sim_operations(io), n + 2);
	sim_fault_next(io, IO_WRITE, 1, SIM_SHORT, BLOCK + 512);
	assert_int_equal(io_write(f, page, 4 * BLOCK, 0, &got), IO_SHORT);
	assert_int_equal(got, BLOCK + 512);
	sim_fault_next(io, IO_WRITE, 1, SIM_SHORT, 0);
	assert_int_equal(io_write(f, page, 4 * BLOCK, 0, &got), IO_SHORT);
	assert_int_equal(got, 0);

	sim_fault_next(io, IO_READ, 1, SIM_FLIP, 8 * 100 + 3);
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_OK);
	assert_int_equal(back[100], page[0][100] ^ 8);
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_OK);
	assert_memory_equal(back, page[0], BLOCK);
	sim_fault_next(io, IO_WRITE, 1, SIM_FLIP, 8 * 100 + 3);
	assert_int_equal(io_write(f, page, BLOCK, 0, NULL), IO_OK);
	assert_int_equal(page[0][100], 'a');
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_OK);
	assert_int_equal(back[100], page[0][100] ^ 8);

	assert_int_equal(io_write(f, page[1], BLOCK, 0, NULL), IO_OK);
	sim_fault_next(io, IO_WRITE, 1, SIM_MISDIRECT, BLOCK);
	assert_int_equal(io_write(f, page[5], BLOCK, 0, NULL), IO_OK);
	assert_int_equal(io_read(f, back, 2 * BLOCK, 0, NULL), IO_OK);
	assert_memory_equal(back, page[1], BLOCK);
	assert_memory_equal(back + BLOCK, page[5], BLOCK);
	sim_fault_next(io, IO_WRITE, 1, SIM_LOSE, 0);
	assert_int_equal(io_write(f, page[6], BLOCK, 0, NULL), IO_OK);
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_OK);
	assert_memory_equal(back, page[1], BLOCK);

	sim_fault_next(io, IO_READ, 1, SIM_HANG, 0);
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_TIMEOUT);
	sim_fault(io, 0, SIM_EIO, 0);
	assert_int_equal(io_sync(f), IO_FAILED);
	assert_int_equal(io_sync_dir(io, "."), IO_FAILED);
	sim_clear_faults(io);
	assert_int_equal(io_sync(f), IO_OK);
	io_close(&f);
	io_free(&io);
}

static void
vanishes_and_comes_back(void **state)
{
	struct io *io = disk();
	struct io_file *f = durable(io, "f"), *g;

	sim_fault_next(io, IO_READ, 1, SIM_GONE, 0);
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_GONE);
	assert_int_equal(io_write(f, page[1], BLOCK, 0, NULL), IO_GONE);
	assert_int_equal(io_sync(f), IO_GONE);
	assert_int_equal(io_open(io, "f", 0, NULL, &g), IO_GONE);
	assert_int_equal(io_list(io, ".", count_name, NULL), IO_GONE);
	sim_back(io);
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_OK);
	assert_memory_equal(back, page[0], BLOCK);
	io_close(&f);
	io_free(&io);
}

static void
can_be_spoilt_from_outside(void **state)
{
	struct io *io = disk(), *after;
	struct io_file *f = durable(io, "f");
	size_t got;

	assert_int_equal(sim_flip(io, "f", 8 * 17), IO_OK);
	assert_int_equal(sim_flip(io, "f", 8 * BLOCK), IO_INVALID);
	assert_int_equal(sim_flip(io, "g", 0), IO_MISSING);
	assert_int_equal(io_read(f, back, BLOCK, 0, NULL), IO_OK);
	assert_int_equal(back[17], 'a' ^ 1);
	assert_int_equal(sim_truncate(io, "f", 1000), IO_OK);
	assert_int_equal(io_read(f, back, BLOCK, 0, &got), IO_SHORT);
	assert_int_equal(got, 1000);
	after = sim_after(io, SIM_POWER_CUT_NONE, 1);
	assert_int_equal(contents(after, "f", BLOCK, 0), 1000);
	assert_int_equal(back[17], 'a' ^ 1);
	io_free(&after);
	io_close(&f);
	io_free(&io);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reads_what_was_written, fill),
		cmocka_unit_test_setup(refuses_what_is_not_aligned, fill),
		cmocka_unit_test_setup(knows_names, fill),
		cmocka_unit_test_setup(runs_out_of_space, fill),
		cmocka_unit_test_setup(keeps_all_that_was_written_when_the_process_ends, fill),
		cmocka_unit_test_setup(loses_what_was_not_synced, fill),
		cmocka_unit_test_setup(tears_what_was_not_synced, fill),
		cmocka_unit_test_setup(does_the_same_again_with_the_same_seed, fill),
		cmocka_unit_test_setup(loses_names_that_were_not_synced, fill),
		cmocka_unit_test_setup(loses_what_is_in_a_folder_that_was_not_synced, fill),
		cmocka_unit_test_setup(does_not_make_good_what_a_sync_failed_to, fill),
		cmocka_unit_test_setup(stops_at_an_operation, fill),
		cmocka_unit_test_setup(shows_all_states_on_the_way, fill),
		cmocka_unit_test_setup(fails_as_it_is_told, fill),
		cmocka_unit_test_setup(vanishes_and_comes_back, fill),
		cmocka_unit_test_setup(can_be_spoilt_from_outside, fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
