/* The index against a plain array that knows what has to be in it; what it costs; and with several threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "index_state.h"
#include "size_class.h"

#define KEYS 200000

static uint64_t
random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

static uint64_t
hash_of(uint64_t key)
{
	return XXH3_64bits_withSeed(&key, sizeof key, 7);
}

/* A place that says which write it is of. */
static struct place
place_of(uint64_t id)
{
	return (struct place){ .seg = (uint32_t)(id >> 19) & (PLACE_SEGS - 1),
		.start = 1 + (uint32_t)(id & ((1 << 19) - 1)),
		.size = id % 64 };
}

static uint64_t
id_of(const struct place *p)
{
	return (uint64_t)p->seg << 19 | (p->start - 1);
}

/* What has to be in the index: for each key the id of its entry, 0 none; for each id the key. */
struct model {
	struct index *ix;
	uint64_t *of_key, next, live, lost;
	uint32_t *of_id, *until;
	uint64_t ids;
};

static void
model_open(struct model *m, uint64_t objects, uint64_t ids)
{
	*m = (struct model){ .ix = index_new(index_buckets_for(objects), NULL, NULL), .next = 1, .ids = ids };
	m->of_key = calloc(KEYS, sizeof *m->of_key);
	m->until = calloc(KEYS, sizeof *m->until);
	m->of_id = calloc(ids, sizeof *m->of_id);
	assert_non_null(m->ix);
	assert_non_null(m->of_id);
}

static void
model_close(struct model *m)
{
	index_free(&m->ix);
	assert_null(m->ix);
	free(m->of_key);
	free(m->until);
	free(m->of_id);
}

/* The index says that this entry had to go: then it was in it. */
static void
went(struct model *m, const struct entry *e, uint64_t by)
{
	uint32_t key = m->of_id[id_of(&e->place)];

	assert_int_equal(m->of_key[key], id_of(&e->place));
	assert_int_equal(m->until[key], e->exptime);
	m->of_key[key] = 0;
	m->live--;
	m->lost += key != by;
}

static void
model_put(struct model *m, uint32_t key, uint32_t until)
{
	struct entry e = { place_of(m->next), until }, other;
	uint64_t hash = 0;

	assert_true(m->next < m->ids);
	switch (index_put(m->ix, hash_of(key), &e, &other, &hash)) {
	case INDEX_EVICTED: {
		went(m, &other, key);
		assert_false(index_find(m->ix, hash, NULL));
		break;
	}
	case INDEX_REPLACED:
		went(m, &other, key);
		break;
	case INDEX_NEW:
		assert_int_equal(m->of_key[key], 0);
		break;
	case INDEX_FULL: /* nobody is asked */
		fail();
	}
	m->of_id[m->next] = key;
	m->of_key[key] = m->next++;
	m->until[key] = until;
	m->live++;
}

static void
model_check(struct model *m, uint32_t key)
{
	struct entry e;
	bool found = index_find(m->ix, hash_of(key), &e);

	if (m->of_key[key] == 0) {
		/* Another key's entry, perhaps, but one that is there. */
		if (found)
			assert_int_equal(m->of_key[m->of_id[id_of(&e.place)]], id_of(&e.place));
		return;
	}
	assert_true(found);
	assert_int_equal(id_of(&e.place), m->of_key[key]);
	assert_int_equal(e.place.size, m->of_key[key] % 64);
	assert_int_equal(e.exptime, m->until[key]);
}

static void
model_check_all(struct model *m)
{
	for (uint32_t key = 0; key < KEYS; key++)
		model_check(m, key);
	assert_int_equal(index_count(m->ix), m->live);
}

static void
step(struct model *m, uint64_t *rnd)
{
	uint32_t key = random_next(rnd) % KEYS;
	struct place at = place_of(m->of_key[key]), wrong = place_of(m->ids - 1), to;
	uint32_t until = random_next(rnd) % 1000;

	switch (random_next(rnd) % 8) {
	case 0:
	case 1:
	case 2:
		model_put(m, key, until);
		break;
	case 3:
		assert_false(index_remove(m->ix, hash_of(key), &wrong));
		if (m->of_key[key] == 0)
			break;
		assert_true(index_remove(m->ix, hash_of(key), &at));
		m->of_key[key] = 0;
		m->live--;
		break;
	case 4:
		assert_false(index_touch(m->ix, hash_of(key), &wrong, until));
		if (m->of_key[key] == 0)
			break;
		assert_true(index_touch(m->ix, hash_of(key), &at, until));
		m->until[key] = until;
		break;
	case 5:
		to = place_of(m->next);
		assert_false(index_move(m->ix, hash_of(key), &wrong, &to));
		if (m->of_key[key] == 0)
			break;
		assert_true(index_move(m->ix, hash_of(key), &at, &to));
		m->of_id[m->next] = key;
		m->of_key[key] = m->next++;
		break;
	case 6:
		if (m->of_key[key] != 0)
			index_hit(m->ix, hash_of(key), &at);
		break;
	default:
		model_check(m, key);
	}
}

