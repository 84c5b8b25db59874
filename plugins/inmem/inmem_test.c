/*
 * inmem beyond what every handler must do: how much memory it uses, what it evicts, how values look after incr and decr, how often it
 * calls malloc.  The plugin is linked in; its ops come from a worker of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "engine/generation.h"
#include "engine/metrics.h"
#include "engine/op.h"
#include "engine/worker.h"
#include "rig_test.h"
#include "store.h"

static unsigned mallocs;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *
__wrap_malloc(size_t size)
{
	mallocs++;
	return __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	mallocs++;
	return __real_calloc(n, size);
}

/* ---- memory ---- */

static void
stays_below_the_limit(void **state)
{
	static const size_t lens[] = { 10, 100, 1000, 100000, 3, 300000, 20 };

	rig_open(4 * MIB, true);
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		int n = (int)(8 * MIB / (lens[i] + 60));

		for (int j = 0; j < n; j += n / 16 + 1) {
			fill("k", j, j + n / 16 + 1, lens[i]);
			assert_true(metric("bytes") <= 4 * MIB);
		}
		/* and most of it is used */
		assert_true(metric("bytes") > 3 * MIB);
	}
	assert_true(metric("evictions") > 0);
	assert_int_equal(metric("limit_maxbytes"), 4 * MIB);
	rig_close();
}

static void
keeps_what_is_used(void **state)
{
	rig_open(4 * MIB, true);
	fill("hot", 0, 200, 100);
	for (int round = 0; round < 50; round++) {
		pass(1);
		fill("cold", round * 1000, round * 1000 + 1000, 100);
		assert_int_equal(count("hot", 200), 200);
	}
	assert_true(metric("evictions") > 20000);
	assert_int_equal(metric("evictions"), metric("evicted_unfetched"));
	rig_close();
}

static void
full_without_eviction(void **state)
{
	char value[1000] = "";
	int stored = 0;

	rig_open(MIB, false);
	for (int i = 0; i < 2000; i++) {
		char key[32];
		enum rend_status status;

		snprintf(key, sizeof key, "k-%d", i);
		status = store(REND_SET, key, value, sizeof value);
		assert_true(status == REND_OK || status == REND_NO_MEMORY);
		if (status == REND_OK)
			assert_int_equal(stored++, i);
	}
	assert_true(stored > 600 && stored < 1000);
	assert_int_equal(count("k", 2000), stored);
	assert_int_equal(metric("evictions"), 0);
	/* An old value makes room for the new one, and a refusal leaves none. */
	assert_int_equal(store(REND_SET, "k-5", "new", 3), REND_OK);
	reads("k-5", "new");
	fill("rest", 0, 100, 1);
	assert_int_equal(store(REND_SET, "k-7", (char[200000]){ 0 }, 200000), REND_NO_MEMORY);
	assert_false(has("k-7"));
	/* add has no older value to protect anybody from: what is there stays. */
	assert_int_equal(store(REND_APPEND, "k-8", (char[200000]){ 0 }, 200000), REND_NO_MEMORY);
	assert_true(has("k-8"));
	rig_close();
}

static void
too_big(void **state)
{
	static char value[MIB];

	rig_open(MIB, true);
	fill("k", 0, 100, 100);
	assert_int_equal(store(REND_SET, "k-1", value, sizeof value), REND_TOO_BIG);
	assert_false(has("k-1"));
	assert_int_equal(count("k", 100), 99); /* nobody was evicted in vain */
	assert_int_equal(store(REND_SET, "half", value, MIB / 2 - 1000), REND_OK);
	assert_int_equal(store(REND_APPEND, "half", value, 2000), REND_TOO_BIG);
	assert_true(has("half"));
	rig_close();
}

/*
 * What somebody still reads is not evicted for nothing, and counts until he has read it.  Half of the memory may be held so, for a moment, and a
 * tenth be copied; who comes then is refused.
 */
static void
i6_pinned(void **state)
{
	struct rend_op *held[32];
	char key[16];
	unsigned lies = 0, refused = 0;

	rig_open(4 * MIB, true);
	for (int i = 0; i < 32; i++) {
		snprintf(key, sizeof key, "pin-%d", i);
		assert_int_equal(store(REND_SET, key, (char[100000]){ (char)i }, 100000), REND_OK);
		held[i] = get(key);
		if (held[i]->status == REND_NO_MEMORY)
			refused++;
		assert_true(held[i]->status == REND_OK || refused > 0);
	}
	assert_true(metric("pinned") > 4 * MIB * 4 / 10);
	assert_true(metric("pinned") <= 4 * MIB / 2);
	assert_in_range(refused, 32 - 26, 32 - 22);
	fill("k", 0, 80000, 100);
	assert_true(metric("bytes") <= 4 * MIB);
	for (int i = 0; i < 32; i++) {
		snprintf(key, sizeof key, "pin-%d", i);
		store(REND_DELETE, key, "", 0);
	}
	assert_int_equal(metric("pinned_orphans"), metric("pinned"));
	for (int i = 0; i < 32; i++) {
		if (held[i]->status == REND_OK) {
			char bytes[100000], should[100000] = { (char)i };

			assert_int_equal(
			    rend_value_copy_out(&held[i]->item.value, 0, bytes, sizeof bytes), sizeof bytes);
			lies += memcmp(bytes, should, sizeof bytes) != 0;
		}
		rend_op_free(&held[i]);
	}
	assert_int_equal(lies, 0);
	assert_int_equal(metric("pinned"), 0);
	assert_int_equal(metric("pinned_orphans"), 0);
	rig_close();
}

