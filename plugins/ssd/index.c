/* The index: see index.h. */
#include "index_state.h"

#include <sched.h>
#include <stdlib.h>

#include "zeros.h"

#define PAIR_SEATS (2 * INDEX_SLOTS)

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

void
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

void
pair_unlock(struct pair *p)
{
	unlock(&p->ix->buckets[p->first]);
	if (p->other != p->first)
		unlock(&p->ix->buckets[p->other]);
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

bool
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

static struct seat
seat_of_pair(const struct pair *p, unsigned n)
{
	return (struct seat){ n < INDEX_SLOTS ? p->first : p->other, n % INDEX_SLOTS };
}

/*
 * Who has to go, of the ten but for those that stay (a bit each): what nobody got, the oldest first.  While it is rebuilt, what is dead goes before
 * all: its version is kept elsewhere then (lose()), and its seat is for what can be found.  PAIR_SEATS: all stay.
 */
static unsigned
coldest(const struct pair *p, unsigned stay)
{
	uint64_t least = UINT64_MAX;
	unsigned best = PAIR_SEATS;

	for (unsigned n = 0; n < PAIR_SEATS; n++) {
		struct seat s = seat_of_pair(p, n);
		uint64_t word = word_at(p->ix, s);
		uint64_t weight = word & DEAD_BIT ? 0 : (age_at(p->ix, s) >> 2) | (word & HIT_BIT ? 1ULL << 62 : 0) | 1;

		if (weight < least && (stay & 1U << n) == 0) {
			least = weight;
			best = n;
		}
	}
	return best;
}

static enum seat_is
seat_of_coldest(const struct pair *p, struct seat *s)
{
	const struct index *ix = p->ix;
	bool asks = ix->may_go != NULL && ix->versions == NULL;

	for (unsigned stay = 0, n; (n = coldest(p, stay)) < PAIR_SEATS; stay |= 1U << n) {
		*s = seat_of_pair(p, n);
		if (!asks || ix->may_go(ix->arg, hash_for(ix, s->bucket, word_at(ix, *s) & TAG_MASK)))
			return SEAT_TAKEN;
	}
	return SEAT_NONE;
}

enum seat_is
pair_seat_for(const struct pair *p, struct seat *s)
{
	struct index *ix = p->ix;

	if (empty_seat(ix, p->first, s) || empty_seat(ix, p->other, s))
		return SEAT_EMPTY;
	if (make_room(p, p->first, 2, s) || (p->other != p->first && make_room(p, p->other, 2, s)))
		return SEAT_EMPTY;
	return seat_of_coldest(p, s);
}

enum index_put
index_put(struct index *ix, uint64_t hash, const struct entry *e, struct entry *other, uint64_t *other_hash)
{
	static const enum index_put by_seat[] = {
		[SEAT_EMPTY] = INDEX_NEW, [SEAT_TAKEN] = INDEX_EVICTED, [SEAT_NONE] = INDEX_FULL
	};
	enum index_put what;
	struct pair p;
	struct seat s;

	pair_lock(&p, ix, hash);
	what = pair_find(&p, &s) ? INDEX_REPLACED : by_seat[pair_seat_for(&p, &s)];
	if (what == INDEX_FULL) {
		pair_unlock(&p);
		return what;
	}
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

bool
index_move(struct index *ix, uint64_t hash, const struct place *from, const struct place *to)
{
	struct pair p;
	struct seat s;
	bool found;

	pair_lock(&p, ix, hash);
	found = pair_find(&p, &s) && is_at(word_at(ix, s), from);
	if (found)
		set_at(ix, s, pack(p.tag, to) | (word_at(ix, s) & WON_BIT), exptime_at(ix, s));
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

enum index_win
index_win(struct index *ix, uint64_t hash, const struct place *at)
{
	enum index_win win = INDEX_GONE;
	struct pair p;
	struct seat s;

	pair_lock(&p, ix, hash);
	if (pair_find(&p, &s) && is_at(word_at(ix, s), at)) {
		win = word_at(ix, s) & WON_BIT ? INDEX_SENT : INDEX_WON;
		set_at(ix, s, word_at(ix, s) | WON_BIT, exptime_at(ix, s));
	}
	pair_unlock(&p);
	return win;
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
	ix->buckets = zeros_new(buckets * sizeof(struct bucket));
	if (ix->buckets == NULL) {
		free(ix);
		return NULL;
	}
	ix->count = buckets;
	ix->age = age;
	ix->arg = arg;
	return ix;
}

void
index_ask(struct index *ix, index_may_go_f *may_go)
{
	ix->may_go = may_go;
}

void
index_free(struct index **ixp)
{
	struct index *ix = *ixp;

	*ixp = NULL;
	if (ix == NULL)
		return;
	index_rebuild_over(ix);
	free(ix->lost);
	zeros_free(ix->buckets, ix->count * sizeof(struct bucket));
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
