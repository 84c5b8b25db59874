/*
 * The log: records into the images of open segments.
 *
 *	reserve (under the lock: room, version, row) ──► copy, sum ──► make it known ──► done (under the lock)
 *
 * Each stream has one open segment; which stream a record goes to decides what it is freed with. What keeps old records from coming back after a
 * crash is the order of segments: of one khash, no record is in an older segment than the one that the index led to when it was written.  So
 * when the oldest segment is freed, what it hid is gone already.  Who wants a record says so in after_seq; the newest open segment, or a
 * new one, always does.
 *
 * An entry leaves the index together with its segment, or with a tomb: for want of place, for a store that was refused, for what cannot be read, and
 * also when the index is rebuilt.  What the key becomes later, nothing included, would be undone by the next crash otherwise.  A tomb that finds no
 * room waits in RAM, and no flush is one before it is written (free_step()).
 */
#include <string.h>

#include "size_class.h"
#include "state.h"

void
segment_expires(struct segment *g, uint32_t exptime)
{
	uint32_t max = exptime_as_max(exptime), is = atomic_load_explicit(&g->exptime_max, memory_order_relaxed);

	while (is < max && !atomic_compare_exchange_weak(&g->exptime_max, &is, max))
		continue;
}

#ifndef TOMBS_ARE_WRITTEN /* tests/faults has others, to see that they are found out */
#define TOMBS_ARE_WRITTEN true
#endif

/* ---- room ---- */

static uint64_t
blocks(uint64_t bytes)
{
	return (bytes + FORMAT_BLOCK - 1) / FORMAT_BLOCK * FORMAT_BLOCK;
}

/* What values, and what they are made of, leave for tombs, bytes. */
static uint32_t
tomb_room(const struct store *s)
{
	return s->g.segment / 64;
}

/* Records and rows share no block: none is written twice. */
static bool
fits(const struct store *s, const struct image *im, uint32_t chunks, bool value)
{
	uint64_t records = blocks(((uint64_t)im->used + chunks) * s->g.chunk + (value ? tomb_room(s) : 0));

	return records + blocks((im->rows + 1) * sizeof(struct row)) + FORMAT_BLOCK <= s->g.segment;
}

static bool
leaves_room(const struct append *a)
{
	return record_is_value(a->head.type) || a->head.type == RECORD_PIECE;
}

uint32_t
log_longest(const struct store *s)
{
	return s->g.segment - (3 * FORMAT_BLOCK + (uint32_t)blocks(tomb_room(s)));
}

static struct image *
newest_open(const struct store *s)
{
	struct image *newest = NULL;

	for (unsigned i = 0; i < STREAMS; i++)
		if (s->open[i] != NULL && (newest == NULL || s->open[i]->seq > newest->seq))
			newest = s->open[i];
	return newest;
}

void
log_close_stream(struct store *s, unsigned stream)
{
	struct image *im = s->open[stream];

	if (im == NULL)
		return;
	s->segments[im->segment].state = SEGMENT_SEALING;
	s->open[stream] = NULL;
}

static void
close_image(struct store *s, const struct image *im)
{
	for (unsigned i = 0; i < STREAMS; i++)
		if (s->open[i] == im)
			log_close_stream(s, i);
}

static struct image *
open_stream(struct store *s, unsigned stream)
{
	struct image *im = s->free_images;
	struct segment_head head = {
		.magic = SEGMENT_MAGIC, .stream = stream, .began = (uint64_t)atomic_load(&s->wall)
	};
	struct segment *g;

	if (im == NULL || s->next_seq >= s->seq_limit)
		return NULL;
	s->free_images = im->next;
	im->segment = path_take(s);
	im->seq = head.seq = s->next_seq++;
	im->used = geometry_first(&s->g);
	im->rows = im->touches = im->written = im->safe = 0;
	im->version_max = 0;
	memcpy(head.uuid, s->super.uuid, FORMAT_UUID);
	head.number = im->segment;
	format_segment_head(im->data, &head);
	g = &s->segments[im->segment];
	g->rows = g->used = g->touches = g->left = 0;
	g->version_max = 0;
	g->owes = false;
	atomic_store(&g->exptime_max, 0);
	/* In this order, for who looks without the lock: an open one has its seq, and its image is of that. */
	atomic_store(&g->seq, im->seq);
	atomic_store(&g->image, im);
	atomic_store(&g->state, SEGMENT_OPEN);
	s->open[stream] = im;
	return im;
}

/*
 * Is there a segment for it to begin, and an image?  The last one is for what is noted of others; who asks for many leaves some more.
 */
