/* What is on the disk: see format.h. */
#include "format.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "index.h"
#include "size_class.h"

uint64_t
format_sum(const void *p, size_t len)
{
	return XXH3_64bits(p, len);
}

uint64_t
format_sum_on(const void *p, size_t len, uint64_t before)
{
	return XXH3_64bits_withSeed(p, len, before);
}

uint64_t
format_khash(const void *key, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(key, len, seed);
}

/* A struct whose last 8 bytes are its sum, in a block of its own. */
static void
fill_block(void *block, const void *from, size_t size)
{
	uint64_t sum;

	memset(block, 0, FORMAT_BLOCK);
	memcpy(block, from, size - sizeof sum);
	sum = format_sum(block, size - sizeof sum);
	memcpy((char *)block + size - sizeof sum, &sum, sizeof sum);
}

static bool
read_block(const void *block, void *to, size_t size)
{
	uint64_t sum;

	memcpy(to, block, size);
	memcpy(&sum, (const char *)block + size - sizeof sum, sizeof sum);
	return sum == format_sum(block, size - sizeof sum);
}

/* ---- super ---- */

void
format_super(void *block, const struct super *s)
{
	fill_block(block, s, sizeof *s);
}

bool
format_super_sound(const struct super *s, struct geometry *g)
{
	uint64_t segments;

	if (s->magic != SUPER_MAGIC || s->format < FORMAT_OLDEST || s->format > FORMAT_VERSION ||
	    (s->state != SUPER_DIRTY && s->state != SUPER_CLEAN))
		return false;
	if (s->chunk < FORMAT_CHUNK_MIN || s->chunk > FORMAT_CHUNK_MAX || (s->chunk & (s->chunk - 1)) != 0)
		return false;
	if (s->segment < FORMAT_SEGMENT_MIN || s->segment > FORMAT_SEGMENT_MAX || s->segment % FORMAT_BLOCK != 0)
		return false;
	if (s->banks == 0 || s->banks > PLACE_SEGS || s->bank == 0 || s->bank % s->segment != 0)
		return false;
	segments = s->bank / s->segment;
	if (segments > PLACE_SEGS || segments * s->banks > PLACE_SEGS)
		return false;
	if (s->buckets == 0 || s->version_limit > FORMAT_VERSION_MAX)
		return false;
	*g = (struct geometry){
		.chunk = s->chunk,
		.segment = s->segment,
		.per_bank = (uint32_t)segments,
		.segments = (uint32_t)segments * s->banks,
		.banks = s->banks,
		.bank = s->bank,
	};
	return true;
}

bool
format_super_read(const void *block, struct super *s, struct geometry *g)
{
	return read_block(block, s, sizeof *s) && format_super_sound(s, g);
}

/* ---- segments ---- */

void
format_segment_head(void *block, const struct segment_head *h)
{
	fill_block(block, h, sizeof *h);
}

bool
format_segment_head_read(const void *block, const uint8_t uuid[FORMAT_UUID], uint32_t number, struct segment_head *h)
{
	return read_block(block, h, sizeof *h) && h->magic == SEGMENT_MAGIC && h->seq != 0 && h->number == number &&
	       memcmp(h->uuid, uuid, FORMAT_UUID) == 0;
}

void
format_trailer(void *block, const struct segment_trailer *t)
{
	fill_block(block, t, sizeof *t);
}

bool
format_trailer_read(const void *block, const struct geometry *g, const uint8_t uuid[FORMAT_UUID], uint32_t number,
    struct segment_trailer *t)
{
	uint64_t bytes;

	if (!read_block(block, t, sizeof *t) || t->magic != TRAILER_MAGIC || t->seq == 0 || t->number != number ||
	    memcmp(t->uuid, uuid, FORMAT_UUID) != 0)
		return false;
	bytes = (uint64_t)t->used * g->chunk + (uint64_t)t->rows * sizeof(struct row) + FORMAT_BLOCK;
	return t->used >= geometry_first(g) && bytes <= g->segment && t->touches <= t->rows;
}

bool
format_row_ok(const struct row *r, const struct geometry *g, uint32_t used)
{
	if (r->type < RECORD_VALUE || r->type > RECORD_PIECE || r->type == RECORD_FILL || row_version(r) == 0)
		return false;
	return row_start(r) >= geometry_first(g) && row_start(r) < used && r->size < SIZE_CLASSES;
}

/* ---- records ---- */

#define RECORD_SEED 1 /* of the sum of a head */

static uint32_t
record_sum(const struct record_head *h)
{
	return (uint32_t)XXH3_64bits_withSeed((const char *)h + sizeof h->sum, sizeof *h - sizeof h->sum, RECORD_SEED);
}

void
format_record(struct record_head *h)
{
	h->sum = record_sum(h);
}

bool
format_record_read(const void *p, const struct geometry *g, uint64_t seq, size_t room, struct record_head *h)
{
	if (room < RECORD_HEAD)
		return false;
	memcpy(h, p, sizeof *h);
	if (h->sum != record_sum(h) || h->seq != seq)
		return false;
	if (h->type < RECORD_VALUE || h->type > RECORD_PIECE || h->version > FORMAT_VERSION_MAX)
		return false;
	if (!record_is_value(h->type) && (h->keylen != 0 || (h->len != 0 && h->type != RECORD_PIECE)))
		return false;
	if (h->chunks == 0 || (uint64_t)h->chunks * g->chunk > room)
		return false;
	return h->type == RECORD_FILL || h->chunks == geometry_chunks(g, (uint64_t)RECORD_HEAD + h->keylen + h->len);
}

bool
format_body_ok(const void *p, const struct record_head *h)
{
	return format_sum((const char *)p + RECORD_HEAD, (size_t)h->keylen + h->len) == h->body_sum;
}

/* ---- manifests ---- */

struct manifest_piece
format_piece(const void *p, uint32_t nth)
{
	struct manifest_piece piece;

	memcpy(&piece, (const char *)p + sizeof(struct manifest) + nth * sizeof piece, sizeof piece);
	return piece;
}

static bool
piece_ok(const struct manifest_piece *piece, const struct geometry *g)
{
	uint64_t end = (uint64_t)piece->start * g->chunk + RECORD_HEAD + piece->len;

	return piece->seq != 0 && piece->segment < g->segments && piece->start >= geometry_first(g) && piece->len > 0 &&
	       piece->len <= FORMAT_PIECE_MOST && end <= g->segment - FORMAT_BLOCK;
}

bool
format_manifest_read(const void *p, uint32_t len, const struct geometry *g, struct manifest *m)
{
	uint64_t sum = 0;

	if (len < sizeof *m)
		return false;
	memcpy(m, p, sizeof *m);
	if (m->count == 0 || m->version == 0 || len != sizeof *m + (uint64_t)m->count * sizeof(struct manifest_piece))
		return false;
	for (uint32_t i = 0; i < m->count; i++) {
		struct manifest_piece piece = format_piece(p, i);

		if (!piece_ok(&piece, g))
			return false;
		sum += piece.len;
	}
	return sum == m->len;
}

bool
format_is_piece(const struct record_head *h, uint64_t khash, const struct manifest *m, uint32_t nth, uint32_t len)
{
	return h->type == RECORD_PIECE && h->khash == khash && h->version == m->version && h->cflags == nth &&
	       h->len == len;
}
