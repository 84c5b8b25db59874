/*
 * What expires: it is never found again, its memory comes back by itself, and before anything that is alive has to go.  Faults are planted by
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
#include "base/clock.h"
#include "shelves_test.h"

#define BEGAN 1000 /* shelves_make()'s */

static int64_t now;

static void
pass(int64_t seconds)
{
	now += seconds;
	clock_fake((uint64_t)now * 1000000000, now);
}

static void
make(uint64_t limit, bool evict)
{
	shelves_make(limit, evict);
	now = BEGAN;
}

/* ---- planted faults, and what is looked at ---- */

static bool nothing_expires; /* of no segment it is known what has expired */
static bool worth_nothing;   /* victims are chosen by age alone */
static void (*on_evict)(void);
static unsigned long evicted;

uint32_t __real_lives_expired(const struct lives *l, unsigned lane, int64_t wall);
uint32_t __wrap_lives_expired(const struct lives *l, unsigned lane, int64_t wall);

uint32_t
__wrap_lives_expired(const struct lives *l, unsigned lane, int64_t wall)
{
	return nothing_expires ? 0 : __real_lives_expired(l, lane, wall);
}

uint32_t __real_full_worth(struct full *f, int64_t wall);
uint32_t __wrap_full_worth(struct full *f, int64_t wall);

uint32_t
__wrap_full_worth(struct full *f, int64_t wall)
{
	return worth_nothing ? SEGMENT_NONE : __real_full_worth(f, wall);
}

void __real_store_evict(struct shelf *sh, uint64_t location, struct gone *gone);
void __wrap_store_evict(struct shelf *sh, uint64_t location, struct gone *gone);

void
__wrap_store_evict(struct shelf *sh, uint64_t location, struct gone *gone)
{
	evicted++;
	if (on_evict != NULL)
		on_evict();
	__real_store_evict(sh, location, gone);
}

/* ---- what a segment knows of its items ---- */

static const int64_t longest[LIVES_LANES] = { 60, 600, 6 * 3600, 30 * 86400 }, unit[LIVES_LANES] = { 1, 4, 128, 4096 };

static void
lanes_by_the_time_to_live(void **state)
{
	for (unsigned lane = 0; lane < LIVES_LANES; lane++) {
		assert_int_equal(lives_lane(BEGAN + longest[lane], BEGAN), lane);
		assert_int_equal(
		    lives_lane(BEGAN + longest[lane] + 1, BEGAN), lane == LIVES_LANES - 1 ? lane : lane + 1);
	}
	assert_int_equal(lives_lane(0, BEGAN), LIVES_LANES - 1);
	assert_int_equal(lives_lane(1, BEGAN), 0);
}

/* Bytes of those that have expired; late: so long ago that it must be known. */
static uint32_t
expired_of(const uint32_t *exptimes, unsigned count, unsigned lane, int64_t wall, bool late)
{
	uint32_t bytes = 0;

	for (unsigned i = 0; i < count; i++) {
		int64_t after = exptimes[i] - BEGAN, known = BEGAN + after + after / 2 + unit[lane];

		if (exptimes[i] != 0 && (late ? known : exptimes[i]) <= wall)
			bytes += i;
	}
	return bytes;
}

/* Never more than has expired, and not less than what expired when two thirds of the time since the segment was opened were over. */
static void
d4_a_segment_knows_what_has_expired(void **state)
{
	for (unsigned lane = 0; lane < LIVES_LANES; lane++)
		for (int forever = 0; forever < 2; forever++) {
			struct lives l;
			uint32_t exptimes[300];
			int64_t step = longest[lane] / 30 + 1;

			/* The last step is not looked at before all have expired. */
			lives_begin(&l, BEGAN);
			assert_int_equal(lives_expired(&l, lane, BEGAN + step), 0);
			for (uint32_t i = 0; i < 300; i++) {
				exptimes[i] =
				    (uint32_t)(BEGAN + 1 +
					       roll((unsigned)longest[lane] / (lane == LIVES_LANES - 1 ? 4 : 1)));
				if (forever && i % 7 == 0)
					exptimes[i] = 0;
				lives_add(&l, lane, exptimes[i], i);
			}
			for (int64_t wall = BEGAN; wall < BEGAN + 2 * longest[lane]; wall += step) {
				uint32_t bytes = lives_expired(&l, lane, wall), all = 300 * 299 / 2;

				if (bytes == LIVES_ALL)
					bytes = all;
				assert_true(bytes <= expired_of(exptimes, 300, lane, wall, false));
				assert_true(bytes >= expired_of(exptimes, 300, lane, wall, true));
			}
			assert_int_equal(lives_expired(&l, lane, BEGAN + longest[lane]) == LIVES_ALL, !forever);
			for (uint32_t i = 0; i < 300; i++)
				lives_remove(&l, lane, exptimes[i], i);
			for (unsigned i = 0; i < LIVES_STEPS; i++)
				assert_int_equal(l.steps[i], 0);
		}
}

