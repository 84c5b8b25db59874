/* What workers ask of a store: see store.h. */
#include "store.h"

#include <string.h>

#include "state.h"

#define HOUR 3600
#define DAY  86400

uint64_t
store_khash(const struct store *s, const void *key, size_t len)
{
	return format_khash(key, len, s->seed);
}

struct keys *
store_keys(struct store *s)
{
	return s->keys;
}

uint32_t
store_exptime(int64_t exptime)
{
	if (exptime == 0)
		return 0;
	if (exptime < 1)
		return 1;
	return exptime < EXPTIME_NEVER ? (uint32_t)exptime : EXPTIME_NEVER - 1;
}

static uint64_t
seq_of(const struct store *s, const struct place *p)
{
	return p->seg < s->g.segments ? atomic_load(&s->segments[p->seg].seq) : 0;
}

/* Free since the index was asked, its segment says nothing: the entry may be elsewhere now.  How often that is looked up. */
#define FIND_TRIES 4

bool
store_find(struct store *s, uint64_t khash, int64_t wall, struct entry *e)
{
	for (unsigned n = 0; n < FIND_TRIES && index_find(s->index, khash, e) && !exptime_passed(e->exptime, wall);
	     n++) {
		uint64_t seq = seq_of(s, &e->place);

		if (seq != 0)
			return seq >= atomic_load(&s->flush_seq);
	}
	return false;
}

bool
store_fits(const struct store *s, size_t keylen, size_t len)
{
	return len <= s->g.segment && RECORD_HEAD + keylen + len <= log_longest(s);
}

uint64_t
store_flushes(const struct store *s)
{
	return atomic_load(&s->flush_seq);
}

static enum stream
stream_for(uint32_t exptime, int64_t wall)
{
	int64_t left = exptime == 0 ? INT64_MAX : exptime - wall;

	return left <= HOUR ? STREAM_HOUR : left <= DAY ? STREAM_DAY : STREAM_LONG;
}

/* Is this entry one whose end has to be noted, so that it does not come back?  What has expired or was flushed cannot. */
static bool
would_return(const struct store *s, const struct entry *e)
{
	return !exptime_passed(e->exptime, atomic_load(&s->wall)) && seq_of(s, &e->place) >= atomic_load(&s->flush_seq);
}

/*
 * The index had no place for both.  Nobody changes that key just now (store_may_evict()): so the tomb's version is higher than that of all that was
 * there, and lower than that of all that will be.
 */
static void
index_evicted(struct store *s, uint64_t khash, const struct entry *e)
{
	COUNT(s, index_evictions, 1);
	if (would_return(s, e))
		log_tomb(s, khash, 0, seq_of(s, &e->place));
	keys_give(s->keys, khash);
}

bool
store_may_evict(void *arg, uint64_t khash)
{
	const struct store *s = arg;

	return keys_try(s->keys, khash);
}

static void
publish(struct store *s, const struct append *a)
{
	struct entry e = { .place = log_place(a), .exptime = a->head.exptime }, other;
	uint64_t other_hash = 0;

	switch (index_put(s->index, a->head.khash, &e, &other, &other_hash)) {
	case INDEX_EVICTED:
		index_evicted(s, other_hash, &other);
		break;
	case INDEX_FULL: /* it is evicted itself */
		COUNT(s, index_evictions, 1);
		log_tomb(s, a->head.khash, a->head.version, a->head.seq);
		break;
	default:
		break;
	}
}

bool
store_append(
    struct store *s, const struct store_item *item, enum record_type type, int64_t wall, uint64_t *cas, bool *flushed)
{
	struct append a = {
		.stream = stream_for(item->exptime, wall),
		.flush_seq = item->flushes,
		.head = {
			.type = (uint8_t)type,
			.flags = (uint8_t)((item->sent ? RECORD_SENT : 0) | (item->stale ? RECORD_STALE : 0)),
			.keylen = item->keylen,
			.len = (uint32_t)item->value->len,
			.cflags = item->cflags,
			.exptime = item->exptime,
			.khash = item->khash,
			.cas = item->cas,
		},
	};
	struct entry old;

	if (index_find(s->index, item->khash, &old)) {
		a.head.flags |= RECORD_OVERWRITES;
		a.after_seq = seq_of(s, &old.place);
	} else if (atomic_load(&s->untold) > 0) {
		a.head.flags |= RECORD_OVERWRITES; /* what has just left */
	}
	if (!log_reserve(s, &a)) {
		*flushed = a.flushed;
		return false;
	}
	memcpy(a.at + RECORD_HEAD, item->key, item->keylen);
	rend_value_copy_out(item->value, 0, a.at + RECORD_HEAD + item->keylen, a.head.len);
	log_seal_record(s, &a);
	publish(s, &a);
	log_done(s, &a);
	COUNT(s, user_bytes, RECORD_HEAD + item->keylen + a.head.len);
	*cas = a.head.cas;
	return true;
}

