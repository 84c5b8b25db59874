/*
 * Several workers at one store that is much too small for them: everything that is read was written under that key, and is not older than what
 * was there when the read began.  Each key has one writer; a value says its key and its serial, and its bytes follow from both.
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

#define MIB	(1024 * 1024)
#define WORKERS 4
#define KEYS	6000
#define ROUNDS	100000
#define LEN_MAX 3000

static struct store *store;

/* Serials of what each key's writer has begun to write, and has written; those up to `gone` were deleted or flushed. */
static struct {
	uint32_t begun, done, gone;
} keys[KEYS];

static unsigned stale, foreign, torn, hits;

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
	size_t len = 8 + (key * 31 + serial * 17) % (LEN_MAX - 8);

	memcpy(to, &key, 4);
	memcpy(to + 4, &serial, 4);
	for (size_t i = 8; i < len; i++)
		to[i] = (char)(key + serial + i);
	return len;
}

static void
check(const char *p, size_t len, uint32_t key, uint32_t least)
{
	char should[LEN_MAX];
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

static void
get(struct shelf *sh, uint32_t key)
{
	uint32_t done = load(&keys[key].done), gone = load(&keys[key].gone);
	char copy[LEN_MAX];
	uint64_t *slot, entry;
	struct record *r;
	struct op o;

	shelf_enter(sh);
	r = store_find(store, op_of(&o, key), rend_wall(), &slot, &entry);
	if (r == NULL || large_of(r) != NULL)
		return;
	memcpy(copy, record_value(r), r->len);
	index_hit(slot, entry);
	check(copy, r->len, key, done > gone ? done : gone + 1);
}

static void
set(struct shelf *sh, uint32_t key)
{
	uint32_t serial = keys[key].begun + 1;
	char value[LEN_MAX];
	size_t len = describe(value, key, serial);
	struct draft d;
	struct visit v;
	struct op o;

	__atomic_store_n(&keys[key].begun, serial, __ATOMIC_SEQ_CST);
	shelf_enter(sh);
	if (!draft_new(&d, sh, op_of(&o, key), len)) {
		visit_enter(&v, sh, &o.op);
		if (v.found != NULL)
			visit_take(&v);
		visit_leave(&v);
	} else {
		memcpy(draft_value(&d), value, len);
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

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t key, turn;

		dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
		/* Some keys more often than others. */
		key = (uint32_t)(dice >> 33) % (dice >> 60 < 8 ? KEYS / 20 : KEYS);
		turn = (uint32_t)(dice >> 20) % 10000;
		if (turn < 5000)
			get(sh, key);
		else if (turn < 9500)
			set(sh, (key / WORKERS * WORKERS + sh->worker) % KEYS);
		else if (turn < 9990)
			drop(sh, (key / WORKERS * WORKERS + sh->worker) % KEYS);
		else if (turn < 9991)
			flush(sh, sh->worker);
		else
			store_tick(sh);
		if (i % 64 == 0)
			grace_leave(&store->grace, sh->worker);
	}
	grace_leave(&store->grace, sh->worker);
	return NULL;
}

static void
none_dropped(void *arg, uint64_t entry)
{
	fail_msg("growth dropped an entry");
}

static void
i2_i3_i13_what_is_read_was_written_and_is_not_stale(void **state)
{
	struct shelf *shelves[WORKERS];
	pthread_t threads[WORKERS];

	store = store_new(2 * MIB, true, WORKERS);
	assert_non_null(store);
	for (unsigned w = 0; w < WORKERS; w++)
		assert_non_null(shelves[w] = shelf_new(store, w));
	for (unsigned w = 0; w < WORKERS; w++)
		assert_int_equal(pthread_create(&threads[w], NULL, work, shelves[w]), 0);
	for (unsigned w = 0; w < WORKERS; w++)
		pthread_join(threads[w], NULL);
	print_message("%u hits: %u stale, %u foreign, %u torn\n", hits, stale, foreign, torn);
	assert_true(hits > ROUNDS / 10);
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
		cmocka_unit_test(i2_i3_i13_what_is_read_was_written_and_is_not_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
