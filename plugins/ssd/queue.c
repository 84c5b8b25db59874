/* A thread's requests, whatever carries them out: see io.h and back.h. */
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "back.h"
#include "breaker.h"
#include "rend/check.h"

#define DEPTH	    128
#define DEPTH_MAX   4096
#define WAITING	    4096
#define TIME	    5000000000ULL
#define AT_ONCE	    4		/* requests that do not wait for the flush */
#define TRIES	    8		/* of a request that was interrupted, or told to come again */
#define CLOSE_SLICE 10000000ULL /* ns */

/* Where a request is: in the list of that name. */
enum { FREE, WAITS, AT_DISK, HELD, ENDED };

static void
count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* ---- ends ---- */

/* Something is in `ended`, or overdue: the loop is to call io_poll(). */
static void
wake(struct io_queue *q)
{
	if (q->ready != NULL && !q->in_poll)
		event_active(q->ready, EV_READ, 0);
}

/* The outcome of r is known, and is of the disk's making or not.  Its done() follows with the next poll. */
static void
end(struct io_queue *q, struct io_request *r, enum io_status ended, int error, bool by_disk)
{
	r->status = ended;
	r->error = error;
	count(&q->counts.ended[r->kind], 1);
	count(&q->counts.failed[ended], 1);
	if (r->kind == IO_READ || r->kind == IO_WRITE)
		count(&q->counts.bytes[r->kind], r->bytes);
	/* What never got to the disk says nothing of it; but if it was a probe, that is over. */
	if (r->file->breaker != NULL && r->probe != BREAKER_ASIDE)
		breaker_ended(r->file->breaker, by_disk ? ended : IO_CANCELLED, r->probe, io_now(q->io));
}

/* What its offset and lengths are multiples of. */
static uint32_t
grain(const struct io_request *r)
{
	return r->kind == IO_READ ? r->file->grain : IO_ALIGN;
}

/* So many bytes of its pieces are through. */
static void
advance(struct io_request *r, uint64_t bytes)
{
	uint8_t gone = 0;

	r->bytes += bytes;
	while (bytes > 0 && bytes >= r->piece[gone].iov_len)
		bytes -= r->piece[gone++].iov_len;
	if (gone > 0) {
		r->pieces -= gone;
		memmove(r->piece, r->piece + gone, r->pieces * sizeof(r->piece[0]));
	}
	if (bytes > 0) {
		r->piece[0].iov_base = (char *)r->piece[0].iov_base + bytes;
		r->piece[0].iov_len -= bytes;
	}
}

/* Is there more to do for r, which is not at the disk?  Otherwise *ended says how it ended. */
static bool
goes_on(struct io_request *r, int64_t result, enum io_status *ended)
{
	bool moves = r->kind == IO_READ || r->kind == IO_WRITE;

	if ((result == -EINTR || result == -EAGAIN) && ++r->tries < TRIES)
		return true;
	if (result < 0) {
		*ended = io_status_of((int)-result);
		return false;
	}
	*ended = IO_OK;
	if (!moves)
		return false;
	if ((uint64_t)result > r->length - r->bytes)
		result = (int64_t)(r->length - r->bytes);
	if (r->bytes + (uint64_t)result == r->length) {
		r->bytes = r->length;
		return false;
	}
	advance(r, (uint64_t)result);
	/* The end of the file; past the page cache, a piece of a block is the end too. */
	if (result == 0 || (r->file->direct && r->bytes % grain(r) != 0)) {
		*ended = IO_SHORT;
		return false;
	}
	return true;
}

void
queue_ended(struct io_queue *q, struct io_request *r, int64_t result)
{
	enum io_status ended;

	REND_ASSERT(r->queue == q && (r->state == AT_DISK || r->state == HELD));
	if (r->state == HELD) {
		/* done() knew already, or will: only the memory comes back. */
		count(&q->counts.late, 1);
		requests_remove(&q->held, r);
		r->state = ENDED;
		requests_append(&q->ended, r);
		wake(q);
		return;
	}
	requests_remove(&q->at_disk, r);
	if (goes_on(r, result, &ended)) {
		r->state = WAITS;
		requests_prepend(&q->waiting, r);
		return;
	}
	r->state = ENDED;
	end(q, r, ended, result < 0 ? (int)-result : 0, true);
	requests_append(&q->ended, r);
	wake(q);
}

/* ---- submitting ---- */

static void
set_timer(struct io_queue *q, uint64_t now)
{
	struct timeval tv;
	uint64_t us;

	if (q->timer == NULL || q->due >= q->timer_due)
		return;
	us = q->due > now ? (q->due - now) / 1000 + 1 : 0;
	tv = (struct timeval){ .tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000) };
	if (event_add(q->timer, &tv) == 0)
		q->timer_due = q->due;
}

