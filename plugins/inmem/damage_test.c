/* What may be wrong with memory that another process left, beyond its items: see succession_test.c for those. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit_test.h"
#include "base/clock.h"
#include "parcel_test.h"
#include "shelves_test.h"
#include "storing.h"
#include "succession.h"

#define KEYS 600

static size_t
len_of(int key)
{
	return key % 10 == 3 ? 9000 + (size_t)key % 7 * 1000 : 10 + (size_t)key * 13 % 700;
}

static void
begin(uint64_t limit)
{
	shelves_make(limit, true);
	for (int key = 0; key < KEYS; key++)
		assert_true(put(shelves[key % 2], key, len_of(key)));
}

static unsigned
those_there(void)
{
	unsigned there = 0;

	for (int key = 0; key < KEYS; key++) {
		struct record *r = find(key);

		if (r != NULL)
			assert_true(is_whole(r, key, len_of(key)));
		there += r != NULL;
	}
	leave(shelves[0]);
	return there;
}

static bool no_files;

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);

int
__wrap_memfd_create(const char *name, unsigned flags)
{
	return no_files ? -1 : __real_memfd_create(name, flags);
}

static void
second_passes(void)
{
	clock_fake(rend_now() + 1000000000, rend_wall() + 1);
	for (unsigned w = 0; w < 2; w++)
		store_tick(shelves[w]);
}

/* ---- another number of workers, and back ---- */

static void
taken_with(unsigned workers)
{
	struct rend_parcel parcel = give_parcel();
	struct store *next = try_to_take_with(&parcel, 32 * MIB, workers);

	assert_non_null(next);
	store_free(&next);
	store_keep(store);
	assert_int_equal(those_there(), KEYS);
	for (int key = 0; key < KEYS; key++)
		assert_true(put(shelves[key % 2], key, len_of(key)));
	settle();
	assert_int_equal(audit(store), KEYS);
}

static void
it_is_kept_whatever_workers_the_other_has(void **state)
{
	begin(32 * MIB);
	assert_int_equal(store->log.writers, 2);
	taken_with(1);
	taken_with(4);
	taken_with(2);
	shelves_end();
}

/* ---- from when on it is the other's ---- */

static void
it_is_served_before_anything_is_changed(void **state)
{
	struct rend_value body = { 0 };
	struct rend_parcel parcel;
	struct store *next;
	struct shelf *sh;

	for (int reserves = 0; reserves < 2; reserves++) {
		begin(32 * MIB);
		parcel = give_parcel();
		assert_non_null(next = try_to_take(&parcel, 32 * MIB));
		assert_non_null(sh = shelf_new(next, 0));
		assert_int_equal(header_of(&next->arena)->state, HEADER_TAKEN);
		if (reserves)
			storing_reserve(sh, 1, 100000, &body);
		else
			shelf_enter(sh);
		assert_int_equal(header_of(&next->arena)->state, HEADER_LIVE);
		rend_value_drop(&body);
		grace_leave(&next->grace, 0);
		shelf_free(&sh);
		store_free(&next);
		/* This one is the last that there is: it goes on, with nothing, and with what it has set aside for that. */
		no_files = true;
		store_keep(store);
		no_files = false;
		assert_int_equal(those_there(), 0);
		assert_int_equal(store_count(store), 0);
		for (int key = 0; key < KEYS; key++)
			assert_true(put(shelves[key % 2], key, len_of(key)));
		assert_int_equal(those_there(), KEYS);
		hand_over();
		assert_int_equal(those_there(), KEYS);
		settle();
		assert_int_equal(audit(store), KEYS);
		shelves_end();
	}
}

/* ---- what a get looks at ---- */

static uint32_t *
taken_of(struct record *r)
{
	return &store->proof.taken[arena_segment(&store->arena, arena_location(&store->arena, r))];
}

static void
a_get_looks_at_its_record_alone(void **state)
{
	bool due = false;

	begin(32 * MIB);
	hand_over();
	for (int key = 0; key < KEYS; key++) {
		struct record *r = key % 10 == 3 ? NULL : find(key);
		uint16_t before;

		if (r == NULL)
			continue;
		before = record_epoch(r);
		due |= *taken_of(r) != 0;
		if (*taken_of(r) != 0)
			assert_int_not_equal(before, (uint16_t)store->epoch);
		assert_true(is_whole(r, key, len_of(key)));
	}
	assert_true(due);
	for (unsigned i = 0; i < 1000 && store->proof.turn < store->arena.segments; i++)
		second_passes();
	for (int key = 0; key < KEYS; key++) {
		struct record *r = find(key);

		assert_non_null(r);
		assert_int_equal(*taken_of(r), 0);
		assert_int_equal(record_epoch(r), (uint16_t)store->epoch);
	}
	settle();
	assert_int_equal(audit(store), KEYS);
	shelves_end();
}

/* ---- files of another kind ---- */

static void
a_file_that_may_change_its_length_is_refused(void **state)
{
	char name[] = "damage-XXXXXX";
	struct mapping map;
	int fds[2];

	fds[0] = mkstemp(name);
	assert_true(fds[0] >= 0);
	unlink(name);
	fds[1] = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fds[1] >= 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ftruncate(fds[i], MIB), 0);
		assert_int_equal(mapping_take(&map, fds[i], MIB), -1);
		close(fds[i]);
	}
}

