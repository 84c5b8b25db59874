/* Makes room in the log: see cleaner.h. */
#include "cleaner.h"

#include <sched.h>
#include <time.h>

#include "store.h"
#include "ticking.h"

/*
 * Records gone through for one store: about two make its room, and more where many are kept.  Those others are left to the stores behind it, so
 * that none takes much longer than the rest: one record more for as much as so many stores did not make room for.
 */
#define PAY_OWED	 8
#define PAY_RECORDS	 4
#define PAY_RECORDS_MOST 32

/* So many records before they are gone through their homes are fetched from memory. */
#define AHEAD 4

/* The same where nothing may be evicted: to gain a byte, many may have to be copied. */
#define KEEP_RECORDS 512

/* Bytes gone through in one go where there is no room at all. */
#define ROOM_BYTES (64 * 1024)

/* So often, until a store is refused; before it evicts what is worth keeping; and where nothing may be evicted. */
#define CLEANS	    64
#define CLEANS_SOFT 8
#define CLEANS_KEEP 16

/* Buckets looked through for what has expired, where nothing may be evicted. */
#define ROOM_BUCKETS 64

/* Of the waits for others, so many do not even let them run; and so many go through what came from another process instead of a nap. */
#define SPINS  4
#define STEPS  4
#define NAP_NS 100000

/* Once a second: so many bytes, and more when there is more to do than that in half a minute, but never longer than so. */
#define TICK_BYTES    (1024 * 1024)
#define TICK_SECONDS  30
#define TICK_NS	      10000000
#define TICK_SEGMENTS 16

void
cleaner_init(struct cleaner *c)
{
	c->compacted = c->evicted = (struct victim){ .segment = LOG_NONE };
}

static void
spare(struct shelf *sh, struct victim *v, bool first)
{
	if (v->segment != LOG_NONE)
		log_spare(&sh->store->log, v->segment, v->at, first);
	v->segment = LOG_NONE;
}

/* A worker may have nothing to store for long; so it keeps no memory from others, but for what is in a segment itself, and that for a second. */
static void
spare_heavy(struct shelf *sh, struct victim *v)
{
	if (v->segment != LOG_NONE && log_is_heavy(&sh->store->log, v->segment))
		spare(sh, v, true);
}

void
cleaner_fini(struct shelf *sh)
{
	spare(sh, &sh->cleaner.compacted, true);
	spare(sh, &sh->cleaner.evicted, true);
}

/* A record with the bytes of its value, wherever they are. */
static size_t
whole_size(const struct shelf *sh, const struct record *r)
{
	const struct large *l = large_of(&sh->store->arena, r);

	return record_footprint(r) + (l == NULL ? 0 : large_cost(l));
}

/* Room for a copy; where there is none in its lane, with those of another.  0: there is none at all. */
static uint64_t
room_for_copy(struct shelf *sh, const struct record *r, unsigned queue)
{
	struct log *log = &sh->store->log;
	struct log_place place = log_place(log, queue, record_exptime(r));
	uint64_t to = log_alloc(log, sh->worker, place, record_footprint(r), true);

	for (unsigned i = 0; to == 0 && i < LIVES_LANES - 1; i++) {
		place.lane = (place.lane + 1) % LIVES_LANES;
		to = log_alloc(log, sh->worker, place, record_footprint(r), true);
	}
	return to;
}

/* Copies the record that was found in its home to another segment.  false: there is none. */
static bool
relocate(struct shelf *sh, struct home *h, const struct record *r, unsigned queue, unsigned hits)
{
	struct log *log = &sh->store->log;
	size_t size = record_footprint(r);
	uint32_t exptime = (uint32_t)record_exptime(r);
	uint64_t to = room_for_copy(sh, r, queue), from;
	const struct large *l = large_of(log->arena, r);

	if (to == 0)
		return false;
	record_copy(arena_at(log->arena, to), r);
	if (l != NULL) {
		log_weigh(log, entry_location(h->entry), -(int64_t)large_cost(l));
		log_weigh(log, to, (int64_t)large_cost(l));
	}
	from = entry_location(h->entry);
	log_expires(log, to, size, exptime);
	index_move(h, to, hits);
	log_gone(log, from, size, exptime);
	return true;
}

