/* Making a connection to a backend, and ending it: see link.h for the picture. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link_state.h"

#define AGAIN_AFTER  (100 * MS) /* up for so long: a close is an idle backend's, not a refusal */
#define TIMEOUTS_MAX 3

static void link_connect(struct link *l);

void
link_set_timer(struct link *l, uint64_t ns)
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
	link_set_timer(l, backoff_next(&l->backoff));
	backend_unreachable(l->backend, why);
	while ((op = opq_take(&waiting)) != NULL)
		rend_done(op, out_of_time(op) ? REND_TIMEOUT : REND_DOWN);
}

/* May it be asked twice?  Not if it may have won something, which the second time nobody would. */
static bool
asks_only(const struct rend_op *op)
{
	return op->verb == REND_GET && (op->ask.mode & (REND_VIVIFY | REND_RECACHE)) == 0;
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
	if (!begun && op->ask.link != 0) {
		rend_done(op, REND_NOT_STORED);
		return;
	}
	if (again && (!begun || (asks_only(op) && !r->again))) {
		r->again = begun;
		opq_append(&l->waiting, op);
		return;
	}
	rend_done(op, begun ? REND_LOST : REND_DOWN);
}

/* The connection that was up is not. */
void
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
void
link_fail(struct link *l, enum link_end end, const char *why)
{
	if (l->state == LINK_UP)
		link_break(l, end, why);
	else
		link_down(l, why);
}

void
link_poison(struct link *l, const char *why)
{
	size_t len;
	const char *p = recvq_bytes(&l->recvq, &len);

	backend_spoke_garbage(l->backend, why, p, len);
	link_fail(l, END_TROUBLE, why);
}

/* ---- connecting ---- */

void
link_up(struct link *l)
{
	static uint64_t connections; /* atomic: ever */
	struct opq waiting = opq_all(&l->waiting);
	struct rend_op *op;

	l->dialect = probe_dialect(&l->probe);
	l->id = __atomic_add_fetch(&connections, 1, __ATOMIC_RELAXED);
	l->state = LINK_UP;
	l->hope = false;
	l->up_since = l->heard = rend_now();
	l->timeouts = 0;
	event_del(l->timer);
	backend_link_up(l->backend, l->dialect);
	while ((op = opq_take(&waiting)) != NULL) {
		if (out_of_time(op))
			rend_done(op, REND_TIMEOUT);
		else
			link_send(l, op);
	}
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
	l->readable = event_new(l->base, fd, EV_READ | EV_PERSIST, link_readable, l);
	l->writable = event_new(l->base, fd, EV_WRITE, link_writable, l);
	if (l->readable == NULL || l->writable == NULL || event_add(l->readable, NULL) != 0 ||
	    probe_put(&l->probe, &l->sendq) != 0) {
		link_down(l, "no memory for a connection");
		return;
	}
	link_set_timer(l, l->backend->conf->request_timeout);
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
	link_set_timer(l, next - now + MS);
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