/* ---- I10: what is gone makes room first ---- */

static unsigned checked, violated;

/* Of a segment that may be cleaned, are less than a fifth of its bytes dead or known to have expired? */
static void
i10_check(void)
{
	static unsigned turn;
	uint64_t *alive;
	uint32_t part = (uint32_t)arena_segment_size(&store->arena) / 5;

	if (turn++ % 64 != 0)
		return;
	alive = calloc(store->arena.segments, sizeof *alive);
	assert_non_null(alive);
	for (uint64_t n = 0; n < index_buckets(&store->index); n++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			uint64_t entry = index_bucket(&store->index, n)->slots[i];
			const struct record *r = arena_at(&store->arena, entry_location(entry));
			uint32_t s = entry == 0 ? 0 : arena_segment(&store->arena, entry_location(entry));
			const struct segment *seg = &store->log.segments[s];
			int64_t after = entry == 0 ? 0 : record_exptime(r) - seg->lives.from;

			if (entry != 0 &&
			    (record_exptime(r) == 0 || now < record_exptime(r) + after / 2 + unit[seg->lane]))
				alive[s] += record_footprint(r);
		}
	for (uint32_t s = 0; s < store->arena.segments; s++) {
		const struct segment *seg = &store->log.segments[s];

		if (seg->state != SEGMENT_FULL || !grace_over(&store->grace, seg->epoch))
			continue;
		checked++;
		violated += seg->end - alive[s] >= part;
	}
	free(alive);
}

/* Sets, overwrites, deletes and touches, of all lives, while time passes. */
static void
i10_mix(void)
{
	checked = violated = 0;
	make(4 * MIB, true);
	on_evict = i10_check;
	for (int i = 0; i < 120000; i++) {
		struct shelf *sh = shelves[roll(2)];
		int key = (int)roll(30000);
		unsigned kind = roll(10);

		if (i % 3000 == 0)
			pass(1);
		if (kind == 0)
			drop(sh, key);
		else if (kind == 1)
			touch(sh, key, now + 1 + roll(60));
		else
			put_until(sh, key, 20 + roll(400), kind < 5 ? 0 : now + 1 + roll(20));
		leave(sh);
	}
	on_evict = NULL;
	settle();
	assert_true(audit(store) > 1000);
	shelves_end();
	print_message(
	    "%u of %u segments of which a fifth was gone stayed while others were evicted\n", violated, checked);
	assert_true(checked > 1000);
}

static void
i10_nothing_alive_goes_while_a_fifth_of_a_segment_is_gone(void **state)
{
	i10_mix();
	assert_int_equal(violated, 0);
	worth_nothing = true;
	i10_mix();
	assert_true(violated > 0);
	worth_nothing = false;
	nothing_expires = true;
	i10_mix();
	assert_true(violated > 0);
	nothing_expires = false;
}

/* Half of the memory has expired: as much is stored, and nothing is evicted for it.  Nobody has asked for the old ones, and nobody has swept. */
static unsigned long
evictions_for_as_much_as_expired(void)
{
	int key = 0;

	make(8 * MIB, true);
	for (; key < 8000; key++) {
		assert_true(put_until(shelves[0], key, 400, key % 2 == 0 ? 0 : now + 30));
		leave(shelves[0]);
	}
	pass(30);
	evicted = 0;
	for (; key < 19000; key++) {
		assert_true(put(shelves[0], key, 400));
		leave(shelves[0]);
	}
	for (key = 0; evicted == 0 && key < 8000; key++)
		assert_int_equal(find(key) != NULL, key % 2 == 0);
	shelves_end();
	return evicted;
}

