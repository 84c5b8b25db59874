/*
 * Several workers at one store that is much too small for them: everything that is read was written under that key, and is not older than what
 * was there when the read began.  Each key has one writer; a value says its key and its serial, and its bytes follow from both.  Of some keys
 * values are large, and held for a while by who gets them.
 */
#include <pthread.h>
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
#include "pin.h"

#define MIB	(1024 * 1024)
#define WORKERS 4
#define KEYS	6000
#define ROUNDS	100000
#define LEN_MAX 3000

/* One in so many keys has large values, of every worker's, up to this length; and so many may somebody hold at once. */
#define LARGE_KEYS    17
#define LARGE_LEN_MAX 60000
#define HELD	      4

static struct store *store;

/* Serials of what each key's writer has begun to write, and has written; those up to `gone` were deleted or flushed. */
static struct {
	uint32_t begun, done, gone;
} keys[KEYS];

static unsigned stale, foreign, torn, hits, large_hits;

static uint32_t
load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void
count(unsigned *n)
{
	__atomic_add_fetch(n, 1, __ATOMIC_RELAXED);
}

struct op {
	char key[16];
	struct rend_op op; /* which may be longer */
};

static struct rend_op *
op_of(struct op *o, uint32_t key)
{
	int len = snprintf(o->key, sizeof o->key, "%u", key);

	o->op = (struct rend_op){ .key = o->key, .keylen = (uint8_t)len, .hash = hash_key(o->key, (size_t)len) };
	return &o->op;
}

static size_t
describe(char *to, uint32_t key, uint32_t serial)
{
	bool large = key % LARGE_KEYS == 0;
	size_t len = 8 + (key * 31 + serial * (large ? 1711 : 17)) % ((large ? LARGE_LEN_MAX : LEN_MAX) - 8);

	memcpy(to, &key, 4);
	memcpy(to + 4, &serial, 4);
	for (size_t i = 8; i < len; i++)
		to[i] = (char)(key + serial + i);
	return len;
}

static void
check(const char *p, size_t len, uint32_t key, uint32_t least)
{
	char should[LARGE_LEN_MAX];
	uint32_t k, serial;

	memcpy(&k, p, 4);
	memcpy(&serial, p + 4, 4);
	count(&hits);
	if (k != key)
		count(&foreign);
	else if (serial < least)
		count(&stale);
	else if (serial > load(&keys[key].begun) || describe(should, k, serial) != len || memcmp(p, should, len) != 0)
		count(&torn);
}

/* What one worker has of large values, for answers that are not sent yet. */
struct held {
	struct rend_value values[HELD];
	uint32_t keys[HELD], least[HELD];
	unsigned next;
};

static void
let_go(struct held *h, unsigned n)
{
	char copy[LARGE_LEN_MAX];
	size_t len = rend_value_copy_out(&h->values[n], 0, copy, sizeof copy);

	if (len == 0)
		return;
	check(copy, len, h->keys[n], h->least[n]);
	rend_value_drop(&h->values[n]);
}

/* Keeps it until a few others have been got. */
static void
hold(struct shelf *sh, struct held *h, struct op *o, uint32_t key, uint32_t least)
{
	unsigned n = h->next++ % HELD;
	const struct large *l;
	struct visit v;

	let_go(h, n);
	visit_enter(&v, sh, &o->op);
	l = v.found == NULL ? NULL : large_of(&store->arena, v.found);
	if (l != NULL && pin_give(store->arena.pages, (struct large *)(uintptr_t)l, &h->values[n]) == 0) {
		h->keys[n] = key;
		h->least[n] = least;
		count(&large_hits);
	}
	visit_leave(&v);
}

static void
get(struct shelf *sh, struct held *h, uint32_t key)
{
	uint32_t done = load(&keys[key].done), gone = load(&keys[key].gone);
	char copy[LARGE_LEN_MAX];
	uint64_t *slot, entry;
	struct record *r;
	struct op o;

	shelf_enter(sh);
	r = store_find(store, op_of(&o, key), rend_wall(), &slot, &entry);
	if (r == NULL)
		return;
	if (record_state(r) & RECORD_LARGE) {
		hold(sh, h, &o, key, done > gone ? done : gone + 1);
		return;
	}
	memcpy(copy, record_value(r), r->len);
	index_hit(slot, entry);
	check(copy, r->len, key, done > gone ? done : gone + 1);
}

