/*
 * Requests by threads that wait for the disk.  A pool for all queues of a struct io:
 *
 *	start, flush ─► [ reads ] ─► threads ─► the queue's [ ended ] ─► its eventfd ─► reap
 *	             ─► [ slow  ] ─►   at most half of them, unless there is but one: writes, syncs, discards
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "disk_state.h"
#include "rend/check.h"
#include "rend/log.h"

#define HANG_S 5 /* seconds that a call may take at the end */

/* Linked by `link`. */
struct jobs {
	struct io_request *first, *last;
	unsigned count;
};

struct threads {
	pthread_mutex_t lock; /* guards everything here */
	pthread_cond_t work;
	struct jobs reads, slow;
	unsigned idle, slow_running, started, count;
	bool stop;
	pthread_t threads[];
};

struct thread_queue {
	struct io_queue q;
	struct threads *threads;
	struct jobs batch;    /* since the last flush; the queue's thread's */
	pthread_mutex_t lock; /* guards `ended`; nothing else is taken under it */
	struct jobs ended;
	struct thread_queue *left; /* those that were left with what hangs */
};

/* So that what must stay is not taken for lost. */
static struct thread_queue *left_behind;
static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;

static void
put(struct jobs *jobs, struct io_request *r)
{
	r->link = NULL;
	if (jobs->first == NULL)
		jobs->first = r;
	else
		jobs->last->link = r;
	jobs->last = r;
	jobs->count++;
}

static struct io_request *
take(struct jobs *jobs)
{
	struct io_request *r = jobs->first;

	if (r != NULL) {
		jobs->first = r->link;
		jobs->count--;
	}
	return r;
}

/* Takes r out, if it is in there. */
static bool
take_out(struct jobs *jobs, const struct io_request *r)
{
	struct io_request **at = &jobs->first, *before = NULL;

	while (*at != NULL && *at != r) {
		before = *at;
		at = &before->link;
	}
	if (*at == NULL)
		return false;
	*at = r->link;
	if (jobs->last == r)
		jobs->last = before;
	jobs->count--;
	return true;
}

/* ---- a thread ---- */

static bool
is_slow(const struct io_request *r)
{
	return r->kind != IO_READ;
}

static int64_t
carry_out(const struct io_request *r)
{
	off_t offset = (off_t)(r->offset + r->bytes);
	int fd = disk_fd(r->file);
	ssize_t n = -1;

	switch (r->kind) {
	case IO_READ:
		n = preadv(fd, r->piece, r->pieces, offset);
		break;
	case IO_WRITE:
		n = pwritev(fd, r->piece, r->pieces, offset);
		break;
	case IO_SYNC:
		n = fdatasync(fd);
		break;
	case IO_DISCARD:
	case IO_KINDS:
		n = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)r->offset, (off_t)r->length);
		break;
	}
	return n < 0 ? -errno : n;
}

/* The queue may be gone as soon as its lock is given back. */
static void
hand_back(struct io_request *r, int64_t n)
{
	struct thread_queue *q = (struct thread_queue *)r->queue;
	uint64_t one = 1;

	r->result = n;
	pthread_mutex_lock(&q->lock);
	put(&q->ended, r);
	if (q->ended.count == 1 && write(q->q.fd, &one, sizeof(one)) < 0)
		REND_ASSERT(errno == EAGAIN);
	pthread_mutex_unlock(&q->lock);
}

/* The lock is held. */
static struct io_request *
next_job(struct threads *t)
{
	unsigned most = t->count > 1 ? t->count / 2 : 1;
	struct io_request *r = take(&t->reads);

	if (r == NULL && t->slow_running < most)
		r = take(&t->slow);
	return r;
}

static void *
run(void *arg)
{
	struct threads *t = arg;
	struct io_request *r;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		bool slow;

		t->idle++;
		while ((r = next_job(t)) == NULL && !t->stop)
			pthread_cond_wait(&t->work, &t->lock);
		t->idle--;
		if (r == NULL)
			break;
		slow = is_slow(r);
		t->slow_running += slow;
		pthread_mutex_unlock(&t->lock);
		hand_back(r, carry_out(r));
		pthread_mutex_lock(&t->lock);
		t->slow_running -= slow;
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* Signals belong to the main thread.  The lock is held. */
static bool
start_thread(struct threads *t)
{
	sigset_t all, before;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	started = pthread_create(&t->threads[t->started], NULL, run, t) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	t->started += started;
	return started;
}

/* ---- the pool ---- */

struct threads *
threads_new(unsigned count)
{
	struct threads *t = calloc(1, sizeof(*t) + count * sizeof(t->threads[0]));

	if (t == NULL)
		return NULL;
	t->count = count;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->work, NULL);
	return t;
}