static void
i10_what_has_expired_makes_room(void **state)
{
	assert_int_equal(evictions_for_as_much_as_expired(), 0);
	nothing_expires = true;
	assert_true(evictions_for_as_much_as_expired() > 0);
	nothing_expires = false;
}

/* ---- D4: memory of what has expired comes back without anybody asking for it ---- */

static void
d4_expired_memory_comes_back_in_a_minute(void **state)
{
	static const int64_t times[] = { 5, 60, 600, 5000, 100000 };
	uint64_t before;

	for (size_t t = 0; t < sizeof times / sizeof *times; t++) {
		make(32 * MIB, true);
		for (int i = 0; i < 1000; i++)
			put(shelves[0], i, 100);
		leave(shelves[0]);
		before = budget_used(store->arena.budget);
		for (int i = 1000; i < 51000; i++) {
			put_until(shelves[0], i, 300, now + times[t]);
			leave(shelves[0]);
		}
		assert_true(budget_used(store->arena.budget) > before + 12 * MIB);
		pass(times[t] - 1);
		store_tick(shelves[0]);
		for (int i = 1000; i < 51000; i++)
			assert_non_null(find(i));
		for (int s = 0; s <= 60; s++) {
			pass(1);
			store_tick(shelves[0]);
		}
		settle();
		print_message("%llu of %llu bytes stayed of what lived for %lld s\n",
		    (unsigned long long)(budget_used(store->arena.budget) - before), 50000ULL * 332,
		    (long long)times[t]);
		/* What stays is the index, which has grown. */
		assert_true(budget_used(store->arena.budget) < before + 3 * MIB);
		assert_int_equal(audit(store), 1000);
		shelves_end();
	}
}

/* The only one in its segment, which nobody fills. */
static void
d4_an_open_segment_comes_back_too(void **state)
{
	uint64_t before;

	make(32 * MIB, true);
	put(shelves[0], 2, 100);
	before = budget_used(store->arena.budget);
	put_until(shelves[0], 1, 100, now + 10);
	leave(shelves[0]);
	assert_int_equal(budget_used(store->arena.budget), before + arena_segment_size(&store->arena));
	for (int s = 0; s <= 60; s++) {
		pass(1);
		store_tick(shelves[0]);
	}
	assert_int_equal(budget_used(store->arena.budget), before);
	assert_non_null(find(2));
	shelves_end();
}

/* ---- I5: what has expired is not found again, and who was touched in time stays ---- */

static void
i5_the_touched_stay_and_the_expired_do_not_come_back(void **state)
{
	for (int evict = 0; evict < 2; evict++) {
		make(8 * MIB, evict);
		for (int i = 0; i < 9000; i++)
			put_until(shelves[0], i, 400, now + 20);
		for (int i = 0; i < 9000; i += 10)
			touch(shelves[0], i, i % 20 == 0 ? 0 : now + 4000);
		for (int i = 5; i < 9000; i += 10)
			touch(shelves[0], i, now + 2);
		pass(2);
		for (int i = 0; i < 9000; i++)
			assert_int_equal(find(i) != NULL, i % 10 != 5);
		pass(18);
		for (int s = 0; s < 60; s++) {
			store_tick(shelves[0]);
			leave(shelves[0]);
			pass(1);
		}
		for (int i = 0; i < 9000; i++) {
			struct record *r = find(i);

			assert_int_equal(r != NULL, i % 10 == 0);
			if (r != NULL)
				assert_true(is_whole(r, i, 400));
		}
		settle();
		assert_int_equal(audit(store), 900);
		pass(4000);
		assert_null(find(10));
		assert_non_null(find(20));
		shelves_end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lanes_by_the_time_to_live),
		cmocka_unit_test(d4_a_segment_knows_what_has_expired),
		cmocka_unit_test(i10_nothing_alive_goes_while_a_fifth_of_a_segment_is_gone),
		cmocka_unit_test(i10_what_has_expired_makes_room),
		cmocka_unit_test(d4_expired_memory_comes_back_in_a_minute),
		cmocka_unit_test(d4_an_open_segment_comes_back_too),
		cmocka_unit_test(i5_the_touched_stay_and_the_expired_do_not_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
