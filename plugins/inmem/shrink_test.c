/* The index of inmem gives up pages that it has no use for, and nothing is lost by it: whoever comes late, and wherever it is stopped. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "audit_test.h"
#include "base/clock.h"
#include "parcel_test.h"
#include "shelves_test.h"
#include "succession.h"

#define GARBAGE (1ULL << ENTRY_WHERE_SHIFT | 1) /* somebody's who lives elsewhere */

/* Buckets sorted for one store, at most; see visit.c. */
#define STORE_BUCKETS 4

static void
nothing_is_dropped(void *arg, uint64_t entry)
{
	fail_msg("an entry was dropped");
}

static uint64_t
pages(void)
{
	return index_pages_in_use(&store->index);
}

static uint64_t
came_back(void)
{
	return store->index.grown / INDEX_BACK;
}

static void
step(unsigned buckets)
{
	growth_step(&store->index, buckets, nothing_is_dropped, NULL);
}

static void
finish(void)
{
	while (growth_runs(&store->index))
		step(1);
}

static void
grow_once(void)
{
	assert_true(budget_take(store->arena.budget, ARENA_PAGE));
	assert_true(growth_begin(&store->index, true));
	finish();
}

static void
shrink_once(void)
{
	assert_true(growth_shrink(&store->index));
	finish();
}

static void
all_are_there(int from, int to, size_t len)
{
	for (int i = from; i < to; i++)
		assert_true(is_whole(find(i), i, len));
}

/* One set, with two pages and so many items. */
static void
two_pages(bool evict, int items)
{
	shelves_make(8 * MIB, evict);
	for (int i = 0; i < items; i++)
		assert_true(put(shelves[0], i, 10));
	settle();
	assert_int_equal(store->arena.sets, 1);
	if (pages() == 1)
		grow_once();
	assert_int_equal(pages(), 2);
}

/* ---- by what is stored and deleted ---- */

static void
i9_shrinkage_loses_nothing(void **state)
{
	uint64_t most, before;

	shelves_make(64 * MIB, true);
	for (int i = 0; i < 60000; i++)
		assert_true(put(shelves[0], i, 10));
	settle();
	most = pages();
	for (int i = 6000; i < 60000; i++)
		drop(shelves[0], i);
	/* What each store does for it is bounded. */
	for (int i = 0; pages() > most / 4; i++) {
		assert_true(i < 60000);
		before = came_back();
		drop(shelves[0], 6000);
		assert_true(put(shelves[0], 6000, 10));
		leave(shelves[0]);
		assert_true(came_back() - before <= STORE_BUCKETS + 1);
		if (i % 500 == 0)
			all_are_there(0, 6000, 10);
	}
	all_are_there(0, 6001, 10);
	finish();
	for (int i = 0; i < 100; i++)
		growth_forget(&store->index, &store->grace);
	assert_int_equal(store->index.paid, pages());
	assert_int_equal(store->index.displaced, 0);
	assert_int_equal(audit(store), 6001);
	/* And back. */
	for (int i = 6000; i < 60000; i++)
		assert_true(put(shelves[0], i, 10));
	all_are_there(0, 60000, 10);
	settle();
	assert_int_equal(pages(), most);
	assert_int_equal(audit(store), 60000);
	shelves_end();
}

/* When nothing is stored, it is done once a second. */
static void
what_expires_gives_pages_back(void **state)
{
	uint64_t most;

	shelves_make(16 * MIB, true);
	for (int i = 0; i < 20000; i++)
		assert_true(put_until(shelves[0], i, 10, i % 20 == 0 ? 0 : rend_wall() + 10));
	settle();
	most = pages();
	assert_true(most > 10);
	for (int s = 0; s < 60; s++) {
		uint64_t before = came_back();

		clock_fake(rend_now() + 1000000000, rend_wall() + 1);
		store_tick(shelves[s % 2]);
		assert_true(came_back() - before <= 4096 + 1);
	}
	assert_int_equal(pages(), 1);
	assert_int_equal(store->index.paid, 1);
	for (int i = 0; i < 20000; i += 20)
		assert_true(is_whole(find(i), i, 10));
	settle();
	assert_int_equal(audit(store), 1000);
	shelves_end();
}

