/* Where records lie: see log.h. */
#include "log.h"

#include <sched.h>
#include <string.h>

#include "rend/worker.h"

/* Segments for each worker that has open ones of its own, and for lanes, at least. */
#define WRITER_SEGMENTS 128

#define RESERVE		2

/* Of the segments, so many should be free. */
#define FREE_PART 200

/* The small queue has its share of the bytes: one in so many. */
#define SMALL_PART 10

/* One is worth choosing for what is gone of it when that is one in so many bytes, though nothing may be evicted. */
#define GONE_PART	64
#define GONE_LOOKS	64
#define GONE_LOOKS_MOST 4096

/* Large values make a segment full when they are this part of the limit. */
#define WEIGHT_PART 16

static void
set_free(struct log *l, uint32_t s)
{
	l->segments[s].state = SEGMENT_FREE;
	segments_append(&l->free, l->segments, s);
}

static void
add_bytes(struct log *l, unsigned queue, uint64_t bytes)
{
	__atomic_add_fetch(&l->bytes[queue], bytes, __ATOMIC_RELAXED);
}

void
log_clear(struct log *l)
{
	uint64_t flushed = l->full.flushed;

	memset(l->open, 0xff, sizeof l->open);
	memset(l->bytes, 0, sizeof l->bytes);
	segments_init(&l->free);
	segments_init(&l->empty);
	segments_init(&l->limbo);
	full_init(&l->full, l->arena, l->grace, l->segments);
	l->full.flushed = flushed;
}

static void
begin(struct log *l, struct arena *a, struct grace *g, unsigned workers)
{
	unsigned writers = a->segments / WRITER_SEGMENTS;

	memset(l, 0, sizeof *l);
	l->arena = a;
	l->grace = g;
	l->segments = (struct segment *)(void *)(a->base + a->table_at);
	l->one_lane = writers == 0;
	l->writers = writers == 0 ? 1 : writers < workers ? writers : workers;
	if (l->writers > LOG_WRITERS_MAX)
		l->writers = LOG_WRITERS_MAX;
	l->reserve = RESERVE;
	l->least = RESERVE + l->writers;
	l->target = RESERVE + 2 + l->writers;
	if (l->target < a->segments / FREE_PART)
		l->target = a->segments / FREE_PART;
	l->weight_max = a->limit / WEIGHT_PART;
	pthread_mutex_init(&l->lock, NULL);
	log_clear(l);
}

int
log_init(struct log *l, struct arena *a, struct grace *g, unsigned workers)
{
	begin(l, a, g, workers);
	for (uint32_t s = 0; s < a->segments; s++) {
		if (s >= l->reserve)
			segments_append(&l->empty, l->segments, s);
		else if (budget_take(a->budget, arena_segment_size(a)))
			set_free(l, s);
		else
			return -1;
	}
	return 0;
}

void
log_inherit(struct log *l, struct arena *a, struct grace *g, unsigned workers, uint64_t opened)
{
	begin(l, a, g, workers);
	l->opened = opened;
	log_sort(l);
}

uint64_t
log_bytes(const struct log *l)
{
	uint64_t bytes = 0;

	for (uint32_t s = 0; s < l->arena->segments; s++)
		if (l->segments[s].state != SEGMENT_VOID)
			bytes += arena_segment_size(l->arena);
	return bytes;
}

void
log_fini(struct log *l)
{
	pthread_mutex_destroy(&l->lock);
}

/* ---- writing ---- */

struct log_place
log_place(const struct log *l, unsigned queue, int64_t exptime)
{
	return (struct log_place){ .queue = queue, .lane = l->one_lane ? 0 : lives_lane(exptime, rend_wall()) };
}

/* Who reserved beyond the end first closes it.  Under the lock. */
static void
close_at(struct log *l, uint32_t s, uint32_t end)
{
	struct segment *seg = &l->segments[s];

	seg->end = end;
	/* Whoever reserved room before this has said an earlier epoch. */
	seg->epoch = grace_mark(l->grace);
	full_add(&l->full, s, rend_wall());
}

static uint32_t
take_segment(struct log *l, bool cleaner)
{
	if (l->free.count > l->reserve)
		return segments_take(&l->free, l->segments);
	if (l->empty.first != LOG_NONE && arena_take(l->arena, arena_segment_size(l->arena)))
		return segments_take(&l->empty, l->segments);
	return cleaner ? segments_take(&l->free, l->segments) : LOG_NONE;
}

