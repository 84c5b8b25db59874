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
#include "table.h"

#define MIB (1024 * 1024)

/* As in inmem.c. */
struct inmem_conf {
	uint64_t memory;
	bool evict;
};

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

/* ---- one store, one worker ---- */

extern const struct rend_plugin *rend_plugin(void);

static struct {
	struct inmem_conf conf;
	struct plugin plugin;
	struct rend_worker worker;
	struct generation *generation;
	struct rend_node *node;
} rig;

static void
rig_open(uint64_t memory, bool evict)
{
	struct rend_error err = { 0 };
	struct rend_node **nodes = calloc(1, sizeof *nodes);

	clock_fake(1000000000, 1000);
	hash_seed(7);
	worker_set_count(1);
	rig.conf = (struct inmem_conf){ .memory = memory, .evict = evict };
	rig.plugin = (struct plugin){ .self = rend_plugin(), .handler = *rend_plugin()->handler };
	assert_non_null(nodes);
	nodes[0] = rig.node = node_new("mem", &rig.plugin, &rig.conf, NULL);
	assert_non_null(rig.node);
	rig.generation = generation_new(nodes, 1);
	assert_non_null(rig.generation);
	assert_int_equal(generation_open(rig.generation, &err), 0);
	assert_int_equal(worker_init(&rig.worker, 0), 0);
	worker_enter(&rig.worker);
	assert_int_equal(generation_attach(rig.generation, &rig.worker, &err), 0);
}

static void
rig_close(void)
{
	generation_detach(rig.generation, &rig.worker);
	worker_enter(NULL);
	worker_fini(&rig.worker);
	generation_free(&rig.generation);
	clock_unfake();
}

static uint64_t
metric(const char *name)
{
	return metrics_sum(&rig.node, 1, name);
}

/* All of inmem's answers come at once. */
static enum rend_status
submit(struct rend_op *op)
{
	assert_true(rend_submit(rig.node, op));
	return (enum rend_status)op->status;
}

static struct rend_op *
op(unsigned verb, const char *key)
{
	struct rend_op *made = op_new(&rig.worker, key, strlen(key));

	assert_non_null(made);
	made->verb = (uint8_t)verb;
	return made;
}

static enum rend_status
store_until(unsigned verb, const char *key, const void *p, size_t len, int64_t exptime)
{
	struct rend_op *o = op(verb, key);
	enum rend_status status;

	assert_int_equal(rend_value_copy_in(&o->item.value, p, len), 0);
	o->item.exptime = exptime;
	status = submit(o);
	rend_op_free(&o);
	return status;
}

static enum rend_status
store(unsigned verb, const char *key, const void *p, size_t len)
{
	return store_until(verb, key, p, len, 0);
}

static struct rend_op *
get(const char *key)
{
	struct rend_op *o = op(REND_GET, key);

	o->ask.want = REND_WANT_VALUE;
	submit(o);
	return o;
}

static bool
has(const char *key)
{
	struct rend_op *o = get(key);
	bool hit = o->status == REND_OK;

	rend_op_free(&o);
	return hit;
}

static void
reads(const char *key, const char *value)
{
	struct rend_op *o = get(key);
	char is[64] = "";

	assert_int_equal(o->status, REND_OK);
	rend_value_copy_out(&o->item.value, 0, is, sizeof is - 1);
	assert_string_equal(is, value);
	rend_op_free(&o);
}

static void
step(unsigned verb, const char *key, uint64_t delta)
{
	struct rend_op *o = op(verb, key);

	o->ask.delta = delta;
	assert_int_equal(submit(o), REND_OK);
	rend_op_free(&o);
}

static void
fill(const char *prefix, int from, int to, size_t len)
{
	static char value[512 * 1024];
	char key[64];

	for (int i = from; i < to; i++) {
		snprintf(key, sizeof key, "%s-%d", prefix, i);
		store(REND_SET, key, value, len);
	}
}

static int
count(const char *prefix, int to)
{
	char key[64];
	int n = 0;

	for (int i = 0; i < to; i++) {
		snprintf(key, sizeof key, "%s-%d", prefix, i);
		n += has(key);
	}
	return n;
}

/* Time passes; each second has its tick. */
static void
pass(int64_t seconds)
{
	int64_t now = rend_wall();

	for (int64_t s = 1; s <= seconds; s++) {
		clock_fake(rend_now() + 1000000000, now + s);
		worker_flush(&rig.worker);
	}
}

/* ---- memory ---- */

