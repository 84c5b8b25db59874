/* Reading values in pieces: see gather.h. */
#include "gather.h"

#include <stdlib.h>
#include <string.h>

#include "page.h"
#include "state.h"

#define AT_ONCE	  8	      /* reads at the disk, of one value: others are not kept waiting for all of them */
#define TIME_SIZE (16U << 20) /* bytes for which there is once more the time of one read */

/* A piece, and where it is, or is to be, in memory. */
struct part {
	struct manifest_piece piece;
	struct page *page;
	uint32_t skip; /* bytes in it before the record */
};

struct part_read {
	struct io_request request;
	struct gather *gather;
	struct page *page;
	uint32_t nth;
};

uint64_t
gather_time(uint64_t time, uint64_t len)
{
	return time * (1 + len / TIME_SIZE);
}

bool
gather_new(struct gather **gp, struct fetcher *fetcher, uint64_t khash, const void *manifest, uint32_t len)
{
	struct manifest m;
	struct gather *g;

	*gp = NULL;
	if (!format_manifest_read(manifest, len, &fetcher->store->g, &m))
		return false;
	g = calloc(1, sizeof *g);
	if (g != NULL)
		g->parts = calloc(m.count, sizeof *g->parts);
	if (g == NULL || g->parts == NULL) {
		free(g);
		return true;
	}
	g->fetcher = fetcher;
	g->khash = khash;
	g->manifest = m;
	for (uint32_t i = 0; i < m.count; i++)
		g->parts[i].piece = format_piece(manifest, i);
	*gp = g;
	return true;
}

void
gather_free(struct gather **gp)
{
	struct gather *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	for (uint32_t i = 0; i < g->manifest.count; i++)
		page_drop(&g->parts[i].page);
	rend_value_drop(&g->value);
	free(g->parts);
	free(g);
}

static bool
stands(const struct store *s, const struct manifest_piece *p)
{
	return atomic_load(&s->segments[p->segment].seq) == p->seq && p->seq >= atomic_load(&s->flush_seq);
}

bool
gather_stands(const struct gather *g)
{
	for (uint32_t i = 0; i < g->manifest.count; i++)
		if (!stands(g->fetcher->store, &g->parts[i].piece))
			return false;
	return true;
}

struct manifest_piece
gather_piece(const struct gather *g, uint32_t nth)
{
	return g->parts[nth].piece;
}

/* ---- how it ends ---- */

/* The first that is wrong says how. */
static void
fails(struct gather *g, enum gathered how, enum io_status status)
{
	if (g->how != GATHER_ALL)
		return;
	g->how = how;
	g->status = status;
}

/* No piece is at the disk any more. */
static void
ends(struct gather *g)
{
	for (uint32_t i = 0; i < g->manifest.count && g->how == GATHER_ALL; i++) {
		struct part *part = &g->parts[i];
		struct page *page = part->page;

		part->page = NULL;
		if (rend_value_add(&g->value, &page->buf, (const char *)page->data + part->skip + RECORD_HEAD,
			part->piece.len) != 0)
			fails(g, GATHER_FAILED, IO_NO_MEMORY);
	}
}

static void
judge(struct gather *g, uint32_t nth, const char *at)
{
	const struct manifest_piece *p = &g->parts[nth].piece;
	struct record_head h;

	if (format_record_read(at, &g->fetcher->store->g, p->seq, SIZE_MAX, &h) &&
	    format_is_piece(&h, g->khash, &g->manifest, nth, p->len) && format_body_ok(at, &h))
		return;
	/* Another record may have been written there since. */
	fails(g, stands(g->fetcher->store, p) ? GATHER_WRONG : GATHER_GONE, IO_OK);
}

/* ---- out of an image ---- */

/* false: it is not in one. */
static bool
copy_out(struct gather *g, uint32_t nth)
{
	struct part *part = &g->parts[nth];
	struct store *s = g->fetcher->store;
	struct image *im;
	char *to = part->page->data;

	im = fetch_hold_image(&s->segments[part->piece.segment]);
	if (im == NULL)
		return false;
	/* Else others may be writing there: what is in its place is not looked at. */
	if (im->seq == part->piece.seq) {
		memcpy(
		    to + part->skip, im->data + (size_t)part->piece.start * s->g.chunk, RECORD_HEAD + part->piece.len);
		judge(g, nth, to + part->skip);
	} else {
		fails(g, GATHER_GONE, IO_OK);
	}
	fetch_let_go(im);
	return true;
}

