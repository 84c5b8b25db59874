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
		cmocka_unit_test(i9_growth_that_sorts_wrongly_is_found),
		cmocka_unit_test(an_index_that_is_full_evicts),
		cmocka_unit_test(a_home_full_of_guests_takes_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
