/* The thread that writes to one bin: see writer.h. */
#include "writer.h"

#include <time.h>

#include "job.h"

#define NS_PER_S    1000000000ULL
#define BATCH_JOBS  256
#define BATCH_BYTES (8U << 20)

void
writer_put(struct writer *w, struct job *j)
{
	REND_ASSERT(j->locked);
	j->queue_next = NULL;
	pthread_mutex_lock(&w->lock);
	if (w->first == NULL) {
		w->first = j;
		pthread_cond_signal(&w->work);
	} else {
		w->last->queue_next = j;
	}
	w->last = j;
	pthread_mutex_unlock(&w->lock);
}

/* ---- what is written ---- */

static int
put_pieces(struct rocks_batch *b, const struct job *j)
{
	char key[PIECE_KEY_LEN], head[PIECE_HEAD];
	int done = 0;

	record_piece_head(head, j->record.exptime);
	for (size_t from = 0; from < j->value.len && done == 0; from += PIECE_BYTES) {
		size_t left = j->value.len - from;

		record_piece_key(key, j->key, j->keylen, j->record.version, (uint32_t)(from / PIECE_BYTES));
		done = rocks_batch_put(
		    b, key, sizeof key, head, sizeof head, &j->value, from, left < PIECE_BYTES ? left : PIECE_BYTES);
	}
	return done;
}

static int
put_record(struct rocks_batch *b, struct job *j)
{
	char head[RECORD_HEAD_MAX + MANIFEST_LEN];
	bool large = j->value.len > PIECE_BYTES;
	size_t headlen;

	j->record.flags &= RECORD_STALE | RECORD_SENT;
	if (large)
		j->record.flags |= RECORD_PIECES;
	headlen = record_write(head, &j->record);
	if (!large)
		return rocks_batch_put(b, j->key, j->keylen, head, headlen, &j->value, 0, j->value.len);
	record_manifest_write(head + headlen, j->value.len);
	/* The pieces go first: whoever finds the record finds them, too. */
	if (put_pieces(b, j) != 0)
		return -1;
	return rocks_batch_put(b, j->key, j->keylen, head, headlen + MANIFEST_LEN, &j->value, 0, 0);
}

/* Where files are merged what is removed makes room; fifo drops old files as they are. */
static void
remove_pieces(struct rocks_batch *b, const struct job *j)
{
	char key[PIECE_KEY_LEN];

	if (j->store->plan.rocks.compaction == ROCKS_FIFO)
		return;
	for (uint64_t i = 0; i < j->old_pieces; i++) {
		record_piece_key(key, j->key, j->keylen, j->found.version, (uint32_t)i);
		rocks_batch_delete(b, key, sizeof key);
	}
}

/* 0, or -1: no memory, and nothing of it is written. */
static int
add_to(struct rocks_batch *b, struct job *j)
{
	if (j->change == PUT) {
		int done;

		rocks_batch_begin(b);
		done = put_record(b, j);
		rocks_batch_end(b, done == 0);
		if (done != 0)
			return -1;
	}
	if (j->change == REMOVE)
		rocks_batch_delete(b, j->key, j->keylen);
	remove_pieces(b, j);
	return 0;
}

/* ---- what becomes of it ---- */

/* A change of a bin that has nothing and takes nothing. */
static enum rend_status
status_when_empty(const struct job *j)
{
	if (j->change == REMOVE)
		return j->status;
	switch (j->verb) {
	case REND_SET:
	case REND_ADD:
		return REND_NOT_ADMITTED;
	case REND_REPLACE:
	case REND_APPEND:
	case REND_PREPEND:
		return (j->ask.mode & REND_VIVIFY) ? REND_NOT_ADMITTED : REND_NOT_STORED;
	case REND_INCR:
	case REND_DECR:
		return (j->ask.mode & REND_VIVIFY) ? REND_NOT_ADMITTED : REND_MISS;
	default:
		return REND_MISS;
	}
}

static void
finish_failed(struct job *j)
{
	COUNT(j->store, refused_failed, 1);
	job_finish(j, bin_state(j->bin) == BIN_EMPTY ? status_when_empty(j) : REND_DOWN);
}

static bool
is_full(const struct job *j)
{
	return j->change == PUT && rend_verb_stores(j->verb) && keeper_is_full(&j->store->keeper);
}

/*
 * Decides what is to be written for it.  false: it is answered, or on its way to the readers again.
 */
