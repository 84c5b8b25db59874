/*
 * Segments that go: the oldest, when there is too little room; those in which all has expired; those from before a flush_all; those that the disk did
 * not take.  What is in them is removed from the index; then they are FREEING until a checkpoint has told the disk.
 *
 * The oldest in order of seq needs no more: what its records hid is gone already (log.c).  One that goes before older ones has hidden records in
 * those: a tomb of the same version takes its place.  A touch whose record is elsewhere is written again.
 */
#include <string.h>

#include "size_class.h"
#include "state.h"

#define SWEEP_BUCKETS 4096 /* at a time */
#define FLUSH_BUCKETS (64 * SWEEP_BUCKETS)
#define WINDOW	      (1U << 20)	  /* bytes read at once for those that are moved */
#define BAD_PAUSE     (5ULL * 1000000000) /* ns until what could not be written is tried again */

uint32_t
free_wanted(const struct store *s)
{
	uint32_t wanted = s->g.segments / 100;

	if (wanted < 2 * STREAMS)
		wanted = 2 * STREAMS;
	return wanted > s->g.segments / 4 ? s->g.segments / 4 : wanted;
}

/* ---- rows ---- */

struct leaving {
	struct store *s;
	uint32_t segment;
	enum goes how;
	bool hides;	    /* it may have hidden something that is still there */
	uint64_t flush_seq; /* it is no older than that: nothing is moved over a later one */
	int64_t budget;	    /* bytes that may be moved */
	/* What of the segment is in s->scratch, where it would be in an image; rows are behind it. */
	uint32_t have_from, have_to;
	int64_t wall;
};

static bool
leads_here(const struct leaving *l, const struct row *r, struct entry *e)
{
	return index_find(l->s->index, r->khash, e) && e->place.seg == l->segment && e->place.start == row_start(r);
}

static void
bury(struct leaving *l, const struct row *r)
{
	log_tomb(l->s, r->khash, row_version(r), 0);
}

/* [from, to) of the segment in s->scratch.  Rows are gone through from the last one on, so what is before it is wanted next. */
static bool
have(struct leaving *l, uint32_t from, uint32_t to)
{
	struct store *s = l->s;
	uint32_t rows = s->segments[l->segment].rows * (uint32_t)sizeof(struct row) + FORMAT_BLOCK;
	uint32_t most = (s->g.segment - rows) / FORMAT_BLOCK * FORMAT_BLOCK;

	from = from / FORMAT_BLOCK * FORMAT_BLOCK;
	to = (to + FORMAT_BLOCK - 1) / FORMAT_BLOCK * FORMAT_BLOCK;
	if (to > most)
		to = most;
	if (from >= l->have_from && to <= l->have_to)
		return true;
	if (from >= to)
		return false;
	if (from > WINDOW && to - from < WINDOW)
		from = to - WINDOW;
	l->have_from = l->have_to = 0;
	if (io_read(write_bank(s, l->segment), s->scratch + from, to - from, geometry_offset(&s->g, l->segment) + from,
		NULL) != IO_OK) {
		COUNT(s, read_errors, 1);
		return false;
	}
	l->have_from = from;
	l->have_to = to;
	return true;
}

/* A record, whole.  NULL: it is not there, or not right. */
static const char *
read_record(struct leaving *l, const struct row *r, const struct entry *e, struct record_head *h)
{
	struct store *s = l->s;
	uint64_t seq = atomic_load(&s->segments[l->segment].seq);
	uint32_t from = row_start(r) * s->g.chunk, to = from + size_class_chunks(e->place.size) * s->g.chunk;

	if (!have(l, from, to))
		return NULL;
	if (!format_record_read(s->scratch + from, &s->g, seq, l->have_to - from, h) || h->type != RECORD_VALUE ||
	    h->khash != r->khash || h->version != row_version(r) || !format_body_ok(s->scratch + from, h)) {
		COUNT(s, check_errors, 1);
		return NULL;
	}
	return s->scratch + from;
}

/* With the key's lock. */
static bool
copy_record(struct leaving *l, const struct row *r, const struct entry *e)
{
	struct store *s = l->s;
	struct append a = { .stream = STREAM_MOVED, .newest = e->place.touched, .flush_seq = l->flush_seq };
	const char *from = read_record(l, r, e, &a.head);
	struct place to;
	bool moved;

	if (from == NULL)
		return false;
	a.head.exptime = e->exptime;
	a.head.flags = RECORD_OVERWRITES | RECORD_MOVED;
	if (!log_reserve(s, &a))
		return false;
	memcpy(a.at + RECORD_HEAD, from + RECORD_HEAD, (size_t)a.head.keylen + a.head.len);
	log_seal_record(s, &a);
	to = log_place(&a);
	moved = index_move(s->index, r->khash, &e->place, &to);
	log_done(s, &a);
	if (moved) {
		l->budget -= (int64_t)a.head.chunks * s->g.chunk;
		COUNT(s, moves, 1);
	} else {
		log_tomb(s, r->khash, a.head.version, a.head.seq); /* evicted from the index meanwhile */
	}
	return moved;
}

