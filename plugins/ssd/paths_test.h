/*
 * For tests of a store over two disks: uses it, and knows what may be there.  cmocka.h comes before.
 *
 *	key ── what it was, since the last flush that had ended: [0] at that time, and all that came since
 */
#ifndef SSD_PATHS_TEST_H
#define SSD_PATHS_TEST_H

#include <stdio.h>

#include "world_words.h"

#define KEYS	 60
#define MOMENTS	 400
#define SEGMENTS 40
#define S	 1000000000ULL

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

static inline uint64_t
random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

static inline struct usage *
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

static inline void
end(struct usage *u)
{
	world_fini(&u->w);
	free(u);
}

/* ---- what is so ---- */

static inline void
becomes(struct usage *u, unsigned key, uint64_t n)
{
	struct key *k = &u->keys[key];

	assert_true(k->count < MOMENTS);
	k->was[k->count++] = n;
}

static inline void
flushed(struct usage *u)
{
	for (unsigned key = 0; key < KEYS; key++) {
		struct key *k = &u->keys[key];

		k->was[0] = k->was[k->count - 1];
		k->count = 1;
	}
}

static inline void
flush(struct usage *u)
{
	uint64_t began;

	sim_advance(u->w.io, 1000);
	began = io_now(u->w.io);
	store_step(u->w.store, true, u->w.wall);
	if (store_flushed(u->w.store) >= began)
		flushed(u);
}

static inline void
set(struct usage *u, unsigned key, size_t len)
{
	uint64_t n = u->next++;
	bool stored = world_set(&u->w, key, n, len, 0) == STORED;

	becomes(u, key, stored ? n : 0);
	u->stored += stored;
	u->refused += !stored;
}

/* Nothing but what was stored last; or nothing, and an answer that it cannot be known. */
static inline enum fetched
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

static inline void
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
static inline unsigned
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

static inline struct io *
disk(struct usage *u, unsigned path)
{
	return path == 0 ? u->w.io : u->w.second;
}

static inline uint32_t
in_use(struct usage *u, unsigned path)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < u->w.store->g.segments; i++)
		count += path_of(u->w.store, i) == path && u->w.store->segments[i].state != SEGMENT_FREE;
	return count;
}

/* Which path a key is on; -1: it is not there, or in RAM. */
static inline int
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
static inline void
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

static inline void
reopened(struct usage *u, int how)
{
	opened(&u->w);
	assert_int_equal(u->w.opened.how, how);
}

#endif
