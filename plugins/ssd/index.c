/*
 * The index: see index.h.
 *
 *	bucket, 64 bytes	head 4 │ exptime 5 × 4 │ word 5 × 8
 *	word			tag 17 │ seg 17 │ start 20 │ size 6 │ hit 2 │ dead 1 │ touched 1
 *
 * An empty entry's word is 0: a start never is.
 *
 * Words and heads are atomics, and each load of a word acquires: so what a reader saw between two equal, even heads was there at one moment.
 */
#include "index.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TAG_BITS      17
#define SEG_BITS      17
#define START_BITS    20
#define SIZE_BITS     6

#define TAG_MASK      ((1ULL << TAG_BITS) - 1)
#define SEG_AT	      TAG_BITS
#define START_AT      (SEG_AT + SEG_BITS)
#define SIZE_AT	      (START_AT + START_BITS)
#define HIT_BIT	      (1ULL << (SIZE_AT + SIZE_BITS))
#define DEAD_BIT      (1ULL << 62)
#define TOUCHED_BIT   (1ULL << 63)
#define WHERE_MASK    (((1ULL << (SEG_BITS + START_BITS)) - 1) << SEG_AT)

#define VERSION_BYTES 6 /* of an entry, while the index is rebuilt */

struct bucket {
	_Atomic uint32_t head;
	_Atomic uint32_t exptime[INDEX_SLOTS];
	_Atomic uint64_t word[INDEX_SLOTS];
};

_Static_assert(sizeof(struct bucket) == INDEX_BUCKET_BYTES, "a bucket is a line of the cache");
_Static_assert(SIZE_AT + SIZE_BITS + 2 == 62, "a word is full");

/* Entries that had to go while the index was rebuilt: what is older than they were must not come back. */
struct lost {
	uint64_t pair; /* the lower bucket of the two */
	uint64_t version;
	uint32_t tag;
};

struct index {
	struct bucket *buckets;
	uint64_t count; /* of buckets */
	index_age_f *age;
	void *arg;
	_Atomic int64_t entries;

	uint8_t (*versions)[VERSION_BYTES]; /* NULL but while it is rebuilt */
	struct lost *lost;		    /* hashed by pair and tag, open addressing; room is a power of two */
	size_t lost_count, lost_room;
};

/* An entry's seat. */
struct seat {
	uint64_t bucket;
	unsigned slot;
};

/* ---- words ---- */

static uint64_t
pack(uint32_t tag, const struct place *p)
{
	return tag | (uint64_t)p->seg << SEG_AT | (uint64_t)p->start << START_AT | (uint64_t)p->size << SIZE_AT |
	       (p->hit ? HIT_BIT : 0) | (p->touched ? TOUCHED_BIT : 0);
}

static struct place
unpack(uint64_t word)
{
	return (struct place){
		.seg = (word >> SEG_AT) & ((1U << SEG_BITS) - 1),
		.start = (word >> START_AT) & ((1U << START_BITS) - 1),
		.size = (word >> SIZE_AT) & ((1U << SIZE_BITS) - 1),
		.hit = (word & HIT_BIT) != 0,
		.touched = (word & TOUCHED_BIT) != 0,
	};
}

static bool
is_at(uint64_t word, const struct place *p)
{
	return word != 0 && ((word ^ pack(0, p)) & WHERE_MASK) == 0;
}

/* ---- where a hash leads ---- */

static uint32_t
tag_of(uint64_t hash)
{
	return hash & TAG_MASK;
}

/* n of count, evenly, by the upper bits. */
static uint64_t
share(uint64_t n, uint64_t count)
{
	return (uint64_t)(((unsigned __int128)n * count) >> 64);
}

static uint64_t
first_bucket(const struct index *ix, uint64_t hash)
{
	return share(hash, ix->count);
}

/* Its own inverse: the other bucket's other bucket is this one. */
static uint64_t
other_bucket(const struct index *ix, uint64_t bucket, uint32_t tag)
{
	uint64_t sum = share((tag + 1) * 0x9e3779b97f4a7c15ULL, ix->count);

	return sum >= bucket ? sum - bucket : sum + ix->count - bucket;
}

