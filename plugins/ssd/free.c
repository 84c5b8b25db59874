/*
 * Which segments go, and when: those that the disk did not take; those in which all has expired; the oldest, when there is too little room; those
 * from before a flush_all.  How each goes is in leave.c.  Each step does a share of it, so that what is to be written is never kept waiting for long.
 */
#include "state.h"

#define SWEEP_BUCKETS 4096 /* at a time */
#define FLUSH_BUCKETS (16 * SWEEP_BUCKETS)
#define BAD_PAUSE     (5ULL * 1000000000) /* ns until what could not be written is tried again */

/* A step's share. */
#define SHARE_ROWS     8192
#define SHARE_BYTES    (4U << 20) /* read, for those that are moved */
#define SHARE_SEGMENTS 32

uint32_t
free_wanted(const struct store *s)
{
	uint32_t all = path_segments(s), wanted = all / 100;

	if (wanted < 2 * STREAMS)
		wanted = 2 * STREAMS;
	return wanted > all / 4 ? all / 4 : wanted;
}

static uint32_t
count_free(struct store *s)
{
	return path_free(s) + s->freeing;
}

static bool
tombs_wait(const struct store *s)
{
	return atomic_load(&s->tomb_count) > 0;
}

void
free_discard(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	s->discard_below = s->next_version;
	s->tomb_count = 0;
	s->super_due = true;
	pthread_mutex_unlock(&s->lock);
	COUNT(s, discards, 1);
}

/* ---- which one ---- */

/* One that the disk did not take, and whose rows have not gone.  What has not failed may be free, and get another segment just now. */
static bool
failed_one(struct store *s, uint32_t *segment)
{
	for (uint32_t i = 0; i < s->image_count; i++) {
		const struct image *im = &s->images[i];

		if (!im->failed)
			continue;
		*segment = im->segment;
		if (atomic_load(&s->segments[*segment].image) == im &&
		    atomic_load(&s->segments[*segment].state) == SEGMENT_BAD)
			return true;
	}
	return false;
}

/* Each is asked once a second. */
static bool
expired_one(struct store *s, int64_t wall, uint32_t *segment)
{
	if (s->ttl_next >= s->g.segments && s->ttl_looked != wall) {
		s->ttl_looked = wall;
		s->ttl_next = 0;
	}
	while (s->ttl_next < s->g.segments) {
		uint32_t i = s->ttl_next++;
		const struct segment *g = &s->segments[i];
		uint32_t max = atomic_load(&g->exptime_max);

		*segment = i;
		if (atomic_load(&g->state) == SEGMENT_SEALED && atomic_load(&g->image) == NULL && max != 0 &&
		    max != EXPTIME_NEVER && exptime_passed(max, wall) &&
		    atomic_load(&g->seq) >= atomic_load(&s->flush_seq))
			return true;
	}
	return false;
}

/* The oldest one, if it can go now; if it is open still, it is closed. */
static bool
oldest_one(struct store *s, uint32_t *segment)
{
	uint64_t least = UINT64_MAX;

	/* What opens meanwhile is newer. */
	for (uint32_t i = 0; i < s->g.segments; i++) {
		enum segment_state state = atomic_load(&s->segments[i].state);
		uint64_t seq = atomic_load(&s->segments[i].seq);

		if (state >= SEGMENT_OPEN && state <= SEGMENT_SEALED && seq < least) {
			least = seq;
			*segment = i;
		}
	}
	if (least == UINT64_MAX)
		return false;
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < STREAMS; i++)
		if (s->open[i] != NULL && s->open[i]->segment == *segment)
			log_close_stream(s, i);
	pthread_mutex_unlock(&s->lock);
	return atomic_load(&s->segments[*segment].state) == SEGMENT_SEALED &&
	       atomic_load(&s->segments[*segment].image) == NULL &&
	       (least >= atomic_load(&s->flush_seq) || least < s->flush_done);
}

/* Some more than there have to be, so that one checkpoint is for several. */
static bool
refills(struct store *s)
{
	uint32_t is = count_free(s), wanted = free_wanted(s);

	if (is < wanted)
		s->refills = true;
	else if (is >= wanted * 3 / 2)
		s->refills = false;
	return s->refills;
}

