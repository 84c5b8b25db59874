/*
 * Requests by io_uring: a ring per queue, which its thread alone uses.
 *
 *	start ─► submission queue ─ flush: one call ─► kernel ─► completion queue ─► reap
 *	                                                            └ an eventfd is readable
 *
 * The kernel leaves what remains to be done of a request to the thread's next call, instead of interrupting it (DEFER_TASKRUN, Linux 6.1);
 * older ones have no such choice.  A ring's own fd does not get readable by what remains to be done, the eventfd does.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "disk_state.h"
#include "rend/check.h"

#ifndef SSD_URING

int
uring_try(void)
{
	return -ENOSYS;
}

int
uring_queue_new(uint32_t depth, struct io_queue **queue)
{
	return -ENOSYS;
}

#else

#include <fcntl.h>
#include <liburing.h>

#define REAP 64 /* completions that are taken at a time */
/*
 * And in one turn of a loop.  Disks end many at once; if all of them were answered before anybody's next request is looked at, the disk would have nothing
 * to do meanwhile, and then the worker.
 */
#define TURN 4
#define WORKERS \
	8 /* of the kernel's threads, for what cannot be done without waiting: syncs, discards, buffered files */

struct uring_queue {
	struct io_queue q;
	struct io_uring ring;
};

static struct io_uring *
ring(struct io_queue *queue)
{
	return &((struct uring_queue *)queue)->ring;
}

static int
set_up(struct io_uring *r, uint32_t depth)
{
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		0,
	};
	unsigned workers[2] = { WORKERS, WORKERS };
	int error = -EINVAL;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && error == -EINVAL; i++) {
		struct io_uring_params p = { .flags = flags[i] };

		error = io_uring_queue_init_params(depth, r, &p);
	}
	/* A ring whose workers cannot be counted is as good. */
	if (error == 0)
		io_uring_register_iowq_max_workers(r, workers);
	return error;
}

int
uring_try(void)
{
	static const int wanted[] = { IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITE, IORING_OP_WRITEV,
		IORING_OP_FSYNC, IORING_OP_FALLOCATE, IORING_OP_ASYNC_CANCEL };
	struct io_uring_probe *probe;
	struct io_uring r;
	int error = set_up(&r, 4);

	if (error != 0)
		return error;
	probe = io_uring_get_probe_ring(&r);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (probe == NULL || !io_uring_opcode_supported(probe, wanted[i]))
			error = -ENOSYS;
	if (probe != NULL)
		io_uring_free_probe(probe);
	io_uring_queue_exit(&r);
	return error;
}

static void
uring_queue_free(struct io_queue *queue)
{
	io_uring_queue_exit(ring(queue));
	close(queue->fd);
	free(queue);
}

static struct io_uring_sqe *
sqe_of(struct io_uring *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(r);

	if (sqe == NULL && io_uring_submit(r) > 0)
		sqe = io_uring_get_sqe(r);
	return sqe;
}

static void
prepare(struct io_uring_sqe *sqe, const struct io_request *r)
{
	uint64_t offset = r->offset + r->bytes;
	int fd = disk_fd(r->file);

	switch (r->kind) {
	case IO_READ:
		if (r->pieces == 1)
			io_uring_prep_read(sqe, fd, r->piece[0].iov_base, (unsigned)r->piece[0].iov_len, offset);
		else
			io_uring_prep_readv(sqe, fd, r->piece, r->pieces, offset);
		break;
	case IO_WRITE:
		if (r->pieces == 1)
			io_uring_prep_write(sqe, fd, r->piece[0].iov_base, (unsigned)r->piece[0].iov_len, offset);
		else
			io_uring_prep_writev(sqe, fd, r->piece, r->pieces, offset);
		break;
	case IO_SYNC:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	case IO_DISCARD:
	case IO_KINDS:
		io_uring_prep_fallocate(
		    sqe, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)r->offset, (off_t)r->length);
		break;
	}
}

static bool
uring_start(struct io_queue *queue, struct io_request *r)
{
	struct io_uring_sqe *sqe = sqe_of(ring(queue));

	if (sqe == NULL)
		return false;
	prepare(sqe, r);
	io_uring_sqe_set_data(sqe, r);
	return true;
}

