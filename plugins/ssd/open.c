/* Opening and closing a store: its files, and how it was left. */
#include <sys/random.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

#define KEY_LOCKS     4096
#define CLOSE_TRIES   10000
#define SEGMENTS_MIN  16
#define SMALL_SEGMENT (8U << 20)
#define BANK_MIN      (4ULL << 30) /* bytes */
#define BANKS_MOST    16	   /* open files, of stores of any size */

#ifndef VERSIONS_GO_ON /* tests/faults has others, to see that they are found out */
#define VERSIONS_GO_ON true
#endif

static int fails(struct store_opened *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int
fails(struct store_opened *o, const char *fmt, ...)
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
bank_for(uint64_t capacity)
{
	/* Segments are not torn: the last bank would be one too many. */
	uint64_t bank = capacity / BANKS_MOST + FORMAT_SEGMENT_MAX;

	return bank < BANK_MIN ? BANK_MIN : bank;
}

/* What a store of these options is made with; all else is zero. */
static int
plan(const struct store_options *o, struct super *p, struct geometry *g, struct store_opened *opened)
{
	uint64_t bank = o->bank != 0 ? o->bank : bank_for(o->capacity), segments, per_bank;

	*p = (struct super){ .magic = SUPER_MAGIC, .format = FORMAT_VERSION, .state = SUPER_DIRTY };
	p->chunk = o->chunk == 0 ? FORMAT_CHUNK_MIN : o->chunk;
	p->segment = o->segment == 0 ? segment_for(o->capacity) : o->segment;
	segments = o->capacity / p->segment;
	if (segments < SEGMENTS_MIN)
		return fails(opened, "%llu bytes are too few for %d segments of %u", (unsigned long long)o->capacity,
		    SEGMENTS_MIN, p->segment);
	per_bank = bank / p->segment;
	if (per_bank < 1)
		per_bank = 1;
	p->banks = (uint32_t)((segments + per_bank - 1) / per_bank);
	p->bank = segments / p->banks * p->segment;
	p->buckets = index_buckets_for(o->objects == 0 ? 1 : o->objects);
	opened->files = p->banks + 2;
	if (!format_super_sound(p, g))
		return fails(opened, "no store can have these sizes: %llu bytes, segments of %u, chunks of %u",
		    (unsigned long long)o->capacity, p->segment, p->chunk);
	return 0;
}

int
store_plan(const struct store_options *options, struct store_opened *opened)
{
	struct super planned;
	struct geometry g;

	return plan(options, &planned, &g, opened);
}

static bool
same_sizes(const struct super *a, const struct super *b)
{
	return a->bank == b->bank && a->banks == b->banks && a->segment == b->segment && a->chunk == b->chunk &&
	       a->buckets == b->buckets;
}

/* ---- files ---- */

static enum io_status
open_file(struct store *s, const char *name, int flags, struct breaker *breaker, struct io_file **file)
{
	size_t size = strlen(s->dir) + strlen(name) + 2;
	char *path = malloc(size);
	enum io_status status = IO_NO_MEMORY;

	if (path != NULL) {
		snprintf(path, size, "%s/%s", s->dir, name);
		status = io_open(s->io, path, flags, breaker, file);
	}
	free(path);
	return status;
}

/* So that the folder is there after a power cut, too. */
static enum io_status
sync_parent(struct store *s)
{
	char *parent = strdup(s->dir), *slash = parent == NULL ? NULL : strrchr(parent, '/');
	enum io_status status = IO_NO_MEMORY;

	if (slash != NULL)
		slash[slash == parent] = '\0'; /* of "/x" the slash stays */
	if (parent != NULL)
		status = io_sync_dir(s->io, slash == NULL ? "." : parent);
	free(parent);
	return status;
}

static int
open_supers(struct store *s, struct store_opened *opened)
{
	enum io_status status = io_make_dir(s->io, s->dir);

	if (status == IO_OK)
		status = sync_parent(s);
	if (status != IO_OK && status != IO_EXISTS)
		return fails(opened, "cannot make the folder %s: %s", s->dir,
		    status == IO_MISSING ? "the one that it belongs in is not there" : io_status_text(status));
	for (unsigned i = 0; i < 2; i++) {
		status = open_file(s, i == 0 ? "super.a" : "super.b", IO_CREATE, NULL, &s->supers[i]);
		if (status == IO_OK && i == 0)
			status = io_lock(s->supers[0]);
		if (status != IO_OK)
			return fails(opened, "cannot open super.%c in %s: %s", i == 0 ? 'a' : 'b', s->dir,
			    io_status_text(status));
	}
	return 0;
}

/* The newer of the two that are valid. */
static bool
read_supers(struct store *s, struct super *super, struct geometry *g)
{
	char *block = aligned_alloc(IO_ALIGN, FORMAT_BLOCK);
	bool any = false;

	for (unsigned i = 0; block != NULL && i < 2; i++) {
		struct super is;
		struct geometry of;

		if (io_read(s->supers[i], block, FORMAT_BLOCK, 0, NULL) != IO_OK ||
		    !format_super_read(block, &is, &of) || (any && is.generation < super->generation))
			continue;
		*super = is;
		*g = of;
		any = true;
	}
	free(block);
	return any;
}

static int
open_bank(struct store *s, uint32_t bank, struct store_opened *opened)
{
	char name[32];
	enum io_status status;
	uint64_t is = 0;

	snprintf(name, sizeof name, "data.%03u", bank);
	status = open_file(s, name, IO_CREATE | IO_DIRECT, s->options.breaker, &s->banks[bank]);
	if (status == IO_OK)
		status = io_size(s->banks[bank], &is);
	if (status == IO_OK && is != s->g.bank) {
		status = io_preallocate(s->banks[bank], 0, s->g.bank);
		if (status == IO_UNSUPPORTED || (status == IO_OK && is > s->g.bank))
			status = io_resize(s->banks[bank], s->g.bank);
	}
	if (status != IO_OK)
		return fails(opened, "cannot open %s in %s, or make it %llu bytes: %s", name, s->dir,
		    (unsigned long long)s->g.bank, io_status_text(status));
	return 0;
}

static int
open_banks(struct store *s, struct store_opened *opened)
{
	s->banks = calloc(s->g.banks, sizeof *s->banks);
	s->unsynced = calloc(s->g.banks, sizeof *s->unsynced);
	if (s->banks == NULL || s->unsynced == NULL)
		return fails(opened, "no memory");
	for (uint32_t i = 0; i < s->g.banks; i++)
		if (open_bank(s, i, opened) != 0)
			return -1;
	io_sync_dir(s->io, s->dir);
	return 0;
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
	s->scratch = aligned_alloc(IO_ALIGN, s->g.segment);
	s->block = aligned_alloc(IO_ALIGN, FORMAT_BLOCK);
	if (s->images == NULL || s->scratch == NULL || s->block == NULL)
		return false;
	memset(s->images, 0, s->image_count * sizeof *s->images);
	for (uint32_t i = 0; i < s->image_count; i++) {
		struct image *im = &s->images[i];

		im->data = aligned_alloc(IO_ALIGN, s->g.segment);
		if (im->data == NULL)
			return false;
		/* So that its memory is there now, and what is written is never what others left. */
		memset(im->data, 0, s->g.segment);
		im->next = s->free_images;
		s->free_images = im;
	}
	return true;
}

static int
make_memory(struct store *s, struct store_opened *opened)
{
	s->segments = calloc(s->g.segments, sizeof *s->segments);
	s->free = calloc(s->g.segments, sizeof *s->free);
	s->tombs = calloc(TOMBS_MAX, sizeof *s->tombs);
	s->keys = keys_new(KEY_LOCKS);
	s->index = index_new(s->super.buckets, age, s);
	if (s->segments == NULL || s->free == NULL || s->tombs == NULL || s->keys == NULL || s->index == NULL ||
	    !make_images(s))
		return fails(opened, "no memory for an index of %llu buckets and images of %u bytes",
		    (unsigned long long)s->super.buckets, s->g.segment);
	return 0;
}

static void
list_free(struct store *s)
{
	for (uint32_t i = 0; i < s->g.segments; i++)
		if (s->segments[i].state == SEGMENT_FREE)
			s->free[s->free_count++] = i;
}

/* ---- opening ---- */

static int
begin_new(struct store *s, const struct super *planned, const struct geometry *g, struct store_opened *opened)
{
	/* The generation goes on: what is there must not count as newer. */
	uint64_t generation = s->super.generation;
	uint64_t random[3] = { s->options.seed, s->options.seed + generation, s->options.seed * 5 };

	if (s->options.seed == 0 && getrandom(random, sizeof random, 0) != sizeof random)
		return fails(opened, "no random numbers");
	s->super = *planned;
	s->super.generation = generation;
	s->super.seed = random[0];
	memcpy(s->super.uuid, &random[1], FORMAT_UUID);
	s->g = *g;
	opened->how = STORE_NEW;
	return 0;
}

/* Which store this is: what is there, or a new one. */
static int
identify(struct store *s, struct store_opened *opened)
{
	struct super planned, is = { 0 };
	struct geometry g, of;
	bool there = read_supers(s, &is, &of);

	if (plan(&s->options, &planned, &g, opened) != 0)
		return -1;
	s->super = is;
	if (!there || s->options.fresh)
		return begin_new(s, &planned, &g, opened);
	if (same_sizes(&planned, &is)) {
		s->g = of;
		opened->how = STORE_REBUILT;
		return 0;
	}
	if (s->options.empty)
		return begin_new(s, &planned, &g, opened);
	return fails(opened,
	    "%s has a store of other sizes (%u files of %llu bytes, segments of %u, chunks of %u, %llu buckets); with "
	    "these "
	    "options it would have to begin empty",
	    s->dir, is.banks, (unsigned long long)is.bank, is.segment, is.chunk, (unsigned long long)is.buckets);
}

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
	if (snapshot_load(s) == 0) {
		opened->how = STORE_CLEAN;
		return 0;
	}
	return recover(s, wall, opened) == 0 ? 0 : fails(opened, "no memory to rebuild the index");
}

