/*
 * What the index is made of; for the files that make it.
 *
 *	bucket, 64 bytes	head 4 │ exptime 5 × 4 │ word 5 × 8
 *	word			tag 17 │ seg 17 │ start 20 │ size 6 │ hit 1 │ won 1 │ dead 1 │ touched 1
 *
 * An empty entry's word is 0: a start never is.
 *
 * Words and heads are atomics, and each load of a word by who has no lock acquires: so what a reader saw between two equal, even heads was there at
 * one moment.
 */
#ifndef SSD_INDEX_STATE_H
#define SSD_INDEX_STATE_H

#include <stdatomic.h>
#include <string.h>

#include "index.h"

#define TAG_BITS      17
#define SEG_BITS      17
#define START_BITS    20
#define SIZE_BITS     6

#define TAG_MASK      ((1ULL << TAG_BITS) - 1)
#define SEG_AT	      TAG_BITS
#define START_AT      (SEG_AT + SEG_BITS)
#define SIZE_AT	      (START_AT + START_BITS)
#define HIT_BIT	      (1ULL << (SIZE_AT + SIZE_BITS))
#define WON_BIT	      (1ULL << 61)
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
	bool dead; /* nothing is there of that version, or there is a newer one */
};

struct index {
	struct bucket *buckets;
	uint64_t count; /* of buckets */
	index_age_f *age;
	index_may_go_f *may_go; /* NULL: all may */
	void *arg;
	_Atomic int64_t entries;

	uint8_t (*versions)[VERSION_BYTES]; /* NULL but while it is rebuilt */
	struct lost *lost;		    /* hashed by pair and tag, open addressing; room is a power of two */
	size_t lost_count, lost_room;
	uint64_t
	    forgotten; /* the highest version of those that had no room among them: what is not higher, and has no seat, must not come */
	uint64_t forgotten_alive; /* and of those that would have stood */
};

/* An entry's seat. */
struct seat {
	uint64_t bucket;
	unsigned slot;
};

/* ---- words ---- */

static inline uint64_t
pack(uint32_t tag, const struct place *p)
{
	return tag | (uint64_t)p->seg << SEG_AT | (uint64_t)p->start << START_AT | (uint64_t)p->size << SIZE_AT |
	       (p->hit ? HIT_BIT : 0) | (p->won ? WON_BIT : 0) | (p->touched ? TOUCHED_BIT : 0);
}

static inline struct place
unpack(uint64_t word)
{
	return (struct place){
		.seg = (word >> SEG_AT) & ((1U << SEG_BITS) - 1),
		.start = (word >> START_AT) & ((1U << START_BITS) - 1),
		.size = (word >> SIZE_AT) & ((1U << SIZE_BITS) - 1),
		.hit = (word & HIT_BIT) != 0,
		.touched = (word & TOUCHED_BIT) != 0,
		.won = (word & WON_BIT) != 0,
	};
}

static inline bool
is_at(uint64_t word, const struct place *p)
{
	return word != 0 && ((word ^ pack(0, p)) & WHERE_MASK) == 0;
}

/* ---- where a hash leads ---- */

static inline uint32_t
tag_of(uint64_t hash)
{
	return hash & TAG_MASK;
}

/* n of count, evenly, by the upper bits. */
static inline uint64_t
share(uint64_t n, uint64_t count)
{
	return (uint64_t)(((unsigned __int128)n * count) >> 64);
}

static inline uint64_t
first_bucket(const struct index *ix, uint64_t hash)
{
	return share(hash, ix->count);
}

/* Its own inverse: the other bucket's other bucket is this one. */
static inline uint64_t
other_bucket(const struct index *ix, uint64_t bucket, uint32_t tag)
{
	uint64_t sum = share((tag + 1) * 0x9e3779b97f4a7c15ULL, ix->count);

	return sum >= bucket ? sum - bucket : sum + ix->count - bucket;
}

/* A hash that leads to this bucket with this tag. */
static inline uint64_t
hash_for(const struct index *ix, uint64_t bucket, uint32_t tag)
{
	unsigned __int128 low = (((unsigned __int128)bucket << 64) + ix->count - 1) / ix->count;

	return (((uint64_t)low + TAG_MASK) & ~TAG_MASK) | tag;
}

/* ---- seats ---- */

static inline uint64_t
word_at(const struct index *ix, struct seat s)
{
	return atomic_load_explicit(&ix->buckets[s.bucket].word[s.slot], memory_order_relaxed);
}

static inline uint32_t
exptime_at(const struct index *ix, struct seat s)
{
	return atomic_load_explicit(&ix->buckets[s.bucket].exptime[s.slot], memory_order_relaxed);
}

static inline void
set_at(struct index *ix, struct seat s, uint64_t word, uint32_t exptime)
{
	struct bucket *b = &ix->buckets[s.bucket];

	atomic_store_explicit(&b->exptime[s.slot], exptime, memory_order_release);
	atomic_store_explicit(&b->word[s.slot], word, memory_order_release);
}

static inline struct entry
entry_at(const struct index *ix, struct seat s)
{
	return (struct entry){ unpack(word_at(ix, s)), exptime_at(ix, s) };
}

static inline uint64_t
version_at(const struct index *ix, struct seat s)
{
	uint64_t version = 0;

	memcpy(&version, ix->versions[s.bucket * INDEX_SLOTS + s.slot], VERSION_BYTES);
	return version;
}

static inline void
set_version(struct index *ix, struct seat s, uint64_t version)
{
	memcpy(ix->versions[s.bucket * INDEX_SLOTS + s.slot], &version, VERSION_BYTES);
}

static inline void
clear(struct index *ix, struct seat s)
{
	set_at(ix, s, 0, 0);
	atomic_fetch_sub_explicit(&ix->entries, 1, memory_order_relaxed);
}

/* The two buckets of a hash, locked, the lower one first. */
struct pair {
	struct index *ix;
	uint64_t first, other;
	uint32_t tag;
};

/* Versions are forgotten, if there are any. */
void index_rebuild_over(struct index *ix);

void pair_lock(struct pair *p, struct index *ix, uint64_t hash);
void pair_unlock(struct pair *p);

/* The seat of its tag. */
bool pair_find(const struct pair *p, struct seat *s);

enum seat_is {
	SEAT_EMPTY,
	SEAT_TAKEN, /* from another, who is in it still */
	SEAT_NONE,  /* nobody may go */
};

/* A seat for an entry that is not there yet. */
enum seat_is pair_seat_for(const struct pair *p, struct seat *s);

#endif
