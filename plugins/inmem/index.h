/*
 * Where the record of a key is.  Read without a lock; tests/model/inmem_index.py is its protocol, in every interleaving.
 *
 *	set: 1 .. 128 pages	page: 256 buckets	bucket: a line of cache, 7 slots
 *
 *	slot:	tag 18 | hits 3 | where 2 | location 41		0: empty
 *
 * The hash of a key gives its set, its tag and its *home*, a bucket; the tag and the number of the set's pages give the page.  A home that is
 * full has entries in three other buckets of the page (`where` says in which), and counts them.  A slot changes under the lock of its item's
 * home.  An empty one is claimed by compare-and-swap, so no foreign lock is ever needed.
 *
 * It grows by one page in one set at a time, bucket by bucket, and shrinks again in the same way (growth.h).
 */
#ifndef INMEM_INDEX_H
#define INMEM_INDEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

#define INDEX_SLOTS   7
#define INDEX_BUCKETS 256 /* in a page; so many, because pages are filled by chance, and then more alike */
#define INDEX_OTHERS  3	  /* buckets where an entry may be if its home is full */

struct bucket {
	uint32_t lock;	/* atomic; 1: taken */
	uint16_t away;	/* entries of this home that are in other buckets */
	uint8_t filter; /* atomic; a bit for each of their tags, until none is away */
	uint8_t pages;	/* atomic; how many pages its set had when its entries were last sorted; 0: they never were */
	uint64_t slots[INDEX_SLOTS]; /* atomic */
} __attribute__((aligned(64)));

struct index {
	struct arena *arena;
	uint64_t grown; /* atomic: so many buckets came back << 40 | pages << 32 | so many sets have one more */
	/* A line of their own, for all ops read what is above.  Atomic, changed under grow_lock: bucket whose turn it is, in the set whose turn it is;
	 * INDEX_RESTS. */
	uint64_t growing __attribute__((aligned(64)));
	uint64_t displaced; /* atomic; evicted because their home was full */
	pthread_mutex_t grow_lock;
	/* All of these are growth.c's, and changed under grow_lock, but for `crowded`. */
	bool shrinks;	  /* atomic; sets get a page less, one after the other; else one more */
	bool gives;	  /* the last page of the set whose turn it is is being emptied; else it is filled */
	bool crowded;	  /* atomic; somebody found no place for an entry since that began */
	unsigned tries;	  /* without any progress, while a page is filled again that could not be emptied */
	unsigned vain;	  /* pages that could not be emptied, one after the other */
	unsigned wait;	  /* looks until another one is tried */
	uint64_t paid;	  /* atomic; pages that count in the budget: those in use, and behind them those that wait */
	uint64_t waiting; /* the first that waits for the grace of this epoch; 0: none does yet */
	uint64_t epoch;
	const struct bucket *noted; /* the page whose strays are noted */
	uint64_t stray[INDEX_BUCKETS][INDEX_BUCKETS / 64];
	struct index_mending *mending, *mended; /* atomic; of one that was inherited: see index_mend() */
};

/*
 * The parts of `grown`.  Who misses, or locks a home, looks again if the count has changed: so once for each bucket that comes back meanwhile, at most,
 * of whatever set; somebody may bring back 4096 in one go, once a second.  The count comes around after 2^24 buckets: within one look nobody comes so
 * far.
 */
#define INDEX_BACK  (1ULL << 40)
#define INDEX_GROWN (INDEX_BACK - 1)

static inline unsigned
index_pages(uint64_t grown)
{
	return (uint8_t)(grown >> 32);
}

#define INDEX_RESTS UINT64_MAX

/* A key, as the index looks for it. */
struct index_key {
	const char *key;
	size_t len;
	uint32_t hash; /* index_hash() */
};

/* A home that is locked. */
struct home {
	struct index *index;
	struct bucket *bucket, *page; /* the page's first */
	uint32_t hash;
	uint64_t *slot; /* of the entry that was found; NULL: none */
	uint64_t entry;
};

/* What the index takes of a hash: it stands in the record, too. */
static inline uint32_t
index_hash(uint64_t hash)
{
	return (uint32_t)(hash >> 16);
}

/* ---- entries ---- */

#define INDEX_TAG_SHIFT	  8 /* of a hash: below it is the bucket */

#define ENTRY_TAG_SHIFT	  46
#define ENTRY_HIT	  (1ULL << 43)
#define ENTRY_HITS_MAX	  7
#define ENTRY_WHERE_SHIFT 41
#define ENTRY_WHERE	  (3ULL << ENTRY_WHERE_SHIFT)
#define ENTRY_LOCATION	  ((1ULL << ENTRY_WHERE_SHIFT) - 1)

static inline uint64_t
entry_location(uint64_t entry)
{
	return entry & ENTRY_LOCATION;
}

/* In which bucket it is: 0: in its home; else in one of the others. */
static inline unsigned
entry_where(uint64_t entry)
{
	return (unsigned)((entry & ENTRY_WHERE) >> ENTRY_WHERE_SHIFT);
}

static inline unsigned
entry_hits(uint64_t entry)
{
	return (unsigned)(entry / ENTRY_HIT & ENTRY_HITS_MAX);
}

/* ---- all of it ---- */

