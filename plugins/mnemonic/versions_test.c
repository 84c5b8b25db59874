/* Versions rise, over crashes too; what was taken away stays so, and what cannot be read shows nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "versions.h"

#define BINS  3
#define ENTRY 16 /* bytes of STATE */
#define STEP  (1ULL << 24)

static struct folder folder;
static struct versions v;
static unsigned odd;

static int
open_it(bool new)
{
	struct rend_error err = { 0 };

	return versions_open(&v, &folder, BINS, new, false, &odd, &err);
}

static int
set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char root[96];
	struct rend_error err = { 0 };

	snprintf(root, sizeof root, "%s/rend-versions.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(root) == NULL || folder_open(&folder, root, &err) != 0)
		return -1;
	return open_it(true);
}

static int
tear_down(void **state)
{
	char remove[128];

	snprintf(remove, sizeof remove, "rm -rf %s", folder.path);
	folder_close(&folder);
	return system(remove);
}

static uint64_t
take(unsigned bin)
{
	struct stamp s = { 0 };

	assert_true(versions_take(&v, bin, &s));
	assert_true(s.version >= s.floor);
	assert_int_equal(s.floor, versions_floor(&v, bin));
	return s.version;
}

/* Another byte at that place of STATE. */
static void
damage(off_t at)
{
	char *path = folder_at(&folder, "STATE"), byte;
	int fd = open(path, O_RDWR);

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
	free(path);
}

/* Writes of STATE fail from now on; returns what it was. */
static int
break_file(void)
{
	char *path = folder_at(&folder, "STATE");
	int was = v.fd;

	v.fd = open(path, O_RDONLY);
	assert_true(v.fd >= 0);
	free(path);
	return was;
}

static void
mend_file(int was)
{
	close(v.fd);
	v.fd = was;
}

static void
versions_rise_over_crashes(void **state)
{
	uint64_t last = 0;

	for (int life = 0; life < 4; life++) {
		for (int i = 0; i < 3; i++) {
			uint64_t now = take((unsigned)i);

			assert_true(now > last);
			last = now;
		}
		/* A proper end notes nothing, so each end is a crash. */
		versions_close(&v);
		assert_int_equal(open_it(false), 0);
		assert_int_equal(odd, 0);
	}
	versions_close(&v);
}

/* More are taken from the disk before they are used; where that cannot be noted there are none. */
static void
none_is_used_that_is_not_noted(void **state)
{
	struct stamp s;
	uint64_t last;
	int was;

	v.next = v.high - 2;
	last = take(0);
	assert_int_equal(take(0), last + 1);
	last = take(0);
	assert_int_equal(v.high, 2 * STEP);
	versions_close(&v);
	assert_int_equal(open_it(false), 0);
	assert_true(take(0) > last);
	v.next = v.high;
	was = break_file();
	assert_false(versions_take(&v, 0, &s));
	assert_false(versions_take(&v, 1, &s));
	mend_file(was);
	last = take(0);
	versions_close(&v);
	assert_int_equal(open_it(false), 0);
	assert_true(take(0) > last);
	versions_close(&v);
}

static void
what_was_taken_away_stays_so(void **state)
{
	uint64_t before = take(1), other = take(0), floor, all;

	assert_int_equal(versions_floor(&v, 1), 0);
	assert_int_equal(versions_raise(&v, 1), 0);
	floor = versions_floor(&v, 1);
	assert_true(before < floor && take(1) > floor);
	assert_true(other >= versions_floor(&v, 0));
	versions_close(&v);
	assert_int_equal(open_it(false), 0);
	assert_int_equal(versions_floor(&v, 1), floor);
	assert_int_equal(versions_floor(&v, 0), 0);
	other = take(0);
	assert_int_equal(versions_raise_all(&v), 0);
	all = versions_floor(&v, 0);
	assert_true(other < all);
	versions_close(&v);
	assert_int_equal(open_it(false), 0);
	for (unsigned i = 0; i < BINS; i++)
		assert_int_equal(versions_floor(&v, i), all);
	versions_close(&v);
}

static void
some_are_raised_at_once(void **state)
{
	const bool those[BINS] = { [0] = true, [2] = true };
	uint64_t before[BINS];

	for (unsigned i = 0; i < BINS; i++)
		before[i] = take(i);
	assert_int_equal(versions_raise_those(&v, those), 0);
	versions_close(&v);
	assert_int_equal(open_it(false), 0);
	assert_true(before[0] < versions_floor(&v, 0) && before[2] < versions_floor(&v, 2));
	assert_int_equal(versions_floor(&v, 1), 0);
	versions_close(&v);
}

