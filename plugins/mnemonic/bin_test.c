/* One bin whose writes fail: what it has when it is opened again, and when it begins empty.  No file may grow, as on a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bin.h"
#include "base/error.h"
#include "rend/plugin.h"

#define KEYS 20

/* What a disk may say when a log is synced. */
static enum { SYNCS, FAILS, LOSES } disk;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int
__wrap_fsync(int fd)
{
	if (disk == FAILS) {
		errno = EIO;
		return -1;
	}
	if (disk == LOSES) {
		char path[64];

		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		assert_int_equal(truncate(path, 10000), 0);
	}
	return __real_fsync(fd);
}

struct world {
	char root[64];
	struct folder folder;
	struct plan plan;
	struct versions versions;
	struct rocks_common *common;
	struct bin bin;
	struct rocks_batch *batch;
	char value[3000];
};

static void
world_open(struct world *w, bool new)
{
	char why[WHY_MAX] = "";
	struct rend_error err = { 0 };
	unsigned odd;
	bool damaged;

	assert_int_equal(rocks_common_new(&w->common, &w->plan.rocks, why), 0);
	assert_int_equal(folder_open(&w->folder, w->root, &err), 0);
	assert_int_equal(versions_open(&w->versions, &w->folder, 1, new, true, &odd, &err), 0);
	bin_init(&w->bin, 0, folder_bin(&w->folder, 0), &w->plan, &w->versions, w->common);
	assert_int_equal(bin_open(&w->bin, &damaged, why), 0);
	assert_false(damaged);
	w->batch = rocks_batch_new();
}

static bool
world_close(struct world *w)
{
	bool kept = bin_close(&w->bin);

	rocks_batch_free(&w->batch);
	bin_fini(&w->bin);
	versions_close(&w->versions);
	folder_close(&w->folder);
	rocks_common_free(&w->common);
	return kept;
}

static void
world_make(struct world *w, enum rocks_wal wal, uint64_t mend)
{
	*w = (struct world){ .plan = { .bins = 1,
				 .mend = mend,
				 .rocks = { .compaction = ROCKS_FIFO,
				     .compression = ROCKS_PLAIN,
				     .wal = wal,
				     .bin_size = 16 << 20,
				     .write_buffer = 1 << 20,
				     .cache = 1 << 20,
				     .block = 4096,
				     .filter_bits = 10,
				     .jobs = 2 } } };
	disk = SYNCS;
	memset(w->value, 'v', sizeof w->value);
	strcpy(w->root, "/dev/shm/rend-bin.XXXXXX");
	if (mkdtemp(w->root) == NULL) {
		strcpy(w->root, "/tmp/rend-bin.XXXXXX");
		assert_non_null(mkdtemp(w->root));
	}
	world_open(w, true);
}

static void
world_remove(struct world *w)
{
	char remove[96];

	snprintf(remove, sizeof remove, "rm -rf %s", w->root);
	assert_int_equal(system(remove), 0);
}

static void
limit(rlim_t size)
{
	struct rlimit to = { .rlim_cur = size, .rlim_max = RLIM_INFINITY };

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &to), 0);
}

/* As its writer does it. */
static enum rocks_status
put(struct world *w, int n, char with)
{
	char key[8], why[WHY_MAX] = "";
	struct rend_value value = { 0 };
	enum rocks_status status;
	size_t len = (size_t)snprintf(key, sizeof key, "k%d", n);

	if (!bin_enter(&w->bin))
		return ROCKS_SHUT;
	w->value[0] = with;
	rocks_batch_clear(w->batch);
	assert_int_equal(rocks_batch_put(w->batch, key, len, w->value, sizeof w->value, &value, 0, 0), 0);
	status = rocks_write(w->bin.db, w->batch, why);
	bin_leave(&w->bin);
	if (status != ROCKS_OK)
		bin_fail(&w->bin, status, why);
	return status;
}

/* What is there begins with that; '-': nothing is, '?': it is not open. */
static char
get(struct world *w, int n)
{
	char key[8], why[WHY_MAX] = "", is = '-';
	struct rocks_found found;
	size_t len = (size_t)snprintf(key, sizeof key, "k%d", n);

	if (!bin_enter(&w->bin))
		return '?';
	rocks_read(w->bin.db, key, len, &found, why);
	if (found.status == ROCKS_OK) {
		assert_int_equal(found.len, sizeof w->value);
		is = found.p[0];
	}
	rocks_found_drop(&found);
	bin_leave(&w->bin);
	return is;
}

static void
all_are(struct world *w, int from, char should)
{
	for (int n = from; n < KEYS; n++)
		assert_int_equal(get(w, n), should);
}

/* Keys that were answered, and then a write that was not: what is written of it is half of it. */
static void
fill_and_fail(struct world *w)
{
	for (int n = 0; n < KEYS; n++)
		assert_int_equal(put(w, n, 'a'), ROCKS_OK);
	limit(KEYS * (sizeof w->value + 30) + 1000);
	assert_int_equal(put(w, 0, 'b'), ROCKS_IO);
	assert_int_equal(bin_state(&w->bin), BIN_SHUT);
	assert_int_equal(get(w, 1), '?');
	assert_int_equal(put(w, 1, 'c'), ROCKS_SHUT);
}

