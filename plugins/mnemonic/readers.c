/* The threads that read: see readers.h. */
#include "readers.h"

#include <time.h>

#include "job.h"

#define NS_PER_S  1000000000ULL
#define READ_MOST 4 /* keys with one call */

/* ---- the queue; all of it under the lock ---- */

static void
put_one(struct readers *r, struct job *j)
{
	struct waiting *w = &r->bins[j->bin->nth];

	j->queue_next = NULL;
	if (w->count++ == 0)
		w->first = j;
	else
		w->last->queue_next = j;
	w->last = j;
	if (w->in_line)
		return;
	w->in_line = true;
	w->next = NULL;
	if (r->first == NULL)
		r->first = w;
	else
		r->last->next = w;
	r->last = w;
}

/* Some of the bin whose turn it is.  Few, for they are read one after the other, and all are answered when the last was read. */
static unsigned
take(struct readers *r, struct job *jobs[READ_MOST])
{
	struct waiting *w = r->first;
	unsigned share = w->count / (r->idle + 1) + 1, n = 0;

	while (n < share && n < READ_MOST && w->count > 0) {
		jobs[n++] = w->first;
		w->first = w->first->queue_next;
		w->count--;
	}
	r->first = w->next;
	w->in_line = false;
	if (w->count > 0) { /* behind the others */
		w->in_line = true;
		w->next = NULL;
		if (r->first == NULL)
			r->first = w;
		else
			r->last->next = w;
		r->last = w;
	}
	return n;
}

void
readers_put_all(struct readers *r, struct job *jobs)
{
	unsigned count = 0;

	pthread_mutex_lock(&r->lock);
	while (jobs != NULL) {
		struct job *next = jobs->queue_next;

		put_one(r, jobs);
		jobs = next;
		count++;
	}
	/* No more than there is work for; under the lock, for the last job that goes on may end all this. */
	for (unsigned n = count < r->idle ? count : r->idle; n > 0; n--)
		pthread_cond_signal(&r->work);
	pthread_mutex_unlock(&r->lock);
}

void
readers_put(struct readers *r, struct job *j)
{
	j->queue_next = NULL;
	readers_put_all(r, j);
}

/* ---- a thread ---- */

/* Those that are still to be read, of one bin; the others are answered. */
static unsigned
still_wanted(struct job *jobs[READ_MOST], unsigned n)
{
	unsigned left = 0;

	for (unsigned i = 0; i < n; i++)
		if (job_is_late(jobs[i]))
			job_finish(jobs[i], jobs[i]->locked ? REND_BUSY : REND_TIMEOUT);
		else
			jobs[left++] = jobs[i];
	return left;
}

static void
read_open(struct job *jobs[READ_MOST], unsigned n, struct rocks_found found[READ_MOST], char why[WHY_MAX])
{
	const char *keys[READ_MOST];
	size_t lens[READ_MOST];
	struct mnemonic *m = jobs[0]->store;

	for (unsigned i = 0; i < n; i++) {
		keys[i] = jobs[i]->key;
		lens[i] = jobs[i]->keylen;
	}
	if (n == 1) {
		rocks_read(jobs[0]->bin->db, keys[0], lens[0], found, why);
		return;
	}
	rocks_read_many(jobs[0]->bin->db, false, n, keys, lens, found, why);
	COUNT(m, multi_gets, 1);
	COUNT(m, multi_keys, n);
}

/* What is said of one that is not open: it has nothing, or nobody knows yet. */
static void
read_closed(struct job *jobs[READ_MOST], unsigned n, enum bin_state state)
{
	struct rocks_found found = { .status = state == BIN_EMPTY ? ROCKS_MISS : ROCKS_SHUT };

	for (unsigned i = 0; i < n; i++)
		job_read(jobs[i], &found, "");
}

static bool
is_in_pieces(const struct rocks_found *found)
{
	struct record r;

	return found->status == ROCKS_OK && record_read(found->p, found->len, &r) != 0 && (r.flags & RECORD_PIECES);
}

/* Goes on with those that are in pieces, or with the others; each is gone then. */
static void
read_those(struct job *jobs[READ_MOST], unsigned n, struct rocks_found found[READ_MOST], bool pieces, const char *why)
{
	for (unsigned i = 0; i < n; i++) {
		if (jobs[i] == NULL || is_in_pieces(&found[i]) != pieces)
			continue;
		job_read(jobs[i], &found[i], why);
		rocks_found_drop(&found[i]);
		jobs[i] = NULL;
	}
}

static void
read_some(struct job *jobs[READ_MOST], unsigned n)
{
	struct rocks_found found[READ_MOST];
	struct bin *bin = jobs[0]->bin;
	char why[WHY_MAX] = "";
	unsigned left = 0;

	/* Before it is read: what a flush_all takes away after this is gone with what is made of it. */
	for (unsigned i = 0; i < n; i++)
		if (jobs[i]->locked && !versions_take(bin->versions, bin->nth, &jobs[i]->stamp))
			job_finish(jobs[i], REND_DOWN);
		else
			jobs[left++] = jobs[i];
	if (left == 0)
		return;
	if (!bin_enter(bin)) {
		read_closed(jobs, left, bin_state(bin));
		return;
	}
	read_open(jobs, left, found, why);
	/* What lies in pieces has them to be read yet: nobody is to wait for that, nor are blocks to be held meanwhile. */
	read_those(jobs, left, found, false, why);
	read_those(jobs, left, found, true, why);
	bin_leave(bin);
}

static void *
run(void *arg)
{
	struct readers *r = arg;
	struct job *jobs[READ_MOST];

	for (;;) {
		unsigned n;

		pthread_mutex_lock(&r->lock);
		r->idle++;
		while (r->first == NULL && !r->ends)
			pthread_cond_wait(&r->work, &r->lock);
		r->idle--;
		if (r->first == NULL)
			break;
		n = take(r, jobs);
		pthread_mutex_unlock(&r->lock);
		n = still_wanted(jobs, n);
		if (n > 0)
			read_some(jobs, n);
	}
	r->ended++;
	pthread_cond_broadcast(&r->work);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int
readers_start(struct readers *r, unsigned count)
{
	pthread_condattr_t attr;

	*r = (struct readers){ .count = 0 };
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->work, &attr);
	pthread_condattr_destroy(&attr);
	while (r->count < count && pthread_create(&r->threads[r->count], NULL, run, r) == 0)
		pthread_setname_np(r->threads[r->count++], "mnemonic-read");
	if (r->count > 0)
		return 0;
	pthread_cond_destroy(&r->work);
	pthread_mutex_destroy(&r->lock);
	return -1;
}

bool
readers_stop(struct readers *r, uint64_t deadline)
{
	struct timespec at = { .tv_sec = (time_t)(deadline / NS_PER_S), .tv_nsec = (long)(deadline % NS_PER_S) };
	bool ended;

	if (r->count == 0)
		return true;
	pthread_mutex_lock(&r->lock);
	r->ends = true;
	pthread_cond_broadcast(&r->work);
	while (r->ended < r->count && pthread_cond_timedwait(&r->work, &r->lock, &at) == 0)
		continue;
	ended = r->ended == r->count;
	pthread_mutex_unlock(&r->lock);
	if (!ended)
		return false;
	for (unsigned i = 0; i < r->count; i++)
		pthread_join(r->threads[i], NULL);
	r->count = r->ended = 0;
	pthread_cond_destroy(&r->work);
	pthread_mutex_destroy(&r->lock);
	return true;
}