/* Small values, then large ones, and back: the memory of the index goes to the log, and comes again. */
static void
i8_the_index_is_as_large_as_the_items_of_the_day_need(void **state)
{
	uint64_t of_day[4];
	int key = 0;

	shelves_make(8 * MIB, true);
	for (int day = 0; day < 4; day++) {
		for (int i = 0; i < 60000; i++) {
			put(shelves[0], key++, day % 2 == 0 ? 120 : 3000);
			leave(shelves[0]);
		}
		of_day[day] = store->index.paid * ARENA_PAGE;
		print_message("%s values: %lu bytes of index\n", day % 2 == 0 ? "small" : "large", of_day[day]);
		assert_true(budget_used(store->arena.budget) <= store->arena.limit);
		assert_true(store_count(store) > (day % 2 == 0 ? 30000 : 2200));
	}
	assert_true(of_day[0] > 20 * ARENA_PAGE);
	assert_true(of_day[1] < of_day[0] / 5);
	assert_true(of_day[2] > of_day[0] * 9 / 10);
	assert_true(of_day[3] < of_day[0] / 5);
	settle();
	assert_true(audit(store) > 0);
	shelves_end();
}

/* However many there are, when as many come as go it neither grows nor shrinks for long. */
static void
i9_it_does_not_go_to_and_fro(void **state)
{
	shelves_make(16 * MIB, true);
	for (int items = 500, there = 0; items < 9000; items += 170) {
		uint64_t grown;

		for (; there < items; there++)
			assert_true(put(shelves[0], there, 10));
		for (int part = 0; part < 2; part++) {
			grown = store->index.grown;
			for (int i = 0; i < 1500; i++) {
				drop(shelves[0], there - 1);
				assert_true(put(shelves[0], there - 1, 10));
			}
			leave(shelves[0]);
		}
		assert_false(growth_runs(&store->index));
		assert_int_equal(store->index.grown, grown);
	}
	shelves_end();
}

/* Nothing that went comes back with the entries that do. */
static void
i5_what_is_gone_stays_gone(void **state)
{
	two_pages(true, 700);
	assert_true(growth_shrink(&store->index));
	for (int i = 0; i < 100; i++) {
		drop(shelves[0], i);
		step(1);
	}
	finish();
	for (int i = 0; i < 700; i++)
		assert_int_equal(find(i) != NULL, i >= 100);
	assert_int_equal(audit(store), 600);
	grow_once();
	/* Touched so that they expire, and flushed. */
	assert_true(growth_shrink(&store->index));
	step(100);
	for (int i = 100; i < 200; i++)
		touch(shelves[0], i, rend_wall() + 1);
	clock_fake(rend_now() + 1000000000, rend_wall() + 1);
	step(50);
	for (int i = 0; i < 700; i++)
		assert_int_equal(find(i) != NULL, i >= 200);
	shelf_enter(shelves[0]);
	store_flush(shelves[0]);
	for (int i = 0; i < 50; i++)
		put(shelves[0], i, 11);
	finish();
	for (int i = 0; i < 700; i++)
		assert_int_equal(find(i) != NULL, i < 50);
	settle();
	assert_true(audit(store) >= 50);
	shelves_end();
}

/* ---- a page that cannot be emptied ---- */

/* No bucket of the first page has room, but for the last few. */
static void
fill_first_page(uint64_t with)
{
	for (unsigned b = 0; b < INDEX_BUCKETS; b++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			uint64_t *slot = &index_bucket(&store->index, b)->slots[i];

			if (with == 0 && *slot == GARBAGE)
				*slot = 0;
			else if (with != 0 && *slot == 0 && b < INDEX_BUCKETS - 30)
				*slot = with;
		}
}

static void
i9_a_page_that_cannot_be_emptied_is_filled_again(void **state)
{
	unsigned waits[4];

	for (int evict = 0; evict < 2; evict++) {
		two_pages(evict, 1000);
		fill_first_page(GARBAGE);
		for (int n = 0; n < 4; n++) {
			uint64_t before = came_back();

			waits[n] = 0;
			while (!growth_shrink(&store->index))
				waits[n]++;
			/* Some can be moved, until one cannot. */
			for (int i = 0; growth_runs(&store->index); i++) {
				assert_true(i < 2 * INDEX_BUCKETS);
				step(1);
				all_are_there(0, 1000, 10);
			}
			assert_true(came_back() > before && came_back() - before < INDEX_BUCKETS);
			assert_int_equal(pages(), 2);
		}
		assert_int_equal(waits[0], 0);
		for (int n = 2; n < 4; n++)
			assert_int_equal(waits[n], 2 * waits[n - 1]);
		/* Nor does it grow for that. */
		assert_int_not_equal(growth_need(&store->index, 1000), GROWTH_MORE);
		fill_first_page(0);
		while (!growth_shrink(&store->index))
			;
		finish();
		assert_int_equal(pages(), 1);
		assert_int_equal(store->index.vain, 0);
		all_are_there(0, 1000, 10);
		assert_int_equal(audit(store), 1000);
		shelves_end();
	}
}