/* A hash that leads to this bucket with this tag. */
static uint64_t
hash_for(const struct index *ix, uint64_t bucket, uint32_t tag)
{
	unsigned __int128 low = (((unsigned __int128)bucket << 64) + ix->count - 1) / ix->count;

	return (((uint64_t)low + TAG_MASK) & ~TAG_MASK) | tag;
}

/* ---- reading ---- */

static bool
look(const struct bucket *b, uint32_t tag, uint64_t *word, uint32_t *exptime)
{
	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t w = atomic_load_explicit(&b->word[i], memory_order_acquire);

		if (w == 0 || (w & TAG_MASK) != tag)
			continue;
		*word = w;
		*exptime = atomic_load_explicit(&b->exptime[i], memory_order_acquire);
		return true;
	}
	return false;
}

/* The one who writes is on another core, or was interrupted. */
static void
spin(unsigned *spins)
{
	if (++*spins % 64 == 0)
		sched_yield();
}

bool
index_find(const struct index *ix, uint64_t hash, struct entry *e)
{
	uint32_t tag = tag_of(hash), exptime = 0;
	uint64_t first = first_bucket(ix, hash), word = 0;
	const struct bucket *a = &ix->buckets[first], *b = &ix->buckets[other_bucket(ix, first, tag)];
	unsigned spins = 0;

	for (;;) {
		uint32_t was_a = atomic_load_explicit(&a->head, memory_order_acquire);
		uint32_t was_b = atomic_load_explicit(&b->head, memory_order_acquire);
		bool found;

		if (((was_a | was_b) & 1) == 0) {
			found = look(a, tag, &word, &exptime) || look(b, tag, &word, &exptime);
			if (atomic_load_explicit(&a->head, memory_order_relaxed) == was_a &&
			    atomic_load_explicit(&b->head, memory_order_relaxed) == was_b) {
				if (found && e != NULL)
					*e = (struct entry){ unpack(word), exptime };
				return found;
			}
		}
		spin(&spins);
	}
}

/* ---- writing: under the locks of the buckets ---- */

static bool
try_lock(struct bucket *b)
{
	uint32_t head = atomic_load_explicit(&b->head, memory_order_relaxed);

	return (head & 1) == 0 && atomic_compare_exchange_strong_explicit(
				      &b->head, &head, head + 1, memory_order_acq_rel, memory_order_relaxed);
}

static void
lock(struct bucket *b)
{
	unsigned spins = 0;

	while (!try_lock(b))
		spin(&spins);
}

static void
unlock(struct bucket *b)
{
	uint32_t head = atomic_load_explicit(&b->head, memory_order_relaxed);

	atomic_store_explicit(&b->head, head + 1, memory_order_release);
}

/* The two buckets of a hash, locked, the lower one first. */
struct pair {
	struct index *ix;
	uint64_t first, other;
	uint32_t tag;
};

static void
pair_lock(struct pair *p, struct index *ix, uint64_t hash)
{
	uint64_t low, high;

	p->ix = ix;
	p->tag = tag_of(hash);
	p->first = first_bucket(ix, hash);
	p->other = other_bucket(ix, p->first, p->tag);
	low = p->first < p->other ? p->first : p->other;
	high = p->first < p->other ? p->other : p->first;
	lock(&ix->buckets[low]);
	if (high != low)
		lock(&ix->buckets[high]);
}

static void
pair_unlock(struct pair *p)
{
	unlock(&p->ix->buckets[p->first]);
	if (p->other != p->first)
		unlock(&p->ix->buckets[p->other]);
}

static uint64_t
word_at(const struct index *ix, struct seat s)
{
	return atomic_load_explicit(&ix->buckets[s.bucket].word[s.slot], memory_order_relaxed);
}

static uint32_t
exptime_at(const struct index *ix, struct seat s)
{
	return atomic_load_explicit(&ix->buckets[s.bucket].exptime[s.slot], memory_order_relaxed);
}

