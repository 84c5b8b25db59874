/* Values in pieces, stored and freed: see pieces.h.  gather.h reads them. */
#include "pieces.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "state.h"

#define NS_PER_S 1000000000ULL
#define PARTS	 8 /* of a piece: what is less is not put where a segment ends */

/* ---- sizes ---- */

static uint32_t
piece_most(const struct store *s)
{
	uint32_t most = log_longest(s) - RECORD_HEAD;

	return most < FORMAT_PIECE_MOST ? most : FORMAT_PIECE_MOST;
}

/* Pieces that one manifest can name. */
static uint32_t
count_most(const struct store *s, size_t keylen)
{
	return (uint32_t)((log_longest(s) - RECORD_HEAD - keylen - sizeof(struct manifest)) /
			  sizeof(struct manifest_piece));
}

bool
pieces_wanted(const struct store *s, size_t keylen, size_t len)
{
	return len > PIECES_LARGE || !store_fits(s, keylen, len);
}

bool
pieces_fit(const struct store *s, size_t keylen, size_t len)
{
	uint64_t capacity = (uint64_t)s->g.segments * s->g.segment;

	/* Twice: at the end of each segment there may be one that is smaller. */
	return len <= PIECES_MOST && len <= capacity / 4 && 2 * (len / piece_most(s) + 1) <= count_most(s, keylen);
}

/* ---- pieces ---- */

static bool
make_room(struct pieces *p)
{
	uint32_t room = p->room == 0 ? 16 : p->room * 2;
	struct manifest_piece *more;

	if (p->manifest.count < p->room)
		return true;
	more = realloc(p->piece, room * sizeof *more);
	if (more == NULL)
		return false;
	p->piece = more;
	p->room = room;
	return true;
}

static enum stored
append_piece(struct pieces *p)
{
	struct store *s = p->store;
	uint64_t left = p->item.value->len - p->manifest.len;
	uint32_t most = piece_most(s), least = most / PARTS;
	struct append a = {
		.stream = STREAM_LONG,
		.modest = true,
		.flush_seq = p->flushes,
		.head = {
			.type = RECORD_PIECE,
			.len = left < most ? (uint32_t)left : most,
			.cflags = p->manifest.count,
			.khash = p->item.khash,
			.version = p->manifest.version,
		},
	};

	if (!make_room(p))
		return STORE_NOT_ADMITTED;
	if (a.head.len > least && p->manifest.count < count_most(s, p->item.keylen) / 2)
		a.least = least;
	if (!log_reserve(s, &a))
		return a.flushed ? STORE_FLUSHED : STORE_WAITS;
	rend_value_copy_out(p->item.value, p->manifest.len, a.at + RECORD_HEAD, a.head.len);
	log_seal_record(s, &a);
	/* Before it is done: then the image may be another segment's. */
	p->piece[p->manifest.count++] = (struct manifest_piece){
		.seq = a.head.seq, .segment = a.image->segment, .start = a.start, .len = a.head.len
	};
	log_done(s, &a);
	COUNT(s, user_bytes, RECORD_HEAD + a.head.len);
	p->manifest.version = a.head.version;
	p->manifest.len += a.head.len;
	return STORED;
}

/* STORED: a crash does not take it.  Under the lock. */
static enum stored
is_safe(const struct store *s, const struct manifest_piece *piece)
{
	const struct segment *g = &s->segments[piece->segment];
	const struct image *im = g->image;
	uint64_t end = (uint64_t)piece->start * s->g.chunk + RECORD_HEAD + piece->len;

	if (g->seq != piece->seq || g->state == SEGMENT_BAD || g->state == SEGMENT_FREEING)
		return STORE_NOT_ADMITTED;
	if (g->state == SEGMENT_SEALED)
		return STORED;
	if (im->failed)
		return STORE_NOT_ADMITTED;
	return im->safe >= end ? STORED : STORE_WAITS;
}

/* All of them are.  Also those that were so before: a segment may have gone while others were waited for. */
static enum stored
are_safe(struct pieces *p)
{
	struct store *s = p->store;
	enum stored is = STORED;

	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < p->manifest.count && is == STORED; i++)
		is = is_safe(s, &p->piece[i]);
	pthread_mutex_unlock(&s->lock);
	if (is == STORE_WAITS) {
		atomic_store(&s->write_due, true);
		if (s->options.wake != NULL)
			s->options.wake(s->options.wake_arg);
	}
	return is;
}

