/* Where the record of a key is: see index.h. */
#include "index.h"

#include <sched.h>
#include <string.h>

#include "record.h"

#define TAGS_PAGED 2048 /* eleven bits of the tag choose the page */
#define SPINS	   100	/* before somebody else is let run: the one who has the lock may be waiting for the processor */

/* spread[k - 1][t]: the page of tag t among k.  From each k to the next the fullest pages give tags, and nothing else moves: all have as many, but one. */
static uint8_t spread[ARENA_PAGES_MAX][TAGS_PAGED];
static pthread_once_t spread_once = PTHREAD_ONCE_INIT;

/* How many tags each of k pages keeps when a share of all goes to another one. */
static void
shares_left(unsigned *has, unsigned k)
{
	for (unsigned share = TAGS_PAGED / (k + 1); share > 0; share--) {
		unsigned fullest = 0;

		for (unsigned p = 1; p < k; p++)
			if (has[p] > has[fullest])
				fullest = p;
		has[fullest]--;
	}
}

static void
spread_make(void)
{
	for (unsigned k = 1; k < ARENA_PAGES_MAX; k++) {
		unsigned has[ARENA_PAGES_MAX] = { 0 }, left[ARENA_PAGES_MAX], last = 0;

		memcpy(spread[k], spread[k - 1], TAGS_PAGED);
		for (unsigned t = 0; t < TAGS_PAGED; t++)
			has[spread[k][t]]++;
		memcpy(left, has, sizeof left);
		shares_left(left, k);
		for (unsigned i = 0; i < TAGS_PAGED; i++) {
			unsigned t = (last = last + 1237) % TAGS_PAGED, p = spread[k - 1][t];

			if (has[p] > left[p]) {
				has[p]--;
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

unsigned
index_page_of(unsigned pages, uint32_t hash)
{
	return spread[pages - 1][index_tag(hash) % TAGS_PAGED];
}

unsigned
index_home_of(unsigned bucket, uint64_t entry)
{
	unsigned where = entry_where(entry);

	return where == 0 ? bucket : bucket ^ index_other(entry >> ENTRY_TAG_SHIFT, where);
}

/* ---- all of it ---- */

void
index_init(struct index *ix, struct arena *a)
{
	*ix = (struct index){ .arena = a, .grown = 1ULL << 32, .growing = INDEX_RESTS, .paid = a->sets };
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
	ix->paid = index_pages_in_use(ix);
	/* In which of its ways it was half is not known; what it takes to go on in either is asked of the items. */
	ix->shrinks = true;
	return true;
}

void
index_fini(struct index *ix)
{
	pthread_mutex_destroy(&ix->grow_lock);
	index_mend_fini(ix);
}

static uint64_t
pages_of_sets(const struct index *ix)
{
	uint64_t grown = __atomic_load_n(&ix->grown, __ATOMIC_ACQUIRE);

	return (uint64_t)index_pages(grown) * ix->arena->sets + (uint32_t)grown;
}

uint64_t
index_buckets(const struct index *ix)
{
	return pages_of_sets(ix) * INDEX_BUCKETS;
}

uint64_t
index_pages_in_use(const struct index *ix)
{
	return pages_of_sets(ix) + (__atomic_load_n(&ix->growing, __ATOMIC_RELAXED) != INDEX_RESTS);
}

struct bucket *
index_bucket(const struct index *ix, uint64_t number)
{
	return (struct bucket *)(void *)(ix->arena->base + ix->arena->index_at) + number;
}

/* Of a set, as this word of index.grown says. */
static inline unsigned
pages_of(uint64_t grown, uint32_t set)
{
	return index_pages(grown) + (set < (uint32_t)grown);
}

static inline uint64_t
how_grown(const struct index *ix)
{
	return __atomic_load_n(&ix->grown, __ATOMIC_ACQUIRE);
}

/*
 * Has a bucket come back to an older page since the word was read?  Who began before may have looked there already, and now looks in vain where it
 * was.  Says it too often, but that costs no more than another look for each bucket that comes back: see index.h.
 */
static inline bool
some_came_back(const struct index *ix, uint64_t grown)
{
	return (how_grown(ix) ^ grown) >= INDEX_BACK;
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
	uint64_t tag = index_tag(key->hash);

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
	uint64_t tag = index_tag(key->hash), entry = find_in(ix, &page[home], key, slot);

	if (entry != 0 || (__atomic_load_n(&page[home].filter, __ATOMIC_ACQUIRE) & index_filter_bit(tag)) == 0)
		return entry;
	for (unsigned where = 1; entry == 0 && where <= INDEX_OTHERS; where++)
		entry = find_in(ix, &page[home ^ index_other(tag, where)], key, slot);
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

static inline uint64_t
find_as(const struct index *ix, uint64_t grown, const struct index_key *key, uint64_t **slot)
{
	unsigned pages = pages_of(grown, set_of(ix, key->hash));

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

uint64_t
index_find(const struct index *ix, const struct index_key *key, uint64_t **slot)
{
	uint64_t grown, entry;

	do {
		grown = how_grown(ix);
		entry = find_as(ix, grown, key, slot);
	} while (entry == 0 && some_came_back(ix, grown));
	return entry;
}

/* The home of a hash, as far as is known without looking into it. */
static inline struct bucket *
likely_home(const struct index *ix, uint32_t hash)
{
	return &page_for(ix, hash, pages_of(how_grown(ix), set_of(ix, hash)))[hash % INDEX_BUCKETS];
}

void
index_warm(const struct index *ix, uint32_t hash)
{
	__builtin_prefetch(likely_home(ix, hash));
}

uint64_t
index_guess(const struct index *ix, uint32_t hash)
{
	const struct bucket *b = likely_home(ix, hash);

	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t entry = __atomic_load_n(&b->slots[i], __ATOMIC_ACQUIRE);

		if (entry >> ENTRY_TAG_SHIFT == index_tag(hash) && arena_in_log(ix->arena, entry_location(entry)))
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

void
bucket_unlock(struct bucket *b)
{
	__atomic_store_n(&b->lock, 0, __ATOMIC_RELEASE);
}

/* Locks the bucket that is its home, if none comes back. */
static void
lock_as(struct home *h, const struct index *ix, uint64_t grown)
{
	unsigned pages = pages_of(grown, set_of(ix, h->hash));

	for (;;) {
		unsigned sorted;

		h->page = page_for(ix, h->hash, pages);
		index_use(ix, h->page);
		h->bucket = &h->page[h->hash % INDEX_BUCKETS];
		bucket_lock(h->bucket);
		sorted = __atomic_load_n(&h->bucket->pages, __ATOMIC_RELAXED);
		pages = left_with(ix, h->hash, h->page, pages, sorted);
		if (page_for(ix, h->hash, pages) == h->page)
			return;
		bucket_unlock(h->bucket);
	}
}

void
index_lock(struct home *h, struct index *ix, uint32_t hash)
{
	*h = (struct home){ .index = ix, .hash = hash };
	for (;;) {
		uint64_t grown = how_grown(ix);

		lock_as(h, ix, grown);
		/* What comes back from here does so under this lock. */
		if (!some_came_back(ix, grown))
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
	uint64_t tag = index_tag(h->hash);

	if (look_in(h, h->bucket, location))
		return true;
	for (unsigned where = 1; h->bucket->away != 0 && where <= INDEX_OTHERS; where++)
		if (look_in(h, &h->page[home ^ index_other(tag, where)], location))
			return true;
	return false;
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
	entry_store(h->slot, h->entry);
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
	entry_store(h->slot, 0);
	if (entry_where(h->entry) != 0)
		bucket_back(h->bucket);
	h->slot = NULL;
	h->entry = 0;
}