static void
stays_below_the_limit(void **state)
{
	static const size_t lens[] = { 10, 100, 1000, 100000, 3, 300000, 20 };

	rig_open(4 * MIB, true);
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		int n = (int)(8 * MIB / (lens[i] + 150));

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

/* What somebody still reads is not evicted for nothing, and counts until he has read it. */
static void
pinned(void **state)
{
	struct rend_op *held[8];
	char key[16];
	uint64_t with;

	rig_open(MIB, true);
	for (int i = 0; i < 8; i++) {
		snprintf(key, sizeof key, "pin-%d", i);
		assert_int_equal(store(REND_SET, key, (char[100000]){ 'p' }, 100000), REND_OK);
		held[i] = get(key);
	}
	fill("k", 0, 20000, 100);
	assert_true(metric("bytes") <= MIB);
	for (int i = 0; i < 8; i++) {
		snprintf(key, sizeof key, "pin-%d", i);
		assert_int_equal(store(REND_DELETE, key, "", 0), REND_OK);
	}
	with = metric("bytes");
	assert_true(with > 800000);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(held[i]->item.value.len, 100000);
		rend_op_free(&held[i]);
	}
	assert_true(metric("bytes") < with - 790000);
	rig_close();
}

static void
no_room_beside_what_is_pinned(void **state)
{
	struct rend_op *held[2];

	rig_open(MIB, true);
	assert_int_equal(store(REND_SET, "a", (char[400000]){ 0 }, 400000), REND_OK);
	assert_int_equal(store(REND_SET, "b", (char[400000]){ 0 }, 400000), REND_OK);
	held[0] = get("a");
	held[1] = get("b");
	assert_int_equal(store(REND_SET, "c", (char[400000]){ 0 }, 400000), REND_NO_MEMORY);
	rend_op_free(&held[0]);
	assert_int_equal(store(REND_SET, "c", (char[400000]){ 0 }, 400000), REND_OK);
	assert_false(has("a"));
	rend_op_free(&held[1]);
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

/* ---- those who look at chains without a lock ---- */

static int
retired_arrays(const struct table *t)
{
	int n = 0;

	for (int i = 0; i < TABLE_STRIPES; i++)
		for (struct item **r = t->stripes[i].retired; r != NULL; r = (struct item **)(void *)r[0])
			n++;
	return n;
}

/* What the index has outgrown is there, and is paid for, as long as somebody may look into it. */
static void
outgrown_chains_wait_for_those_who_look(void **state)
{
	struct table *t;
	uint64_t bytes;

	rig_open(64 * MIB, true);
	t = rig.node->store;
	fill("k", 0, 10000, 10);
	pass(1);
	assert_int_equal(retired_arrays(t), 0);
	t->peekers[TABLE_PEEKERS - 1].count = 1;
	fill("k", 10000, 100000, 10);
	assert_true(retired_arrays(t) >= TABLE_STRIPES);
	bytes = metric("bytes");
	t->peekers[TABLE_PEEKERS - 1].count = 0;
	pass(1);
	assert_int_equal(retired_arrays(t), 0);
	assert_true(metric("bytes") < bytes);
	assert_int_equal(count("k", 100000), 100000);
	/* Nor are they lost when it closes. */
	t->peekers[0].count = 1;
	fill("l", 0, 100000, 10);
	assert_true(retired_arrays(t) > 0);
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
	assert_true(metric("bytes") < empty + (full - empty) / 4); /* the index has grown, and stays so */
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
hit_takes_no_malloc_and_set_one(void **state)
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
	assert_int_equal(mallocs, 1);
	rend_op_free(&g);
	rend_op_free(&s);
	store(REND_SET, "n", "10", 2);
	mallocs = 0;
	g = op(REND_INCR, "n");
	g->ask.delta = 1;
	assert_int_equal(submit(g), REND_OK);
	assert_int_equal(mallocs, 0); /* in place */
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
	clock_fake(1000000000 - 1000000, 1000);
	assert_true(has("k"));
	clock_fake(1000000000 + 999500000, 1001);
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
		cmocka_unit_test(pinned),
		cmocka_unit_test(no_room_beside_what_is_pinned),
		cmocka_unit_test(value_outlives_the_store),
		cmocka_unit_test(many_items),
		cmocka_unit_test(outgrown_chains_wait_for_those_who_look),
		cmocka_unit_test(announced),
		cmocka_unit_test(expired_memory_comes_back),
		cmocka_unit_test(flushed_make_room),
		cmocka_unit_test(a_clock_that_is_behind_makes_nothing_older),
		cmocka_unit_test(numbers),
		cmocka_unit_test(hit_takes_no_malloc_and_set_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
