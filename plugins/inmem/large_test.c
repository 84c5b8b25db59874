/* Large values in a store: that they are whole, that they stay for those who have them, and whose the memory is. */
#include <setjmp.h>
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
#include "pin.h"
#include "quest.h"
#include "shelves_test.h"

/* ---- planted fault: who has a value is not asked ---- */

static bool no_pins;

void __real_large_drop(struct pages *p, struct large **lp);
void __wrap_large_drop(struct pages *p, struct large **lp);

void
__wrap_large_drop(struct pages *p, struct large **lp)
{
	if (no_pins && *lp != NULL)
		pages_free(p, (*lp)->runs, (*lp)->runs_count);
	else
		__real_large_drop(p, lp);
}

static bool
put_and_leave(int key, size_t len)
{
	bool done = put(shelves[0], key, len);

	leave(shelves[0]);
	return done;
}

/* ---- every length ---- */

static void
is_stored(size_t len)
{
	struct record *r;

	assert_true(put(shelves[0], 1, len));
	r = find(1);
	assert_non_null(r);
	assert_true(is_whole(r, 1, len));
	assert_int_equal(large_of(&store->arena, r) != NULL, len > store->small_max);
	leave(shelves[0]);
}

static void
values_of_every_length_are_whole(void **state)
{
	shelves_make(16 * MIB, true);
	for (size_t at = 1; at <= 4 * MIB; at *= 2)
		for (size_t off = 0; off < 3; off++) {
			is_stored(at + off - 1);
			is_stored(at + off + PAGES_UNIT - sizeof(struct large) - 41);
		}
	is_stored(store->small_max);
	is_stored(store->small_max + 1);
	assert_false(store_fits(store, 5, 8 * MIB));
	is_stored(8 * MIB - 100);
	settle();
	assert_int_equal(audit(store), 1);
	shelves_end();
}

/* Where nothing but holes is left, a value is in pieces and whole all the same. */
static void
a_value_in_pieces_is_whole(void **state)
{
	unsigned pieces = 0;
	struct record *r;

	shelves_make(16 * MIB, true);
	/* As if there were no more room than the limit. */
	store->arena.pages->groups = 16 * MIB / PAGES_GROUP;
	for (int i = 0; i < 20000; i++) {
		int key = 100 + (int)roll(2000);
		size_t len = roll(40) == 0 ? 1 + roll(2 * MIB) : 10000 + roll(30000);

		if (!put(shelves[0], key, len))
			continue;
		r = find(key);
		if (r != NULL && large_of(&store->arena, r) != NULL && large_of(&store->arena, r)->runs_count > 1) {
			pieces++;
			assert_true(is_whole(r, key, len));
		}
		leave(shelves[0]);
	}
	print_message("%u in pieces\n", pieces);
	assert_true(pieces > 10);
	settle();
	assert_true(audit(store) > 100);
	shelves_end();
}

/* ---- I6 ---- */

/* Has the value of a key that is pinned, and gone for others, the same bytes when all memory has been written again? */
static bool
stays_while_it_is_pinned(bool evicted)
{
	static struct rend_value value; /* of the store with the fault it is never dropped */
	struct record *r;
	struct visit v;
	struct op o;
	struct large *l;
	bool whole;

	assert_true(put(shelves[0], 1, 200000));
	visit_enter(&v, shelves[0], op_of(&o, 1));
	assert_non_null(l = large_of(&store->arena, v.found));
	assert_int_equal(pin_give(store->arena.pages, l, &value), 0);
	if (!evicted)
		visit_take(&v);
	visit_leave(&v);
	for (int i = 0; i < 500; i++)
		put_and_leave(1000 + i, 50000);
	whole = large_is_whole(l, 1, 200000);
	r = find(1);
	if (r != NULL)
		drop(shelves[0], 1);
	leave(shelves[0]);
	if (!no_pins) {
		uint64_t in_use = store->arena.pages->in_use;

		assert_int_equal(store->arena.pages->orphans, large_cost(l));
		rend_value_drop(&value);
		assert_int_equal(store->arena.pages->orphans, 0);
		assert_int_equal(store->arena.pages->pinned, 0);
		assert_true(store->arena.pages->in_use < in_use - 45);
	}
	return whole;
}

static void
i6_pinned_bytes_do_not_change_and_are_freed_then(void **state)
{
	for (int evicted = 0; evicted < 2; evicted++) {
		shelves_make(4 * MIB, true);
		assert_true(stays_while_it_is_pinned(evicted != 0));
		settle();
		assert_true(audit(store) > 0);
		shelves_end();
	}
	/* Found, if it were not so: then nothing of that store can be believed. */
	shelves_make(4 * MIB, true);
	no_pins = true;
	assert_false(stays_while_it_is_pinned(false));
	no_pins = false;
}

