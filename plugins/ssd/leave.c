/*
 * What becomes of what is in a segment that goes, row by row, a share in each step: while many segments go, writes go on.
 *
 *	begin: rows ──► step, step, ... ──► every row has gone ──► FREEING until a checkpoint has told the disk ──► FREE
 *	         └ cannot be read: the index is looked through for what leads there
 *
 * The oldest in order of seq needs no more: what its records hid is gone already (log.c).  One that goes before older ones has hidden records in
 * those: a tomb of the same version takes its place, and has to be on the disk before the segment is used again (owes).  A touch whose record is
 * elsewhere is written again.
 *
 * What leaves with the oldest has no tomb, and a crash before the checkpoint brings it back (untold).  That is no harm, unless its key was changed
 * meanwhile: who changes a key of which nothing is found notes that (store.c), and a proper end waits until all has left (open.c).
 */
#include <string.h>

#include "size_class.h"
#include "state.h"

#define WINDOW	      (1U << 20)      /* bytes read at once for those that are moved */
#define SWEEP_BUCKETS (1U << 16)      /* in a step */
#define HEAD_BYTES    PATH_BLOCK      /* in which a manifest's begin is, wherever the record begins */
#define TOMBS_PAUSE   (TOMBS_MAX / 4) /* as many may wait for room before a segment waits, too */

static struct segment *
segment_of(const struct leaving *l, struct store *s)
{
	return &s->segments[l->segment];
}

/* ---- records that are moved ---- */

static bool
leads_here(const struct store *s, const struct row *r, struct entry *e)
{
	return index_find(s->index, r->khash, e) && e->place.seg == s->leaving.segment &&
	       e->place.start == row_start(r);
}

static void
bury(struct store *s, uint64_t khash, uint64_t version, uint64_t after_seq)
{
	if (!log_tomb(s, khash, version, after_seq))
		segment_of(&s->leaving, s)->owes = true;
}

/* [from, to) of the segment in s->scratch.  Rows are gone through from the last one on, so what is before it is wanted next. */
static bool
have(struct store *s, uint32_t from, uint32_t to)
{
	struct leaving *l = &s->leaving;
	uint32_t rows = l->count * (uint32_t)sizeof(struct row) + FORMAT_BLOCK;
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
	l->bytes_left -= to - from < l->bytes_left ? to - from : l->bytes_left;
	if (path_read(s, l->segment, s->scratch + from, to - from, from) != IO_OK) {
		COUNT(s, read_errors, 1);
		return false;
	}
	l->have_from = from;
	l->have_to = to;
	return true;
}

