/*
 * The parts of inmem by themselves, several workers on one thread: what waits for whom, what grows, what is copied.  Faults are planted by
 * taking the place of one function.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit_test.h"
#include "base/hash.h"
#include "shelves_test.h"

/* ---- planted faults ---- */

static bool no_grace; /* what was taken out is used again at once */

bool __real_grace_over(struct grace *g, uint64_t epoch);
bool __wrap_grace_over(struct grace *g, uint64_t epoch);

bool
__wrap_grace_over(struct grace *g, uint64_t epoch)
{
	return no_grace || __real_grace_over(g, epoch);
}

/* ---- in between: somebody else's turn when this one asks for the time ---- */

static void (*in_between)(void);

int64_t __real_rend_wall(void);
int64_t __wrap_rend_wall(void);

int64_t
__wrap_rend_wall(void)
{
	void (*does)(void) = in_between;

	in_between = NULL;
	if (does != NULL)
		does();
	return __real_rend_wall();
}

/* ---- grace: what is read, and what is not published yet, stays ---- */

#define LAPS 4

/* Writes as much as the store holds, a few times; what cannot be written is refused. */
static void
write_laps(struct shelf *sh, size_t len)
{
	for (int i = 0; i < (int)(LAPS * store->arena.limit / len); i++)
		if (!put(sh, 100000 + i, len))
			return;
}

static bool
what_is_read_stays(void)
{
	struct record *r;

	put(shelves[0], 1, 500);
	shelf_enter(shelves[1]);
	r = find(1);
	assert_true(is_whole(r, 1, 500));
	drop(shelves[0], 1);
	write_laps(shelves[0], 500);
	return is_whole(r, 1, 500);
}

static void
i2_what_somebody_reads_is_not_used_again(void **state)
{
	shelves_make(MIB, true);
	assert_true(what_is_read_stays());
	/* When he is done, there is room again. */
	leave(shelves[1]);
	assert_true(put(shelves[0], 2, 500));
	shelves_end();
	shelves_make(MIB, true);
	no_grace = true;
	assert_false(what_is_read_stays());
	no_grace = false;
	shelves_end();
}

static bool
what_is_drafted_stays(void)
{
	struct op o;
	struct draft d;
	struct visit v;
	struct record *r;

	shelf_enter(shelves[1]);
	assert_true(draft_new(&d, shelves[1], op_of(&o, 1), 500, 0));
	write_described(&d, 1, 500);
	log_close(&store->log);
	write_laps(shelves[0], 500);
	visit_enter(&v, shelves[1], &o.op);
	assert_true(visit_put(&v, &o.op, &d));
	visit_leave(&v);
	r = find(1);
	return r != NULL && is_whole(r, 1, 500);
}

static void
i2_a_draft_is_not_cleaned_away(void **state)
{
	shelves_make(MIB, true);
	assert_true(what_is_drafted_stays());
	shelves_end();
	shelves_make(MIB, true);
	no_grace = true;
	assert_false(what_is_drafted_stays());
	no_grace = false;
	shelves_end();
}

/* ---- memory ---- */

/* All kinds of sizes, overwritten, deleted, evicted, moved. */
static void
i1_i4_all_agrees_after_any_mix(void **state)
{
	static const size_t sizes[] = { 0, 10, 100, 700, 2000, 5000, 40000 };

	for (int evict = 0; evict < 2; evict++) {
		shelves_make(4 * MIB, evict);
		for (int i = 0; i < 60000; i++) {
			struct shelf *sh = shelves[roll(2)];
			int key = (int)roll(20000);

			if (roll(5) == 0)
				drop(sh, key);
			else
				put(sh, key, sizes[roll(i % 20000 < 10000 ? 4 : 7)]);
			leave(sh);
			assert_true(budget_used(store->arena.budget) <= 4 * MIB);
		}
		settle();
		assert_true(audit(store) > 1000);
		for (int i = 0; i < 20000; i++)
			drop(shelves[0], i);
		settle();
		assert_int_equal(audit(store), 0);
		shelves_end();
	}
}

#define ALL_LENGTHS SIZE_MAX

/* Bytes that items take in the log and from malloc, all of them or those whose value has this length. */
static uint64_t
bytes_of(size_t len)
{
	uint64_t bytes = 0;

	for (uint64_t n = 0; n < index_pages_in_use(&store->index) * INDEX_BUCKETS; n++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			uint64_t entry = index_bucket(&store->index, n)->slots[i];
			const struct record *r = arena_at(&store->arena, entry_location(entry));

			if (entry != 0 && (len == ALL_LENGTHS || large_or_len(&store->arena, r) == len))
				bytes += record_footprint(r) + (large_of(&store->arena, r) == NULL
								       ? 0
								       : large_cost(large_of(&store->arena, r)));
		}
	return bytes;
}

