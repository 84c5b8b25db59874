/*
 * A store over two disks: one dies, hangs, or loses its power, and the other goes on; nothing old is served then, nor after whatever end.
 *
 *	key ── what it was, since the last flush that had ended: [0] at that time, and all that came since
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "breaker.h"
#include "probe.h"
#include "world_words.h"

#define KEYS	60
#define MOMENTS 400
#define SEGMENTS 40
#define S	1000000000ULL

struct key {
	uint64_t was[MOMENTS]; /* writes; 0: nothing */
	unsigned count;
};

struct usage {
	struct world w;
	struct key keys[KEYS];
	uint64_t next, rnd;
	uint64_t hits, failed, misses, stored, refused;
};

static uint64_t
random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

static struct usage *
begin(void)
{
	struct usage *u = calloc(1, sizeof *u);

	assert_non_null(u);
	u->next = 1;
	u->rnd = 7;
	for (unsigned key = 0; key < KEYS; key++)
		u->keys[key].count = 1;
	world_init_two(&u->w, SEGMENTS);
	opened(&u->w);
	return u;
}

static void
end(struct usage *u)
{
	world_fini(&u->w);
	free(u);
}

/* ---- what is so ---- */

static void
becomes(struct usage *u, unsigned key, uint64_t n)
{
	struct key *k = &u->keys[key];

	assert_true(k->count < MOMENTS);
	k->was[k->count++] = n;
}

static void
flushed(struct usage *u)
{
	for (unsigned key = 0; key < KEYS; key++) {
		struct key *k = &u->keys[key];

		k->was[0] = k->was[k->count - 1];
		k->count = 1;
	}
}

static void
flush(struct usage *u)
{
	uint64_t began;

	sim_advance(u->w.io, 1000);
	began = io_now(u->w.io);
	store_step(u->w.store, true, u->w.wall);
	if (store_flushed(u->w.store) >= began)
		flushed(u);
}

static void
set(struct usage *u, unsigned key, size_t len)
{
	uint64_t n = u->next++;
	bool stored = world_set(&u->w, key, n, len, 0) == STORED;

	becomes(u, key, stored ? n : 0);
	u->stored += stored;
	u->refused += !stored;
}

/* Nothing but what was stored last; or nothing, and an answer that it cannot be known. */
static enum fetched
get(struct usage *u, unsigned key)
{
	const struct key *k = &u->keys[key];
	struct fetch f;
	uint64_t n = 0;
	enum fetched how = world_fetch(&u->w, key, true, &n, &f);

	u->hits += how == FETCH_HIT;
	u->failed += how == FETCH_FAILED;
	u->misses += how == FETCH_MISS;
	if (how == FETCH_HIT && n != k->was[k->count - 1])
		fail_msg("key %u: write %llu is there, and the last was %llu", key, (unsigned long long)n,
		    (unsigned long long)k->was[k->count - 1]);
	return how;
}

static void
use(struct usage *u, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		unsigned key = random_next(&u->rnd) % KEYS;

		switch (random_next(&u->rnd) % 8) {
		case 0:
			if (world_delete(&u->w, key))
				becomes(u, key, 0);
			break;
		case 1:
		case 2:
			get(u, key);
			break;
		case 3:
			if (random_next(&u->rnd) % 50 == 0)
				set(u, key, (200 << 10) + random_next(&u->rnd) % (300 << 10));
			break;
		default:
			set(u, key, 32 + random_next(&u->rnd) % 12000);
		}
		if (random_next(&u->rnd) % 8 == 0)
			flush(u);
		else
			store_step(u->w.store, false, u->w.wall);
	}
}

/* After a crash: what was so at some moment since the last flush.  nothing: that is an answer, too.  How many are there. */
static unsigned
look(struct usage *u, bool nothing)
{
	unsigned hits = 0;

	for (unsigned key = 0; key < KEYS; key++) {
		struct key *k = &u->keys[key];
		struct fetch f;
		uint64_t n = 0;
		bool was = false;

		if (world_fetch(&u->w, key, true, &n, &f) != FETCH_HIT)
			n = 0;
		hits += n != 0;
		for (unsigned i = 0; i < k->count; i++)
			was |= k->was[i] == n;
		if (!was && !(nothing && n == 0))
			fail_msg("after a crash key %u has write %llu, and the last was %llu; %s", key,
			    (unsigned long long)n, (unsigned long long)k->was[k->count - 1], u->w.opened.sentence);
		/* So it is from now on. */
		k->was[0] = n;
		k->count = 1;
	}
	return hits;
}