static void
set_at(struct index *ix, struct seat s, uint64_t word, uint32_t exptime)
{
	struct bucket *b = &ix->buckets[s.bucket];

	atomic_store_explicit(&b->exptime[s.slot], exptime, memory_order_release);
	atomic_store_explicit(&b->word[s.slot], word, memory_order_release);
}

static struct entry
entry_at(const struct index *ix, struct seat s)
{
	return (struct entry){ unpack(word_at(ix, s)), exptime_at(ix, s) };
}

static uint64_t
version_at(const struct index *ix, struct seat s)
{
	uint64_t version = 0;

	memcpy(&version, ix->versions[s.bucket * INDEX_SLOTS + s.slot], VERSION_BYTES);
	return version;
}

static void
set_version(struct index *ix, struct seat s, uint64_t version)
{
	memcpy(ix->versions[s.bucket * INDEX_SLOTS + s.slot], &version, VERSION_BYTES);
}

static void
move(struct index *ix, struct seat from, struct seat to)
{
	set_at(ix, to, word_at(ix, from), exptime_at(ix, from));
	if (ix->versions != NULL)
		set_version(ix, to, version_at(ix, from));
	set_at(ix, from, 0, 0);
}

static bool
seat_of_tag(const struct index *ix, uint64_t bucket, uint32_t tag, struct seat *s)
{
	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t word;

		*s = (struct seat){ bucket, i };
		word = word_at(ix, *s);
		if (word != 0 && (word & TAG_MASK) == tag)
			return true;
	}
	return false;
}

static bool
pair_find(const struct pair *p, struct seat *s)
{
	return seat_of_tag(p->ix, p->first, p->tag, s) || seat_of_tag(p->ix, p->other, p->tag, s);
}

static bool
empty_seat(const struct index *ix, uint64_t bucket, struct seat *s)
{
	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		*s = (struct seat){ bucket, i };
		if (word_at(ix, *s) == 0)
			return true;
	}
	return false;
}

static struct seat
seat_across(const struct index *ix, struct seat s)
{
	return (struct seat){ other_bucket(ix, s.bucket, word_at(ix, s) & TAG_MASK), 0 };
}

/*
 * An empty seat in a locked bucket: moves one of its entries to that one's other bucket.  If that is full too, one of there goes a bucket
 * further first.  Only what can be locked at once is used: who holds locks may not wait for another.
 */
static bool
make_room(const struct pair *p, uint64_t bucket, int hops, struct seat *room)
{
	struct index *ix = p->ix;

	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		struct seat from = { bucket, i }, to = seat_across(ix, from);
		struct bucket *b = &ix->buckets[to.bucket];
		bool found;

		if (to.bucket == bucket || to.bucket == p->first || to.bucket == p->other || !try_lock(b))
			continue;
		found = empty_seat(ix, to.bucket, &to) || (hops > 1 && make_room(p, to.bucket, hops - 1, &to));
		if (found) {
			move(ix, from, to);
			*room = from;
		}
		unlock(b);
		if (found)
			return true;
	}
	return false;
}

static uint64_t
age_at(const struct index *ix, struct seat s)
{
	struct entry e = entry_at(ix, s);

	return ix->age == NULL ? e.exptime : ix->age(ix->arg, &e);
}

/* Who has to go, of the ten: what nobody got, the oldest first; but while it is rebuilt, what is dead stays last. */
static struct seat
coldest(const struct pair *p)
{
	const uint64_t buckets[] = { p->first, p->other };
	struct seat best = { p->first, 0 };
	uint64_t least = UINT64_MAX;

	for (unsigned n = 0; n < 2 * INDEX_SLOTS; n++) {
		struct seat s = { buckets[n / INDEX_SLOTS], n % INDEX_SLOTS };
		uint64_t word = word_at(p->ix, s);
		uint64_t weight = (age_at(p->ix, s) >> 2) | (word & HIT_BIT ? 1ULL << 62 : 0) |
				  (word & DEAD_BIT ? 1ULL << 63 : 0);

		if (weight < least) {
			least = weight;
			best = s;
		}
	}
	return best;
}