/* Who was hit since it was written is written again, if nobody changes it just now. */
static bool
move_record(struct leaving *l, const struct row *r, struct entry *e)
{
	struct store *s = l->s;
	bool moved;

	/* A value in pieces is not: these would go all the same. */
	if (r->type != RECORD_VALUE || !e->place.hit ||
	    l->budget < (int64_t)size_class_chunks(e->place.size) * s->g.chunk || !keys_try(s->keys, r->khash))
		return false;
	moved = leads_here(l, r, e) && copy_record(l, r, e);
	keys_give(s->keys, r->khash);
	return moved;
}

static void
value_leaves(struct leaving *l, const struct row *r)
{
	struct store *s = l->s;
	struct entry e;
	bool here = leads_here(l, r, &e), expired = here && exptime_passed(e.exptime, l->wall);

	if (here && l->how == GOES_OLDEST && !expired && move_record(l, r, &e))
		return;
	if (here) {
		here = index_remove(s->index, r->khash, &e.place);
		COUNT(s, evictions, here && !expired);
	}
	if (l->hides && ((r->flags & RECORD_OVERWRITES) || (here && l->how == GOES_BAD)))
		bury(l, r);
}

/* What it touched may live elsewhere. */
static void
touch_leaves(struct leaving *l, const struct row *r)
{
	struct store *s = l->s;
	struct entry e;
	uint64_t seq;

	if (!index_find(s->index, r->khash, &e) || exptime_passed(e.exptime, l->wall)) {
		/* The value that it let expire may be there still, with the time that it had before. */
		if (l->hides)
			bury(l, r);
		return;
	}
	if (!e.place.touched || e.place.seg == l->segment)
		return;
	seq = atomic_load(&s->segments[e.place.seg].seq);
	if (!log_touch(s, r->khash, row_version(r), e.exptime, seq))
		store_erase(s, r->khash, &e.place);
}

static void
row_leaves(struct leaving *l, const struct row *r)
{
	switch (r->type) {
	case RECORD_VALUE:
	case RECORD_MANIFEST:
		value_leaves(l, r);
		break;
	case RECORD_PIECE:
		pieces_leave(l->s, r, l->hides);
		break;
	case RECORD_TOMB:
		if (l->hides)
			bury(l, r);
		break;
	case RECORD_TOUCH:
		touch_leaves(l, r);
		break;
	default:
		break;
	}
}

/* Is there a segment that is older? */
static bool
is_oldest(struct store *s, uint32_t segment)
{
	uint64_t seq = atomic_load(&s->segments[segment].seq);
	bool oldest = true;

	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->g.segments; i++)
		if (s->segments[i].state != SEGMENT_FREE && atomic_load(&s->segments[i].seq) < seq)
			oldest = false;
	pthread_mutex_unlock(&s->lock);
	return oldest;
}

void
free_rows(struct store *s, uint32_t segment, enum goes how, const struct row *rows, uint32_t count)
{
	struct leaving l = {
		.s = s,
		.flush_seq = atomic_load(&s->flush_seq),
		.segment = segment,
		.how = how,
		.hides = how == GOES_BAD || (how == GOES_EXPIRED && !is_oldest(s, segment)),
		.budget = (int64_t)s->g.segment / 100 * s->options.moves,
		.wall = atomic_load(&s->wall),
	};

	if (atomic_load(&s->segments[segment].seq) < l.flush_seq)
		l.budget = 0;
	for (uint32_t i = 0; i < count; i++)
		row_leaves(&l, &rows[i]);
}

/* ---- a segment ---- */

static bool
lies_in(void *arg, const struct entry *e)
{
	return e->place.seg == *(const uint32_t *)arg;
}

const struct row *
free_read_rows(struct store *s, uint32_t segment)
{
	const struct segment *g = &s->segments[segment];
	uint32_t end = s->g.segment - FORMAT_BLOCK, bytes = g->rows * (uint32_t)sizeof(struct row);
	uint32_t begin = (end - bytes) / FORMAT_BLOCK * FORMAT_BLOCK;
	struct segment_trailer t;

	if (io_read(write_bank(s, segment), s->scratch + begin, s->g.segment - begin,
		geometry_offset(&s->g, segment) + begin, NULL) != IO_OK) {
		COUNT(s, read_errors, 1);
		return NULL;
	}
	if (!format_trailer_read(s->scratch + end, &s->g, s->super.uuid, segment, &t) ||
	    t.seq != atomic_load(&g->seq) || t.rows != g->rows ||
	    t.rows_sum != format_sum(s->scratch + end - bytes, bytes)) {
		COUNT(s, check_errors, 1);
		return NULL;
	}
	return (const struct row *)(const void *)(s->scratch + end - bytes);
}