/* A record, whole.  NULL: it is not there, or not right. */
static const char *
read_record(struct store *s, const struct row *r, const struct entry *e, struct record_head *h)
{
	struct leaving *l = &s->leaving;
	uint64_t seq = atomic_load(&segment_of(l, s)->seq);
	uint32_t from = row_start(r) * s->g.chunk, to = from + size_class_chunks(e->place.size) * s->g.chunk;

	if (!have(s, from, to))
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
copy_record(struct store *s, const struct row *r, const struct entry *e)
{
	struct append a = { .stream = STREAM_MOVED, .newest = e->place.touched, .flush_seq = s->leaving.flush_seq };
	const char *from = read_record(s, r, e, &a.head);
	struct place to;
	bool moved;

	if (from == NULL)
		return false;
	a.head.exptime = e->exptime;
	a.head.flags = RECORD_OVERWRITES | RECORD_MOVED | (a.head.flags & (RECORD_SENT | RECORD_STALE));
	if (!log_reserve(s, &a))
		return false;
	memcpy(a.at + RECORD_HEAD, from + RECORD_HEAD, (size_t)a.head.keylen + a.head.len);
	log_seal_record(s, &a);
	to = log_place(&a);
	moved = index_move(s->index, r->khash, &e->place, &to);
	log_done(s, &a);
	if (moved) {
		s->leaving.budget -= (int64_t)a.head.chunks * s->g.chunk;
		admit_written(s, (uint64_t)a.head.chunks * s->g.chunk);
		COUNT(s, moves, 1);
	} else {
		bury(s, r->khash, a.head.version, a.head.seq); /* evicted from the index meanwhile */
	}
	return moved;
}

/* Who was hit since it was written, or touched when all seemed to have expired, is written again, if nobody changes it just now. */
static bool
move_record(struct store *s, const struct row *r, struct entry *e)
{
	bool moved;

	/* A value in pieces is not: these would go all the same. */
	if (r->type != RECORD_VALUE || !(e->place.hit || s->leaving.how == GOES_EXPIRED) ||
	    s->leaving.budget < (int64_t)size_class_chunks(e->place.size) * s->g.chunk || !keys_try(s->keys, r->khash))
		return false;
	moved = leads_here(s, r, e) && copy_record(s, r, e);
	keys_give(s->keys, r->khash);
	return moved;
}

/* ---- the record that an entry leads to ---- */

static bool
head_in(const struct store *s, const char *p, uint64_t seq, struct record_head *h, struct manifest *m)
{
	*m = (struct manifest){ 0 };
	if (!format_record_read(p, &s->g, seq, SIZE_MAX, h))
		return false;
	if (h->type == RECORD_MANIFEST)
		memcpy(m, p + RECORD_HEAD + h->keylen, sizeof *m);
	return true;
}

bool
leave_read_head(struct store *s, const struct place *p, struct record_head *h, struct manifest *m)
{
	char *block = s->paths[path_of(s, p->seg)].block;
	size_t from = (size_t)p->start * s->g.chunk, first = from / FORMAT_BLOCK * FORMAT_BLOCK;
	const struct image *im;
	bool is = false;
	uint64_t seq;

	pthread_mutex_lock(&s->lock);
	seq = s->segments[p->seg].seq;
	im = s->segments[p->seg].image;
	if (im != NULL)
		is = head_in(s, im->data + from, seq, h, m);
	pthread_mutex_unlock(&s->lock);
	if (im != NULL)
		return is;
	if (path_read(s, p->seg, block, HEAD_BYTES, (uint32_t)first) == IO_OK)
		return head_in(s, block + (from - first), seq, h, m);
	COUNT(s, read_errors, 1);
	return false;
}

/* ---- rows ---- */

static void
value_leaves(struct store *s, const struct row *r)
{
	const struct leaving *l = &s->leaving;
	struct entry e;
	bool here = leads_here(s, r, &e), expired = here && exptime_passed(e.exptime, l->wall);

	if (here && l->how != GOES_BAD && !expired && move_record(s, r, &e))
		return;
	if (here) {
		here = index_remove(s->index, r->khash, &e.place);
		COUNT(s, evictions, here && !expired);
	}
	if ((l->hides && ((r->flags & RECORD_OVERWRITES) || (here && l->how == GOES_BAD))) ||
	    (here && l->how == GOES_EXPIRED && !expired))
		bury(s, r->khash, row_version(r), 0);
}

/* What it touched may live elsewhere. */
static void
touch_leaves(struct store *s, const struct row *r)
{
	const struct leaving *l = &s->leaving;
	struct manifest manifest;
	struct record_head head;
	struct entry e;
	uint64_t seq, version;

	if (!index_find(s->index, r->khash, &e) || exptime_passed(e.exptime, l->wall)) {
		/* The value that it let expire may be there still, with the time that it had before. */
		if (l->hides)
			bury(s, r->khash, row_version(r), 0);
		return;
	}
	if (!e.place.touched || e.place.seg == l->segment)
		return;
	seq = atomic_load(&s->segments[e.place.seg].seq);
	if (log_touch(s, r->khash, row_version(r), e.exptime, seq))
		return;
	version = leave_read_head(s, &e.place, &head, &manifest) ? head.version : log_version(s);
	if (index_remove(s->index, r->khash, &e.place))
		bury(s, r->khash, version, seq);
}

/* Out of order, a crash could bring the segment back, and with it the value. */
static void
piece_leaves(struct store *s, const struct row *r)
{
	uint64_t version = 0, seq = pieces_leave(s, r, &version);

	if (seq != 0 && s->leaving.hides)
		bury(s, r->khash, version, seq);
}

static void
row_leaves(struct store *s, const struct row *r)
{
	switch (r->type) {
	case RECORD_VALUE:
	case RECORD_MANIFEST:
		value_leaves(s, r);
		break;
	case RECORD_PIECE:
		piece_leaves(s, r);
		break;
	case RECORD_TOMB:
		if (s->leaving.hides)
			bury(s, r->khash, row_version(r), 0);
		break;
	case RECORD_TOUCH:
		touch_leaves(s, r);
		break;
	default:
		break;
	}
}

const struct row *
leave_read_rows(struct store *s, uint32_t segment)
{
	const struct segment *g = &s->segments[segment];
	uint32_t end = s->g.segment - FORMAT_BLOCK, bytes = g->rows * (uint32_t)sizeof(struct row);
	uint32_t begin = (end - bytes) / FORMAT_BLOCK * FORMAT_BLOCK;
	struct leaving *l = &s->leaving;
	struct segment_trailer t;

	l->bytes_left -= bytes < l->bytes_left ? bytes : l->bytes_left;
	if (path_read(s, segment, s->scratch + begin, s->g.segment - begin, begin) != IO_OK) {
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

/* ---- a segment ---- */

/* Is there a segment that is older?  What opens meanwhile is not. */
static bool
is_oldest(struct store *s, uint32_t segment)
{
	uint64_t seq = atomic_load(&s->segments[segment].seq);

	for (uint32_t i = 0; i < s->g.segments; i++)
		if (atomic_load(&s->segments[i].state) != SEGMENT_FREE && !s->segments[i].lost &&
		    atomic_load(&s->segments[i].seq) < seq)
			return false;
	return true;
}

static const struct row *
rows_of(struct store *s, uint32_t segment, uint32_t *count)
{
	const struct image *im = atomic_load(&s->segments[segment].image);

	if (im == NULL) {
		*count = s->segments[segment].rows;
		return leave_read_rows(s, segment);
	}
	*count = im->rows;
	return (
	    const struct row *)(const void *)(im->data + s->g.segment - FORMAT_BLOCK - im->rows * sizeof(struct row));
}

void
leave_begin(struct store *s, uint32_t segment, enum goes how)
{
	struct segment *g = &s->segments[segment];
	struct leaving *l = &s->leaving;
	struct leaving was = *l;

	*l = (struct leaving){
		.active = true,
		.segment = segment,
		.how = how,
		.hides = how == GOES_BAD || (how == GOES_EXPIRED && !is_oldest(s, segment)),
		.flush_seq = atomic_load(&s->flush_seq),
		.budget = (int64_t)s->g.segment / 100 * s->options.moves,
		.rows_left = was.rows_left,
		.bytes_left = was.bytes_left,
	};
	if (atomic_load(&g->seq) < l->flush_seq)
		l->budget = 0;
	if (how == GOES_OLDEST && !g->untold) {
		g->untold = true; /* before anything goes: who finds nothing looks at it then */
		atomic_fetch_add(&s->untold, 1);
	}
	l->rows = rows_of(s, segment, &l->count);
	g->owes |= l->hides;
	if (l->rows == NULL && how == GOES_EXPIRED) {
		/* What it hides is not known: it goes when it is the oldest. */
		atomic_store(&g->exptime_max, EXPTIME_NEVER);
		l->active = false;
	}
}

static bool
lies_in(void *arg, const struct entry *e)
{
	return e->place.seg == *(const uint32_t *)arg;
}

/* true: that was all. */
static bool
sweep_some(struct store *s)
{
	struct leaving *l = &s->leaving;

	COUNT(s, evictions, index_sweep(s->index, l->swept, SWEEP_BUCKETS, lies_in, &l->segment));
	l->swept += SWEEP_BUCKETS;
	l->rows_left = 0;
	if (l->swept < index_buckets(s->index))
		return false;
	if (segment_of(l, s)->touches != 0)
		free_discard(s);
	return true;
}

static bool
some_rows_leave(struct store *s)
{
	struct leaving *l = &s->leaving;
	struct segment *g = segment_of(l, s);

	for (; g->left < l->count; g->left++, l->rows_left--) {
		if (l->rows_left == 0 || l->bytes_left == 0 ||
		    (l->how == GOES_EXPIRED && atomic_load(&s->tomb_count) > TOMBS_PAUSE))
			return false;
		row_leaves(s, &l->rows[g->left]);
	}
	return true;
}

void
leave_over(struct store *s, uint32_t segment)
{
	atomic_store(&s->segments[segment].state, SEGMENT_FREEING);
	s->freeing++;
}

bool
leave_step(struct store *s, int64_t wall)
{
	struct leaving *l = &s->leaving;

	if (!l->active)
		return true;
	l->wall = wall;
	if (l->rows == NULL ? !sweep_some(s) : !some_rows_leave(s))
		return false;
	l->active = false;
	if (l->how == GOES_BAD) {
		atomic_load(&segment_of(l, s)->image)->failed = false; /* and free with the next look at it */
		return true;
	}
	if (l->how == GOES_EXPIRED)
		COUNT(s, expired_segments, 1);
	else
		COUNT(s, freed_segments, 1);
	leave_over(s, l->segment);
	return true;
}

void
leave_put_off(struct store *s)
{
	s->leaving.active = false;
}
