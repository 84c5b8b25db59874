/* Where the record of a key is: see index.h. */
#include "index.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

#define TAGS_PAGED 2048 /* eleven bits of the tag choose the page */
#define SPINS	   100	/* before somebody else is let run: the one who has the lock may be waiting for the processor */

/* spread[k - 1][t]: the page of tag t among k.  From each k to the next, every page gives an equal share of its tags, and nothing else moves. */
static uint8_t spread[ARENA_PAGES_MAX][TAGS_PAGED];
static pthread_once_t spread_once = PTHREAD_ONCE_INIT;

static void
spread_make(void)
{
	for (unsigned k = 1; k < ARENA_PAGES_MAX; k++) {
		unsigned has[ARENA_PAGES_MAX] = { 0 }, give[ARENA_PAGES_MAX], last = 0;

		memcpy(spread[k], spread[k - 1], TAGS_PAGED);
		for (unsigned t = 0; t < TAGS_PAGED; t++)
			has[spread[k][t]]++;
		/* What they give adds up to the new page's share. */
		for (unsigned p = 0, sum = 0; p < k; p++) {
			unsigned upto = (p + 1) * (TAGS_PAGED / (k + 1)) / k;

			give[p] = upto - sum < has[p] ? upto - sum : has[p];
			sum = upto;
		}
		for (unsigned i = 0; i < TAGS_PAGED; i++) {
			unsigned t = (last = last + 1237) % TAGS_PAGED, p = spread[k - 1][t];

			if (give[p] > 0) {
				give[p]--;
				spread[k][t] = (uint8_t)k;
			}
		}
	}
}

/* ---- the parts of a hash, and of an entry ---- */

static uint32_t
set_of(const struct index *ix, uint32_t hash)
{
	return (hash >> 16) * ix->arena->sets >> 16;
}

static uint64_t
tag_of(uint32_t hash)
{
	return hash >> INDEX_TAG_SHIFT & 0x3ffff;
}

unsigned
index_page_of(unsigned pages, uint32_t hash)
{
	return spread[pages - 1][tag_of(hash) % TAGS_PAGED];
}

/* What a bucket's number is changed by for the others: one odd, one even and not 0, and both together. */
static inline unsigned
other(uint64_t tag, unsigned where)
{
	unsigned x = (unsigned)(tag * 0x9e3779b1U >> 12), odd = (x & 254) | 1, even = x >> 8 & 254;

	if (even == 0)
		even = 254;
	return where == 1 ? odd : where == 2 ? even : odd ^ even;
}

static unsigned
entry_where(uint64_t entry)
{
	return (unsigned)((entry & ENTRY_WHERE) >> ENTRY_WHERE_SHIFT);
}

unsigned
index_home_of(unsigned bucket, uint64_t entry)
{
	unsigned where = entry_where(entry);

	return where == 0 ? bucket : bucket ^ other(entry >> ENTRY_TAG_SHIFT, where);
}

/* ---- all of it ---- */

void
index_init(struct index *ix, struct arena *a)
{
	*ix = (struct index){ .arena = a, .grown = 1ULL << 32, .growing = INDEX_RESTS };
	pthread_mutex_init(&ix->grow_lock, NULL);
	pthread_once(&spread_once, spread_make);
}

bool
index_inherit(struct index *ix, struct arena *a, uint64_t grown, uint64_t growing)
{
	uint64_t pages = grown >> 32;

	if (pages == 0 || pages > ARENA_PAGES_MAX || (uint32_t)grown >= a->sets)
		return false;
	if (pages == ARENA_PAGES_MAX && ((uint32_t)grown != 0 || growing != INDEX_RESTS))
		return false;
	if (growing != INDEX_RESTS && growing >= pages * INDEX_BUCKETS)
		return false;
	index_init(ix, a);
	ix->grown = grown;
	ix->growing = growing;
	return true;
}

void
index_fini(struct index *ix)
{
	pthread_mutex_destroy(&ix->grow_lock);
	free(ix->mended);
}

uint64_t
index_buckets(const struct index *ix)
{
	uint64_t grown = __atomic_load_n(&ix->grown, __ATOMIC_ACQUIRE);

	return ((grown >> 32) * ix->arena->sets + (uint32_t)grown) * INDEX_BUCKETS;
}

struct bucket *
index_bucket(const struct index *ix, uint64_t number)
{
	return (struct bucket *)(void *)(ix->arena->base + ix->arena->index_at) + number;
}

