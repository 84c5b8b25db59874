/* index.snap of a store that was left clean: see fsck_state.h. */
#include <stdlib.h>
#include <string.h>

#include "fsck_state.h"

#define PIECE ((size_t)1 << 20)

/* Calls each() for each MiB, the last one may be shorter.  false: it cannot be read, or each() said so. */
typedef bool piece_f(struct fsck *f, const char *piece, size_t len, uint64_t offset);

static bool
read_pieces(struct fsck *f, struct io_file *file, char *piece, piece_f *each)
{
	uint64_t bytes = f->found->super.snap_bytes;

	for (uint64_t at = 0; at < bytes; at += PIECE) {
		size_t len = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE;

		if (io_read(file, piece, len, at, NULL) != IO_OK || !each(f, piece, len, at))
			return false;
	}
	return true;
}

static bool
sum_up(struct fsck *f, const char *piece, size_t len, uint64_t offset)
{
	f->live = format_sum_on(piece, len, offset == 0 ? 0 : f->live);
	return true;
}

static uint64_t
blocks(uint64_t bytes)
{
	return (bytes + FORMAT_BLOCK - 1) / FORMAT_BLOCK * FORMAT_BLOCK;
}

/* What an entry may not lead to. */
static bool
is_bad(void *arg, const struct entry *e)
{
	struct fsck *f = arg;
	const struct geometry *g = &f->found->g;
	bool bad = e->place.seg >= g->segments || f->snap[e->place.seg].seq == 0 ||
		   e->place.start < geometry_first(g) || e->place.start >= f->snap[e->place.seg].used;

	if (bad)
		fsck_wrong(f, "the index has an entry that leads to segment %u, chunk %u, where nothing is",
		    e->place.seg, e->place.start);
	return bad;
}

static bool
take_piece(struct fsck *f, const char *piece, size_t len, uint64_t offset)
{
	const struct super *super = &f->found->super;
	uint64_t segments = f->found->g.segments * sizeof(struct snap_segment), first = FORMAT_BLOCK + blocks(segments);

	if (offset == 0) {
		struct snap_head head;

		memcpy(&head, piece, sizeof(head));
		if (head.magic != SNAP_MAGIC || memcmp(head.uuid, super->uuid, FORMAT_UUID) != 0 ||
		    super->generation - head.generation > 1 || head.buckets != super->buckets ||
		    head.segments != f->found->g.segments)
			return false;
	}
	/* Neither struct lies across two pieces. */
	for (size_t at = 0; at < len;) {
		uint64_t here = offset + at;

		if (here < FORMAT_BLOCK) {
			at = FORMAT_BLOCK;
		} else if (here < FORMAT_BLOCK + segments) {
			memcpy(&f->snap[(here - FORMAT_BLOCK) / sizeof(f->snap[0])], piece + at, sizeof(f->snap[0]));
			at += sizeof(f->snap[0]);
		} else if (here < first) {
			at += first - here;
		} else {
			uint64_t bucket = (here - first) / INDEX_BUCKET_BYTES;
			_Alignas(64) char one[INDEX_BUCKET_BYTES];

			if (bucket >= super->buckets)
				break;
			memcpy(one, piece + at, sizeof(one));
			index_load(f->index, bucket, 1, one, is_bad, f);
			at += INDEX_BUCKET_BYTES;
		}
	}
	return true;
}

static void
forget(struct fsck *f)
{
	index_free(&f->index);
	free(f->snap);
	f->snap = NULL;
}

int
fsck_index(struct fsck *f)
{
	const struct super *super = &f->found->super;
	uint64_t bytes = FORMAT_BLOCK + blocks(f->found->g.segments * sizeof(struct snap_segment)) +
			 blocks(super->buckets * INDEX_BUCKET_BYTES);
	struct io_file *file = NULL;
	uint64_t is = 0;
	char *piece;
	bool sound;

	if (super->state != SUPER_CLEAN)
		return 0;
	/* So that no more memory is asked for than there is a file for. */
	if (super->snap_bytes != bytes || fsck_open(f, 0, "index.snap", 0, &file) != IO_OK ||
	    io_size(file, &is) != IO_OK || is < bytes) {
		io_close(&file);
		fsck_wrong(f, "index.snap is not the index that was kept: the next start rebuilds it");
		return 0;
	}
	piece = aligned_alloc(IO_ALIGN, PIECE);
	f->snap = calloc(f->found->g.segments, sizeof(f->snap[0]));
	f->index = index_new(super->buckets, NULL, NULL);
	if (piece == NULL || f->snap == NULL || f->index == NULL) {
		io_close(&file);
		free(piece);
		forget(f);
		return -1;
	}
	sound = read_pieces(f, file, piece, sum_up) && f->live == super->snap_sum &&
		read_pieces(f, file, piece, take_piece);
	f->live = 0;
	io_close(&file);
	free(piece);
	if (!sound) {
		fsck_wrong(f, "index.snap is not the index that was kept: the next start rebuilds it");
		forget(f);
	}
	return 0;
}
