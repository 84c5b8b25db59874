/*
 * Threads: some write and read the same few keys, one flushes, seals and frees in a store that is far too small, so that places are used
 * again all the time.
 *
 * I2, I11: what is read is a value of that key, and no older than what any thread had written or read before the read began.  Who reads a key to change
 * it (append, incr, cas, gat, delete) has its lock, and sees what was written last.
 *
 * How long it takes is the scheduler's: it goes on until enough was checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "rend/worker.h"
#include "state.h"
#include "world.h"

#define KEYS	 200
#define THREADS	 16
#define NS_PER_S 1000000000ULL
#define PATIENCE (300 * NS_PER_S)

/* How much is enough, of all threads. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define HITS 8000
#else
#define HITS 40000
#endif
#define EACH  (HITS / 100) /* of each verb that changes, and found something */
#define FREED 60	   /* segments */
#define FILLS 100000	   /* stores without a keeper are refused before so many */

enum verb { VERB_APPEND, VERB_INCR, VERB_CAS, VERB_GAT, VERB_TOUCH, VERB_DELETE, VERBS };

struct race {
	struct world w;
	_Atomic uint64_t next;
	_Atomic uint64_t flushed[KEYS]; /* no write up to this one is there any more */
	_Atomic uint64_t known[KEYS];	/* the highest write that anybody saw acknowledged, or read */
	struct {			/* with the key's lock: what was written last, 0: nothing, and its version */
		uint64_t n, cas;
	} last[KEYS];
	atomic_ullong done[VERBS]; /* that found something */
	uint64_t deadline;
	atomic_bool ends;
	atomic_ullong hits, misses, failed;
	atomic_uint steps; /* of the keeper */
	bool flushes;
	bool large; /* some values are in pieces */
};

struct runner {
	struct race *race;
	unsigned number;
};

static uint64_t
random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

static void
knows(struct race *r, unsigned key, uint64_t n)
{
	uint64_t is = atomic_load(&r->known[key]);

	while (is < n && !atomic_compare_exchange_weak(&r->known[key], &is, n))
		continue;
}

/* Enough was checked, or it takes too long. */
static bool
is_enough(struct race *r)
{
	bool enough = atomic_load(&r->hits) >= HITS / (r->large ? 10 : 1);

	for (unsigned verb = 0; verb < VERBS; verb++)
		enough &= atomic_load(&r->done[verb]) >= EACH / (r->large ? 10 : 1);
	enough &= world_counts(&r->w).freed_segments >= (r->flushes ? 1 : FREED);
	return enough || rend_now() >= r->deadline;
}

static size_t
length(const struct race *r, uint64_t *rnd)
{
	if (r->large && random_next(rnd) % 16 == 0)
		return (115 << 10) + random_next(rnd) % (250 << 10);
	return 32 + random_next(rnd) % 3000;
}

/* With the lock, so that numbers are in the order of writes. */
static enum stored
write_locked(struct race *r, struct world *w, unsigned key, uint64_t *rnd)
{
	uint64_t n = atomic_fetch_add(&r->next, 1);
	enum stored stored = world_set(w, key, n, length(r, rnd), random_next(rnd) % 3 == 0 ? WORLD_WALL + 100 : 0);

	if (stored == STORE_FLUSHED)
		return stored;
	r->last[key].n = stored == STORED ? n : 0;
	r->last[key].cas = w->cas;
	knows(r, key, n);
	return stored;
}

static enum stored
write_key(struct race *r, struct world *w, unsigned key, uint64_t *rnd)
{
	enum stored stored;

	world_lock(w, key);
	stored = write_locked(r, w, key, rnd);
	world_unlock(w, key);
	return stored;
}

static void
no_more_up_to(struct race *r, unsigned key, uint64_t n)
{
	uint64_t is = atomic_load(&r->flushed[key]);

	while (is < n && !atomic_compare_exchange_weak(&r->flushed[key], &is, n))
		continue;
}

static void
change_found(struct race *r, struct world *w, unsigned key, enum verb verb, const struct fetch *f, uint64_t *rnd)
{
	uint64_t n = r->last[key].n;

	switch (verb) {
	case VERB_APPEND:
	case VERB_INCR:
	case VERB_CAS:
		write_locked(r, w, key, rnd);
		break;
	case VERB_GAT:
	case VERB_TOUCH:
		if (!store_touch(w->store, f->khash, &f->entry, f->head.version,
			WORLD_WALL + 100 + (uint32_t)random_next(rnd) % 1000))
			r->last[key].n = 0;
		break;
	case VERB_DELETE:
		store_remove(w->store, f->khash);
		r->last[key].n = 0;
		no_more_up_to(r, key, n);
		break;
	case VERBS:
		break;
	}
}

