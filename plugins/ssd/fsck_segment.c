/* A segment of a store, with all that is in it: see fsck_state.h. */
#include <inttypes.h>
#include <string.h>

#include "fsck_state.h"
#include "size_class.h"

/* What is looked at. */
struct looked {
	struct fsck *f;
	uint32_t number;
	uint64_t seq;
	struct segment_trailer trailer;
	uint32_t touches;     /* so many records of that type */
	uint64_t version_max; /* of records */
	bool damaged;	      /* not all records could be looked at */
};

#define WHERE	      "data.%03u, segment %u: "
#define AT(f, number) geometry_bank(&(f)->found->g, number), number

static const struct row *
row_at(const struct looked *l, uint32_t i)
{
	const char *end = l->f->segment + l->f->found->g.segment - FORMAT_BLOCK;

	return (const struct row *)(const void *)end - (i + 1);
}

/* ---- records ---- */

/* Bytes from this chunk up to where rows begin; without rows, up to the trailer. */
static size_t
room_from(const struct looked *l, uint32_t chunk)
{
	const struct geometry *g = &l->f->found->g;

	return g->segment - FORMAT_BLOCK - l->trailer.rows * sizeof(struct row) - (size_t)chunk * g->chunk;
}

static void
count(struct looked *l, const struct record_head *h)
{
	struct fsck_found *found = l->f->found;

	l->touches += h->type == RECORD_TOUCH;
	if (h->version > l->version_max)
		l->version_max = h->version;
	if (h->version < found->super.discard_below) {
		found->discarded++;
		return;
	}
	found->values += record_is_value(h->type);
	found->tombs += h->type == RECORD_TOMB;
	found->touches += h->type == RECORD_TOUCH;
	if (h->type == RECORD_VALUE)
		found->value_bytes += (uint64_t)h->keylen + h->len;
}

/* A valid record begins at this chunk?  All of it. */
static bool
record_ok(struct looked *l, uint32_t chunk, struct record_head *h)
{
	struct fsck *f = l->f;
	const struct geometry *g = &f->found->g;
	const char *p = f->segment + (size_t)chunk * g->chunk;

	if (!format_record_read(p, g, l->seq, room_from(l, chunk), h))
		return false;
	return h->type == RECORD_FILL || (h->version != 0 && format_body_ok(p, h));
}

/* What is in a valid record is possible in this store? */
static void
check_record(struct looked *l, uint32_t chunk, const struct record_head *h)
{
	struct fsck *f = l->f;
	const char *key = f->segment + (size_t)chunk * f->found->g.chunk + RECORD_HEAD;

	count(l, h);
	if (h->version >= f->found->super.version_limit)
		fsck_wrong(f, WHERE "chunk %u: version %" PRIu64 " is not below the limit", AT(f, l->number), chunk,
		    (uint64_t)h->version);
	if (record_is_value(h->type) && format_khash(key, h->keylen, f->found->super.seed) != h->khash)
		fsck_wrong(f, WHERE "chunk %u: the record's hash is not its key's", AT(f, l->number), chunk);
	if (h->type == RECORD_PIECE)
		fsck_piece(f, l->number, chunk, h);
	if (h->type == RECORD_MANIFEST && !fsck_manifest(f, h, key + h->keylen))
		fsck_wrong(f, WHERE "chunk %u: there is no manifest in a record of that type", AT(f, l->number), chunk);
}

/* ---- rows ---- */

/* Does the index lead to this row's record?  Then that entry is accounted for. */
static bool
is_led_to(struct looked *l, const struct row *row, struct entry *e)
{
	struct fsck *f = l->f;
	bool led = f->index != NULL && record_is_value(row->type) && index_find(f->index, row->khash, e) &&
		   e->place.seg == l->number && e->place.start == row_start(row);

	f->live += led;
	return led;
}