/* Somebody finds no place for his entry while a page is emptied: then it is not. */
static void
i9_nobody_is_refused_for_long_because_it_shrinks(void **state)
{
	two_pages(false, 1000);
	assert_true(growth_shrink(&store->index));
	step(100);
	store->index.crowded = true;
	finish();
	assert_int_equal(pages(), 2);
	assert_true(store->index.wait > 0);
	all_are_there(0, 1000, 10);
	assert_int_equal(audit(store), 1000);
	shelves_end();
}

/* ---- those who are late: they are held where they first look into the last page, until something has become of it ---- */

static struct {
	char *page;
	void (*then)(void);
	int times;
} held;

static void
go_on(int signal, siginfo_t *info, void *context)
{
	if ((size_t)((char *)info->si_addr - held.page) >= ARENA_PAGE) {
		sigaction(SIGSEGV, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
		return;
	}
	mprotect(held.page, ARENA_PAGE, PROT_READ | PROT_WRITE);
	held.times++;
	held.then();
}

static void
hold(void (*then)(void))
{
	held.page = arena_page(&store->arena, 0, 1);
	held.then = then;
	held.times = 0;
	assert_int_equal(mprotect(held.page, ARENA_PAGE, PROT_NONE), 0);
}

static void
shrink_and_grow(void)
{
	shrink_once();
	grow_once();
}

/* Half of it comes back, and goes there again. */
static void
shrink_and_turn_round(void)
{
	assert_true(growth_shrink(&store->index));
	step(INDEX_BUCKETS / 2);
	store->index.crowded = true;
	finish();
	store->index.wait = 0;
}

static void
shrink_half(void)
{
	assert_true(growth_shrink(&store->index));
	step(INDEX_BUCKETS / 2);
}

/* And not in the bucket that comes back first. */
static bool
is_in_last_page(int key)
{
	struct op o;
	uint32_t hash = index_hash(op_of(&o, key)->hash);

	return index_page_of(2, hash) == 1 && hash % INDEX_BUCKETS != INDEX_BUCKETS - 1;
}

/* He had to wait, and there are two pages again. */
static void
as_it_was(void)
{
	assert_int_equal(held.times, 1);
	finish();
	if (pages() == 1)
		grow_once();
}

/* Held where the home is locked: what is asked before, for the draft, is over then. */
static void
put_held(int key, void (*then)(void))
{
	struct op o;
	struct draft d;
	struct visit v;

	shelf_enter(shelves[0]);
	assert_true(draft_new(&d, shelves[0], op_of(&o, key), 10, 0));
	write_described(&d, key, 10);
	hold(then);
	visit_enter(&v, shelves[0], &o.op);
	assert_non_null(v.found);
	assert_true(visit_put(&v, &o.op, &d));
	visit_leave(&v);
	draft_waste(&d, shelves[0]);
}

static void
i9_who_is_late_for_a_page_that_goes_misses_nothing(void **state)
{
	static void (*const becomes[])(void) = { shrink_once, shrink_half, shrink_and_grow, shrink_and_turn_round };
	struct sigaction old, act = { .sa_sigaction = go_on, .sa_flags = SA_SIGINFO };

	/* So many that it wants neither to grow nor to shrink by itself. */
	two_pages(true, 1200);
	assert_int_equal(sigaction(SIGSEGV, &act, &old), 0);
	for (int key = 0; key < 300; key++) {
		if (!is_in_last_page(key))
			continue;
		/* One who had counted the pages before it began to shrink. */
		hold(becomes[key % 4]);
		assert_non_null(find(key));
		as_it_was();
		/* And one who stores; it is there once, then. */
		put_held(key, becomes[key % 4]);
		as_it_was();
		/* Those who were sent to it, by the mark of a bucket that has not come back. */
		assert_true(growth_shrink(&store->index));
		hold(finish);
		assert_non_null(find(key));
		as_it_was();
		assert_true(growth_shrink(&store->index));
		put_held(key, finish);
		as_it_was();
	}
	assert_int_equal(sigaction(SIGSEGV, &old, NULL), 0);
	all_are_there(0, 1200, 10);
	assert_null(find(1201));
	settle();
	assert_int_equal(audit(store), 1200);
	shelves_end();
}

/* ---- the memory ---- */

/* What may still be looked at stays; when that is over it goes, and reads as zeros. */
static void
a_page_that_was_given_up_waits_for_a_grace(void **state)
{
	struct bucket *last;
	uint64_t used;

	two_pages(true, 700);
	last = arena_page(&store->arena, 0, 1);
	used = budget_used(store->arena.budget);
	shelf_enter(shelves[1]);
	shrink_once();
	last->pages = 77;
	for (int i = 0; i < 10; i++)
		growth_forget(&store->index, &store->grace);
	assert_int_equal(last->pages, 77);
	assert_int_equal(budget_used(store->arena.budget), used);
	assert_int_equal(store->index.paid, 2);
	leave(shelves[1]);
	growth_forget(&store->index, &store->grace);
	assert_int_equal(last->pages, 0);
	assert_int_equal(budget_used(store->arena.budget), used - ARENA_PAGE);
	assert_int_equal(store->index.paid, 1);
	/* One that waits is taken again, and paid for once.  Given up again it waits again. */
	grow_once();
	shrink_once();
	growth_forget(&store->index, &store->grace);
	grow_once();
	assert_int_equal(budget_used(store->arena.budget), used);
	shelf_enter(shelves[1]);
	shrink_once();
	for (int i = 0; i < 10; i++)
		growth_forget(&store->index, &store->grace);
	assert_int_equal(store->index.paid, 2);
	leave(shelves[1]);
	growth_forget(&store->index, &store->grace);
	assert_int_equal(store->index.paid, 1);
	/* More than one, of which the first is taken again. */
	grow_once();
	grow_once();
	shrink_once();
	shrink_once();
	growth_forget(&store->index, &store->grace);
	grow_once();
	growth_forget(&store->index, &store->grace);
	assert_int_equal(store->index.paid, 2);
	shelf_enter(shelves[1]);
	shrink_once();
	for (int i = 0; i < 10; i++)
		growth_forget(&store->index, &store->grace);
	assert_int_equal(store->index.paid, 2);
	leave(shelves[1]);
	growth_forget(&store->index, &store->grace);
	assert_int_equal(store->index.paid, 1);
	assert_int_equal(budget_used(store->arena.budget), used - ARENA_PAGE);
	all_are_there(0, 700, 10);
	assert_int_equal(audit(store), 700);
	shelves_end();
}

/* ---- in another process ---- */

static void
i11_it_is_handed_over_at_any_bucket(void **state)
{
	two_pages(true, 1000);
	grow_once();
	for (unsigned after = 0; after < 2 * INDEX_BUCKETS; after += 23) {
		uint64_t used;

		assert_true(growth_shrink(&store->index));
		step(after);
		hand_over();
		assert_int_equal(store->index.paid, pages());
		all_are_there(0, 1000, 10);
		for (int i = 0; i < 100; i++)
			assert_true(put(shelves[0], (int)after + i, 10));
		/* That it shrinks is not handed over: it is filled again, and shrinks if that is right. */
		finish();
		all_are_there(0, 1000, 10);
		settle();
		assert_int_equal(audit(store), 1000);
		while (pages() > 2)
			shrink_once();
		/* One that waits does not go with it. */
		hand_over();
		assert_int_equal(store->index.paid, 2);
		used = budget_used(store->arena.budget);
		grow_once();
		assert_int_equal(budget_used(store->arena.budget), used + ARENA_PAGE);
		all_are_there(0, 1000, 10);
		assert_int_equal(audit(store), 1000);
	}
	shelves_end();
}

/* The next process does not come up: it goes on where it was. */
static void
it_goes_on_when_it_was_not_taken(void **state)
{
	struct rend_parcel parcel;

	two_pages(true, 700);
	assert_true(growth_shrink(&store->index));
	step(100);
	parcel = give_parcel();
	store_keep(store);
	assert_true(growth_runs(&store->index) && store->index.gives);
	finish();
	assert_int_equal(pages(), 1);
	all_are_there(0, 700, 10);
	assert_int_equal(audit(store), 700);
	(void)parcel;
	shelves_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i9_shrinkage_loses_nothing),
		cmocka_unit_test(what_expires_gives_pages_back),
		cmocka_unit_test(i8_the_index_is_as_large_as_the_items_of_the_day_need),
		cmocka_unit_test(i9_it_does_not_go_to_and_fro),
		cmocka_unit_test(i5_what_is_gone_stays_gone),
		cmocka_unit_test(i9_a_page_that_cannot_be_emptied_is_filled_again),
		cmocka_unit_test(i9_nobody_is_refused_for_long_because_it_shrinks),
		cmocka_unit_test(i9_who_is_late_for_a_page_that_goes_misses_nothing),
		cmocka_unit_test(a_page_that_was_given_up_waits_for_a_grace),
		cmocka_unit_test(i11_it_is_handed_over_at_any_bucket),
		cmocka_unit_test(it_goes_on_when_it_was_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