static unsigned
pages_of(const struct index *ix, uint32_t set)
{
	uint64_t grown = __atomic_load_n(&ix->grown, __ATOMIC_ACQUIRE);

	return (unsigned)(grown >> 32) + (set < (uint32_t)grown);
}

/* ---- without a lock ---- */

static inline struct bucket *
page_for(const struct index *ix, uint32_t hash, unsigned pages)
{
	return arena_page(ix->arena, set_of(ix, hash), index_page_of(pages, hash));
}

static inline uint64_t
find_in(const struct index *ix, struct bucket *b, const struct index_key *key, uint64_t **slot)
{
	uint64_t tag = tag_of(key->hash);

	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		/* Acquire: what was written to the record before it was put here. */
		uint64_t entry = __atomic_load_n(&b->slots[i], __ATOMIC_ACQUIRE);
		const struct record *r;

		if (entry >> ENTRY_TAG_SHIFT != tag || !arena_in_log(ix->arena, entry_location(entry)))
			continue;
		r = arena_at(ix->arena, entry_location(entry));
		if (r->hash == key->hash && record_has_key(r, key->key, key->len)) {
			*slot = &b->slots[i];
			return entry;
		}
	}
	return 0;
}

/* Home, then what is away from it: in this order, since what leaves its home is elsewhere, and counted, before. */
static inline uint64_t
find_around(const struct index *ix, struct bucket *page, const struct index_key *key, uint64_t **slot)
{
	unsigned home = key->hash % INDEX_BUCKETS;
	uint64_t tag = tag_of(key->hash), entry = find_in(ix, &page[home], key, slot);

	if (entry != 0 || (__atomic_load_n(&page[home].filter, __ATOMIC_ACQUIRE) & index_filter_bit(tag)) == 0)
		return entry;
	for (unsigned where = 1; entry == 0 && where <= INDEX_OTHERS; where++)
		entry = find_in(ix, &page[home ^ other(tag, where)], key, slot);
	return entry;
}

/*
 * Where a hash has gone that left its page, which had been sorted for so many pages: the number of pages with which it left.  One step at a time:
 * the page it went to may have been left by nobody yet, even if it is no more where the hash belongs in the end.
 */
static unsigned
left_with(const struct index *ix, uint32_t hash, const struct bucket *page, unsigned pages, unsigned sorted)
{
	while (pages < sorted && pages < ARENA_PAGES_MAX && page_for(ix, hash, pages) == page)
		pages++;
	return pages;
}

uint64_t
index_find(const struct index *ix, const struct index_key *key, uint64_t **slot)
{
	unsigned pages = pages_of(ix, set_of(ix, key->hash));

	for (;;) {
		struct bucket *page = page_for(ix, key->hash, pages);
		uint64_t entry;
		unsigned sorted;

		index_use(ix, page);
		entry = find_around(ix, page, key, slot);
		if (entry != 0)
			return entry;
		/* Has what we look for gone to a newer page meanwhile? */
		sorted = __atomic_load_n(&page[key->hash % INDEX_BUCKETS].pages, __ATOMIC_ACQUIRE);
		pages = left_with(ix, key->hash, page, pages, sorted);
		if (page_for(ix, key->hash, pages) == page)
			return 0;
	}
}

void
index_warm(const struct index *ix, uint32_t hash)
{
	__builtin_prefetch(&page_for(ix, hash, pages_of(ix, set_of(ix, hash)))[hash % INDEX_BUCKETS]);
}

uint64_t
index_guess(const struct index *ix, uint32_t hash)
{
	const struct bucket *b = &page_for(ix, hash, pages_of(ix, set_of(ix, hash)))[hash % INDEX_BUCKETS];

	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t entry = __atomic_load_n(&b->slots[i], __ATOMIC_ACQUIRE);

		if (entry >> ENTRY_TAG_SHIFT == tag_of(hash) && arena_in_log(ix->arena, entry_location(entry)))
			return entry;
	}
	return 0;
}

/* ---- locks ---- */

