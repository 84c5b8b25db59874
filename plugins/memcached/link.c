/* One connection to a backend: see link.h for the picture. */
#include "link.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "backoff.h"
#include "dial.h"
#include "opq.h"
#include "probe.h"
#include "request.h"

#define MS		1000000ULL
#define AGAIN_AFTER	(100 * MS) /* up for so long: a close is an idle backend's, not a refusal */
#define TIMEOUTS_MAX	3
#define READS_PER_TURN	16
#define IOV_PER_WRITE	256
#define IDLE_LOOK_AFTER (100 * MS)

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_PROBING, LINK_UP };

/* How a connection ended. */
enum link_end {
	END_CLOSED,  /* the backend closed it */
	END_TROUBLE, /* we did: it says nothing, or what cannot be */
};

/* What a link keeps in an op's scratch. */
struct request {
	struct question question;
	uint64_t begins; /* where in the stream of bytes to the backend */
	bool again;	 /* was asked on a connection that broke */
	bool overdue;	 /* its time passed without an answer */
};

_Static_assert(sizeof(struct request) <= LINK_SCRATCH_SIZE, "LINK_SCRATCH_SIZE is too small");

struct link {
	unsigned magic;
#define LINK_MAGIC 0x1171c0deU
	struct backend *backend;
	struct event_base *base;
	enum link_state state;
	bool hope; /* CONNECTING, PROBING: ops may wait for it */
	int fd;
	unsigned closed;  /* how many sockets were */
	struct dial dial; /* CONNECTING */
	struct event *readable, *writable, *timer;
	bool watching; /* UP: the timer is set */
	bool writing;  /* waits until the socket takes more */
	struct dialect dialect;
	struct opq waiting, sent;
	struct sendq sendq;
	struct recvq recvq;
	struct answer answer; /* of the first in sent, or of the probe */
	struct probe probe;
	uint32_t token;
	unsigned timeouts; /* in a row */
	uint64_t heard;	   /* the last byte came, or the first request after a silence went */
	uint64_t up_since;
	struct backoff backoff;
};

static void link_connect(struct link *l);

static struct request *
request_of(struct rend_op *op)
{
	return (struct request *)(void *)op->scratch;
}

static bool
out_of_time(const struct rend_op *op)
{
	return op->deadline <= rend_now();
}

static void
set_timer(struct link *l, uint64_t ns)
{
	struct timeval tv = { .tv_sec = (time_t)(ns / (1000 * MS)), .tv_usec = (suseconds_t)(ns % (1000 * MS) / 1000) };

	event_add(l->timer, &tv);
}

/* ---- ending a connection ---- */

static void
close_socket(struct link *l)
{
	if (l->readable != NULL)
		event_free(l->readable);
	if (l->writable != NULL)
		event_free(l->writable);
	l->readable = l->writable = NULL;
	l->writing = l->watching = false;
	event_del(l->timer);
	dial_cancel(&l->dial);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->closed++;
	sendq_drop(&l->sendq);
	recvq_drop(&l->recvq);
	answer_drop(&l->answer);
}

/* No connection, and none to be expected soon. */
static void
link_down(struct link *l, const char *why)
{
	struct opq waiting = opq_all(&l->waiting);
	struct rend_op *op;

	close_socket(l);
	l->state = LINK_DOWN;
	l->hope = false;
	set_timer(l, backoff_next(&l->backoff));
	backend_unreachable(l->backend, why);
	while ((op = opq_take(&waiting)) != NULL)
		rend_done(op, out_of_time(op) ? REND_TIMEOUT : REND_DOWN);
}

/* What becomes of an op whose connection is gone.  begun: the backend may have seen some of it. */
static void
rescue(struct link *l, struct rend_op *op, bool begun, bool again)
{
	struct request *r = request_of(op);

	if (out_of_time(op)) {
		rend_done(op, REND_TIMEOUT);
		return;
	}
	if (again && (!begun || (op->verb == REND_GET && !r->again))) {
		r->again = begun;
		opq_append(&l->waiting, op);
		return;
	}
	rend_done(op, begun ? REND_LOST : REND_DOWN);
}