/* Over an arena that is all zeros. */
void index_init(struct index *ix, struct arena *a);
void index_fini(struct index *ix);

/* Over one that another process left, grown so far.  false: it cannot have been; then there is none. */
bool index_inherit(struct index *ix, struct arena *a, uint64_t grown, uint64_t growing);

/*
 * Each page of one that was inherited is put right before it is used: no lock is held, each home knows how many of its entries are away, and none
 * leads where leads() says that no record can be.  twice: the same home has another entry for the same record.  0, or -1: no memory, and nothing is
 * different.
 */
typedef bool index_leads_f(void *arg, uint64_t entry, bool twice);
int index_mend(struct index *ix, index_leads_f *leads, void *arg);

/* Of index_fini(). */
void index_mend_fini(struct index *ix);

/* Pages behind those are all zeros when their turn comes. */
void index_forget_behind(const struct index *ix);

/* Puts so many pages right that nobody has come to.  false: all are.  Any thread. */
bool index_mend_some(struct index *ix, unsigned pages);

/* This page is about to be used. */
void index_mend_page(const struct index *ix, const struct bucket *page);

static inline void
index_use(const struct index *ix, const struct bucket *page)
{
	if (__builtin_expect(__atomic_load_n(&ix->mending, __ATOMIC_ACQUIRE) != NULL, 0))
		index_mend_page(ix, page);
}

/* May an entry be of this hash?  One of many that are not may. */
static inline bool
index_fits(uint64_t entry, uint32_t hash)
{
	return entry >> ENTRY_TAG_SHIFT == (hash >> INDEX_TAG_SHIFT & 0x3ffff);
}

/* The bucket of that number, less than index_buckets(). */
uint64_t index_buckets(const struct index *ix);

/* With the one that is being filled or emptied. */
uint64_t index_pages_in_use(const struct index *ix);
struct bucket *index_bucket(const struct index *ix, uint64_t number);

/* ---- without a lock, between grace_enter() and the next ---- */

/* The entry of a key, and where it stands; 0: there was a moment in between when it had none. */
uint64_t index_find(const struct index *ix, const struct index_key *key, uint64_t **slot);

/* It was asked for: one hit more, up to the most, unless somebody changes it just now. */
static inline void
index_hit(uint64_t *slot, uint64_t entry)
{
	if (entry_hits(entry) != ENTRY_HITS_MAX)
		__atomic_compare_exchange_n(slot, &entry, entry + ENTRY_HIT, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Fetches into the cache the home of a hash. */
void index_warm(const struct index *ix, uint32_t hash);

/*
 * The entry that is likely this hash's, for those who only want to know what to fetch; 0: there is none in its home.  Outside of a grace as well: a
 * page that was given back reads as zeros.
 */
uint64_t index_guess(const struct index *ix, uint32_t hash);

/* ---- under a lock ---- */

void index_lock(struct home *h, struct index *ix, uint32_t hash);
void index_unlock(struct home *h);

/* Looks for a key, or for the entry of a location. */
bool index_look(struct home *h, const struct index_key *key);
bool index_look_at(struct home *h, uint64_t location);

/* The entry that was found is for this location from now on, with so many hits. */
void index_move(struct home *h, uint64_t location, unsigned hits);

/* The entry that was found goes. */
void index_clear(struct home *h);

/*
 * A new entry; it is the one that was found, then.  The home may be so full that another one has to go: *evicted is that, else 0.  NULL: none
 * may go.  false: there is no place; where one may go that is all but impossible, since others would have to hold seven locks just now.
 */
bool index_insert(struct home *h, uint64_t location, unsigned hits, uint64_t *evicted);

/* ---- shared by index.c, placing.c and growth.c ---- */

static inline uint64_t
index_tag(uint32_t hash)
{
	return hash >> INDEX_TAG_SHIFT & 0x3ffff;
}

/* What a bucket's number is changed by for the others: one odd, one even and not 0, and both together. */
static inline unsigned
index_other(uint64_t tag, unsigned where)
{
	unsigned x = (unsigned)(tag * 0x9e3779b1U >> 12), odd = (x & 254) | 1, even = x >> 8 & 254;

	if (even == 0)
		even = 254;
	return where == 1 ? odd : where == 2 ? even : odd ^ even;
}

/* Release: the record was written before. */
static inline void
entry_store(uint64_t *slot, uint64_t entry)
{
	__atomic_store_n(slot, entry, __ATOMIC_RELEASE);
}

/* The page of a tag in a set that has so many. */
unsigned index_page_of(unsigned pages, uint32_t hash);

/* Puts an entry into its home or one of the others in the page; what is at home in one of these may have to move.  NULL: there is no place. */
uint64_t *index_place(struct home *h, uint64_t *entry);

/* The bit of a tag in the filter of its home. */
static inline uint8_t
index_filter_bit(uint64_t tag)
{
	return (uint8_t)(1U << (tag >> 15));
}

/* Which of the page's buckets is the home of what stands in this one? */
unsigned index_home_of(unsigned bucket, uint64_t entry);

void bucket_lock(struct bucket *b);
void bucket_unlock(struct bucket *b);

/* One that was away is so no longer. */
void bucket_back(struct bucket *home);

#endif