/* Nobody else changes it from the look at it to the change: so what is there is what was written last, or nothing. */
static void
change_key(struct race *r, struct world *w, unsigned key, enum verb verb, uint64_t *rnd)
{
	uint64_t n = 0;
	struct fetch f;

	world_lock(w, key);
	w->flushes = store_flushes(w->store);
	if (world_fetch(w, key, verb != VERB_TOUCH && verb != VERB_DELETE, &n, &f) == FETCH_HIT) {
		if ((n != 0 && n != r->last[key].n) || f.head.cas != r->last[key].cas)
			fail_msg("key %u: with its lock, write %llu was found, and %llu was the last", key,
			    (unsigned long long)n, (unsigned long long)r->last[key].n);
		change_found(r, w, key, verb, &f, rnd);
		atomic_fetch_add(&r->done[verb], 1);
	} else if (verb == VERB_DELETE) {
		store_is_gone(w->store, f.khash);
	}
	w->flushes = 0;
	world_unlock(w, key);
}

/* A keeper who gets no processor frees nothing, and then there is no race. */
static void
wait_for_keeper(struct race *r)
{
	unsigned steps = atomic_load(&r->steps);

	while (atomic_load(&r->steps) - steps < 2)
		sched_yield();
}

static void
flush(struct race *r, struct world *w)
{
	uint64_t known[KEYS];

	for (unsigned key = 0; key < KEYS; key++)
		known[key] = atomic_load(&r->known[key]);
	store_flush_all(w->store);
	for (unsigned key = 0; key < KEYS; key++)
		no_more_up_to(r, key, known[key]);
}

static void
read_key(struct race *r, struct world *w, unsigned key)
{
	uint64_t flushed = atomic_load(&r->flushed[key]), before = atomic_load(&r->known[key]), n = 0;
	struct fetch f;

	switch (world_fetch(w, key, true, &n, &f)) {
	case FETCH_HIT:
		if (n < before)
			fail_msg("key %u: write %llu was read, after %llu", key, (unsigned long long)n,
			    (unsigned long long)before);
		if (n <= flushed)
			fail_msg("key %u: write %llu was read, and was flushed", key, (unsigned long long)n);
		knows(r, key, n);
		atomic_fetch_add(&r->hits, 1);
		break;
	case FETCH_MISS:
		atomic_fetch_add(&r->misses, 1);
		break;
	case FETCH_FAILED:
		atomic_fetch_add(&r->failed, 1);
		break;
	}
}

static void *
run(void *arg)
{
	struct runner *runner = arg;
	struct race *r = runner->race;
	uint64_t rnd = runner->number * 77 + 5;
	unsigned refused = 0;
	struct world w;

	world_join(&w, &r->w);
	w.kept = true;
	while (!is_enough(r)) {
		unsigned key = random_next(&rnd) % KEYS;

		switch (random_next(&rnd) % 16) {
		case 0:
		case 1:
		case 2:
			/* Some in a row: tombs wait for room then, too. */
			if (write_key(r, &w, key, &rnd) != STORED && ++refused % 16 == 0)
				wait_for_keeper(r);
			break;
		case 3:
			world_touch(&w, key, WORLD_WALL + 100 + (uint32_t)random_next(&rnd) % 1000);
			break;
		case 4:
			change_key(r, &w, key, random_next(&rnd) % VERBS, &rnd);
			break;
		case 5:
			if (r->flushes && random_next(&rnd) % 100 == 0)
				flush(r, &w);
			break;
		default:
			read_key(r, &w, key);
		}
	}
	world_leave(&w);
	return NULL;
}

static void *
keep(void *arg)
{
	struct race *r = arg;
	unsigned n = 0;

	while (!atomic_load(&r->ends)) {
		store_step(r->w.store, ++n % 4 == 0, WORLD_WALL);
		atomic_fetch_add(&r->steps, 1);
		sched_yield();
	}
	return NULL;
}

/* With no keeper, until a value is refused and a tomb has no room either: then every key is written once more, and what is refused waits as a tomb. */
static void
fill(struct race *r)
{
	uint64_t before = world_counts(&r->w).not_admitted, rnd = 3;

	for (unsigned n = 0; world_counts(&r->w).not_admitted == before; n++) {
		assert_true(n < FILLS);
		write_key(r, &r->w, n % KEYS, &rnd);
	}
	while (r->w.store->tomb_count == 0)
		log_tomb(r->w.store, 0, 0, 0);
	for (unsigned key = 0; key < KEYS; key++)
		write_key(r, &r->w, key, &rnd);
}

