/* The index as a file, so that a start after a proper end is quick: see format.h.  Whoever doubts any of it rebuilds instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

#define NAME	       "index.snap"
#define PIECE	       ((size_t)1 << 20)
#define BUCKETS_ATONCE 256

/* A file, written or read from its begin on, a piece at a time. */
struct tape {
	struct io_file *file;
	char *piece;
	size_t at, have;
	uint64_t offset, sum;
	struct io *io;
	uint64_t deadline; /* io_now(); 0: none */
	bool failed;
};

static char *
name_in(const struct store *s, const char *name)
{
	size_t size = strlen(s->dir) + strlen(name) + 2;
	char *path = malloc(size);

	if (path != NULL)
		snprintf(path, size, "%s/%s", s->dir, name);
	return path;
}

static bool
tape_open(struct tape *st, struct store *s, const char *name, int flags)
{
	char *path = name_in(s, name);

	*st = (struct tape){ .piece = aligned_alloc(IO_ALIGN, PIECE), .io = s->io };
	st->failed = path == NULL || st->piece == NULL || io_open(s->io, path, flags, NULL, &st->file) != IO_OK;
	free(path);
	return !st->failed;
}

static void
tape_close(struct tape *st)
{
	io_close(&st->file);
	free(st->piece);
	st->piece = NULL;
}

/* ---- writing ---- */

static void
write_piece(struct tape *st)
{
	if (st->at == 0 || st->failed)
		return;
	st->sum = format_sum_on(st->piece, st->at, st->sum);
	st->failed = (st->deadline != 0 && io_now(st->io) >= st->deadline) ||
		     io_write(st->file, st->piece, st->at, st->offset, NULL) != IO_OK;
	st->offset += st->at;
	st->at = 0;
}

static void
put(struct tape *st, const void *from, size_t len)
{
	while (len > 0 && !st->failed) {
		size_t n = PIECE - st->at < len ? PIECE - st->at : len;

		memcpy(st->piece + st->at, from, n);
		st->at += n;
		from = (const char *)from + n;
		len -= n;
		if (st->at == PIECE)
			write_piece(st);
	}
}

static void
pad(struct tape *st)
{
	size_t over = st->at % FORMAT_BLOCK;

	if (over == 0)
		return;
	memset(st->piece + st->at, 0, FORMAT_BLOCK - over);
	st->at += FORMAT_BLOCK - over;
	if (st->at == PIECE)
		write_piece(st);
}

static void
put_all(struct store *s, struct tape *st, uint64_t generation)
{
	_Alignas(64) char buckets[BUCKETS_ATONCE * INDEX_BUCKET_BYTES];
	struct snap_head head = { .magic = SNAP_MAGIC,
		.generation = generation,
		.buckets = index_buckets(s->index),
		.segments = s->g.segments };

	memcpy(head.uuid, s->super.uuid, FORMAT_UUID);
	put(st, &head, sizeof head);
	pad(st);
	for (uint32_t i = 0; i < s->g.segments; i++) {
		const struct segment *g = &s->segments[i];
		uint64_t seq = atomic_load(&g->seq);
		bool in_use = g->state == SEGMENT_SEALED && seq >= atomic_load(&s->flush_seq);
		struct snap_segment seg = { .seq = in_use ? seq : 0,
			.version_max = g->version_max,
			.rows = g->rows,
			.used = g->used,
			.touches = g->touches,
			.exptime_max = atomic_load(&g->exptime_max) };

		put(st, &seg, sizeof seg);
	}
	pad(st);
	for (uint64_t b = 0; b < head.buckets && !st->failed; b += BUCKETS_ATONCE) {
		uint64_t n = head.buckets - b < BUCKETS_ATONCE ? head.buckets - b : BUCKETS_ATONCE;

		index_save(s->index, b, n, buckets);
		put(st, buckets, n * INDEX_BUCKET_BYTES);
	}
	pad(st);
	write_piece(st);
}

/* Over the last one: that is of no use since the store was opened, as no super has its sum any more. */
bool
snapshot_write(struct store *s, uint64_t generation, uint64_t deadline, uint64_t *bytes, uint64_t *sum)
{
	struct tape st = { 0 };
	bool ok = !store_path_is_out(s, 0) && tape_open(&st, s, NAME, IO_CREATE);

	if (ok) {
		st.deadline = deadline;
		put_all(s, &st, generation);
		*bytes = st.offset;
		*sum = st.sum;
		ok = !st.failed && io_resize(st.file, st.offset) == IO_OK && io_sync(st.file) == IO_OK &&
		     io_sync_dir(s->io, s->dir) == IO_OK;
	}
	tape_close(&st);
	return ok;
}

static uint64_t
blocks(uint64_t bytes)
{
	return (bytes + FORMAT_BLOCK - 1) / FORMAT_BLOCK * FORMAT_BLOCK;
}