/* Sizes change over night, and back: when one and a half times the memory has been written, it is the new ones' but for a tenth. */
static void
i8_memory_goes_to_the_sizes_of_the_day(void **state)
{
	static const size_t days[][2] = { { 1000, 3000 }, { 300, 100000 } };

	for (size_t d = 0; d < sizeof days / sizeof *days; d++) {
		int key = 0, refused = 0;

		shelves_make(16 * MIB, true);
		for (int day = 0; day < 4; day++) {
			size_t len = days[d][day % 2];

			for (size_t wrote = 0; wrote < 24 * MIB; wrote += len) {
				refused += !put(shelves[0], key++, len);
				leave(shelves[0]);
			}
			assert_true(budget_used(store->arena.budget) <= 16 * MIB);
			print_message("%zu bytes: %.3f of the memory\n", len, (double)bytes_of(len) / (16 * MIB));
			assert_true(bytes_of(len) > 16 * MIB / 100 * (len < 1000 ? 87 : 90));
		}
		settle();
		assert_true(audit(store) > 0);
		/* By the index, when all buckets that one could be in are full of others. */
		assert_true(refused <= key / 10000);
		shelves_end();
	}
}

/* Bytes of overhead per item, with the index as it is when it has just grown and before: the limit that was promised. */
static void
overhead_of_an_item(void **state)
{
	uint64_t bytes = 0, items;

	shelves_make(64 * MIB, true);
	for (int i = 0; i < 1000000; i++) {
		put(shelves[0], i, 50 + roll(100));
		leave(shelves[0]);
	}
	settle();
	items = store_count(store);
	for (uint64_t n = 0; n < index_buckets(&store->index); n++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			uint64_t entry = index_bucket(&store->index, n)->slots[i];
			const struct record *r = arena_at(&store->arena, entry_location(entry));

			if (entry != 0)
				bytes += r->keylen + r->len;
		}
	print_message("%.1f bytes beside key and value, %llu items\n",
	    (double)(budget_used(store->arena.budget) - bytes) / (double)items, (unsigned long long)items);
	assert_true(budget_used(store->arena.budget) - bytes <= 48 * items);
	shelves_end();
}

/* ---- bounds ---- */

static unsigned long walked;

void __real_index_lock(struct home *h, struct index *ix, uint32_t hash);
void __wrap_index_lock(struct home *h, struct index *ix, uint32_t hash);

void
__wrap_index_lock(struct home *h, struct index *ix, uint32_t hash)
{
	walked++;
	__real_index_lock(h, ix, hash);
}

/* A set, with others going for it, takes few more locks than its own. */
static void
i7_a_set_does_bounded_work(void **state)
{
	unsigned long most = 0, all;

	shelves_make(16 * MIB, true);
	for (int i = 0; i < 200000; i++)
		put(shelves[0], i, 20 + roll(400));
	all = walked;
	for (int i = 0; i < 100000; i++) {
		unsigned long before = walked;

		put(shelves[0], 200000 + i, 20 + roll(400));
		if (walked - before > most)
			most = walked - before;
	}
	print_message("%.2f locks for a set, %lu at most\n", (double)(walked - all) / 100000, most);
	assert_true(walked - all < 100000 * 5);
	assert_true(most <= 1 + 32);
	shelves_end();
}

/* ---- nothing may be evicted ---- */

#define CHURN_KEYS 40000

/* Refusals, when so many of a hundred are taken out of a full store, and then one goes for each that comes, which takes as much. */
static int
churn(unsigned percent, unsigned long *most)
{
	static struct {
		int key;
		size_t len;
	} items[CHURN_KEYS * 2];
	int count = 0, key = 0, refused = 0;

	shelves_make(8 * MIB, false);
	for (items[0].len = 20; put(shelves[0], key, items[count].len); items[count].len = 20 + roll(400))
		items[count++].key = key++;
	leave(shelves[0]);
	assert_true(bytes_of(ALL_LENGTHS) > 8 * MIB * 9 / 10);
	for (int i = 0; i < count; i++)
		if (roll(100) < percent) {
			drop(shelves[0], items[i].key);
			items[i--] = items[--count];
		}
	leave(shelves[0]);
	for (int i = 0; i < CHURN_KEYS; i++) {
		struct shelf *sh = shelves[roll(2)];
		int at = (int)roll((unsigned)count);
		unsigned long before;

		drop(sh, items[at].key);
		items[at].key = ++key;
		before = walked;
		if (!put(sh, key, items[at].len)) {
			refused++;
			items[at] = items[--count];
		} else if (walked - before > *most)
			*most = walked - before;
		leave(sh);
	}
	settle();
	assert_int_equal(audit(store), count);
	shelves_end();
	return refused;
}

/* Three of a hundred are enough for that, and of the others as many were there as memory holds. */
static void
without_eviction_only_what_has_no_room_is_refused(void **state)
{
	for (unsigned percent = 1; percent <= 9; percent += 2) {
		unsigned long most = 0;
		int refused = churn(percent, &most);

		print_message(
		    "%u %% free: %d of %d refused, %lu locks for a set at most\n", percent, refused, CHURN_KEYS, most);
		assert_true(refused <= (percent < 3 ? CHURN_KEYS / 100 : 0));
		assert_true(most <= 2 * 2048);
	}
}