static struct io *
disk(struct usage *u, unsigned path)
{
	return path == 0 ? u->w.io : u->w.second;
}

static uint32_t
in_use(struct usage *u, unsigned path)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < u->w.store->g.segments; i++)
		count += path_of(u->w.store, i) == path && u->w.store->segments[i].state != SEGMENT_FREE;
	return count;
}

/* Which path a key is on; -1: it is not there, or in RAM. */
static int
path_of_key(struct usage *u, unsigned key)
{
	struct store *s = u->w.store;
	char name[32];
	int len = snprintf(name, sizeof name, "key-%u", key);
	struct entry e;

	if (!store_find(s, store_khash(s, name, (size_t)len), u->w.wall, &e) || s->segments[e.place.seg].image != NULL)
		return -1;
	return (int)path_of(s, e.place.seg);
}

/* Small ones, in both paths and on the disk. */
static void
fill(struct usage *u)
{
	unsigned on[2] = { 0, 0 };

	for (unsigned key = 0; key < KEYS; key++) {
		set(u, key, 1000);
		if (key % 5 == 4)
			seal(&u->w);
	}
	seal(&u->w);
	flush(u);
	for (unsigned key = 0; key < KEYS; key++)
		if (path_of_key(u, key) >= 0)
			on[path_of_key(u, key)]++;
	assert_in_range(on[0], KEYS / 3, KEYS);
	assert_in_range(on[1], KEYS / 3, KEYS);
}

static void
reopened(struct usage *u, int how)
{
	opened(&u->w);
	assert_int_equal(u->w.opened.how, how);
}

/* ---- both are well ---- */

static void
both_are_used(void **state)
{
	struct usage *u = begin();

	fill(u);
	for (unsigned key = 0; key < KEYS; key++)
		assert_int_equal(get(u, key), FETCH_HIT);
	use(u, 1500);
	flush(u);
	assert_in_range(in_use(u, 0), 6, SEGMENTS / 2);
	assert_in_range(in_use(u, 1), 6, SEGMENTS / 2);
	world_settle(&u->w, true);
	world_audit(&u->w);
	assert_int_equal(u->failed, 0);
	assert_true(world_close(&u->w));
	reopened(u, STORE_CLEAN);
	look(u, true);
	world_audit(&u->w);
	use(u, 500);
	world_settle(&u->w, true);
	world_crash(&u->w, SIM_KILL);
	reopened(u, STORE_REBUILT);
	assert_false(u->w.opened.damaged);
	assert_in_range(look(u, true), KEYS / 2, KEYS);
	world_audit(&u->w);
	end(u);
}

/* ---- one is not ---- */

enum trouble { DIES, HANGS, CANNOT_BE_WRITTEN };

static void
let_be(struct usage *u, unsigned path, enum trouble trouble)
{
	static const enum sim_fault faults[] = { [DIES] = SIM_GONE, [HANGS] = SIM_HANG };

	if (trouble != CANNOT_BE_WRITTEN)
		assert_int_equal(sim_fault(disk(u, path), 0, faults[trouble], 0), IO_OK);
	for (uint64_t n = 1; trouble == CANNOT_BE_WRITTEN && n <= 40; n++)
		assert_int_equal(sim_fault_next(disk(u, path), IO_WRITE, n, SIM_EIO, 0), IO_OK);
}

static void
mend(struct usage *u, unsigned path)
{
	sim_clear_faults(disk(u, path));
	sim_back(disk(u, path));
	sim_release(disk(u, path));
	for (unsigned n = 0; n < 8; n++) {
		sim_advance(u->w.io, 2 * S);
		flush(u);
	}
	assert_false(store_path_is_out(u->w.store, path));
}

