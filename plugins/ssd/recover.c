/*
 * What was there, from the segments themselves: after a crash, or when the index that was kept is not to be trusted.
 *
 *	heads, trailers ──► in order of seq: rows (recover_rows.c) ──► index: the highest version of each stands
 *	                                       └─ once more, those with touches ──► applied to what stands
 *
 * What cannot be read may have had something newer than what is found elsewhere: a later value, a tomb, a touch.  None of that had a higher
 * version than all records of its segment, which its trailer knows; so whatever has no higher version than that goes.  If that is not known either,
 * all goes, and the store begins empty; its versions and seqs go on.
 */
#include <stdlib.h>
#include <string.h>

#include "size_class.h"
#include "state.h"

#define AHEAD 16 /* rows whose places in the index are fetched meanwhile: each is anywhere */

struct recovery {
	struct store *s;
	struct found *found;
	uint32_t count;
	uint64_t rows;
	uint64_t doubtful;			      /* up to this version there may have been others */
	uint32_t damaged;			      /* segments that are not all there */
	bool lost;				      /* there may have been anything */
	uint32_t where[FORMAT_LOST_MOST + 1], places; /* segments that may have had that */
};

/* ---- one record ---- */

static void
offer(struct recovery *r, const struct row *row, const struct image *im)
{
	struct store *s = r->s;
	uint64_t version = row_version(row);
	struct entry e = { .place = { .seg = im->segment, .start = row_start(row), .size = row->size },
		.exptime = row->exptime };

	r->rows++;
	if (version < s->discard_below || row->type == RECORD_TOUCH)
		return;
	if (record_is_value(row->type) || row->type == RECORD_PIECE)
		segment_expires(&s->segments[im->segment], row->exptime);
	if (row->type != RECORD_PIECE) /* what that is of is a manifest's to say */
		index_rebuild_offer(s->index, row->khash, version, row->type == RECORD_TOMB, &e);
}

/* The last one that is newer than what stands counts; they come in order. */
static void
touch(struct recovery *r, const struct row *row, const struct image *im)
{
	struct store *s = r->s;
	struct entry e;
	uint64_t seq;

	if (row->type != RECORD_TOUCH || !index_rebuild_stands(s->index, row->khash, row_version(row), &e))
		return;
	/* A copy that was written later has the exptime of its time. */
	seq = atomic_load(&s->segments[e.place.seg].seq);
	if (im->seq < seq || (im->seq == seq && row_start(row) < e.place.start))
		return;
	index_touch(s->index, row->khash, &e.place, row->exptime);
	segment_expires(&s->segments[e.place.seg], row->exptime);
}

/* ---- one segment ---- */

static void
each_row(struct recovery *r, const struct image *im,
    void (*each)(struct recovery *, const struct row *, const struct image *))
{
	const struct row *end = (const struct row *)(const void *)(im->data + r->s->g.segment - FORMAT_BLOCK);

	/* The last one lies first. */
	for (uint32_t i = 1; i <= im->rows; i++) {
		if (im->rows - i >= AHEAD)
			index_rebuild_expect(r->s->index, end[-(ptrdiff_t)(i + AHEAD)].khash);
		each(r, end - i, im);
	}
}

static void
is_sealed(struct store *s, const struct found *f, uint32_t rows, uint32_t used, uint32_t touches, uint64_t version_max)
{
	struct segment *g = &s->segments[f->segment];

	atomic_store(&g->seq, f->seq);
	g->state = SEGMENT_SEALED;
	g->rows = rows;
	g->used = used;
	g->touches = touches;
	g->version_max = version_max;
}

static void
is_damaged(struct recovery *r, const struct found *f, enum found_rows rows)
{
	r->damaged++;
	r->lost |= rows == ROWS_LOST;
	if (rows == ROWS_LOST && r->places <= FORMAT_LOST_MOST)
		r->where[r->places++] = f->segment;
	if (rows == ROWS_SOME && f->trailer.version_max > r->doubtful)
		r->doubtful = f->trailer.version_max;
}

/* One that was open is sealed, so that the next start finds rows. */
static void
segment(struct recovery *r, const struct found *f)
{
	const struct segment_trailer *t = &f->trailer;
	struct store *s = r->s;
	struct image im;
	enum found_rows rows;
	bool made;

	if (f->sealed)
		is_sealed(s, f, t->rows, t->used, t->touches, t->version_max);
	rows = recover_rows(s, f, &im, &made);
	if (rows != ROWS_ALL)
		is_damaged(r, f, rows);
	if (rows == ROWS_LOST)
		return;
	if (rows == ROWS_ALL)
		is_sealed(s, f, im.rows, im.used, im.touches, im.version_max);
	each_row(r, &im, offer);
	if (rows == ROWS_ALL && made)
		write_rows(s, &im);
}

