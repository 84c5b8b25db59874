/*
 * What reaches the disk, and when: images block by block, their rows when they are full, and the super.  The keeper's.
 *
 *	image ── settled blocks ─► bank ── full ─► rows, trailer ─► sync ─► SEALED, the image is free
 *	            └─ fails twice ─► its records are given up, BAD
 */
#include <sched.h>
#include <string.h>

#include "state.h"

#define WRITE_MOST     (1U << 20) /* bytes at once: reads are not kept waiting for long */
#define CATCH_UP_TRIES 1000
#define COMMIT_TRIES   4
#define VERSIONS_AHEAD (1ULL << 24)
#define SEQS_AHEAD     (1ULL << 20)

struct io_file *
write_bank(const struct store *s, uint32_t segment)
{
	return s->banks[geometry_bank(&s->g, segment)].file;
}

static enum io_status
write_bytes(struct store *s, const struct image *im, uint32_t from, uint32_t to)
{
	enum io_status status = IO_OK;

	s->banks[geometry_bank(&s->g, im->segment)].unsynced = true;
	for (uint32_t n; from < to && status == IO_OK; from += n) {
		n = to - from < WRITE_MOST ? to - from : WRITE_MOST;
		status = path_write(s, im, from, n);
		if (status != IO_OK)
			status = path_write(s, im, from, n);
		if (status == IO_OK)
			COUNT(s, bytes_written, n);
		else
			COUNT(s, write_errors, 1);
	}
	if (status != IO_OK)
		path_fails(s, path_of(s, im->segment));
	return status;
}

static void
give_up(struct store *s, struct image *im)
{
	pthread_mutex_lock(&s->lock);
	im->failed = true;
	for (unsigned i = 0; i < STREAMS; i++)
		if (s->open[i] == im)
			log_close_stream(s, i);
	/* Last: who finds it raised cannot write to the image any more (commit.c). */
	atomic_fetch_add(&s->given_up, 1);
	pthread_mutex_unlock(&s->lock);
}

/* A sync has failed, and a later one would say nothing about what was written before: so nothing of that counts. */
static void
in_doubt(struct store *s, uint32_t bank)
{
	for (uint32_t i = 0; i < s->image_count; i++) {
		struct image *im = &s->images[i];
		const struct segment *g;
		bool there;

		pthread_mutex_lock(&s->lock);
		g = &s->segments[im->segment];
		there = g->image == im && geometry_bank(&s->g, im->segment) == bank &&
			(g->state == SEGMENT_OPEN || g->state == SEGMENT_SEALING);
		pthread_mutex_unlock(&s->lock);
		if (there)
			give_up(s, im);
	}
}

static bool
sync_bank(struct store *s, uint32_t bank)
{
	struct bank *b = &s->banks[bank];

	if (s->options.sync == STORE_SYNC_NONE || !b->unsynced)
		return true;
	COUNT(s, syncs, 1);
	if (path_sync(s, bank) == IO_OK) {
		b->unsynced = false;
		return true;
	}
	COUNT(s, write_errors, 1);
	in_doubt(s, bank);
	path_fails(s, b->path);
	/* Nothing is left there that would have to be synced: the other disks need not wait for it. */
	if (s->path_count > 1 && s->opened)
		b->unsynced = false;
	return false;
}

bool
write_sync(struct store *s)
{
	bool ok = true;

	for (uint32_t i = 0; i < s->g.banks; i++)
		ok &= sync_bank(s, i);
	return ok;
}

enum io_status
write_rows(struct store *s, struct image *im)
{
	uint32_t end = s->g.segment - FORMAT_BLOCK, bytes = im->rows * (uint32_t)sizeof(struct row);
	uint32_t begin = (end - bytes) / FORMAT_BLOCK * FORMAT_BLOCK;
	struct segment_trailer t = {
		.magic = TRAILER_MAGIC,
		.seq = im->seq,
		.number = im->segment,
		.rows = im->rows,
		.used = im->used,
		.touches = im->touches,
		.version_max = im->version_max,
		.rows_sum = format_sum(im->data + end - bytes, bytes),
	};

	memcpy(t.uuid, s->super.uuid, FORMAT_UUID);
	memset(im->data + begin, 0, end - bytes - begin);
	format_trailer(im->data + end, &t);
	return write_bytes(s, im, begin, s->g.segment);
}