/* The next one to go.  What has expired needs room for tombs. */
static bool
begin_one(struct store *s, int64_t wall)
{
	uint32_t segment = 0;

	if (failed_one(s, &segment))
		leave_begin(s, segment, GOES_BAD);
	else if (s->ends && !tombs_wait(s))
		return false;
	else if (!tombs_wait(s) && path_free(s) > FREE_KEPT && expired_one(s, wall, &segment))
		leave_begin(s, segment, GOES_EXPIRED);
	else if (!refills(s))
		return false;
	else if (!oldest_one(s, &segment))
		return s->refills = false;
	else if (atomic_load(&s->segments[segment].seq) < s->flush_done)
		leave_over(s, segment); /* nothing leads to it since it was swept */
	else
		leave_begin(s, segment, GOES_OLDEST);
	return true;
}

/* What waits for tombs to find room is in the way of what makes some. */
static void
make_way(struct store *s)
{
	struct leaving *l = &s->leaving;

	if (!l->active || l->how != GOES_EXPIRED || !tombs_wait(s))
		return;
	leave_put_off(s);
	if (s->ttl_next > l->segment)
		s->ttl_next = l->segment;
}

static bool
free_some(struct store *s, int64_t wall)
{
	bool did = false;

	make_way(s);
	s->leaving.rows_left = s->options.share != 0 ? s->options.share : SHARE_ROWS;
	s->leaving.bytes_left = SHARE_BYTES;
	for (unsigned n = 0; n < SHARE_SEGMENTS && (s->leaving.active || begin_one(s, wall)); n++) {
		did = true;
		if (!leave_step(s, wall))
			break;
	}
	return did;
}

/* A segment that the disk did not take gets another chance after a while. */
static bool
free_bad(struct store *s)
{
	bool did = false;

	for (uint32_t i = 0; s->bad > 0 && i < s->g.segments; i++)
		if (atomic_load(&s->segments[i].state) == SEGMENT_BAD && !s->segments[i].lost &&
		    atomic_load(&s->segments[i].image) == NULL && io_now(s->io) - s->segments[i].since >= BAD_PAUSE) {
			leave_over(s, i);
			s->bad--;
			did = true;
		}
	return did;
}

/* ---- the index, bucket by bucket ---- */

struct passed {
	const struct store *s;
	int64_t wall;
};

static bool
has_passed(void *arg, const struct entry *e)
{
	const struct passed *p = arg;

	return exptime_passed(e->exptime, p->wall) ||
	       atomic_load(&p->s->segments[e->place.seg].seq) < atomic_load(&p->s->flush_seq);
}

static void
sweep(struct store *s, int64_t wall)
{
	struct passed p = { s, wall };

	index_sweep(s->index, s->swept, SWEEP_BUCKETS, has_passed, &p);
	s->swept += SWEEP_BUCKETS;
	if (s->swept >= index_buckets(s->index))
		s->swept = 0;
}

/* Nobody copies into a segment of before the flush any more? */
static bool
all_sealed_below(struct store *s, uint64_t seq)
{
	bool all = true;

	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->image_count; i++) {
		const struct image *im = &s->images[i];
		const struct segment *g = &s->segments[im->segment];

		if (g->image == im && (g->state == SEGMENT_OPEN || g->state == SEGMENT_SEALING) && im->seq < seq)
			all = false;
	}
	pthread_mutex_unlock(&s->lock);
	return all;
}

/* After a flush_all: when nothing leads to its segments any more, they are free. */
static bool
flush_step(struct store *s, int64_t wall)
{
	struct passed p = { s, wall };
	uint64_t flush_seq = atomic_load(&s->flush_seq);

	if (s->flush_sweeping == 0) {
		if (s->flush_done == flush_seq || !all_sealed_below(s, flush_seq))
			return false;
		s->flush_sweeping = flush_seq;
		s->flush_swept = 0;
	}
	index_sweep(s->index, s->flush_swept, FLUSH_BUCKETS, has_passed, &p);
	s->flush_swept += FLUSH_BUCKETS;
	if (s->flush_swept < index_buckets(s->index))
		return true;
	for (uint32_t i = 0; i < s->g.segments; i++)
		if (atomic_load(&s->segments[i].state) == SEGMENT_SEALED &&
		    atomic_load(&s->segments[i].image) == NULL &&
		    atomic_load(&s->segments[i].seq) < s->flush_sweeping) {
			if (s->leaving.active && s->leaving.segment == i)
				leave_put_off(s);
			leave_over(s, i);
		}
	s->flush_done = s->flush_sweeping;
	s->flush_sweeping = 0;
	return true;
}

