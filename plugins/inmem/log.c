/* Where records lie: see log.h. */
#include "log.h"

#include <string.h>

/* Segments for each lane, at least. */
#define LANE_SEGMENTS 32

#define RESERVE	      2

/* Of the segments, so many should be free. */
#define FREE_PART 200

/* The small queue has its share of the bytes: one in so many. */
#define SMALL_PART 10

/* A segment is compacted when one in so many of its bytes is dead. */
#define DEAD_PART 5

/* Segments looked at for dead bytes, each time. */
#define LOOKS	   32
#define LOOKS_MOST 1024

/* Large values make a segment full when they are this part of the limit. */
#define WEIGHT_PART 16

/* ---- lists ---- */

static void
list_init(struct segments *list)
{
	*list = (struct segments){ .first = LOG_NONE, .last = LOG_NONE };
}

/* Counts are read without the lock. */
static void
set_count(struct segments *list, uint32_t count)
{
	__atomic_store_n(&list->count, count, __ATOMIC_RELAXED);
}

static void
list_append(struct log *l, struct segments *list, uint32_t s)
{
	l->segments[s].prev = list->last;
	l->segments[s].next = LOG_NONE;
	if (list->last == LOG_NONE)
		list->first = s;
	else
		l->segments[list->last].next = s;
	list->last = s;
	set_count(list, list->count + 1);
}

static void
list_remove(struct log *l, struct segments *list, uint32_t s)
{
	uint32_t next = l->segments[s].next, prev = l->segments[s].prev;

	if (prev == LOG_NONE)
		list->first = next;
	else
		l->segments[prev].next = next;
	if (next == LOG_NONE)
		list->last = prev;
	else
		l->segments[next].prev = prev;
	set_count(list, list->count - 1);
}

static uint32_t
list_take(struct log *l, struct segments *list)
{
	uint32_t s = list->first;

	if (s != LOG_NONE)
		list_remove(l, list, s);
	return s;
}

/* ---- */

static void
set_free(struct log *l, uint32_t s)
{
	l->segments[s].state = SEGMENT_FREE;
	list_append(l, &l->free, s);
}

static void
add_bytes(struct log *l, unsigned queue, uint64_t bytes)
{
	__atomic_add_fetch(&l->bytes[queue], bytes, __ATOMIC_RELAXED);
}

int
log_init(struct log *l, struct arena *a, struct grace *g, unsigned workers)
{
	unsigned lanes = a->segments / LANE_SEGMENTS;

	memset(l, 0, sizeof *l);
	l->arena = a;
	l->grace = g;
	l->segments = (struct segment *)(void *)(a->base + a->table_at);
	l->lanes = lanes == 0 ? 1 : lanes < workers ? lanes : workers;
	if (l->lanes > LOG_LANES_MAX)
		l->lanes = LOG_LANES_MAX;
	l->reserve = RESERVE;
	l->target = RESERVE + 2 + l->lanes;
	if (l->target < a->segments / FREE_PART)
		l->target = a->segments / FREE_PART;
	l->weight_max = a->limit / WEIGHT_PART;
	memset(l->open, 0xff, sizeof l->open);
	list_init(&l->free);
	list_init(&l->empty);
	list_init(&l->limbo);
	list_init(&l->full[LOG_SMALL]);
	list_init(&l->full[LOG_MAIN]);
	for (uint32_t s = 0; s < a->segments; s++) {
		if (s >= l->reserve)
			list_append(l, &l->empty, s);
		else if (budget_take(a->budget, arena_segment_size(a)))
			set_free(l, s);
		else
			return -1;
	}
	pthread_mutex_init(&l->lock, NULL);
	return 0;
}

void
log_fini(struct log *l)
{
	for (uint32_t s = 0; s < l->arena->segments; s++)
		if (l->segments[s].state != SEGMENT_VOID)
			budget_give(l->arena->budget, arena_segment_size(l->arena));
	pthread_mutex_destroy(&l->lock);
}

/* ---- writing ---- */

/* Who reserved beyond the end first closes it.  Under the lock. */
static void
close_at(struct log *l, uint32_t s, uint32_t end)
{
	struct segment *seg = &l->segments[s];

	seg->end = end;
	seg->state = SEGMENT_FULL;
	/* Whoever reserved room before this has said an earlier epoch. */
	seg->epoch = grace_mark(l->grace);
	list_append(l, &l->full[seg->queue], s);
}

