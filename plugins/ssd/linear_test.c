/*
 * I2: what is read was the key's value at some moment between the question and the answer, in whatever order and however late the disk answers.
 *
 *	reads ──► 40 at the disk ── any one of them, by chance ──► answered		meanwhile: set, delete, flush_all, steps of the keeper
 *	read, changed, written (append, incr, cas, add, gat) ──► with the key's lock: nobody else's change is lost in between
 *
 * A change takes effect at one moment here, so a history is linearizable if each read is right by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_words.h"

#define KEYS	40
#define FLIGHTS 40
#define ACTIONS 60000
#define KIB	1024

struct state {
	uint64_t since, n; /* n 0: nothing */
	uint64_t cas;
};

struct flight {
	struct fetch f;
	struct linear *l;
	unsigned key;
	uint64_t began;
	bool flies, ended;
	bool changes; /* the key's lock is its own */
	uint64_t flushes;
	char name[32];
};

struct linear {
	struct world w;
	struct state *states[KEYS];
	unsigned count[KEYS];
	struct flight flights[FLIGHTS];
	uint64_t now, next_n, rnd;
	bool loses; /* there is too little room: nothing is always an answer */
	bool large;
	char *bytes;
	/* What was checked. */
	unsigned hits, misses, late, overtaken, changes, flushes;
};

static uint64_t
chance(struct linear *l, uint64_t of)
{
	l->rnd = l->rnd * 6364136223846793005ULL + 1442695040888963407ULL;
	return (l->rnd >> 33) % of;
}

/* ---- what a key was ---- */

static struct state *
last(struct linear *l, unsigned key)
{
	return &l->states[key][l->count[key] - 1];
}

static void
becomes(struct linear *l, unsigned key, uint64_t n, uint64_t cas)
{
	assert_true(l->count[key] < ACTIONS);
	l->states[key][l->count[key]++] = (struct state){ l->now, n, cas };
}

/* At some moment since then? */
static bool
was(const struct linear *l, unsigned key, uint64_t n, uint64_t since)
{
	for (unsigned i = l->count[key]; i-- > 0;) {
		if (l->states[key][i].n == n)
			return true;
		if (l->states[key][i].since <= since)
			return false;
	}
	return false;
}

/* ---- values: of a key, and of a write ---- */

static uint64_t
seed_of(unsigned key, uint64_t n)
{
	return (key + 1) * 0xd1342543de82ef95ULL ^ n * 0x2545f4914f6cdd1dULL;
}

static void
make(struct linear *l, unsigned key, uint64_t n, size_t len)
{
	uint64_t words[3] = { key, n, len };

	memset(l->bytes, (int)(seed_of(key, n) >> 56), len);
	memcpy(l->bytes, words, sizeof words);
}

static uint64_t
n_of(unsigned key, const char *p, size_t len)
{
	uint64_t words[3];

	assert_true(len >= sizeof words);
	memcpy(words, p, sizeof words);
	assert_int_equal(words[0], key);
	assert_int_equal(words[2], len);
	for (size_t i = sizeof words; i < len; i++)
		assert_int_equal((uint8_t)p[i], (uint8_t)(seed_of(key, words[1]) >> 56));
	return words[1];
}

static uint64_t
n_found(struct linear *l, struct flight *fl)
{
	uint64_t n;

	if (fl->f.pieces.nsegs == 0)
		return n_of(fl->key, fl->f.value, fl->f.len);
	assert_int_equal(rend_value_copy_out(&fl->f.pieces, 0, l->w.buf, 1 << 20), fl->f.len);
	n = n_of(fl->key, l->w.buf, fl->f.len);
	return n;
}

/* ---- changes ---- */