/* ---- the super ---- */

/* The least seq of what is in use, or `next`: what opens meanwhile has that or more.  What is FREEING and stays so counts, too. */
static uint64_t
min_seq(const struct store *s, uint64_t next)
{
	uint64_t min = next;

	for (uint32_t i = 0; i < s->g.segments; i++) {
		const struct segment *g = &s->segments[i];
		enum segment_state state = atomic_load(&g->state);
		uint64_t seq = atomic_load(&g->seq);

		if (((state >= SEGMENT_OPEN && state <= SEGMENT_SEALED) || (state == SEGMENT_FREEING && !g->leaving)) &&
		    seq < min)
			min = seq;
	}
	return min;
}

/* Into the file of its generation, in each path that takes it: a bit each.  If one does, s->super is what is there. */
static uint32_t
put_super(struct store *s, struct super *next, enum io_status *failed)
{
	uint32_t took = 0;

	for (unsigned i = 0; i < s->path_count; i++)
		next->got[i] = s->path_count > 1 ? s->paths[i].got : 0;
	for (next->path = 0; next->path < s->path_count; next->path++) {
		enum io_status status;

		if (!path_takes_super(s, next->path, next->generation))
			continue;
		status = path_put_super(s, next);
		if (status == IO_OK)
			took |= 1U << next->path;
		else
			*failed = status;
		/* At the start all have to take it: of a first one that ends here none has more than half (identify.c). */
		if (status != IO_OK && !s->opened)
			return 0;
	}
	next->path = 0;
	if (took == 0)
		return 0;
	pthread_mutex_lock(&s->lock);
	s->super = *next;
	pthread_mutex_unlock(&s->lock);
	return took;
}

/* Is there a path that takes one of this generation?  A single one has to take each in its turn. */
static bool
some_take(const struct store *s, uint64_t generation)
{
	for (unsigned i = 0; s->path_count > 1 && i < s->path_count; i++)
		if (path_takes_super(s, i, generation))
			return true;
	return false;
}

/* The next one; if no path takes that, because it may have torn the other file, the one after it. */
static uint32_t
put_next_super(struct store *s, struct super *next, enum io_status *failed)
{
	uint32_t took;

	next->generation++;
	took = put_super(s, next, failed);
	if (took != 0 || (!s->opened && *failed != IO_OK) || !some_take(s, next->generation + 1))
		return took;
	next->generation++;
	return put_super(s, next, failed);
}

/*
 * Into both files, one after the other.  Until it is in both nothing is done that relies on it, so whichever can be read tells the truth.  When one
 * fails the other still holds, and the next try goes where this one went: it may be torn, the other may not become so.  Of several paths one has to
 * take both; what the others have they are known to have (got), and an older one is not taken for this store.
 */
enum io_status
write_super(struct store *s, enum super_state state)
{
	struct super next = s->super;
	enum io_status failed = IO_OK; /* none was tried */
	uint32_t took = UINT32_MAX;
	uint64_t next_seq;

	pthread_mutex_lock(&s->lock);
	next_seq = s->next_seq;
	pthread_mutex_unlock(&s->lock);
	next.min_seq = min_seq(s, next_seq);
	/* What was free before does not count again, although a bad segment of that age is to be freed only now. */
	if (next.min_seq < s->super.min_seq)
		next.min_seq = s->super.min_seq;
	pthread_mutex_lock(&s->lock);
	next.format = s->path_count > 1 ? FORMAT_PATHS : FORMAT_VERSION;
	next.paths = s->path_count;
	next.state = state;
	next.boot = io_boot(s->io);
	next.version_limit = s->next_version + (state == SUPER_CLEAN ? 0 : VERSIONS_AHEAD);
	if (next.version_limit > FORMAT_VERSION_MAX)
		next.version_limit = FORMAT_VERSION_MAX;
	next.seq_limit = s->next_seq + (state == SUPER_CLEAN ? 0 : SEQS_AHEAD);
	if (next.seq_limit > FORMAT_SEQ_MAX)
		next.seq_limit = FORMAT_SEQ_MAX;
	next.flush_seq = atomic_load(&s->flush_seq);
	next.discard_below = s->discard_below;
	s->super_due = false;
	pthread_mutex_unlock(&s->lock);

	for (unsigned i = 0; i < 2 && took != 0; i++)
		took &= put_next_super(s, &next, &failed);
	pthread_mutex_lock(&s->lock);
	if (took != 0) {
		s->version_limit = next.version_limit;
		s->seq_limit = next.seq_limit;
	} else {
		s->super_due = true;
		COUNT(s, write_errors, 1);
	}
	pthread_mutex_unlock(&s->lock);
	return took != 0 ? IO_OK : failed != IO_OK ? failed : IO_TIMEOUT;
}

