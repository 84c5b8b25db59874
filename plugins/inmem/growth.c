/* Growth of the index: see growth.h. */
#include "growth.h"

#include <string.h>

/* A bucket that is being sorted, and the new page. */
struct sorting {
	struct bucket *page, *home;
	struct home there;	/* in the new page */
	unsigned number, pages; /* of the bucket in its page; the set has had so many pages */
	uint64_t (*stray)[INDEX_BUCKETS / 64];
	bool failed; /* one has found no place there */
	growth_dropped_f *dropped;
	void *arg;
};

/* Does this entry of the bucket being sorted belong into the new page? */
static bool
moves(const struct sorting *s, uint64_t entry)
{
	return index_page_of(s->pages + 1, (uint32_t)(entry >> ENTRY_TAG_SHIFT) << INDEX_TAG_SHIFT) == s->pages;
}

static void
copy(struct sorting *s, uint64_t *slot, uint64_t entry)
{
	entry &= ~ENTRY_WHERE;
	if (index_place(&s->there, &entry) == NULL)
		s->failed = true;
}

/* Is there a copy of this entry in the new page?  It is what was found there, then. */
static bool
look_there(struct sorting *s, uint64_t entry)
{
	s->there.hash = (uint32_t)(entry >> ENTRY_TAG_SHIFT) << INDEX_TAG_SHIFT | s->number;
	return index_look_at(&s->there, entry_location(entry));
}

static void
take_back(struct sorting *s, uint64_t *slot, uint64_t entry)
{
	if (look_there(s, entry))
		index_clear(&s->there);
}

/*
 * Where the entries of each home are that are not at home: a bit for each bucket of the page.  It is noted without their locks when the page's
 * turn comes; under the lock of a home its count of them says whether that is still all.
 */
static void
note_strays(struct index *ix, struct bucket *page)
{
	memset(ix->stray, 0, sizeof ix->stray);
	for (unsigned b = 0; b < INDEX_BUCKETS; b++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			uint64_t entry = __atomic_load_n(&page[b].slots[i], __ATOMIC_RELAXED);

			if ((entry & ENTRY_WHERE) != 0)
				ix->stray[index_home_of(b, entry)][b / 64] |= 1ULL << b % 64;
		}
}

typedef void entry_f(struct sorting *s, uint64_t *slot, uint64_t entry);

/* Calls each() for those of a bucket that move.  Returns how many of the home it has. */
static unsigned
those_of(struct sorting *s, unsigned b, entry_f *each)
{
	unsigned found = 0;

	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		uint64_t *slot = &s->page[b].slots[i], entry = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

		if (entry == 0 || index_home_of(b, entry) != s->number)
			continue;
		found++;
		if (moves(s, entry))
			each(s, slot, entry);
	}
	return found;
}

/* Calls each() for all that move: at home, and elsewhere if any are away. */
static void
all_that_move(struct sorting *s, entry_f *each)
{
	const uint64_t *stray = s->stray[s->number];
	unsigned away = s->home->away, found = 0;

	those_of(s, s->number, each);
	for (unsigned word = 0; found < away && word < INDEX_BUCKETS / 64; word++)
		for (uint64_t bits = stray[word]; bits != 0; bits &= bits - 1)
			found += those_of(s, word * 64 + (unsigned)__builtin_ctzll(bits), each);
	for (unsigned b = 0; found < away && b < INDEX_BUCKETS; b++)
		if (b != s->number && (stray[b / 64] >> b % 64 & 1) == 0)
			found += those_of(s, b, each);
}

/* An entry of the old page goes, and if it has found no place in the new one it is gone. */
static void
clear(struct sorting *s, uint64_t *slot, uint64_t entry)
{
	__atomic_store_n(slot, 0, __ATOMIC_RELEASE);
	if ((entry & ENTRY_WHERE) != 0)
		bucket_back(s->home);
	if (!look_there(s, entry))
		s->dropped(s->arg, entry);
}

/* false: there was no place for one that may not be dropped. */
static bool
sort_bucket(struct sorting *s, struct index *ix, uint32_t set, unsigned pages, uint64_t turn)
{
	struct bucket *new_page = arena_page(ix->arena, set, pages);

	s->number = (unsigned)(turn % INDEX_BUCKETS);
	s->pages = pages;
	s->page = arena_page(ix->arena, set, (uint32_t)(turn / INDEX_BUCKETS));
	s->home = &s->page[s->number];
	s->stray = ix->stray;
	s->there = (struct home){ .index = ix, .page = new_page, .bucket = &new_page[s->number] };
	index_use(ix, s->page);
	index_use(ix, new_page);
	if (s->number == 0)
		note_strays(ix, s->page);
	/* Nobody else ever waits for a second lock, so this waits for nobody who waits. */
	bucket_lock(s->home);
	bucket_lock(s->there.bucket);
	s->failed = false;
	all_that_move(s, copy);
	if (s->failed && s->dropped == NULL) {
		all_that_move(s, take_back);
	} else {
		s->failed = false;
		__atomic_store_n(&s->home->pages, (uint8_t)(pages + 1), __ATOMIC_RELEASE);
		all_that_move(s, clear);
	}
	bucket_unlock(s->there.bucket);
	bucket_unlock(s->home);
	return !s->failed;
}

static unsigned
pages_now(const struct index *ix)
{
	return (unsigned)(__atomic_load_n(&ix->grown, __ATOMIC_ACQUIRE) >> 32);
}

/* Parts of the slots that are in use. */
#define FULL_PARTS 25
#define PARTS	   32

bool
growth_is_due(const struct index *ix, uint64_t items)
{
	return items >= (uint64_t)pages_now(ix) * ix->arena->sets * INDEX_BUCKETS * INDEX_SLOTS / PARTS * FULL_PARTS;
}

bool
growth_is_half_way(const struct index *ix)
{
	return (uint32_t)__atomic_load_n(&ix->grown, __ATOMIC_RELAXED) != 0;
}

bool
growth_ends(const struct index *ix)
{
	return pages_now(ix) == ARENA_PAGES_MAX;
}

bool
growth_begin(struct index *ix)
{
	bool begins;

	pthread_mutex_lock(&ix->grow_lock);
	begins = !growth_runs(ix) && !growth_ends(ix);
	if (begins)
		__atomic_store_n(&ix->growing, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&ix->grow_lock);
	return begins;
}

void
growth_step(struct index *ix, unsigned buckets, growth_dropped_f *dropped, void *arg)
{
	struct sorting s = { .dropped = dropped, .arg = arg };
	uint64_t turn, grown;

	if (pthread_mutex_trylock(&ix->grow_lock) != 0)
		return;
	turn = ix->growing;
	grown = ix->grown;
	for (; buckets > 0 && turn != INDEX_RESTS; buckets--) {
		if (!sort_bucket(&s, ix, (uint32_t)grown, (unsigned)(grown >> 32), turn))
			break;
		if (++turn < (grown >> 32) * INDEX_BUCKETS)
			continue;
		/* The set is complete: from now on all begin with its new number of pages. */
		turn = INDEX_RESTS;
		grown++;
		if ((uint32_t)grown == ix->arena->sets)
			grown = ((grown >> 32) + 1) << 32;
		__atomic_store_n(&ix->grown, grown, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&ix->growing, turn, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&ix->grow_lock);
}