/* It is said when it is so for this life only. */
static void
a_floor_that_cannot_be_noted(void **state)
{
	uint64_t before = take(1);
	int was = break_file();

	assert_int_equal(versions_raise(&v, 1), -1);
	assert_true(versions_floor(&v, 1) > before);
	assert_int_equal(versions_raise_all(&v), -1);
	assert_true(versions_floor(&v, 2) > before);
	mend_file(was);
	/* Whoever writes next writes the highest. */
	assert_int_equal(versions_raise(&v, 1), 0);
	before = versions_floor(&v, 1);
	versions_close(&v);
	assert_int_equal(open_it(false), 0);
	assert_int_equal(versions_floor(&v, 1), before);
	assert_int_equal(versions_floor(&v, 2), 0);
	versions_close(&v);
}

static void
what_cannot_be_read_shows_nothing(void **state)
{
	char *path = folder_at(&folder, "STATE");
	uint64_t last;

	for (off_t byte = 0; byte < ENTRY; byte++) {
		last = take(1);
		versions_close(&v);
		damage((2 + 1) * ENTRY + byte);
		assert_int_equal(open_it(false), 0);
		assert_int_equal(odd, 1);
		assert_true(versions_floor(&v, 1) > last);
		assert_int_equal(versions_floor(&v, 0), 0);
		assert_int_equal(versions_floor(&v, 2), 0);
		/* Until it is written anew. */
		assert_int_equal(versions_raise(&v, 1), 0);
	}
	/* One that ends before its last floor. */
	last = take(2);
	versions_close(&v);
	assert_int_equal(truncate(path, (2 + 2) * ENTRY + 3), 0);
	assert_int_equal(open_it(false), 0);
	assert_int_equal(odd, 1);
	assert_true(versions_floor(&v, 2) > last);
	versions_close(&v);
	free(path);
}

static void
without_its_numbers_it_is_none_of_ours(void **state)
{
	char *path = folder_at(&folder, "STATE");

	versions_close(&v);
	for (off_t byte = 0; byte < 2 * ENTRY; byte++) {
		damage(byte);
		assert_int_equal(open_it(false), -1);
		damage(byte); /* as it was */
	}
	assert_int_equal(open_it(false), 0);
	versions_close(&v);
	/* An entry at another's place is none. */
	{
		char entries[2 * ENTRY], swapped[2 * ENTRY];
		int fd = open(path, O_RDWR);

		assert_int_equal(pread(fd, entries, sizeof entries, 0), sizeof entries);
		memcpy(swapped, entries + ENTRY, ENTRY);
		memcpy(swapped + ENTRY, entries, ENTRY);
		assert_int_equal(pwrite(fd, swapped, sizeof swapped, 0), sizeof swapped);
		close(fd);
	}
	assert_int_equal(open_it(false), -1);
	assert_int_equal(truncate(path, 2 * ENTRY - 1), 0);
	assert_int_equal(open_it(false), -1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(open_it(false), -1);
	free(path);
}

static void
a_copy_knows_what_was_taken_away(void **state)
{
	struct rend_error err = { 0 };
	struct folder to = folder;
	struct versions copy;
	struct stamp s;
	uint64_t last;

	to.path = folder_at(&folder, "copy");
	assert_int_equal(mkdir(to.path, 0700), 0);
	assert_int_equal(versions_raise(&v, 2), 0);
	last = take(2);
	assert_int_equal(versions_copy(&v, &to, &err), 0);
	assert_int_equal(versions_copy(&v, &to, &err), -1); /* never over another one */
	assert_int_equal(versions_open(&copy, &to, BINS, false, false, &odd, &err), 0);
	assert_int_equal(odd, 0);
	for (unsigned i = 0; i < BINS; i++)
		assert_int_equal(versions_floor(&copy, i), versions_floor(&v, i));
	assert_true(versions_take(&copy, 2, &s));
	assert_true(s.version > last);
	versions_close(&copy);
	versions_close(&v);
	free(to.path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(versions_rise_over_crashes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(none_is_used_that_is_not_noted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_taken_away_stays_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(some_are_raised_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_floor_that_cannot_be_noted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_shows_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_its_numbers_it_is_none_of_ours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_copy_knows_what_was_taken_away, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
