/*
 * What one segment says it has, and whether that is all.
 *
 *	head ──► seq			lost: the records behind it have it, too
 *	trailer, rows ──► rows		lost: made of the records, one behind the other
 *	records ──► until one is not valid
 *
 * Records are written from the begin on, each block once.  So a record that is not valid is the end of what was written, unless something of
 * this segment lies behind it, or it cannot be read: then it is a hole, and nobody knows what was in it.  After a power cut there may be holes
 * in what was not synced, of which nothing was promised; so a hole that is only not valid counts if the machine has not been started since.
 */
#include <string.h>

#include "size_class.h"
#include "state.h"

#define PIECE  (1U << 20)  /* bytes read at once */
#define BEHIND (64U << 10) /* bytes of a segment's begin that are looked at, if its head is lost */

/* ---- records, one behind the other ---- */

struct walk {
	struct store *s;
	uint32_t segment;
	uint64_t seq;
	uint32_t read; /* bytes in s->scratch */
	bool stuck;    /* the block behind those cannot be read */
};

/* Reads on, up to `most`, which is a block's end. */
static void
read_on(struct walk *w, uint32_t most)
{
	struct store *s = w->s;
	uint64_t at = geometry_offset(&s->g, w->segment) + w->read;
	uint32_t n = most - w->read < PIECE ? most - w->read : PIECE;

	if (io_read(write_bank(s, w->segment), s->scratch + w->read, n, at, NULL) == IO_OK) {
		w->read += n;
		return;
	}
	COUNT(s, read_errors, 1);
	/* Up to the block that it was. */
	for (; n > 0; n -= FORMAT_BLOCK, at += FORMAT_BLOCK) {
		if (io_read(write_bank(s, w->segment), s->scratch + w->read, FORMAT_BLOCK, at, NULL) != IO_OK) {
			w->stuck = true;
			return;
		}
		w->read += FORMAT_BLOCK;
	}
}

/* Are all bytes up to `to` there?  None behind `most` are touched: rows grow there. */
static bool
have(struct walk *w, uint64_t to, uint32_t most)
{
	while (w->read < to && to <= most && !w->stuck)
		read_on(w, most);
	return w->read >= to;
}

/* Where records have to end, if there is one row more. */
static uint32_t
records_end(const struct store *s, const struct image *im)
{
	return s->g.segment - FORMAT_BLOCK - (uint32_t)format_blocks((im->rows + 1) * sizeof(struct row));
}

static bool
is_whole(const struct store *s, const char *p, const struct record_head *h)
{
	if (h->type == RECORD_FILL)
		return true;
	return h->version != 0 && h->version < s->super.version_limit && format_body_ok(p, h);
}

static void
add_row(struct store *s, struct image *im, const struct record_head *h)
{
	struct row row = {
		.khash = h->khash,
		.exptime = h->exptime,
		.type = h->type,
		.flags = h->flags,
		.size = size_class_of(h->chunks),
	};

	memcpy(row.version, &h->version, sizeof row.version);
	memcpy(row.start, &im->used, sizeof row.start);
	im->rows++;
	im->touches += h->type == RECORD_TOUCH;
	if (h->version > im->version_max)
		im->version_max = h->version;
	memcpy(im->data + s->g.segment - FORMAT_BLOCK - im->rows * sizeof row, &row, sizeof row);
}

/* Is what begins at `from`, where no valid record does, a hole? */
static bool
is_hole(struct walk *w, const struct image *im, uint32_t from)
{
	uint32_t end = records_end(w->s, im);

	have(w, end, end);
	return format_is_hole(w->s->scratch, from, w->read < end ? w->read : end, &w->s->g, w->seq);
}

/* Nothing was lost for want of power since it was written. */
static bool
same_boot(const struct store *s)
{
	return s->super.boot != 0 && s->super.boot == io_boot(s->io);
}

/* A trailer may be there without what was written before it: that was not synced, and then a power cut came. */
static bool
may_be_torn(const struct store *s)
{
	return s->options.sync == STORE_SYNC_NONE && !same_boot(s);
}

/* true: up to where nothing was written; else up to a hole. */
static bool
walk(struct walk *w, struct image *im)
{
	struct store *s = w->s;
	const struct geometry *g = &s->g;

	for (;;) {
		uint32_t from = im->used * g->chunk, end = records_end(s, im);
		struct record_head h;

		if ((uint64_t)from + RECORD_HEAD > end)
			return true;
		if (!have(w, (uint64_t)from + RECORD_HEAD, end))
			return false;
		if (!format_record_read(s->scratch + from, g, w->seq, end - from, &h))
			break;
		if (!have(w, from + (uint64_t)h.chunks * g->chunk, end))
			return false;
		if (!is_whole(s, s->scratch + from, &h))
			break;
		if (h.type != RECORD_FILL)
			add_row(s, im, &h);
		im->used += h.chunks;
	}
	return !same_boot(s) || !is_hole(w, im, im->used * g->chunk);
}

/* ---- rows ---- */