/* Sums up the pieces. */
static bool
is_sound(struct io_request *r)
{
	uint64_t memory = 0, bits = r->offset, length = 0;

	if (r->kind == IO_SYNC)
		return true;
	if (r->kind == IO_READ || r->kind == IO_WRITE) {
		if (r->pieces == 0 || r->pieces > IO_PIECES_MAX)
			return false;
		for (int i = 0; i < r->pieces; i++) {
			memory |= (uintptr_t)r->piece[i].iov_base;
			bits |= r->piece[i].iov_len;
			if (r->piece[i].iov_len == 0 || r->piece[i].iov_len > IO_LENGTH_MAX)
				return false;
			length += r->piece[i].iov_len;
		}
		if (length > IO_LENGTH_MAX)
			return false;
		r->length = length;
	} else if (r->kind != IO_DISCARD) {
		return false;
	}
	return (memory & (IO_ALIGN - 1)) == 0 && ((bits | r->length) & (grain(r) - 1)) == 0 && r->length > 0 &&
	       r->offset <= INT64_MAX - r->length;
}

static void
start(struct io_queue *q)
{
	struct io_request *r;

	while ((r = q->waiting.first) != NULL && q->at_disk.count + q->held.count < q->limits.depth) {
		/* It may end in here. */
		requests_remove(&q->waiting, r);
		requests_append(&q->at_disk, r);
		r->state = AT_DISK;
		if (!q->ops->start(q, r)) {
			requests_remove(&q->at_disk, r);
			requests_prepend(&q->waiting, r);
			r->state = WAITS;
			break;
		}
		q->started = true;
	}
}

static void
push(struct io_queue *q)
{
	start(q);
	if (q->started) {
		q->started = false;
		count(&q->counts.batches, 1);
		q->ops->flush(q);
	}
}

enum io_status
io_submit(struct io_queue *q, struct io_request *r)
{
	uint64_t now = io_now(q->io), latest = now + q->limits.time;

	REND_CHECK(r->file, IO_FILE_MAGIC);
	REND_ASSERT(r->state == FREE);
	if (!is_sound(r))
		return IO_INVALID;
	if (q->closing || q->waiting.count >= q->limits.waiting)
		return IO_BUSY;
	if (r->file->breaker != NULL && !breaker_allows(r->file->breaker, r->probe))
		return IO_DOWN;
	if (r->deadline == 0 || r->deadline > latest)
		r->deadline = latest;
	r->queue = q;
	r->bytes = 0;
	r->tries = 0;
	r->done_called = false;
	r->began = now;
	r->state = WAITS;
	requests_append(&q->waiting, r);
	if (r->deadline < q->due)
		q->due = r->deadline;
	/* So many do not wait for the flush: the disk would have nothing to do meanwhile. */
	if (q->waiting.count >= AT_ONCE)
		push(q);
	return IO_OK;
}

void
io_flush(struct io_queue *q)
{
	push(q);
	if (q->ended.first != NULL)
		wake(q);
	set_timer(q, io_now(q->io));
}

/* ---- giving up ---- */

static void
give_up(struct io_queue *q, struct io_request *r, enum io_status why)
{
	bool at_disk = r->state == AT_DISK;

	requests_remove(at_disk ? &q->at_disk : &q->waiting, r);
	end(q, r, why, 0, at_disk);
	if (!at_disk) {
		r->state = ENDED;
		requests_append(&q->ended, r);
		return;
	}
	/* done() is owed before it is held; the implementation may end it from within cancel(). */
	r->state = HELD;
	requests_append(&q->held, r);
	q->owed++;
	q->ops->cancel(q, r);
}

void
io_cancel(struct io_request *r)
{
	if (r->state != WAITS && r->state != AT_DISK)
		return;
	give_up(r->queue, r, IO_CANCELLED);
	wake(r->queue);
}

static void
expire_list(struct io_queue *q, struct io_requests *list, uint64_t now)
{
	struct io_request *next;

	for (struct io_request *r = list->first; r != NULL; r = next) {
		next = r->next;
		if (r->deadline <= now)
			give_up(q, r, IO_TIMEOUT);
		else if (r->deadline < q->due)
			q->due = r->deadline;
	}
}

static void
expire(struct io_queue *q)
{
	uint64_t now = io_now(q->io);

	if (now < q->due)
		return;
	q->due = UINT64_MAX;
	expire_list(q, &q->at_disk, now);
	expire_list(q, &q->waiting, now);
}

/* ---- done and release ---- */

static unsigned
call_done(struct io_request *r)
{
	if (r->done_called)
		return 0;
	r->done_called = true;
	if (r->done != NULL)
		r->done(r);
	return 1;
}