static void
what_was_answered_is_there_again(void **state)
{
	static const enum rocks_wal wals[] = { ROCKS_WAL_ON, ROCKS_WAL_SYNC };

	for (size_t i = 0; i < sizeof wals / sizeof *wals; i++) {
		struct world w;
		uint64_t floor;
		char now;

		world_make(&w, wals[i], 1000000000000ULL);
		floor = versions_floor(&w.versions, 0);
		fill_and_fail(&w);
		limit(RLIM_INFINITY);
		assert_true(bin_mend(&w.bin));
		assert_int_equal(bin_state(&w.bin), BIN_OPEN);
		all_are(&w, 1, 'a');
		/* What failed is there or not, and stays so. */
		now = get(&w, 0);
		assert_true(now == 'a' || now == 'b');
		assert_int_equal(versions_floor(&w.versions, 0), floor);
		assert_int_equal(put(&w, 1, 'd'), ROCKS_OK);
		assert_true(world_close(&w));
		world_open(&w, false);
		assert_int_equal(get(&w, 0), now);
		assert_int_equal(get(&w, 1), 'd');
		all_are(&w, 2, 'a');
		assert_true(world_close(&w));
		world_remove(&w);
	}
}

static void
is_there_after_an_end(struct world *w)
{
	assert_true(world_close(w));
	world_open(w, false);
	all_are(w, 1, 'a');
	assert_true(world_close(w));
	world_remove(w);
}

/* It is not tried all the time; a bin that cannot be opened stays down, and has all that it had when the store ends meanwhile. */
static void
while_there_is_no_room_it_is_down(void **state)
{
	struct world w;

	world_make(&w, ROCKS_WAL_ON, 1000000000000ULL);
	fill_and_fail(&w);
	for (int i = 0; i < 4; i++) {
		uint64_t before = rend_now();

		assert_false(bin_mend(&w.bin));
		assert_int_equal(bin_state(&w.bin), BIN_SHUT);
		assert_int_equal(w.bin.pause, 500000000ULL << i);
		assert_true(w.bin.mend_at >= before + w.bin.pause);
		w.bin.mend_at = 0;
	}
	limit(RLIM_INFINITY);
	is_there_after_an_end(&w);
}

/* Shut and not tried yet, when the store ends. */
static void
an_end_before_the_first_try_loses_nothing(void **state)
{
	struct world w;

	world_make(&w, ROCKS_WAL_ON, 1000000000000ULL);
	fill_and_fail(&w);
	limit(RLIM_INFINITY);
	is_there_after_an_end(&w);
}

/* A store that was let go of while a bin was shut, and is opened again: whoever had it meanwhile may have stored something there. */
static void
another_life_has_nothing_to_mend(void **state)
{
	char why[WHY_MAX] = "";
	struct world w;
	bool damaged;

	world_make(&w, ROCKS_WAL_ON, 1000000000000ULL);
	fill_and_fail(&w);
	limit(RLIM_INFINITY);
	w.bin.damaged = true;
	assert_true(bin_close(&w.bin));
	bin_reset(&w.bin);
	assert_true(bin_close(&w.bin)); /* when it was not opened */
	assert_int_equal(bin_open(&w.bin, &damaged, why), 0);
	assert_int_equal(bin_state(&w.bin), BIN_OPEN);
	assert_false(bin_mend(&w.bin));
	all_are(&w, 1, 'a');
	bin_fail(&w.bin, ROCKS_IO, "again");
	assert_true(bin_mend(&w.bin)); /* at once, and with all the time that it had */
	is_there_after_an_end(&w);
}

/* It is open, has nothing, and what it had is not shown after the next start either. */
static void
begins_empty(struct world *w)
{
	uint64_t floor = versions_floor(&w->versions, 0);

	assert_false(bin_mend(&w->bin));
	assert_int_equal(bin_state(&w->bin), BIN_OPEN);
	assert_true(versions_floor(&w->versions, 0) > floor);
	all_are(w, 0, '-');
	assert_true(world_close(w));
	world_open(w, false);
	assert_true(versions_floor(&w->versions, 0) > floor);
	all_are(w, 0, '-');
	assert_true(world_close(w));
	world_remove(w);
}

static void
a_log_that_cannot_be_synced_is_not_believed(void **state)
{
	struct world w;

	world_make(&w, ROCKS_WAL_ON, 1000000000000ULL);
	fill_and_fail(&w);
	limit(RLIM_INFINITY);
	disk = FAILS;
	begins_empty(&w);
}

static void
nor_one_that_has_less_than_was_written(void **state)
{
	struct world w;

	world_make(&w, ROCKS_WAL_ON, 1000000000000ULL);
	fill_and_fail(&w);
	limit(RLIM_INFINITY);
	disk = LOSES;
	begins_empty(&w);
}

