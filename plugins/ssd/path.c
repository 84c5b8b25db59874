/*
 * The disks of a store: in which of them a segment begins, and what the keeper asks of them.
 *
 *	one disk	the keeper waits for it, however long it takes
 *	several		each is asked by a queue, with a deadline; one that does not answer is out until it does, and the others go on
 *
 * What was asked, and not answered in time, the disk may do yet: the image that it is to write, or the memory that it is to read into, stays its own until
 * it lets go, and nothing else is asked of it before.  Whose writes fail is out, too, until a super can be written there; that is tried now and then.
 */
#include <stdlib.h>
#include <string.h>

#include "breaker.h"
#include "state.h"

#define PATIENCE 5000000000ULL	     /* ns */
#define PAUSE	 (5ULL * 1000000000) /* ns until a disk that failed is tried again */

static bool
has_others(const struct store *s)
{
	return s->path_count > 1;
}

/* ---- which segment begins ---- */

uint32_t
path_free(const struct store *s)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < s->path_count; i++)
		if (!atomic_load(&s->paths[i].out))
			count += atomic_load(&s->paths[i].free_count);
	return count;
}

uint32_t
path_segments(const struct store *s)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < s->path_count; i++)
		if (!atomic_load(&s->paths[i].out))
			count += s->g.segments / s->path_count;
	return count;
}

uint32_t
path_take(struct store *s)
{
	for (;;) {
		struct path *p = &s->paths[s->next_path];
		uint32_t segment;

		s->next_path = (s->next_path + 1) % s->path_count;
		if (atomic_load(&p->out) || p->free_count == 0)
			continue;
		segment = p->free[p->free_first];
		p->free_first = (p->free_first + 1) % (s->g.segments / s->path_count);
		p->free_count--;
		return segment;
	}
}

void
path_give(struct store *s, uint32_t segment)
{
	struct path *p = &s->paths[path_of(s, segment)];

	p->free[(p->free_first + p->free_count) % (s->g.segments / s->path_count)] = segment;
	p->free_count++;
}

/* ---- which ones are out ---- */

void
path_fails(struct store *s, unsigned path)
{
	if (has_others(s))
		s->paths[path].failed = io_now(s->io);
}

/* Has the disk not let go of what it was asked yet? */
static bool
still_waits(struct path *p)
{
	if (p->waits)
		io_poll(p->queue);
	return p->waits;
}

static bool
is_out(struct path *p)
{
	return still_waits(p) || p->failed != 0 || (p->breaker != NULL && breaker_state(p->breaker) != BREAKER_CLOSED);
}

void
path_look(struct store *s)
{
	uint64_t now = io_now(s->io);

	for (unsigned i = 0; has_others(s) && i < s->path_count; i++) {
		struct path *p = &s->paths[i];
		bool out = is_out(p);

		pthread_mutex_lock(&s->lock);
		atomic_store(&p->out, out);
		for (unsigned stream = 0; out && stream < STREAMS; stream++)
			if (s->open[stream] != NULL && path_of(s, s->open[stream]->segment) == i)
				log_close_stream(s, stream);
		if (!p->waits && p->failed != 0 && now - p->failed >= PAUSE)
			s->super_due = true;
		pthread_mutex_unlock(&s->lock);
	}
}

unsigned
store_paths(const struct store *s)
{
	return s->path_count;
}

bool
store_path_is_out(const struct store *s, unsigned path)
{
	return atomic_load(&s->paths[path].out);
}

/* ---- asking ---- */

static void
is_done(struct io_request *r)
{
	struct path *p = r->arg;

	p->done = true;
}

static void
is_let_go(struct io_request *r)
{
	struct path *p = r->arg;

	p->waits = false;
	p->image = NULL;
}

static uint64_t
patience(const struct store *s)
{
	return s->options.patience != 0 ? s->options.patience : PATIENCE;
}

static enum io_status
ask(struct store *s, struct path *p, enum io_kind kind, struct io_file *file, void *data, size_t length, uint64_t at)
{
	struct io_limits limits = { .time = patience(s) };
	enum io_status status = IO_OK;

	if (still_waits(p))
		return IO_TIMEOUT;
	if (p->queue == NULL)
		status = io_queue_open(p->io, NULL, &limits, &p->queue);
	if (status != IO_OK)
		return status;
	p->request = (struct io_request){
		.kind = kind,
		.probe = BREAKER_ASIDE,
		.pieces = data != NULL,
		.file = file,
		.offset = at,
		.done = is_done,
		.release = is_let_go,
		.arg = p,
		.piece = { { data, length } },
	};
	p->done = false;
	p->waits = true;
	status = io_submit(p->queue, &p->request);
	if (status != IO_OK) {
		p->waits = false;
		return status;
	}
	io_flush(p->queue);
	while (!p->done)
		io_wait(p->queue, patience(s));
	return p->request.status;
}