/* The store is gone, an answer is not. */
static void
i6_a_pin_outlives_the_store(void **state)
{
	struct rend_value value = { 0 };
	struct visit v;
	char byte;
	struct op o;

	shelves_make(4 * MIB, true);
	assert_true(put(shelves[0], 7, 300000));
	visit_enter(&v, shelves[0], op_of(&o, 7));
	assert_int_equal(pin_give(store->arena.pages, large_of(&store->arena, v.found), &value), 0);
	visit_leave(&v);
	shelves_end();
	assert_int_equal(value.len, 300000);
	for (size_t at = 0; at < 300000; at += 999) {
		rend_value_copy_out(&value, at, &byte, 1);
		assert_int_equal(byte, 'a' + (7 * 7 + at * 3) % 26);
	}
	rend_value_drop(&value);
}

/* ---- who reads slowly ---- */

#define SECOND (1000ULL * 1000 * 1000)

static struct rend_value held[32];

/* Pins the value of a key; is that one too many?  Then it is not kept. */
static bool
is_too_much(int key)
{
	struct visit v;
	struct op o;
	bool over;

	visit_enter(&v, shelves[0], op_of(&o, key));
	assert_non_null(v.found);
	assert_int_equal(pin_give(store->arena.pages, large_of(&store->arena, v.found), &held[key]), 0);
	visit_leave(&v);
	over = pin_is_over(store->arena.pages, &held[key]);
	if (over)
		rend_value_drop(&held[key]);
	return over;
}

/* A tenth of the memory may be held for long; who reads fast goes on then, one at least at any time, and all together hold no more than half. */
static void
i6_what_is_held_for_long_leaves_room_for_others(void **state)
{
	uint64_t now = 1000 * SECOND;
	int64_t wall = rend_wall();
	int key = 0, rounds = 0;

	clock_fake(now, wall);
	shelves_make(64 * MIB, true);
	for (int i = 0; i < 15; i++)
		assert_true(put_and_leave(i, 3 * MIB));
	/* In the same second: up to half. */
	for (; key < 10; key++)
		assert_false(is_too_much(key));
	assert_true(is_too_much(10));
	assert_true(store->arena.pages->pinned <= 32ULL * MIB);
	assert_true(large_young(store->arena.pages) == store->arena.pages->pinned);
	for (key = 9; key >= 3; key--)
		rend_value_drop(&held[key]);
	/* Three are held for long: more than a tenth. */
	clock_fake(now += 2 * SECOND, wall);
	assert_int_equal(large_young(store->arena.pages), 0);
	for (int i = 0; i < 100; i++) {
		assert_false(is_too_much(3));
		assert_false(is_too_much(4));
		assert_true(is_too_much(5));
		rend_value_drop(&held[3]);
		rend_value_drop(&held[4]);
	}
	assert_int_equal(large_young(store->arena.pages), 0);
	/* However slowly they fill it, the sum has its bound. */
	for (key = 3; key < 15 && !is_too_much(key); key++, rounds++)
		clock_fake(now += 2 * SECOND, wall);
	assert_int_equal(rounds, 7);
	assert_true(store->arena.pages->pinned <= 32ULL * MIB);
	/* What comes back late is not missed among what is young now. */
	for (key = 0; key < 15; key++)
		if (held[key].nsegs != 0)
			rend_value_drop(&held[key]);
	assert_int_equal(store->arena.pages->pinned, 0);
	assert_int_equal(large_young(store->arena.pages), 0);
	assert_false(is_too_much(14));
	assert_true(large_young(store->arena.pages) == store->arena.pages->pinned);
	rend_value_drop(&held[14]);
	leave(shelves[0]);
	settle();
	assert_true(audit(store) > 0);
	shelves_end();
	clock_unfake();
}

/* ---- I1, I8: whose the memory is ---- */

/* Bytes of the mapping that have memory behind them. */
static uint64_t
resident(void)
{
	size_t pages = store->arena.size / PAGES_PAGE;
	unsigned char *there = malloc(pages);
	uint64_t count = 0;

	assert_non_null(there);
	assert_int_equal(mincore(store->arena.base, store->arena.size, there), 0);
	for (size_t i = 0; i < pages; i++)
		count += there[i] & 1;
	free(there);
	return count * PAGES_PAGE;
}