enum stored
store_put(struct store *s, const struct store_item *item, int64_t wall, uint64_t *cas)
{
	bool flushed = false;

	if (!store_fits(s, item->keylen, item->value->len))
		return STORE_TOO_BIG;
	if (store_append(s, item, RECORD_VALUE, wall, cas, &flushed))
		return STORED;
	if (flushed)
		return STORE_FLUSHED;
	store_refuse(s, item->khash);
	return STORE_NOT_ADMITTED;
}

void
store_refuse(struct store *s, uint64_t khash)
{
	COUNT(s, not_admitted, 1);
	store_remove(s, khash);
}

/* false: it is not there. */
static bool
erase(struct store *s, uint64_t khash, const struct place *at)
{
	uint64_t seq = seq_of(s, at), version = log_version(s);

	if (!index_remove(s->index, khash, at))
		return false;
	log_tomb(s, khash, version, seq);
	return true;
}

void
store_erase(struct store *s, uint64_t khash, const struct place *at)
{
	erase(s, khash, at);
}

bool
store_is_gone(struct store *s, uint64_t khash)
{
	if (index_find(s->index, khash, NULL) || atomic_load(&s->untold) == 0)
		return false;
	log_tomb(s, khash, 0, 0);
	return true;
}

void
store_remove(struct store *s, uint64_t khash)
{
	struct entry e;
	bool erased = false;

	while (index_find(s->index, khash, &e))
		erased |= erase(s, khash, &e.place);
	if (!erased)
		store_is_gone(s, khash);
}

bool
store_touch(struct store *s, uint64_t khash, const struct entry *e, uint64_t version, uint32_t exptime)
{
	/* First, so that the segment is not freed as expired in between. */
	segment_expires(&s->segments[e->place.seg], exptime);
	if (!index_touch(s->index, khash, &e->place, exptime))
		return false;
	if (log_touch(s, khash, version, exptime, seq_of(s, &e->place)))
		return true;
	store_erase(s, khash, &e->place);
	return false;
}

enum index_win
store_win(struct store *s, uint64_t khash, const struct entry *e)
{
	return index_win(s->index, khash, &e->place);
}

void
store_flush_all(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < STREAMS; i++)
		log_close_stream(s, i);
	atomic_store(&s->flush_seq, s->next_seq);
	s->tomb_count = 0;
	s->super_due = true;
	pthread_mutex_unlock(&s->lock);
}

uint64_t
store_flushed(const struct store *s)
{
	return atomic_load(&s->flushed);
}

/* ---- what is told only when it is on the disk ---- */

bool
store_commits(const struct store *s)
{
	return s->options.sync == STORE_SYNC_ALWAYS;
}

/* The one that is under way may have looked already. */
uint64_t
store_commit_at(const struct store *s)
{
	return atomic_load(&s->commit_begun) + 1;
}

void
store_commit_ask(struct store *s)
{
	uint64_t at = store_commit_at(s), is = atomic_load(&s->commit_asked);

	while (is < at && !atomic_compare_exchange_weak(&s->commit_asked, &is, at))
		continue;
	if (!atomic_exchange(&s->commit_due, true) && s->options.wake != NULL)
		s->options.wake(s->options.wake_arg);
}

uint64_t
store_committed(const struct store *s)
{
	return atomic_load(&s->commit_done);
}

uint64_t
store_given_up(const struct store *s)
{
	return atomic_load(&s->given_up);
}

bool
store_commit_due(struct store *s)
{
	return atomic_exchange(&s->commit_due, false);
}

bool
store_commit_missed(const struct store *s)
{
	return atomic_load(&s->commit_done) < atomic_load(&s->commit_asked);
}

/* ---- for people ---- */

void
store_counts(const struct store *s, struct store_counts *counts)
{
#define STORE_COUNT(name, doc) counts->name = atomic_load_explicit(&s->counts.name, memory_order_relaxed);
	STORE_COUNTS(STORE_COUNT)
#undef STORE_COUNT
}

void
store_sizes(struct store *s, struct store_sizes *sizes)
{
	*sizes = (struct store_sizes){
		.objects = index_count(s->index),
		.capacity = (uint64_t)s->g.segments * s->g.segment,
		.ram = index_bytes(s->index) + (uint64_t)s->g.segments * sizeof(struct segment) +
		       ((uint64_t)s->image_count + 1) * s->g.segment,
		.segments = s->g.segments,
	};
	/* As they come: nobody is kept waiting for it. */
	for (uint32_t i = 0; i < s->g.segments; i++) {
		enum segment_state state = atomic_load(&s->segments[i].state);

		sizes->free += state == SEGMENT_FREE;
		sizes->open += state == SEGMENT_OPEN || state == SEGMENT_SEALING;
		sizes->sealed += state == SEGMENT_SEALED;
		sizes->bad += state == SEGMENT_BAD;
	}
}
