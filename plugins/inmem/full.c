/* The segments that are full: see full.h. */
#include "full.h"

#include <string.h>

/* Segments looked at again in one go when a second is over. */
#define LOOKS 4096

/* Segments passed over because they may not be cleaned yet. */
#define PASSES 64

void
full_init(struct full *f, const struct arena *a, struct grace *g, struct segment *table)
{
	memset(f, 0, sizeof *f);
	f->arena = a;
	f->grace = g;
	f->table = table;
	for (unsigned q = 0; q < LOG_QUEUES; q++)
		for (unsigned lane = 0; lane < LIVES_LANES; lane++)
			segments_init(&f->fresh[q][lane]);
	for (unsigned rank = 0; rank < FULL_RANKS; rank++)
		segments_init(&f->worth[rank]);
}

static uint32_t
fifth(const struct full *f)
{
	return (uint32_t)(arena_segment_size(f->arena) / FULL_RANKS);
}

static uint32_t
expired_of(const struct segment *seg, uint32_t end, int64_t wall)
{
	uint32_t expired = lives_expired(&seg->lives, seg->lane, wall);

	return expired < end ? expired : end;
}

uint32_t
full_gone(const struct full *f, const struct segment *seg, uint32_t end, int64_t wall)
{
	uint32_t gone = expired_of(seg, end, wall) + __atomic_load_n(&seg->dead, __ATOMIC_RELAXED);

	return seg->opened < __atomic_load_n(&f->flushed, __ATOMIC_RELAXED) || gone > end ? end : gone;
}

/* One that large values have closed early is measured by what it has; of one that is being evicted all is, and not because of what is gone. */
static unsigned
rank_of(const struct full *f, struct segment *seg, int64_t wall)
{
	uint32_t gone = full_gone(f, seg, seg->end, wall), part = fifth(f);

	__atomic_store_n(&seg->expired, expired_of(seg, seg->end, wall), __ATOMIC_RELAXED);
	if (seg->evicting && gone < seg->end)
		return 0;
	if (seg->end < FULL_RANKS / 2 * part)
		part = seg->end / FULL_RANKS + 1;
	return gone / part < FULL_RANKS ? gone / part : FULL_RANKS - 1;
}

/*
 * What had expired and is dead by now counts twice here: so this comes too early, but never too late, and then it is counted anew.
 */
bool
full_is_passed(const struct full *f, const struct segment *seg, uint32_t dead, uint32_t more)
{
	uint32_t gone = dead + __atomic_load_n(&seg->expired, __ATOMIC_RELAXED);

	return (gone + more) / fifth(f) != gone / fifth(f);
}

static struct segments *
list_of(struct full *f, const struct segment *seg)
{
	return seg->rank == 0 ? &f->fresh[seg->queue][seg->lane] : &f->worth[seg->rank];
}

static void
count(struct full *f, const struct segment *seg, uint32_t n)
{
	__atomic_store_n(&f->count, f->count + n, __ATOMIC_RELAXED);
	if (seg->rank != 0)
		__atomic_store_n(&f->worthy, f->worthy + n, __ATOMIC_RELAXED);
}

static struct segment *
enter(struct full *f, uint32_t s, int64_t wall)
{
	struct segment *seg = &f->table[s];

	seg->state = SEGMENT_FULL;
	seg->rank = (uint8_t)rank_of(f, seg, wall);
	count(f, seg, 1);
	return seg;
}

void
full_add(struct full *f, uint32_t s, int64_t wall)
{
	segments_append(list_of(f, enter(f, s, wall)), f->table, s);
}

void
full_return(struct full *f, uint32_t s, int64_t wall)
{
	segments_prepend(list_of(f, enter(f, s, wall)), f->table, s);
}

void
full_take(struct full *f, uint32_t s)
{
	struct segment *seg = &f->table[s];

	segments_remove(list_of(f, seg), f->table, s);
	count(f, seg, (uint32_t)-1);
}

void
full_rank(struct full *f, uint32_t s, int64_t wall)
{
	struct segment *seg = &f->table[s];

	/* It does not come back: what is gone stays so, but for what is touched in its last moment. */
	if (seg->state == SEGMENT_FULL && rank_of(f, seg, wall) > seg->rank) {
		full_take(f, s);
		full_add(f, s, wall);
	}
}

void
full_flushed(struct full *f, uint64_t opened)
{
	__atomic_store_n(&f->flushed, opened, __ATOMIC_RELAXED);
	f->left = 0;
	__atomic_store_n(&f->looked, INT64_MIN, __ATOMIC_RELAXED);
}

/* Time has passed: some of what they have has expired.  More than a few are not looked at in one go. */
static void
look_again(struct full *f, int64_t wall)
{
	if (f->left == 0 && f->looked != wall) {
		f->looking = wall;
		f->left = f->touched;
	}
	for (unsigned i = 0; i < LOOKS && f->left > 0; i++, f->left--) {
		f->turn = (f->turn + 1) % f->touched;
		full_rank(f, f->turn, wall);
	}
	if (f->left == 0)
		__atomic_store_n(&f->looked, f->looking, __ATOMIC_RELAXED);
}

static bool
is_ready(const struct full *f, uint32_t s)
{
	return grace_over(f->grace, f->table[s].epoch);
}

uint32_t
full_worth(struct full *f, int64_t wall)
{
	unsigned passes = PASSES;

	look_again(f, wall);
	for (unsigned rank = FULL_RANKS - 1; rank > 0; rank--)
		for (uint32_t s = f->worth[rank].first; s != SEGMENT_NONE && passes > 0; s = f->table[s].next, passes--)
			if (is_ready(f, s))
				return s;
	return SEGMENT_NONE;
}

uint32_t
full_deadest(struct full *f, int64_t wall, uint32_t least, unsigned looks)
{
	uint32_t best = SEGMENT_NONE;

	for (uint32_t i = 0; i < looks && i < f->touched; i++) {
		uint32_t s = f->hand, gone;

		f->hand = (f->hand + 1) % f->touched;
		if (f->table[s].state != SEGMENT_FULL || !is_ready(f, s))
			continue;
		gone = full_gone(f, &f->table[s], f->table[s].end, wall);
		if (gone >= least) {
			least = gone + 1;
			best = s;
		}
	}
	return best;
}

uint32_t
full_oldest(const struct full *f, unsigned queue)
{
	uint32_t oldest = SEGMENT_NONE;

	for (unsigned lane = 0; lane < LIVES_LANES; lane++) {
		uint32_t s = f->fresh[queue][lane].first;

		if (s != SEGMENT_NONE && is_ready(f, s) &&
		    (oldest == SEGMENT_NONE || f->table[s].opened < f->table[oldest].opened))
			oldest = s;
	}
	return oldest;
}
