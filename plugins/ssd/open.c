/* Opening and closing a store: its files, and how it was left. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"
#include "zeros.h"

#define KEY_LOCKS	  4096 /* no more than the index has tags */
#define CLOSE_TRIES	  10000
#define SEGMENTS_MIN	  16
#define SEGMENTS_PATH_MIN 8 /* in each of several paths */
#define SMALL_SEGMENT	  (8U << 20)
#define BANK_MIN	  (4ULL << 30) /* bytes */
#define BANKS_MOST	  16	       /* open files, of stores of any size */

#ifndef VERSIONS_GO_ON /* tests/faults has others, to see that they are found out */
#define VERSIONS_GO_ON true
#endif

int
opened_fails(struct store_opened *o, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(o->sentence, sizeof o->sentence, fmt, args);
	va_end(args);
	return -1;
}

/* ---- sizes ---- */

static uint32_t
segment_for(uint64_t capacity)
{
	uint64_t size = capacity / 4096;

	if (size < 4U << 20)
		size = 4U << 20;
	if (size > FORMAT_SEGMENT_MAX)
		size = FORMAT_SEGMENT_MAX;
	return (uint32_t)(size / FORMAT_BLOCK * FORMAT_BLOCK);
}

static uint64_t
bank_for(uint64_t capacity, uint32_t paths)
{
	/* Of each path.  Segments are not torn: the last bank would be one too many. */
	uint64_t bank = capacity / paths / (BANKS_MOST / paths) + FORMAT_SEGMENT_MAX;

	return bank < BANK_MIN ? BANK_MIN : bank;
}

int
store_plan_super(const struct store_options *o, struct super *p, struct geometry *g, struct store_opened *opened)
{
	uint32_t paths = 1 + o->other_count, least = SEGMENTS_MIN;
	uint64_t bank = o->bank != 0 ? o->bank : bank_for(o->capacity, paths), segments, per_bank;

	*p = (struct super){ .magic = SUPER_MAGIC, .format = FORMAT_VERSION, .state = SUPER_DIRTY, .paths = paths };
	if (paths > 1)
		p->format = FORMAT_PATHS;
	if (least < paths * SEGMENTS_PATH_MIN)
		least = paths * SEGMENTS_PATH_MIN;
	p->chunk = o->chunk == 0 ? FORMAT_CHUNK_MIN : o->chunk;
	p->segment = o->segment == 0 ? segment_for(o->capacity) : o->segment;
	segments = o->capacity / p->segment;
	if (segments < least)
		return opened_fails(opened, "%llu bytes are too few for %u segments of %u",
		    (unsigned long long)o->capacity, least, p->segment);
	segments /= paths;
	per_bank = bank / p->segment;
	if (per_bank < 1)
		per_bank = 1;
	p->banks = (uint32_t)((segments + per_bank - 1) / per_bank);
	p->bank = segments / p->banks * p->segment;
	p->banks *= paths;
	p->buckets = index_buckets_for(o->objects == 0 ? 1 : o->objects);
	opened->files = p->banks + 2 * paths;
	if (!format_super_sound(p, g))
		return opened_fails(opened, "no store can have these sizes: %llu bytes, segments of %u, chunks of %u",
		    (unsigned long long)o->capacity, p->segment, p->chunk);
	return 0;
}

int
store_plan(const struct store_options *options, struct store_opened *opened)
{
	struct super planned;
	struct geometry g;

	return store_plan_super(options, &planned, &g, opened);
}

/* ---- memory ---- */

static uint64_t
age(void *arg, const struct entry *e)
{
	const struct store *s = arg;
	uint64_t seq = e->place.seg < s->g.segments ? atomic_load(&s->segments[e->place.seg].seq) : 0;

	if (seq < atomic_load(&s->flush_seq) || exptime_passed(e->exptime, atomic_load(&s->wall)))
		return 0;
	return seq << 2;
}

static bool
make_images(struct store *s)
{
	s->image_count = s->options.images != 0		 ? s->options.images
			 : s->g.segment <= SMALL_SEGMENT ? 4 * STREAMS
							 : 2 * STREAMS;
	if (s->image_count < STREAMS + 1)
		s->image_count = STREAMS + 1;
	s->images = aligned_alloc(_Alignof(struct image), s->image_count * sizeof *s->images);
	/* Before anything fails: store_abandon() frees what is in them. */
	if (s->images != NULL)
		memset(s->images, 0, s->image_count * sizeof *s->images);
	s->scratch = aligned_alloc(IO_ALIGN, s->g.segment);
	if (s->images == NULL || s->scratch == NULL)
		return false;
	/* Nothing touches it before a disk hangs: until then it has no memory. */
	for (unsigned i = 0; s->path_count > 1 && i < s->path_count; i++)
		if ((s->paths[i].spare = aligned_alloc(IO_ALIGN, s->g.segment)) == NULL)
			return false;
	for (uint32_t i = 0; i < s->image_count; i++) {
		struct image *im = &s->images[i];

		/* What is written is never what others left. */
		im->data = zeros_new(s->g.segment);
		if (im->data == NULL)
			return false;
		im->next = s->free_images;
		s->free_images = im;
	}
	return true;
}