static bool
can_open(const struct store *s, const struct append *a)
{
	uint32_t images = a->modest ? s->image_count / 4 : 0;
	uint32_t segments = a->modest ? FREE_MODEST : leaves_room(a) ? FREE_KEPT : 0;
	const struct image *im = s->free_images;

	for (; im != NULL && images > 0; images--)
		im = im->next;
	return im != NULL && path_free(s) > segments;
}

bool
log_takes_tombs(const struct store *s)
{
	const struct append tomb = { .head = { .type = RECORD_TOMB } };
	const struct image *im = newest_open(s);

	return (im != NULL && fits(s, im, geometry_chunks(&s->g, RECORD_HEAD), false)) || can_open(s, &tomb);
}

/* The image that the record goes to. */
static struct image *
choose(struct store *s, const struct append *a, uint32_t chunks)
{
	struct image *newest = newest_open(s), *im = a->newest ? newest : s->open[a->stream];
	unsigned stream = a->newest ? STREAM_LONG : a->stream;

	if (im != NULL && im->seq < a->after_seq)
		im = newest;
	if (im != NULL && im->seq >= a->after_seq && fits(s, im, chunks, leaves_room(a)))
		return im;
	/* A new segment is newer than any.  Only if there is one is the old one closed: what has room for tombs is not given up for nothing. */
	if (!can_open(s, a))
		return NULL;
	if (im != NULL && im->seq >= a->after_seq)
		close_image(s, im);
	log_close_stream(s, stream);
	return open_stream(s, stream);
}

static int
free_writer(const struct image *im)
{
	for (int i = 0; i < IMAGE_WRITERS; i++)
		if (im->busy[i].from == 0)
			return i;
	return -1;
}

static void
put_row(struct store *s, struct image *im, const struct append *a)
{
	struct row row = {
		.khash = a->head.khash,
		.exptime = a->head.exptime,
		.type = a->head.type,
		.flags = a->head.flags,
		.size = size_class_of(a->head.chunks),
	};

	memcpy(row.version, &a->head.version, sizeof row.version);
	memcpy(row.start, &a->start, sizeof row.start);
	im->rows++;
	memcpy(im->data + s->g.segment - FORMAT_BLOCK - im->rows * sizeof row, &row, sizeof row);
}

static uint32_t
chunks_of(const struct store *s, const struct append *a)
{
	return geometry_chunks(&s->g, (uint64_t)RECORD_HEAD + a->head.keylen + a->head.len);
}

/* What is left of an open segment is not left empty, if a part of it would do. */
static void
shorten(const struct store *s, struct append *a)
{
	const struct image *im = s->open[a->stream];
	uint32_t least = a->least, most = a->head.len;

	if (im == NULL || least == 0 || fits(s, im, chunks_of(s, a), true))
		return;
	a->head.len = least;
	if (!fits(s, im, chunks_of(s, a), true)) {
		a->head.len = most;
		return;
	}
	while (most - least > s->g.chunk) {
		a->head.len = least + (most - least) / 2;
		if (fits(s, im, chunks_of(s, a), true))
			least = a->head.len;
		else
			most = a->head.len;
	}
	a->head.len = least;
}

static bool
reserve(struct store *s, struct append *a)
{
	uint32_t chunks;
	struct image *im;
	int writer;

	a->flushed = a->flush_seq != 0 && a->flush_seq != atomic_load(&s->flush_seq);
	if (a->flushed)
		return false;
	shorten(s, a);
	chunks = chunks_of(s, a);
	im = choose(s, a, chunks);
	if (im == NULL || (writer = free_writer(im)) < 0)
		return false;
	if (a->head.version == 0) {
		if (s->next_version >= s->version_limit)
			return false;
		a->head.version = s->next_version++;
	}
	if (a->head.cas == 0)
		a->head.cas = a->head.version;
	a->head.chunks = chunks;
	a->head.seq = im->seq;
	a->image = im;
	a->writer = (unsigned)writer;
	a->start = im->used;
	a->at = im->data + (size_t)im->used * s->g.chunk;
	im->busy[writer].from = im->used;
	im->used += chunks;
	im->busy[writer].to = im->used;
	if (a->head.version > im->version_max)
		im->version_max = a->head.version;
	im->touches += a->head.type == RECORD_TOUCH;
	put_row(s, im, a);
	if (leaves_room(a))
		segment_expires(&s->segments[im->segment], a->head.exptime);
	return true;
}

