/* What another process left, and what it takes to believe it: see proof.h. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit_test.h"
#include "base/clock.h"
#include "growth.h"
#include "parcel_test.h"
#include "shelves_test.h"
#include "succession.h"

#define KEYS 600

static unsigned naps, yields;
static uint64_t left_at_yield, left_at_nap; /* of what is to be looked at: at the first of each */

int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_sched_yield(void);
int __real_sched_yield(void);

int
__wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	if (naps++ == 0)
		left_at_nap = store->proof.left;
	return 0;
}

int
__wrap_sched_yield(void)
{
	if (yields++ == 0)
		left_at_yield = store->proof.left;
	return __real_sched_yield();
}

/* What others do when somebody has just found an entry. */
static void (*meanwhile)(void);

uint64_t __wrap_index_find(const struct index *ix, const struct index_key *key, uint64_t **slot);
uint64_t __real_index_find(const struct index *ix, const struct index_key *key, uint64_t **slot);

uint64_t
__wrap_index_find(const struct index *ix, const struct index_key *key, uint64_t **slot)
{
	uint64_t entry = __real_index_find(ix, key, slot);
	void (*then)(void) = meanwhile;

	meanwhile = NULL;
	if (then != NULL)
		then();
	return entry;
}

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

static void
take_over(const struct rend_parcel *parcel)
{
	struct store *next = try_to_take(parcel, store->arena.limit);

	assert_non_null(next);
	go_on_with(next);
}

static uint64_t *
slot_of(int key)
{
	struct index_key k;
	uint64_t *slot = NULL;
	struct op o;

	op_of(&o, key);
	k = store_key(&o.op);
	assert_true(index_find(&store->index, &k, &slot) != 0);
	return slot;
}

/* ---- records ---- */

/* Nobody had that epoch: it is no sign that the record was looked at. */
static void
the_epoch_of_the_next_process_is_no_proof(void **state)
{
	for (int look = 0; look < 3; look++) {
		struct rend_parcel parcel;
		uint64_t wild;
		struct record *r;

		shelves_make(4 * MIB, true);
		assert_true(put(shelves[0], 1, 100));
		assert_true(put(shelves[0], 2, 100000));
		parcel = give_parcel();
		r = find(2);
		r->epoch = (uint16_t)proof_next(store->epoch);
		wild = 0x123456789abULL;
		memcpy(record_value(r), &wild, sizeof wild);
		take_over(&parcel);
		if (look == 0)
			assert_null(find(2));
		else if (look == 1)
			drop(shelves[0], 2);
		else
			assert_true(put(shelves[0], 2, 300));
		settle();
		assert_true(look == 2 ? is_whole(find(2), 2, 300) : find(2) == NULL);
		shelves_end();
	}
}

static void
a_record_that_is_longer_than_it_was_is_not_shown(void **state)
{
	struct rend_parcel parcel;
	struct record *r;

	shelves_make(32 * MIB, true);
	for (int key = 0; key < 100; key++)
		assert_true(put(shelves[0], key, 100));
	parcel = give_parcel();
	r = find(50);
	r->len += 64;
	take_over(&parcel);
	assert_null(find(50));
	assert_true(is_whole(find(20), 20, 100));
	shelves_end();
}

/* Small ones that go before their segment was gone through are counted then, once, whoever does it. */
static void
what_goes_meanwhile_is_counted_once(void **state)
{
	begin(32 * MIB);
	for (int round = 0; round < 4; round++) {
		hand_over();
		for (int key = 0; key < KEYS; key++)
			if (key % 4 == round && round % 2 == 0)
				drop(shelves[0], key);
			else if (key % 4 == round)
				assert_true(put(shelves[1], key, len_of(key)));
		assert_true(proof_looks(&store->proof));
	}
	hand_over();
	assert_int_equal(those_there(), KEYS / 2);
	settle();
	assert_int_equal(audit(store), KEYS / 2);
	shelves_end();
}

static void
no_segment_is_gone_through_for_a_small_value(void **state)
{
	uint64_t left;

	shelves_make(32 * MIB, true);
	for (int key = 0; key < KEYS; key++)
		assert_true(put(shelves[0], key, 100));
	hand_over();
	left = store->proof.left;
	assert_true(left != 0);
	for (int key = 0; key < KEYS; key++) {
		if (key % 3 == 0)
			assert_true(put(shelves[0], key, 100));
		else if (key % 3 == 1)
			touch(shelves[0], key, 0);
		assert_true(is_whole(find(key), key, 100));
	}
	assert_int_equal(store->proof.left, left);
	settle();
	assert_int_equal(store->proof.left, 0);
	assert_int_equal(audit(store), KEYS);
	shelves_end();
}