/* Is this the record that the row, and the index's entry for it (NULL: there is none), mean? */
static void
check_row(struct looked *l, const struct row *row, const struct record_head *h, const struct entry *e)
{
	struct fsck *f = l->f;
	uint32_t chunk = row_start(row);

	if (h->khash != row->khash || h->version != row_version(row) || h->type != row->type ||
	    h->exptime != row->exptime || h->flags != row->flags || size_class_of(h->chunks) != row->size)
		fsck_wrong(f, WHERE "chunk %u: the record is not the one that its row means", AT(f, l->number), chunk);
	if (e != NULL && size_class_chunks(e->place.size) < h->chunks)
		fsck_wrong(f, WHERE "chunk %u: the index has less than the record's size", AT(f, l->number), chunk);
	if (e != NULL && !e->place.touched && e->exptime != h->exptime)
		fsck_wrong(f, WHERE "chunk %u: exptime is %u, and in the index %u", AT(f, l->number), chunk, h->exptime,
		    e->exptime);
}

/* Between two records, there is only what fills a block. */
static void
check_gap(struct looked *l, uint32_t from, uint32_t to)
{
	struct record_head h;

	while (from < to && record_ok(l, from, &h) && h.type == RECORD_FILL && h.chunks <= to - from)
		from += h.chunks;
	if (from != to)
		fsck_wrong(l->f, WHERE "chunk %u: there is something that has no row", AT(l->f, l->number), from);
}

/* Each row's record, and nothing besides. */
static void
check_rows(struct looked *l)
{
	struct fsck *f = l->f;
	uint32_t at = geometry_first(&f->found->g);

	for (uint32_t i = 0; i < l->trailer.rows; i++) {
		const struct row *row = row_at(l, i);
		uint32_t start = row_start(row),
			 end = i + 1 < l->trailer.rows ? row_start(row_at(l, i + 1)) : l->trailer.used;
		struct record_head h;
		struct entry e;
		bool led;

		if (start < at || start >= end) {
			fsck_wrong(f, WHERE "row %u is out of order", AT(f, l->number), i);
			return;
		}
		check_gap(l, at, start);
		led = is_led_to(l, row, &e);
		if (!record_ok(l, start, &h) || h.type == RECORD_FILL || h.chunks > end - start) {
			fsck_wrong(f, WHERE "chunk %u: no valid record, though a row says so", AT(f, l->number), start);
			l->damaged = true;
			at = end; /* what is between is not to be told from it */
			continue;
		}
		check_record(l, start, &h);
		check_row(l, row, &h, led ? &e : NULL);
		at = start + h.chunks;
	}
	check_gap(l, at, l->trailer.used);
	if (!l->damaged && (l->touches != l->trailer.touches || l->version_max != l->trailer.version_max))
		fsck_wrong(f, WHERE "the trailer counts other records than there are", AT(f, l->number));
}

static bool
rows_ok(const struct looked *l)
{
	const struct segment_trailer *t = &l->trailer;

	if (t->rows > 0 && format_sum(row_at(l, t->rows - 1), t->rows * sizeof(struct row)) != t->rows_sum)
		return false;
	for (uint32_t i = 0; i < t->rows; i++)
		if (!format_row_ok(row_at(l, i), &l->f->found->g, t->used))
			return false;
	return true;
}

/* Records one behind the other, until one is not valid: all that can be said without rows. */
static void
walk(struct looked *l)
{
	const struct geometry *g = &l->f->found->g;
	uint32_t at = geometry_first(g);
	struct record_head h;

	l->trailer = (struct segment_trailer){ 0 };
	while (room_from(l, at) >= RECORD_HEAD && record_ok(l, at, &h)) {
		if (h.type != RECORD_FILL)
			check_record(l, at, &h);
		at += h.chunks;
	}
	if (format_is_hole(l->f->segment, at * g->chunk, g->segment - FORMAT_BLOCK, g, l->seq))
		fsck_doubt(l->f, WHERE "chunk %u: no valid record, and others behind it", AT(l->f, l->number), at);
}

/* ---- the segment ---- */

#define BEHIND (64U << 10)

/* Its head is not valid.  Was there one?  What is behind it says so. */
static void
check_lost_head(struct fsck *f, uint32_t number, const struct segment_head *head, bool is_whole)
{
	const struct super *super = &f->found->super;
	const struct geometry *g = &f->found->g;
	uint64_t least = super->min_seq > super->flush_seq ? super->min_seq : super->flush_seq;
	bool ours = memcmp(head->uuid, super->uuid, FORMAT_UUID) == 0;

	if (is_whole && !ours)
		return; /* of a store before this one */
	if (is_whole || head->magic == SEGMENT_MAGIC || ours) {
		fsck_doubt(f, WHERE "its head is not valid", AT(f, number));
		return;
	}
	if (io_read(f->bank, f->segment, BEHIND, geometry_offset(g, number), NULL) == IO_OK &&
	    format_seq_in(f->segment + FORMAT_BLOCK, BEHIND - FORMAT_BLOCK, g, least, super->seq_limit) != 0)
		fsck_doubt(f, WHERE "its head is gone", AT(f, number));
}