void
bucket_lock(struct bucket *b)
{
	for (unsigned spins = 1;; spins++) {
		uint32_t open = 0;

		if (__atomic_compare_exchange_n(&b->lock, &open, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		if (spins % SPINS == 0)
			sched_yield();
	}
}

static bool
bucket_trylock(struct bucket *b)
{
	uint32_t open = 0;

	return __atomic_compare_exchange_n(&b->lock, &open, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void
bucket_unlock(struct bucket *b)
{
	__atomic_store_n(&b->lock, 0, __ATOMIC_RELEASE);
}

void
index_lock(struct home *h, struct index *ix, uint32_t hash)
{
	unsigned pages = pages_of(ix, set_of(ix, hash));

	*h = (struct home){ .index = ix, .hash = hash };
	for (;;) {
		unsigned sorted;

		h->page = page_for(ix, hash, pages);
		index_use(ix, h->page);
		h->bucket = &h->page[hash % INDEX_BUCKETS];
		bucket_lock(h->bucket);
		sorted = __atomic_load_n(&h->bucket->pages, __ATOMIC_RELAXED);
		pages = left_with(ix, hash, h->page, pages, sorted);
		if (page_for(ix, hash, pages) == h->page)
			return;
		bucket_unlock(h->bucket);
	}
}

void
index_unlock(struct home *h)
{
	bucket_unlock(h->bucket);
	h->bucket = NULL;
}

/* ---- under the lock of a home ---- */

bool
index_look(struct home *h, const struct index_key *key)
{
	h->entry = find_around(h->index, h->page, key, &h->slot);
	if (h->entry == 0)
		h->slot = NULL;
	return h->entry != 0;
}

static bool
look_in(struct home *h, struct bucket *b, uint64_t location)
{
	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t entry = __atomic_load_n(&b->slots[i], __ATOMIC_RELAXED);

		if (entry_location(entry) == location && index_fits(entry, h->hash)) {
			h->slot = &b->slots[i];
			h->entry = entry;
			return true;
		}
	}
	h->slot = NULL;
	h->entry = 0;
	return false;
}

bool
index_look_at(struct home *h, uint64_t location)
{
	unsigned home = h->hash % INDEX_BUCKETS;
	uint64_t tag = tag_of(h->hash);

	if (look_in(h, h->bucket, location))
		return true;
	for (unsigned where = 1; h->bucket->away != 0 && where <= INDEX_OTHERS; where++)
		if (look_in(h, &h->page[home ^ other(tag, where)], location))
			return true;
	return false;
}

static void
store(uint64_t *slot, uint64_t entry)
{
	/* Release: the record was written before. */
	__atomic_store_n(slot, entry, __ATOMIC_RELEASE);
}

static uint64_t
entry_with(uint64_t entry, uint64_t location, unsigned hits)
{
	return (entry & ~(ENTRY_LOCATION | ENTRY_HITS_MAX * ENTRY_HIT)) | hits * ENTRY_HIT | location;
}

void
index_move(struct home *h, uint64_t location, unsigned hits)
{
	h->entry = entry_with(h->entry, location, hits);
	store(h->slot, h->entry);
}

void
bucket_back(struct bucket *home)
{
	if (--home->away == 0)
		__atomic_store_n(&home->filter, 0, __ATOMIC_RELEASE);
}

void
index_clear(struct home *h)
{
	store(h->slot, 0);
	if (entry_where(h->entry) != 0)
		bucket_back(h->bucket);
	h->slot = NULL;
	h->entry = 0;
}

/* Claims an empty slot of a bucket; NULL: there is none. */
static uint64_t *
claim(struct bucket *b, uint64_t entry)
{
	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t empty = 0;

		if (__atomic_load_n(&b->slots[i], __ATOMIC_RELAXED) == 0 &&
		    __atomic_compare_exchange_n(&b->slots[i], &empty, entry, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			return &b->slots[i];
	}
	return NULL;
}

/* Puts an entry of this home into one of the other buckets.  It is counted before it is looked for there. */
static uint64_t *
claim_away(struct bucket *page, struct bucket *home, uint64_t *entry)
{
	uint64_t tag = *entry >> ENTRY_TAG_SHIFT, *slot;
	uint8_t filter = __atomic_load_n(&home->filter, __ATOMIC_RELAXED);

	__atomic_store_n(&home->filter, filter | index_filter_bit(tag), __ATOMIC_RELEASE);
	for (unsigned where = 1; where <= INDEX_OTHERS; where++) {
		uint64_t there = (*entry & ~ENTRY_WHERE) | (uint64_t)where << ENTRY_WHERE_SHIFT;

		slot = claim(&page[(unsigned)(home - page) ^ other(tag, where)], there);
		if (slot != NULL) {
			*entry = there;
			home->away++;
			return slot;
		}
	}
	if (home->away == 0)
		__atomic_store_n(&home->filter, 0, __ATOMIC_RELEASE);
	return NULL;
}

/* One that is at home makes room by going elsewhere: it is there before it is overwritten here. */
static uint64_t *
displace(struct home *h, uint64_t entry)
{
	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t its = __atomic_load_n(&h->bucket->slots[i], __ATOMIC_RELAXED);

		if (its == 0 || entry_where(its) != 0 || claim_away(h->page, h->bucket, &its) == NULL)
			continue;
		store(&h->bucket->slots[i], entry);
		return &h->bucket->slots[i];
	}
	return NULL;
}

/*
 * One that is at home in another bucket makes room there for this home's entry: with the lock of that home, which is not waited for, since its
 * owner may want this one.  What is away already stays where it is: a reader who has looked there comes back no more.
 */
static uint64_t *
displace_other(struct home *h, uint64_t *entry)
{
	uint64_t tag = *entry >> ENTRY_TAG_SHIFT, *slot = NULL;
	uint8_t filter = __atomic_load_n(&h->bucket->filter, __ATOMIC_RELAXED);

	/* It is counted before it is there. */
	__atomic_store_n(&h->bucket->filter, filter | index_filter_bit(tag), __ATOMIC_RELEASE);
	h->bucket->away++;
	for (unsigned where = 1; slot == NULL && where <= INDEX_OTHERS; where++) {
		struct home there = { .page = h->page,
			.bucket = &h->page[(unsigned)(h->bucket - h->page) ^ other(tag, where)] };
		uint64_t its = (*entry & ~ENTRY_WHERE) | (uint64_t)where << ENTRY_WHERE_SHIFT;

		if (!bucket_trylock(there.bucket))
			continue;
		slot = displace(&there, its);
		bucket_unlock(there.bucket);
		if (slot != NULL)
			*entry = its;
	}
	if (slot == NULL)
		bucket_back(h->bucket);
	return slot;
}

uint64_t *
index_place(struct home *h, uint64_t *entry)
{
	uint64_t *slot = claim(h->bucket, *entry);

	if (slot == NULL)
		slot = claim_away(h->page, h->bucket, entry);
	if (slot == NULL)
		slot = displace(h, *entry);
	return slot != NULL ? slot : displace_other(h, entry);
}

/* The one at home that was asked for least has to go.  NULL: none is at home. */
static uint64_t *
coldest_at_home(struct home *h)
{
	uint64_t *coldest = NULL, least = 0;

	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t its = __atomic_load_n(&h->bucket->slots[i], __ATOMIC_RELAXED);

		if (its != 0 && entry_where(its) == 0 && (coldest == NULL || entry_hits(its) < entry_hits(least))) {
			coldest = &h->bucket->slots[i];
			least = its;
		}
	}
	return coldest;
}

/*
 * One that lives here goes, of another home: with its lock, which this worker must not wait for, since somebody may hold that and wait for this
 * one.  Returns the entry it was; 0: none of their locks was to be had.
 */
static uint64_t
replace_guest(struct home *h, uint64_t entry)
{
	unsigned here = (unsigned)(h->bucket - h->page);

	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t its = __atomic_load_n(&h->bucket->slots[i], __ATOMIC_RELAXED);
		struct bucket *home = &h->page[index_home_of(here, its)];

		if (its == 0 || home == h->bucket || !bucket_trylock(home))
			continue;
		/* Has it stayed? */
		if (__atomic_load_n(&h->bucket->slots[i], __ATOMIC_RELAXED) == its) {
			store(&h->bucket->slots[i], entry);
			h->slot = &h->bucket->slots[i];
			bucket_back(home);
		} else {
			its = 0;
		}
		bucket_unlock(home);
		if (its != 0)
			return its;
	}
	return 0;
}

static uint64_t
replace(struct home *h, uint64_t entry)
{
	uint64_t *coldest = coldest_at_home(h), its;

	if (coldest == NULL)
		return replace_guest(h, entry);
	its = __atomic_load_n(coldest, __ATOMIC_RELAXED);
	store(coldest, entry);
	h->slot = coldest;
	return its;
}

bool
index_insert(struct home *h, uint64_t location, unsigned hits, uint64_t *evicted)
{
	h->entry = tag_of(h->hash) << ENTRY_TAG_SHIFT | hits * ENTRY_HIT | location;
	h->slot = index_place(h, &h->entry);
	if (evicted == NULL)
		return h->slot != NULL;
	*evicted = h->slot == NULL ? replace(h, h->entry) : 0;
	if (*evicted != 0)
		__atomic_add_fetch(&h->index->displaced, 1, __ATOMIC_RELAXED);
	return h->slot != NULL;
}
