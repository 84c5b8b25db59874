/* The index of inmem by itself: it grows, it is full, and growth in which a fault was planted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit_test.h"
#include "shelves_test.h"

static bool no_mark; /* growth takes nothing to the new page, and says that it has */

unsigned __real_index_page_of(unsigned pages, uint32_t hash);
unsigned __wrap_index_page_of(unsigned pages, uint32_t hash);

unsigned
__wrap_index_page_of(unsigned pages, uint32_t hash)
{
	/* Growth asks with one page more than a set has; then nothing is found to belong there. */
	return no_mark ? 0 : __real_index_page_of(pages, hash);
}

/* ---- the index ---- */

static void
i9_growth_loses_nothing(void **state)
{
	uint64_t before;

	shelves_make(64 * MIB, true);
	for (int i = 0; i < 100000; i++) {
		assert_true(put(shelves[0], i, 10));
		if (i % 1000 == 0)
			for (int j = 0; j <= i; j += 97)
				assert_non_null(find(j));
	}
	for (int i = 0; i < 100000; i++)
		assert_true(is_whole(find(i), i, 10));
	settle();
	assert_int_equal(audit(store), 100000);
	assert_true(index_buckets(&store->index) > 8 * INDEX_BUCKETS * store->arena.sets);
	assert_true(growth_slots(&store->index) < 100000 * 14 / 10);
	assert_int_equal(store->index.displaced, 0);
	before = index_buckets(&store->index);
	assert_true(before < ARENA_PAGES_MAX * INDEX_BUCKETS * store->arena.sets);
	shelves_end();
}

/* With many pages in a set, and so many small items that come one after the other, growth keeps pace. */
static void
i9_growth_keeps_pace(void **state)
{
	shelves_make(12 * MIB, true);
	for (int i = 0; i < 120000; i++) {
		assert_true(put(shelves[0], i, 10));
		leave(shelves[0]);
	}
	assert_int_equal(store->arena.sets, 1);
	assert_true(index_buckets(&store->index) > 80 * INDEX_BUCKETS);
	assert_int_equal(store->index.displaced, 0);
	assert_int_equal(store_count(store), 120000);
	settle();
	assert_int_equal(audit(store), 120000);
	shelves_end();
}

static void
i9_growth_that_sorts_wrongly_is_found(void **state)
{
	int lost = 0;

	shelves_make(16 * MIB, true);
	for (int i = 0; i < 20000; i++) {
		no_mark = i > 1000 && i < 15000;
		put(shelves[0], i, 10);
	}
	no_mark = false;
	settle();
	for (int i = 0; i < 20000; i++)
		lost += find(i) == NULL;
	assert_true(lost > 0);
	assert_int_equal(audit(store), -1);
	shelves_end();
}

static void
count_dropped(void *arg, uint64_t entry)
{
	(*(int *)arg)++;
}

/* The new page is full before anything has come to it: what moves there has no place. */
static void
i9_growth_waits_where_nothing_may_be_dropped(void **state)
{
	struct bucket *page;
	int dropped = 0;

	shelves_make(8 * MIB, false);
	for (int i = 0; i < 1200; i++)
		put(shelves[0], i, 10);
	settle();
	page = index_bucket(&store->index, index_buckets(&store->index));
	assert_true(budget_take(store->arena.budget, ARENA_PAGE));
	assert_true(growth_begin(&store->index, true));
	for (unsigned b = 0; b < INDEX_BUCKETS; b++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++)
			page[b].slots[i] = 1ULL << ENTRY_WHERE_SHIFT | 1; /* somebody's who lives elsewhere */
	for (int i = 0; i < 3; i++)
		growth_step(&store->index, 10, NULL, NULL);
	assert_true(store->index.growing < 10);
	for (int i = 0; i < 1200; i++)
		assert_non_null(find(i));
	memset(page, 0, ARENA_PAGE);
	settle();
	assert_int_equal(audit(store), 1200);
	/* Where they may be, the same steps drop some. */
	page = index_bucket(&store->index, index_buckets(&store->index));
	assert_true(budget_take(store->arena.budget, ARENA_PAGE));
	assert_true(growth_begin(&store->index, true));
	for (unsigned b = 0; b < INDEX_BUCKETS; b++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++)
			page[b].slots[i] = 1ULL << ENTRY_WHERE_SHIFT | 1;
	growth_step(&store->index, 30, count_dropped, &dropped);
	assert_true(dropped > 0);
	memset(page, 0, ARENA_PAGE);
	settle();
	shelves_end();
}

static void
nothing_is_dropped(void *arg, uint64_t entry)
{
	fail_msg("growth dropped an entry");
}

/* A page more for the only set: all of its buckets sorted, or only those of the first page. */
static void
grow_once(bool whole)
{
	assert_true(budget_take(store->arena.budget, ARENA_PAGE));
	assert_true(growth_begin(&store->index, true));
	growth_step(&store->index, whole ? 128 * INDEX_BUCKETS : INDEX_BUCKETS, nothing_is_dropped, NULL);
	assert_int_equal(growth_runs(&store->index), !whole);
}