/* Does somebody read its value just now?  Then it would free nothing to evict it. */
static bool
is_held(const struct shelf *sh, const struct record *r)
{
	const struct large *l = large_of(&sh->store->arena, r);

	return l != NULL && !large_alone(l);
}

/* Bytes of it that cannot go. */
static size_t
held_size(const struct shelf *sh, const struct record *r)
{
	return is_held(sh, r) ? large_cost(large_of(&sh->store->arena, r)) : 0;
}

/* Is what was found in its home worth keeping?  hard: nothing is that would free something. */
static bool
is_kept(struct shelf *sh, const struct record *r, unsigned hits, bool hard)
{
	return is_held(sh, r) || (!hard && rank_keeps(&sh->rank, hits, whole_size(sh, r)));
}

static uint32_t
roll(struct shelf *sh)
{
	sh->dice = sh->dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(sh->dice >> 33);
}

enum fate { STAYS, COPIED, WENT };

/* Decides about one record, in its locked home. */
static enum fate
decide(struct shelf *sh, struct home *h, struct record *r, unsigned queue, bool compact, bool hard, struct gone *gone)
{
	struct store *s = sh->store;
	uint64_t location = entry_location(h->entry);
	unsigned hits = entry_hits(h->entry);

	if (store_gone(s, r, (uint16_t)__atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE), rend_wall())) {
		index_clear(h);
		store_reclaim(sh, location, gone);
		return WENT;
	}
	if (compact && relocate(sh, h, r, s->evict ? queue : LOG_MAIN, hits))
		return COPIED;
	if (!compact && s->evict && is_kept(sh, r, hits, hard) &&
	    relocate(sh, h, r, LOG_MAIN, queue == LOG_MAIN ? hits / 2 : hits))
		return COPIED;
	if (!s->evict || is_held(sh, r))
		return STAYS;
	if (queue == LOG_SMALL)
		ghost_put(&s->ghost, r->hash, hits, roll(sh));
	index_clear(h);
	store_evict(sh, location, gone);
	return WENT;
}

/* Fetches the homes that the next records will be looked for in, and the head of the one behind them. */
static void
warm_next(struct store *s, struct victim *v, uint64_t start)
{
	for (; v->warm < AHEAD && v->ahead < s->log.segments[v->segment].end; v->warm++) {
		const struct record *r = arena_at(&s->arena, start + v->ahead / ARENA_UNIT);

		index_warm(&s->index, r->hash);
		v->ahead += (uint32_t)record_footprint(r);
		__builtin_prefetch((const char *)r + record_footprint(r));
	}
}

/* Goes through one record of the victim.  false: it has to stay, and with it the victim. */
static bool
step(struct shelf *sh, struct victim *v, bool hard, struct cleaner_work *work)
{
	struct store *s = sh->store;
	unsigned queue = s->log.segments[v->segment].queue;
	uint64_t start = arena_segment_start(&s->arena, v->segment), location = start + v->at / ARENA_UNIT;
	struct record *r = arena_at(&s->arena, location);
	struct gone gone = { 0 };
	struct home h;
	size_t size = record_footprint(r), met = size, held = 0;
	enum fate fate = WENT;

	warm_next(s, v, start);
	v->at += (uint32_t)size;
	v->warm--;
	index_lock(&h, &s->index, r->hash);
	if (index_look_at(&h, location)) {
		if (store_believes(s, location, r)) {
			met = whole_size(sh, r);
			held = held_size(sh, r);
		}
		fate = decide(sh, &h, r, queue, v == &sh->cleaner.compacted, hard, &gone);
	}
	index_unlock(&h);
	gone_drop(&gone, s->arena.pages);
	if (fate == STAYS) {
		v->at -= (uint32_t)size;
		v->warm++;
		return false;
	}
	work->records--;
	work->met += met;
	work->held += held;
	work->went += fate == WENT ? met : 0;
	return true;
}

