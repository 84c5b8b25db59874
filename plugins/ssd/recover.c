/*
 * What was there, from the segments themselves: after a crash, or when the index that was kept is not to be trusted.
 *
 *	heads, trailers ──► in order of seq: rows, or where there are none the records ──► index: the highest version of each stands
 *	                                                          └─ touches, kept ──► applied to what stands
 */
#include <stdlib.h>
#include <string.h>

#include "size_class.h"
#include "state.h"

struct found {
	uint64_t seq;
	uint32_t segment;
	bool sealed;
	struct segment_trailer trailer;
};

struct touch {
	uint64_t khash, version, seq;
	uint32_t start, exptime;
};

struct recovery {
	struct store *s;
	struct found *found;
	uint32_t count;
	struct touch *touches;
	size_t touch_count, touch_room;
	uint64_t version_max, rows;
};

/* ---- one record ---- */

static int
keep_touch(struct recovery *r, const struct row *row, uint64_t seq)
{
	if (r->touch_count == r->touch_room) {
		size_t room = r->touch_room == 0 ? 1024 : r->touch_room * 2;
		struct touch *more = realloc(r->touches, room * sizeof *more);

		if (more == NULL)
			return -1;
		r->touches = more;
		r->touch_room = room;
	}
	r->touches[r->touch_count++] = (struct touch){ .khash = row->khash,
		.version = row_version(row),
		.seq = seq,
		.start = row_start(row),
		.exptime = row->exptime };
	return 0;
}

static int
offer(struct recovery *r, const struct row *row, uint32_t segment, uint64_t seq)
{
	struct store *s = r->s;
	uint64_t version = row_version(row);
	struct entry e = { .place = { .seg = segment, .start = row_start(row), .size = row->size },
		.exptime = row->exptime };

	r->rows++;
	if (version > r->version_max)
		r->version_max = version;
	if (version < s->discard_below)
		return 0;
	if (row->type == RECORD_TOUCH)
		return keep_touch(r, row, seq);
	if (row->type == RECORD_VALUE)
		segment_expires(&s->segments[segment], row->exptime);
	return index_rebuild_offer(s->index, row->khash, version, row->type == RECORD_TOMB, &e) ? 0 : -1;
}

/* ---- one segment ---- */

static void
is_sealed(struct store *s, const struct found *f, uint32_t rows, uint32_t used, uint32_t touches, uint64_t version_max)
{
	struct segment *g = &s->segments[f->segment];

	g->state = SEGMENT_SEALED;
	g->rows = rows;
	g->used = used;
	g->touches = touches;
	g->version_max = version_max;
}

/* true: its rows were there. */
static bool
by_rows(struct recovery *r, const struct found *f, int *failed)
{
	const struct segment_trailer *t = &f->trailer;
	struct store *s = r->s;
	const struct row *rows;

	is_sealed(s, f, t->rows, t->used, t->touches, t->version_max);
	rows = leave_read_rows(s, f->segment);
	if (rows == NULL)
		return false;
	for (uint32_t i = 0; i < t->rows; i++)
		if (!format_row_ok(&rows[i], &s->g, t->used))
			return false;
	/* The last one lies first. */
	for (uint32_t i = t->rows; i-- > 0 && *failed == 0;)
		*failed = offer(r, &rows[i], f->segment, f->seq);
	return true;
}

static struct row
row_of(const struct record_head *h, uint32_t start)
{
	struct row row = {
		.khash = h->khash,
		.exptime = h->exptime,
		.type = h->type,
		.flags = h->flags,
		.size = size_class_of(h->chunks),
	};

	memcpy(row.version, &h->version, sizeof row.version);
	memcpy(row.start, &start, sizeof row.start);
	return row;
}