static bool
make_free(struct store *s)
{
	for (unsigned i = 0; i < s->path_count; i++)
		if ((s->paths[i].free = calloc(s->g.segments / s->path_count, sizeof *s->paths[i].free)) == NULL)
			return false;
	return true;
}

static int
make_memory(struct store *s, struct store_opened *opened)
{
	s->segments = calloc(s->g.segments, sizeof *s->segments);
	s->tombs = calloc(TOMBS_MAX, sizeof *s->tombs);
	s->keys = keys_new(KEY_LOCKS);
	s->index = index_new(s->super.buckets, age, s);
	if (s->index != NULL)
		index_ask(s->index, store_may_evict);
	if (s->segments == NULL || s->tombs == NULL || s->keys == NULL || s->index == NULL || !make_free(s) ||
	    !make_images(s))
		return opened_fails(opened, "no memory for an index of %llu buckets and images of %u bytes",
		    (unsigned long long)s->super.buckets, s->g.segment);
	return 0;
}

static void
list_free(struct store *s)
{
	for (uint32_t i = 0; i < s->g.segments; i++)
		if (s->segments[i].state == SEGMENT_FREE)
			path_give(s, i);
}

/* ---- opening ---- */

static int
load(struct store *s, int64_t wall, struct store_opened *opened)
{
	s->seed = s->super.seed;
	s->next_version = s->super.version_limit == 0 || !VERSIONS_GO_ON ? 1 : s->super.version_limit;
	s->next_seq = s->super.seq_limit == 0 ? 1 : s->super.seq_limit;
	s->discard_below = s->super.discard_below;
	s->flush_done = s->super.flush_seq == 0 ? 1 : s->super.flush_seq;
	atomic_store(&s->flush_seq, s->flush_done);
	if (opened->how == STORE_NEW)
		return 0;
	/* The index that was kept knows nothing of a file that was cut since: none of what it leads to would have been hidden at the next rebuild. */
	if (!s->banks_cut && snapshot_load(s) == 0) {
		opened->how = STORE_CLEAN;
		return 0;
	}
	/* What is found may be in memory only.  It is going to be served, so it has to stay; and before its rows say so. */
	for (uint32_t i = 0; i < s->g.banks; i++)
		s->banks[i].unsynced = true;
	if (!write_sync(s))
		return opened_fails(opened, "cannot sync what is there in %s", s->dir);
	if (recover(s, wall, opened) != 0)
		return opened_fails(opened, "no memory to rebuild the index");
	if (!write_sync(s))
		return opened_fails(opened, "cannot sync what was found in %s", s->dir);
	return 0;
}

static void
tell(const struct store *s, struct store_opened *opened)
{
	char *to = opened->sentence;
	size_t room = sizeof opened->sentence;
	int n = snprintf(to, room, "%s: %llu objects, %s%s", s->dir, (unsigned long long)opened->objects,
	    opened->how == STORE_NEW	 ? "new"
	    : opened->how == STORE_CLEAN ? "as they were left"
					 : "rebuilt",
	    !opened->damaged ? "" : "; not all could be read, and what may be older than what was there is gone, too");

	if (s->banks_cut && n > 0 && (size_t)n < room)
		snprintf(to + n, room - (size_t)n, ": data.%03u in %s had %llu bytes, and should have %llu", s->cut,
		    s->paths[s->banks[s->cut].path].dir, (unsigned long long)s->cut_to, (unsigned long long)s->g.bank);
}