static int
open_all(struct store *s, int64_t wall, struct store_opened *opened)
{
	enum io_status status;

	if (open_supers(s, opened) != 0 || identify(s, opened) != 0 || open_banks(s, opened) != 0 ||
	    make_memory(s, opened) != 0 || load(s, wall, opened) != 0)
		return -1;
	list_free(s);
	status = snapshot_reserve(s);
	if (status != IO_OK)
		return fails(opened, "no room in %s for a copy of the index: %s", s->dir, io_status_text(status));
	status = write_super(s, SUPER_DIRTY);
	if (status == IO_OK && opened->how == STORE_NEW)
		status = write_super(s, SUPER_DIRTY); /* both, so that neither is of a store before this one */
	if (status != IO_OK)
		return fails(opened, "cannot write super in %s: %s", s->dir, io_status_text(status));
	recover_lost(s);
	opened->objects = index_count(s->index);
	snprintf(opened->sentence, sizeof opened->sentence, "%s: %llu objects, %s", s->dir,
	    (unsigned long long)opened->objects,
	    opened->how == STORE_NEW	 ? "new"
	    : opened->how == STORE_CLEAN ? "as they were left"
					 : "rebuilt");
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
		return fails(opened, "no memory");
	pthread_mutex_init(&s->lock, NULL);
	s->io = io;
	s->options = *options;
	s->dir = strdup(options->dir);
	atomic_store(&s->wall, wall);
	atomic_store(&s->flushed, io_now(io));
	if (s->dir == NULL || open_all(s, wall, opened) != 0) {
		if (s->dir == NULL)
			fails(opened, "no memory");
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
	for (uint32_t i = 0; s->banks != NULL && i < s->g.banks; i++)
		io_close(&s->banks[i]);
	io_close(&s->supers[1]);
	io_close(&s->supers[0]);
	for (uint32_t i = 0; s->images != NULL && i < s->image_count; i++)
		free(s->images[i].data);
	index_free(&s->index);
	keys_free(&s->keys);
	free(s->banks);
	free(s->unsynced);
	free(s->images);
	free(s->scratch);
	free(s->block);
	free(s->segments);
	free(s->free);
	free(s->tombs);
	free(s->dir);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Nothing is in RAM only. */
static bool
all_sealed(const struct store *s)
{
	for (uint32_t i = 0; i < s->image_count; i++)
		if (s->segments[s->images[i].segment].image == &s->images[i])
			return false;
	return s->tomb_count == 0;
}

static bool
in_time(const struct store *s, uint64_t deadline)
{
	return deadline == 0 || io_now(s->io) < deadline;
}

static bool
seal_all(struct store *s, uint64_t deadline)
{
	int64_t wall = atomic_load(&s->wall);

	for (unsigned n = 0; n < CLOSE_TRIES && !all_sealed(s) && in_time(s, deadline); n++) {
		pthread_mutex_lock(&s->lock);
		for (unsigned i = 0; i < STREAMS; i++)
			log_close_stream(s, i);
		pthread_mutex_unlock(&s->lock);
		if (!store_step(s, true, wall))
			break;
	}
	return all_sealed(s) && s->discard_below <= s->super.discard_below;
}

bool
store_leave(struct store *s, uint64_t deadline)
{
	uint64_t bytes = 0, sum = 0;

	if (!seal_all(s, deadline) || !write_checkpoint(s) || !in_time(s, deadline) ||
	    !snapshot_write(s, s->super.generation + 1, deadline, &bytes, &sum))
		return false;
	s->super.snap_bytes = bytes;
	s->super.snap_sum = sum;
	return write_super(s, SUPER_CLEAN) == IO_OK;
}