/* ---- from the disk ---- */

static void go_on(struct gather *g);

static void
read_done(struct io_request *r)
{
	struct part_read *rd = (struct part_read *)(void *)r;
	struct gather *g = rd->gather;
	struct part *part = &g->parts[rd->nth];

	g->at_disk--;
	switch (r->status) {
	case IO_OK:
		part->page = rd->page;
		rd->page = NULL;
		judge(g, rd->nth, (const char *)part->page->data + part->skip);
		break;
	case IO_SHORT:
	case IO_FAILED:
		COUNT(g->fetcher->store, read_errors, 1);
		fails(g, GATHER_UNREADABLE, r->status);
		break;
	default:
		COUNT(g->fetcher->store, read_errors, 1);
		fails(g, GATHER_FAILED, r->status);
		break;
	}
	go_on(g);
	if (g->at_disk > 0)
		return;
	ends(g);
	g->done(g);
}

/* The disk has let go of it; the page, unless the value has it. */
static void
read_release(struct io_request *r)
{
	struct part_read *rd = (struct part_read *)(void *)r;

	page_drop(&rd->page);
	free(rd);
}

static enum io_status
read_part(struct gather *g, uint32_t nth)
{
	struct store *s = g->fetcher->store;
	struct part *part = &g->parts[nth];
	struct part_read *rd = calloc(1, sizeof *rd);
	enum io_status status;

	if (rd == NULL)
		return IO_NO_MEMORY;
	rd->gather = g;
	rd->nth = nth;
	rd->page = part->page;
	rd->request = (struct io_request){
		.kind = IO_READ,
		.file = write_bank(s, part->piece.segment),
		.offset = geometry_offset(&s->g, part->piece.segment) + (uint64_t)part->piece.start * s->g.chunk -
			  part->skip,
		.deadline = g->deadline,
		.done = read_done,
		.release = read_release,
		.pieces = 1,
		.piece = { { rd->page->data, rd->page->buf.size } },
	};
	status = io_submit(g->fetcher->queues[path_of(s, part->piece.segment)], &rd->request);
	if (status == IO_OK)
		part->page = NULL; /* the queue's, until it has let go */
	else
		free(rd);
	return status;
}

/* ---- all of it ---- */

/* Until enough are at the disk, or it is known how it ends. */
static void
go_on(struct gather *g)
{
	while (g->how == GATHER_ALL && g->next < g->manifest.count && g->at_disk < AT_ONCE) {
		uint32_t nth = g->next++;
		enum io_status status;

		if (!stands(g->fetcher->store, &g->parts[nth].piece)) {
			fails(g, GATHER_GONE, IO_OK);
			break;
		}
		if (copy_out(g, nth))
			continue;
		status = read_part(g, nth);
		if (status == IO_OK)
			g->at_disk++;
		else
			fails(g, GATHER_FAILED, status);
	}
}

static bool
take_memory(struct gather *g)
{
	struct store *s = g->fetcher->store;

	for (uint32_t i = 0; i < g->manifest.count; i++) {
		struct part *part = &g->parts[i];
		uint64_t grain = io_file_grain(write_bank(s, part->piece.segment)),
			 from = (uint64_t)part->piece.start * s->g.chunk, to = from + RECORD_HEAD + part->piece.len;

		part->skip = (uint32_t)(from % grain);
		to = (to + grain - 1) / grain * grain;
		part->page = page_new(g->fetcher->buffers, g->fetcher->shelf, to - from + part->skip);
		if (part->page == NULL)
			return false;
	}
	return true;
}

bool
gather_begin(struct gather *g)
{
	g->deadline = io_now(g->fetcher->store->io) + gather_time(g->fetcher->time, g->manifest.len);
	if (!take_memory(g))
		fails(g, GATHER_FAILED, IO_NO_MEMORY);
	go_on(g);
	if (g->at_disk > 0)
		return false;
	ends(g);
	return true;
}
