/* Growth of the index: see growth.h. */
#include "growth.h"

#include <string.h>

/* A bucket of one page whose entries are sorted into the other; one of them is the last of its set. */
struct sorting {
	struct bucket *page, *home; /* from here */
	struct home there;	    /* to here */
	unsigned number;	    /* of the bucket in its page */
	unsigned pages, to;	    /* with so many pages in the set, what belongs into this one moves */
	uint64_t (*stray)[INDEX_BUCKETS / 64];
	bool failed; /* one has found no place there */
	growth_dropped_f *dropped;
	void *arg;
};

static bool
moves(const struct sorting *s, uint64_t entry)
{
	return index_page_of(s->pages, (uint32_t)(entry >> ENTRY_TAG_SHIFT) << INDEX_TAG_SHIFT) == s->to;
}

static void
copy(struct sorting *s, uint64_t *slot, uint64_t entry)
{
	entry &= ~ENTRY_WHERE;
	if (index_place(&s->there, &entry) == NULL)
		s->failed = true;
}

/* Is there a copy of this entry in the other page?  It is what was found there, then. */
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
note_strays(struct index *ix, const struct bucket *page)
{
	if (ix->noted == page)
		return;
	ix->noted = page;
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

/* An entry goes from where it was, and if it has found no place in the other page it is gone. */
static void
clear(struct sorting *s, uint64_t *slot, uint64_t entry)
{
	__atomic_store_n(slot, 0, __ATOMIC_RELEASE);
	if ((entry & ENTRY_WHERE) != 0)
		bucket_back(s->home);
	if (!look_there(s, entry))
		s->dropped(s->arg, entry);
}

/*
 * Sorts one bucket: out of an older page of its set into the last one, or back.  Its mark, which is in the older page, says where its entries are.
 * false: there was no place for one that may not be dropped, and everything is where it was.
 */
static bool
sort_bucket(struct sorting *s, struct index *ix, uint64_t turn, bool back)
{
	uint64_t grown = ix->grown;
	uint32_t set = (uint32_t)grown, pages = index_pages(grown), level = (uint32_t)(turn / INDEX_BUCKETS);
	struct bucket *older = arena_page(ix->arena, set, level), *last = arena_page(ix->arena, set, pages);
	struct bucket *to = back ? older : last;

	s->number = (unsigned)(turn % INDEX_BUCKETS);
	s->page = back ? last : older;
	s->home = &s->page[s->number];
	s->there = (struct home){ .index = ix, .page = to, .bucket = &to[s->number] };
	s->pages = back ? pages : pages + 1;
	s->to = back ? level : pages;
	s->stray = ix->stray;
	s->failed = false;
	index_use(ix, older);
	index_use(ix, last);
	/* Of the last page, which is gone through once for each older one: what is noted is a hint, and others have come since. */
	if (back && s->number == INDEX_BUCKETS - 1)
		ix->noted = NULL;
	note_strays(ix, s->page);
	/* Nobody else ever waits for a second lock, so this waits for nobody who waits. */
	bucket_lock(&older[s->number]);
	bucket_lock(&last[s->number]);
	all_that_move(s, copy);
	if (s->failed && s->dropped == NULL) {
		all_that_move(s, take_back);
	} else {
		s->failed = false;
		/* Before the mark goes: who was at the older page before the copies, and finds it without its mark, has to look again. */
		if (back)
			__atomic_store_n(&ix->grown, grown + INDEX_BACK, __ATOMIC_RELEASE);
		__atomic_store_n(&older[s->number].pages, (uint8_t)(back ? pages : pages + 1), __ATOMIC_RELEASE);
		all_that_move(s, clear);
	}
	bucket_unlock(&last[s->number]);
	bucket_unlock(&older[s->number]);
	return !s->failed;
}

/* ---- when ---- */

/* Parts of the slots that are in use: it grows, goes on shrinking, and may begin to, when they would be in as many that are left. */
#define PARTS	    32
#define FULL_PARTS  25
#define LESS_PARTS  22
#define BEGIN_PARTS 20

/* And it begins where no more than so many of a hundred are in use. */
#define EMPTY_PERCENT 45

/* Looks until another page is emptied when one could not be: so many, and twice as many after each further one, up to so many times. */
#define WAIT_LOOKS   16
#define WAIT_DOUBLES 6

/* A page that could not be emptied is filled again without dropping anything, unless that fails so often. */
#define TRIES 64

/* Pages that are forgotten in one go. */
#define FORGET_MOST 4

static uint64_t
slots_with(const struct index *ix, uint64_t pages)
{
	return pages * ix->arena->sets * INDEX_BUCKETS * INDEX_SLOTS;
}

/* With so many pages in all sets: are they so few that all could do with one less, and would not soon need it again? */
static bool
is_wasteful(const struct index *ix, uint64_t pages, uint64_t items)
{
	return pages > 1 && items < slots_with(ix, pages) / 100 * EMPTY_PERCENT &&
	       items < slots_with(ix, pages - 1) / PARTS * BEGIN_PARTS;
}

enum growth_need
growth_need(const struct index *ix, uint64_t items)
{
	uint64_t grown = __atomic_load_n(&ix->grown, __ATOMIC_ACQUIRE), slots = slots_with(ix, index_pages(grown));
	bool half = (uint32_t)grown != 0;

	if (items >= slots / PARTS * FULL_PARTS)
		return index_pages(grown) == ARENA_PAGES_MAX ? GROWTH_NONE : GROWTH_MORE;
	if (half && __atomic_load_n(&ix->shrinks, __ATOMIC_RELAXED))
		return items < slots / PARTS * LESS_PARTS ? GROWTH_LESS : GROWTH_NONE;
	if (is_wasteful(ix, index_pages(grown) + half, items))
		return GROWTH_LESS;
	return half ? GROWTH_MORE : GROWTH_NONE;
}

bool
growth_is_half_way(const struct index *ix)
{
	return (uint32_t)__atomic_load_n(&ix->grown, __ATOMIC_RELAXED) != 0 &&
	       !__atomic_load_n(&ix->shrinks, __ATOMIC_RELAXED);
}

/* A page has room for 78 % of its slots, which is 5.4 for each bucket. */
#define PACE_LEAST 4
#define PACE_PAGES 5

unsigned
growth_pace(const struct index *ix)
{
	unsigned pace = index_pages(__atomic_load_n(&ix->grown, __ATOMIC_RELAXED)) / PACE_PAGES + 1;

	return pace > PACE_LEAST ? pace : PACE_LEAST;
}

/* ---- one set ---- */

static void
set_turn(struct index *ix, uint64_t turn)
{
	__atomic_store_n(&ix->growing, turn, __ATOMIC_RELAXED);
}

static uint64_t
turns(const struct index *ix)
{
	return (uint64_t)index_pages(ix->grown) * INDEX_BUCKETS;
}

bool
growth_costs(const struct index *ix)
{
	return index_pages_in_use(ix) >= __atomic_load_n(&ix->paid, __ATOMIC_RELAXED);
}

bool
growth_begin(struct index *ix, bool paid)
{
	uint64_t page;
	bool begins;

	if (pthread_mutex_trylock(&ix->grow_lock) != 0)
		return false;
	begins = !growth_runs(ix) && index_pages(ix->grown) < ARENA_PAGES_MAX && (paid || !growth_costs(ix));
	if (begins) {
		page = index_pages_in_use(ix);
		__atomic_store_n(&ix->shrinks, false, __ATOMIC_RELAXED);
		ix->gives = false;
		ix->noted = NULL;
		set_turn(ix, 0);
		/* One that waits has been paid for, and waits no more: it is given up anew, if it is. */
		if (page >= ix->paid)
			__atomic_store_n(&ix->paid, page + 1, __ATOMIC_RELAXED);
		else if (paid)
			budget_give(ix->arena->budget, ARENA_PAGE);
		if (ix->waiting != 0 && ix->waiting <= page)
			ix->waiting = page + 1 < ix->paid ? page + 1 : 0;
	}
	pthread_mutex_unlock(&ix->grow_lock);
	return begins;
}

/* The set is complete: from now on all begin with its new number of pages. */
static void
filled(struct index *ix)
{
	uint64_t grown = ix->grown + 1;

	if ((uint32_t)grown == ix->arena->sets)
		grown += (1ULL << 32) - ix->arena->sets;
	set_turn(ix, INDEX_RESTS);
	__atomic_store_n(&ix->grown, grown, __ATOMIC_RELEASE);
}

/* The page cannot be emptied: what has left it comes back to it. */
static void
turn_round(struct index *ix)
{
	ix->gives = false;
	ix->noted = NULL;
	ix->tries = 0;
	ix->wait = WAIT_LOOKS << ix->vain;
	if (ix->vain < WAIT_DOUBLES)
		ix->vain++;
}

/* false: nothing more can be done now. */
static bool
fill_on(struct sorting *s, struct index *ix)
{
	growth_dropped_f *dropped = s->dropped;
	bool sorted = true;

	/* What is filled again had room for what it held, and nothing is lost for having tried. */
	if (ix->shrinks && ix->tries < TRIES)
		s->dropped = NULL;
	if (ix->growing < turns(ix))
		sorted = sort_bucket(s, ix, ix->growing, false);
	s->dropped = dropped;
	ix->tries = sorted ? 0 : ix->tries + 1;
	if (!sorted)
		return false;
	if (ix->growing + 1 < turns(ix))
		set_turn(ix, ix->growing + 1);
	else
		filled(ix);
	return true;
}

static void
empty_on(struct sorting *s, struct index *ix)
{
	growth_dropped_f *dropped = s->dropped;
	bool sorted;

	s->dropped = NULL;
	sorted = !__atomic_load_n(&ix->crowded, __ATOMIC_RELAXED) && sort_bucket(s, ix, ix->growing - 1, true);
	s->dropped = dropped;
	if (!sorted) {
		turn_round(ix);
		return;
	}
	if (ix->growing > 1) {
		set_turn(ix, ix->growing - 1);
		return;
	}
	ix->vain = 0;
	set_turn(ix, INDEX_RESTS);
}

/* One bucket. */
static bool
go_on(struct sorting *s, struct index *ix)
{
	if (!ix->gives)
		return fill_on(s, ix);
	empty_on(s, ix);
	return true;
}

bool
growth_shrink(struct index *ix)
{
	struct sorting s = { 0 };
	uint64_t grown;
	bool begins;

	if (pthread_mutex_trylock(&ix->grow_lock) != 0)
		return false;
	grown = ix->grown;
	begins = !growth_runs(ix) && index_pages_in_use(ix) > ix->arena->sets;
	if (begins && ix->wait > 0) {
		ix->wait--;
		begins = false;
	}
	if (begins) {
		__atomic_store_n(&ix->shrinks, true, __ATOMIC_RELAXED);
		ix->gives = true;
		ix->noted = NULL;
		__atomic_store_n(&ix->crowded, false, __ATOMIC_RELAXED);
		grown += (uint32_t)grown == 0 ? ix->arena->sets - 1 - (1ULL << 32) : UINT64_MAX;
		set_turn(ix, (uint64_t)index_pages(grown) * INDEX_BUCKETS);
		__atomic_store_n(&ix->grown, grown, __ATOMIC_RELEASE);
		/* The first at once, so that where it rests is always a bucket. */
		if (!go_on(&s, ix) || !ix->gives)
			fill_on(&s, ix);
	}
	pthread_mutex_unlock(&ix->grow_lock);
	return begins;
}

unsigned
growth_step(struct index *ix, unsigned buckets, growth_dropped_f *dropped, void *arg)
{
	struct sorting s = { .dropped = dropped, .arg = arg };

	if (pthread_mutex_trylock(&ix->grow_lock) != 0)
		return 0;
	for (; buckets > 0 && growth_runs(ix); buckets--)
		if (!go_on(&s, ix))
			buckets = 1;
	pthread_mutex_unlock(&ix->grow_lock);
	return buckets;
}

/* ---- the memory ---- */

/* Those from the first that waits on; and some of them, from the end. */
static void
forget_some(struct index *ix)
{
	uint64_t first = ix->waiting, end = ix->paid, from = end - first > FORGET_MOST ? end - FORGET_MOST : first;

	mapping_forget(
	    &ix->arena->pages->map, arena_page(ix->arena, 0, 0) + from * ARENA_PAGE, (end - from) * ARENA_PAGE);
	__atomic_store_n(&ix->paid, from, __ATOMIC_RELAXED);
	budget_give(ix->arena->budget, (end - from) * ARENA_PAGE);
	if (from == first)
		ix->waiting = 0;
}

void
growth_forget(struct index *ix, struct grace *g)
{
	if (__atomic_load_n(&ix->paid, __ATOMIC_RELAXED) == index_pages_in_use(ix) ||
	    pthread_mutex_trylock(&ix->grow_lock) != 0)
		return;
	/* All that has been given up by now waits for this grace; what is given up later, for the next. */
	if (ix->waiting == 0 && index_pages_in_use(ix) < ix->paid) {
		ix->waiting = index_pages_in_use(ix);
		ix->epoch = grace_mark(g);
	} else if (ix->waiting != 0 && grace_over(g, ix->epoch)) {
		forget_some(ix);
	}
	pthread_mutex_unlock(&ix->grow_lock);
}