/* What the kernel does not take now (no memory) stays where it is, and is offered again with the next poll. */
static void
uring_flush(struct io_queue *queue)
{
	while (io_uring_sq_ready(ring(queue)) > 0 && io_uring_submit(ring(queue)) > 0)
		;
}

/*
 * Is there something that the kernel leaves to our next call?  It signals that when it begins to, and not again: neither for what it adds, nor for what
 * is left over when a call does some of it.
 */
static bool
is_left(struct io_uring *r)
{
	return (IO_URING_READ_ONCE(*r->sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* At most so many.  false: there are more. */
static bool
take_completions(struct io_queue *queue, unsigned most)
{
	struct io_uring_cqe *cqes[REAP];
	unsigned n;

	/*
	 * Not until nothing comes any more: the disk would run dry while it is waited for its last answers.  But until nothing is left: where there are
	 * completions already, looking for some does not call the kernel.
	 */
	do {
		n = io_uring_peek_batch_cqe(ring(queue), cqes, most < REAP ? most : REAP);
		for (unsigned i = 0; i < n; i++) {
			struct io_request *r = io_uring_cqe_get_data(cqes[i]);
			int64_t result = cqes[i]->res;

			io_uring_cqe_seen(ring(queue), cqes[i]);
			if (r != NULL) /* else a cancellation's own */
				queue_ended(queue, r, result);
		}
		most -= n;
	} while (most > 0 && n > 0 && (io_uring_cq_ready(ring(queue)) > 0 || is_left(ring(queue))));
	return io_uring_cq_ready(ring(queue)) == 0 && !is_left(ring(queue));
}

static void
uring_reap(struct io_queue *queue)
{
	/* What has ended is not to be called overdue because it was not taken: by a worker that stood still, say. */
	bool all = queue->base == NULL || queue->closing || io_now(queue->io) >= queue->due;
	uint64_t wakes;

	uring_flush(queue);
	/* The eventfd stays readable: the next turn goes on. */
	if (!take_completions(queue, all ? UINT_MAX : TURN))
		return;
	/* Behind the completions, which signal it, too, when the kernel posts them in our call: else each would wake us a second time. */
	if (read(queue->fd, &wakes, sizeof(wakes)) < 0)
		REND_ASSERT(errno == EAGAIN);
	/* What came meanwhile signals no more; nor does what a call that failed left: the next turn takes it. */
	wakes = 1;
	if ((io_uring_cq_ready(ring(queue)) > 0 || is_left(ring(queue))) && write(queue->fd, &wakes, sizeof(wakes)) < 0)
		REND_ASSERT(errno == EAGAIN);
}

static void
uring_cancel(struct io_queue *queue, struct io_request *r)
{
	struct io_uring_sqe *sqe = sqe_of(ring(queue));

	/* It is only a wish. */
	if (sqe == NULL)
		return;
	io_uring_prep_cancel(sqe, r, 0);
	io_uring_sqe_set_data(sqe, NULL);
	queue->started = true;
}

static const struct io_ops queue_ops = {
	.name = "uring",
	.queue_free = uring_queue_free,
	.queue_leave = uring_queue_free, /* the kernel keeps what its requests need, but not their memory */
	.start = uring_start,
	.flush = uring_flush,
	.reap = uring_reap,
	.wait = disk_wait,
	.cancel = uring_cancel,
};

int
uring_queue_new(uint32_t depth, struct io_queue **queue)
{
	struct uring_queue *q = calloc(1, sizeof(*q));
	int error;

	if (q == NULL)
		return -ENOMEM;
	error = set_up(&q->ring, depth);
	if (error != 0) {
		free(q);
		return error;
	}
	q->q.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	error = q->q.fd < 0 ? -errno : io_uring_register_eventfd(&q->ring, q->q.fd);
	if (error != 0) {
		io_uring_queue_exit(&q->ring);
		if (q->q.fd >= 0)
			close(q->q.fd);
		free(q);
		return error;
	}
	q->q.ops = &queue_ops;
	*queue = &q->q;
	return 0;
}

#endif