static void
one_fails(unsigned path, enum trouble trouble)
{
	struct usage *u = begin();
	uint64_t stored;

	use(u, 600);
	let_be(u, path, trouble);
	use(u, 60);
	assert_true(store_path_is_out(u->w.store, path));
	assert_false(store_path_is_out(u->w.store, 1 - path));
	/* The other takes what is stored, and gives it, for many rounds of its segments. */
	stored = u->stored;
	u->hits = u->refused = u->failed = 0;
	use(u, 1500);
	assert_in_range(u->refused, 0, (u->stored - stored) / 10);
	assert_true(u->hits > u->failed);
	assert_true(u->hits > 100);
	for (unsigned key = 0; key < KEYS; key++)
		set(u, key, 500);
	u->hits = 0;
	for (unsigned key = 0; key < KEYS; key++)
		get(u, key);
	assert_in_range(u->hits, KEYS - 2, KEYS);
	/* And flushes end. */
	for (unsigned n = 0; n < 4; n++)
		flush(u);
	assert_true(store_flushed(u->w.store) + S > io_now(u->w.io));
	mend(u, path);
	use(u, 600);
	for (unsigned n = 0; n < 4; n++)
		flush(u);
	assert_in_range(in_use(u, path), 2, SEGMENTS / 2);
	world_settle(&u->w, true);
	world_audit(&u->w);
	world_crash(&u->w, SIM_KILL);
	reopened(u, STORE_REBUILT);
	look(u, true);
	use(u, 300);
	world_settle(&u->w, true);
	assert_true(world_close(&u->w));
	reopened(u, STORE_CLEAN);
	look(u, true);
	end(u);
}

static void
one_dies(void **state)
{
	one_fails(0, DIES);
	one_fails(1, DIES);
}

static void
one_hangs(void **state)
{
	one_fails(0, HANGS);
	one_fails(1, HANGS);
}

static void
one_cannot_be_written(void **state)
{
	one_fails(0, CANNOT_BE_WRITTEN);
	one_fails(1, CANNOT_BE_WRITTEN);
}

/* It ends while one is away, however, and the next start has both: what the one has is as old as it is known to be. */
static void
ends_without_one(unsigned path, enum trouble trouble, bool properly)
{
	struct usage *u = begin();

	use(u, 600);
	let_be(u, path, trouble);
	use(u, 800);
	for (unsigned n = 0; n < 4; n++)
		flush(u);
	if (properly)
		world_close(&u->w);
	/* Else it would stay in memory for ever. */
	if (trouble == HANGS) {
		sim_clear_faults(disk(u, path));
		sim_release(disk(u, path));
	}
	world_crash(&u->w, SIM_KILL);
	opened(&u->w);
	look(u, true);
	use(u, 400);
	world_settle(&u->w, true);
	world_audit(&u->w);
	end(u);
}

static void
what_ends_without_one_goes_on_with_both(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		ends_without_one(i % 2, DIES, i / 2);
		ends_without_one(i % 2, CANNOT_BE_WRITTEN, i / 2);
	}
	ends_without_one(0, HANGS, false);
	ends_without_one(1, HANGS, false);
}

/* A write that is given up the disk does later, when it may not: what it is to write stays as it was until then. */
static void
what_hangs_is_left_alone(void **state)
{
	struct usage *u = begin();
	const struct image *held = NULL;
	char *copy = malloc(128 << 10);
	unsigned path = 0;

	assert_non_null(copy);
	fill(u);
	set(u, 1, 5000);
	for (unsigned i = 0; i < STREAMS; i++)
		if (u->w.store->open[i] != NULL)
			path = path_of(u->w.store, u->w.store->open[i]->segment);
	sim_fault(disk(u, path), 0, SIM_HANG, 0);
	flush(u);
	held = u->w.store->paths[path].image;
	assert_non_null(held);
	memcpy(copy, held->data, held->written + 4096);
	use(u, 1000);
	assert_ptr_equal(u->w.store->paths[path].image, held);
	assert_memory_equal(copy, held->data, held->written + 4096);
	mend(u, path);
	assert_null(u->w.store->paths[path].image);
	use(u, 300);
	world_settle(&u->w, true);
	world_audit(&u->w);
	free(copy);
	end(u);
}

/* Only what is in that file is given up. */
static void
a_write_that_fails_costs_no_other_path(void **state)
{
	struct usage *u = begin();
	struct store *s = u->w.store;
	unsigned path;

	fill(u);
	/* Two open segments, on a disk each. */
	assert_int_equal(world_set(&u->w, 1, u->next, 1000, 0), STORED);
	assert_int_equal(world_set(&u->w, 2, u->next, 1000, WORLD_WALL + 100), STORED);
	becomes(u, 1, u->next);
	becomes(u, 2, u->next++);
	path = path_of(s, s->open[STREAM_LONG]->segment);
	assert_int_equal(path_of(s, s->open[STREAM_HOUR]->segment), 1 - path);
	sim_fault_next(disk(u, path), IO_WRITE, 1, SIM_EIO, 0);
	sim_fault_next(disk(u, path), IO_WRITE, 2, SIM_EIO, 0);
	world_settle(&u->w, true);
	assert_int_equal(world_counts(&u->w).bad_segments, 1);
	assert_int_equal(get(u, 1), FETCH_MISS);
	assert_int_equal(get(u, 2), FETCH_HIT);
	for (unsigned key = 3; key < KEYS; key++)
		assert_int_equal(get(u, key), FETCH_HIT);
	world_audit(&u->w);
	end(u);
}