/* Who counted the pages before the last two were added finds what is there, and stores nothing twice. */
static void
i9_who_is_late_by_two_pages_misses_nothing(void **state)
{
	uint64_t late, now;

	shelves_make(8 * MIB, true);
	for (int i = 0; i < 1200; i++)
		put(shelves[0], i, 10);
	settle();
	late = store->index.grown;
	grow_once(true);
	grow_once(false);
	now = store->index.grown;
	assert_int_equal(now >> 32, (late >> 32) + 1);
	store->index.grown = late;
	for (int i = 0; i < 1200; i++)
		assert_true(is_whole(find(i), i, 10));
	pthread_mutex_lock(&store->index.grow_lock); /* it grows no further for these */
	for (int i = 0; i < 1200; i++)
		put(shelves[0], i, 11);
	pthread_mutex_unlock(&store->index.grow_lock);
	store->index.grown = now;
	settle();
	for (int i = 0; i < 1200; i++)
		assert_true(is_whole(find(i), i, 11));
	assert_int_equal(audit(store), 1200);
	shelves_end();
}

/* One that finds its home and the other buckets full of items that are at home there: these move. */
static void
others_make_way(void **state)
{
	int there = 0, stored = 0;

	shelves_make(4 * MIB, false);
	store->index.growing = 0; /* somebody else is at it, for ever */
	pthread_mutex_lock(&store->index.grow_lock);
	/* Of a hundred slots 97; with three other buckets, and nobody who moves for others, some of these would have no place. */
	for (int i = 0; i < INDEX_BUCKETS * INDEX_SLOTS * 97 / 100; i++)
		stored += put(shelves[0], i, 10);
	pthread_mutex_unlock(&store->index.grow_lock);
	for (int i = 0; i < INDEX_BUCKETS * INDEX_SLOTS * 97 / 100; i++)
		there += find(i) != NULL;
	assert_int_equal(stored, INDEX_BUCKETS * INDEX_SLOTS * 97 / 100);
	assert_int_equal(there, stored);
	store->index.growing = INDEX_RESTS;
	settle();
	assert_int_equal(audit(store), there);
	shelves_end();
}

/* When the index may not grow, what is asked for least goes, and nothing else is lost. */
static void
an_index_that_is_full_evicts(void **state)
{
	int there = 0;

	shelves_make(4 * MIB, true);
	store->index.growing = 0; /* somebody else is at it, for ever */
	pthread_mutex_lock(&store->index.grow_lock);
	for (int i = 0; i < 8000; i++) {
		put(shelves[0], i, 10);
		assert_non_null(find(i));
	}
	pthread_mutex_unlock(&store->index.grow_lock);
	for (int i = 0; i < 8000; i++)
		there += find(i) != NULL;
	assert_true(there > 1600 && there <= INDEX_BUCKETS * INDEX_SLOTS);
	assert_int_equal((uint64_t)there + store->index.displaced, 8000);
	store->index.growing = INDEX_RESTS;
	settle();
	assert_int_equal(audit(store), there);
	shelves_end();
}

static unsigned
home_of(int key)
{
	struct op o;

	return index_hash(op_of(&o, key)->hash) % INDEX_BUCKETS;
}

/* Of the only page. */
static bool
is_full_of_guests(unsigned home)
{
	const struct bucket *b = index_bucket(&store->index, home);

	for (unsigned i = 0; i < INDEX_SLOTS; i++)
		if (b->slots[i] == 0 || index_home_of(home, b->slots[i]) == home)
			return false;
	return true;
}

/* Some homes have no key yet when all others are more than full: what lives there is theirs.  Then their own come. */
static void
a_home_full_of_guests_takes_its_own(void **state)
{
	unsigned taken = 0;
	int stored = 0, key = 0;

	shelves_make(4 * MIB, true);
	store->index.growing = 0; /* somebody else is at it, for ever */
	pthread_mutex_lock(&store->index.grow_lock);
	for (; stored < 3000; key++)
		if (home_of(key) >= 8) {
			assert_true(put(shelves[0], key, 10));
			stored++;
		}
	for (; taken < 5 && key < 20000; key++)
		if (home_of(key) < 8) {
			taken += is_full_of_guests(home_of(key));
			assert_true(put(shelves[0], key, 10));
			assert_non_null(find(key));
		}
	assert_true(taken >= 5);
	pthread_mutex_unlock(&store->index.grow_lock);
	store->index.growing = INDEX_RESTS;
	settle();
	assert_true(audit(store) > 1600);
	shelves_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i9_growth_loses_nothing),
		cmocka_unit_test(i9_growth_keeps_pace),
		cmocka_unit_test(i9_growth_that_sorts_wrongly_is_found),
		cmocka_unit_test(i9_growth_waits_where_nothing_may_be_dropped),
		cmocka_unit_test(i9_who_is_late_by_two_pages_misses_nothing),
		cmocka_unit_test(others_make_way),
		cmocka_unit_test(an_index_that_is_full_evicts),
		cmocka_unit_test(a_home_full_of_guests_takes_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
