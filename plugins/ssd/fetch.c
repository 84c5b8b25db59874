/* Reading records: see fetch.h. */
#include "fetch.h"

#include <stdlib.h>
#include <string.h>

#include "gather.h"
#include "page.h"
#include "size_class.h"
#include "state.h"

#define KEY_MOST     255
#define TRIES	     4 /* at the disk */
#define LOCATE_TRIES 100

struct read {
	struct io_request request;
	struct io_queue *queue;
	struct fetch *fetch;
	struct page *page; /* NULL: it was handed out */
	uint32_t skip;	   /* bytes in it before the record */
	uint32_t room;	   /* and from its begin on */
};

enum looks {
	LOOKS_RIGHT,
	LOOKS_OTHER, /* a good record, of another key */
	LOOKS_WRONG, /* none */
};

/* ---- judging ---- */

static enum looks
judge(struct fetch *f, const char *at, size_t room, struct record_head *h)
{
	const struct geometry *g = &f->fetcher->store->g;
	bool whole = f->all;

	/* Without the value, what is read need not be all of it. */
	if (room < RECORD_HEAD || !format_record_read(at, g, f->seq, whole ? room : SIZE_MAX, h) ||
	    !record_is_value(h->type) || room < (size_t)RECORD_HEAD + h->keylen)
		return LOOKS_WRONG;
	if (whole && !format_body_ok(at, h))
		return LOOKS_WRONG;
	if (h->khash != f->khash || h->keylen != f->keylen || memcmp(at + RECORD_HEAD, f->key, f->keylen) != 0)
		return LOOKS_OTHER;
	f->len = h->len;
	if (h->type == RECORD_MANIFEST && f->all &&
	    !gather_new(&f->gather, f->fetcher, f->khash, at + RECORD_HEAD + h->keylen, h->len))
		return LOOKS_WRONG;
	return LOOKS_RIGHT;
}

static bool
ends(struct fetch *f, enum fetched result, enum io_status status)
{
	f->result = result;
	f->status = status;
	return true;
}

/* ---- out of an image ---- */

/*
 * The image that a segment is in, if any.  Without a lock: the keeper takes it off the segment first, and uses it again only when nobody holds it then
 * (write.c); who holds it looks whether it is still there.  One of the two sees the other.
 */
struct image *
fetch_hold_image(struct segment *g)
{
	struct image *im;

	while ((im = atomic_load(&g->image)) != NULL) {
		atomic_fetch_add(&im->readers, 1);
		if (atomic_load(&g->image) == im)
			break;
		atomic_fetch_sub(&im->readers, 1);
	}
	return im;
}

void
fetch_let_go(struct image *im)
{
	atomic_fetch_sub(&im->readers, 1);
}

static enum looks
copy_out(struct fetch *f, const struct image *im)
{
	const struct geometry *g = &f->fetcher->store->g;
	size_t from = (size_t)f->entry.place.start * g->chunk;
	enum looks looks = judge(f, im->data + from, g->segment - from, &f->head);
	struct page *p;

	if (looks != LOOKS_RIGHT || !f->whole || f->head.type == RECORD_MANIFEST)
		return looks;
	p = page_new(f->fetcher->buffers, f->fetcher->shelf, f->head.len == 0 ? 1 : f->head.len);
	if (p != NULL) {
		memcpy(p->data, im->data + from + RECORD_HEAD + f->head.keylen, f->head.len);
		f->buf = &p->buf;
		f->value = p->data;
	}
	return looks;
}

/* ---- once more ---- */

/*
 * What is there is no good.  Who changes the key just now may have a version already, which the tomb's would be higher than: then the next one who reads
 * it erases it.
 */
static void
erase(struct fetch *f, const struct place *at)
{
	struct store *s = f->fetcher->store;

	if (!f->locked && !keys_try(s->keys, f->khash))
		return;
	store_erase(s, f->khash, at);
	f->erased = true;
	if (!f->locked)
		keys_give(s->keys, f->khash);
}

static bool attempt(struct fetch *f);

/* Nothing useful was there.  true: that is the end. */
static bool
again(struct fetch *f)
{
	struct place was = f->entry.place;

	if (++f->tries < TRIES)
		return attempt(f);
	COUNT(f->fetcher->store, check_errors, 1);
	erase(f, &was);
	return ends(f, FETCH_MISS, IO_OK);
}