static void
become_freeing(struct store *s, uint32_t segment)
{
	pthread_mutex_lock(&s->lock);
	s->segments[segment].state = SEGMENT_FREEING;
	pthread_mutex_unlock(&s->lock);
}

static void
discard_all(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	s->discard_below = s->next_version;
	s->super_due = true;
	pthread_mutex_unlock(&s->lock);
	COUNT(s, discards, 1);
}

static void
free_segment(struct store *s, uint32_t segment, enum goes how)
{
	const struct row *rows = free_read_rows(s, segment);

	if (rows == NULL && how == GOES_EXPIRED) {
		/* What it hides is not known: it goes when it is the oldest. */
		atomic_store(&s->segments[segment].exptime_max, EXPTIME_NEVER);
		return;
	}
	if (rows != NULL) {
		free_rows(s, segment, how, rows, s->segments[segment].rows);
	} else {
		COUNT(s, evictions, index_sweep(s->index, 0, UINT64_MAX, lies_in, &segment));
		if (s->segments[segment].touches != 0)
			discard_all(s);
	}
	if (how == GOES_EXPIRED)
		COUNT(s, expired_segments, 1);
	else
		COUNT(s, freed_segments, 1);
	become_freeing(s, segment);
}

/* ---- which one ---- */

static uint32_t
count_state(struct store *s, enum segment_state state)
{
	uint32_t n = 0;

	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->g.segments; i++)
		n += s->segments[i].state == state;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* The oldest one, if it can go now; if it is open still, it is closed. */
static bool
oldest_sealed(struct store *s, uint32_t *segment)
{
	uint64_t least = UINT64_MAX;
	bool sealed;

	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->g.segments; i++) {
		const struct segment *g = &s->segments[i];
		uint64_t seq = atomic_load(&g->seq);

		if (g->state >= SEGMENT_OPEN && g->state <= SEGMENT_SEALED && seq < least) {
			least = seq;
			*segment = i;
		}
	}
	for (unsigned i = 0; i < STREAMS && least != UINT64_MAX; i++)
		if (s->open[i] != NULL && s->open[i]->segment == *segment)
			log_close_stream(s, i);
	sealed = least != UINT64_MAX && s->segments[*segment].state == SEGMENT_SEALED &&
		 s->segments[*segment].image == NULL && (least >= atomic_load(&s->flush_seq) || least < s->flush_done);
	pthread_mutex_unlock(&s->lock);
	return sealed;
}

static uint32_t
count_free(struct store *s)
{
	return s->free_count + count_state(s, SEGMENT_FREEING);
}

static bool
free_oldest(struct store *s)
{
	uint32_t segment = 0;

	if (!oldest_sealed(s, &segment))
		return false;
	if (atomic_load(&s->segments[segment].seq) < s->flush_done)
		become_freeing(s, segment); /* nothing leads to it since it was swept */
	else
		free_segment(s, segment, GOES_OLDEST);
	return true;
}

static bool
free_expired(struct store *s, int64_t wall)
{
	if (s->ttl_looked == wall)
		return false;
	s->ttl_looked = wall;
	for (uint32_t i = 0; i < s->g.segments; i++) {
		const struct segment *g = &s->segments[i];
		uint32_t max = atomic_load(&g->exptime_max);

		if (g->state == SEGMENT_SEALED && g->image == NULL && max != 0 && max != EXPTIME_NEVER &&
		    exptime_passed(max, wall) && atomic_load(&g->seq) >= atomic_load(&s->flush_seq))
			free_segment(s, i, GOES_EXPIRED);
	}
	return true;
}

/* A segment that the disk did not take gets another chance after a while. */
static bool
free_bad(struct store *s)
{
	bool did = false;

	for (uint32_t i = 0; i < s->g.segments; i++)
		if (s->segments[i].state == SEGMENT_BAD && s->segments[i].image == NULL &&
		    io_now(s->io) - s->segments[i].since >= BAD_PAUSE) {
			become_freeing(s, i);
			did = true;
		}
	return did;
}

/* ---- the index, bucket by bucket ---- */

struct passed {
	const struct store *s;
	int64_t wall;
};

