/* Does it all add up?  For tests, and for who checks a store that nobody uses. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "size_class.h"
#include "state.h"

struct audit {
	struct store *s;
	uint64_t live;
	char *why;
	size_t size;
};

static bool wrong(struct audit *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool
wrong(struct audit *a, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(a->why, a->size, fmt, args);
	va_end(args);
	return false;
}

/* The record that an entry leads to is whole, and the row's. */
static bool
record_ok(struct audit *a, uint32_t segment, const char *data, const struct row *row, const struct entry *e)
{
	struct store *s = a->s;
	size_t from = (size_t)row_start(row) * s->g.chunk;
	struct record_head h;

	if (!format_record_read(data + from, &s->g, atomic_load(&s->segments[segment].seq), s->g.segment - from, &h) ||
	    !format_body_ok(data + from, &h))
		return wrong(a, "segment %u, chunk %u: no valid record", segment, row_start(row));
	if (h.khash != row->khash || h.version != row_version(row) || h.type != row->type ||
	    size_class_chunks(e->place.size) < h.chunks)
		return wrong(a, "segment %u, chunk %u: the record is not the row's", segment, row_start(row));
	if (!e->place.touched && e->exptime != h.exptime)
		return wrong(a, "segment %u, chunk %u: exptime %u, and %u in the index", segment, row_start(row),
		    h.exptime, e->exptime);
	return true;
}

static bool
segment_ok(struct audit *a, uint32_t segment)
{
	struct store *s = a->s;
	struct segment *g = &s->segments[segment];
	const struct image *im = g->image;
	const char *data = im != NULL ? im->data : s->scratch;
	uint32_t rows = im != NULL ? im->rows : g->rows;
	const struct row *row;

	if (im == NULL &&
	    io_read(write_bank(s, segment), s->scratch, s->g.segment, geometry_offset(&s->g, segment), NULL) != IO_OK)
		return wrong(a, "segment %u cannot be read", segment);
	row = (const struct row *)(const void *)(data + s->g.segment - FORMAT_BLOCK) - rows;
	for (uint32_t i = 0; i < rows; i++, row++) {
		struct entry e;

		if (!record_is_value(row->type) || !index_find(s->index, row->khash, &e) || e.place.seg != segment ||
		    e.place.start != row_start(row))
			continue;
		a->live++;
		if (!record_ok(a, segment, data, row, &e))
			return false;
		if (atomic_load(&g->exptime_max) < exptime_as_max(e.exptime))
			return wrong(a, "segment %u expires before a record in it", segment);
	}
	return true;
}

bool
store_audit(struct store *s, char *why, size_t size)
{
	struct audit a = { .s = s, .why = why, .size = size };
	uint32_t n[SEGMENT_BAD + 1] = { 0 }, images = 0, listed = 0;

	for (uint32_t i = 0; i < s->g.segments; i++) {
		enum segment_state state = s->segments[i].state;

		n[state]++;
		if ((state == SEGMENT_OPEN || state == SEGMENT_SEALING || state == SEGMENT_SEALED) &&
		    atomic_load(&s->segments[i].seq) >= atomic_load(&s->flush_seq) && !segment_ok(&a, i))
			return false;
	}
	for (unsigned i = 0; i < s->path_count; i++)
		listed += s->paths[i].free_count;
	if (n[SEGMENT_FREE] != listed)
		return wrong(&a, "%u segments are free, and %u are listed", n[SEGMENT_FREE], listed);
	for (const struct image *im = s->free_images; im != NULL; im = im->next)
		images++;
	for (uint32_t i = 0; i < s->g.segments; i++)
		images += s->segments[i].image != NULL;
	if (images != s->image_count)
		return wrong(&a, "of %u images %u are somewhere", s->image_count, images);
	if (s->flush_done == s->flush_seq && a.live != index_count(s->index))
		return wrong(&a, "%llu entries, and %llu records that they lead to",
		    (unsigned long long)index_count(s->index), (unsigned long long)a.live);
	return true;
}
