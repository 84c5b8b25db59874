/* Makes room in the log: see cleaner.h. */
#include "cleaner.h"

#include <sched.h>
#include <time.h>

#include "store.h"

/* Records gone through for one store. */
#define PAY_RECORDS 32

/* Records and bytes gone through in one go where there is no room at all. */
#define ROOM_RECORDS 2048
#define ROOM_BYTES   (64 * 1024)

/* So often, until a store is refused; before it evicts what is worth keeping; and where nothing may be evicted. */
#define CLEANS	    64
#define CLEANS_SOFT 8
#define CLEANS_DEAD 3

/* Buckets looked through for what has expired, where nothing may be evicted. */
#define ROOM_BUCKETS 64

/*
 * Waits for others to come to the end of their ops, until a store is refused: so many without letting them run, so many that let them, and then
 * naps, which are over in 5 ms.  Somebody whose turn is interrupted comes to its end in that time.
 */
#define SPINS  4
#define YIELDS 200
#define WAITS  (YIELDS + 50)
#define NAP_NS 100000

/* Once a second. */
#define TICK_RECORDS  4096
#define TICK_BYTES    (1024 * 1024)
#define TICK_SEGMENTS 16

void
cleaner_init(struct cleaner *c)
{
	*c = (struct cleaner){ .segment = LOG_NONE };
}

void
cleaner_fini(struct shelf *sh)
{
	if (sh->cleaner.segment != LOG_NONE)
		log_spare(&sh->store->log, sh->cleaner.segment);
	sh->cleaner.segment = LOG_NONE;
}

/* A record with the bytes of its value, wherever they are. */
static size_t
whole_size(const struct record *r)
{
	const struct large *l = large_of(r);

	return record_footprint(r) + (l == NULL ? 0 : l->cost);
}

/* Copies the record that was found in its home to another segment.  false: there is none. */
static bool
relocate(struct shelf *sh, struct home *h, const struct record *r, unsigned queue, unsigned hits)
{
	struct log *log = &sh->store->log;
	uint64_t to = log_alloc(log, sh->worker, queue, record_footprint(r), true), from;
	struct large *l = large_of(r);

	if (to == 0)
		return false;
	record_copy(arena_at(log->arena, to), r);
	if (l != NULL) {
		log_weigh(log, entry_location(h->entry), -(int64_t)l->cost);
		log_weigh(log, to, (int64_t)l->cost);
	}
	from = entry_location(h->entry);
	index_move(h, to, hits);
	log_dead(log, from, record_footprint(r));
	return true;
}

/* Is what was found in its home worth keeping?  hard: nothing is, but what would free nothing. */
static bool
is_kept(struct shelf *sh, const struct record *r, unsigned hits, bool hard)
{
	const struct large *l = large_of(r);

	if (!sh->store->evict || (l != NULL && !large_alone(l)))
		return true;
	return !hard && (sh->cleaner.compact || rank_keeps(&sh->rank, hits, whole_size(r)));
}

static uint32_t
roll(struct shelf *sh)
{
	sh->dice = sh->dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(sh->dice >> 33);
}

/* Decides about one record, in its locked home.  false: it has to stay where it is. */
static bool
decide(struct shelf *sh, struct home *h, struct record *r, unsigned queue, bool hard, struct gone *gone)
{
	struct store *s = sh->store;
	uint64_t location = entry_location(h->entry);
	unsigned hits = entry_hits(h->entry);

	if (record_gone(r, (uint16_t)__atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE), rend_wall())) {
		index_clear(h);
		store_reclaim(sh, location, gone);
		return true;
	}
	if (is_kept(sh, r, hits, hard)) {
		unsigned to = sh->cleaner.compact ? queue : LOG_MAIN;

		if (relocate(sh, h, r, to, !sh->cleaner.compact && queue == LOG_MAIN ? hits / 2 : hits))
			return true;
		if (!s->evict)
			return false;
	}
	if (queue == LOG_SMALL)
		ghost_put(&s->ghost, r->hash, hits, roll(sh));
	index_clear(h);
	store_evict(sh, location, gone);
	return true;
}

/* The home that the record behind this one will be looked for in. */
static void
warm_next(struct shelf *sh, uint64_t start)
{
	const struct cleaner *c = &sh->cleaner;
	const struct store *s = sh->store;

	if (c->at < s->log.segments[c->segment].end)
		index_warm(&s->index, ((const struct record *)arena_at(&s->arena, start + c->at / ARENA_UNIT))->hash);
}

/* Goes through one record of the victim.  Returns its bytes, 0: it has to stay, and with it the victim. */
static size_t
step(struct shelf *sh, bool hard)
{
	struct store *s = sh->store;
	struct cleaner *c = &sh->cleaner;
	unsigned queue = s->log.segments[c->segment].queue;
	uint64_t start = arena_segment_start(&s->arena, c->segment), location = start + c->at / ARENA_UNIT;
	struct record *r = arena_at(&s->arena, location);
	struct gone gone = { 0 };
	struct home h;
	size_t size = record_footprint(r), met = size;
	bool done = true;

	c->at += (uint32_t)size;
	warm_next(sh, start);
	index_lock(&h, &s->index, r->hash);
	if (index_look_at(&h, location)) {
		met = whole_size(r);
		done = decide(sh, &h, r, queue, hard, &gone);
	}
	index_unlock(&h);
	gone_drop(&gone);
	if (!done)
		c->at -= (uint32_t)size;
	return done ? met : 0;
}