static void
store_over_and_look_at_all(void)
{
	assert_true(put(shelves[1], 1, 200));
	while (proof_step(store))
		;
	assert_false(proof_looks(&store->proof));
}

/* Who found what was stored over finds the other one, also if nothing is left to be looked at by then. */
static void
what_is_stored_over_while_it_is_looked_at_is_no_miss(void **state)
{
	shelves_make(32 * MIB, true);
	assert_true(put(shelves[0], 1, 100));
	hand_over();
	assert_true(proof_looks(&store->proof));
	shelf_enter(shelves[0]);
	meanwhile = store_over_and_look_at_all;
	assert_true(is_whole(find(1), 1, 200));
	assert_null(meanwhile);
	settle();
	assert_int_equal(audit(store), 1);
	shelves_end();
}

/* ---- the index ---- */

#define BUCKET_OF(slot) ((struct bucket *)((uintptr_t)(slot) & ~(uintptr_t)63))

/* Its record is counted dead once, and it is gone when it is taken out. */
static void
an_entry_that_is_there_twice_is_there_once(void **state)
{
	for (int looked = 0; looked < 2; looked++) {
		struct rend_parcel parcel;
		uint64_t *slot;
		unsigned twice = 0;

		shelves_make(4 * MIB, true);
		for (int key = 0; key < 10; key++)
			assert_true(put(shelves[0], key, 100));
		parcel = give_parcel();
		slot = slot_of(1);
		while (BUCKET_OF(slot)->slots[twice] != 0)
			twice++;
		assert_true(twice < INDEX_SLOTS);
		BUCKET_OF(slot)->slots[twice] = *slot + ENTRY_HIT;
		take_over(&parcel);
		if (looked)
			settle();
		drop(shelves[0], 1);
		assert_null(find(1));
		settle();
		assert_null(find(1));
		/* It is counted as lost, for it may have taken another one's place; here it has not. */
		assert_int_equal(store->proof.lost, 1);
		store->proof.lost = 0;
		assert_int_equal(audit(store), 9);
		shelves_end();
	}
}

static void
an_entry_that_leads_out_of_all_segments_is_counted(void **state)
{
	struct rend_parcel parcel;

	shelves_make(4 * MIB, true);
	for (int key = 0; key < 10; key++)
		assert_true(put(shelves[0], key, 100));
	parcel = give_parcel();
	*slot_of(1) |= ENTRY_LOCATION;
	take_over(&parcel);
	assert_null(find(1));
	assert_int_equal(store_count(store), 9);
	shelves_end();
}

/* Of pages that nobody has come to yet: locks that somebody had, and counts that are not so.  None is put right again when it was given up. */
static void
pages_are_put_right_before_they_are_given_up(void **state)
{
	struct rend_parcel parcel;
	uint64_t pages;
	int keys = 0;

	shelves_make(4 * MIB, true);
	while (index_buckets(&store->index) < 2 * INDEX_BUCKETS * store->arena.sets)
		assert_true(put(shelves[0], keys++, 10));
	settle();
	for (int key = 100; key < keys; key++)
		drop(shelves[0], key);
	pages = index_pages_in_use(&store->index);
	assert_true(pages > 1);
	parcel = give_parcel();
	for (uint64_t n = 0; n < pages * INDEX_BUCKETS; n++) {
		index_bucket(&store->index, n)->lock = 1;
		index_bucket(&store->index, n)->away += 3;
	}
	take_over(&parcel);
	for (uint64_t round = 0; round < 2; round++) {
		for (uint64_t n = pages; n > store->arena.sets; n--) {
			assert_true(growth_shrink(&store->index));
			while (growth_runs(&store->index))
				growth_step(&store->index, INDEX_BUCKETS, NULL, NULL);
		}
		assert_int_equal(index_pages_in_use(&store->index), store->arena.sets);
		for (int key = 0; key < 100; key++)
			assert_true(is_whole(find(key), key, 10));
		/* And taken again. */
		for (uint64_t n = store->arena.sets; n < pages; n++) {
			assert_true(growth_begin(&store->index, false));
			while (growth_runs(&store->index))
				growth_step(&store->index, INDEX_BUCKETS, NULL, NULL);
		}
		for (int key = 0; key < 100; key++)
			assert_true(is_whole(find(key), key, 10));
	}
	settle();
	assert_int_equal(audit(store), 100);
	shelves_end();
}