/* ---- when others are in the middle of a turn, or are many ---- */

/* What was cleaned is free when they are through; until then nothing more is evicted for the same store than it takes. */
static void
a_large_value_evicts_no_more_than_it_takes(void **state)
{
	uint64_t before;

	shelves_make(16 * MIB, true);
	for (int i = 0; i < 20000; i++) {
		put(shelves[0], i, 1000);
		leave(shelves[0]);
	}
	before = store_count(store);
	shelf_enter(shelves[1]);
	for (int i = 0; i < 20; i++) {
		put(shelves[0], 900000 + i, 20000);
		leave(shelves[0]);
	}
	print_message("%llu of %llu stayed\n", (unsigned long long)store_count(store), (unsigned long long)before);
	assert_true(store_count(store) > before * 9 / 10);
	shelves_end();
}

/* What their answers may take leaves room for items. */
static void
the_least_memory_is_enough_for_many_workers(void **state)
{
	struct shelf *many[64];

	store = store_new(MIB, true, true, 64);
	assert_non_null(store);
	for (unsigned w = 0; w < 64; w++)
		assert_non_null(many[w] = shelf_new(store, w));
	for (int i = 0; i < 6400; i++) {
		assert_true(put(many[i % 64], i, 100));
		grace_leave(&store->grace, (unsigned)i % 64);
	}
	assert_true(store_count(store) > 1000);
	for (unsigned w = 0; w < 64; w++)
		shelf_free(&many[w]);
	store_free(&store);
}

/* ---- flush: 16 bits of it are in a record ---- */

static void
flush_and_store(void)
{
	shelf_enter(shelves[1]);
	store_flush(shelves[1]);
	assert_true(put(shelves[1], 1, 100));
	leave(shelves[1]);
}

/* A sweep that began before it, and comes by after it. */
static void
i5_what_is_stored_after_a_flush_stays(void **state)
{
	shelves_make(4 * MIB, false);
	put(shelves[0], 2, 100);
	leave(shelves[0]);
	shelf_enter(shelves[0]);
	in_between = flush_and_store;
	store_sweep(shelves[0], index_buckets(&store->index));
	assert_null(in_between);
	assert_null(find(2));
	assert_non_null(find(1));
	shelves_end();
}

static void
i5_flushed_items_do_not_come_back_when_epochs_come_around(void **state)
{
	shelves_make(MIB, true);
	for (int i = 0; i < 200; i++)
		put(shelves[0], i, 10);
	for (int n = 0; n < 65536; n++) {
		shelf_enter(shelves[0]);
		store_flush(shelves[0]);
	}
	for (int i = 0; i < 200; i++)
		assert_null(find(i));
	assert_int_equal(store_count(store), 0);
	shelves_end();
}

/* ---- rank and ghost ---- */

static void
rank_by_hits_and_size(void **state)
{
	struct rank r;

	rank_init(&r);
	for (int i = 0; i < 40000; i++)
		rank_stored(&r, 1000);
	assert_false(rank_keeps(&r, 0, 1));
	assert_true(rank_keeps(&r, 1, 900));
	assert_false(rank_keeps(&r, 1, 1100));
	assert_true(rank_keeps(&r, 2, 3900));
	assert_false(rank_keeps(&r, 2, 4100));
	assert_true(rank_keeps(&r, 3, 8900));
	assert_true(rank_keeps(&r, 4, 1 << 30));
}

static void
the_ghost_remembers_for_a_while(void **state)
{
	static uint16_t lines[16][GHOST_WAYS];
	struct ghost g;
	int known = 0;

	hash_seed(7);
	ghost_init(&g, lines, 16);
	for (unsigned i = 0; i < 300; i++)
		ghost_put(&g, index_hash(hash_key(&i, sizeof i)), i % 8, i);
	for (unsigned i = 0; i < 300; i++) {
		int hits = ghost_take(&g, index_hash(hash_key(&i, sizeof i)));

		known += hits >= 0;
		assert_int_equal(ghost_take(&g, index_hash(hash_key(&i, sizeof i))), -1);
	}
	assert_true(known > 100 && known <= 300);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i2_what_somebody_reads_is_not_used_again),
		cmocka_unit_test(i2_a_draft_is_not_cleaned_away),
		cmocka_unit_test(i1_i4_all_agrees_after_any_mix),
		cmocka_unit_test(i8_memory_goes_to_the_sizes_of_the_day),
		cmocka_unit_test(overhead_of_an_item),
		cmocka_unit_test(i7_a_set_does_bounded_work),
		cmocka_unit_test(without_eviction_only_what_has_no_room_is_refused),
		cmocka_unit_test(a_large_value_evicts_no_more_than_it_takes),
		cmocka_unit_test(the_least_memory_is_enough_for_many_workers),
		cmocka_unit_test(i5_what_is_stored_after_a_flush_stays),
		cmocka_unit_test(i5_flushed_items_do_not_come_back_when_epochs_come_around),
		cmocka_unit_test(rank_by_hits_and_size),
		cmocka_unit_test(the_ghost_remembers_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