/* ---- images ---- */

static bool
is_busy(const struct image *im)
{
	for (unsigned i = 0; i < IMAGE_WRITERS; i++)
		if (im->busy[i].from != 0)
			return true;
	return false;
}

static void
became(struct store *s, struct image *im, enum segment_state state)
{
	struct segment *g = &s->segments[im->segment];

	pthread_mutex_lock(&s->lock);
	g->state = state;
	g->rows = im->rows;
	g->used = im->used;
	g->touches = im->touches;
	g->version_max = im->version_max;
	g->since = io_now(s->io);
	pthread_mutex_unlock(&s->lock);
}

/* The trailer is believed: so what it is of is on the disk before it. */
static bool
write_seal(struct store *s, struct image *im)
{
	uint32_t bank = geometry_bank(&s->g, im->segment);

	return sync_bank(s, bank) && write_rows(s, im) == IO_OK && sync_bank(s, bank);
}

static void
seal(struct store *s, struct image *im)
{
	if (write_seal(s, im))
		became(s, im, SEGMENT_SEALED);
	else
		give_up(s, im);
}

/* Its records are given up by and by (leave.c): its image stays until then. */
static void
go_bad(struct store *s, struct image *im)
{
	COUNT(s, bad_segments, 1);
	/* What is noted of its records must not count on it. */
	became(s, im, SEGMENT_BAD);
	s->bad++;
}

/* Off its segment it gets no new readers (fetch.c); when the last one has gone, it is free. */
static bool
recycle(struct store *s, struct image *im)
{
	bool alone;

	if (!im->parted)
		atomic_store(&s->segments[im->segment].image, NULL);
	im->parted = true;
	alone = atomic_load(&im->readers) == 0 && !path_has(s, im);
	if (alone) {
		im->failed = im->parted = false;
		pthread_mutex_lock(&s->lock);
		im->next = s->free_images;
		s->free_images = im;
		pthread_mutex_unlock(&s->lock);
	}
	return alone;
}

static bool
write_image(struct store *s, struct image *im, bool flush)
{
	enum segment_state state;
	bool busy, flushed, did = false;
	struct segment *g;
	uint32_t settled;

	if (im->parted)
		return recycle(s, im);
	pthread_mutex_lock(&s->lock);
	g = &s->segments[im->segment];
	if (g->image != im) {
		pthread_mutex_unlock(&s->lock);
		return false;
	}
	state = g->state;
	busy = is_busy(im);
	flushed = im->seq < atomic_load(&s->flush_seq);
	settled = log_settled(s, im, flush || state == SEGMENT_SEALING);
	/* Who copies just now keeps what is behind him from being written. */
	s->behind |= settled < im->used * s->g.chunk;
	pthread_mutex_unlock(&s->lock);

	if (state == SEGMENT_SEALED || (state == SEGMENT_BAD && !im->failed))
		return recycle(s, im);
	if (state == SEGMENT_BAD) {
		s->behind = true; /* not all that it had is given up yet */
		return false;
	}
	if (flushed && !busy && state == SEGMENT_SEALING) {
		im->failed = false;	       /* nor has anything to be given up */
		became(s, im, SEGMENT_SEALED); /* nobody will ever look for it on the disk */
		return recycle(s, im);
	}
	if (im->failed) {
		s->behind = true; /* what says so has to be written, too */
		if (busy)
			return false;
		go_bad(s, im);
		return true;
	}
	if (im->written < settled) {
		did = true;
		if (write_bytes(s, im, im->written, settled) == IO_OK)
			im->written = settled;
		else
			give_up(s, im);
		s->behind |= im->failed;
	}
	if (state == SEGMENT_SEALING && !busy && !im->failed) {
		did = true;
		seal(s, im);
		s->behind |= im->failed;
	}
	return did;
}