static void
like_a_map(uint64_t objects, uint64_t steps)
{
	uint64_t rnd = 42;
	struct model m;

	model_open(&m, objects, steps + 2);
	for (uint64_t i = 0; i < steps; i++)
		step(&m, &rnd);
	model_check_all(&m);
	model_close(&m);
}

static void
map_with_room(void **state)
{
	like_a_map(KEYS, getenv("REND_TEST_LONG") != NULL ? 50000000 : 2000000);
}

/* Ten times as many keys as there is place for: it evicts all the time, and never fails. */
static void
map_crowded(void **state)
{
	like_a_map(KEYS / 10, 1000000);
	like_a_map(1, 100000); /* two buckets, which are each other's other */
}

/* What an object costs at the fill that the index is made for, and how often a key that is not there looks as if it were. */
static void
cost(void **state)
{
	const uint64_t objects = 1000000, asked = 2000000;
	struct index *ix = index_new(index_buckets_for(objects), NULL, NULL);
	struct entry e = { .exptime = 1 }, other;
	uint64_t evicted = 0, replaced = 0, wrong = 0, hash;
	double bytes, rate;

	for (uint64_t key = 0; key < objects; key++) {
		e.place = place_of(key + 1);
		switch (index_put(ix, hash_of(key), &e, &other, &hash)) {
		case INDEX_EVICTED:
			evicted++;
			break;
		case INDEX_REPLACED:
			replaced++;
			break;
		default:
			break;
		}
	}
	for (uint64_t key = objects; key < objects + asked; key++)
		wrong += index_find(ix, hash_of(key), NULL);
	bytes = (double)index_bytes(ix) / (double)index_count(ix);
	rate = (double)wrong / (double)asked;
	print_message(
	    "%.2f bytes an object; evicted %llu, replaced %llu of %llu; misses that look like hits: %.4f %%\n", bytes,
	    (unsigned long long)evicted, (unsigned long long)replaced, (unsigned long long)objects, rate * 100);
	assert_true(bytes <= 14.1);
	assert_true(evicted <= objects / 50000);
	assert_true((double)replaced < 0.0005 * (double)objects);
	assert_true(rate <= 0.0005);
	index_free(&ix);
}

/* What is hit stays longer, and of the others the oldest goes first. */
static uint64_t
age_is_seg(void *arg, const struct entry *e)
{
	return (uint64_t)e->place.seg << 2;
}

static void
evicts_the_cold(void **state)
{
	struct index *ix = index_new(1, age_is_seg, NULL);
	struct entry e = { .place = { .start = 1 } }, other;
	uint64_t hash;

	for (uint32_t i = 0; i < 5; i++) {
		e.place.seg = 100 - i;
		assert_int_equal(index_put(ix, i, &e, &other, &hash), INDEX_NEW);
	}
	e.place.seg = 96;
	index_hit(ix, 4, &e.place);
	e.place.seg = 7;
	assert_int_equal(index_put(ix, 50, &e, &other, &hash), INDEX_EVICTED);
	assert_int_equal(other.place.seg, 97);
	assert_int_equal(hash & 0x1ffff, 3);
	assert_true(index_find(ix, 4, &e));
	assert_true(e.place.hit);
	index_free(&ix);
}

/* Those that may not go stay, in whatever order they would have to. */
static bool
may_go(void *arg, uint64_t hash)
{
	return (*(const unsigned *)arg >> (hash & 0x1ffff) & 1) != 0;
}

