/* What goes over a connection to a backend: see link.h for the picture. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link_state.h"

#define READS_PER_TURN	16
#define IOV_PER_WRITE	256
#define IDLE_LOOK_AFTER (100 * MS)

/* ---- writing ---- */

bool
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

/*
 * 1001, ... 9999, 1000, and so on: they go around, because of a connection that is out of step, the answer at hand is near the one that is
 * due.
 */
static void
token_step(struct token *t)
{
	for (size_t i = TOKEN_LEN; i-- > 0;) {
		if (t->digits[i]++ != '9')
			return;
		t->digits[i] = i == 0 ? '1' : '0';
	}
}

/* What becomes late, or silent, first? */
static void
watch(struct link *l)
{
	const struct memcached_conf *conf = l->backend->conf;
	uint64_t silence = memcached_silence(conf);

	if (l->watching)
		return;
	l->watching = true;
	link_set_timer(l, (silence < conf->request_timeout ? silence : conf->request_timeout) + MS);
}

void
link_send(struct link *l, struct rend_op *op)
{
	struct request *r = request_of(op);
	uint64_t begins = l->sendq.queued;
	const struct rend_op *says = r->rewrite == NULL ? op : rewrite_says(r->rewrite, op);
	enum rend_status status;

	token_step(&l->token);
	status = request_put(&l->sendq, says, l->dialect, l->token, rend_wall(), &r->question);
	if (status != REND_OK) {
		request_end(op, status);
		return;
	}
	if (begins == l->sendq.gone)
		l->largest = 0;
	if (says->item.value.len > l->largest)
		l->largest = says->item.value.len;
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

/* Requests are no longer than a line; their values are what fills memory.  One that is large by itself stands in nobody's way. */
static bool
full(const struct link *l)
{
	return l->sendq.queued - l->sendq.gone + l->waiting_bytes > l->backend->conf->queue_bytes + l->largest;
}

void
link_ask(struct link *l, struct rend_op *op)
{
	request_of(op)->again = false;
	request_of(op)->rewrite = NULL;
	if (l->state == LINK_UP && closed_while_idle(l))
		link_break(l, END_CLOSED, "it closed the connection");
	if (op->ask.link != 0 && op->verb != REND_GET && (!link_ready(l) || op->ask.link != l->id)) {
		request_end(op, REND_NOT_STORED);
	} else if (op->guard != NULL && !rend_guard_holds(op)) {
		request_end(op, REND_NOT_STORED);
	} else if (!l->moving && l->state != LINK_UP && !l->hope) {
		request_end(op, REND_DOWN);
	} else if (full(l)) {
		rend_count(l->backend->busy, 1);
		request_end(op, REND_BUSY);
	} else if (link_ready(l)) {
		link_send(l, op);
	} else {
		link_wait(l, op);
	}
}

void
link_flush(struct link *l)
{
	if (l->state == LINK_UP && !l->writing)
		link_write(l);
}

void
link_writable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;

	REND_CHECK(l, LINK_MAGIC);
	l->writing = false;
	link_write(l);
}

/* ---- reading ---- */

static void
question_answered(struct link *l)
{
	bool last = probe_answered(&l->probe, &l->answer);

	answer_drop(&l->answer);
	if (last)
		link_up(l);
}

/* An op that is done in several steps, or has to be from now on.  true: it is asked on.  Else *status is its answer. */
static bool
asked_on(struct link *l, struct rend_op *op, enum rend_status *status)
{
	struct request *r = request_of(op);
	bool again;

	if (r->rewrite == NULL)
		r->rewrite = rewrite_new();
	if (r->rewrite == NULL) {
		answer_drop(&l->answer);
		*status = REND_NO_MEMORY;
		return false;
	}
	*status = rewrite_answered(r->rewrite, op, &l->answer, &again);
	if (again && out_of_time(op)) {
		*status = REND_TIMEOUT;
		again = false;
	} else if (again && full(l)) {
		/* A backend that answers and does not read is not to be sent one value after the other. */
		rend_count(l->backend->busy, 1);
		*status = REND_BUSY;
		again = false;
	}
	if (again)
		link_send(l, op);
	else if (*status == REND_OK)
		rend_count(l->backend->rewrites, 1);
	return again;
}

/* A connection that leads to where the backend was has no answers to wait for any more? */
static void
move_if_done(struct link *l)
{
	if (l->moving && l->sent.count == 0)
		link_move(l);
}

static void
op_answered(struct link *l)
{
	struct rend_op *op = opq_take(&l->sent);
	struct request *r = request_of(op);
	bool suspect = l->answer.suspect;
	enum rend_status status;

	if (!r->overdue)
		l->timeouts = 0;
	if (r->rewrite != NULL ||
	    (l->answer.status != REND_OK && l->dialect.meta && rewrite_may_help(op, &l->answer))) {
		if (asked_on(l, op, &status)) {
			/* It may have been asked in vain, for want of memory. */
			move_if_done(l);
			return;
		}
	} else {
		status = answer_give(&l->answer, op);
	}
	/* Versions that the backend chose are good as long as it lives, and only this connection knows how long that is. */
	if (op->verb == REND_GET && status == REND_OK)
		op->item.link = l->dialect.sets_cas ? 0 : l->id;
	request_end(op, status);
	if (suspect)
		link_break(l, END_OURS, "it refused a value in a way that leaves open whether it has read it");
	else
		move_if_done(l);
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
		switch (answer_read(&l->answer, &l->recvq, asked, asked->wall)) {
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

void
link_readable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;

	REND_CHECK(l, LINK_MAGIC);
	/* Another link's answers want to be read too. */
	for (int i = 0; i < READS_PER_TURN && link_read(l); i++)
		continue;
	/* What was asked on. */
	link_flush(l);
}
