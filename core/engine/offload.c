/* Disk threads: see offload.h. */
#include "engine/offload.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include "engine/op.h"
#include "rend/log.h"
#include "rend/worker.h"

#define THREADS_MAX 256
#define QUEUE_MAX   16384 /* ops waiting for a thread */
#define HANG_S	    5	  /* seconds that a job may take at the end */

static struct {
	pthread_mutex_t lock; /* guards everything here; nothing else is taken under it */
	pthread_cond_t work;
	struct rend_op *first, *last;
	unsigned waiting, idle;
	pthread_t threads[THREADS_MAX];
	int started, wanted;
	bool stop;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .wanted = 4 };

void
offload_set_threads(int threads)
{
	disk.wanted = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
}

static struct rend_op *
take(void)
{
	struct rend_op *op;

	pthread_mutex_lock(&disk.lock);
	disk.idle++;
	while (disk.first == NULL && !disk.stop)
		pthread_cond_wait(&disk.work, &disk.lock);
	disk.idle--;
	op = disk.first;
	if (op != NULL) {
		disk.first = op_core(op)->job.next;
		disk.waiting--;
	}
	pthread_mutex_unlock(&disk.lock);
	return op;
}

static void *
disk_thread(void *arg)
{
	struct rend_op *op;

	(void)arg;
	while ((op = take()) != NULL)
		rend_done(op, op_core(op)->job.work(op));
	return NULL;
}

/* Signals belong to the main thread.  The lock is held.  false: there is none to be had. */
static bool
start_thread(void)
{
	sigset_t all, before;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	started = pthread_create(&disk.threads[disk.started], NULL, disk_thread, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	disk.started += started;
	return started;
}

void
rend_offload(struct rend_op *op, rend_work_f *work)
{
	bool taken = false, short_of = false;
	int started;

	op_core(op)->job.work = work;
	op_core(op)->job.next = NULL;
	pthread_mutex_lock(&disk.lock);
	/* Each job that waits has one of the idle threads, even if that is not awake yet. */
	if (disk.waiting >= disk.idle && disk.started < disk.wanted)
		short_of = !start_thread();
	started = disk.started;
	if (disk.started > 0 && disk.waiting < QUEUE_MAX) {
		if (disk.first == NULL)
			disk.first = op;
		else
			op_core(disk.last)->job.next = op;
		disk.last = op;
		disk.waiting++;
		taken = true;
		pthread_cond_signal(&disk.work);
	}
	pthread_mutex_unlock(&disk.lock);
	/* No loss as long as there is one. */
	if (short_of)
		rend_log(REND_LOG_WARN, "a disk thread could not be started: %d run", started);
	if (!taken)
		rend_done(op, REND_BUSY);
}

/* true: the thread has ended. */
static bool
join(pthread_t thread, const struct timespec *until)
{
	return pthread_timedjoin_np(thread, NULL, until) == 0;
}

bool
offload_stop(void)
{
	struct timespec until;
	struct rend_op *op;
	bool all = true;

	pthread_mutex_lock(&disk.lock);
	disk.stop = true;
	op = disk.first;
	disk.first = NULL;
	disk.waiting = 0;
	pthread_cond_broadcast(&disk.work);
	pthread_mutex_unlock(&disk.lock);
	while (op != NULL) {
		struct rend_op *next = op_core(op)->job.next; /* the op is not ours once it is done */

		rend_done(op, REND_BUSY);
		op = next;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HANG_S;
	for (int i = 0; i < disk.started; i++)
		all &= join(disk.threads[i], &until);
	if (!all)
		return false;
	disk.started = 0;
	disk.stop = false;
	return true;
}