enum io_status
snapshot_reserve(struct store *s)
{
	uint64_t bytes = FORMAT_BLOCK + blocks(s->g.segments * sizeof(struct snap_segment)) +
			 blocks(index_buckets(s->index) * INDEX_BUCKET_BYTES);
	char *path = name_in(s, NAME);
	struct io_file *file = NULL;
	enum io_status status = path == NULL ? IO_NO_MEMORY : io_open(s->io, path, IO_CREATE, NULL, &file);

	if (status == IO_OK)
		status = io_preallocate(file, 0, bytes);
	io_close(&file);
	free(path);
	return status == IO_UNSUPPORTED ? IO_OK : status;
}

/* ---- reading ---- */

static void
read_piece(struct tape *st, uint64_t bytes)
{
	uint64_t left = bytes - st->offset;

	st->have = left < PIECE ? left : PIECE;
	st->at = 0;
	if (st->have == 0 || io_read(st->file, st->piece, st->have, st->offset, NULL) != IO_OK) {
		st->failed = true;
		return;
	}
	st->sum = format_sum_on(st->piece, st->have, st->sum);
	st->offset += st->have;
}

static void
get(struct tape *st, uint64_t bytes, void *to, size_t len)
{
	while (len > 0 && !st->failed) {
		size_t n;

		if (st->at == st->have)
			read_piece(st, bytes);
		n = st->have - st->at < len ? st->have - st->at : len;
		if (st->failed)
			return;
		memcpy(to, st->piece + st->at, n);
		st->at += n;
		to = (char *)to + n;
		len -= n;
	}
}

static void
skip_pad(struct tape *st)
{
	st->at = (st->at + FORMAT_BLOCK - 1) / FORMAT_BLOCK * FORMAT_BLOCK;
}

/* What an entry may not lead to. */
static bool
is_bad(void *arg, const struct entry *e)
{
	const struct store *s = arg;
	const struct segment *g;

	if (e->place.seg >= s->g.segments)
		return true;
	g = &s->segments[e->place.seg];
	return g->state != SEGMENT_SEALED || e->place.start >= g->used || e->place.start < geometry_first(&s->g) ||
	       !format_size_ok(e->place.size, &s->g);
}

static bool
get_segments(struct store *s, struct tape *st, uint64_t bytes)
{
	for (uint32_t i = 0; i < s->g.segments; i++) {
		struct segment *g = &s->segments[i];
		struct snap_segment seg = { 0 };

		get(st, bytes, &seg, sizeof seg);
		if (st->failed || seg.seq >= s->next_seq || seg.used > s->g.segment / s->g.chunk ||
		    seg.rows * sizeof(struct row) + FORMAT_BLOCK > s->g.segment)
			return false;
		if (seg.seq < s->super.flush_seq || seg.seq == 0)
			continue;
		g->state = SEGMENT_SEALED;
		atomic_store(&g->seq, seg.seq);
		atomic_store(&g->exptime_max, seg.exptime_max);
		g->version_max = seg.version_max;
		g->rows = seg.rows;
		g->used = seg.used;
		g->touches = seg.touches;
	}
	return true;
}

static bool
load(struct store *s, struct tape *st)
{
	_Alignas(64) char buckets[BUCKETS_ATONCE * INDEX_BUCKET_BYTES];
	uint64_t bytes = s->super.snap_bytes;
	struct snap_head head = { 0 };

	get(st, bytes, &head, sizeof head);
	if (st->failed || head.magic != SNAP_MAGIC || memcmp(head.uuid, s->super.uuid, FORMAT_UUID) != 0 ||
	    s->super.generation - head.generation > 1 || head.buckets != index_buckets(s->index) ||
	    head.segments != s->g.segments)
		return false;
	skip_pad(st);
	if (!get_segments(s, st, bytes))
		return false;
	skip_pad(st);
	for (uint64_t b = 0; b < head.buckets; b += BUCKETS_ATONCE) {
		uint64_t n = head.buckets - b < BUCKETS_ATONCE ? head.buckets - b : BUCKETS_ATONCE;

		get(st, bytes, buckets, n * INDEX_BUCKET_BYTES);
		if (st->failed)
			return false;
		index_load(s->index, b, n, buckets, is_bad, s);
	}
	while (st->offset < bytes && !st->failed)
		read_piece(st, bytes);
	return !st->failed && st->sum == s->super.snap_sum;
}

int
snapshot_load(struct store *s)
{
	struct tape st;
	bool ok = s->super.state == SUPER_CLEAN && s->super.snap_bytes % FORMAT_BLOCK == 0 &&
		  tape_open(&st, s, NAME, IO_READ_ONLY);

	if (s->super.state != SUPER_CLEAN || s->super.snap_bytes % FORMAT_BLOCK != 0)
		return -1;
	ok = ok && load(s, &st);
	tape_close(&st);
	if (ok)
		return 0;
	recover_nothing(s);
	return -1;
}
