/* Manifests, and the pieces that they name: these may be in any segment, so they are looked at when all were.  See fsck_state.h. */
#include <stdlib.h>
#include <string.h>

#include "fsck_state.h"

static bool
add(struct fsck_pieces *all, const struct fsck_piece *piece)
{
	if (all->count == all->room) {
		size_t room = all->room == 0 ? 1024 : all->room * 2;
		struct fsck_piece *more = realloc(all->piece, room * sizeof(*more));

		if (more == NULL)
			return false;
		all->piece = more;
		all->room = room;
	}
	all->piece[all->count++] = *piece;
	return true;
}

void
fsck_piece(struct fsck *f, uint32_t segment, uint32_t start, const struct record_head *h)
{
	struct fsck_piece piece = {
		.segment = segment,
		.start = start,
		.seq = h->seq,
		.khash = h->khash,
		.version = h->version,
		.len = h->len,
		.nth = h->cflags,
	};

	f->pieces_unknown |= !add(&f->pieces, &piece);
}

bool
fsck_manifest(struct fsck *f, const struct record_head *h, const char *body)
{
	struct manifest m;

	if (!format_manifest_read(body, h->len, &f->found->g, &m))
		return false;
	f->found->value_bytes += h->keylen + m.len;
	for (uint32_t i = 0; i < m.count; i++) {
		struct manifest_piece p = format_piece(body, i);
		struct fsck_piece piece = {
			.segment = p.segment,
			.start = p.start,
			.seq = p.seq,
			.khash = h->khash,
			.version = m.version,
			.len = p.len,
			.nth = i,
		};

		f->pieces_unknown |= !add(&f->named, &piece);
	}
	return true;
}

static int
by_place(const void *a, const void *b)
{
	const struct fsck_piece *x = a, *y = b;

	if (x->segment != y->segment)
		return x->segment < y->segment ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static bool
same(const struct fsck_piece *x, const struct fsck_piece *y)
{
	return x->seq == y->seq && x->khash == y->khash && x->version == y->version && x->len == y->len &&
	       x->nth == y->nth;
}

/* A segment that was freed since has taken its pieces with it; one that was not sealed may have lost some to a power cut. */
void
fsck_pieces(struct fsck *f)
{
	struct fsck_pieces *is = &f->pieces, *named = &f->named;

	if (f->pieces_unknown) {
		fsck_note(f, "there is no memory to look whether values in pieces have them all");
		return;
	}
	if (is->count > 0)
		qsort(is->piece, is->count, sizeof(is->piece[0]), by_place);
	f->found->pieces = is->count;
	for (size_t i = 0; i < named->count; i++) {
		const struct fsck_piece *p = &named->piece[i], *there = NULL;

		if (f->sealed[p->segment] != p->seq)
			continue;
		if (is->count > 0)
			there = bsearch(p, is->piece, is->count, sizeof(is->piece[0]), by_place);
		if (there == NULL || !same(p, there))
			fsck_wrong(f, "data.%03u, segment %u: chunk %u: a value should have its piece %u there",
			    geometry_bank(&f->found->g, p->segment), p->segment, p->start, p->nth);
	}
}

void
fsck_pieces_free(struct fsck *f)
{
	free(f->pieces.piece);
	free(f->named.piece);
	free(f->sealed);
}