/* The connection that was up is not. */
static void
link_break(struct link *l, enum link_end end, const char *why)
{
	struct opq sent = opq_all(&l->sent);
	uint64_t gone = l->sendq.gone, lasted = rend_now() - l->up_since;
	bool again = end == END_CLOSED && lasted >= AGAIN_AFTER;
	struct rend_op *op;

	backend_link_gone(l->backend);
	close_socket(l);
	l->state = LINK_DOWN;
	l->timeouts = 0;
	while ((op = opq_take(&sent)) != NULL)
		rescue(l, op, request_of(op)->begins < gone, again);
	if (!again) {
		link_down(l, why);
		return;
	}
	l->hope = true;
	link_connect(l);
}

/* Any connection, up or on the way there, is over. */
static void
link_fail(struct link *l, enum link_end end, const char *why)
{
	if (l->state == LINK_UP)
		link_break(l, end, why);
	else
		link_down(l, why);
}

static void
link_poison(struct link *l, const char *why)
{
	size_t len;
	const char *p = recvq_bytes(&l->recvq, &len);

	backend_spoke_garbage(l->backend, why, p, len);
	link_fail(l, END_TROUBLE, why);
}

/* ---- writing ---- */

/* false: the connection is gone. */
static bool
link_write(struct link *l)
{
	struct iovec iov[IOV_PER_WRITE];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;

	while (l->sendq.count > 0) {
		msg.msg_iovlen = (size_t)sendq_iov(&l->sendq, iov, IOV_PER_WRITE);
		n = sendmsg(l->fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			l->writing = true;
			event_add(l->writable, NULL);
			return true;
		}
		if (n < 0) {
			link_fail(l, END_CLOSED, strerror(errno));
			return false;
		}
		rend_count(l->backend->bytes_written, (uint64_t)n);
		sendq_eat(&l->sendq, (size_t)n);
	}
	return true;
}

static void
watch(struct link *l)
{
	if (l->watching)
		return;
	l->watching = true;
	set_timer(l, l->backend->conf->request_timeout + MS);
}

static void
send_op(struct link *l, struct rend_op *op)
{
	struct request *r = request_of(op);
	uint64_t begins = l->sendq.queued;
	enum rend_status status = request_put(&l->sendq, op, l->dialect, ++l->token, rend_wall(), &r->question);

	if (status != REND_OK) {
		rend_done(op, status);
		return;
	}
	r->begins = begins;
	r->overdue = false;
	if (l->sent.count == 0)
		l->heard = rend_now();
	opq_append(&l->sent, op);
	watch(l);
}