/* Has the victim been gone through?  One in which nothing lives need not be. */
static bool
is_through(const struct shelf *sh, const struct victim *v)
{
	const struct segment *seg = &sh->store->log.segments[v->segment];

	return v->at >= seg->end || __atomic_load_n(&seg->dead, __ATOMIC_ACQUIRE) >= seg->end;
}

static bool
find_victim(struct store *s, struct victim *v, enum log_want want)
{
	if (v->segment == LOG_NONE) {
		v->segment = log_victim(&s->log, want);
		/* What is damaged stays as it is, and in no list. */
		while (v->segment != LOG_NONE && !store_believes_segment(s, v->segment))
			v->segment = log_victim(&s->log, want);
		v->at = v->segment == LOG_NONE ? 0 : s->log.segments[v->segment].cleaned;
		v->ahead = v->at;
		v->warm = 0;
	}
	return v->segment != LOG_NONE;
}

/* What is to be gone through now; NULL: there is nothing. */
static struct victim *
choose(struct shelf *sh, enum log_want want)
{
	struct log *log = &sh->store->log;
	struct cleaner *c = &sh->cleaner;
	bool might = want >= LOG_GONE || full_has_worth(&log->full, rend_wall());

	if ((might || c->compacted.segment != LOG_NONE) &&
	    find_victim(sh->store, &c->compacted, want == LOG_OLDEST ? LOG_WORTH : want))
		return &c->compacted;
	return want == LOG_OLDEST && find_victim(sh->store, &c->evicted, want) ? &c->evicted : NULL;
}

void
cleaner_clean(struct shelf *sh, struct cleaner_work *work, enum log_want want, bool hard)
{
	struct log *log = &sh->store->log;
	struct victim *v = NULL;

	while (work->met < work->most && work->went < work->enough && work->records > 0) {
		if (v == NULL && (v = choose(sh, want)) == NULL)
			break;
		if (is_through(sh, v)) {
			log_cleaned(log, v->segment);
			v->segment = LOG_NONE;
			v = NULL;
			work->met++; /* something has come of it */
		} else if (!step(sh, v, hard, work)) {
			spare(sh, v, false);
			break;
		}
	}
	/* Where copies are all that makes room, nobody keeps one half done while others want it. */
	if (!sh->store->evict)
		spare(sh, &sh->cleaner.compacted, false);
	spare_heavy(sh, &sh->cleaner.compacted);
	spare_heavy(sh, &sh->cleaner.evicted);
	log_reclaim(log);
}

/* Goes through so many bytes.  Returns how many it met. */
static size_t
clean_bytes(struct shelf *sh, size_t bytes, enum log_want want, bool hard)
{
	struct cleaner_work work = { .most = bytes, .enough = SIZE_MAX, .records = CLEANER_RECORDS };

	cleaner_clean(sh, &work, want, hard);
	return work.met;
}

static unsigned
pay_records(const struct shelf *sh, uint32_t room, size_t bytes)
{
	uint64_t records = PAY_RECORDS + sh->cleaner.owed / (PAY_OWED * bytes);

	return room <= sh->store->log.reserve || records > PAY_RECORDS_MOST ? PAY_RECORDS_MOST : (unsigned)records;
}

