/* Making a connection to a backend, and ending it: see link.h for the picture. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link_state.h"

#define IDLE_LIFE \
	(100 * MS) /* a connection that lasted for so long and is closed while nothing goes on: not a refusal */

/* A value may take so many times request_timeout longer than anybody waited for it. */
#define STREAM_TIMES 10

/* A backend's machine that is gone says nothing: on a connection where nothing goes on, the kernel asks for it. */
#define KEEPALIVE_IDLE	30 /* s */
#define KEEPALIVE_EVERY 10 /* s */
#define KEEPALIVE_TRIES 3

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
	l->writing = l->watching = l->moving = false;
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

static struct opq
take_waiting(struct link *l)
{
	backend_waits(l->backend, -(int64_t)l->waiting.count);
	l->waiting_bytes = 0;
	return opq_all(&l->waiting);
}

void
link_wait(struct link *l, struct rend_op *op)
{
	backend_waits(l->backend, 1);
	l->waiting_bytes += op->item.value.len;
	opq_append(&l->waiting, op);
}

/* No connection, and none to be expected soon. */
static void
link_down(struct link *l, const char *why)
{
	struct opq waiting = take_waiting(l);
	struct rend_op *op;

	close_socket(l);
	l->state = LINK_DOWN;
	l->hope = false;
	if (!l->is_down)
		rend_count(l->backend->downs, 1);
	l->is_down = true;
	link_set_timer(l, backoff_next(&l->backoff));
	backend_unreachable(l->backend, why);
	while ((op = opq_take(&waiting)) != NULL)
		request_end(op, out_of_time(op) ? REND_TIMEOUT : REND_DOWN);
}

/* Must it go over one connection and no other? */
static bool
is_tied(const struct rend_op *op)
{
	return op->ask.link != 0 && op->verb != REND_GET;
}

/* May it be asked twice?  Not if it may have won something, which the second time nobody would. */
static bool
asks_only(struct rend_op *op)
{
	struct rewrite *rewrite = request_of(op)->rewrite;

	if (rewrite != NULL)
		return rewrite_only_reads(rewrite) && !is_tied(op);
	return op->verb == REND_GET && (op->ask.mode & (REND_VIVIFY | REND_RECACHE)) == 0;
}

/* What becomes of an op whose connection is gone.  begun: the backend may have seen some of it. */
static void
rescue(struct link *l, struct rend_op *op, bool begun, bool again)
{
	struct request *r = request_of(op);

	if (begun)
		rend_count(l->backend->lost, 1);
	if (out_of_time(op)) {
		request_end(op, REND_TIMEOUT);
	} else if (!begun && is_tied(op)) {
		request_end(op, REND_NOT_STORED);
	} else if (again && (!begun || (asks_only(op) && !r->again))) {
		if (begun)
			rend_count(l->backend->asked_again, 1);
		r->again |= begun;
		if (r->rewrite != NULL)
			rewrite_restart(r->rewrite);
		link_wait(l, op);
	} else {
		request_end(op, begun ? REND_LOST : REND_DOWN);
	}
}

/*
 * May it be made again at once?  If it was of use for longer than the pause would be that follows; so one that breaks again and again
 * is made ever more seldom.  One that was closed while nothing went on is no trouble.
 */
static bool
made_again(struct link *l, enum link_end end, bool idle)
{
	uint64_t lasted = rend_now() - l->up_since;
	bool again = lasted >= (idle ? IDLE_LIFE : l->backoff.pause);

	if (end == END_MOVED)
		return true;
	if (lasted >= l->backend->conf->retry_max)
		backoff_reset(&l->backoff);
	else if (!idle)
		rend_count(l->backend->flaps, 1);
	if (end == END_TROUBLE || (!again && end != END_SILENT))
		return false;
	if (!idle)
		backoff_next(&l->backoff);
	return true;
}

/* The connection that was up is not. */
void
link_break(struct link *l, enum link_end end, const char *why)
{
	struct opq sent = opq_all(&l->sent);
	uint64_t gone = l->sendq.gone;
	bool again = made_again(l, end, sent.count == 0);
	struct rend_op *op;

	backend_link_gone(l->backend);
	close_socket(l);
	l->state = LINK_DOWN;
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
	if (l->state == LINK_UP) {
		link_break(l, end, why);
		return;
	}
	rend_count(l->backend->probe_errors, 1);
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
	struct opq waiting = take_waiting(l);
	struct rend_op *op;

	l->dialect = probe_dialect(&l->probe);
	l->id = __atomic_add_fetch(&connections, 1, __ATOMIC_RELAXED);
	l->state = LINK_UP;
	l->hope = l->is_down = false;
	l->up_since = l->heard = rend_now();
	event_del(l->timer);
	backend_link_up(l->backend, l->dialect);
	while ((op = opq_take(&waiting)) != NULL) {
		if (out_of_time(op))
			request_end(op, REND_TIMEOUT);
		else if (!rend_guard_holds(op))
			request_end(op, REND_NOT_STORED);
		else
			link_send(l, op);
	}
	link_write(l);
}