/* The backend may have closed a connection on which nothing was going on, and we have not looked since. */
static bool
closed_while_idle(struct link *l)
{
	ssize_t n;
	char c;

	if (l->sent.count > 0 || rend_now() - l->heard < IDLE_LOOK_AFTER)
		return false;
	n = recv(l->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void
link_ask(struct link *l, struct rend_op *op)
{
	request_of(op)->again = false;
	if (l->state == LINK_UP && closed_while_idle(l))
		link_break(l, END_CLOSED, "it closed the connection");
	if (l->state == LINK_UP)
		send_op(l, op);
	else if (l->hope)
		opq_append(&l->waiting, op);
	else
		rend_done(op, REND_DOWN);
}

void
link_flush(struct link *l)
{
	if (l->state == LINK_UP && !l->writing)
		link_write(l);
}

/* ---- reading ---- */

static void
link_up(struct link *l)
{
	struct opq waiting = opq_all(&l->waiting);
	struct rend_op *op;
	char how[64];

	l->dialect = probe_dialect(&l->probe);
	l->state = LINK_UP;
	l->hope = false;
	l->up_since = l->heard = rend_now();
	l->timeouts = 0;
	event_del(l->timer);
	snprintf(how, sizeof how, "%s protocol%s", l->dialect.meta ? "meta" : "classic text",
	    l->dialect.sets_cas ? ", sets versions" : "");
	backend_link_up(l->backend, how);
	while ((op = opq_take(&waiting)) != NULL) {
		if (out_of_time(op))
			rend_done(op, REND_TIMEOUT);
		else
			send_op(l, op);
	}
	link_write(l);
}

static void
question_answered(struct link *l)
{
	bool last = probe_answered(&l->probe, &l->answer);

	answer_drop(&l->answer);
	if (last)
		link_up(l);
}

static void
op_answered(struct link *l)
{
	struct rend_op *op = opq_take(&l->sent);
	bool suspect = l->answer.suspect;

	if (!request_of(op)->overdue) {
		/* It works: the next trouble is a new one. */
		l->timeouts = 0;
		backoff_reset(&l->backoff);
	}
	rend_done(op, answer_give(&l->answer, op));
	if (suspect)
		link_break(l, END_TROUBLE, "it refused a value in a way that leaves open whether it has read it");
}

static const struct question *
expected(const struct link *l)
{
	if (l->state == LINK_PROBING)
		return probe_next(&l->probe);
	return l->sent.first == NULL ? NULL : &request_of(l->sent.first)->question;
}

/* Goes on as long as there are whole answers.  false: the connection is gone. */
static bool
link_parse(struct link *l)
{
	const struct question *asked;
	unsigned closed = l->closed;
	size_t len;

	while (l->closed == closed && (recvq_bytes(&l->recvq, &len), len > 0)) {
		asked = expected(l);
		if (asked == NULL) {
			link_poison(l, "bytes that nobody asked for");
			return false;
		}
		switch (answer_read(&l->answer, &l->recvq, asked, rend_wall())) {
		case ANSWER_MORE:
			return true;
		case ANSWER_READY:
			if (l->state == LINK_PROBING)
				question_answered(l);
			else
				op_answered(l);
			break;
		case ANSWER_GARBAGE:
			link_poison(l, l->answer.why);
			return false;
		case ANSWER_MEMORY:
			link_fail(l, END_TROUBLE, l->answer.why);
			return false;
		}
	}
	return l->closed == closed;
}

/* Reads once.  true: there may be more. */
static bool
link_read(struct link *l)
{
	size_t room;
	char *p = recvq_room(&l->recvq, &room);
	ssize_t n;

	if (p == NULL) {
		link_fail(l, END_TROUBLE, "no memory to read its answers");
		return false;
	}
	n = read(l->fd, p, room);
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (n <= 0) {
		link_fail(l, END_CLOSED, n == 0 ? "it closed the connection" : strerror(errno));
		return false;
	}
	l->heard = rend_now();
	rend_count(l->backend->bytes_read, (uint64_t)n);
	recvq_took(&l->recvq, (size_t)n);
	return link_parse(l) && (size_t)n == room;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;

	REND_CHECK(l, LINK_MAGIC);
	/* Another link's answers want to be read too. */
	for (int i = 0; i < READS_PER_TURN && link_read(l); i++)
		continue;
}

/* ---- connecting ---- */

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;

	REND_CHECK(l, LINK_MAGIC);
	l->writing = false;
	link_write(l);
}

/* Connected, or not: a dial's end. */
static void
on_dialed(void *arg, int fd, const char *why)
{
	struct link *l = arg;
	const int on = 1;

	REND_CHECK(l, LINK_MAGIC);
	if (fd < 0) {
		link_down(l, why);
		return;
	}
	/* Fails on a unix socket, which needs it not. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	l->fd = fd;
	l->state = LINK_PROBING;
	l->token = 0;
	l->readable = event_new(l->base, fd, EV_READ | EV_PERSIST, on_readable, l);
	l->writable = event_new(l->base, fd, EV_WRITE, on_writable, l);
	if (l->readable == NULL || l->writable == NULL || event_add(l->readable, NULL) != 0 ||
	    probe_put(&l->probe, &l->sendq) != 0) {
		link_down(l, "no memory for a connection");
		return;
	}
	set_timer(l, l->backend->conf->request_timeout);
	link_write(l);
}

static void
link_connect(struct link *l)
{
	l->state = LINK_CONNECTING;
	dial_start(&l->dial);
}

/* ---- time ---- */

/* Counts the requests whose time is up.  Returns the next one's time; UINT64_MAX: none. */
static uint64_t
count_overdue(struct link *l, uint64_t now)
{
	for (struct rend_op *op = l->sent.first; op != NULL; op = op->link) {
		struct request *r = request_of(op);

		if (op->deadline > now)
			return op->deadline;
		if (r->overdue)
			continue;
		r->overdue = true;
		l->timeouts++;
		rend_count(l->backend->timeouts, 1);
	}
	return UINT64_MAX;
}

static void
look_for_silence(struct link *l)
{
	uint64_t limit = l->backend->conf->request_timeout, now = rend_now(), next, silent_by;
	bool streaming = l->answer.stage == ANSWER_BODY && now - l->heard < limit;

	l->watching = false;
	if (l->sent.count == 0)
		return;
	next = count_overdue(l, now);
	silent_by = l->heard + TIMEOUTS_MAX * limit;
	if ((l->timeouts >= TIMEOUTS_MAX && !streaming) || now >= silent_by) {
		link_break(l, END_TROUBLE, "it does not answer");
		return;
	}
	if (silent_by < next)
		next = silent_by;
	/* While a value streams there is nothing to wait for but its end. */
	if (next - now > limit)
		next = now + limit;
	l->watching = true;
	set_timer(l, next - now + MS);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;

	REND_CHECK(l, LINK_MAGIC);
	switch (l->state) {
	case LINK_DOWN:
		link_connect(l);
		return;
	case LINK_CONNECTING: /* the dial has its own */
		return;
	case LINK_PROBING:
		link_down(l, "it takes connections, but does not answer");
		return;
	case LINK_UP:
		look_for_silence(l);
		return;
	}
}

/* ---- life ---- */

struct link *
link_new(struct backend *b, struct rend_worker *worker)
{
	struct link *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->magic = LINK_MAGIC;
	l->backend = b;
	l->base = rend_worker_base(worker);
	l->fd = -1;
	l->dial = (struct dial){
		.base = l->base,
		.to = &b->address,
		.limit = b->conf->connect_timeout,
		.done = on_dialed,
		.arg = l,
	};
	backoff_init(&l->backoff, (uint32_t)((uintptr_t)l >> 4) ^ (uint32_t)rend_now());
	l->hope = true;
	l->timer = event_new(l->base, -1, 0, on_timer, l);
	if (l->timer == NULL) {
		free(l);
		return NULL;
	}
	link_connect(l);
	return l;
}

void
link_free(struct link **lp)
{
	struct link *l = *lp;
	struct opq sent, waiting;
	struct rend_op *op;

	*lp = NULL;
	if (l == NULL)
		return;
	REND_CHECK(l, LINK_MAGIC);
	if (l->state == LINK_UP)
		backend_link_gone(l->backend);
	sent = opq_all(&l->sent);
	waiting = opq_all(&l->waiting);
	close_socket(l);
	/* Nobody waits for these any more; they only have to come back. */
	while ((op = opq_take(&sent)) != NULL)
		rend_done(op, REND_LOST);
	while ((op = opq_take(&waiting)) != NULL)
		rend_done(op, REND_DOWN);
	event_free(l->timer);
	l->magic = 0;
	free(l);
}

bool
link_hopeful(const struct link *l)
{
	return l->state == LINK_UP || l->hope;
}