/* A good record, of another key.  Either the index takes both keys for one, or the entry was moved, and its place is used again.  true: that is the end. */
static bool
is_of_another(struct fetch *f)
{
	struct store *s = f->fetcher->store;
	struct entry e;

	if (++f->tries < TRIES && store_find(s, f->khash, f->wall, &e) &&
	    (e.place.seg != f->entry.place.seg || e.place.start != f->entry.place.start ||
		atomic_load(&s->segments[e.place.seg].seq) != f->seq))
		return attempt(f);
	return ends(f, FETCH_MISS, IO_OK);
}

/* From now on. */
static void
limit(struct fetch *f)
{
	f->until = io_now(f->fetcher->store->io) + f->fetcher->time;
}

/* ---- in pieces ---- */

static bool
hit(struct fetch *f)
{
	if (!f->quiet)
		index_hit(f->fetcher->store->index, f->khash, &f->entry.place);
	return ends(f, FETCH_HIT, IO_OK);
}

/* A piece of it is not there, and will not be: another value may be. */
static bool
fell_apart(struct fetch *f)
{
	erase(f, &f->entry.place);
	limit(f);
	return ++f->tries < TRIES ? attempt(f) : ends(f, FETCH_MISS, IO_OK);
}

/* true: that is the end. */
static bool
gathered(struct fetch *f)
{
	enum gathered how = f->gather->how;
	enum io_status status = f->gather->status;

	rend_value_move(&f->pieces, &f->gather->value);
	gather_free(&f->gather);
	switch (how) {
	case GATHER_ALL:
		return hit(f);
	case GATHER_GONE:
		return fell_apart(f);
	case GATHER_WRONG:
		return again(f);
	case GATHER_UNREADABLE:
		erase(f, &f->entry.place);
		return ends(f, FETCH_MISS, status);
	case GATHER_FAILED:
		break;
	}
	return ends(f, FETCH_FAILED, status);
}

static void
gather_done(struct gather *g)
{
	struct fetch *f = g->arg;

	if (gathered(f))
		f->done(f);
}

/* A manifest was found.  true: that is the end. */
static bool
found_manifest(struct fetch *f)
{
	bool is_there;

	/* What it names is needed even by who does not want the value: is it all there? */
	if (!f->all) {
		f->all = true;
		return attempt(f);
	}
	if (f->gather == NULL)
		return ends(f, FETCH_FAILED, IO_NO_MEMORY);
	f->len = f->gather->manifest.len;
	if (f->whole) {
		f->gather->done = gather_done;
		f->gather->arg = f;
		return gather_begin(f->gather) && gathered(f);
	}
	is_there = gather_stands(f->gather);
	gather_free(&f->gather);
	return is_there ? hit(f) : fell_apart(f);
}

/* ---- from the disk ---- */

static void
read_release(struct io_request *r)
{
	struct read *rd = (struct read *)(void *)r;

	page_drop(&rd->page);
	free(rd);
}

/* true: that is the end. */
static bool
take(struct fetch *f, struct read *rd)
{
	const char *at = (const char *)rd->page->data + rd->skip;

	switch (judge(f, at, rd->room, &f->head)) {
	case LOOKS_OTHER:
		return is_of_another(f);
	case LOOKS_WRONG:
		return again(f);
	default:
		break;
	}
	if (f->head.type == RECORD_MANIFEST)
		return found_manifest(f);
	if (f->whole) {
		f->buf = &rd->page->buf;
		f->value = at + RECORD_HEAD + f->head.keylen;
		rd->page = NULL;
	}
	return hit(f);
}

static void
read_done(struct io_request *r)
{
	struct read *rd = (struct read *)(void *)r;
	struct fetch *f = rd->fetch;
	struct store *s = f->fetcher->store;
	bool end;

	switch (r->status) {
	case IO_OK:
		end = take(f, rd);
		break;
	case IO_SHORT:
	case IO_FAILED:
		COUNT(s, read_errors, 1);
		erase(f, &f->entry.place);
		end = ends(f, FETCH_MISS, r->status);
		break;
	default:
		COUNT(s, read_errors, 1);
		end = ends(f, FETCH_FAILED, r->status);
		break;
	}
	if (end)
		f->done(f);
}

