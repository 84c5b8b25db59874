/* What another process left: see proof.h. */
#include "proof.h"

#include <stdlib.h>

#include "store.h"
#include "ticking.h"

/* Pages of the index between two looks at the time. */
#define MEND_PAGES 8

void
proof_init(struct proof *p)
{
	*p = (struct proof){ 0 };
	pthread_mutex_init(&p->lock, NULL);
	for (unsigned i = 0; i < PROOF_WALKS; i++)
		pthread_mutex_init(&p->walks[i], NULL);
}

void
proof_fini(struct proof *p)
{
	for (unsigned i = 0; i < PROOF_WALKS; i++)
		pthread_mutex_destroy(&p->walks[i]);
	pthread_mutex_destroy(&p->lock);
	free(p->taken);
	free(p->came);
}

int
proof_reserve(struct store *s)
{
	s->proof.taken = calloc(s->arena.segments, sizeof *s->proof.taken);
	s->proof.came = calloc(s->arena.segments, sizeof *s->proof.came);
	return s->proof.taken == NULL || s->proof.came == NULL ? -1 : 0;
}

void
proof_begin(struct store *s, uint64_t from, uint64_t to, int64_t skew)
{
	struct proof *p = &s->proof;

	p->from = from;
	p->to = proof_next(to);
	p->skew = skew;
	s->epoch = p->to;
	for (uint32_t n = 0; n < s->arena.segments; n++) {
		const struct segment *seg = &s->log.segments[n];

		if (seg->taken == SEGMENT_DAMAGED)
			p->taken[n] = SEGMENT_DAMAGED;
		else if (seg->state == SEGMENT_FULL)
			p->taken[n] = seg->end;
		p->came[n] = p->taken[n] != 0;
		p->left += p->taken[n] != 0;
	}
}

void
proof_end(struct store *s)
{
	struct proof *p = &s->proof;

	p->from = p->to = s->epoch;
	p->left = p->lost = 0;
	p->skew = 0;
	free(p->taken);
	free(p->came);
	p->taken = NULL;
	p->came = NULL;
}

uint64_t
proof_from(const struct store *s)
{
	return s->proof.from != s->proof.to && s->epoch == s->proof.to ? s->proof.from : s->epoch;
}

static uint32_t
taken(const struct store *s, uint32_t n)
{
	return s->proof.taken == NULL ? 0 : __atomic_load_n(&s->proof.taken[n], __ATOMIC_ACQUIRE);
}

static bool
is_due(uint32_t its)
{
	return its != 0 && its != SEGMENT_DAMAGED;
}

/* Of an epoch of this process: made here, or admitted? */
static bool
is_own(const struct store *s, const struct record *r)
{
	uint16_t now = (uint16_t)__atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE), its = record_epoch(r);

	return its != PROOF_DRAFT && its != PROOF_GONE && (uint16_t)(now - its) <= (uint16_t)(now - s->proof.to);
}

static uint32_t
segment_of(const struct store *s, const struct record *r)
{
	return arena_segment(&s->arena, arena_location(&s->arena, r));
}

/* Of before, and alive when it came? */
static bool
was_alive(const struct store *s, uint16_t epoch)
{
	return epoch != PROOF_DRAFT && epoch != PROOF_GONE &&
	       (uint16_t)(epoch - s->proof.from) < s->proof.to - s->proof.from;
}