static bool
are_possible(const struct store *s, const struct row *rows, uint32_t count, uint32_t used)
{
	for (uint32_t i = 0; i < count; i++)
		if (!format_row_ok(&rows[i], &s->g, used) || row_version(&rows[i]) >= s->super.version_limit)
			return false;
	return true;
}

static void
begin_image(const struct store *s, const struct found *f, struct image *im)
{
	*im = (struct image){ .data = s->scratch, .segment = f->segment, .seq = f->seq, .used = geometry_first(&s->g) };
}

/* As it was sealed. */
static bool
sealed_rows(struct store *s, const struct found *f, struct image *im)
{
	const struct segment_trailer *t = &f->trailer;
	const struct row *rows = leave_read_rows(s, f->segment);

	if (rows == NULL || !are_possible(s, rows, t->rows, t->used))
		return false;
	im->rows = t->rows;
	im->used = t->used;
	im->touches = t->touches;
	im->version_max = t->version_max;
	return true;
}

enum found_rows
recover_rows(struct store *s, const struct found *f, struct image *im, bool *made)
{
	struct walk w = { .s = s, .segment = f->segment, .seq = f->seq, .read = FORMAT_BLOCK };
	bool all;

	begin_image(s, f, im);
	*made = !f->sealed || !sealed_rows(s, f, im);
	if (!*made)
		return ROWS_ALL;
	all = walk(&w, im);
	if (!f->sealed)
		return all ? ROWS_ALL : ROWS_LOST;
	if ((im->used == f->trailer.used && im->rows == f->trailer.rows) || (all && may_be_torn(s)))
		return ROWS_ALL;
	return ROWS_SOME;
}

/* ---- the head ---- */

static bool
counts(const struct store *s, uint64_t seq)
{
	return seq >= s->super.min_seq && seq >= s->super.flush_seq && seq < s->super.seq_limit;
}

static bool
is_blank(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* What is behind a head that is lost: the seq of its records, if one counts (0: none does), and whether it is known what was written there last. */
static bool
look_behind(struct store *s, uint32_t segment, uint64_t *seq)
{
	const struct geometry *g = &s->g;
	const char *p = s->scratch + FORMAT_BLOCK;
	struct walk w = { .s = s, .segment = segment, .read = FORMAT_BLOCK };
	uint64_t least = s->super.min_seq > s->super.flush_seq ? s->super.min_seq : s->super.flush_seq;

	have(&w, BEHIND, BEHIND);
	*seq = format_seq_in(p, w.read - FORMAT_BLOCK, g, least, s->super.seq_limit);
	if (w.read == FORMAT_BLOCK)
		return false;
	return is_blank(p, RECORD_HEAD) || format_seq_in(p, RECORD_HEAD, g, 1, UINT64_MAX) != 0;
}

/*
 * Its head is lost, or it never had one.  A segment's first records are written right behind its head, so if those are of one before, or there
 * are none, there are none to be lost either.
 */
static enum found_head
head_behind(struct store *s, uint32_t segment, uint64_t sealed, struct found *f)
{
	uint64_t seq;
	bool known = look_behind(s, segment, &seq);

	if (seq == 0)
		return known && !counts(s, sealed) ? HEAD_FREE : HEAD_LOST;
	f->seq = seq;
	f->sealed = f->sealed && sealed == seq;
	return seq >= sealed || !counts(s, sealed) ? HEAD_FOUND : HEAD_LOST;
}

enum found_head
recover_head(struct store *s, uint32_t segment, struct found *f)
{
	uint64_t at = geometry_offset(&s->g, segment);
	struct io_file *bank = write_bank(s, segment);
	struct segment_head head = { 0 };
	bool read = io_read(bank, s->scratch, FORMAT_BLOCK, at, NULL) == IO_OK;
	bool whole = read && format_segment_head_any(s->scratch, &head);
	bool ours = whole && memcmp(head.uuid, s->super.uuid, FORMAT_UUID) == 0;
	bool before;

	*f = (struct found){ .seq = head.seq, .segment = segment };
	COUNT(s, read_errors, !read);
	f->sealed = io_read(bank, s->scratch, FORMAT_BLOCK, at + s->g.segment - FORMAT_BLOCK, NULL) == IO_OK &&
		    format_trailer_read(s->scratch, &s->g, s->super.uuid, segment, &f->trailer) &&
		    f->trailer.version_max < s->super.version_limit;
	/* A head is written before its trailer: so this is one of before, which has come back. */
	before = f->sealed && counts(s, f->trailer.seq) && (!ours || head.seq < f->trailer.seq) && !may_be_torn(s);
	/* One of another store: this one has not written here. */
	if (whole && !ours && !before)
		return HEAD_FREE;
	ours = ours && head.number == segment && head.seq < s->super.seq_limit;
	if (ours && !counts(s, head.seq) && !before)
		return HEAD_FREE;
	if (!ours || before)
		return head_behind(s, segment, f->sealed ? f->trailer.seq : 0, f);
	f->sealed = f->sealed && f->trailer.seq == head.seq;
	return HEAD_FOUND;
}