bool
threads_free(struct threads **threads)
{
	struct threads *t = *threads;
	struct timespec until;
	bool all = true;

	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HANG_S;
	for (unsigned i = 0; i < t->started; i++)
		all &= pthread_timedjoin_np(t->threads[i], NULL, &until) == 0;
	if (!all)
		return false;
	pthread_cond_destroy(&t->work);
	pthread_mutex_destroy(&t->lock);
	free(t);
	*threads = NULL;
	return true;
}

/* ---- a queue ---- */

static void
threads_queue_free(struct io_queue *queue)
{
	struct thread_queue *q = (struct thread_queue *)queue;

	pthread_mutex_destroy(&q->lock);
	close(queue->fd);
	free(q);
}

/* A thread will come back to it. */
static void
threads_queue_leave(struct io_queue *queue)
{
	struct thread_queue *q = (struct thread_queue *)queue;

	pthread_mutex_lock(&left_lock);
	q->left = left_behind;
	left_behind = q;
	pthread_mutex_unlock(&left_lock);
}

static bool
threads_start(struct io_queue *queue, struct io_request *r)
{
	put(&((struct thread_queue *)queue)->batch, r);
	return true;
}

static void
threads_flush(struct io_queue *queue)
{
	struct thread_queue *q = (struct thread_queue *)queue;
	struct threads *t = q->threads;
	struct io_request *r;
	bool short_of = false;
	unsigned wake = q->batch.count;

	pthread_mutex_lock(&t->lock);
	while ((r = take(&q->batch)) != NULL)
		put(is_slow(r) ? &t->slow : &t->reads, r);
	/* Each job that waits has one of the idle threads, even if that is not awake yet. */
	for (unsigned waiting = t->reads.count + t->slow.count, here = t->idle; waiting > here; here++)
		if (t->started == t->count || (short_of = !start_thread(t)))
			break;
	/* Without any, nobody would ever take it. */
	if (t->started == 0)
		while ((r = take(&t->reads)) != NULL || (r = take(&t->slow)) != NULL)
			hand_back(r, -ENOMEM);
	while (wake-- > 0)
		pthread_cond_signal(&t->work);
	if (short_of)
		rend_log(REND_LOG_WARN, "ssd: a thread for the disk could not be started: %u run", t->started);
	pthread_mutex_unlock(&t->lock);
}

static void
threads_reap(struct io_queue *queue)
{
	struct thread_queue *q = (struct thread_queue *)queue;
	struct io_request *r;
	struct jobs ended;
	uint64_t wakes;

	pthread_mutex_lock(&q->lock);
	ended = q->ended;
	q->ended = (struct jobs){ 0 };
	if (ended.count > 0 && read(queue->fd, &wakes, sizeof(wakes)) < 0)
		REND_ASSERT(errno == EAGAIN);
	pthread_mutex_unlock(&q->lock);
	while ((r = take(&ended)) != NULL)
		queue_ended(queue, r, r->result);
}

/* What no thread has taken yet need not be done. */
static void
threads_cancel(struct io_queue *queue, struct io_request *r)
{
	struct thread_queue *q = (struct thread_queue *)queue;
	struct threads *t = q->threads;
	bool out;

	pthread_mutex_lock(&t->lock);
	out = take_out(is_slow(r) ? &t->slow : &t->reads, r);
	pthread_mutex_unlock(&t->lock);
	if (out)
		queue_ended(queue, r, -ECANCELED);
}

static const struct io_ops queue_ops = {
	.name = "threads",
	.queue_free = threads_queue_free,
	.queue_leave = threads_queue_leave,
	.start = threads_start,
	.flush = threads_flush,
	.reap = threads_reap,
	.wait = disk_wait,
	.cancel = threads_cancel,
};

int
threads_queue_new(struct threads *t, struct io_queue **queue)
{
	struct thread_queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return -ENOMEM;
	q->q.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->q.fd < 0) {
		int error = -errno;

		free(q);
		return error;
	}
	pthread_mutex_init(&q->lock, NULL);
	q->threads = t;
	q->q.ops = &queue_ops;
	*queue = &q->q;
	return 0;
}