/* With the lock. */
static void
put(struct linear *l, unsigned key, uint64_t flushes)
{
	struct rend_value value = { 0 };
	char name[32];
	uint8_t keylen = (uint8_t)snprintf(name, sizeof name, "key-%u", key);
	struct store_item item = { .khash = store_khash(l->w.store, name, keylen),
		.key = name,
		.keylen = keylen,
		.value = &value,
		.flushes = flushes };
	size_t len = 24 + chance(l, 6000);
	uint64_t n = l->next_n++, cas = 0;

	make(l, key, n, len);
	assert_int_equal(rend_value_copy_in(&value, l->bytes, len), 0);
	switch (store_put(l->w.store, &item, l->w.wall, &cas)) {
	case STORED:
		becomes(l, key, n, cas);
		break;
	case STORE_NOT_ADMITTED:
		becomes(l, key, 0, 0);
		break;
	default: /* a flush_all was in between, and it is not done */
		assert_true(flushes != 0);
	}
	rend_value_drop(&value);
	l->changes++;
}

static uint64_t
khash_of(struct linear *l, unsigned key)
{
	char name[32];
	int len = snprintf(name, sizeof name, "key-%u", key);

	return store_khash(l->w.store, name, (size_t)len);
}

static void
set_or_delete(struct linear *l, unsigned key)
{
	uint64_t khash = khash_of(l, key);

	if (!keys_try(store_keys(l->w.store), khash))
		return; /* somebody reads it to change it */
	if (chance(l, 4) != 0) {
		put(l, key, 0);
	} else {
		store_remove(l->w.store, khash);
		becomes(l, key, 0, 0);
		l->changes++;
	}
	keys_give(store_keys(l->w.store), khash);
}

/* ---- reads ---- */

static void
judge(struct linear *l, struct flight *fl)
{
	uint64_t n = 0;

	if (fl->f.result == FETCH_FAILED) {
		l->late++;
		return;
	}
	if (fl->f.result == FETCH_HIT) {
		n = n_found(l, fl);
		l->hits++;
		l->overtaken += last(l, fl->key)->n != n;
	} else {
		l->misses++;
		if (l->loses)
			return;
	}
	if (!was(l, fl->key, n, fl->began))
		fail_msg("key %u: write %llu was read, from moment %llu to %llu; it is %llu since %llu", fl->key,
		    (unsigned long long)n, (unsigned long long)fl->began, (unsigned long long)l->now,
		    (unsigned long long)last(l, fl->key)->n, (unsigned long long)last(l, fl->key)->since);
}

/* Who has the lock sees what was written last, with its version: and writes what follows from that, or lets it be. */
static void
change(struct linear *l, struct flight *fl)
{
	const struct state *is = last(l, fl->key);
	uint64_t n = 0;

	if (fl->f.result == FETCH_FAILED)
		return;
	if (fl->f.result == FETCH_HIT)
		n = n_found(l, fl);
	/* A flush_all asks for no lock. */
	if (n != is->n && !(n == 0 && l->loses) && fl->flushes == store_flushes(l->w.store))
		fail_msg("key %u: with its lock, write %llu was read, and the last one is %llu", fl->key,
		    (unsigned long long)n, (unsigned long long)is->n);
	if (n != 0 && n == is->n)
		assert_int_equal(fl->f.head.cas, is->cas);
	if (n != 0 && chance(l, 3) == 0) {
		if (!store_touch(
			l->w.store, fl->f.khash, &fl->f.entry, fl->f.head.version, (uint32_t)l->w.wall + 90000))
			becomes(l, fl->key, 0, 0);
		l->changes++;
	} else {
		put(l, fl->key, n != 0 ? fl->flushes : 0);
	}
}

static void
ended(struct fetch *f)
{
	struct flight *fl = (struct flight *)(void *)f;
	struct linear *l = fl->l;

	l->now++;
	judge(l, fl);
	if (fl->changes) {
		change(l, fl);
		keys_give(store_keys(l->w.store), f->khash);
	}
	rend_buf_drop(&f->buf);
	rend_value_drop(&f->pieces);
	fl->flies = false;
}

static void
ask(struct linear *l, unsigned key)
{
	struct flight *fl = &l->flights[chance(l, FLIGHTS)];

	if (fl->flies)
		return;
	*fl = (struct flight){ .l = l, .key = key, .flies = true, .began = l->now };
	fl->f.keylen = (uint8_t)snprintf(fl->name, sizeof fl->name, "key-%u", key);
	fl->f.key = fl->name;
	fl->f.khash = khash_of(l, key);
	fl->f.whole = true;
	fl->f.wall = l->w.wall;
	fl->f.done = ended;
	fl->flushes = store_flushes(l->w.store);
	fl->changes = chance(l, 4) == 0 && keys_try(store_keys(l->w.store), fl->f.khash);
	fl->f.locked = fl->changes;
	if (fetch_begin(&l->w.fetcher, &fl->f))
		ended(&fl->f);
	io_flush(l->w.queue);
}