/* Of what hangs the reads are answered at once before long; the other's are as ever, and nothing else is asked of it. */
static void
each_has_a_breaker(void **state)
{
	static const struct breaker_limits limits = { .errors = 3, .window = 20 * S, .pause = S };

	for (unsigned path = 0; path < 2; path++) {
		struct usage *u = begin();
		struct breaker *breakers[2] = { breaker_new(&limits), breaker_new(&limits) };
		struct probe probe = { { 0 } };
		unsigned down = 0, others = 0;
		uint64_t now;

		assert_true(world_close(&u->w));
		u->w.options.breaker = breakers[0];
		u->w.options.others[0].breaker = breakers[1];
		opened(&u->w);
		fill(u);
		sim_fault(disk(u, path), 0, SIM_HANG, 0);
		for (unsigned key = 0; key < KEYS && breaker_state(breakers[path]) == BREAKER_CLOSED; key++)
			get(u, key);
		assert_int_equal(breaker_state(breakers[path]), BREAKER_OPEN);
		assert_int_equal(breaker_state(breakers[1 - path]), BREAKER_CLOSED);
		now = io_now(u->w.io);
		for (unsigned key = 0; key < KEYS; key++) {
			bool there = path_of_key(u, key) == (int)path;

			assert_int_equal(get(u, key), there ? FETCH_FAILED : FETCH_HIT);
			down += there;
			others += !there;
		}
		assert_int_equal(io_now(u->w.io), now);
		assert_true(down > 5 && others > 5);
		/* What is stored goes to the other. */
		for (unsigned i = 0; i < 100; i++) {
			set(u, i % KEYS, 8000);
			flush(u);
		}
		assert_int_equal(u->refused, 0);
		for (uint32_t i = 0; i < u->w.store->g.segments; i++)
			if (u->w.store->segments[i].state == SEGMENT_OPEN)
				assert_int_equal(path_of(u->w.store, i), 1 - path);
		sim_clear_faults(disk(u, path));
		sim_release(disk(u, path));
		for (unsigned i = 0; i < 3; i++) {
			sim_advance(u->w.io, S);
			probe_tick(&probe, &u->w.fetcher);
			fetcher_flush(&u->w.fetcher);
			io_wait(u->w.queue, S / 10);
			io_wait(u->w.second_queue, S / 10);
		}
		assert_int_equal(breaker_state(breakers[path]), BREAKER_CLOSED);
		mend(u, path);
		for (unsigned key = 0; key < KEYS; key++)
			assert_int_not_equal(get(u, key), FETCH_FAILED);
		world_settle(&u->w, true);
		world_audit(&u->w);
		end(u);
		breaker_free(&breakers[0]);
		breaker_free(&breakers[1]);
	}
}

/* ---- crashes ---- */

struct crashes {
	struct usage *u;
	unsigned stride, points, tried;
	enum sim_crash how[2];
	uint64_t found;
};

/* From here, in a store of its own. */
static void
on_operation(void *arg, struct io *io, uint64_t n)
{
	struct crashes *c = arg;
	struct usage *after;

	if (++c->points % c->stride != 0)
		return;
	after = malloc(sizeof *after);
	assert_non_null(after);
	*after = *c->u;
	after->w.io = sim_after(c->u->w.io, c->how[0], n);
	after->w.second = sim_after(c->u->w.second, c->how[1], n + 1);
	assert_true(after->w.io != NULL && after->w.second != NULL);
	sim_beside(after->w.second, after->w.io);
	after->w.store = NULL;
	after->w.queue = after->w.second_queue = NULL;
	for (int again = 0; again < 2; again++) {
		opened(&after->w);
		if (again == 0 || c->tried % 8 == 0) {
			c->found += look(after, true);
			world_audit(&after->w);
		}
		world_crash(&after->w, SIM_KILL);
	}
	io_free(&after->w.second);
	io_free(&after->w.io);
	free(after);
	c->tried++;
}