static struct read *
read_new(struct fetch *f)
{
	const struct geometry *g = &f->fetcher->store->g;
	const struct place *p = &f->entry.place;
	const struct bank *bank = &f->fetcher->store->banks[geometry_bank(g, p->seg)];
	uint64_t grain = io_file_grain(bank->file), from = (uint64_t)p->start * g->chunk,
		 to = from + RECORD_HEAD + KEY_MOST, first = from / grain * grain;
	struct read *rd = calloc(1, sizeof *rd);

	if (rd == NULL)
		return NULL;
	if (f->all)
		to = from + (uint64_t)size_class_chunks(p->size) * g->chunk;
	to = (to + grain - 1) / grain * grain;
	if (to > g->segment)
		to = g->segment;
	if (to <= from || (rd->page = page_new(f->fetcher->buffers, f->fetcher->shelf, to - first)) == NULL) {
		free(rd);
		return NULL;
	}
	rd->queue = f->fetcher->queues[bank->path];
	rd->fetch = f;
	rd->skip = (uint32_t)(from - first);
	rd->room = (uint32_t)(to - from);
	rd->request = (struct io_request){
		.kind = IO_READ,
		.file = bank->file,
		.offset = geometry_offset(g, p->seg) + first,
		.deadline = f->until,
		.done = read_done,
		.release = read_release,
		.pieces = 1,
		.piece = { { rd->page->data, to - first } },
	};
	return rd;
}

static bool
read_disk(struct fetch *f)
{
	struct read *rd = read_new(f);
	enum io_status status = rd == NULL ? IO_NO_MEMORY : io_submit(rd->queue, &rd->request);

	if (status == IO_OK)
		return false;
	if (rd != NULL)
		read_release(&rd->request);
	return ends(f, FETCH_FAILED, status);
}

/* ---- all of it ---- */

/*
 * Where it is, and the image that it is in, held; NULL: the disk.  What the index leads to while its image is held was copied whole, and stays:
 * so it is looked for again then.  Each time around somebody else has written it anew; after too many of these the disk is asked, which says no more.
 */
static bool
locate(struct fetch *f, struct image **im)
{
	struct store *s = f->fetcher->store;

	if (!store_find(s, f->khash, f->wall, &f->entry))
		return false;
	for (unsigned n = 0;; n++) {
		uint32_t segment = f->entry.place.seg;

		f->seq = atomic_load(&s->segments[segment].seq);
		*im = n < LOCATE_TRIES ? fetch_hold_image(&s->segments[segment]) : NULL;
		if (*im == NULL)
			return true;
		if (!store_find(s, f->khash, f->wall, &f->entry)) {
			fetch_let_go(*im);
			return false;
		}
		if (f->entry.place.seg == segment) {
			f->seq = (*im)->seq;
			return true;
		}
		fetch_let_go(*im);
	}
}

/* true: that is the end. */
static bool
attempt(struct fetch *f)
{
	enum looks looks;
	struct image *im;

	if (!locate(f, &im))
		return ends(f, FETCH_MISS, IO_OK);
	if (im == NULL)
		return read_disk(f);
	looks = copy_out(f, im);
	fetch_let_go(im);
	if (looks == LOOKS_OTHER)
		return is_of_another(f);
	if (looks == LOOKS_WRONG)
		return again(f);
	if (f->head.type == RECORD_MANIFEST)
		return found_manifest(f);
	if (f->whole && f->buf == NULL)
		return ends(f, FETCH_FAILED, IO_NO_MEMORY);
	return hit(f);
}

void
fetcher_flush(struct fetcher *fetcher)
{
	for (unsigned i = 0; i < store_paths(fetcher->store); i++)
		io_flush(fetcher->queues[i]);
}

bool
fetch_begin(struct fetcher *fetcher, struct fetch *f)
{
	f->fetcher = fetcher;
	f->tries = 0;
	f->all = f->whole;
	f->buf = NULL;
	f->value = NULL;
	f->gather = NULL;
	f->pieces = (struct rend_value){ 0 };
	limit(f);
	return attempt(f);
}