static void
no_room_beside_what_is_pinned(void **state)
{
	struct rend_op *held;

	rig_open(MIB, true);
	assert_int_equal(store(REND_SET, "a", (char[400000]){ 0 }, 400000), REND_OK);
	assert_int_equal(store(REND_SET, "b", (char[400000]){ 0 }, 400000), REND_OK);
	held = get("a");
	assert_int_equal(store(REND_DELETE, "a", "", 0), REND_OK);
	assert_true(metric("pinned_orphans") >= 400000);
	assert_int_equal(store(REND_SET, "c", (char[500000]){ 0 }, 500000), REND_OK);
	assert_false(has("b"));
	assert_int_equal(store(REND_SET, "d", (char[200000]){ 0 }, 200000), REND_OK);
	assert_false(has("c"));
	rend_op_free(&held);
	assert_int_equal(metric("pinned_orphans"), 0);
	assert_int_equal(store(REND_SET, "e", (char[500000]){ 0 }, 500000), REND_OK);
	assert_true(has("d"));
	rig_close();
}

/* A reply on its way to a slow client may outlive the store. */
static void
value_outlives_the_store(void **state)
{
	struct rend_value kept = { 0 };
	struct rend_op *o;

	rig_open(MIB, true);
	store(REND_SET, "k", "still here", 10);
	o = get("k");
	rend_value_move(&kept, &o->item.value);
	rend_op_free(&o);
	rig_close();
	assert_memory_equal(rend_value_segs(&kept)->p, "still here", 10);
	rend_value_drop(&kept);
}

static void
many_items(void **state)
{
	rig_open(64 * MIB, true);
	fill("k", 0, 100000, 10);
	assert_int_equal(metric("curr_items"), 100000);
	assert_int_equal(metric("total_items"), 100000);
	assert_int_equal(count("k", 100000), 100000);
	for (int i = 0; i < 100000; i += 3) {
		char key[64];

		snprintf(key, sizeof key, "k-%d", i);
		assert_int_equal(store(REND_DELETE, key, "", 0), REND_OK);
	}
	assert_int_equal(count("k", 100000), 66666);
	assert_int_equal(metric("curr_items"), 66666);
	rig_close();
}

/* ---- the index ---- */

/* It grows while it is used.  What finds no place, since its home and all others it may be in are full, is one in 10,000 at most. */
static void
index_grows_under_use(void **state)
{
	struct store *s;
	uint64_t first, gone;

	rig_open(64 * MIB, true);
	s = rig.node->store;
	first = index_buckets(&s->index);
	for (int i = 0; i < 200000; i += 20000) {
		fill("k", i, i + 20000, 10);
		gone = metric("evictions");
		assert_true(gone <= (uint64_t)i / 10000);
		assert_int_equal(count("k", i + 20000), (uint64_t)i + 20000 - gone);
	}
	assert_true(index_buckets(&s->index) > 4 * first);
	assert_int_equal(metric("curr_items"), 200000 - gone);
	rig_close();
}

/* What is announced may be there or not, while the index grows, too; it changes nothing. */
static void
announced(void **state)
{
	uint64_t hashes[REND_PREFETCH_MAX];
	uint64_t bytes, dice = 1;

	rig_open(64 * MIB, true);
	for (int i = 0; i < 20000; i++) {
		for (int j = 0; j < REND_PREFETCH_MAX; j++)
			hashes[j] = dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
		bytes = metric("bytes");
		node_prefetch(rig.node, &rig.worker, hashes, 1 + (size_t)i % REND_PREFETCH_MAX);
		assert_int_equal(metric("bytes"), bytes);
		assert_int_equal(metric("curr_items"), i);
		fill("k", i, i + 1, 10);
	}
	rig_close();
}

/* ---- time ---- */

static void
expired_memory_comes_back(void **state)
{
	char key[32];
	uint64_t empty, full;

	rig_open(64 * MIB, true);
	fill("stay", 0, 1000, 100);
	empty = metric("bytes");
	for (int i = 0; i < 20000; i++) {
		snprintf(key, sizeof key, "go-%d", i);
		store_until(REND_SET, key, key, strlen(key), rend_wall() + 5);
	}
	full = metric("bytes");
	pass(4);
	assert_int_equal(metric("curr_items"), 21000);
	pass(60);
	assert_int_equal(metric("curr_items"), 1000);
	assert_int_equal(metric("reclaimed"), 20000);
	assert_int_equal(metric("expired_unfetched"), 20000);
	assert_true(metric("bytes") < empty + (full - empty) / 3); /* the index has grown, and stays so */
	rig_close();
}