/* To be taken over takes as long with many items as with few. */
static void
the_index_is_put_right_when_it_is_used(void **state)
{
	begin(32 * MIB);
	hand_over();
	assert_true(index_mend_some(&store->index, 1));
	assert_int_equal(those_there(), KEYS);
	settle();
	assert_int_equal(audit(store), KEYS);
	shelves_end();
}

/* A copy of the record lies where none can be: in a segment that is not full, which may be open by the time the entry is looked at. */
static void
an_entry_that_leads_out_of_what_was_filled_is_dropped(void **state)
{
	for (int opened = 0; opened < 2; opened++) {
		struct rend_parcel parcel;
		uint64_t *slot, to;
		uint32_t n = 0;

		shelves_make(4 * MIB, true);
		assert_true(put(shelves[0], 1, 100000));
		parcel = give_parcel();
		slot = slot_of(1);
		while (store->log.segments[n].state == SEGMENT_FULL)
			n++;
		to = arena_segment_start(&store->arena, n) + 1024;
		memcpy(arena_at(&store->arena, to), arena_at(&store->arena, entry_location(*slot)), 256);
		*slot = (*slot & ~ENTRY_LOCATION) | to;
		take_over(&parcel);
		if (opened)
			for (int key = 1000; key < 1010; key++)
				put(shelves[key % 2], key, 50);
		assert_null(find(1));
		drop(shelves[0], 1);
		assert_int_not_equal(store->arena.pages->in_use, 0);
		assert_int_equal(store_count(store), opened ? 10 : 0);
		assert_true(put(shelves[0], 1, 100));
		assert_true(is_whole(find(1), 1, 100));
		shelves_end();
	}
}

/* Nobody has those pages yet; when it grows into them it must not wait for who has not locked them. */
static void
pages_that_the_index_did_not_have_yet_are_empty(void **state)
{
	struct rend_parcel parcel;
	uint64_t before;

	shelves_make(4 * MIB, true);
	parcel = give_parcel();
	before = index_buckets(&store->index);
	for (uint64_t n = before; n < before + 4 * INDEX_BUCKETS; n++)
		memset(index_bucket(&store->index, n), 0x55, sizeof(struct bucket));
	take_over(&parcel);
	for (int key = 0; index_buckets(&store->index) < before + 2 * INDEX_BUCKETS; key++)
		assert_true(put(shelves[0], key, 10));
	settle();
	assert_true(audit(store) >= 0);
	shelves_end();
}

/* ---- clocks ---- */

static void
a_clock_that_was_set_meanwhile_changes_no_time_to_live(void **state)
{
	static const int64_t steps[] = { -5000, 5000, -100, 100 };

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct rend_parcel parcel;

		shelves_make(32 * MIB, true);
		clock_fake(rend_now(), 1000000);
		for (int key = 0; key < KEYS; key++)
			assert_true(put_until(shelves[0], key, len_of(key), key % 2 == 0 ? 0 : rend_wall() + 50 + key));
		parcel = give_parcel();
		clock_fake(rend_now() + 3000000000, rend_wall() + 3 + steps[i]);
		take_over(&parcel);
		/* Some were not looked at before it is handed over again. */
		for (int key = 0; key < 10; key++)
			assert_non_null(find(key));
		hand_over();
		for (int key = 0; key < KEYS; key++) {
			struct record *r = find(key);

			assert_non_null(r);
			assert_int_equal(record_exptime(r), key % 2 == 0 ? 0 : rend_wall() + 47 + key);
		}
		clock_fake(rend_now() + 48000000000, rend_wall() + 48);
		assert_null(find(1));
		assert_non_null(find(3));
		settle();
		assert_int_equal(audit(store), KEYS);
		shelves_end();
	}
}

/* ---- versions ---- */

static void
versions_rise_also_where_nothing_is_handed_over(void **state)
{
	uint64_t last;

	shelves_make(4 * MIB, true);
	assert_true(put(shelves[0], 1, 10));
	last = find(1)->version;
	shelves_end();
	shelves_make(4 * MIB, true);
	clock_fake(rend_now() + 1000000000, rend_wall() + 1);
	shelves_end();
	clock_fake(1000000000, 1001);
	store = store_new(4 * MIB, true, true, 2);
	assert_true(store->version > last);
	store_free(&store);
	clock_unfake();
}

/* ---- two processes ---- */