void
cleaner_pay(struct shelf *sh, size_t bytes)
{
	struct store *s = sh->store;
	struct cleaner_work work = { .most = SIZE_MAX };
	uint32_t room;

	if (!log_is_low(&s->log)) {
		sh->cleaner.owed = 0;
		return;
	}
	log_reclaim(&s->log);
	room = log_room(&s->log);
	work.enough = sh->cleaner.owed + bytes;
	work.records = pay_records(sh, room, bytes);
	if (!s->evict) {
		work.most = ROOM_BYTES;
		work.records = KEEP_RECORDS;
	}
	cleaner_clean(sh, &work, s->evict ? LOG_OLDEST : LOG_GONE, room < s->log.reserve);
	sh->cleaner.owed = work.went < work.enough ? work.enough - work.went : 0;
}

void
cleaner_wait(struct shelf *sh, unsigned waits)
{
	grace_leave(&sh->store->grace, sh->worker);
	/* What is to be looked at yet can be meanwhile. */
	if (waits >= CLEANER_YIELDS && (waits >= CLEANER_YIELDS + STEPS || !proof_step(sh->store)))
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	else if (waits >= SPINS)
		sched_yield();
	shelf_enter(sh);
	log_reclaim(&sh->store->log);
}

bool
cleaner_is_coming(struct shelf *sh)
{
	struct log *log = &sh->store->log;
	bool coming = segments_count(&log->limbo) != 0;

	if (!coming && sh->store->evict) {
		coming = __atomic_load_n(&log->full.count, __ATOMIC_RELAXED) != 0;
		if (!coming) {
			log_close(log);
			coming = true;
		}
	}
	return coming;
}

/* Where nothing may be evicted, and nothing more is to be copied: among the copies.  Else 0. */
static uint64_t
last_room(struct shelf *sh, struct log_place place, size_t size)
{
	place.queue = LOG_MAIN;
	return sh->store->evict ? 0 : log_alloc(&sh->store->log, sh->worker, place, size, false);
}

uint64_t
cleaner_room(struct shelf *sh, struct log_place place, size_t size)
{
	struct store *s = sh->store;
	uint64_t location;

	for (unsigned cleans = 0, waits = 0;;) {
		size_t met;

		location = log_alloc(&s->log, sh->worker, place, size, false);
		if (location != 0)
			return location;
		/* What is on its way to be free comes first: what else is cleaned would only wait behind it. */
		if (segments_count(&s->log.limbo) != 0) {
			if (waits++ == CLEANER_WAITS_MAX)
				return 0;
			cleaner_wait(sh, waits);
			continue;
		}
		if (cleans == (s->evict ? CLEANS : CLEANS_KEEP))
			return last_room(sh, place, size);
		if (!s->evict)
			store_sweep(sh, ROOM_BUCKETS);
		met = clean_bytes(sh, ROOM_BYTES, s->evict ? LOG_OLDEST : LOG_ALL, cleans >= CLEANS_SOFT);
		if (met == 0 && !cleaner_is_coming(sh))
			return last_room(sh, place, size);
		cleans++;
		cleaner_wait(sh, 0);
	}
}

/* So that in half a minute all has its turn that is worth it now. */
static size_t
share(const struct store *s)
{
	const struct full *f = &s->log.full;
	uint64_t worthy = __atomic_load_n(&f->worthy, __ATOMIC_RELAXED) << s->arena.segment_shift;

	return TICK_BYTES + worthy / TICK_SECONDS / s->workers;
}

/* By itself nothing is evicted, it is only compacted. */
void
cleaner_tick(struct shelf *sh)
{
	struct store *s = sh->store;
	size_t bytes = share(s), met = 0, one = 1;
	uint64_t until = ticking_ns() + TICK_NS;

	log_close_worth(&s->log);
	while (met < bytes && one > 0 && ticking_ns() < until) {
		one = clean_bytes(sh, ROOM_BYTES, LOG_WORTH, false);
		met += one;
	}
	cleaner_fini(sh);
	pages_tick(s->arena.pages);
	for (int i = 0;
	     i < TICK_SEGMENTS && log_room(&s->log) > s->log.target && log_give_back(&s->log, s->log.reserve); i++)
		;
}