static void
race(struct race *r)
{
	pthread_t threads[THREADS], keeper;
	struct runner runners[THREADS];

	r->next = 1;
	r->deadline = rend_now() + PATIENCE;
	world_init(&r->w, 20);
	r->w.options.objects = 150; /* fewer than there are keys */
	if (!world_open(&r->w))
		fail_msg("%s", r->w.opened.sentence);
	assert_int_equal(pthread_create(&keeper, NULL, keep, r), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		runners[i] = (struct runner){ r, i };
		assert_int_equal(pthread_create(&threads[i], NULL, run, &runners[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&r->ends, true);
	pthread_join(keeper, NULL);
	print_message("%llu hits, %llu misses, %llu segments freed; %llu appended, %llu counted, %llu cas, %llu gat, "
		      "%llu touched, "
		      "%llu deleted\n",
	    r->hits, r->misses, (unsigned long long)world_counts(&r->w).freed_segments, r->done[VERB_APPEND],
	    r->done[VERB_INCR], r->done[VERB_CAS], r->done[VERB_GAT], r->done[VERB_TOUCH], r->done[VERB_DELETE]);
	if (rend_now() >= r->deadline)
		fail_msg("that was not enough, after %llu s", PATIENCE / NS_PER_S);
	assert_int_equal(r->failed, 0);
	r->large = false; /* nobody would wait with them */
	fill(r);
	world_settle(&r->w, true);
	world_audit(&r->w);
	/* Nothing of it was broken: what is read is what was written, or gone. */
	assert_int_equal(world_counts(&r->w).read_errors, 0);
	assert_int_equal(world_counts(&r->w).check_errors, 0);
	world_crash(&r->w, SIM_KILL);
	if (!world_open(&r->w))
		fail_msg("%s", r->w.opened.sentence);
	for (unsigned key = 0; key < KEYS; key++)
		read_key(r, &r->w, key);
	world_fini(&r->w);
}

static void
readers_and_writers(void **state)
{
	static struct race r;

	race(&r);
}

static void
and_flushes(void **state)
{
	static struct race r = { .flushes = true };

	race(&r);
}

/* What is read while its pieces are freed, and others written there, is whole, or a miss. */
static void
and_pieces(void **state)
{
	static struct race r = { .large = true };

	race(&r);
}

static void
and_pieces_and_flushes(void **state)
{
	static struct race r = { .large = true, .flushes = true };

	race(&r);
}

/* ---- gets: they wait for nobody ---- */

static void *
get_both(void *arg)
{
	struct world w;
	uint64_t n = 0;
	void *found = NULL;

	world_join(&w, arg);
	if (world_get(&w, 1, &n, NULL) && world_get(&w, 2, &n, NULL) && !world_get(&w, 3, &n, NULL))
		found = arg;
	world_leave(&w);
	return found;
}

/* Somebody has the store's lock for as long as he likes: keys are found, on the disk and in RAM. */
static void
gets_take_no_lock(void **state)
{
	struct world w;
	pthread_t thread;
	struct timespec until;
	void *found = NULL;
	int ended;

	world_init(&w, 20);
	if (!world_open(&w))
		fail_msg("%s", w.opened.sentence);
	assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
	pthread_mutex_lock(&w.store->lock);
	for (unsigned i = 0; i < STREAMS; i++)
		log_close_stream(w.store, i);
	pthread_mutex_unlock(&w.store->lock);
	world_settle(&w, true);
	assert_int_equal(world_set(&w, 2, 1, 1000, 0), STORED);
	pthread_mutex_lock(&w.store->lock);
	assert_int_equal(pthread_create(&thread, NULL, get_both, &w), 0);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	ended = pthread_timedjoin_np(thread, &found, &until);
	pthread_mutex_unlock(&w.store->lock);
	if (ended != 0)
		pthread_join(thread, NULL);
	assert_int_equal(ended, 0);
	assert_non_null(found);
	world_fini(&w);
}

/* ---- keys: who waits is called, in turn ---- */

struct waiter {
	struct keys_turn turn;
	unsigned number, *order, *count;
};

static void
goes(struct keys_turn *turn)
{
	struct waiter *w = (struct waiter *)(void *)turn;

	w->order[(*w->count)++] = w->number;
}

static void
turns(void **state)
{
	struct keys *k = keys_new(16);
	struct waiter w[4];
	unsigned order[4], count = 0;

	assert_true(keys_try(k, 1));
	assert_false(keys_try(k, 1));
	assert_false(keys_try(k, 1ULL << 40 | 1)); /* the same tag */
	assert_true(keys_try(k, 2));
	for (unsigned i = 0; i < 4; i++) {
		w[i] = (struct waiter){ { .go = goes }, i, order, &count };
		assert_false(keys_take(k, 1, &w[i].turn));
	}
	assert_true(keys_leave(k, 1, &w[3].turn));
	assert_true(keys_leave(k, 1, &w[1].turn));
	assert_false(keys_leave(k, 1, &w[1].turn));
	keys_give(k, 1);
	assert_false(keys_leave(k, 1, &w[0].turn));
	keys_give(k, 1);
	keys_give(k, 1);
	assert_int_equal(count, 2);
	assert_int_equal(order[0], 0);
	assert_int_equal(order[1], 2);
	assert_true(keys_try(k, 1));
	keys_free(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns),
		cmocka_unit_test(gets_take_no_lock),
		cmocka_unit_test(readers_and_writers),
		cmocka_unit_test(and_flushes),
		cmocka_unit_test(and_pieces),
		cmocka_unit_test(and_pieces_and_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