static void
asks_who_is_to_go(void **state)
{
	struct entry e = { .place = { .start = 1 } }, other;
	unsigned may = 1U << 2 | 1U << 4;
	struct index *ix = index_new(1, NULL, &may);
	uint64_t hash;

	for (uint32_t i = 0; i < 5; i++) {
		e.exptime = 100 - 4 * i;
		assert_int_equal(index_put(ix, i, &e, &other, &hash), INDEX_NEW);
	}
	index_ask(ix, may_go);
	assert_int_equal(index_put(ix, 10, &e, &other, &hash), INDEX_EVICTED);
	assert_int_equal(hash & 0x1ffff, 4);
	assert_int_equal(index_put(ix, 11, &e, &other, &hash), INDEX_EVICTED);
	assert_int_equal(hash & 0x1ffff, 2);
	assert_int_equal(index_put(ix, 12, &e, &other, &hash), INDEX_FULL);
	assert_int_equal(index_count(ix), 5);
	assert_false(index_find(ix, 12, NULL));
	assert_int_equal(index_put(ix, 11, &e, &other, &hash), INDEX_REPLACED);
	index_free(&ix);
}

/* ---- rebuilding ---- */

/* Two keys of one tag may be one to the index: only the first to come takes part. */
static bool
has_tag(uint32_t *owners, uint64_t key)
{
	uint32_t *owner = &owners[hash_of(key) & 0x1ffff];

	if (*owner == 0)
		*owner = (uint32_t)key + 1;
	return *owner == key + 1;
}

static void
count_lost(void *arg, uint64_t hash, uint64_t version)
{
	uint64_t *count = arg;

	assert_true(version != 0);
	++*count;
}

/* Versions in any order: the highest stands; what is dead keeps lower ones out, and is gone in the end.  Also when there is no place for all. */
static void
rebuild(uint64_t objects, uint64_t keys, bool all, bool forgets)
{
	struct index *ix = index_new(index_buckets_for(objects), NULL, NULL);
	uint64_t *best = calloc(keys, sizeof *best), rnd = 5, stand = 0;
	uint64_t live = 0, lost = 0, named = 0, forgotten;
	uint32_t *owners = calloc(1 << 17, sizeof *owners);
	bool *dead = calloc(keys, sizeof *dead);

	assert_int_equal(index_rebuild_begin(ix), 0);
	for (uint64_t n = 0; n < 6 * keys; n++) {
		uint64_t key = random_next(&rnd) % keys, version = 1 + random_next(&rnd) % (1 << 19);
		bool deletes = random_next(&rnd) % 4 == 0;
		struct entry e = { place_of(version), (uint32_t)version };

		if (!has_tag(owners, key))
			continue;
		index_rebuild_offer(ix, hash_of(key), version, deletes, &e);
		if (version > best[key] || (version == best[key] && !dead[key])) {
			best[key] = version;
			dead[key] = deletes;
		}
	}
	for (uint64_t key = 0; key < keys; key++) {
		struct entry e;

		if (best[key] == 0)
			continue;
		if (index_rebuild_stands(ix, hash_of(key), best[key], &e))
			assert_int_equal(id_of(&e.place), best[key]);
		if (all)
			assert_true(dead[key] != index_rebuild_stands(ix, hash_of(key), best[key], NULL));
	}
	index_rebuild_end(ix);
	forgotten = index_rebuild_forgotten(ix);
	assert_true(ix->lost_room <= 256 || ix->lost_room * sizeof *ix->lost <= index_bytes(ix));
	for (uint64_t key = 0; key < keys; key++) {
		struct entry e;
		bool found = index_find(ix, hash_of(key), &e);

		if (!has_tag(owners, key))
			continue;
		stand += found;
		live += best[key] != 0 && !dead[key];
		named += best[key] > forgotten && !dead[key] && !found;
		assert_false(found && best[key] == 0);
		if (found)
			assert_true(!dead[key] && id_of(&e.place) == best[key] && e.exptime == best[key]);
		else if (all)
			assert_true(dead[key] || best[key] == 0);
	}
	assert_int_equal(index_count(ix), stand);
	/* What does not stand is named, or not newer than what was forgotten; what is dead has no place as long as others need it. */
	index_rebuild_lost(ix, count_lost, &lost);
	assert_in_range(lost, named, live - stand);
	assert_int_equal(forgotten != 0, forgets);
	assert_true(all ? lost == 0 : stand >= objects * 9 / 10);
	free(best);
	free(dead);
	free(owners);
	index_free(&ix);
}

static void
rebuilt(void **state)
{
	rebuild(20000, 20000, true, false);
	rebuild(4000, 20000, false, true);
	rebuild(2000, 20000, false, true);
}

static bool
nothing_bad(void *arg, const struct entry *e)
{
	return false;
}