/* Fails on a unix socket, which needs none of it. */
static void
tune_socket(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_TRIES },
	};

	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

static void
not_dialed(struct link *l, int error)
{
	struct backend *b = l->backend;

	rend_count(error == ETIMEDOUT ? b->connect_timeouts : b->connect_errors, 1);
	link_down(l, error == 0 ? "nobody knows its name" : strerror(error));
}

/* Connected, or not: a dial's end. */
static void
on_dialed(void *arg, int fd, int error)
{
	struct link *l = arg;

	REND_CHECK(l, LINK_MAGIC);
	if (fd < 0) {
		not_dialed(l, error);
		return;
	}
	tune_socket(fd);
	l->fd = fd;
	l->peer = l->routes->route[l->dial.route];
	l->state = LINK_PROBING;
	l->token = (struct token){ "1000" };
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
	routes_drop(&l->routes);
	l->routes = resolver_routes(l->backend->resolver, &l->routes_version);
	l->dial.to = l->routes;
	dial_start(&l->dial);
}

/* Does its name still lead there?  If not, what is under way is waited for. */
void
link_tick(struct link *l)
{
	struct routes *now;

	REND_CHECK(l, LINK_MAGIC);
	if (!link_ready(l) || l->routes_version == resolver_version(l->backend->resolver))
		return;
	now = resolver_routes(l->backend->resolver, &l->routes_version);
	l->moving = !routes_have(now, &l->peer);
	routes_drop(&now);
	if (l->moving && l->sent.count == 0)
		link_move(l);
}

void
link_move(struct link *l)
{
	rend_count(l->backend->moves, 1);
	link_break(l, END_MOVED, "its name means another address now");
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

/* Is a value on its way, of which something came just now?  Not for ever: nobody waits any more for one that takes so much longer. */
static bool
is_streaming(const struct link *l, uint64_t now)
{
	uint64_t time = l->backend->conf->request_timeout, given_up = l->sent.first->deadline;

	if (l->answer.stage != ANSWER_BODY || now - l->heard >= time)
		return false;
	return now < given_up || now - given_up < STREAM_TIMES * time;
}

/* What is late while others are answered stays in line; if nothing comes at all, the connection is no good. */
static void
look_for_silence(struct link *l)
{
	const struct memcached_conf *conf = l->backend->conf;
	uint64_t limit = memcached_silence(conf), now = rend_now(), next;
	bool silent = now - l->heard >= limit;

	l->watching = false;
	if (l->sent.count == 0)
		return;
	next = count_overdue(l, now);
	if (silent)
		rend_count(l->backend->silences, 1);
	if (l->timeouts >= (uint64_t)conf->max_timeouts && !is_streaming(l, now)) {
		link_break(l, END_TROUBLE, silent ? "it does not answer" : "it answers too late");
		return;
	}
	if (silent) {
		link_break(l, END_SILENT, "it does not answer");
		return;
	}
	if (l->heard + limit < next)
		next = l->heard + limit;
	/* A value that drips is no silence: it is looked at again. */
	if (l->answer.stage == ANSWER_BODY && now + conf->request_timeout < next)
		next = now + conf->request_timeout;
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
		link_fail(l, END_TROUBLE, "it takes connections, but does not answer");
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
		.limit = b->conf->connect_timeout,
		.done = on_dialed,
		.arg = l,
	};
	backoff_init(
	    &l->backoff, b->conf->retry_min, b->conf->retry_max, (uint32_t)((uintptr_t)l >> 4) ^ (uint32_t)rend_now());
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
	waiting = take_waiting(l);
	close_socket(l);
	/* Nobody waits for these any more; they only have to come back. */
	while ((op = opq_take(&sent)) != NULL)
		request_end(op, REND_LOST);
	while ((op = opq_take(&waiting)) != NULL)
		request_end(op, REND_DOWN);
	event_free(l->timer);
	routes_drop(&l->routes);
	l->magic = 0;
	free(l);
}

bool
link_hopeful(const struct link *l)
{
	return l->state == LINK_UP || l->hope;
}