static enum stored
put_manifest(struct pieces *p, int64_t wall, uint64_t *cas)
{
	struct rend_value value = { 0 };
	struct store_item item = p->item;
	enum stored stored = STORE_NOT_ADMITTED;
	bool flushed = false;

	item.value = &value;
	item.flushes = p->flushes;
	if (rend_value_copy_in(&value, &p->manifest, sizeof p->manifest) == 0 &&
	    rend_value_copy_in(&value, p->piece, p->manifest.count * sizeof *p->piece) == 0)
		stored = store_append(p->store, &item, RECORD_MANIFEST, wall, cas, &flushed) ? STORED
			 : flushed							     ? STORE_FLUSHED
											     : STORE_WAITS;
	rend_value_drop(&value);
	return stored;
}

/* ---- the whole ---- */

static void
start(struct pieces *p)
{
	p->manifest = (struct manifest){ 0 };
	p->flushes = p->item.flushes != 0 ? p->item.flushes : store_flushes(p->store);
}

void
pieces_begin(struct pieces *p, struct store *s, const struct store_item *item)
{
	*p = (struct pieces){ .store = s, .item = *item };
	start(p);
}

void
pieces_end(struct pieces *p)
{
	free(p->piece);
	p->piece = NULL;
}

static enum stored
go(struct pieces *p, int64_t wall, uint64_t *cas)
{
	enum stored stored = STORED;

	while (stored == STORED && p->manifest.len < p->item.value->len)
		stored = append_piece(p);
	if (stored == STORED)
		stored = are_safe(p);
	if (stored == STORED)
		stored = put_manifest(p, wall, cas);
	/* What was stored before a flush_all is gone, whatever became of it. */
	if (stored != STORED && p->flushes != store_flushes(p->store))
		stored = STORE_FLUSHED;
	return stored;
}

static uint64_t
steps_of(struct store *s)
{
	uint64_t steps;

	pthread_mutex_lock(&s->lock);
	steps = s->steps;
	pthread_mutex_unlock(&s->lock);
	return steps;
}

enum stored
pieces_go(struct pieces *p, int64_t wall, uint64_t *cas)
{
	enum stored stored;

	p->steps = steps_of(p->store);
	stored = go(p, wall, cas);
	if (stored == STORE_FLUSHED && p->item.flushes == 0) {
		start(p); /* it is stored after the flush_all, then */
		stored = STORE_WAITS;
		if (p->store->options.wake != NULL)
			p->store->options.wake(p->store->options.wake_arg);
	}
	if (stored == STORE_NOT_ADMITTED)
		store_refuse(p->store, p->item.khash);
	return stored;
}

/* ---- waiting ---- */

void
pieces_init(struct store *s)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->stepped, &attr);
	pthread_condattr_destroy(&attr);
}

void
pieces_stepped(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	s->steps++;
	pthread_cond_broadcast(&s->stepped);
	pthread_mutex_unlock(&s->lock);
}

bool
pieces_wait(struct pieces *p, uint64_t until)
{
	struct store *s = p->store;
	struct timespec at = { .tv_sec = (time_t)(until / NS_PER_S), .tv_nsec = (long)(until % NS_PER_S) };
	bool stepped;

	pthread_mutex_lock(&s->lock);
	while (s->steps == p->steps && pthread_cond_timedwait(&s->stepped, &s->lock, &at) == 0)
		continue;
	stepped = s->steps != p->steps;
	pthread_mutex_unlock(&s->lock);
	return stepped;
}

/* ---- segments that go ---- */

/*
 * The manifest is in a segment that stays, for it was written later.  It needs no tomb where segments go in order: after a crash it leads to the same
 * pieces, which are not there then either.
 */
uint64_t
pieces_leave(struct store *s, const struct row *r, uint64_t *version)
{
	struct manifest m;
	struct record_head h;
	struct entry e;
	uint64_t seq;

	if (!index_find(s->index, r->khash, &e) || !leave_read_head(s, &e.place, &h, &m) || h.type != RECORD_MANIFEST ||
	    h.khash != r->khash || m.version != row_version(r))
		return 0;
	seq = s->segments[e.place.seg].seq;
	*version = h.version;
	if (!index_remove(s->index, r->khash, &e.place))
		return 0;
	COUNT(s, evictions, 1);
	return seq;
}