/* done() of those that were given up while the disk has them. */
static unsigned
finish_held(struct io_queue *q)
{
	unsigned n = 0;

	while (q->owed > 0) {
		struct io_request *r = q->held.first;

		while (r != NULL && r->done_called)
			r = r->next;
		if (r == NULL) /* the rest of them came back already */
			break;
		/* It may cancel others: the list is gone through from its beginning again. */
		n += call_done(r);
		q->owed--;
	}
	q->owed = 0;
	return n;
}

static unsigned
finish(struct io_queue *q)
{
	unsigned done = finish_held(q);

	/* What ends meanwhile waits for the next poll. */
	for (unsigned left = q->ended.count; left > 0 && q->ended.first != NULL; left--) {
		struct io_request *r = q->ended.first;

		done += call_done(r);
		requests_remove(&q->ended, r);
		r->state = FREE;
		r->queue = NULL;
		q->released++;
		if (r->release != NULL)
			r->release(r);
	}
	return done;
}

unsigned
io_poll(struct io_queue *q)
{
	unsigned done;

	q->in_poll = true;
	q->ops->reap(q);
	expire(q);
	done = finish(q);
	q->in_poll = false;
	io_flush(q);
	return done;
}

unsigned
io_wait(struct io_queue *q, uint64_t time)
{
	uint64_t until = io_now(q->io) + time, released = q->released;

	for (;;) {
		unsigned done = io_poll(q);
		uint64_t now = io_now(q->io), next = q->due < until ? q->due : until;

		if (done > 0 || q->released != released || now >= until)
			return done;
		if (q->ended.first == NULL && next > now)
			q->ops->wait(q, next - now);
	}
}

unsigned
io_pending(const struct io_queue *q)
{
	return q->waiting.count + q->at_disk.count + q->held.count + q->ended.count;
}

const struct io_counts *
io_queue_counts(const struct io_queue *q)
{
	return &q->counts;
}

/* ---- open and close ---- */

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	io_poll(arg);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct io_queue *q = arg;

	q->timer_due = UINT64_MAX;
	io_poll(q);
}

static void
free_events(struct io_queue *q)
{
	if (q->ready != NULL)
		event_free(q->ready);
	if (q->timer != NULL)
		event_free(q->timer);
	q->ready = q->timer = NULL;
}

static bool
add_events(struct io_queue *q)
{
	q->ready = event_new(q->base, q->fd, EV_READ | EV_PERSIST, on_ready, q);
	q->timer = evtimer_new(q->base, on_timer, q);
	if (q->ready != NULL && q->timer != NULL && event_add(q->ready, NULL) == 0)
		return true;
	free_events(q);
	return false;
}

enum io_status
io_queue_open(struct io *io, struct event_base *base, const struct io_limits *limits, struct io_queue **queue)
{
	struct io_limits l = limits != NULL ? *limits : (struct io_limits){ 0 };
	struct io_queue *q = NULL;
	int error;

	*queue = NULL;
	l.depth = l.depth == 0 ? DEPTH : l.depth > DEPTH_MAX ? DEPTH_MAX : l.depth;
	l.waiting = l.waiting == 0 ? WAITING : l.waiting;
	l.time = l.time == 0 ? TIME : l.time;
	error = io->ops->queue_new(io, l.depth, &q);
	if (error < 0)
		return io_status_of(-error);
	q->magic = IO_QUEUE_MAGIC;
	q->io = io;
	q->ops = q->ops != NULL ? q->ops : io->ops;
	q->limits = l;
	q->due = q->timer_due = UINT64_MAX;
	q->base = base;
	if (base != NULL && !add_events(q)) {
		q->ops->queue_free(q);
		return IO_NO_MEMORY;
	}
	*queue = q;
	return IO_OK;
}

bool
io_queue_close(struct io_queue **queue, uint64_t time)
{
	struct io_queue *q = *queue;

	*queue = NULL;
	if (q == NULL)
		return true;
	REND_CHECK(q, IO_QUEUE_MAGIC);
	free_events(q);
	q->closing = true;
	while (q->waiting.first != NULL)
		give_up(q, q->waiting.first, IO_CANCELLED);
	while (q->at_disk.first != NULL)
		give_up(q, q->at_disk.first, IO_CANCELLED);
	io_poll(q);
	/* On a worker the clock stands still in here. */
	for (uint64_t waited = 0; io_pending(q) > 0 && waited < time; waited += CLOSE_SLICE) {
		if (q->ended.first == NULL)
			q->ops->wait(q, CLOSE_SLICE);
		io_poll(q);
	}
	if (io_pending(q) > 0) {
		q->ops->queue_leave(q);
		return false;
	}
	q->magic = 0;
	q->ops->queue_free(q);
	return true;
}