static bool
is_ready(struct job *j)
{
	if (job_is_late(j)) {
		job_finish(j, REND_BUSY);
		return false;
	}
	if (verb_is_blind(j)) {
		if (!versions_take(j->bin->versions, j->bin->nth, &j->stamp)) {
			job_finish(j, REND_DOWN);
			return false;
		}
		j->status = verb_run(j);
	} else if (!bin_shows(j->bin, j->stamp.version)) {
		/* What it was made of is gone since. */
		readers_put(&j->store->readers, j);
		return false;
	}
	if (is_full(j)) {
		COUNT(j->store, refused_full, 1);
		/* It leaves what is there. */
		if (!verb_is_set(j)) {
			job_finish(j, REND_NO_MEMORY);
			return false;
		}
		/* A set that is not done leaves nothing older. */
		j->change = REMOVE;
		j->status = REND_NOT_ADMITTED;
	}
	return true;
}

/* Jobs that go into one write; those that need none are answered. */
static unsigned
gather(struct rocks_batch *b, struct job *queue, struct job *jobs[BATCH_JOBS])
{
	unsigned n = 0;

	while (queue != NULL) {
		struct job *j = queue;

		queue = j->queue_next;
		if (!is_ready(j))
			continue;
		if (j->change == NO_CHANGE)
			job_finish(j, j->status);
		else if (add_to(b, j) != 0)
			job_finish(j, REND_NO_MEMORY);
		else
			jobs[n++] = j;
	}
	return n;
}

static void
write_some(struct writer *w, struct rocks_batch *b, struct job *queue)
{
	struct bin *bin = queue->bin;
	struct mnemonic *m = w->store;
	struct job *jobs[BATCH_JOBS];
	enum rocks_status status = ROCKS_IO;
	bool open, current = bin_state(bin) == BIN_OPEN; /* nobody else lets it fail */
	char why[WHY_MAX] = "";
	unsigned n = gather(b, queue, jobs);

	if (n == 0)
		return;
	open = bin_enter(bin);
	if (open) {
		bin_change(bin);
		/* Should it be open again since they were gathered, and empty, their versions are below its floor. */
		if (current)
			status = rocks_write(bin->db, b, why);
		bin_leave(bin);
	}
	if (open && current && status != ROCKS_OK && status != ROCKS_BUSY) {
		COUNT(m, write_errors, 1);
		bin_fail(bin, status, why);
		keeper_wake(&m->keeper);
	}
	if (status == ROCKS_OK) {
		COUNT(m, batches, 1);
		COUNT(m, changes, n);
	}
	for (unsigned i = 0; i < n; i++)
		if (status == ROCKS_OK)
			job_finish(jobs[i], jobs[i]->status);
		else if (open && (!current || status == ROCKS_BUSY))
			job_finish(jobs[i], REND_BUSY);
		else if (open)
			job_finish(jobs[i], REND_IO); /* some of it may have been written */
		else
			finish_failed(jobs[i]);
}

/* The lock is held.  As many as go into one write. */
static struct job *
take(struct writer *w)
{
	struct job *first = w->first, *last = first;
	size_t bytes = job_bytes(last);
	unsigned n = 1;

	while (n < BATCH_JOBS && bytes < BATCH_BYTES && last->queue_next != NULL) {
		last = last->queue_next;
		bytes += job_bytes(last);
		n++;
	}
	w->first = last->queue_next;
	last->queue_next = NULL;
	return first;
}

static void *
run(void *arg)
{
	struct writer *w = arg;

	for (;;) {
		struct job *jobs;

		pthread_mutex_lock(&w->lock);
		while (w->first == NULL && !w->ends)
			pthread_cond_wait(&w->work, &w->lock);
		if (w->first == NULL)
			break;
		jobs = take(w);
		pthread_mutex_unlock(&w->lock);
		write_some(w, w->batch, jobs);
		rocks_batch_clear(w->batch);
	}
	w->ended = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int
writer_start(struct writer *w, struct mnemonic *store)
{
	pthread_condattr_t attr;

	*w = (struct writer){ .store = store, .batch = rocks_batch_new() };
	if (w->batch == NULL)
		return -1;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->work, &attr);
	pthread_condattr_destroy(&attr);
	w->runs = pthread_create(&w->thread, NULL, run, w) == 0;
	if (!w->runs) {
		rocks_batch_free(&w->batch);
		return -1;
	}
	pthread_setname_np(w->thread, "mnemonic-write");
	return 0;
}

bool
writer_stop(struct writer *w, uint64_t deadline)
{
	struct timespec at = { .tv_sec = (time_t)(deadline / NS_PER_S), .tv_nsec = (long)(deadline % NS_PER_S) };
	bool ended;

	if (!w->runs)
		return true;
	pthread_mutex_lock(&w->lock);
	w->ends = true;
	pthread_cond_broadcast(&w->work);
	while (!w->ended && pthread_cond_timedwait(&w->work, &w->lock, &at) == 0)
		continue;
	ended = w->ended;
	pthread_mutex_unlock(&w->lock);
	if (!ended)
		return false;
	pthread_join(w->thread, NULL);
	w->runs = false;
	rocks_batch_free(&w->batch);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	return true;
}