static int
open_all(struct store *s, int64_t wall, struct store_opened *opened)
{
	enum io_status status;

	if (files_open_supers(s, opened) != 0 || identify(s, opened) != 0 || files_open_banks(s, opened) != 0 ||
	    make_memory(s, opened) != 0 || load(s, wall, opened) != 0)
		return -1;
	status = snapshot_reserve(s);
	if (status != IO_OK) {
		files_give_back(s);
		return opened_fails(
		    opened, "no room in %s for a copy of the index: %s", s->dir, io_status_text(status));
	}
	/* While the super that knows of them is there: if it does not come further, the next start finds the rest. */
	files_remove_others(s);
	status = write_super(s, SUPER_DIRTY);
	if (status == IO_OK && lost_mend(s))
		status = write_super(s, SUPER_DIRTY);
	for (unsigned i = 0; i < s->path_count; i++)
		if (status != IO_OK || (s->path_count > 1 && s->paths[i].got != s->super.generation))
			return opened_fails(opened, "cannot write super in %s: %s", s->paths[i].dir,
			    io_status_text(status == IO_OK ? IO_FAILED : status));
	if (files_lengthen_banks(s, opened) != 0)
		return -1;
	lost_leave_out(s);
	list_free(s);
	recover_lost(s);
	s->opened = true;
	opened->objects = index_count(s->index);
	tell(s, opened);
	return 0;
}

int
store_open(
    struct store **sp, struct io *io, const struct store_options *options, int64_t wall, struct store_opened *opened)
{
	struct store *s = calloc(1, sizeof *s);

	*sp = NULL;
	*opened = (struct store_opened){ .how = STORE_NEW };
	if (s == NULL)
		return opened_fails(opened, "no memory");
	pthread_mutex_init(&s->lock, NULL);
	pieces_init(s);
	s->io = io;
	s->options = *options;
	admit_init(s);
	atomic_store(&s->wall, wall);
	atomic_store(&s->flushed, io_now(io));
	if (path_make(s) != 0) {
		store_abandon(&s);
		return opened_fails(opened, "no memory");
	}
	if (open_all(s, wall, opened) != 0) {
		store_abandon(&s);
		return -1;
	}
	*sp = s;
	return 0;
}

/* ---- closing ---- */

void
store_abandon(struct store **sp)
{
	struct store *s = *sp;

	*sp = NULL;
	if (!store_stop(s, 0))
		return; /* with all that the disk may use yet */
	for (uint32_t i = 0; s->banks != NULL && i < s->g.banks; i++)
		io_close(&s->banks[i].file);
	path_end(s);
	for (uint32_t i = 0; s->images != NULL && i < s->image_count; i++)
		zeros_free(s->images[i].data, s->g.segment);
	index_free(&s->index);
	keys_free(&s->keys);
	free(s->banks);
	free(s->images);
	free(s->scratch);
	free(s->segments);
	free(s->tombs);
	pthread_cond_destroy(&s->stepped);
	admit_fini(s);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Nothing is in RAM only, nor half gone. */
static bool
all_sealed(const struct store *s)
{
	for (uint32_t i = 0; i < s->image_count; i++)
		if (s->segments[s->images[i].segment].image == &s->images[i])
			return false;
	return s->tomb_count == 0 && !s->leaving.active;
}

/* Nothing leads to what a flush_all took: what is kept of the index says so, too. */
static bool
all_swept(const struct store *s)
{
	return s->flush_done == atomic_load(&s->flush_seq);
}

static bool
in_time(const struct store *s, uint64_t deadline)
{
	return deadline == 0 || io_now(s->io) < deadline;
}

/* What leaves has left: a copy of the index in between would be without what is on the disk.  No segment is closed for each share of it. */
static void
end_leaving(struct store *s, uint64_t deadline)
{
	s->ends = true;
	for (unsigned n = 0; n < CLOSE_TRIES && s->leaving.active && in_time(s, deadline); n++)
		if (!store_step(s, false, atomic_load(&s->wall)))
			break;
}

static bool
seal_all(struct store *s, uint64_t deadline)
{
	int64_t wall = atomic_load(&s->wall);

	for (unsigned n = 0; n < CLOSE_TRIES && (!all_sealed(s) || !all_swept(s)) && in_time(s, deadline); n++) {
		pthread_mutex_lock(&s->lock);
		for (unsigned i = 0; i < STREAMS; i++)
			log_close_stream(s, i);
		pthread_mutex_unlock(&s->lock);
		if (!store_step(s, true, wall))
			break;
	}
	return all_sealed(s) && all_swept(s) && s->discard_below <= s->super.discard_below;
}

bool
store_leave(struct store *s, uint64_t deadline)
{
	uint64_t bytes = 0, sum = 0;

	end_leaving(s, deadline);
	if (!seal_all(s, deadline) || !write_checkpoint(s) || atomic_load(&s->untold) > 0 || !in_time(s, deadline) ||
	    !snapshot_write(s, s->super.generation + 1, deadline, &bytes, &sum))
		return false;
	s->super.snap_bytes = bytes;
	s->super.snap_sum = sum;
	return write_super(s, SUPER_CLEAN) == IO_OK;
}