static void
saved(void **state)
{
	static _Alignas(64) char page[64 * INDEX_BUCKET_BYTES];
	uint64_t rnd = 3;
	struct index *copy;
	struct model m;

	model_open(&m, KEYS, 200002);
	for (uint64_t i = 0; i < 200000; i++)
		step(&m, &rnd);
	copy = index_new(index_buckets(m.ix), NULL, NULL);
	for (uint64_t b = 0; b < index_buckets(m.ix); b += 64) {
		index_save(m.ix, b, 64, page);
		index_load(copy, b, 64, page, nothing_bad, NULL);
	}
	index_free(&m.ix);
	m.ix = copy;
	model_check_all(&m);
	model_close(&m);
}

/* ---- threads ---- */

#define THREADS	     4
#define THREAD_KEYS  2000
#define THREAD_STEPS 100000

struct crowd {
	struct index *ix;
	atomic_ullong lost;
	unsigned number;
};

/* Each has keys of its own: what it put is there, unless it was evicted, and nothing else is. */
static void *
crowd_run(void *arg)
{
	struct crowd *c = arg;
	uint64_t rnd = c->number + 1, mine[THREAD_KEYS] = { 0 }, id = 1, missing = 0;

	for (unsigned i = 0; i < THREAD_STEPS; i++) {
		uint32_t k = random_next(&rnd) % THREAD_KEYS;
		uint64_t hash = hash_of((uint64_t)c->number << 32 | k), other_hash;
		struct entry e = { place_of(id), c->number }, other;

		if (random_next(&rnd) % 2 == 0) {
			index_put(c->ix, hash, &e, &other, &other_hash);
			mine[k] = id++;
		} else if (index_find(c->ix, hash, &e)) {
			if (e.exptime == c->number && id_of(&e.place) != mine[k])
				abort();
			index_hit(c->ix, hash, &e.place);
		} else {
			missing += mine[k] != 0;
		}
	}
	atomic_fetch_add(&c[0].lost, missing);
	return NULL;
}

static void
crowd(uint64_t objects, bool room)
{
	struct index *ix = index_new(index_buckets_for(objects), NULL, NULL);
	struct crowd crowds[THREADS];
	pthread_t threads[THREADS];
	uint64_t lost = 0, counted = 0;

	for (unsigned t = 0; t < THREADS; t++) {
		crowds[t] = (struct crowd){ .ix = ix, .number = t };
		assert_int_equal(pthread_create(&threads[t], NULL, crowd_run, &crowds[t]), 0);
	}
	for (unsigned t = 0; t < THREADS; t++) {
		pthread_join(threads[t], NULL);
		lost += crowds[t].lost;
	}
	/* With room for all, what was put is found, however entries are moved meanwhile; two keys of one tag and pair are rare. */
	if (room)
		assert_true(lost < 20);
	for (uint64_t b = 0; b < index_buckets(ix); b++)
		counted += index_sweep(ix, b, 1, nothing_bad, NULL);
	assert_int_equal(counted, 0);
	index_free(&ix);
}

static void
threads(void **state)
{
	crowd(THREADS * THREAD_KEYS, true);
	crowd(THREADS * THREAD_KEYS / 8, false);
}

/* ---- sizes ---- */

static void
size_classes(void **state)
{
	uint32_t chunks = 1;

	for (uint32_t n = 1; n <= PLACE_STARTS; n += 1 + n / 100) {
		uint8_t class = size_class_of(n);

		assert_true(class < SIZE_CLASSES);
		assert_true(size_class_chunks(class) >= n);
		assert_true(size_class_chunks(class) <= n + (n + 3) / 4);
		assert_true(class == 0 || size_class_chunks(class - 1) < n);
		chunks = n;
	}
	assert_true(chunks > PLACE_STARTS / 2);
	assert_true(size_class_chunks(size_class_of(PLACE_STARTS)) >= PLACE_STARTS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_with_room),
		cmocka_unit_test(map_crowded),
		cmocka_unit_test(cost),
		cmocka_unit_test(evicts_the_cold),
		cmocka_unit_test(asks_who_is_to_go),
		cmocka_unit_test(rebuilt),
		cmocka_unit_test(saved),
		cmocka_unit_test(threads),
		cmocka_unit_test(size_classes),
	};

#ifdef __SANITIZE_THREAD__
	cmocka_set_test_filter("threads"); /* the others have one */
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