static void
i1_memory_is_within_the_limit_after_any_mix(void **state)
{
	static const size_t most[] = { 200, 5000, 40000, 600000 };
	uint64_t limit = 16 * MIB;

	for (int evict = 0; evict < 2; evict++) {
		shelves_make(limit, evict);
		for (int i = 0; i < 60000; i++) {
			struct shelf *sh = shelves[roll(2)];
			int key = (int)roll(5000);

			if (roll(6) == 0)
				drop(sh, key);
			else
				put(sh, key, roll((unsigned)most[i / 1000 % 4]));
			leave(sh);
			if (roll(5000) == 0)
				store_tick(sh);
			if (i % 500 == 0) {
				assert_true(budget_used(store->arena.budget) <= limit);
				assert_true(resident() <= limit);
			}
		}
		settle();
		assert_true(audit(store) > 10);
		for (int i = 0; i < 5000; i++)
			drop(shelves[0], i);
		settle();
		assert_int_equal(audit(store), 0);
		assert_int_equal(store->arena.pages->in_use, 0);
		shelves_end();
	}
}

/* Bytes that items whose value has this length take. */
static uint64_t
bytes_of(size_t len)
{
	uint64_t bytes = 0;

	for (uint64_t n = 0; n < index_pages_in_use(&store->index) * INDEX_BUCKETS; n++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			uint64_t entry = index_bucket(&store->index, n)->slots[i];
			const struct record *r = arena_at(&store->arena, entry_location(entry));
			const struct large *l = entry == 0 ? NULL : large_of(&store->arena, r);

			if (entry != 0 && large_or_len(&store->arena, r) == len)
				bytes += record_footprint(r) + (l == NULL ? 0 : large_cost(l));
		}
	return bytes;
}

/* What the index takes once it has grown: it shrinks only as far as stores, which are few, or ticks, which there are none here, do it. */
static uint64_t
index_bytes(void)
{
	return store->index.paid * ARENA_PAGE;
}

static void
i8_memory_goes_to_the_sizes_of_the_day(void **state)
{
	static const size_t days[][2] = { { 1000, 3000 }, { 100, 1000000 }, { 20000, 100 }, { 16385, 40000 } };
	uint64_t limit = 64 * MIB;

	for (size_t d = 0; d < sizeof days / sizeof *days; d++) {
		int key = 0;

		shelves_make(limit, true);
		for (int day = 0; day < 4; day++) {
			size_t len = days[d][day % 2];
			uint64_t bytes;

			for (size_t wrote = 0; wrote < limit + limit / 2; wrote += len)
				put_and_leave(key++, len);
			bytes = bytes_of(len);
			print_message("%zu bytes: %.3f of the memory, %.3f of what the index leaves\n", len,
			    (double)bytes / (double)limit, (double)bytes / (double)(limit - index_bytes()));
			assert_true(bytes > (limit - index_bytes()) / 100 * 90);
			assert_true(resident() <= limit);
		}
		settle();
		assert_true(audit(store) > 0);
		shelves_end();
	}
}

/* What a worker has begun to clean, and then stores nothing more, others go on with: nothing that is old stays. */
static void
an_idle_worker_keeps_no_memory(void **state)
{
	uint64_t limit = 16 * MIB;
	int some = (int)(2 * limit / 100000), old = 0;

	shelves_make(limit, true);
	for (int i = 0; i < some; i++)
		put_and_leave(i, 100000);
	assert_true(put(shelves[1], some, 100000));
	leave(shelves[1]);
	for (uint32_t s = 0; s < store->arena.segments; s++)
		assert_false(store->log.segments[s].state == SEGMENT_VICTIM && log_is_heavy(&store->log, s));
	for (int i = some + 1; i <= 2 * some; i++)
		put_and_leave(i, 100000);
	for (int i = 0; i < some; i++)
		old += find(i) != NULL;
	assert_int_equal(old, 0);
	settle();
	assert_true(audit(store) > 0);
	/* Small values are in the segment itself: that it keeps for a second. */
	for (int i = 0; i < 100000; i++)
		put_and_leave(i, 300);
	for (int i = 0; i < 100 && shelves[1]->cleaner.evicted.segment == LOG_NONE; i++)
		assert_true(put(shelves[1], i, 300));
	assert_int_not_equal(shelves[1]->cleaner.evicted.segment, LOG_NONE);
	store_tick(shelves[1]);
	assert_int_equal(shelves[1]->cleaner.evicted.segment, LOG_NONE);
	settle();
	assert_true(audit(store) > 0);
	shelves_end();
}

static void
hit(int key, unsigned times)
{
	uint64_t *slot, entry;
	struct op o;

	while (times-- > 0)
		if (store_find(store, op_of(&o, key), rend_wall(), &slot, &entry) != NULL)
			index_hit(slot, entry);
}