/* Records one behind the other, until one is not valid; then the segment is sealed, so that the next start finds rows. */
static int
by_records(struct recovery *r, const struct found *f)
{
	struct store *s = r->s;
	const struct geometry *g = &s->g;
	struct image im = { .data = s->scratch, .segment = f->segment, .seq = f->seq, .used = geometry_first(g) };
	size_t got = 0;

	memset(s->scratch, 0, g->segment);
	/* What cannot be read ends it, like what is not valid. */
	io_read(write_bank(s, f->segment), s->scratch, g->segment, geometry_offset(g, f->segment), &got);
	for (;;) {
		size_t from = (size_t)im.used * g->chunk, rows = (im.rows + 1) * sizeof(struct row) + FORMAT_BLOCK;
		struct record_head h;
		struct row row;

		if (from + rows > g->segment ||
		    !format_record_read(s->scratch + from, g, f->seq, g->segment - rows - from, &h))
			break;
		if (h.type != RECORD_FILL && (!format_body_ok(s->scratch + from, &h) || h.version == 0))
			break;
		row = row_of(&h, im.used);
		im.used += h.chunks;
		if (h.type == RECORD_FILL)
			continue;
		if (offer(r, &row, f->segment, f->seq) != 0)
			return -1;
		im.rows++;
		im.touches += h.type == RECORD_TOUCH;
		if (h.version > im.version_max)
			im.version_max = h.version;
		memcpy(s->scratch + g->segment - FORMAT_BLOCK - im.rows * sizeof row, &row, sizeof row);
	}
	is_sealed(s, f, im.rows, im.used, im.touches, im.version_max);
	if (write_rows(s, &im) == IO_OK)
		io_sync(write_bank(s, f->segment));
	return 0;
}

static int
segment(struct recovery *r, const struct found *f)
{
	int failed = 0;

	atomic_store(&r->s->segments[f->segment].seq, f->seq);
	if (f->sealed && by_rows(r, f, &failed))
		return failed;
	return by_records(r, f);
}

/* ---- which segments ---- */

static void
look_at(struct recovery *r, uint32_t number)
{
	struct store *s = r->s;
	struct found *f = &r->found[r->count];
	uint64_t at = geometry_offset(&s->g, number);
	struct io_file *bank = write_bank(s, number);
	struct segment_head head;

	if (io_read(bank, s->scratch, FORMAT_BLOCK, at, NULL) != IO_OK ||
	    !format_segment_head_read(s->scratch, s->super.uuid, number, &head) || head.seq < s->super.min_seq ||
	    head.seq < s->super.flush_seq)
		return;
	*f = (struct found){ .seq = head.seq, .segment = number };
	f->sealed = io_read(bank, s->scratch, FORMAT_BLOCK, at + s->g.segment - FORMAT_BLOCK, NULL) == IO_OK &&
		    format_trailer_read(s->scratch, &s->g, s->super.uuid, number, &f->trailer) &&
		    f->trailer.seq == head.seq;
	r->count++;
}

static int
by_seq(const void *a, const void *b)
{
	const struct found *fa = a, *fb = b;

	return fa->seq < fb->seq ? -1 : fa->seq > fb->seq;
}

/* ---- the end ---- */

static void
apply_touches(struct recovery *r)
{
	struct store *s = r->s;

	for (size_t i = 0; i < r->touch_count; i++) {
		const struct touch *t = &r->touches[i];
		struct entry e;
		uint64_t seq;

		if (!index_rebuild_stands(s->index, t->khash, t->version, &e))
			continue;
		/* A copy that was written later has the exptime of its time. */
		seq = atomic_load(&s->segments[e.place.seg].seq);
		if (t->seq < seq || (t->seq == seq && t->start < e.place.start))
			continue;
		index_touch(s->index, t->khash, &e.place, t->exptime);
		segment_expires(&s->segments[e.place.seg], t->exptime);
	}
}

static bool
has_expired(void *arg, const struct entry *e)
{
	return exptime_passed(e->exptime, *(const int64_t *)arg);
}

static int
rebuild(struct recovery *r, int64_t wall)
{
	struct store *s = r->s;

	for (uint32_t i = 0; i < s->g.segments; i++)
		look_at(r, i);
	qsort(r->found, r->count, sizeof *r->found, by_seq);
	if (index_rebuild_begin(s->index) != 0)
		return -1;
	for (uint32_t i = 0; i < r->count; i++)
		if (segment(r, &r->found[i]) != 0)
			return -1;
	apply_touches(r);
	index_rebuild_end(s->index);
	index_sweep(s->index, 0, UINT64_MAX, has_expired, &wall);
	if (r->count > 0 && r->found[r->count - 1].seq >= s->next_seq)
		s->next_seq = r->found[r->count - 1].seq + 1;
	if (r->version_max >= s->next_version)
		s->next_version = r->version_max + 1;
	return 0;
}

static void
is_lost(void *arg, uint64_t khash, uint64_t version)
{
	log_tomb(arg, khash, version, 0);
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
	struct recovery r = { .s = s, .found = calloc(s->g.segments, sizeof *r.found) };
	int failed = r.found == NULL ? -1 : rebuild(&r, wall);

	opened->how = STORE_REBUILT;
	opened->rows = r.rows;
	free(r.found);
	free(r.touches);
	return failed;
}