static uint32_t
take_segment(struct log *l, bool cleaner)
{
	if (l->free.count > l->reserve)
		return list_take(l, &l->free);
	if (l->empty.first != LOG_NONE && budget_take(l->arena->budget, arena_segment_size(l->arena)))
		return list_take(l, &l->empty);
	return cleaner ? list_take(l, &l->free) : LOG_NONE;
}

/* Opens a segment where there is none.  false: none is to be had. */
static bool
open_one(struct log *l, uint32_t *open, unsigned queue, bool cleaner)
{
	bool opened = true;

	pthread_mutex_lock(&l->lock);
	if (*open == LOG_NONE) {
		uint32_t s = take_segment(l, cleaner);

		opened = s != LOG_NONE;
		if (opened) {
			struct segment *seg = &l->segments[s];

			*seg =
			    (struct segment){ .state = SEGMENT_OPEN, .queue = (uint8_t)queue, .opened = l->opened++ };
			if (l->touched <= s)
				l->touched = s + 1;
			add_bytes(l, queue, arena_segment_size(l->arena));
			__atomic_store_n(open, s, __ATOMIC_RELEASE);
		}
	}
	pthread_mutex_unlock(&l->lock);
	return opened;
}

/* Reserves room in an open segment; 0: it is full, and closed. */
static uint64_t
reserve(struct log *l, uint32_t *open, uint32_t s, size_t size)
{
	struct segment *seg = &l->segments[s];
	uint32_t at = __atomic_fetch_add(&seg->fill, (uint32_t)size, __ATOMIC_RELAXED);

	if (at + size <= arena_segment_size(l->arena))
		return arena_segment_start(l->arena, s) + at / ARENA_UNIT;
	if (at <= arena_segment_size(l->arena)) {
		pthread_mutex_lock(&l->lock);
		__atomic_store_n(open, LOG_NONE, __ATOMIC_RELAXED);
		close_at(l, s, at);
		pthread_mutex_unlock(&l->lock);
	}
	return 0;
}

uint64_t
log_alloc(struct log *l, unsigned worker, unsigned queue, size_t size, bool cleaner)
{
	uint32_t *open = &l->open[queue][worker % l->lanes];

	for (;;) {
		uint32_t s = __atomic_load_n(open, __ATOMIC_ACQUIRE);
		uint64_t location;

		if (s == LOG_NONE) {
			if (!open_one(l, open, queue, cleaner))
				return 0;
			continue;
		}
		location = reserve(l, open, s, size);
		if (location != 0)
			return location;
	}
}

void
log_close(struct log *l)
{
	for (unsigned q = 0; q < LOG_QUEUES; q++)
		for (unsigned lane = 0; lane < l->lanes; lane++) {
			uint32_t s = __atomic_load_n(&l->open[q][lane], __ATOMIC_ACQUIRE);

			if (s != LOG_NONE)
				reserve(l, &l->open[q][lane], s, arena_segment_size(l->arena) + ARENA_UNIT);
		}
}

void
log_dead(struct log *l, uint64_t location, size_t size)
{
	__atomic_add_fetch(&l->segments[arena_segment(l->arena, location)].dead, (uint32_t)size, __ATOMIC_RELAXED);
}

void
log_weigh(struct log *l, uint64_t location, int64_t bytes)
{
	uint32_t s = arena_segment(l->arena, location);
	struct segment *seg = &l->segments[s];
	uint64_t weight = __atomic_add_fetch(&seg->weight, (uint64_t)bytes, __ATOMIC_RELAXED);

	add_bytes(l, seg->queue, (uint64_t)bytes);
	if (bytes < 0 || weight < l->weight_max)
		return;
	for (unsigned lane = 0; lane < l->lanes; lane++)
		if (__atomic_load_n(&l->open[seg->queue][lane], __ATOMIC_ACQUIRE) == s)
			reserve(l, &l->open[seg->queue][lane], s, arena_segment_size(l->arena) + ARENA_UNIT);
}

/* ---- cleaning ---- */

void
log_flushed(struct log *l)
{
	pthread_mutex_lock(&l->lock);
	l->flushed = l->opened;
	pthread_mutex_unlock(&l->lock);
}

uint32_t
log_room(const struct log *l)
{
	uint64_t used = budget_used(l->arena->budget), limit = l->arena->limit;
	uint64_t more = used < limit ? (limit - used) >> l->arena->segment_shift : 0;
	uint32_t empty = __atomic_load_n(&l->empty.count, __ATOMIC_RELAXED);

	return __atomic_load_n(&l->free.count, __ATOMIC_RELAXED) + (more < empty ? (uint32_t)more : empty);
}