/* However large and often asked for what is there, it goes before something is refused. */
static void
what_is_hot_is_no_reason_to_refuse(void **state)
{
	/* Of some of these next to nothing of the memory is left. */
	for (size_t len = 3 * MIB / 2; len <= 3 * MIB; len += MIB / 4) {
		shelves_make(64 * MIB, true);
		for (int i = 0; i < 50; i++)
			put_and_leave(i, len);
		for (int i = 0; i < 300; i++) {
			for (int hot = 0; hot < 50; hot++)
				hit(hot, 2);
			/* So much that one of those has to go again and again. */
			assert_true(put_and_leave(1000 + i, i % 2 == 0 ? 20000 : 250000));
		}
		settle();
		assert_true(audit(store) > 50);
		shelves_end();
	}
}

/* ---- those that need much at once ---- */

static enum quest_come
seek_long(struct shelf *sh, struct quest *q)
{
	enum quest_come come = QUEST_WAITS;

	for (unsigned waits = 0; waits < 10000 && (come == QUEST_MORE || come == QUEST_WAITS); waits++) {
		shelf_enter(sh);
		come = quest_seek(sh, q);
		leave(sh);
	}
	return come;
}

static void
one_at_a_time_seeks_much(void **state)
{
	struct quest a = { .wanted = large_pages(30 * MIB) }, b = a;

	shelves_make(64 * MIB, true);
	for (int i = 0; i < 1000; i++)
		put_and_leave(i, 100000);
	shelf_enter(shelves[0]);
	assert_int_equal(quest_seek(shelves[0], &a), QUEST_MORE);
	leave(shelves[0]);
	assert_int_equal(seek_long(shelves[1], &b), QUEST_QUEUES);
	assert_int_equal(b.got, 0);
	assert_int_equal(seek_long(shelves[0], &a), QUEST_HAS);
	quest_end(shelves[0], &a);
	assert_int_equal(seek_long(shelves[1], &b), QUEST_HAS);
	quest_end(shelves[1], &b);
	settle();
	assert_true(audit(store) > 0);
	shelves_end();
}

/* Whoever waits for large values' memory leaves small values what they need. */
static void
what_waits_leaves_room_for_small_values(void **state)
{
	struct quest quests[16];

	shelves_make(16 * MIB, true);
	for (int i = 0; i < 1000; i++)
		put_and_leave(i, 100000);
	for (int i = 0; i < 16; i++) {
		quests[i] = (struct quest){ .wanted = large_pages(2 * MIB - 8192) };
		seek_long(shelves[0], &quests[i]);
	}
	assert_true(quests[0].got == quests[0].wanted && quests[15].got < quests[15].wanted);
	/* In a lane that has no open segment yet, and nothing that goes is free, since somebody's turn does not end. */
	shelf_enter(shelves[1]);
	for (int i = 0; i < 50; i++)
		assert_true(put_until(shelves[0], 5000 + i, 100, rend_wall() + 30));
	leave(shelves[1]);
	for (int i = 0; i < 16; i++)
		quest_end(shelves[0], &quests[i]);
	settle();
	assert_true(audit(store) > 0);
	shelves_end();
}

/* ---- nothing may be evicted ---- */

static void
without_eviction_nothing_is_lost(void **state)
{
	static bool there[20000];
	int refused = 0, kept = 0;

	shelves_make(16 * MIB, false);
	for (int i = 0; i < 20000; i++) {
		/* One that is there stays if what is to take its place is refused. */
		there[i] = put_and_leave(i, i % 3 == 0 ? 100000 : 400);
		refused += !there[i];
		kept += there[i];
	}
	assert_true(refused > 100);
	for (int i = 0; i < 20000; i++)
		if (there[i])
			assert_true(is_whole(find(i), i, i % 3 == 0 ? 100000 : 400));
	leave(shelves[0]);
	settle();
	assert_int_equal(audit(store), kept);
	for (int i = 0; i < 20000; i++)
		drop(shelves[0], i);
	for (int i = 0; i < 100; i++)
		assert_true(put_and_leave(i, 100000));
	shelves_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_every_length_are_whole),
		cmocka_unit_test(a_value_in_pieces_is_whole),
		cmocka_unit_test(i6_a_pin_outlives_the_store),
		cmocka_unit_test(i6_what_is_held_for_long_leaves_room_for_others),
		cmocka_unit_test(i1_memory_is_within_the_limit_after_any_mix),
		cmocka_unit_test(i8_memory_goes_to_the_sizes_of_the_day),
		cmocka_unit_test(an_idle_worker_keeps_no_memory),
		cmocka_unit_test(what_is_hot_is_no_reason_to_refuse),
		cmocka_unit_test(one_at_a_time_seeks_much),
		cmocka_unit_test(what_waits_leaves_room_for_small_values),
		cmocka_unit_test(without_eviction_nothing_is_lost),
		cmocka_unit_test(i6_pinned_bytes_do_not_change_and_are_freed_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