/* ---- the whole ---- */

static void
step(struct linear *l)
{
	if (chance(l, 3) == 0) {
		pthread_mutex_lock(&l->w.store->lock);
		for (unsigned i = 0; i < STREAMS; i++)
			log_close_stream(l->w.store, i);
		pthread_mutex_unlock(&l->w.store->lock);
	}
	store_step(l->w.store, chance(l, 2) == 0, l->w.wall);
}

static void
act(struct linear *l)
{
	unsigned key = (unsigned)chance(l, KEYS);

	l->now++;
	switch (chance(l, 16)) {
	case 0:
	case 1:
		set_or_delete(l, key);
		break;
	case 2:
		step(l);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
		ask(l, key);
		break;
	case 8:
		if (chance(l, 200) != 0)
			break;
		store_flush_all(l->w.store);
		for (unsigned k = 0; k < KEYS; k++)
			becomes(l, k, 0, 0);
		l->flushes++;
		break;
	case 9:
		/* Now and then one waits for longer than it may. */
		sim_advance(l->w.io, chance(l, 500) == 0 ? 2000000000 : chance(l, 1000000));
		io_poll(l->w.queue);
		break;
	default:
		if (sim_complete(l->w.queue, (unsigned)chance(l, FLIGHTS / 4)))
			io_poll(l->w.queue);
	}
}

static void
land(struct linear *l)
{
	while (sim_complete(l->w.queue, 0))
		io_poll(l->w.queue);
	for (unsigned i = 0; i < FLIGHTS; i++)
		assert_false(l->flights[i].flies);
}

static void
run(struct linear *l, uint32_t segments)
{
	l->bytes = malloc(64 * KIB);
	assert_non_null(l->bytes);
	l->next_n = 1;
	for (unsigned key = 0; key < KEYS; key++) {
		l->states[key] = calloc(ACTIONS, sizeof(struct state));
		assert_non_null(l->states[key]);
		becomes(l, key, 0, 0);
	}
	world_init(&l->w, segments);
	l->w.options.moves = 60;
	opened(&l->w);
	sim_order(l->w.io, SIM_BY_HAND);
	for (unsigned i = 0; i < ACTIONS; i++)
		act(l);
	land(l);
	print_message(
	    "%u hits (%u overtaken), %u misses, %u late; %u changes, %u flushes; %llu moves, %llu evictions\n", l->hits,
	    l->overtaken, l->misses, l->late, l->changes, l->flushes, (unsigned long long)world_counts(&l->w).moves,
	    (unsigned long long)world_counts(&l->w).evictions);
	assert_true(l->hits > 3000 && l->overtaken > 100 && l->misses > 300 && l->late > 5);
	assert_true(l->changes > 3000 && l->flushes > 5);
	assert_int_equal(world_counts(&l->w).check_errors, 0);
	if (l->loses)
		assert_true(world_counts(&l->w).freed_segments > 50 && world_counts(&l->w).moves > 100);
	else
		assert_int_equal(world_counts(&l->w).evictions + world_counts(&l->w).index_evictions +
				     world_counts(&l->w).not_admitted,
		    0);
	world_settle(&l->w, true);
	world_audit(&l->w);
	sim_order(l->w.io, SIM_IN_ORDER);
	world_fini(&l->w);
	for (unsigned key = 0; key < KEYS; key++)
		free(l->states[key]);
	free(l->bytes);
}

/* There is room for all: nothing is missing but what was deleted. */
static void
each_read_is_right(void **state)
{
	static struct linear l = { .rnd = 1 };

	run(&l, 160);
}

/* There is too little: segments are freed, and values moved, under reads. */
static void
each_read_is_right_while_freeing(void **state)
{
	static struct linear l = { .rnd = 2, .loses = true };

	run(&l, 18);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_read_is_right),
		cmocka_unit_test(each_read_is_right_while_freeing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