void
log_reclaim(struct log *l)
{
	if (__atomic_load_n(&l->limbo.count, __ATOMIC_RELAXED) == 0)
		return;
	pthread_mutex_lock(&l->lock);
	while (l->limbo.first != LOG_NONE && grace_over(l->grace, l->segments[l->limbo.first].epoch))
		set_free(l, list_take(l, &l->limbo));
	pthread_mutex_unlock(&l->lock);
}

/* May it be cleaned, and how many of its bytes are dead?  UINT32_MAX: it may not. */
static uint32_t
dead_of(struct log *l, uint32_t s)
{
	struct segment *seg = &l->segments[s];

	if (seg->state != SEGMENT_FULL || !grace_over(l->grace, seg->epoch))
		return UINT32_MAX;
	if (seg->opened < l->flushed)
		return seg->end;
	return __atomic_load_n(&seg->dead, __ATOMIC_RELAXED);
}

/* Of some segments, the one with most dead bytes. */
static uint32_t
deadest(struct log *l, bool any)
{
	uint32_t best = LOG_NONE, most = 0, looks = any ? LOOKS_MOST : LOOKS;

	for (uint32_t i = 0; i < looks && i < l->touched; i++) {
		uint32_t s = l->hand, dead = dead_of(l, s);

		l->hand = (l->hand + 1) % l->touched;
		if (dead == UINT32_MAX || dead <= most || (!any && dead < l->segments[s].end / DEAD_PART))
			continue;
		most = dead;
		best = s;
	}
	return best;
}

static uint32_t
oldest(struct log *l)
{
	uint64_t small = __atomic_load_n(&l->bytes[LOG_SMALL], __ATOMIC_RELAXED);
	uint64_t all = small + __atomic_load_n(&l->bytes[LOG_MAIN], __ATOMIC_RELAXED);
	unsigned queue = small > all / SMALL_PART ? LOG_SMALL : LOG_MAIN;

	for (unsigned i = 0; i < LOG_QUEUES; i++, queue = !queue) {
		uint32_t s = l->full[queue].first;

		if (s != LOG_NONE && grace_over(l->grace, l->segments[s].epoch))
			return s;
	}
	return LOG_NONE;
}

uint32_t
log_victim(struct log *l, enum log_want want, bool *compact)
{
	uint32_t s;

	pthread_mutex_lock(&l->lock);
	s = deadest(l, want == LOG_DEAD_ANY);
	*compact = s != LOG_NONE;
	if (s == LOG_NONE && want == LOG_OLDEST)
		s = oldest(l);
	if (s != LOG_NONE) {
		list_remove(l, &l->full[l->segments[s].queue], s);
		l->segments[s].state = SEGMENT_VICTIM;
	}
	pthread_mutex_unlock(&l->lock);
	return s;
}

void
log_cleaned(struct log *l, uint32_t s)
{
	struct segment *seg = &l->segments[s];

	pthread_mutex_lock(&l->lock);
	add_bytes(l, seg->queue, -(uint64_t)arena_segment_size(l->arena));
	seg->state = SEGMENT_LIMBO;
	seg->epoch = grace_mark(l->grace);
	list_append(l, &l->limbo, s);
	pthread_mutex_unlock(&l->lock);
}

void
log_spare(struct log *l, uint32_t s)
{
	struct segment *seg = &l->segments[s];

	pthread_mutex_lock(&l->lock);
	seg->state = SEGMENT_FULL;
	list_append(l, &l->full[seg->queue], s);
	pthread_mutex_unlock(&l->lock);
}

bool
log_give_back(struct log *l, uint32_t keep)
{
	uint32_t s = LOG_NONE;

	pthread_mutex_lock(&l->lock);
	if (l->free.count > keep)
		s = list_take(l, &l->free);
	pthread_mutex_unlock(&l->lock);
	if (s == LOG_NONE)
		return false;
	arena_forget(l->arena, s);
	pthread_mutex_lock(&l->lock);
	l->segments[s].state = SEGMENT_VOID;
	list_append(l, &l->empty, s);
	pthread_mutex_unlock(&l->lock);
	budget_give(l->arena->budget, arena_segment_size(l->arena));
	return true;
}