static void
apply_touches(struct recovery *r, const struct found *f)
{
	struct image im;
	enum found_rows rows;
	bool made;

	if (r->s->segments[f->segment].touches == 0)
		return;
	rows = recover_rows(r->s, f, &im, &made);
	if (rows == ROWS_ALL)
		each_row(r, &im, touch);
	else
		is_damaged(r, f, rows);
}

/* ---- which segments ---- */

static void
look_at(struct recovery *r, uint32_t number)
{
	switch (recover_head(r->s, number, &r->found[r->count])) {
	case HEAD_FREE:
		break;
	case HEAD_FOUND:
		r->count++;
		break;
	case HEAD_LOST:
		is_damaged(r, &r->found[r->count], ROWS_LOST);
		break;
	}
}

static int
by_seq(const void *a, const void *b)
{
	const struct found *fa = a, *fb = b;

	return fa->seq < fb->seq ? -1 : fa->seq > fb->seq;
}

/* ---- the end ---- */

static bool
has_expired(void *arg, const struct entry *e)
{
	return exptime_passed(e->exptime, *(const int64_t *)arg);
}

static bool
all(void *arg, const struct entry *e)
{
	return true;
}

static void
forget(void *arg, uint64_t khash, uint64_t version)
{
}

void
recover_nothing(struct store *s)
{
	index_rebuild_end(s->index);
	index_rebuild_lost(s->index, forget, NULL);
	index_sweep(s->index, 0, UINT64_MAX, all, NULL);
	for (uint32_t i = 0; i < s->g.segments; i++) {
		struct segment *g = &s->segments[i];

		g->state = SEGMENT_FREE;
		g->rows = g->used = g->touches = 0;
		g->version_max = 0;
		atomic_store(&g->seq, 0);
		atomic_store(&g->exptime_max, 0);
	}
}

static void
discard(struct store *s, uint64_t up_to)
{
	if (up_to >= s->discard_below)
		s->discard_below = up_to + 1;
	COUNT(s, discards, 1);
}

static int
rebuild(struct recovery *r, int64_t wall)
{
	struct store *s = r->s;

	/* All of them: which are lost is noted. */
	for (uint32_t i = 0; i < s->g.segments && !s->banks_cut; i++)
		if (!lost_is(s, i))
			look_at(r, i);
	qsort(r->found, r->count, sizeof *r->found, by_seq);
	if (index_rebuild_begin(s->index) != 0)
		return -1;
	for (uint32_t i = 0; i < r->count && !r->lost; i++)
		segment(r, &r->found[i]);
	for (uint32_t i = 0; i < r->count && !r->lost; i++)
		apply_touches(r, &r->found[i]);
	if (r->lost) {
		COUNT(s, discards, 1);
		recover_nothing(s);
		lost_note(s, r->where, r->places);
		return 0;
	}
	if (r->doubtful != 0) {
		discard(s, r->doubtful);
		index_rebuild_discard(s->index, s->discard_below);
	}
	/* Those that are no newer and have a place are right; at the next rebuild nobody would know that. */
	if (index_rebuild_forgotten(s->index) != 0)
		discard(s, index_rebuild_forgotten(s->index));
	index_rebuild_end(s->index);
	index_sweep(s->index, 0, UINT64_MAX, has_expired, &wall);
	return 0;
}

static void
is_lost(void *arg, uint64_t khash, uint64_t version)
{
	struct store *s = arg;

	if (version >= s->discard_below)
		log_tomb(s, khash, version, 0);
}

/* As whatever leaves the index but with its segment (log.c): the next rebuild may have place for it, when its key was deleted long ago. */
void
recover_lost(struct store *s)
{
	index_rebuild_lost(s->index, is_lost, s);
}

int
recover(struct store *s, int64_t wall, struct store_opened *opened)
{
	struct recovery r = { .s = s, .found = calloc(s->g.segments, sizeof *r.found), .lost = s->banks_cut };
	int failed = r.found == NULL ? -1 : rebuild(&r, wall);

	opened->how = STORE_REBUILT;
	opened->rows = r.rows;
	opened->damaged = r.damaged != 0 || r.lost;
	COUNT(s, lost_segments, r.damaged);
	free(r.found);
	return failed;
}