static bool
set_epoch(struct record *r, uint16_t from, uint16_t to)
{
	return __atomic_compare_exchange_n(&r->epoch, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* ---- records ---- */

/* Does it end by then, and have the hash of its key? */
static bool
is_record(const char *p, size_t room)
{
	const struct record *r = (const struct record *)(const void *)p;

	return room >= RECORD_HEADER && room >= record_footprint(r) &&
	       index_hash(rend_hash(r->key, r->keylen)) == r->hash;
}

/* By itself; and where the segment has not been gone through, by the one behind it: else it might be longer than it was. */
static bool
is_right(const struct store *s, const struct record *r, uint32_t its)
{
	uint64_t start = arena_segment_start(&s->arena, segment_of(s, r));
	size_t size = arena_segment_size(&s->arena);
	size_t at = (size_t)(arena_location(&s->arena, r) - start) * ARENA_UNIT;
	const char *p = (const char *)r;

	if (is_due(its))
		size = its & ~PROOF_CHAIN;
	if (at >= size || !is_record(p, size - at))
		return false;
	size -= at + record_footprint(r);
	return !is_due(its) || size == 0 || is_record(p + record_footprint(r), size);
}

/* ---- large values ---- */

/* One owner, the record, and as many pins as those before still have. */
static bool
look_at_value(struct store *s, const struct record *r)
{
	uint64_t location, region = (uint64_t)s->arena.pages->groups * PAGES_GROUP;
	const struct large *l;

	if (r->len != LARGE_LEN)
		return false;
	memcpy(&location, r->key + r->keylen, sizeof location);
	if (location < s->arena.pages_at / ARENA_UNIT || location >= (s->arena.pages_at + region) / ARENA_UNIT)
		return false;
	l = arena_at(&s->arena, location);
	return large_is_sound(s->arena.pages, l) && l->key == large_key(r->hash) &&
	       __atomic_load_n(&l->users, __ATOMIC_RELAXED) == LARGE_OWNER + tenants_pins(&s->tenants, location);
}

/* It is pinned only when it was looked at; so it is looked at once. */
bool
proof_of_value(struct store *s, const struct record *r)
{
	bool right;

	if (!is_due(taken(s, segment_of(s, r))) && is_own(s, r))
		return true;
	pthread_mutex_lock(&s->proof.lock);
	right = look_at_value(s, r);
	pthread_mutex_unlock(&s->proof.lock);
	return right;
}

/* ---- segments ---- */

/* Does a segment have nothing but records up to there, none of which is of an epoch that nobody had? */
static bool
is_chain(const struct store *s, const char *start, uint32_t end)
{
	uint32_t at = 0;

	while (at < end) {
		const struct record *r = (const struct record *)(const void *)(start + at);

		if (!is_record(start + at, end - at) || record_epoch(r) == (uint16_t)s->proof.to)
			return false;
		at += (uint32_t)record_footprint(r);
	}
	return true;
}

static uint32_t
by_this_clock(const struct store *s, uint32_t then)
{
	int64_t now = (int64_t)then - s->proof.skew;

	/* 0 is never, and the last one is what lies beyond it. */
	return then == 0 || then == UINT32_MAX ? then : now <= 0 ? 1 : record_time(now);
}

/* Whoever takes it out meanwhile has said so by its epoch, or finds that it has another one. */
static void
admit(struct store *s, struct record *r)
{
	uint64_t location = arena_location(&s->arena, r);
	uint16_t epoch = record_epoch(r);
	bool right;

	if (s->proof.skew != 0)
		__atomic_store_n(&r->exptime, by_this_clock(s, (uint32_t)record_exptime(r)), __ATOMIC_RELAXED);
	if (!was_alive(s, epoch) && epoch != PROOF_GONE)
		return;
	if ((record_state(r) & RECORD_LARGE) != 0) {
		pthread_mutex_lock(&s->proof.lock);
		right = was_alive(s, epoch = record_epoch(r)) && look_at_value(s, r);
		if (right)
			__atomic_store_n(&r->epoch, (uint16_t)s->proof.to, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&s->proof.lock);
		if (epoch != PROOF_GONE)
			return;
	} else if (epoch != PROOF_GONE && set_epoch(r, epoch, (uint16_t)s->proof.to)) {
		return;
	}
	/* Once: who comes after this process must not do it again. */
	__atomic_store_n(&r->epoch, PROOF_DRAFT, __ATOMIC_RELAXED);
	log_gone(&s->log, location, record_footprint(r), (uint32_t)record_exptime(r));
}

/* It had another clock. */
static void
turn_lives(struct store *s, struct lives *lives)
{
	if (s->proof.skew == 0)
		return;
	/* Who ranks segments by them has this lock. */
	pthread_mutex_lock(&s->log.lock);
	lives->from = by_this_clock(s, lives->from);
	__atomic_store_n(&lives->until, by_this_clock(s, lives->until), __ATOMIC_RELAXED);
	pthread_mutex_unlock(&s->log.lock);
}

static uint32_t
go_through(struct store *s, uint32_t n, uint32_t end)
{
	char *start = arena_at(&s->arena, arena_segment_start(&s->arena, n));
	struct record *r;

	if (!is_chain(s, start, end)) {
		s->log.segments[n].taken = SEGMENT_DAMAGED;
		__atomic_store_n(&s->proof.taken[n], SEGMENT_DAMAGED, __ATOMIC_RELEASE);
		return SEGMENT_DAMAGED;
	}
	__atomic_store_n(&s->proof.taken[n], end | PROOF_CHAIN, __ATOMIC_RELEASE);
	turn_lives(s, &s->log.segments[n].lives);
	for (uint32_t at = 0; at < end; at += (uint32_t)record_footprint(r)) {
		r = (struct record *)(void *)(start + at);
		admit(s, r);
	}
	__atomic_store_n(&s->proof.taken[n], 0, __ATOMIC_RELEASE);
	__atomic_sub_fetch(&s->proof.left, 1, __ATOMIC_RELEASE);
	return 0;
}

bool
proof_of_segment(struct store *s, uint32_t n)
{
	pthread_mutex_t *walk = &s->proof.walks[n % PROOF_WALKS];
	uint32_t its = taken(s, n);

	if (!is_due(its))
		return its == 0;
	pthread_mutex_lock(walk);
	its = taken(s, n);
	if (is_due(its))
		its = go_through(s, n, its);
	pthread_mutex_unlock(walk);
	return its == 0;
}

bool
proof_step(struct store *s)
{
	while (s->proof.taken != NULL && __atomic_load_n(&s->proof.turn, __ATOMIC_RELAXED) < s->arena.segments) {
		uint64_t n = __atomic_fetch_add(&s->proof.turn, 1, __ATOMIC_RELAXED);

		if (n < s->arena.segments && is_due(taken(s, (uint32_t)n))) {
			proof_of_segment(s, (uint32_t)n);
			return true;
		}
	}
	return false;
}

void
proof_tick(struct shelf *sh, uint64_t until)
{
	struct store *s = sh->store;

	while (index_mend_some(&s->index, MEND_PAGES))
		if (ticking_ns() >= until)
			return;
	/* Somebody may be waiting for room since. */
	while (ticking_ns() < until && proof_step(s))
		shelf_enter(sh);
}

bool
proof_is_under_way(const struct store *s)
{
	return s->proof.taken != NULL && (__atomic_load_n(&s->index.mending, __ATOMIC_ACQUIRE) != NULL ||
					     __atomic_load_n(&s->proof.turn, __ATOMIC_RELAXED) < s->arena.segments);
}

bool
proof_finish(struct store *s, uint64_t until)
{
	for (uint32_t n = 0; n < s->arena.segments && s->proof.skew != 0; n++) {
		if (is_due(taken(s, n)) && ticking_ns() >= until)
			return false;
		proof_of_segment(s, n);
	}
	return true;
}

/* ---- what is found ---- */

bool
proof_is_due(const struct store *s, uint64_t location)
{
	return is_due(taken(s, arena_segment(&s->arena, location)));
}

/* Is it looked at by itself? */
static bool
is_alone(const struct store *s, const struct record *r)
{
	return (record_state(r) & RECORD_LARGE) == 0 && s->proof.skew == 0;
}

bool
proof_admits(struct store *s, const struct record *r, uint16_t epoch)
{
	uint32_t n = segment_of(s, r), its = taken(s, n);

	if (is_due(its) && epoch == (uint16_t)s->proof.to) {
		if (!is_alone(s, r))
			proof_of_segment(s, n);
		else if (was_alive(s, record_epoch(r)))
			return is_right(s, r, its);
		/* It may have been gone through meanwhile. */
		its = taken(s, n);
	}
	if (its == SEGMENT_DAMAGED || (is_due(its) && (its & PROOF_CHAIN) == 0))
		return false;
	return record_epoch(r) == epoch;
}

void
proof_prepare(struct store *s, uint64_t location)
{
	const struct record *r = arena_at(&s->arena, location);

	/* What was flushed is counted here: nobody would, who goes through it at the same time. */
	if (!is_alone(s, r) || !was_alive(s, record_epoch(r)) ||
	    __atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE) != s->proof.to)
		proof_of_segment(s, arena_segment(&s->arena, location));
}

/* It has not been gone through: who does that later counts it. */
static enum proof_leave
leave_due(struct store *s, struct record *r, bool *again)
{
	bool large = (record_state(r) & RECORD_LARGE) != 0, right = false;
	uint16_t epoch;

	if (large)
		pthread_mutex_lock(&s->proof.lock);
	epoch = record_epoch(r);
	*again = !was_alive(s, epoch) && epoch != PROOF_GONE;
	if (large && !*again && epoch != PROOF_GONE)
		right = look_at_value(s, r);
	if (!*again && epoch != PROOF_GONE)
		*again = !set_epoch(r, epoch, PROOF_GONE);
	if (large)
		pthread_mutex_unlock(&s->proof.lock);
	return right ? PROOF_VALUE : PROOF_NOTHING;
}

enum proof_leave
proof_leave(struct store *s, struct record *r)
{
	uint32_t n = segment_of(s, r), its = taken(s, n);
	enum proof_leave how;
	bool again;

	/* What is in no chain that could be believed; of a damaged one a large value is freed that is right by itself. */
	if (!is_right(s, r, its))
		return PROOF_DAMAGED;
	if (is_due(its)) {
		how = leave_due(s, r, &again);
		if (!again)
			return how;
		/* It was flushed, or admitted just now. */
		proof_of_segment(s, n);
		its = taken(s, n);
	}
	if ((record_state(r) & RECORD_LARGE) == 0)
		return its == 0 ? PROOF_COUNTS : PROOF_DAMAGED;
	if (its == 0)
		return proof_of_value(s, r) ? PROOF_COUNTS : PROOF_COUNTS_BARE;
	/* Whatever its epoch says. */
	pthread_mutex_lock(&s->proof.lock);
	how = look_at_value(s, r) ? PROOF_VALUE : PROOF_DAMAGED;
	pthread_mutex_unlock(&s->proof.lock);
	return how;
}

/* Whoever has put an entry into a page since has put the page right before: so what came was made of what came. */
static bool
can_lead(const struct store *s, uint64_t entry)
{
	uint64_t location = entry_location(entry);
	uint32_t n, its;
	const struct record *r;

	if (!arena_in_log(&s->arena, location))
		return false;
	n = arena_segment(&s->arena, location);
	its = taken(s, n);
	/* Nobody believes what is there. */
	if (its == SEGMENT_DAMAGED)
		return true;
	if (is_due(its))
		return (location - arena_segment_start(&s->arena, n)) * ARENA_UNIT + RECORD_HEADER <= its;
	r = arena_at(&s->arena, location);
	return s->proof.came[n] && index_fits(entry, r->hash) && is_right(s, r, its);
}

bool
proof_leads(void *store, uint64_t entry, bool twice)
{
	struct store *s = store;

	if (!twice && can_lead(s, entry))
		return true;
	__atomic_add_fetch(&s->proof.lost, 1, __ATOMIC_RELAXED);
	rend_count(s->counters.audit_dropped, 1);
	return false;
}