static void
set(struct shelf *sh, uint32_t key, int64_t exptime)
{
	uint32_t serial = keys[key].begun + 1;
	char value[LARGE_LEN_MAX];
	size_t len = describe(value, key, serial);
	struct draft d;
	struct visit v;
	struct op o;

	__atomic_store_n(&keys[key].begun, serial, __ATOMIC_SEQ_CST);
	shelf_enter(sh);
	if (!draft_new(&d, sh, op_of(&o, key), len, exptime)) {
		visit_enter(&v, sh, &o.op);
		if (v.found != NULL)
			visit_take(&v);
		visit_leave(&v);
	} else {
		draft_write(&d, 0, value, len);
		record_set_exptime(d.record, exptime);
		visit_enter(&v, sh, &o.op);
		visit_put(&v, &o.op, &d);
		visit_leave(&v);
		draft_waste(&d, sh);
	}
	__atomic_store_n(&keys[key].done, serial, __ATOMIC_SEQ_CST);
}

static void
drop(struct shelf *sh, uint32_t key)
{
	struct visit v;
	struct op o;

	shelf_enter(sh);
	visit_enter(&v, sh, op_of(&o, key));
	if (v.found != NULL)
		visit_take(&v);
	visit_leave(&v);
	__atomic_store_n(&keys[key].gone, keys[key].begun, __ATOMIC_SEQ_CST);
}

static void
touch(struct shelf *sh, uint32_t key, int64_t exptime)
{
	struct visit v;
	struct op o;

	shelf_enter(sh);
	visit_enter(&v, sh, op_of(&o, key));
	if (v.found != NULL)
		visit_touch(&v, exptime);
	visit_leave(&v);
}

/* Some for ever, some for times of all lanes. */
static int64_t
some_time(uint64_t dice)
{
	static const int64_t times[] = { 0, 1, 3, 50, 500, 5000, 50000 };

	dice = times[(dice >> 40) % (sizeof times / sizeof *times)];
	return dice == 0 ? 0 : rend_wall() + (int64_t)dice;
}

/* What had been written before the flush is gone after it. */
static void
flush(struct shelf *sh, uint32_t mine)
{
	uint32_t before[KEYS];

	for (uint32_t k = mine; k < KEYS; k += WORKERS)
		before[k] = load(&keys[k].done);
	shelf_enter(sh);
	store_flush(sh);
	for (uint32_t k = mine; k < KEYS; k += WORKERS)
		if (before[k] > keys[k].gone)
			__atomic_store_n(&keys[k].gone, before[k], __ATOMIC_SEQ_CST);
}

static void *
work(void *arg)
{
	struct shelf *sh = arg;
	uint64_t dice = sh->worker + 99;
	struct held held = { 0 };

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t key, turn;

		dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
		/* Some keys more often than others. */
		key = (uint32_t)(dice >> 33) % (dice >> 60 < 8 ? KEYS / 20 : KEYS);
		turn = (uint32_t)(dice >> 20) % 10000;
		if (turn < 5000)
			get(sh, &held, key);
		else if (turn < 9300)
			set(sh, (key / WORKERS * WORKERS + sh->worker) % KEYS, some_time(dice));
		else if (turn < 9700)
			touch(sh, key, some_time(dice));
		else if (turn < 9990)
			drop(sh, (key / WORKERS * WORKERS + sh->worker) % KEYS);
		else if (turn < 9991)
			flush(sh, sh->worker);
		else
			store_tick(sh);
		if (i % 64 == 0)
			grace_leave(&store->grace, sh->worker);
	}
	for (unsigned n = 0; n < HELD; n++)
		let_go(&held, n);
	grace_leave(&store->grace, sh->worker);
	return NULL;
}

static void
none_dropped(void *arg, uint64_t entry)
{
	fail_msg("growth dropped an entry");
}

static void
i2_i3_i6_i13_what_is_read_was_written_and_is_not_stale(void **state)
{
	struct shelf *shelves[WORKERS];
	pthread_t threads[WORKERS];

	store = store_new(2 * MIB, true, true, WORKERS);
	assert_non_null(store);
	for (unsigned w = 0; w < WORKERS; w++)
		assert_non_null(shelves[w] = shelf_new(store, w));
	for (unsigned w = 0; w < WORKERS; w++)
		assert_int_equal(pthread_create(&threads[w], NULL, work, shelves[w]), 0);
	for (unsigned w = 0; w < WORKERS; w++)
		pthread_join(threads[w], NULL);
	print_message(
	    "%u hits, %u of large values: %u stale, %u foreign, %u torn\n", hits, large_hits, stale, foreign, torn);
	assert_true(hits > ROUNDS / 10);
	assert_true(large_hits > ROUNDS / 1000);
	assert_int_equal(stale, 0);
	assert_int_equal(foreign, 0);
	assert_int_equal(torn, 0);
	assert_true(budget_used(store->arena.budget) <= 2 * MIB);
	while (growth_runs(&store->index))
		growth_step(&store->index, INDEX_BUCKETS, none_dropped, NULL);
	assert_true(audit(store) > 100);
	for (unsigned w = 0; w < WORKERS; w++)
		shelf_free(&shelves[w]);
	store_free(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i2_i3_i6_i13_what_is_read_was_written_and_is_not_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