/* ---- the index, and the ghost ---- */

static void
flip(char *from, size_t len)
{
	size_t at = ((size_t)roll(1U << 15) << 15 | roll(1U << 15)) % len;

	from[at] ^= (char)(1U << roll(8));
}

static void
a_flipped_bit_in_the_index_is_never_anothers_value(void **state)
{
	for (int round = 0; round < 60; round++) {
		struct rend_parcel parcel;
		struct store *next;
		size_t bytes;

		begin(2 * MIB);
		parcel = give_parcel();
		bytes = index_buckets(&store->index) * sizeof(struct bucket);
		for (int i = 0; i < 400; i++)
			flip(store->arena.base + store->arena.index_at, bytes);
		for (int i = 0; i < 20; i++)
			flip(store->arena.base + store->arena.ghost_at, (size_t)store->arena.ghost_lines * 64);
		for (unsigned b = 0; b < 64; b++)
			index_bucket(&store->index, roll(INDEX_BUCKETS))->lock = roll(3);
		assert_non_null(next = try_to_take(&parcel, 2 * MIB));
		go_on_with(next);
		those_there();
		for (int i = 0; i < 3000; i++) {
			int key = (int)roll(2 * KEYS);
			struct record *r;

			if (i % 7 == 0)
				drop(shelves[i % 2], key);
			else if (i % 7 == 1)
				touch(shelves[i % 2], key, rend_wall() + 5);
			else
				put(shelves[i % 2], key, len_of(key));
			r = find(key);
			assert_true(r == NULL || is_whole(r, key, len_of(key)));
			if (i % 100 == 0)
				second_passes();
		}
		store_flush(shelves[0]);
		second_passes();
		assert_int_equal(those_there(), 0);
		shelves_end();
	}
}

/* ---- maps of pages ---- */

static void
maps_that_do_not_agree_are_refused(void **state)
{
	struct rend_parcel parcel;
	struct store *next;

	begin(4 * MIB);
	store->arena.pages->in_use++;
	parcel = give_parcel();
	assert_null(try_to_take(&parcel, 4 * MIB));
	store_keep(store);
	store->arena.pages->in_use--;
	parcel = give_parcel();
	/* Behind what was ever used nothing is summed up. */
	assert_true(store->arena.pages->top < store->arena.pages->groups);
	store->arena.pages->used[(uint64_t)store->arena.pages->groups * PAGES_GROUP_UNITS / 64 - 1] = 5;
	store->arena.pages->room[store->arena.pages->groups - 1] = 7;
	assert_non_null(next = try_to_take(&parcel, 4 * MIB));
	go_on_with(next);
	settle();
	assert_int_equal(audit(store), KEYS);
	shelves_end();
}

/* ---- large values ---- */

static bool
is_sound_with_some_sum(struct large *l)
{
	for (unsigned sum = 0; sum <= UINT16_MAX; sum++) {
		l->sum = (uint16_t)sum;
		if (large_is_sound(store->arena.pages, l))
			return true;
	}
	return false;
}

static void
a_large_value_lies_in_what_it_needs(void **state)
{
	struct large *l, was;

	begin(4 * MIB);
	assert_true(put(shelves[0], 3, 100000));
	assert_non_null(l = large_of(&store->arena, find(3)));
	was = *l;
	assert_true(is_sound_with_some_sum(l));
	l->len -= 600;
	assert_false(is_sound_with_some_sum(l));
	l->len = was.len;
	/* Twice the same. */
	l->runs_count = 2;
	l->runs[1] = l->runs[0];
	l->units *= 2;
	l->len = (uint64_t)l->units * PAGES_UNIT - l->head;
	assert_false(is_sound_with_some_sum(l));
	*l = was;
	shelves_end();
}

static void
large_values_of_a_damaged_segment_are_freed(void **state)
{
	struct rend_parcel parcel;
	struct store *next;

	shelves_make(4 * MIB, true);
	assert_true(put(shelves[0], 1, 100));
	assert_true(put(shelves[0], 2, 100000));
	parcel = give_parcel();
	find(1)->keylen ^= 1;
	assert_non_null(next = try_to_take(&parcel, 4 * MIB));
	go_on_with(next);
	assert_int_not_equal(store->arena.pages->in_use, 0);
	assert_null(find(2));
	drop(shelves[0], 2);
	leave(shelves[0]);
	assert_int_equal(store->arena.pages->in_use, 0);
	shelves_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_kept_whatever_workers_the_other_has),
		cmocka_unit_test(it_is_served_before_anything_is_changed),
		cmocka_unit_test(a_get_looks_at_its_record_alone),
		cmocka_unit_test(a_file_that_may_change_its_length_is_refused),
		cmocka_unit_test(a_flipped_bit_in_the_index_is_never_anothers_value),
		cmocka_unit_test(maps_that_do_not_agree_are_refused),
		cmocka_unit_test(a_large_value_lies_in_what_it_needs),
		cmocka_unit_test(large_values_of_a_damaged_segment_are_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