/* Has the victim been gone through?  One in which nothing lives need not be. */
static bool
is_through(const struct shelf *sh)
{
	const struct segment *seg = &sh->store->log.segments[sh->cleaner.segment];

	return sh->cleaner.at >= seg->end || __atomic_load_n(&seg->dead, __ATOMIC_ACQUIRE) >= seg->end;
}

/* Goes through so many bytes, and not more records than that.  Returns how many bytes it met; 0: there is nothing to be cleaned. */
static size_t
clean(struct shelf *sh, size_t bytes, unsigned records, enum log_want want, bool hard)
{
	struct log *log = &sh->store->log;
	struct cleaner *c = &sh->cleaner;
	size_t met = 0, one;

	while (met < bytes && records > 0) {
		if (c->segment == LOG_NONE) {
			c->segment = log_victim(log, want, &c->compact);
			c->at = 0;
			if (c->segment == LOG_NONE)
				break;
		}
		if (is_through(sh)) {
			log_cleaned(log, c->segment);
			c->segment = LOG_NONE;
			met++; /* something has come of it */
			continue;
		}
		one = step(sh, hard);
		if (one == 0) {
			cleaner_fini(sh);
			break;
		}
		met += one;
		records--;
	}
	log_reclaim(log);
	return met;
}

void
cleaner_pay(struct shelf *sh, size_t bytes)
{
	struct store *s = sh->store;

	if (!log_is_low(&s->log))
		return;
	log_reclaim(&s->log);
	clean(sh, bytes, PAY_RECORDS, s->evict ? LOG_OLDEST : LOG_DEAD_MOST, log_room(&s->log) < s->log.reserve);
}

/* What was cleaned is free when the others have come to the end of their ops; this worker has, since it holds on to nothing. */
static void
wait_for_others(struct shelf *sh, unsigned waits)
{
	grace_leave(&sh->store->grace, sh->worker);
	if (waits >= YIELDS)
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	else if (waits >= SPINS)
		sched_yield();
	shelf_enter(sh);
	log_reclaim(&sh->store->log);
}

/* Is something on its way to be free, or can it be brought on it?  With nothing but open segments, those are closed. */
static bool
is_coming(struct shelf *sh)
{
	struct log *log = &sh->store->log;
	bool coming = __atomic_load_n(&log->limbo.count, __ATOMIC_RELAXED) != 0;

	if (!coming && sh->store->evict) {
		coming = __atomic_load_n(&log->full[LOG_SMALL].count, __ATOMIC_RELAXED) != 0 ||
			 __atomic_load_n(&log->full[LOG_MAIN].count, __ATOMIC_RELAXED) != 0;
		if (!coming) {
			log_close(log);
			coming = true;
		}
	}
	return coming;
}

uint64_t
cleaner_room(struct shelf *sh, unsigned queue, size_t size)
{
	struct store *s = sh->store;
	uint64_t location;

	for (unsigned cleans = 0, waits = 0;;) {
		size_t met;

		location = log_alloc(&s->log, sh->worker, queue, size, false);
		if (location != 0)
			return location;
		/* What is on its way to be free comes first: what else is cleaned would only wait behind it. */
		if (__atomic_load_n(&s->log.limbo.count, __ATOMIC_RELAXED) != 0) {
			if (waits++ == WAITS)
				return 0;
			wait_for_others(sh, waits);
			continue;
		}
		if (cleans == (s->evict ? CLEANS : CLEANS_DEAD))
			return 0;
		if (!s->evict)
			store_sweep(sh, ROOM_BUCKETS);
		met = clean(sh, ROOM_BYTES, ROOM_RECORDS, s->evict ? LOG_OLDEST : LOG_DEAD_ANY, cleans >= CLEANS_SOFT);
		if (met == 0 && !is_coming(sh))
			return 0;
		cleans++;
		wait_for_others(sh, 0);
	}
}

bool
cleaner_bytes(struct shelf *sh, size_t bytes)
{
	struct store *s = sh->store;
	size_t met = 0, one;
	unsigned idle = 0;

	while (!budget_take(s->arena.budget, bytes)) {
		if (log_give_back(&s->log, s->log.reserve))
			continue;
		/* As in cleaner_room(). */
		if (__atomic_load_n(&s->log.limbo.count, __ATOMIC_RELAXED) != 0) {
			if (idle++ == WAITS)
				return false;
			wait_for_others(sh, idle);
			continue;
		}
		one = clean(sh, bytes, ROOM_RECORDS, s->evict ? LOG_OLDEST : LOG_DEAD_ANY, met > bytes);
		met += one;
		/* What is held by those who read it frees nothing, however often it is met; nor does what may not be evicted. */
		if (met > (s->evict ? 4 * bytes + TICK_BYTES : bytes + ROOM_BYTES) ||
		    (one == 0 && (!is_coming(sh) || ++idle == WAITS)))
			return false;
		wait_for_others(sh, idle);
	}
	return true;
}

void
cleaner_tick(struct shelf *sh)
{
	struct log *log = &sh->store->log;

	/* What was begun for a store that wanted room goes on with the next one: by itself nothing is evicted. */
	if (sh->cleaner.segment == LOG_NONE || sh->cleaner.compact)
		clean(sh, TICK_BYTES, TICK_RECORDS, LOG_DEAD_MOST, false);
	for (int i = 0; i < TICK_SEGMENTS && log_room(log) > log->target && log_give_back(log, log->reserve); i++)
		;
}