/* A seat for an entry that is not there yet.  true: it was taken from another, who is in *other. */
static bool
seat_for(const struct pair *p, struct seat *s)
{
	struct index *ix = p->ix;

	if (empty_seat(ix, p->first, s) || empty_seat(ix, p->other, s))
		return false;
	if (make_room(p, p->first, 2, s) || (p->other != p->first && make_room(p, p->other, 2, s)))
		return false;
	*s = coldest(p);
	return true;
}

enum index_put
index_put(struct index *ix, uint64_t hash, const struct entry *e, struct entry *other, uint64_t *other_hash)
{
	enum index_put what = INDEX_NEW;
	struct pair p;
	struct seat s;

	pair_lock(&p, ix, hash);
	if (pair_find(&p, &s))
		what = INDEX_REPLACED;
	else if (seat_for(&p, &s))
		what = INDEX_EVICTED;
	if (what != INDEX_NEW)
		*other = entry_at(ix, s);
	if (what == INDEX_EVICTED)
		*other_hash = hash_for(ix, s.bucket, word_at(ix, s) & TAG_MASK);
	if (what == INDEX_NEW)
		atomic_fetch_add_explicit(&ix->entries, 1, memory_order_relaxed);
	set_at(ix, s, pack(p.tag, &e->place), e->exptime);
	pair_unlock(&p);
	return what;
}

/* ---- changing what is there ---- */

static void
clear(struct index *ix, struct seat s)
{
	set_at(ix, s, 0, 0);
	atomic_fetch_sub_explicit(&ix->entries, 1, memory_order_relaxed);
}

bool
index_move(struct index *ix, uint64_t hash, const struct place *from, const struct place *to)
{
	struct pair p;
	struct seat s;
	bool found;

	pair_lock(&p, ix, hash);
	found = pair_find(&p, &s) && is_at(word_at(ix, s), from);
	if (found)
		set_at(ix, s, pack(p.tag, to), exptime_at(ix, s));
	pair_unlock(&p);
	return found;
}

bool
index_remove(struct index *ix, uint64_t hash, const struct place *at)
{
	struct pair p;
	struct seat s;
	bool found;

	pair_lock(&p, ix, hash);
	found = pair_find(&p, &s) && is_at(word_at(ix, s), at);
	if (found)
		clear(ix, s);
	pair_unlock(&p);
	return found;
}

bool
index_touch(struct index *ix, uint64_t hash, const struct place *at, uint32_t exptime)
{
	struct pair p;
	struct seat s;
	bool found;

	pair_lock(&p, ix, hash);
	found = pair_find(&p, &s) && is_at(word_at(ix, s), at);
	if (found)
		set_at(ix, s, word_at(ix, s) | TOUCHED_BIT, exptime);
	pair_unlock(&p);
	return found;
}

static bool
mark(struct bucket *b, uint32_t tag, const struct place *at)
{
	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t word = atomic_load_explicit(&b->word[i], memory_order_relaxed);

		if (word == 0 || (word & TAG_MASK) != tag || !is_at(word, at))
			continue;
		/* Lost to one who writes at the same time: then it is as if the hit had come before that. */
		if ((word & HIT_BIT) == 0)
			atomic_compare_exchange_strong_explicit(
			    &b->word[i], &word, word | HIT_BIT, memory_order_release, memory_order_relaxed);
		return true;
	}
	return false;
}

void
index_hit(struct index *ix, uint64_t hash, const struct place *at)
{
	uint32_t tag = tag_of(hash);
	uint64_t first = first_bucket(ix, hash);

	if (!at->hit && !mark(&ix->buckets[first], tag, at))
		mark(&ix->buckets[other_bucket(ix, first, tag)], tag, at);
}