static void
crash_all_along(enum sim_crash first, enum sim_crash second, unsigned times, unsigned stride)
{
	struct usage *u = begin();
	struct crashes c = { .u = u, .stride = stride, .how = { first, second } };

	sim_watch(u->w.io, on_operation, &c);
	sim_watch(u->w.second, on_operation, &c);
	use(u, times);
	assert_true(world_close(&u->w));
	flushed(u);
	opened(&u->w);
	use(u, times / 4);
	sim_watch(u->w.io, NULL, NULL);
	sim_watch(u->w.second, NULL, NULL);
	assert_true(c.tried > 50);
	assert_true(c.found > c.tried * 5);
	end(u);
}

static void
crashes_at_any_time(void **state)
{
	crash_all_along(SIM_KILL, SIM_KILL, 400, 4);
	crash_all_along(SIM_POWER_CUT, SIM_POWER_CUT, 400, 4);
	crash_all_along(SIM_POWER_CUT_NONE, SIM_POWER_CUT_NONE, 300, 5);
}

/* One of them has lost what was not synced, the other has not. */
static void
one_loses_its_power(void **state)
{
	crash_all_along(SIM_POWER_CUT, SIM_KILL, 300, 4);
	crash_all_along(SIM_KILL, SIM_POWER_CUT, 300, 4);
	crash_all_along(SIM_KILL, SIM_POWER_CUT_NONE, 300, 5);
	for (unsigned path = 0; path < 2; path++) {
		struct usage *u = begin();

		fill(u);
		use(u, 300);
		for (unsigned key = 0; key < KEYS; key++)
			set(u, key, 700);
		flush(u);
		world_crash_two(&u->w, path == 0 ? SIM_POWER_CUT_NONE : SIM_KILL,
		    path == 1 ? SIM_POWER_CUT_NONE : SIM_KILL);
		opened(&u->w);
		assert_in_range(look(u, true), KEYS - 2, KEYS);
		end(u);
	}
}

/* The first start may end anywhere: the next one comes further. */
static void
first_start(void **state)
{
	for (unsigned path = 0; path < 2; path++)
		for (uint64_t n = 1;; n++) {
			struct world w;
			bool stopped, is;

			world_init_two(&w, SEGMENTS);
			sim_stop_at(path == 0 ? w.io : w.second, n);
			is = world_open(&w);
			stopped = sim_stopped(path == 0 ? w.io : w.second);
			assert_true(is || stopped);
			world_crash(&w, n % 2 == 0 ? SIM_KILL : SIM_POWER_CUT);
			opened(&w);
			assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
			world_settle(&w, true);
			has(&w, 1, 1);
			world_fini(&w);
			if (!stopped)
				break;
		}
}

/* ---- not the paths that it was made with ---- */

/* It is refused, and says so; with `empty` it begins anew, and has nothing of what was there. */
static void
is_refused(struct usage *u, const char *word)
{
	if (u->w.store != NULL)
		world_crash(&u->w, SIM_KILL);
	for (unsigned i = 0; i < 2; i++) {
		assert_false(world_open(&u->w));
		if (strstr(u->w.opened.sentence, word) == NULL)
			fail_msg("\"%s\" says nothing of \"%s\"", u->w.opened.sentence, word);
	}
	u->w.options.empty = true;
	reopened(u, STORE_NEW);
	for (unsigned key = 0; key < KEYS; key++)
		has_not(&u->w, key);
	flushed(u);
	for (unsigned key = 0; key < KEYS; key++)
		becomes(u, key, 0);
	flushed(u);
	use(u, 300);
	world_settle(&u->w, true);
	world_audit(&u->w);
	world_crash(&u->w, SIM_KILL);
	u->w.options.empty = false;
	reopened(u, STORE_REBUILT);
	look(u, true);
	end(u);
}

/* One that was used, and was left or not. */
static struct usage *
used(bool properly)
{
	struct usage *u = begin();

	fill(u);
	use(u, 200);
	flush(u);
	if (properly)
		assert_true(world_close(&u->w));
	else
		world_crash(&u->w, SIM_KILL);
	return u;
}

