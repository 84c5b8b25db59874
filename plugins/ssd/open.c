/* Opening and closing a store: its files, and how it was left. */
#include <sys/random.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

#define KEY_LOCKS	    4096 /* no more than the index has tags */
#define VERSIONS_PER_S_BITS 16	 /* 65,536; until the year 2106 */
#define SEQS_PER_S_BITS	    20
#define CLOSE_TRIES	    10000
#define SEGMENTS_MIN	    16
#define SMALL_SEGMENT	    (8U << 20)
#define BANK_MIN	    (4ULL << 30) /* bytes */
#define BANKS_MOST	    16		 /* open files, of stores of any size */

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
		return opened_fails(opened, "%llu bytes are too few for %d segments of %u",
		    (unsigned long long)o->capacity, SEGMENTS_MIN, p->segment);
	per_bank = bank / p->segment;
	if (per_bank < 1)
		per_bank = 1;
	p->banks = (uint32_t)((segments + per_bank - 1) / per_bank);
	p->bank = segments / p->banks * p->segment;
	p->buckets = index_buckets_for(o->objects == 0 ? 1 : o->objects);
	opened->files = p->banks + 2;
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

	return plan(options, &planned, &g, opened);
}

static bool
same_sizes(const struct super *a, const struct super *b)
{
	return a->bank == b->bank && a->banks == b->banks && a->segment == b->segment && a->chunk == b->chunk &&
	       a->buckets == b->buckets;
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
	s->block = aligned_alloc(IO_ALIGN, FORMAT_BLOCK);
	if (s->images == NULL || s->scratch == NULL || s->block == NULL)
		return false;
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
	if (s->index != NULL)
		index_ask(s->index, store_may_evict);
	if (s->segments == NULL || s->free == NULL || s->tombs == NULL || s->keys == NULL || s->index == NULL ||
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
			s->free[s->free_count++] = i;
}

/* ---- opening ---- */

/* Higher than any that a store which began earlier has given, should nothing be known of that one: so many a second at most. */
static uint64_t
by_clock(const struct store *s, unsigned per_s_bits)
{
	int64_t wall = atomic_load(&s->wall);

	return wall < 1 || wall >= 1LL << 32 ? 1 : (uint64_t)wall << per_s_bits;
}

/*
 * What was there must not count as newer, nor be taken for a part of this one: the generation and seqs go on.  Versions do, too: what a client knows
 * as one must not fit another value.
 */
static int
begin_new(struct store *s, const struct super *planned, const struct geometry *g, struct store_opened *opened)
{
	uint64_t generation = s->super.generation, seq = s->super.seq_limit, version = s->super.version_limit;
	uint64_t random[3] = { s->options.seed, s->options.seed + generation, s->options.seed * 5 };

	if (s->options.seed == 0 && getrandom(random, sizeof random, 0) != sizeof random)
		return opened_fails(opened, "no random numbers");
	s->super = *planned;
	s->super.generation = generation;
	s->super.seq_limit = seq != 0 ? seq : by_clock(s, SEQS_PER_S_BITS);
	if (version < by_clock(s, VERSIONS_PER_S_BITS))
		version = by_clock(s, VERSIONS_PER_S_BITS);
	s->super.version_limit = version;
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
	struct supers_found found;
	const struct super *is = &found.super;
	struct super planned;
	struct geometry g;

	files_read_supers(s, &found);
	if (plan(&s->options, &planned, &g, opened) != 0)
		return -1;
	s->super = *is;
	s->banks_before = is->banks;
	if (found.format != 0)
		return opened_fails(opened,
		    "%s has a store of format %u, and this one reads format %u: give it another path, or remove what "
		    "is there",
		    s->dir, found.format, FORMAT_VERSION);
	if (found.lost && !s->options.fresh && !s->options.empty)
		return opened_fails(opened,
		    "neither super.a nor super.b in %s can be read, so nothing that is there can be used: with "
		    "mismatch = "
		    "\"empty\" it begins empty",
		    s->dir);
	if (!found.valid && !s->options.fresh && !s->options.empty && files_have_data(s))
		return opened_fails(opened,
		    "%s has files data.NNN, and neither super.a nor super.b says that they are this store's: with "
		    "mismatch = "
		    "\"empty\" it begins empty, and writes over them",
		    s->dir);
	if (!found.valid || s->options.fresh)
		return begin_new(s, &planned, &g, opened);
	if (same_sizes(&planned, is)) {
		s->g = found.g;
		s->lost = found.segments;
		opened->how = STORE_REBUILT;
		return 0;
	}
	if (s->options.empty)
		return begin_new(s, &planned, &g, opened);
	return opened_fails(opened,
	    "%s has a store of other sizes (%u files of %llu bytes, segments of %u, chunks of %u, %llu buckets); with "
	    "these options it would have to begin empty",
	    s->dir, is->banks, (unsigned long long)is->bank, is->segment, is->chunk, (unsigned long long)is->buckets);
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
	/* The index that was kept knows nothing of a file that was cut since: none of what it leads to would have been hidden at the next rebuild. */
	if (!s->banks_cut && snapshot_load(s) == 0) {
		opened->how = STORE_CLEAN;
		return 0;
	}
	/* What is found may be in memory only.  It is going to be served, so it has to stay; and before its rows say so. */
	for (uint32_t i = 0; i < s->g.banks; i++)
		s->unsynced[i] = true;
	if (!write_sync(s))
		return opened_fails(opened, "cannot sync what is there in %s", s->dir);
	if (recover(s, wall, opened) != 0)
		return opened_fails(opened, "no memory to rebuild the index");
	if (!write_sync(s))
		return opened_fails(opened, "cannot sync what was found in %s", s->dir);
	return 0;
}

static int
open_all(struct store *s, int64_t wall, struct store_opened *opened)
{
	enum io_status status;

	if (files_open_supers(s, opened) != 0 || identify(s, opened) != 0 || files_open_banks(s, opened) != 0 ||
	    make_memory(s, opened) != 0 || load(s, wall, opened) != 0)
		return -1;
	status = snapshot_reserve(s);
	if (status != IO_OK)
		return opened_fails(
		    opened, "no room in %s for a copy of the index: %s", s->dir, io_status_text(status));
	/* While the super that knows of them is there: if it does not come further, the next start finds the rest. */
	files_remove_others(s);
	status = write_super(s, SUPER_DIRTY);
	if (status == IO_OK && lost_mend(s))
		status = write_super(s, SUPER_DIRTY);
	if (status != IO_OK)
		return opened_fails(opened, "cannot write super in %s: %s", s->dir, io_status_text(status));
	if (files_lengthen_banks(s, opened) != 0)
		return -1;
	lost_leave_out(s);
	list_free(s);
	recover_lost(s);
	opened->objects = index_count(s->index);
	snprintf(opened->sentence, sizeof opened->sentence, "%s: %llu objects, %s%s", s->dir,
	    (unsigned long long)opened->objects,
	    opened->how == STORE_NEW	 ? "new"
	    : opened->how == STORE_CLEAN ? "as they were left"
					 : "rebuilt",
	    !opened->damaged ? "" : "; not all could be read: what may be older than what was there is gone, too");
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
	s->dir = strdup(options->dir);
	atomic_store(&s->wall, wall);
	atomic_store(&s->flushed, io_now(io));
	if (s->dir == NULL || open_all(s, wall, opened) != 0) {
		if (s->dir == NULL)
			opened_fails(opened, "no memory");
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