uint64_t
index_sweep(struct index *ix, uint64_t from, uint64_t buckets, index_gone_f *gone, void *arg)
{
	uint64_t went = 0;

	for (uint64_t b = from; b < ix->count && b - from < buckets; b++) {
		lock(&ix->buckets[b]);
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			struct seat s = { b, i };
			struct entry e;

			if (word_at(ix, s) == 0)
				continue;
			e = entry_at(ix, s);
			if (gone(arg, &e)) {
				clear(ix, s);
				went++;
			}
		}
		unlock(&ix->buckets[b]);
	}
	return went;
}

/* ---- making and ending ---- */

struct index *
index_new(uint64_t buckets, index_age_f *age, void *arg)
{
	struct index *ix = calloc(1, sizeof *ix);

	if (ix == NULL || buckets == 0 || buckets > SIZE_MAX / sizeof(struct bucket) / 2) {
		free(ix);
		return NULL;
	}
	ix->buckets = aligned_alloc(sizeof(struct bucket), buckets * sizeof(struct bucket));
	if (ix->buckets == NULL) {
		free(ix);
		return NULL;
	}
	memset(ix->buckets, 0, buckets * sizeof(struct bucket));
	ix->count = buckets;
	ix->age = age;
	ix->arg = arg;
	return ix;
}

void
index_free(struct index **ixp)
{
	struct index *ix = *ixp;

	*ixp = NULL;
	if (ix == NULL)
		return;
	free(ix->versions);
	free(ix->lost);
	free(ix->buckets);
	free(ix);
}

uint64_t
index_buckets_for(uint64_t objects)
{
	return objects / (INDEX_SLOTS * 92) * 100 + objects % (INDEX_SLOTS * 92) * 100 / (INDEX_SLOTS * 92) + 2;
}

size_t
index_bytes(const struct index *ix)
{
	return sizeof *ix + ix->count * sizeof(struct bucket);
}

uint64_t
index_count(const struct index *ix)
{
	return (uint64_t)atomic_load_explicit(&ix->entries, memory_order_relaxed);
}

uint64_t
index_buckets(const struct index *ix)
{
	return ix->count;
}

/* ---- rebuilding ---- */

int
index_rebuild_begin(struct index *ix)
{
	ix->versions = calloc(ix->count * INDEX_SLOTS, VERSION_BYTES);
	return ix->versions == NULL ? -1 : 0;
}

static struct lost *
lost_seat(const struct index *ix, uint64_t pair, uint32_t tag)
{
	uint64_t at = (pair * 0x9e3779b97f4a7c15ULL) ^ ((uint64_t)tag * 0xc2b2ae3d27d4eb4fULL);

	for (;; at++) {
		struct lost *l = &ix->lost[at & (ix->lost_room - 1)];

		if (l->version == 0 || (l->pair == pair && l->tag == tag))
			return l;
	}
}

static int
lost_grow(struct index *ix)
{
	struct index bigger = { .lost_room = ix->lost_room == 0 ? 256 : ix->lost_room * 2 };

	bigger.lost = calloc(bigger.lost_room, sizeof *bigger.lost);
	if (bigger.lost == NULL)
		return -1;
	for (size_t i = 0; i < ix->lost_room; i++)
		if (ix->lost[i].version != 0)
			*lost_seat(&bigger, ix->lost[i].pair, ix->lost[i].tag) = ix->lost[i];
	free(ix->lost);
	ix->lost = bigger.lost;
	ix->lost_room = bigger.lost_room;
	return 0;
}

static uint64_t
pair_name(const struct index *ix, uint64_t bucket, uint32_t tag)
{
	uint64_t other = other_bucket(ix, bucket, tag);

	return bucket < other ? bucket : other;
}

static bool
lose(struct index *ix, struct seat s)
{
	uint32_t tag = word_at(ix, s) & TAG_MASK;
	uint64_t version = version_at(ix, s);
	struct lost *l;

	if (ix->lost_count * 2 >= ix->lost_room && lost_grow(ix) != 0)
		return false;
	l = lost_seat(ix, pair_name(ix, s.bucket, tag), tag);
	if (l->version == 0)
		ix->lost_count++;
	if (version > l->version)
		*l = (struct lost){ .pair = pair_name(ix, s.bucket, tag), .version = version, .tag = tag };
	return true;
}