static void
without_a_log_or_time_it_begins_empty_at_once(void **state)
{
	struct world w;

	world_make(&w, ROCKS_WAL_ON, 0);
	fill_and_fail(&w);
	limit(RLIM_INFINITY);
	begins_empty(&w);

	world_make(&w, ROCKS_WAL_OFF, 1000000000000ULL);
	assert_int_equal(put(&w, 0, 'a'), ROCKS_OK);
	bin_fail(&w.bin, ROCKS_IO, "a flush failed");
	begins_empty(&w);

	world_make(&w, ROCKS_WAL_ON, 1000000000000ULL);
	assert_int_equal(put(&w, 0, 'a'), ROCKS_OK);
	bin_fail(&w.bin, ROCKS_CORRUPT, "something else than was written");
	begins_empty(&w);
}

/* A bin that fails again as soon as it is open gets no more time. */
static void
its_time_is_not_begun_anew(void **state)
{
	struct world w;
	uint64_t until;

	world_make(&w, ROCKS_WAL_ON, 1000000000000ULL);
	fill_and_fail(&w);
	until = w.bin.mend_until;
	limit(RLIM_INFINITY);
	assert_true(bin_mend(&w.bin));
	w.bin.pause = 100000000000ULL;
	bin_fail(&w.bin, ROCKS_IO, "again");
	assert_int_equal(w.bin.mend_until, until);
	assert_false(bin_mend(&w.bin)); /* it rests */
	assert_int_equal(bin_state(&w.bin), BIN_SHUT);
	w.bin.mend_at = 0;
	assert_true(bin_mend(&w.bin));
	all_are(&w, 1, 'a');
	/* When it is over there is one try more. */
	w.bin.mend_until = rend_now();
	bin_fail(&w.bin, ROCKS_IO, "and again");
	w.bin.mend_at = 0;
	assert_true(bin_mend(&w.bin));
	all_are(&w, 1, 'a');
	bin_fail(&w.bin, ROCKS_IO, "and again");
	w.bin.mend_at = 0;
	disk = FAILS;
	begins_empty(&w);
}

/* What a batch had stays with it only as far as it is small. */
static void
a_batch_gives_back_what_was_large(void **state)
{
	struct rocks_batch *b = rocks_batch_new();
	struct rend_value none = { 0 };
	size_t large = 32 << 20, before;
	char *head = calloc(1, large);
	struct mallinfo2 is = mallinfo2();

	assert_non_null(head);
	before = is.uordblks + is.hblkhd;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rocks_batch_put(b, "k", 1, head, large, &none, 0, 0), 0);
		rocks_batch_clear(b);
		assert_int_equal(rocks_batch_put(b, "k", 1, head, 1000, &none, 0, 0), 0);
		rocks_batch_clear(b);
	}
	is = mallinfo2();
	assert_true(is.uordblks + is.hblkhd < before + large / 2);
	rocks_batch_free(&b);
	free(head);
}

/* A file is only in the way of who removes it next; the disk may be in trouble. */
static void
what_is_not_kept_is_not_written(void **state)
{
	char why[WHY_MAX] = "", look[128];
	struct world w;

	world_make(&w, ROCKS_WAL_OFF, 0);
	assert_int_equal(put(&w, 0, 'a'), ROCKS_OK);
	snprintf(look, sizeof look, "! ls %s/bin.000/*.sst >/dev/null 2>&1", w.root);
	assert_int_equal(rocks_close(&w.bin.db, false, why), ROCKS_OK);
	assert_int_equal(system(look), 0);
	assert_true(world_close(&w));
	world_remove(&w);
}

/* What could not be added as a whole is not written: the rest is. */
static void
half_a_change_is_none(void **state)
{
	struct rend_value none = { 0 };
	char why[WHY_MAX] = "";
	struct world w;

	world_make(&w, ROCKS_WAL_ON, 0);
	rocks_batch_clear(w.batch);
	for (char n = '0'; n < '3'; n++) {
		char key[] = { 'k', n };

		rocks_batch_begin(w.batch);
		w.value[0] = n;
		assert_int_equal(rocks_batch_put(w.batch, key, sizeof key, w.value, sizeof w.value, &none, 0, 0), 0);
		rocks_batch_end(w.batch, n != '1');
	}
	assert_int_equal(rocks_write(w.bin.db, w.batch, why), ROCKS_OK);
	assert_int_equal(get(&w, 0), '0');
	assert_int_equal(get(&w, 1), '-');
	assert_int_equal(get(&w, 2), '2');
	assert_true(world_close(&w));
	world_remove(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_answered_is_there_again),
		cmocka_unit_test(while_there_is_no_room_it_is_down),
		cmocka_unit_test(an_end_before_the_first_try_loses_nothing),
		cmocka_unit_test(another_life_has_nothing_to_mend),
		cmocka_unit_test(a_log_that_cannot_be_synced_is_not_believed),
		cmocka_unit_test(nor_one_that_has_less_than_was_written),
		cmocka_unit_test(without_a_log_or_time_it_begins_empty_at_once),
		cmocka_unit_test(its_time_is_not_begun_anew),
		cmocka_unit_test(a_batch_gives_back_what_was_large),
		cmocka_unit_test(what_is_not_kept_is_not_written),
		cmocka_unit_test(half_a_change_is_none),
	};

	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
