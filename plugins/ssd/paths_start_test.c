/* How a store over two disks is found again: after crashes, and in folders that are not those it was left in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "paths_test.h"

/* ---- crashes ---- */

struct crashes {
	struct usage *u;
	unsigned stride, points, tried;
	enum sim_crash how[2];
	uint64_t found;
};

/* From here, in a store of its own. */
static void
on_operation(void *arg, struct io *io, uint64_t n)
{
	struct crashes *c = arg;
	struct usage *after;

	if (++c->points % c->stride != 0)
		return;
	after = malloc(sizeof *after);
	assert_non_null(after);
	*after = *c->u;
	after->w.io = sim_after(c->u->w.io, c->how[0], n);
	after->w.second = sim_after(c->u->w.second, c->how[1], n + 1);
	assert_true(after->w.io != NULL && after->w.second != NULL);
	sim_beside(after->w.second, after->w.io);
	after->w.store = NULL;
	after->w.queue = after->w.second_queue = NULL;
	for (int again = 0; again < 2; again++) {
		opened(&after->w);
		if (again == 0 || c->tried % 8 == 0) {
			c->found += look(after, true);
			world_audit(&after->w);
		}
		world_crash(&after->w, SIM_KILL);
	}
	io_free(&after->w.second);
	io_free(&after->w.io);
	free(after);
	c->tried++;
}

static void
crash_all_along(enum sim_crash first, enum sim_crash second, unsigned times, unsigned stride)
{
	struct usage *u = begin();
	struct crashes c = { .u = u, .stride = stride, .how = { first, second } };

	sim_watch(u->w.io, on_operation, &c);
	sim_watch(u->w.second, on_operation, &c);
	use(u, times);
	assert_true(world_close(&u->w));
	flushed(u);
	opened(&u->w);
	use(u, times / 4);
	sim_watch(u->w.io, NULL, NULL);
	sim_watch(u->w.second, NULL, NULL);
	assert_true(c.tried > 50);
	assert_true(c.found > c.tried * 5);
	end(u);
}

static void
crashes_at_any_time(void **state)
{
	crash_all_along(SIM_KILL, SIM_KILL, 400, 4);
	crash_all_along(SIM_POWER_CUT, SIM_POWER_CUT, 400, 4);
	crash_all_along(SIM_POWER_CUT_NONE, SIM_POWER_CUT_NONE, 300, 5);
}

/* One of them has lost what was not synced, the other has not. */
static void
one_loses_its_power(void **state)
{
	crash_all_along(SIM_POWER_CUT, SIM_KILL, 300, 4);
	crash_all_along(SIM_KILL, SIM_POWER_CUT, 300, 4);
	crash_all_along(SIM_KILL, SIM_POWER_CUT_NONE, 300, 5);
	for (unsigned path = 0; path < 2; path++) {
		struct usage *u = begin();

		fill(u);
		use(u, 300);
		for (unsigned key = 0; key < KEYS; key++)
			set(u, key, 700);
		flush(u);
		world_crash_two(
		    &u->w, path == 0 ? SIM_POWER_CUT_NONE : SIM_KILL, path == 1 ? SIM_POWER_CUT_NONE : SIM_KILL);
		opened(&u->w);
		assert_in_range(look(u, true), KEYS - 2, KEYS);
		end(u);
	}
}

/* The first start may end anywhere: the next one comes further. */
static void
first_start(void **state)
{
	for (unsigned path = 0; path < 2; path++)
		for (uint64_t n = 1;; n++) {
			struct world w;
			bool stopped, is;

			world_init_two(&w, SEGMENTS);
			sim_stop_at(path == 0 ? w.io : w.second, n);
			is = world_open(&w);
			stopped = sim_stopped(path == 0 ? w.io : w.second);
			assert_true(is || stopped);
			world_crash(&w, n % 2 == 0 ? SIM_KILL : SIM_POWER_CUT);
			opened(&w);
			assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
			world_settle(&w, true);
			has(&w, 1, 1);
			world_fini(&w);
			if (!stopped)
				break;
		}
}

/* ---- not the paths that it was made with ---- */

/* It is refused, and says so; with `empty` it begins anew, and has nothing of what was there. */
static void
is_refused(struct usage *u, const char *word)
{
	if (u->w.store != NULL)
		world_crash(&u->w, SIM_KILL);
	for (unsigned i = 0; i < 2; i++) {
		assert_false(world_open(&u->w));
		if (strstr(u->w.opened.sentence, word) == NULL)
			fail_msg("\"%s\" says nothing of \"%s\"", u->w.opened.sentence, word);
	}
	u->w.options.empty = true;
	reopened(u, STORE_NEW);
	for (unsigned key = 0; key < KEYS; key++)
		has_not(&u->w, key);
	flushed(u);
	for (unsigned key = 0; key < KEYS; key++)
		becomes(u, key, 0);
	flushed(u);
	use(u, 300);
	world_settle(&u->w, true);
	world_audit(&u->w);
	world_crash(&u->w, SIM_KILL);
	u->w.options.empty = false;
	reopened(u, STORE_REBUILT);
	look(u, true);
	end(u);
}