static bool
is_lost(const struct index *ix, uint64_t bucket, uint32_t tag, uint64_t version)
{
	return ix->lost_room != 0 && lost_seat(ix, pair_name(ix, bucket, tag), tag)->version >= version;
}

/* One thread runs here, but moving entries takes locks, and so do we. */
bool
index_rebuild_offer(struct index *ix, uint64_t hash, uint64_t version, bool dead, const struct entry *e)
{
	struct place nowhere = { 0 };
	uint64_t word;
	struct pair p;
	struct seat s;
	bool ok = true, takes = true;

	pair_lock(&p, ix, hash);
	word = dead ? pack(p.tag, &nowhere) | DEAD_BIT : pack(p.tag, &e->place);
	if (pair_find(&p, &s)) {
		uint64_t is = version_at(ix, s);

		takes = version > is || (version == is && (dead || (word_at(ix, s) & DEAD_BIT) == 0));
	} else if (is_lost(ix, p.first, p.tag, version)) {
		takes = false;
	} else if (seat_for(&p, &s)) {
		ok = lose(ix, s);
	} else {
		atomic_fetch_add_explicit(&ix->entries, 1, memory_order_relaxed);
	}
	if (takes && ok) {
		set_at(ix, s, word, dead ? 0 : e->exptime);
		set_version(ix, s, version);
	}
	pair_unlock(&p);
	return ok;
}

bool
index_rebuild_stands(const struct index *ix, uint64_t hash, uint64_t version, struct entry *e)
{
	struct pair p = { .ix = (struct index *)(uintptr_t)ix, .tag = tag_of(hash), .first = first_bucket(ix, hash) };
	struct seat s;

	p.other = other_bucket(ix, p.first, p.tag);
	if (!pair_find(&p, &s) || (word_at(ix, s) & DEAD_BIT) || version_at(ix, s) != version)
		return false;
	if (e != NULL)
		*e = entry_at(ix, s);
	return true;
}

void
index_rebuild_end(struct index *ix)
{
	for (uint64_t n = 0; n < ix->count * INDEX_SLOTS; n++) {
		struct seat s = { n / INDEX_SLOTS, n % INDEX_SLOTS };

		if (word_at(ix, s) & DEAD_BIT)
			clear(ix, s);
	}
	free(ix->versions);
	ix->versions = NULL;
	free(ix->lost);
	ix->lost = NULL;
	ix->lost_count = ix->lost_room = 0;
}

/* ---- as it is kept in a file ---- */

void
index_save(const struct index *ix, uint64_t first, uint64_t buckets, void *to)
{
	memset(to, 0, buckets * INDEX_BUCKET_BYTES);
	for (uint64_t n = 0; n < buckets && first + n < ix->count; n++) {
		struct bucket *b = &((struct bucket *)to)[n];

		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			struct seat s = { first + n, i };

			atomic_init(&b->word[i], word_at(ix, s));
			atomic_init(&b->exptime[i], exptime_at(ix, s));
		}
	}
}

void
index_load(struct index *ix, uint64_t first, uint64_t buckets, const void *from, index_gone_f *bad, void *arg)
{
	const struct bucket *b = from;

	for (uint64_t n = 0; n < buckets && first + n < ix->count; n++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			struct seat s = { first + n, i };
			uint64_t word = atomic_load_explicit(&b[n].word[i], memory_order_relaxed) & ~DEAD_BIT;
			struct entry e = { unpack(word), atomic_load_explicit(&b[n].exptime[i], memory_order_relaxed) };

			if (word == 0 || e.place.start == 0 || bad(arg, &e))
				continue;
			set_at(ix, s, word, e.exptime);
			atomic_fetch_add_explicit(&ix->entries, 1, memory_order_relaxed);
		}
}
