/* The index when a store is opened and closed: rebuilt record by record, or as it is kept in a file. */
#include <stdlib.h>

#include "index_state.h"
#include "zeros.h"

#define LOST_LEAST 256 /* entries of the room that there is for them; twice as many as are in it */
#define LOST_BINS  256 /* of versions, to find the older half */

/* ---- rebuilding ---- */

int
index_rebuild_begin(struct index *ix)
{
	ix->forgotten = ix->forgotten_alive = 0;
	ix->versions = zeros_new(ix->count * INDEX_SLOTS * VERSION_BYTES);
	return ix->versions == NULL ? -1 : 0;
}

void
index_rebuild_over(struct index *ix)
{
	zeros_free(ix->versions, ix->count * INDEX_SLOTS * VERSION_BYTES);
	ix->versions = NULL;
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

/* Into one of that room, which is empty. */
static void
lost_put_all(struct index *ix, const struct lost *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (from[i].version != 0)
			*lost_seat(ix, from[i].pair, from[i].tag) = from[i];
}

static bool
lost_grow(struct index *ix)
{
	struct index bigger = { .lost_room = ix->lost_room == 0 ? LOST_LEAST : ix->lost_room * 2 };

	if (ix->lost_room >= LOST_LEAST && bigger.lost_room * sizeof *ix->lost > ix->count * INDEX_BUCKET_BYTES)
		return false;
	bigger.lost = calloc(bigger.lost_room, sizeof *bigger.lost);
	if (bigger.lost == NULL)
		return false;
	lost_put_all(&bigger, ix->lost, ix->lost_room);
	free(ix->lost);
	ix->lost = bigger.lost;
	ix->lost_room = bigger.lost_room;
	return true;
}

static void
forget(struct index *ix, const struct lost *l)
{
	if (l->version > ix->forgotten)
		ix->forgotten = l->version;
	if (!l->dead && l->version > ix->forgotten_alive)
		ix->forgotten_alive = l->version;
}

/* A version that half of them, at least, do not exceed. */
static uint64_t
lost_middle(const struct index *ix)
{
	size_t bins[LOST_BINS] = { 0 }, below = 0;
	uint64_t least = UINT64_MAX, most = 0, width;
	unsigned bin = 0;

	for (size_t i = 0; i < ix->lost_room; i++) {
		uint64_t version = ix->lost[i].version;

		if (version != 0 && version < least)
			least = version;
		if (version > most)
			most = version;
	}
	width = (most - least) / LOST_BINS + 1;
	for (size_t i = 0; i < ix->lost_room; i++)
		if (ix->lost[i].version != 0)
			bins[(ix->lost[i].version - least) / width]++;
	while ((below += bins[bin]) * 2 < ix->lost_count && bin + 1 < LOST_BINS)
		bin++;
	return least + (bin + 1) * width - 1;
}

/* There is no more room: the older half goes, or, without memory to sort them out, all do. */
static void
lost_halve(struct index *ix)
{
	struct lost *kept = malloc((ix->lost_count / 2 + 1) * sizeof *kept);
	uint64_t middle = kept == NULL ? UINT64_MAX : lost_middle(ix);
	size_t count = 0;

	for (size_t i = 0; i < ix->lost_room; i++) {
		const struct lost *l = &ix->lost[i];

		if (l->version > middle)
			kept[count++] = *l;
		else if (l->version != 0)
			forget(ix, l);
	}
	memset(ix->lost, 0, ix->lost_room * sizeof *ix->lost);
	lost_put_all(ix, kept, count);
	ix->lost_count = count;
	free(kept);
}

static uint64_t
pair_name(const struct index *ix, uint64_t bucket, uint32_t tag)
{
	uint64_t other = other_bucket(ix, bucket, tag);

	return bucket < other ? bucket : other;
}

static void
lose(struct index *ix, struct seat s)
{
	uint32_t tag = word_at(ix, s) & TAG_MASK;
	struct lost *l, is = { .pair = pair_name(ix, s.bucket, tag),
		.version = version_at(ix, s),
		.tag = tag,
		.dead = (word_at(ix, s) & DEAD_BIT) != 0 };

	if (ix->lost_count * 2 >= ix->lost_room && !lost_grow(ix) && ix->lost_room != 0)
		lost_halve(ix);
	if (ix->lost_room == 0) {
		forget(ix, &is);
		return;
	}
	l = lost_seat(ix, is.pair, tag);
	if (l->version == 0)
		ix->lost_count++;
	if (is.version > l->version)
		*l = is;
}

static void
lost_is_old(struct index *ix, uint64_t bucket, uint32_t tag)
{
	struct lost *l = ix->lost_room == 0 ? NULL : lost_seat(ix, pair_name(ix, bucket, tag), tag);

	if (l != NULL && l->version != 0)
		l->dead = true;
}

static bool
is_lost(const struct index *ix, uint64_t bucket, uint32_t tag, uint64_t version)
{
	return ix->lost_room != 0 && lost_seat(ix, pair_name(ix, bucket, tag), tag)->version >= version;
}

/* One thread runs here, but moving entries takes locks, and so do we. */
void
index_rebuild_offer(struct index *ix, uint64_t hash, uint64_t version, bool dead, const struct entry *e)
{
	struct place nowhere = { 0 };
	uint64_t word;
	struct pair p;
	struct seat s;
	bool takes = true;

	pair_lock(&p, ix, hash);
	word = dead ? pack(p.tag, &nowhere) | DEAD_BIT : pack(p.tag, &e->place);
	if (pair_find(&p, &s)) {
		uint64_t is = version_at(ix, s);

		takes = version > is || (version == is && (dead || (word_at(ix, s) & DEAD_BIT) == 0));
	} else if (is_lost(ix, p.first, p.tag, version)) {
		takes = false;
	} else if (version <= ix->forgotten) {
		/* It may be older than one of those. */
		forget(ix, &(struct lost){ .version = version, .dead = dead });
		takes = false;
	} else {
		lost_is_old(ix, p.first, p.tag);
		if (pair_seat_for(&p, &s) == SEAT_TAKEN)
			lose(ix, s);
		else
			atomic_fetch_add_explicit(&ix->entries, 1, memory_order_relaxed);
	}
	if (takes) {
		set_at(ix, s, word, dead ? 0 : e->exptime);
		set_version(ix, s, version);
	}
	pair_unlock(&p);
}

void
index_rebuild_expect(const struct index *ix, uint64_t hash)
{
	uint64_t first = first_bucket(ix, hash), other = other_bucket(ix, first, tag_of(hash));

	__builtin_prefetch(&ix->buckets[first], 1);
	__builtin_prefetch(&ix->buckets[other], 1);
	/* They may lie in two lines of the cache. */
	__builtin_prefetch(ix->versions[first * INDEX_SLOTS], 1);
	__builtin_prefetch(ix->versions[(first + 1) * INDEX_SLOTS - 1] + VERSION_BYTES - 1, 1);
	__builtin_prefetch(ix->versions[other * INDEX_SLOTS], 1);
	__builtin_prefetch(ix->versions[(other + 1) * INDEX_SLOTS - 1] + VERSION_BYTES - 1, 1);
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
index_rebuild_discard(struct index *ix, uint64_t below)
{
	for (uint64_t n = 0; n < ix->count * INDEX_SLOTS; n++) {
		struct seat s = { n / INDEX_SLOTS, n % INDEX_SLOTS };

		if (word_at(ix, s) != 0 && version_at(ix, s) < below)
			set_at(ix, s, word_at(ix, s) | DEAD_BIT, 0);
	}
	for (size_t i = 0; i < ix->lost_room; i++)
		ix->lost[i].dead |= ix->lost[i].version < below;
}

void
index_rebuild_end(struct index *ix)
{
	for (uint64_t n = 0; n < ix->count * INDEX_SLOTS; n++) {
		struct seat s = { n / INDEX_SLOTS, n % INDEX_SLOTS };

		if (word_at(ix, s) & DEAD_BIT)
			clear(ix, s);
	}
	index_rebuild_over(ix);
}

uint64_t
index_rebuild_forgotten(const struct index *ix)
{
	return ix->forgotten_alive;
}

static int
newest_first(const void *a, const void *b)
{
	const struct lost *la = a, *lb = b;

	return la->version > lb->version ? -1 : la->version < lb->version;
}

void
index_rebuild_lost(struct index *ix, index_lost_f *lost, void *arg)
{
	size_t count = 0;

	for (size_t i = 0; i < ix->lost_room; i++)
		if (ix->lost[i].version != 0 && !ix->lost[i].dead)
			ix->lost[count++] = ix->lost[i];
	if (count > 1)
		qsort(ix->lost, count, sizeof *ix->lost, newest_first);
	for (size_t i = 0; i < count; i++)
		lost(arg, hash_for(ix, ix->lost[i].pair, ix->lost[i].tag), ix->lost[i].version);
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
