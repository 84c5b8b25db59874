/* What another process left: see proof.h. */
#include "proof.h"

#include "store.h"
#include "ticking.h"

void
proof_init(struct proof *p)
{
	*p = (struct proof){ 0 };
	pthread_mutex_init(&p->lock, NULL);
}

void
proof_fini(struct proof *p)
{
	pthread_mutex_destroy(&p->lock);
}

void
proof_begin(struct store *s, uint64_t from, uint64_t to)
{
	s->proof.from = from;
	s->proof.to = to;
	s->epoch = to;
}

uint64_t
proof_from(const struct store *s)
{
	return s->proof.from != s->proof.to && s->epoch == s->proof.to ? s->proof.from : s->epoch;
}

static uint32_t
taken(const struct store *s, uint32_t n)
{
	return __atomic_load_n(&s->log.segments[n].taken, __ATOMIC_ACQUIRE);
}

bool
proof_is_own(const struct store *s, const struct record *r)
{
	uint16_t now = (uint16_t)__atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE);

	return s->proof.from == s->proof.to || (uint16_t)(now - record_epoch(r)) <= (uint16_t)(now - s->proof.to);
}

static uint32_t
segment_of(const struct store *s, const struct record *r)
{
	return arena_segment(&s->arena, arena_location(&s->arena, r));
}

static bool
has_hash(const struct record *r)
{
	return index_hash(rend_hash(r->key, r->keylen)) == r->hash;
}

/* Of before, and alive when it came? */
static bool
was_alive(const struct store *s, uint16_t epoch)
{
	return (uint16_t)(epoch - s->proof.from) < s->proof.to - s->proof.from;
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

bool
proof_of_value(struct store *s, const struct record *r)
{
	bool right;

	if (proof_is_own(s, r))
		return true;
	pthread_mutex_lock(&s->proof.lock);
	right = proof_is_own(s, r) || look_at_value(s, r);
	pthread_mutex_unlock(&s->proof.lock);
	return right;
}

/* It is pinned only when it was looked at; so it is looked at once. */
static void
admit_large(struct store *s, struct record *r)
{
	pthread_mutex_lock(&s->proof.lock);
	if (was_alive(s, record_epoch(r)) && look_at_value(s, r))
		__atomic_store_n(&r->epoch, (uint16_t)s->proof.to, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&s->proof.lock);
}

/* ---- segments ---- */

/* Does a segment have nothing but records up to there? */
static bool
is_chain(const char *start, uint32_t end)
{
	uint32_t at = 0;

	while (at < end) {
		const struct record *r = (const struct record *)(const void *)(start + at);

		if (end - at < RECORD_HEADER || end - at < record_footprint(r) || !has_hash(r))
			return false;
		at += (uint32_t)record_footprint(r);
	}
	return true;
}

static void
admit(struct store *s, char *start, uint32_t end)
{
	struct record *r;

	for (uint32_t at = 0; at < end; at += (uint32_t)record_footprint(r)) {
		r = (struct record *)(void *)(start + at);
		if (!was_alive(s, record_epoch(r)))
			continue;
		if ((record_state(r) & RECORD_LARGE) != 0)
			admit_large(s, r);
		else
			__atomic_store_n(&r->epoch, (uint16_t)s->proof.to, __ATOMIC_RELEASE);
	}
}

bool
proof_of_segment(struct store *s, uint32_t n)
{
	char *start = arena_at(&s->arena, arena_segment_start(&s->arena, n));
	uint32_t end = taken(s, n), to;

	if (end == 0 || end == SEGMENT_DAMAGED)
		return end == 0;
	to = is_chain(start, end) ? 0 : SEGMENT_DAMAGED;
	if (to == 0)
		admit(s, start, end);
	/* Somebody else may have said the same. */
	__atomic_compare_exchange_n(&s->log.segments[n].taken, &end, to, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	return to == 0;
}

void
proof_tick(struct store *s, uint64_t until)
{
	while (__atomic_load_n(&s->proof.turn, __ATOMIC_RELAXED) < s->arena.segments && ticking_ns() < until) {
		uint64_t n = __atomic_fetch_add(&s->proof.turn, 1, __ATOMIC_RELAXED);

		if (n < s->arena.segments)
			proof_of_segment(s, (uint32_t)n);
	}
}

bool
proof_failed_of_segment(const struct store *s, uint32_t n)
{
	return taken(s, n) == SEGMENT_DAMAGED;
}

/* ---- records ---- */

bool
proof_is_due(const struct store *s, uint64_t location)
{
	uint32_t its = taken(s, arena_segment(&s->arena, location));

	return its != 0 && its != SEGMENT_DAMAGED &&
	       proof_runs(&s->proof, __atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE));
}

bool
proof_of_record(const struct store *s, const struct record *r)
{
	uint64_t location = arena_location(&s->arena, r);
	size_t size = arena_segment_size(&s->arena);
	size_t at = (location - arena_segment_start(&s->arena, segment_of(s, r))) * ARENA_UNIT;

	return size - at >= RECORD_HEADER && size - at >= record_footprint(r) && has_hash(r);
}

bool
proof_admits(struct store *s, struct record *r, uint16_t epoch)
{
	uint16_t to = (uint16_t)s->proof.to;

	if (s->proof.from == s->proof.to || epoch != to)
		return false;
	if (record_epoch(r) == to)
		return true;
	return was_alive(s, record_epoch(r)) && proof_of_segment(s, segment_of(s, r)) && record_epoch(r) == to;
}

bool
proof_shows(struct store *s, struct record *r, uint16_t epoch)
{
	uint32_t its = taken(s, segment_of(s, r));

	if (its == 0 || its == SEGMENT_DAMAGED || (record_state(r) & RECORD_LARGE) != 0 ||
	    s->proof.from == s->proof.to || epoch != (uint16_t)s->proof.to)
		return proof_admits(s, r, epoch);
	return record_epoch(r) == epoch || (was_alive(s, record_epoch(r)) && proof_of_record(s, r));
}
