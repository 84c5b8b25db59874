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

/* Bytes of one that has no paths. */
#define SUPER_ALONE offsetof(struct super, paths)

void
format_super(void *block, const struct super *s)
{
	uint64_t sum;

	fill_block(block, s, SUPER_ALONE);
	if (s->format < FORMAT_PATHS)
		return;
	memcpy((char *)block + SUPER_ALONE, (const char *)s + SUPER_ALONE, sizeof *s - SUPER_ALONE);
	sum = format_sum(block, sizeof *s - sizeof sum);
	memcpy((char *)block + sizeof *s - sizeof sum, &sum, sizeof sum);
}

/* Its sums are right? */
static bool
read_super(const void *block, struct super *s)
{
	if (!read_block(block, s, SUPER_ALONE))
		return false;
	if (s->format >= FORMAT_PATHS)
		return read_block(block, s, sizeof *s);
	memset((char *)s + SUPER_ALONE, 0, sizeof *s - SUPER_ALONE);
	s->paths = 1;
	return true;
}

static bool
are_paths(const struct super *s)
{
	if (s->format < FORMAT_PATHS)
		return true;
	return s->paths > 1 && s->paths <= FORMAT_PATHS_MAX && s->path < s->paths && s->banks % s->paths == 0;
}

bool
format_super_sound(const struct super *s, struct geometry *g)
{
	uint64_t segments;

	if (s->magic != SUPER_MAGIC || s->format < FORMAT_OLDEST || s->format > FORMAT_NEWEST || !are_paths(s) ||
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
	if (s->buckets == 0 || s->buckets > FORMAT_BUCKETS_MAX || s->version_limit > FORMAT_VERSION_MAX ||
	    s->discard_below > FORMAT_VERSION_MAX)
		return false;
	if (s->seq_limit > FORMAT_SEQ_MAX || s->flush_seq > FORMAT_SEQ_MAX || s->min_seq > FORMAT_SEQ_MAX)
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

void
format_lost(void *block, const struct super_lost *l)
{
	char *at = (char *)block + FORMAT_LOST;
	uint64_t sum;

	if (l->count == 0)
		return;
	memcpy(at, l, sizeof *l - sizeof sum);
	sum = format_sum(at, sizeof *l - sizeof sum);
	memcpy(at + sizeof *l - sizeof sum, &sum, sizeof sum);
}

void
format_lost_read(const void *block, const struct super *s, const struct geometry *g, struct super_lost *l)
{
	bool holds = read_block((const char *)block + FORMAT_LOST, l, sizeof *l) && l->magic == LOST_MAGIC &&
		     l->generation == s->generation && l->count <= FORMAT_LOST_MOST;

	for (uint32_t i = 0; holds && i < l->count; i++)
		holds = l->number[i] < g->segments;
	if (!holds)
		*l = (struct super_lost){ 0 };
}

static bool
is_blank(const char *p, size_t len)
{
	while (len > 0 && *p == 0) {
		p++;
		len--;
	}
	return len == 0;
}

enum super_looks
format_super_look(const void *block, struct super *s, struct geometry *g)
{
	if (is_blank(block, FORMAT_BLOCK))
		return SUPER_BLANK;
	if (read_super(block, s) && format_super_sound(s, g))
		return SUPER_VALID;
	if (s->magic == SUPER_MAGIC && (s->format < FORMAT_OLDEST || s->format > FORMAT_NEWEST))
		return SUPER_OTHER;
	return SUPER_BROKEN;
}

bool
format_super_read(const void *block, struct super *s, struct geometry *g)
{
	return format_super_look(block, s, g) == SUPER_VALID;
}

/* ---- segments ---- */

void
format_segment_head(void *block, const struct segment_head *h)
{
	fill_block(block, h, sizeof *h);
}

bool
format_segment_head_any(const void *block, struct segment_head *h)
{
	return read_block(block, h, sizeof *h) && h->magic == SEGMENT_MAGIC && h->seq != 0;
}

bool
format_segment_head_read(const void *block, const uint8_t uuid[FORMAT_UUID], uint32_t number, struct segment_head *h)
{
	return format_segment_head_any(block, h) && h->number == number && memcmp(h->uuid, uuid, FORMAT_UUID) == 0;
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
	uint64_t records, rows;

	if (!read_block(block, t, sizeof *t) || t->magic != TRAILER_MAGIC || t->seq == 0 || t->number != number ||
	    memcmp(t->uuid, uuid, FORMAT_UUID) != 0)
		return false;
	records = format_blocks((uint64_t)t->used * g->chunk);
	rows = format_blocks((uint64_t)t->rows * sizeof(struct row));
	return t->used >= geometry_first(g) && records + rows + FORMAT_BLOCK <= g->segment && t->touches <= t->rows &&
	       t->version_max <= FORMAT_VERSION_MAX;
}

bool
format_row_ok(const struct row *r, const struct geometry *g, uint32_t used)
{
	if (r->type < RECORD_VALUE || r->type > RECORD_PIECE || r->type == RECORD_FILL || row_version(r) == 0)
		return false;
	return row_start(r) >= geometry_first(g) && row_start(r) < used && format_size_ok(r->size, g);
}

bool
format_size_ok(uint8_t size, const struct geometry *g)
{
	return size <= size_class_of(g->segment / g->chunk);
}

/* ---- records ---- */

#define RECORD_SEED 1 /* of the sum of a head */
/* What the bytes at p have where a record head has its seq. */
static uint64_t
record_seq(const void *p)
{
	uint64_t seq;

	memcpy(&seq, (const char *)p + offsetof(struct record_head, seq), sizeof seq);
	return seq;
}

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

uint64_t
format_seq_in(const void *p, size_t len, const struct geometry *g, uint64_t least, uint64_t limit)
{
	uint64_t highest = 0;

	for (size_t at = 0; at + RECORD_HEAD <= len; at += g->chunk) {
		const char *here = (const char *)p + at;
		uint64_t seq = record_seq(here);
		struct record_head h;

		if (seq >= least && seq < limit && seq > highest && format_record_read(here, g, seq, g->segment, &h))
			highest = seq;
	}
	return highest;
}

bool
format_is_hole(const char *segment, uint32_t from, uint32_t to, const struct geometry *g, uint64_t seq)
{
	uint32_t block_end = from / FORMAT_BLOCK * FORMAT_BLOCK + FORMAT_BLOCK;
	struct record_head h;

	if (from + RECORD_HEAD > to)
		return false;
	if (record_seq(segment + from) == seq &&
	    (!format_record_read(segment + from, g, seq, to - from, &h) || from + h.chunks * g->chunk <= block_end))
		return true;
	from += g->chunk;
	return from < to && format_seq_in(segment + from, to - from, g, seq, seq + 1) != 0;
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