static void
one_is_missing(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct usage *u = used(i / 2);
		struct io *blank = sim_new(3, 0), **gone = i % 2 == 0 ? &u->w.io : &u->w.second;

		assert_non_null(blank);
		if (i % 2 == 1)
			sim_beside(blank, u->w.io);
		else
			sim_beside(u->w.second, blank);
		io_free(gone);
		*gone = blank;
		is_refused(u, i % 2 == 0 ? "store is empty" : "other is empty");
	}
}

static void
in_another_order(void **state)
{
	struct usage *u = used(true);
	struct io *first = u->w.io;

	u->w.io = u->w.second;
	u->w.second = first;
	sim_beside(u->w.io, u->w.io);
	u->w.options.dir = "other";
	u->w.options.others[0].dir = "store";
	is_refused(u, "in the order");
}

static void
of_another_store(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct usage *u = used(i == 0);
		struct world w;

		world_init_two(&w, SEGMENTS);
		w.options.seed = 4711;
		opened(&w);
		assert_int_equal(world_set(&w, 1, 1000000, 1000, 0), STORED);
		assert_true(world_close(&w));
		io_free(&u->w.second);
		u->w.second = w.second;
		sim_beside(u->w.second, u->w.io);
		w.second = NULL;
		world_fini(&w);
		is_refused(u, "two stores");
	}
}

/* A store of one path, and one of two, in each other's place. */
static void
of_another_number(void **state)
{
	struct usage *u = used(true);
	struct world w;

	u->w.options.other_count = 0;
	assert_false(world_open(&u->w));
	assert_non_null(strstr(u->w.opened.sentence, "a store of 2 paths"));
	end(u);

	world_init(&w, SEGMENTS);
	opened(&w);
	assert_true(world_close(&w));
	w.second = sim_new(2, 0);
	sim_beside(w.second, w.io);
	w.options.other_count = 1;
	w.options.others[0] = (struct store_path){ .dir = "other" };
	assert_false(world_open(&w));
	assert_non_null(strstr(w.opened.sentence, "other is empty"));
	world_fini(&w);
}

/* A copy of one of them, of a while ago. */
static void
of_another_time(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		bool second = i % 2, left = i / 2 % 2, leaves = i / 4;
		struct usage *u = used(left);
		struct io *copy = sim_after(second ? u->w.second : u->w.io, SIM_KILL, 9);

		assert_non_null(copy);
		opened(&u->w);
		use(u, 20);
		flush(u);
		if (leaves)
			assert_true(world_close(&u->w));
		else
			world_crash(&u->w, SIM_KILL);
		if (second) {
			sim_beside(copy, u->w.io);
			io_free(&u->w.second);
			u->w.second = copy;
		} else {
			sim_beside(u->w.second, copy);
			io_free(&u->w.io);
			u->w.io = copy;
		}
		is_refused(u, "older than what was left");
	}
}

static const char *const names[2][2] = { { "store/super.a", "store/super.b" }, { "other/super.a", "other/super.b" } };

/* One super of each path may be lost; all of one path may not. */
static void
supers_are_lost(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		struct usage *u = used(i / 4);

		for (unsigned path = 0; path < 2; path++)
			assert_int_equal(sim_flip(disk(u, path), names[path][i >> path & 1], 800), IO_OK);
		opened(&u->w);
		assert_in_range(look(u, true), KEYS / 2, KEYS);
		use(u, 100);
		flush(u);
		world_crash(&u->w, SIM_KILL);
		opened(&u->w);
		look(u, true);
		end(u);
	}
	for (unsigned path = 0; path < 2; path++) {
		struct usage *u = used(true);

		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(sim_flip(disk(u, path), names[path][i], 800), IO_OK);
		is_refused(u, path == 0 ? "super.b in store" : "super.b in other");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_are_used),
		cmocka_unit_test(one_dies),
		cmocka_unit_test(one_hangs),
		cmocka_unit_test(one_cannot_be_written),
		cmocka_unit_test(what_ends_without_one_goes_on_with_both),
		cmocka_unit_test(what_hangs_is_left_alone),
		cmocka_unit_test(a_write_that_fails_costs_no_other_path),
		cmocka_unit_test(each_has_a_breaker),
		cmocka_unit_test(crashes_at_any_time),
		cmocka_unit_test(one_loses_its_power),
		cmocka_unit_test(first_start),
		cmocka_unit_test(one_is_missing),
		cmocka_unit_test(in_another_order),
		cmocka_unit_test(of_another_store),
		cmocka_unit_test(of_another_number),
		cmocka_unit_test(of_another_time),
		cmocka_unit_test(supers_are_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