/* Is it in use, by its head and what is known of the store? */
static bool
in_use(struct fsck *f, uint32_t number, const char *block, struct segment_head *head)
{
	const struct super *super = &f->found->super;

	if (!format_segment_head_read(block, super->uuid, number, head)) {
		if (f->snap == NULL)
			check_lost_head(f, number, head, format_segment_head_any(block, head));
		else if (f->snap[number].seq != 0)
			fsck_wrong(f, WHERE "its head is not valid", AT(f, number));
		return false;
	}
	if (f->snap != NULL && f->snap[number].seq != 0 && f->snap[number].seq != head->seq)
		fsck_wrong(f, WHERE "its seq is %" PRIu64 ", and in the index %" PRIu64, AT(f, number),
		    (uint64_t)head->seq, (uint64_t)f->snap[number].seq);
	if (f->snap != NULL)
		return f->snap[number].seq == head->seq;
	return head->seq >= super->min_seq && head->seq >= super->flush_seq;
}

static void
check_sealed(struct looked *l)
{
	struct fsck *f = l->f;
	const struct snap_segment *snap = f->snap == NULL ? NULL : &f->snap[l->number];

	f->found->sealed++;
	if (!rows_ok(l)) {
		fsck_wrong(f, WHERE "its rows are not those that were written", AT(f, l->number));
		walk(l);
		return;
	}
	if (snap != NULL && (snap->rows != l->trailer.rows || snap->used != l->trailer.used ||
				snap->touches != l->trailer.touches || snap->version_max != l->trailer.version_max))
		fsck_wrong(f, WHERE "its trailer and the index do not say the same", AT(f, l->number));
	f->sealed[l->number] = l->seq;
	check_rows(l);
}

/* What is where its trailer should be is not valid.  Was it one?  Two of three things that it says are enough. */
static bool
was_trailer(const struct looked *l)
{
	const struct fsck *f = l->f;
	struct segment_trailer t;

	memcpy(&t, f->segment + f->found->g.segment - FORMAT_BLOCK, sizeof(t));
	return (t.magic == TRAILER_MAGIC) + (t.seq == l->seq) +
		   (memcmp(t.uuid, f->found->super.uuid, FORMAT_UUID) == 0) >=
	       2;
}

void
fsck_segment(struct fsck *f, uint32_t number)
{
	const struct geometry *g = &f->found->g;
	struct io_file *bank = f->bank;
	uint64_t at = geometry_offset(g, number);
	struct looked l = { .f = f, .number = number };
	struct segment_head head;
	enum io_status status;
	bool valid;

	if (bank == NULL)
		return;
	status = io_read(bank, f->segment, FORMAT_BLOCK, at, NULL);
	if (status == IO_OK && !in_use(f, number, f->segment, &head)) {
		f->found->free++;
		return;
	}
	if (status == IO_OK)
		status = io_read(bank, f->segment, g->segment, at, NULL);
	if (status != IO_OK) {
		fsck_wrong(f, WHERE "it cannot be read: %s", AT(f, number), io_status_text(status));
		return;
	}
	l.seq = f->seqs[number] = head.seq;
	if (head.seq >= f->found->super.seq_limit)
		fsck_wrong(f, WHERE "seq %" PRIu64 " is not below the limit", AT(f, number), (uint64_t)head.seq);
	valid = format_trailer_read(
	    f->segment + g->segment - FORMAT_BLOCK, g, f->found->super.uuid, number, &l.trailer);
	if (valid && l.trailer.seq == head.seq) {
		check_sealed(&l);
		return;
	}
	f->found->unsealed++;
	if (f->snap == NULL && !valid && was_trailer(&l))
		fsck_doubt(f, WHERE "its trailer is not valid", AT(f, number));
	if (f->snap != NULL)
		fsck_wrong(f, WHERE "it has no valid trailer, though the store was left clean", AT(f, number));
	walk(&l);
}