bool
log_reserve(struct store *s, struct append *a)
{
	uint64_t seq;
	bool ok, wake;

	pthread_mutex_lock(&s->lock);
	seq = s->next_seq;
	ok = reserve(s, a);
	wake = (!ok && !a->flushed) || s->next_seq != seq; /* no room, or a segment is full */
	pthread_mutex_unlock(&s->lock);
	if (wake && s->options.wake != NULL)
		s->options.wake(s->options.wake_arg);
	return ok;
}

/* ---- records ---- */

void
log_seal_record(struct store *s, struct append *a)
{
	size_t body = (size_t)a->head.keylen + a->head.len, whole = (size_t)a->head.chunks * s->g.chunk;

	a->head.body_sum = format_sum(a->at + RECORD_HEAD, body);
	format_record(&a->head);
	memcpy(a->at, &a->head, RECORD_HEAD);
	memset(a->at + RECORD_HEAD + body, 0, whole - RECORD_HEAD - body);
}

void
log_done(struct store *s, struct append *a)
{
	pthread_mutex_lock(&s->lock);
	a->image->busy[a->writer].from = 0;
	pthread_mutex_unlock(&s->lock);
}

struct place
log_place(const struct append *a)
{
	return (struct place){
		.seg = a->image->segment,
		.start = a->start,
		.size = size_class_of(a->head.chunks),
	};
}

static bool
append_empty(struct store *s, struct append *a)
{
	if (!log_reserve(s, a))
		return false;
	log_seal_record(s, a);
	log_done(s, a);
	return true;
}

/* Above all that the tombs in RAM are for, and this one. */
static uint64_t
above_tombs(const struct store *s, uint64_t version)
{
	uint64_t above = version == 0 ? s->next_version : version + 1;

	for (uint32_t i = 0; i < s->tomb_count; i++)
		if (s->tombs[i].version >= above)
			above = s->tombs[i].version + 1;
	return above;
}

/*
 * Keeps it until there is room; when there are too many, all that is on the disk and no newer than what they are for is given up instead, should it
 * ever have to be rebuilt.
 */
static void
tomb_later(struct store *s, uint64_t khash, uint64_t version)
{
	uint64_t above;

	pthread_mutex_lock(&s->lock);
	if (s->tomb_count < TOMBS_MAX && (version != 0 || s->next_version < s->version_limit)) {
		s->tombs[s->tomb_count++] = (struct tomb){ .khash = khash,
			.version = version != 0 ? version : s->next_version++ };
	} else {
		above = above_tombs(s, version);
		if (above > s->discard_below)
			s->discard_below = above;
		s->tomb_count = 0;
		s->super_due = true;
		COUNT(s, discards, 1);
	}
	pthread_mutex_unlock(&s->lock);
}

uint64_t
log_version(struct store *s)
{
	uint64_t version;

	pthread_mutex_lock(&s->lock);
	version = s->next_version < s->version_limit ? s->next_version++ : 0;
	pthread_mutex_unlock(&s->lock);
	return version;
}

bool
log_tomb(struct store *s, uint64_t khash, uint64_t version, uint64_t after_seq)
{
	struct append a = { .newest = true,
		.after_seq = after_seq,
		.head = { .type = RECORD_TOMB, .khash = khash, .version = version } };

	if (!TOMBS_ARE_WRITTEN || append_empty(s, &a)) {
		COUNT(s, tombs, 1);
		return true;
	}
	tomb_later(s, khash, version);
	return false;
}

bool
log_touch(struct store *s, uint64_t khash, uint64_t version, uint32_t exptime, uint64_t after_seq)
{
	struct append a = { .newest = true,
		.after_seq = after_seq,
		.head = { .type = RECORD_TOUCH, .khash = khash, .version = version, .exptime = exptime } };

	if (!append_empty(s, &a))
		return false;
	COUNT(s, touches, 1);
	return true;
}

/* ---- what may be written ---- */

static void
fill(struct store *s, struct image *im, uint32_t bytes)
{
	struct append a = { .at = im->data + (size_t)im->used * s->g.chunk,
		.head = { .type = RECORD_FILL, .seq = im->seq, .chunks = bytes / s->g.chunk } };

	log_seal_record(s, &a);
	im->used += a.head.chunks;
}

uint32_t
log_settled(struct store *s, struct image *im, bool flush)
{
	uint32_t settled = im->used, open;

	for (unsigned i = 0; i < IMAGE_WRITERS; i++)
		if (im->busy[i].from != 0 && im->busy[i].from < settled)
			settled = im->busy[i].from;
	open = settled * s->g.chunk % FORMAT_BLOCK;
	if (settled == im->used && flush && open != 0) {
		fill(s, im, FORMAT_BLOCK - open);
		settled = im->used;
	}
	return settled * s->g.chunk / FORMAT_BLOCK * FORMAT_BLOCK;
}