static void
memory_that_another_process_has_yet_is_not_shared(void **state)
{
	for (int dead = 0; dead < 2; dead++) {
		struct rend_parcel parcel;
		uint64_t version;
		int ends[2];
		char taken;
		pid_t pid;

		begin(4 * MIB);
		version = store->version;
		parcel = give_parcel();
		assert_int_equal(pipe(ends), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			taken = try_to_take(&parcel, 4 * MIB) != NULL;
			/* Whatever becomes of this one. */
			alarm(60);
			if (write(ends[1], &taken, 1) == 1)
				for (;;)
					pause();
			_exit(1);
		}
		assert_int_equal(read(ends[0], &taken, 1), 1);
		assert_true(taken);
		if (dead) {
			kill(pid, SIGKILL);
			assert_int_equal(waitpid(pid, NULL, 0), pid);
		}
		store_keep(store);
		assert_int_equal(those_there(), dead ? KEYS : 0);
		for (int key = 0; key < KEYS; key++)
			assert_true(put(shelves[key % 2], key, len_of(key)));
		assert_true(find(1)->version > version);
		if (!dead) {
			kill(pid, SIGKILL);
			assert_int_equal(waitpid(pid, NULL, 0), pid);
		}
		settle();
		assert_int_equal(audit(store), KEYS);
		close(ends[0]);
		close(ends[1]);
		shelves_end();
	}
}

/* One that was taken over, and was asked nothing, is given; the next one ends, before or after it took it. */
static void
what_nobody_asked_can_be_given_and_kept(void **state)
{
	for (int taken = 0; taken < 2; taken++) {
		struct rend_parcel parcel;
		struct store *next;

		begin(32 * MIB);
		parcel = give_parcel();
		next = try_to_take(&parcel, store->arena.limit);
		assert_non_null(next);
		wait_with(next);
		parcel = give_parcel();
		if (taken) {
			next = try_to_take(&parcel, store->arena.limit);
			assert_non_null(next);
			store_free(&next);
		}
		store_keep(store);
		assert_true(put(shelves[0], KEYS, 10));
		assert_int_equal(those_there(), KEYS);
		settle();
		assert_int_equal(audit(store), KEYS + 1);
		shelves_end();
	}
}

/* ---- room ---- */

static void
nobody_naps_until_what_came_was_looked_at(void **state)
{
	shelves_make(2 * MIB, true);
	for (int key = 0; key < 8000; key++)
		put(shelves[key % 2], key, 10 + (size_t)key % 400);
	naps = 0;
	for (int round = 0; round < 10; round++) {
		hand_over();
		for (int key = 0; key < 2000; key++) {
			assert_true(put(shelves[key % 2], round * 2000 + key, 10 + (size_t)key % 400));
			/* As in the core: between two of its ops a worker is at work nowhere. */
			leave(shelves[key % 2]);
		}
	}
	assert_int_equal(naps, 0);
	/* Another worker is at work all the time, so that what was cleaned does not come back. */
	hand_over();
	yields = 0;
	shelf_enter(shelves[1]);
	for (int key = 0; key < 8000 && naps == 0; key++)
		put(shelves[0], 20000 + key, 10 + (size_t)key % 400);
	assert_int_not_equal(naps, 0);
	assert_true(left_at_nap < left_at_yield);
	settle();
	assert_true(audit(store) >= 0);
	shelves_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_epoch_of_the_next_process_is_no_proof),
		cmocka_unit_test(a_record_that_is_longer_than_it_was_is_not_shown),
		cmocka_unit_test(what_goes_meanwhile_is_counted_once),
		cmocka_unit_test(no_segment_is_gone_through_for_a_small_value),
		cmocka_unit_test(what_is_stored_over_while_it_is_looked_at_is_no_miss),
		cmocka_unit_test(an_entry_that_is_there_twice_is_there_once),
		cmocka_unit_test(an_entry_that_leads_out_of_all_segments_is_counted),
		cmocka_unit_test(pages_are_put_right_before_they_are_given_up),
		cmocka_unit_test(the_index_is_put_right_when_it_is_used),
		cmocka_unit_test(an_entry_that_leads_out_of_what_was_filled_is_dropped),
		cmocka_unit_test(pages_that_the_index_did_not_have_yet_are_empty),
		cmocka_unit_test(a_clock_that_was_set_meanwhile_changes_no_time_to_live),
		cmocka_unit_test(versions_rise_also_where_nothing_is_handed_over),
		cmocka_unit_test(memory_that_another_process_has_yet_is_not_shared),
		cmocka_unit_test(what_nobody_asked_can_be_given_and_kept),
		cmocka_unit_test(nobody_naps_until_what_came_was_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