/* Opens a segment where there is none.  false: none is to be had. */
static bool
open_one(struct log *l, uint32_t *open, struct log_place place, bool cleaner)
{
	bool opened = true;

	pthread_mutex_lock(&l->lock);
	if (*open == LOG_NONE) {
		uint32_t s = take_segment(l, cleaner);

		opened = s != LOG_NONE;
		if (opened) {
			struct segment *seg = &l->segments[s];

			*seg = (struct segment){
				.state = SEGMENT_OPEN,
				.queue = (uint8_t)place.queue,
				.lane = (uint8_t)place.lane,
				.opened = l->opened++,
			};
			lives_begin(&seg->lives, rend_wall());
			if (l->full.touched <= s)
				l->full.touched = s + 1;
			add_bytes(l, place.queue, arena_segment_size(l->arena));
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
	uint32_t at = __atomic_load_n(&seg->fill, __ATOMIC_RELAXED);

	if (at > arena_segment_size(l->arena)) {
		/* Somebody is about to close it.  Were more added meanwhile, it would come around. */
		sched_yield();
		return 0;
	}
	at = __atomic_fetch_add(&seg->fill, (uint32_t)size, __ATOMIC_RELAXED);
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
log_alloc(struct log *l, unsigned worker, struct log_place place, size_t size, bool cleaner)
{
	uint32_t *open = &l->open[place.queue][place.lane][worker % l->writers];

	for (;;) {
		uint32_t s = __atomic_load_n(open, __ATOMIC_ACQUIRE);
		uint64_t location;

		if (s == LOG_NONE) {
			if (!open_one(l, open, place, cleaner))
				return 0;
			continue;
		}
		location = reserve(l, open, s, size);
		if (location != 0)
			return location;
	}
}

static void
close_open(struct log *l, uint32_t *open, uint32_t s)
{
	reserve(l, open, s, arena_segment_size(l->arena) + ARENA_UNIT);
}

typedef bool segment_f(struct log *l, uint32_t s, int64_t wall);

/* Closes those of a queue that are() so. */
static void
close_those(struct log *l, unsigned queue, segment_f *are, int64_t wall)
{
	for (unsigned lane = 0; lane < LIVES_LANES; lane++)
		for (unsigned writer = 0; writer < l->writers; writer++) {
			uint32_t *open = &l->open[queue][lane][writer], s = __atomic_load_n(open, __ATOMIC_ACQUIRE);

			if (s != LOG_NONE && are(l, s, wall))
				close_open(l, open, s);
		}
}

static bool
any(struct log *l, uint32_t s, int64_t wall)
{
	(void)l;
	(void)s;
	(void)wall;
	return true;
}

void
log_close(struct log *l)
{
	for (unsigned q = 0; q < LOG_QUEUES; q++)
		close_those(l, q, any, 0);
}

/* All that is in it, or as much as if it were full. */
static bool
is_worth_closing(struct log *l, uint32_t s, int64_t wall)
{
	const struct segment *seg = &l->segments[s];
	uint32_t fill = __atomic_load_n(&seg->fill, __ATOMIC_RELAXED), gone = full_gone(&l->full, seg, fill, wall);

	return gone > 0 && (gone >= fill || gone >= arena_segment_size(l->arena) / FULL_RANKS);
}

void
log_close_worth(struct log *l)
{
	for (unsigned q = 0; q < LOG_QUEUES; q++)
		close_those(l, q, is_worth_closing, rend_wall());
}

void
log_dead(struct log *l, uint64_t location, size_t size)
{
	uint32_t s = arena_segment(l->arena, location);
	struct segment *seg = &l->segments[s];
	uint32_t dead = __atomic_fetch_add(&seg->dead, (uint32_t)size, __ATOMIC_RELEASE);

	if (!full_is_passed(&l->full, seg, dead, (uint32_t)size))
		return;
	/* Whoever closes it just now comes after this, and sees it. */
	pthread_mutex_lock(&l->lock);
	full_rank(&l->full, s, rend_wall());
	pthread_mutex_unlock(&l->lock);
}

void
log_expires(struct log *l, uint64_t location, size_t size, uint32_t exptime)
{
	struct segment *seg = &l->segments[arena_segment(l->arena, location)];

	lives_add(&seg->lives, seg->lane, exptime, (uint32_t)size);
}

void
log_expires_not(struct log *l, uint64_t location, size_t size, uint32_t exptime)
{
	struct segment *seg = &l->segments[arena_segment(l->arena, location)];

	lives_remove(&seg->lives, seg->lane, exptime, (uint32_t)size);
}

void
log_gone(struct log *l, uint64_t location, size_t size, uint32_t exptime)
{
	log_expires_not(l, location, size, exptime);
	log_dead(l, location, size);
}

static bool
is_full_of_large(struct log *l, uint32_t s, int64_t wall)
{
	(void)wall;
	return __atomic_load_n(&l->segments[s].weight, __ATOMIC_RELAXED) >= l->weight_max;
}

void
log_weigh(struct log *l, uint64_t location, int64_t bytes)
{
	struct segment *seg = &l->segments[arena_segment(l->arena, location)];
	uint64_t weight = __atomic_add_fetch(&seg->weight, (uint64_t)bytes, __ATOMIC_RELAXED);

	add_bytes(l, seg->queue, (uint64_t)bytes);
	if (bytes > 0 && weight >= l->weight_max)
		close_those(l, seg->queue, is_full_of_large, 0);
}

/* ---- cleaning ---- */

void
log_flushed(struct log *l)
{
	pthread_mutex_lock(&l->lock);
	full_flushed(&l->full, l->opened);
	pthread_mutex_unlock(&l->lock);
}

static uint64_t
free_bytes(const struct log *l)
{
	uint64_t used = budget_used(l->arena->budget) - pages_spare(l->arena->pages), limit = l->arena->limit;

	return used < limit ? limit - used : 0;
}

uint64_t
log_spare_room(const struct log *l)
{
	uint32_t free = segments_count(&l->free), missing = free < l->least ? l->least - free : 0;
	uint64_t bytes = free_bytes(l), keeps = (uint64_t)missing << l->arena->segment_shift;

	return bytes > keeps ? bytes - keeps : 0;
}

uint32_t
log_room(const struct log *l)
{
	uint64_t more = free_bytes(l) >> l->arena->segment_shift;
	uint32_t empty = segments_count(&l->empty);

	return segments_count(&l->free) + (more < empty ? (uint32_t)more : empty);
}

void
log_reclaim(struct log *l)
{
	if (segments_count(&l->limbo) == 0)
		return;
	pthread_mutex_lock(&l->lock);
	while (l->limbo.first != LOG_NONE && grace_over(l->grace, l->segments[l->limbo.first].epoch))
		set_free(l, segments_take(&l->limbo, l->segments));
	pthread_mutex_unlock(&l->lock);
}

static uint32_t
oldest(struct log *l)
{
	uint64_t small = __atomic_load_n(&l->bytes[LOG_SMALL], __ATOMIC_RELAXED);
	uint64_t all = small + __atomic_load_n(&l->bytes[LOG_MAIN], __ATOMIC_RELAXED);
	unsigned queue = small > all / SMALL_PART ? LOG_SMALL : LOG_MAIN;
	uint32_t s = full_oldest(&l->full, queue);

	return s != LOG_NONE ? s : full_oldest(&l->full, !queue);
}

uint32_t
log_victim(struct log *l, enum log_want want)
{
	int64_t wall = rend_wall();
	uint32_t s;

	pthread_mutex_lock(&l->lock);
	if (want == LOG_OLDEST)
		s = oldest(l);
	else
		s = full_worth(&l->full, wall);
	if (s == LOG_NONE && want >= LOG_GONE)
		s = full_deadest(&l->full, wall, (uint32_t)arena_segment_size(l->arena) / GONE_PART,
		    want == LOG_GONE ? GONE_LOOKS : GONE_LOOKS_MOST);
	if (s != LOG_NONE) {
		full_take(&l->full, s);
		l->segments[s].state = SEGMENT_VICTIM;
		l->segments[s].evicting = want == LOG_OLDEST;
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
	segments_append(&l->limbo, l->segments, s);
	pthread_mutex_unlock(&l->lock);
}

void
log_spare(struct log *l, uint32_t s, uint32_t cleaned, bool first)
{
	l->segments[s].cleaned = cleaned;
	pthread_mutex_lock(&l->lock);
	if (first)
		full_return(&l->full, s, rend_wall());
	else
		full_add(&l->full, s, rend_wall());
	pthread_mutex_unlock(&l->lock);
}

bool
log_is_heavy(const struct log *l, uint32_t s)
{
	return __atomic_load_n(&l->segments[s].weight, __ATOMIC_RELAXED) > arena_segment_size(l->arena);
}

bool
log_give_back(struct log *l, uint32_t keep)
{
	uint32_t s = LOG_NONE;

	pthread_mutex_lock(&l->lock);
	if (l->free.count > keep)
		s = segments_take(&l->free, l->segments);
	pthread_mutex_unlock(&l->lock);
	if (s == LOG_NONE)
		return false;
	arena_forget(l->arena, s);
	pthread_mutex_lock(&l->lock);
	l->segments[s].state = SEGMENT_VOID;
	segments_append(&l->empty, l->segments, s);
	pthread_mutex_unlock(&l->lock);
	budget_give(l->arena->budget, arena_segment_size(l->arena));
	return true;
}
