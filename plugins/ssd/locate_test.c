/* A value that is moved while somebody looks for it is found: between the look at the index and that at the disk, its place may be another's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_words.h"

#define KIB  1024
#define LAPS 20000

/* ---- what happens right after the index was asked ---- */

bool __real_index_find(const struct index *ix, uint64_t hash, struct entry *e);
bool __wrap_index_find(const struct index *ix, uint64_t hash, struct entry *e);

static struct {
	struct world *w; /* NULL: nothing */
	void (*happens)(struct world *w);
	struct entry found;
	unsigned times;
} after;

bool
__wrap_index_find(const struct index *ix, uint64_t hash, struct entry *e)
{
	bool found = __real_index_find(ix, hash, e);
	struct world *w = after.w;

	if (w == NULL || hash != store_khash(w->store, "key-1", 5))
		return found;
	assert_true(found && e != NULL);
	after.found = *e;
	after.w = NULL;
	after.happens(w);
	if (--after.times > 0)
		after.w = w;
	return found;
}

/* ---- the store, in laps ---- */

static void
store_others_until(struct world *w, bool (*there)(struct world *w))
{
	for (unsigned n = 0; !there(w); n++) {
		assert_true(n < LAPS);
		assert_int_equal(world_set(w, 1000 + n % 3000, 1, 4 * KIB, 0), STORED);
		store_step(w->store, true, w->wall);
	}
}

static const struct segment *
segment_found(const struct world *w)
{
	return &w->store->segments[after.found.place.seg];
}

static bool
is_free(struct world *w)
{
	return segment_found(w)->seq == 0;
}

static uint64_t seq_was;

static bool
is_another_on_disk(struct world *w)
{
	const struct segment *g = segment_found(w);

	return g->seq > seq_was && g->state == SEGMENT_SEALED && g->image == NULL;
}

static bool
is_another_in_ram(struct world *w)
{
	const struct segment *g = segment_found(w);

	return g->seq > seq_was && g->state == SEGMENT_OPEN && g->image->used > after.found.place.start + 200;
}

static void
its_segment_is_free(struct world *w)
{
	store_others_until(w, is_free);
}

static void
its_segment_is_anothers(struct world *w)
{
	store_others_until(w, is_another_on_disk);
}

static void
its_segment_is_being_written(struct world *w)
{
	store_others_until(w, is_another_in_ram);
}

static void
found_whatever(void (*happens)(struct world *w))
{
	struct world w;
	struct entry e;
	uint64_t khash, n;

	world_init(&w, 32);
	w.options.moves = 90;
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 4 * KIB, 0), STORED);
	seal(&w);
	has(&w, 1, 1); /* so that it is worth being moved */
	khash = store_khash(w.store, "key-1", 5);
	assert_true(index_find(w.store->index, khash, &e));
	seq_was = w.store->segments[e.place.seg].seq;
	after.w = &w;
	after.times = 1;
	after.happens = happens;
	if (!world_get(&w, 1, &n, NULL))
		fail_msg("it was moved, and is not found");
	assert_int_equal(n, 1);
	assert_null(after.w);
	assert_int_equal(after.found.place.seg, e.place.seg);
	assert_true(index_find(w.store->index, khash, &e));
	assert_int_not_equal(after.found.place.seg, e.place.seg);
	assert_true(world_counts(&w).moves > 0);
	assert_int_equal(world_counts(&w).check_errors, 0);
	world_settle(&w, true);
	world_audit(&w);
	world_fini(&w);
}

static void
found_when_its_segment_is_free(void **state)
{
	found_whatever(its_segment_is_free);
}

static void
found_when_its_place_is_anothers(void **state)
{
	found_whatever(its_segment_is_anothers);
}

static void
found_when_its_segment_is_being_written(void **state)
{
	found_whatever(its_segment_is_being_written);
}

/* ---- what is not there is not looked for again and again ---- */

static void
goes_for_good(struct world *w)
{
	store_flush_all(w->store);
	world_settle(w, true);
}

static void
not_found_when_it_was_flushed(void **state)
{
	struct world w;

	world_init(&w, 32);
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 4 * KIB, 0), STORED);
	seal(&w);
	after.w = &w;
	after.times = 1;
	after.happens = goes_for_good;
	has_not(&w, 1);
	assert_null(after.w);
	world_fini(&w);
}

/* It is moved each time that somebody looks: that has an end, and the answer is no other value. */
static void
moved_each_time(struct world *w)
{
	uint64_t n;

	seq_was = segment_found(w)->seq;
	if (seq_was == 0 || !world_get(w, 1, &n, NULL))
		return;
	if (segment_found(w)->image != NULL)
		seal(w);
	store_others_until(w, is_another_on_disk);
}

static void
looking_has_an_end(void **state)
{
	struct world w;
	uint64_t n = 1;

	world_init(&w, 32);
	w.options.moves = 90;
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 4 * KIB, 0), STORED);
	seal(&w);
	has(&w, 1, 1);
	after.w = &w;
	after.times = 50;
	after.happens = moved_each_time;
	world_get(&w, 1, &n, NULL);
	assert_int_equal(n, 1);
	assert_in_range(after.times, 30, 48);
	after.w = NULL;
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_when_its_segment_is_free),
		cmocka_unit_test(found_when_its_place_is_anothers),
		cmocka_unit_test(found_when_its_segment_is_being_written),
		cmocka_unit_test(not_found_when_it_was_flushed),
		cmocka_unit_test(looking_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
