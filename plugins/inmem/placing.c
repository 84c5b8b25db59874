/* Where an entry finds a place, and who makes room for it: see index.h. */
#include "index.h"

static bool
bucket_trylock(struct bucket *b)
{
	uint32_t open = 0;

	return __atomic_compare_exchange_n(&b->lock, &open, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Claims an empty slot of a bucket; NULL: there is none. */
static uint64_t *
claim(struct bucket *b, uint64_t entry)
{
	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t empty = 0;

		/* Acquire: who finds what stands there then knows what he knew who cleared it. */
		if (__atomic_load_n(&b->slots[i], __ATOMIC_RELAXED) == 0 &&
		    __atomic_compare_exchange_n(&b->slots[i], &empty, entry, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
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

		slot = claim(&page[(unsigned)(home - page) ^ index_other(tag, where)], there);
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
		entry_store(&h->bucket->slots[i], entry);
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
			.bucket = &h->page[(unsigned)(h->bucket - h->page) ^ index_other(tag, where)] };
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
			entry_store(&h->bucket->slots[i], entry);
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
	entry_store(coldest, entry);
	h->slot = coldest;
	return its;
}

bool
index_insert(struct home *h, uint64_t location, unsigned hits, uint64_t *evicted)
{
	h->entry = index_tag(h->hash) << ENTRY_TAG_SHIFT | hits * ENTRY_HIT | location;
	h->slot = index_place(h, &h->entry);
	if (h->slot == NULL)
		__atomic_store_n(&h->index->crowded, true, __ATOMIC_RELAXED);
	if (evicted == NULL)
		return h->slot != NULL;
	*evicted = h->slot == NULL ? replace(h, h->entry) : 0;
	if (*evicted != 0)
		__atomic_add_fetch(&h->index->displaced, 1, __ATOMIC_RELAXED);
	return h->slot != NULL;
}