/* The dead go before the living, and are no evictions. */
static void
flushed_make_room(void **state)
{
	rig_open(2 * MIB, false);
	fill("old", 0, 20000, 100);
	assert_int_equal(store(REND_SET, "more", (char[1000]){ 0 }, 1000), REND_NO_MEMORY);
	assert_int_equal(store(REND_FLUSH_ALL, "", "", 0), REND_OK);
	fill("new", 0, 5000, 100);
	assert_int_equal(count("new", 5000), 5000);
	assert_int_equal(count("old", 20000), 0);
	assert_int_equal(metric("evictions"), 0);
	rig_close();
}

/* ---- numbers, as memcached 1.6.18 leaves them ---- */

static void
numbers(void **state)
{
	static const struct {
		const char *before;
		unsigned verb;
		uint64_t delta;
		const char *after;
	} rows[] = {
		{ "10", REND_INCR, 1, "11" },
		{ "99", REND_INCR, 1, "100" },
		{ "18446744073709551615", REND_INCR, 1, "0                   " },
		{ "00018446744073709551615", REND_INCR, 1, "0                      " },
		{ "+5", REND_INCR, 1, "6 " },
		{ " 5", REND_INCR, 1, "6 " },
		{ "5 x", REND_INCR, 1, "6  " },
		{ "  12  ", REND_INCR, 1, "13    " },
		{ "10   ", REND_INCR, 99999, "100009" },
		{ "99   ", REND_INCR, 1, "100  " },
		{ "100", REND_DECR, 1, "99 " },
		{ "100", REND_DECR, 95, "5  " },
		{ "10   ", REND_DECR, 95, "0    " },
		{ "007", REND_DECR, 1, "6  " },
		{ "0", REND_DECR, 1, "0" },
	};

	rig_open(MIB, true);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		store(REND_SET, "k", rows[i].before, strlen(rows[i].before));
		step(rows[i].verb, "k", rows[i].delta);
		reads("k", rows[i].after);
	}
	/* "9  " and a 5 behind it is 9. */
	store(REND_SET, "k", "100", 3);
	step(REND_DECR, "k", 91);
	store(REND_APPEND, "k", "5", 1);
	reads("k", "9  5");
	step(REND_INCR, "k", 1);
	reads("k", "10  ");
	rig_close();
}

/* ---- malloc ---- */

static void
neither_hit_nor_set_takes_malloc(void **state)
{
	struct rend_op *g, *s;

	rig_open(MIB, true);
	for (int i = 0; i < 10; i++) { /* free lists fill */
		store(REND_SET, "k", "a value", 7);
		has("k");
	}
	g = op(REND_GET, "k");
	g->ask.want = REND_WANT_VALUE | REND_WANT_CAS | REND_WANT_EXPTIME;
	mallocs = 0;
	assert_int_equal(submit(g), REND_OK);
	assert_int_equal(mallocs, 0);
	s = op(REND_SET, "k");
	assert_int_equal(rend_value_copy_in(&s->item.value, "another", 7), 0);
	mallocs = 0;
	assert_int_equal(submit(s), REND_OK);
	assert_int_equal(mallocs, 0);
	rend_op_free(&g);
	rend_op_free(&s);
	store(REND_SET, "n", "10", 2);
	mallocs = 0;
	g = op(REND_INCR, "n");
	g->ask.delta = 1;
	assert_int_equal(submit(g), REND_OK);
	assert_int_equal(mallocs, 0);
	rend_op_free(&g);
	rig_close();
}

/* Each worker has a clock of its own, and that of one may be a turn behind. */
static void
a_clock_that_is_behind_makes_nothing_older(void **state)
{
	struct rend_op *o;

	rig_open(4 * MIB, true);
	store(REND_SET, "k", "v", 1);
	clock_fake(1000000000, 1005);
	assert_true(has("k"));
	clock_fake(1000000000, 999);
	o = op(REND_GET, "k");
	o->ask.want = REND_WANT_ACCESS;
	assert_int_equal(submit(o), REND_OK);
	assert_int_equal(o->item.last_access, 0);
	rend_op_free(&o);
	rig_close();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stays_below_the_limit),
		cmocka_unit_test(keeps_what_is_used),
		cmocka_unit_test(full_without_eviction),
		cmocka_unit_test(too_big),
		cmocka_unit_test(i6_pinned),
		cmocka_unit_test(no_room_beside_what_is_pinned),
		cmocka_unit_test(value_outlives_the_store),
		cmocka_unit_test(many_items),
		cmocka_unit_test(index_grows_under_use),
		cmocka_unit_test(announced),
		cmocka_unit_test(expired_memory_comes_back),
		cmocka_unit_test(flushed_make_room),
		cmocka_unit_test(a_clock_that_is_behind_makes_nothing_older),
		cmocka_unit_test(numbers),
		cmocka_unit_test(neither_hit_nor_set_takes_malloc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