static bool
has_passed(void *arg, const struct entry *e)
{
	const struct passed *p = arg;

	return exptime_passed(e->exptime, p->wall) ||
	       atomic_load(&p->s->segments[e->place.seg].seq) < atomic_load(&p->s->flush_seq);
}

static void
sweep(struct store *s, int64_t wall)
{
	struct passed p = { s, wall };

	index_sweep(s->index, s->swept, SWEEP_BUCKETS, has_passed, &p);
	s->swept += SWEEP_BUCKETS;
	if (s->swept >= index_buckets(s->index))
		s->swept = 0;
}

/* Nobody copies into a segment of before the flush any more? */
static bool
all_sealed_below(struct store *s, uint64_t seq)
{
	bool all = true;

	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->g.segments; i++) {
		enum segment_state state = s->segments[i].state;

		if ((state == SEGMENT_OPEN || state == SEGMENT_SEALING) && atomic_load(&s->segments[i].seq) < seq)
			all = false;
	}
	pthread_mutex_unlock(&s->lock);
	return all;
}

/* After a flush_all: when nothing leads to its segments any more, they are free. */
static bool
flush_step(struct store *s, int64_t wall)
{
	struct passed p = { s, wall };
	uint64_t flush_seq = atomic_load(&s->flush_seq);

	if (s->flush_sweeping == 0) {
		if (s->flush_done == flush_seq || !all_sealed_below(s, flush_seq))
			return false;
		s->flush_sweeping = flush_seq;
		s->flush_swept = 0;
	}
	index_sweep(s->index, s->flush_swept, FLUSH_BUCKETS, has_passed, &p);
	s->flush_swept += FLUSH_BUCKETS;
	if (s->flush_swept < index_buckets(s->index))
		return true;
	for (uint32_t i = 0; i < s->g.segments; i++)
		if (s->segments[i].state == SEGMENT_SEALED && s->segments[i].image == NULL &&
		    atomic_load(&s->segments[i].seq) < s->flush_sweeping)
			become_freeing(s, i);
	s->flush_done = s->flush_sweeping;
	s->flush_sweeping = 0;
	return true;
}

/* ---- all of it ---- */

static bool
bury_waiting(struct store *s)
{
	struct tomb t;
	bool did = false;

	for (uint32_t n = 0; n < TOMBS_MAX; n++) {
		bool any;

		pthread_mutex_lock(&s->lock);
		any = s->tomb_count > 0 && s->free_images != NULL && s->free_count > 0;
		if (any)
			t = s->tombs[--s->tomb_count];
		pthread_mutex_unlock(&s->lock);
		if (!any)
			break;
		log_tomb(s, t.khash, t.version, 0);
		did = true;
	}
	return did;
}

static bool
tombs_wait(struct store *s)
{
	bool any;

	pthread_mutex_lock(&s->lock);
	any = s->tomb_count > 0;
	pthread_mutex_unlock(&s->lock);
	return any;
}

static bool
checkpoint_due(struct store *s)
{
	bool room = count_state(s, SEGMENT_FREEING) > 0 && s->free_count < free_wanted(s), due;

	pthread_mutex_lock(&s->lock);
	due = room || s->super_due || s->version_limit - s->next_version < (1 << 23) ||
	      s->seq_limit - s->next_seq < (1 << 19);
	pthread_mutex_unlock(&s->lock);
	return due;
}

/* Tombs find room before and after a checkpoint makes some; those of a flush reach the disk with it. */
static bool
settle(struct store *s, bool flush)
{
	bool did = bury_waiting(s);

	if (checkpoint_due(s) || (did && flush))
		did |= write_checkpoint(s);
	return did;
}

/*
 * A tomb that waits is in RAM only: without it a flush would leave on the disk what was removed before it began.  So a flush makes room for those
 * that wait (images that were written are free at the second look, segments after a checkpoint) and does not end before they are written.  What
 * there is no room for even then waits for the next one.
 */
bool
free_step(struct store *s, bool flush, int64_t wall)
{
	bool did = flush_step(s, wall);

	did |= free_bad(s);
	did |= free_expired(s, wall);
	/* Some more than there have to be, so that one checkpoint is for several. */
	if (count_free(s) < free_wanted(s))
		while (count_free(s) < free_wanted(s) * 3 / 2 && free_oldest(s))
			did = true;
	did |= settle(s, flush);
	if (flush && tombs_wait(s)) {
		did |= write_step(s, true);
		did |= settle(s, true);
	}
	sweep(s, wall);
	return did;
}

bool
store_step(struct store *s, bool flush, int64_t wall)
{
	bool did;

	atomic_store(&s->wall, wall);
	did = write_step(s, flush);
	did |= free_step(s, flush, wall);
	pieces_stepped(s);
	return did;
}
