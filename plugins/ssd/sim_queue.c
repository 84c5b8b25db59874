/* Requests to a simulated disk: see sim_state.h. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rend/check.h"
#include "sim_state.h"

static void
signal_fd(struct io_queue *q)
{
	uint64_t one = 1;

	/* It can only fail when it is readable already. */
	if (write(q->fd, &one, sizeof(one)) < 0)
		REND_ASSERT(errno == EAGAIN);
}

int
sim_queue_new(struct io *io, uint32_t depth, struct io_queue **queue)
{
	struct sim_queue *q = calloc(1, sizeof(*q) + depth * sizeof(q->entries[0]));
	struct sim *s;

	if (q == NULL)
		return -ENOMEM;
	q->q.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->q.fd < 0) {
		int error = -errno;

		free(q);
		return error;
	}
	s = sim_enter(io);
	q->next = s->queues;
	s->queues = q;
	sim_leave(s);
	*queue = &q->q;
	return 0;
}

void
sim_queue_free(struct io_queue *queue)
{
	struct sim *s = sim_enter(queue->io);
	struct sim_queue **at = &s->queues;

	while (&(*at)->q != queue)
		at = &(*at)->next;
	*at = (*at)->next;
	sim_leave(s);
	close(queue->fd);
	free(queue);
}

bool
sim_start(struct io_queue *queue, struct io_request *r)
{
	struct sim_queue *q = (struct sim_queue *)queue;
	struct sim *s = sim_enter(queue->io);

	q->entries[q->count++] = (struct entry){ .r = r, .mark = s->disk.marks };
	sim_leave(s);
	return true;
}

/* Is it to be carried out by the next reap()?  The lock is held. */
static bool
is_due(const struct sim *s, const struct entry *e)
{
	return !s->stopped && !e->hangs && (s->order != SIM_BY_HAND || e->chosen);
}

static bool
has_due(struct io_queue *queue)
{
	struct sim_queue *q = (struct sim_queue *)queue;
	struct sim *s = sim_enter(queue->io);
	bool due = false;

	for (unsigned i = 0; i < q->count; i++)
		due |= is_due(s, &q->entries[i]);
	sim_leave(s);
	return due;
}

void
sim_flush(struct io_queue *queue)
{
	if (has_due(queue))
		signal_fd(queue);
}

/* The pieces of a write, one behind the other. */
static void *
gather(const struct io_request *r)
{
	char *data = malloc(r->length), *to = data;

	for (int i = 0; data != NULL && i < r->pieces; i++) {
		memcpy(to, r->piece[i].iov_base, r->piece[i].iov_len);
		to += r->piece[i].iov_len;
	}
	return data;
}

static void
scatter(const struct io_request *r, const char *data, uint64_t bytes)
{
	for (int i = 0; i < r->pieces && bytes > 0; i++) {
		uint64_t n = r->piece[i].iov_len < bytes ? r->piece[i].iov_len : bytes;

		memcpy(r->piece[i].iov_base, data, n);
		data += n;
		bytes -= n;
	}
}

int
sim_prepare(const struct io_request *r, struct operation *op)
{
	*op = (struct operation){
		.kind = r->kind,
		.inode = ((struct sim_file *)r->file)->inode,
		.length = r->length - r->bytes,
		.offset = r->offset + r->bytes,
	};
	if (r->kind == IO_READ)
		op->data = malloc(op->length);
	if (r->kind == IO_WRITE)
		op->data = gather(r);
	return op->data == NULL && (r->kind == IO_READ || r->kind == IO_WRITE) ? -ENOMEM : 0;
}

/* The lock is held. */
static int64_t
carry_out_request(struct sim *s, const struct entry *e)
{
	struct operation op;
	int64_t n = sim_prepare(e->r, &op);

	if (n == 0 && e->r->file->read_only && e->r->kind == IO_WRITE)
		n = -EBADF;
	else if (n == 0)
		n = sim_carry_out(s, op, e->mark);
	if (n > 0 && e->r->kind == IO_READ)
		scatter(e->r, op.data, (uint64_t)n);
	free(op.data);
	return n;
}

/* The place of the next one to carry out; q->count: none.  The lock is held. */
static unsigned
choose(struct sim *s, const struct sim_queue *q)
{
	unsigned due = 0, nth;

	for (unsigned i = 0; i < q->count; i++)
		due += is_due(s, &q->entries[i]);
	if (due == 0)
		return q->count;
	nth = s->order == SIM_SHUFFLED ? (unsigned)(sim_random(&s->random) % due) : 0;
	for (unsigned i = 0;; i++)
		if (is_due(s, &q->entries[i]) && nth-- == 0)
			return i;
}

static void
forget(struct sim_queue *q, unsigned at)
{
	q->count--;
	memmove(&q->entries[at], &q->entries[at + 1], (q->count - at) * sizeof(q->entries[0]));
}

/* At the end, what nobody will complete comes back. */
static void
drop_all(struct io_queue *queue)
{
	struct sim_queue *q = (struct sim_queue *)queue;

	while (q->count > 0) {
		struct io_request *r = q->entries[0].r;
		struct sim *s = sim_enter(queue->io);
		bool drop = s->stopped || s->order == SIM_BY_HAND;

		if (drop)
			forget(q, 0);
		sim_leave(s);
		if (!drop)
			return;
		queue_ended(queue, r, -ECANCELED);
	}
}

void
sim_reap(struct io_queue *queue)
{
	struct sim_queue *q = (struct sim_queue *)queue;
	uint64_t wakes;

	if (read(queue->fd, &wakes, sizeof(wakes)) < 0)
		REND_ASSERT(errno == EAGAIN);
	if (queue->closing)
		drop_all(queue);
	for (;;) {
		struct io_request *r = NULL;
		int64_t result = 0;
		struct sim *s;
		unsigned at;
		bool ended = false;

		if (has_due(queue))
			sim_look(queue->io);
		s = sim_enter(queue->io);
		at = choose(s, q);
		if (at < q->count) {
			r = q->entries[at].r;
			result = carry_out_request(s, &q->entries[at]);
			ended = result != HANGS && !s->stopped;
			if (ended)
				forget(q, at);
			else
				q->entries[at].hangs = true;
		}
		sim_leave(s);
		if (r == NULL)
			return;
		if (ended)
			queue_ended(queue, r, result);
	}
}

void
sim_wait(struct io_queue *queue, uint64_t ns)
{
	if (has_due(queue))
		return;
	/* Another thread may be about to do something. */
	sched_yield();
	sim_advance(queue->io, ns);
}

void
sim_cancel(struct io_queue *queue, struct io_request *r)
{
}

bool
sim_complete(struct io_queue *queue, unsigned n)
{
	struct sim_queue *q = (struct sim_queue *)queue;
	struct sim *s = sim_enter(queue->io);
	bool found = false;

	for (unsigned i = 0; i < q->count && !found; i++) {
		if (q->entries[i].chosen || n-- > 0)
			continue;
		found = q->entries[i].chosen = true;
	}
	sim_leave(s);
	if (found)
		signal_fd(queue);
	return found;
}

void
sim_release(struct io *io)
{
	struct sim *s = sim_enter(io);

	for (struct sim_queue *q = s->queues; q != NULL; q = q->next) {
		for (unsigned i = 0; i < q->count; i++)
			q->entries[i].hangs = false;
		signal_fd(&q->q);
	}
	sim_leave(s);
}