/* ---- all of it ---- */

/* Those that wait for room in the log get it. */
static bool
bury_waiting(struct store *s)
{
	struct tomb t;
	bool did = false;

	for (uint32_t n = 0; n < TOMBS_MAX; n++) {
		bool any;

		pthread_mutex_lock(&s->lock);
		any = s->tomb_count > 0 && log_takes_tombs(s);
		if (any)
			t = s->tombs[--s->tomb_count];
		pthread_mutex_unlock(&s->lock);
		if (!any || !log_tomb(s, t.khash, t.version, 0))
			break;
		did = true;
	}
	return did;
}

/* Is there something that only RAM says? */
static bool
waits(struct store *s)
{
	bool any;

	pthread_mutex_lock(&s->lock);
	any = s->tomb_count > 0 || s->super_due;
	pthread_mutex_unlock(&s->lock);
	return any;
}

static bool
checkpoint_due(struct store *s, bool frees)
{
	uint32_t is = path_free(s), wanted = free_wanted(s);
	bool room = s->freeing > 0 && is < wanted && (!frees || is <= wanted / 2), due;

	pthread_mutex_lock(&s->lock);
	due = room || s->super_due || s->version_limit - s->next_version < (1 << 23) ||
	      s->seq_limit - s->next_seq < (1 << 19);
	pthread_mutex_unlock(&s->lock);
	return due;
}

/*
 * Tombs find room before and after a checkpoint makes some; those of a flush reach the disk with it.  When all that could be free owes tombs, and
 * there is no room for them, nothing would ever be free: then what is on the disk is given up for the next rebuild.
 */
static bool
settle(struct store *s, bool flush, bool frees)
{
	bool did = bury_waiting(s);
	uint32_t freeing = s->freeing;

	if (!checkpoint_due(s, frees) && !(did && flush))
		return did;
	if (!write_checkpoint(s)) {
		s->behind = true;
		return did;
	}
	if (freeing > 0 && s->freeing == freeing && path_free(s) == 0 && tombs_wait(s)) {
		free_discard(s);
		s->behind |= !write_checkpoint(s);
	}
	return true;
}

/*
 * A tomb that waits is in RAM only: without it a flush would leave on the disk what was removed before it began.  So a flush makes room for those
 * that wait (images that were written are free at the second look, segments after a checkpoint) and does not end before they are written.  What
 * there is no room for even then waits for the next one.
 */
bool
free_step(struct store *s, bool flush, int64_t wall)
{
	bool did = flush_step(s, wall), frees;

	did |= free_bad(s);
	frees = free_some(s, wall);
	did |= frees;
	did |= settle(s, flush, frees);
	if (flush && tombs_wait(s)) {
		did |= write_step(s, true);
		did |= settle(s, true, false);
	}
	sweep(s, wall);
	return did;
}

/* A flush that began then, and was the nth: has it left nothing over? */
static void
flushed(struct store *s, uint64_t began, uint64_t nth)
{
	if (s->behind || waits(s))
		return;
	atomic_store(&s->flushed, began);
	atomic_store(&s->commit_done, nth);
}

static void
tell_flushed(struct store *s)
{
	if (store_commits(s) && s->options.flushed != NULL)
		s->options.flushed(s->options.flushed_arg);
}

bool
store_step(struct store *s, bool flush, int64_t wall)
{
	uint64_t began = io_now(s->io), nth = flush ? atomic_fetch_add(&s->commit_begun, 1) + 1 : 0;
	bool did;

	atomic_store(&s->wall, wall);
	s->behind = false;
	path_look(s);
	did = write_step(s, flush);
	/* Who waits for it need not wait for segments to be freed, too. */
	if (flush) {
		flushed(s, began, nth);
		tell_flushed(s);
	}
	did |= free_step(s, flush, wall);
	if (flush && store_committed(s) < nth) {
		flushed(s, began, nth);
		tell_flushed(s);
	}
	pieces_stepped(s);
	return did;
}