/* One that was used, and was left or not. */
static struct usage *
used(bool properly)
{
	struct usage *u = begin();

	fill(u);
	use(u, 200);
	flush(u);
	if (properly)
		assert_true(world_close(&u->w));
	else
		world_crash(&u->w, SIM_KILL);
	return u;
}

static void
one_is_missing(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct usage *u = used(i / 2);
		struct io *blank = sim_new(3, 0), **gone = i % 2 == 0 ? &u->w.io : &u->w.second;

		assert_non_null(blank);
		if (i % 2 == 1)
			sim_beside(blank, u->w.io);
		else
			sim_beside(u->w.second, blank);
		io_free(gone);
		*gone = blank;
		is_refused(u, i % 2 == 0 ? "store is empty" : "other is empty");
	}
}

static void
in_another_order(void **state)
{
	struct usage *u = used(true);
	struct io *first = u->w.io;

	u->w.io = u->w.second;
	u->w.second = first;
	sim_beside(u->w.io, u->w.io);
	u->w.options.dir = "other";
	u->w.options.others[0].dir = "store";
	is_refused(u, "in the order");
}

static void
of_another_store(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct usage *u = used(i == 0);
		struct world w;

		world_init_two(&w, SEGMENTS);
		w.options.seed = 4711;
		opened(&w);
		assert_int_equal(world_set(&w, 1, 1000000, 1000, 0), STORED);
		assert_true(world_close(&w));
		io_free(&u->w.second);
		u->w.second = w.second;
		sim_beside(u->w.second, u->w.io);
		w.second = NULL;
		world_fini(&w);
		is_refused(u, "two stores");
	}
}

/* A store of one path, and one of two, in each other's place. */
static void
of_another_number(void **state)
{
	struct usage *u = used(true);
	struct world w;

	u->w.options.other_count = 0;
	assert_false(world_open(&u->w));
	assert_non_null(strstr(u->w.opened.sentence, "a store of 2 paths"));
	end(u);

	world_init(&w, SEGMENTS);
	opened(&w);
	assert_true(world_close(&w));
	w.second = sim_new(2, 0);
	sim_beside(w.second, w.io);
	w.options.other_count = 1;
	w.options.others[0] = (struct store_path){ .dir = "other" };
	assert_false(world_open(&w));
	assert_non_null(strstr(w.opened.sentence, "other is empty"));
	world_fini(&w);
}

/* A copy of one of them, of a while ago. */
static void
of_another_time(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		bool second = i % 2, left = i / 2 % 2, leaves = i / 4;
		struct usage *u = used(left);
		struct io *copy = sim_after(second ? u->w.second : u->w.io, SIM_KILL, 9);

		assert_non_null(copy);
		opened(&u->w);
		use(u, 20);
		flush(u);
		if (leaves)
			assert_true(world_close(&u->w));
		else
			world_crash(&u->w, SIM_KILL);
		if (second) {
			sim_beside(copy, u->w.io);
			io_free(&u->w.second);
			u->w.second = copy;
		} else {
			sim_beside(u->w.second, copy);
			io_free(&u->w.io);
			u->w.io = copy;
		}
		is_refused(u, "older than what was left");
	}
}

static const char *const names[2][2] = { { "store/super.a", "store/super.b" }, { "other/super.a", "other/super.b" } };

/* One super of each path may be lost; all of one path may not. */
static void
supers_are_lost(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		struct usage *u = used(i / 4);

		for (unsigned path = 0; path < 2; path++)
			assert_int_equal(sim_flip(disk(u, path), names[path][i >> path & 1], 800), IO_OK);
		opened(&u->w);
		assert_in_range(look(u, true), KEYS / 2, KEYS);
		use(u, 100);
		flush(u);
		world_crash(&u->w, SIM_KILL);
		opened(&u->w);
		look(u, true);
		end(u);
	}
	for (unsigned path = 0; path < 2; path++) {
		struct usage *u = used(true);

		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(sim_flip(disk(u, path), names[path][i], 800), IO_OK);
		is_refused(u, path == 0 ? "super.b in store" : "super.b in other");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crashes_at_any_time),
		cmocka_unit_test(one_loses_its_power),
		cmocka_unit_test(first_start),
		cmocka_unit_test(one_is_missing),
		cmocka_unit_test(in_another_order),
		cmocka_unit_test(of_another_store),
		cmocka_unit_test(of_another_number),
		cmocka_unit_test(of_another_time),
		cmocka_unit_test(supers_are_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