/* While the store is opened nobody else is kept waiting. */
static bool
may_wait(const struct store *s)
{
	return !has_others(s) || !s->opened;
}

enum io_status
path_read(struct store *s, uint32_t segment, void *to, size_t length, uint32_t from)
{
	struct path *p = &s->paths[path_of(s, segment)];
	uint64_t at = geometry_offset(&s->g, segment) + from;
	enum io_status status;

	if (may_wait(s))
		return io_read(write_bank(s, segment), to, length, at, NULL);
	if (still_waits(p))
		return IO_TIMEOUT;
	status = ask(s, p, IO_READ, write_bank(s, segment), to, length, at);
	if (p->waits && to != p->block) {
		char *spare = p->spare;

		p->spare = s->scratch;
		s->scratch = spare;
	}
	return status;
}

enum io_status
path_write(struct store *s, const struct image *im, uint32_t from, size_t length)
{
	struct path *p = &s->paths[path_of(s, im->segment)];
	uint64_t at = geometry_offset(&s->g, im->segment) + from;
	enum io_status status;

	if (may_wait(s))
		return io_write(write_bank(s, im->segment), im->data + from, length, at, NULL);
	if (still_waits(p))
		return IO_TIMEOUT;
	status = ask(s, p, IO_WRITE, write_bank(s, im->segment), im->data + from, length, at);
	if (p->waits)
		p->image = im;
	return status;
}

enum io_status
path_sync(struct store *s, uint32_t bank)
{
	struct bank *b = &s->banks[bank];

	return may_wait(s) ? io_sync(b->file) : ask(s, &s->paths[b->path], IO_SYNC, b->file, NULL, 0, 0);
}

/* ---- supers ---- */

bool
path_takes_super(const struct store *s, unsigned path, uint64_t generation)
{
	const struct path *p = &s->paths[path];

	if (!has_others(s))
		return true;
	if (p->waits || (p->failed != 0 && io_now(s->io) - p->failed < PAUSE))
		return false;
	return p->torn < 0 || p->torn == (int)(generation % 2);
}

enum io_status
path_put_super(struct store *s, const struct super *super)
{
	struct path *p = &s->paths[super->path];
	struct io_file *file = p->supers[super->generation % 2];
	enum io_status status;

	if (!may_wait(s) && still_waits(p))
		return IO_TIMEOUT;
	format_super(p->block, super);
	s->lost.magic = LOST_MAGIC;
	s->lost.generation = super->generation;
	format_lost(p->block, &s->lost);
	status = may_wait(s) ? io_write(file, p->block, FORMAT_BLOCK, 0, NULL)
			     : ask(s, p, IO_WRITE, file, p->block, FORMAT_BLOCK, 0);
	if (status == IO_OK)
		status = may_wait(s) ? io_sync(file) : ask(s, p, IO_SYNC, file, NULL, 0, 0);
	p->torn = status == IO_OK ? -1 : (int)(super->generation % 2);
	if (status != IO_OK) {
		path_fails(s, super->path);
		return status;
	}
	p->got = super->generation;
	p->failed = 0;
	return IO_OK;
}

bool
path_has(const struct store *s, const struct image *im)
{
	for (unsigned i = 0; has_others(s) && i < s->path_count; i++)
		if (s->paths[i].image == im)
			return true;
	return false;
}

/* ---- begin and end ---- */

int
path_make(struct store *s)
{
	const struct store_options *o = &s->options;

	s->path_count = 1 + o->other_count;
	s->paths = calloc(s->path_count, sizeof *s->paths);
	for (unsigned i = 0; s->paths != NULL && i < s->path_count; i++) {
		struct path *p = &s->paths[i];

		p->io = i == 0 ? s->io : o->others[i - 1].io;
		p->dir = strdup(i == 0 ? o->dir : o->others[i - 1].dir);
		p->breaker = i == 0 ? o->breaker : o->others[i - 1].breaker;
		p->torn = -1;
		p->block = aligned_alloc(IO_ALIGN, PATH_BLOCK);
		if (p->dir == NULL || p->block == NULL)
			return -1;
	}
	s->dir = s->paths == NULL ? NULL : s->paths[0].dir;
	return s->paths == NULL ? -1 : 0;
}

bool
store_stop(struct store *s, uint64_t time)
{
	for (unsigned i = 0; s->paths != NULL && i < s->path_count; i++)
		s->stuck |= !io_queue_close(&s->paths[i].queue, time);
	return !s->stuck;
}

void
path_end(struct store *s)
{
	for (unsigned i = 0; s->paths != NULL && i < s->path_count; i++) {
		struct path *p = &s->paths[i];

		io_close(&p->supers[1]);
		io_close(&p->supers[0]);
		free(p->free);
		free(p->block);
		free(p->spare);
		free(p->dir);
	}
	free(s->paths);
}