static void
note_safe(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->image_count; i++)
		if (!s->images[i].failed)
			s->images[i].safe = s->images[i].written;
	pthread_mutex_unlock(&s->lock);
}

static bool
write_images(struct store *s, bool flush)
{
	bool did = false;

	for (uint32_t i = 0; i < s->image_count; i++)
		did |= write_image(s, &s->images[i], flush);
	return did;
}

bool
write_step(struct store *s, bool flush)
{
	bool did, was = s->behind, safe = s->options.sync < STORE_SYNC_FLUSH;

	flush |= atomic_exchange(&s->write_due, false);
	did = write_images(s, flush);
	/* Who copied just then has ended a moment later, and others wait for what is behind it. */
	for (unsigned n = 0; flush && s->behind && store_commits(s) && n < COMMIT_TRIES; n++) {
		sched_yield();
		s->behind = was;
		did |= write_images(s, true);
	}
	if (flush && !safe) {
		safe = write_sync(s);
		s->behind |= !safe;
	}
	if (safe)
		note_safe(s);
	return did;
}

/* ---- checkpoint ---- */

/* Was all of this image that was there at that time written?  It may serve another segment by now, or the disk has failed. */
static bool
caught_up(struct store *s, const struct image *im, uint64_t seq, uint32_t used)
{
	bool ok;

	pthread_mutex_lock(&s->lock);
	ok = im->seq != seq || s->segments[im->segment].image != im ||
	     s->segments[im->segment].state == SEGMENT_SEALED || im->written >= used * s->g.chunk;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

/* Until all records that are there when it begins are on the disk.  Who copies just now may keep it waiting for a moment. */
static bool
write_image_out(struct store *s, struct image *im)
{
	uint64_t seq;
	uint32_t used;

	pthread_mutex_lock(&s->lock);
	seq = im->seq;
	used = s->segments[im->segment].image == im ? im->used : 0;
	pthread_mutex_unlock(&s->lock);
	for (unsigned n = 0; n < CATCH_UP_TRIES; n++) {
		write_image(s, im, true);
		if (im->failed)
			return false;
		if (caught_up(s, im, seq, used))
			return true;
		sched_yield();
	}
	return false;
}

static bool
all_written(struct store *s)
{
	for (uint32_t i = 0; i < s->image_count; i++)
		if (!write_image_out(s, &s->images[i]))
			return false;
	return write_sync(s);
}

/*
 * What is FREEING is free now, but for what owes tombs that are in RAM only.  One that stays for that keeps min_seq down, so what is newer would count
 * again after a crash: of those, what went without a tomb (untold) stays, too.
 */
static void
mark_leaving(struct store *s)
{
	bool owed = atomic_load(&s->tomb_count) > 0;
	uint64_t stays = UINT64_MAX;

	for (uint32_t i = 0; s->freeing > 0 && i < s->g.segments; i++) {
		struct segment *g = &s->segments[i];

		g->leaving = atomic_load(&g->state) == SEGMENT_FREEING && !(owed && g->owes);
		if (atomic_load(&g->state) == SEGMENT_FREEING && !g->leaving && atomic_load(&g->seq) < stays)
			stays = atomic_load(&g->seq);
	}
	for (uint32_t i = 0; stays != UINT64_MAX && i < s->g.segments; i++)
		if (s->segments[i].leaving && s->segments[i].untold && atomic_load(&s->segments[i].seq) > stays)
			s->segments[i].leaving = false;
}

static void
become_free(struct store *s, uint32_t segment)
{
	struct segment *g = &s->segments[segment];

	g->leaving = false;
	if (g->untold)
		atomic_fetch_sub(&s->untold, 1);
	g->untold = false;
	pthread_mutex_lock(&s->lock);
	g->state = SEGMENT_FREE;
	atomic_store(&g->seq, 0);
	atomic_store(&g->exptime_max, 0);
	path_give(s, segment);
	pthread_mutex_unlock(&s->lock);
	s->freeing--;
}

bool
write_checkpoint(struct store *s)
{
	mark_leaving(s);
	if (!all_written(s) || write_super(s, SUPER_DIRTY) != IO_OK)
		return false;
	for (uint32_t i = 0; s->freeing > 0 && i < s->g.segments; i++)
		if (s->segments[i].leaving)
			become_free(s, i);
	return true;
}
