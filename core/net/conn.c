/*
 * A client's connection.
 *
 *	socket ─► loop.readbuf ─► commands_run ─► answers_add
 *	             │ half a command                  │
 *	             └► in (its own) or body           ▼ in order
 *	socket ◄──────────────── outq_write ◄─────── out
 */
#include "net/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/commands.h"
#include "net/outq.h"
#include "net/patience.h"
#include "net/server.h"
#include "rend/check.h"

/* A client that is owed more than the first is not read from, until it is owed less than the second. */
#define OWED_MAX      256
#define OWED_LOW      128
#define OUT_BYTES_MAX (256 * 1024)
#define OUT_BYTES_LOW (64 * 1024)

static void
mark_dirty(struct conn *c)
{
	if (!link_listed(&c->dirty))
		list_append(&c->loop->dirty, &c->dirty);
}

void
conn_mark_runnable(struct conn *c)
{
	if (!link_listed(&c->runnable))
		list_append(&c->loop->runnable, &c->runnable);
}

static void on_event(evutil_socket_t fd, short what, void *arg);

/* Makes the event wait for what the connection's state asks for. */
static void
arm(struct conn *c)
{
	short wanted = 0;

	if (!c->ended && !c->finishing && !c->paused && !link_listed(&c->runnable))
		wanted |= EV_READ;
	if (c->blocked)
		wanted |= EV_WRITE;
	if (wanted == c->waits)
		return;
	if (c->waits != 0)
		event_del(&c->event);
	c->waits = wanted;
	if (wanted == 0)
		return;
	event_assign(&c->event, c->loop->worker.base, c->fd, (short)(wanted | EV_PERSIST), on_event, c);
	if (event_add(&c->event, NULL) != 0) {
		c->waits = 0;
		conn_close(c);
	}
}

static bool
nothing_half_there(const struct conn *c)
{
	return c->answers.count == 0 && c->out.len == 0 && c->body == NULL && c->in_len == 0 &&
	       c->dialog.swallow == 0 && !c->dialog.swallow_line;
}

/* After anything has happened to it: what it waits for, how long, and whether it is through. */
static void
settle(struct conn *c, int progress)
{
	bool through;

	if (c->gone)
		return;
	through = c->finishing ? c->answers.count == 0 && c->out.len == 0 : c->loop->draining && nothing_half_there(c);
	if (through || c->out.broken) {
		conn_close(c);
		return;
	}
	arm(c);
	patience_update(c, progress);
}

bool
conn_owes_too_much(struct conn *c)
{
	if (c->paused)
		c->paused = c->answers.count > OWED_LOW || c->out.len > OUT_BYTES_LOW;
	else
		c->paused = c->answers.count >= OWED_MAX || c->out.len >= OUT_BYTES_MAX;
	return c->paused;
}

/* Keeps what is left of the worker's buffer. */
static void
keep_rest(struct conn *c, const char *p, size_t len)
{
	if (len == 0 || c->gone)
		return;
	if (c->in_room < len) {
		char *in = realloc(c->in, len);

		if (in == NULL) {
			conn_close(c);
			return;
		}
		c->in = in;
		c->in_room = (uint32_t)len;
	}
	memcpy(c->in, p, len);
	c->in_len = (uint32_t)len;
}

/* Runs what it kept. */
static void
run_kept(struct conn *c)
{
	size_t used = commands_run(c, c->in, c->in_len);

	if (c->gone)
		return;
	if (used < c->in_len) {
		memmove(c->in, c->in + used, c->in_len - used);
		c->in_len -= (uint32_t)used;
		return;
	}
	free(c->in);
	c->in = NULL;
	c->in_len = c->in_room = 0;
}

/* At the end of the input: what is whole is still answered, what is half there is nobody's. */
static void
check_end(struct conn *c)
{
	if (c->ended && !c->gone && !c->paused && !link_listed(&c->runnable))
		conn_finish(c);
}

/* Room behind what it kept: the parser decides when a line is too long, so growth ends there. */
static char *
room_behind(struct conn *c, size_t *room)
{
	size_t want = c->in_len + (c->in_len < READBUF_LEAST ? READBUF_LEAST : c->in_len);

	if (c->in_room < c->in_len + READBUF_LEAST / 4) {
		char *in = realloc(c->in, want);

		if (in == NULL)
			return NULL;
		c->in = in;
		c->in_room = (uint32_t)want;
	}
	*room = c->in_room - c->in_len;
	return c->in + c->in_len;
}

/* true: go on with the n bytes. */
static bool
have_read(struct conn *c, ssize_t n)
{
	count_add(&c->loop->counts.reads, 1);
	if (n > 0) {
		count_add(&c->loop->counts.bytes_read, (uint64_t)n);
		return true;
	}
	if (n == 0)
		c->ended = true;
	else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		conn_close(c);
	return false;
}

static void
read_kept(struct conn *c)
{
	size_t room;
	char *to = room_behind(c, &room);
	ssize_t n;

	if (to == NULL) {
		conn_close(c);
		return;
	}
	n = recv(c->fd, to, room, MSG_DONTWAIT);
	if (!have_read(c, n))
		return;
	c->in_len += (uint32_t)n;
	run_kept(c);
}

/* What fits into the value's own memory goes straight there, what comes behind it into the worker's buffer. */
static void
read_fresh(struct conn *c)
{
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov };
	size_t room, direct = 0, used, rest;
	char *own = c->body == NULL ? NULL : body_room(c->body, &direct);
	char *to = readbuf_room(&c->loop->readbuf, &room);
	ssize_t n;

	if (to == NULL) {
		conn_close(c);
		return;
	}
	if (own != NULL)
		iov[msg.msg_iovlen++] = (struct iovec){ own, direct };
	else
		direct = 0;
	iov[msg.msg_iovlen++] = (struct iovec){ to, room };
	n = msg.msg_iovlen == 1 ? recv(c->fd, to, room, MSG_DONTWAIT) : recvmsg(c->fd, &msg, MSG_DONTWAIT);
	if (!have_read(c, n))
		return;
	if (direct > (size_t)n)
		direct = (size_t)n;
	if (direct > 0)
		body_took(c->body, direct);
	rest = (size_t)n - direct;
	readbuf_took(&c->loop->readbuf, rest);
	used = commands_run(c, to, rest);
	keep_rest(c, to + used, rest - used);
}

static void
conn_read(struct conn *c)
{
	bool was_new = c->body == NULL, progress;

	if (c->in_len > 0)
		read_kept(c);
	else
		read_fresh(c);
	check_end(c);
	if (c->gone)
		return;
	progress = c->body != NULL && (was_new || body_progressed(c->body));
	/* Nobody else is to be waited for: the answer goes out while it is in the cache. */
	if (c->answers.count == 0 && c->out.len > 0 && !c->blocked)
		conn_write(c);
	settle(c, progress);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	REND_CHECK(c, CONN_MAGIC);
	if (what & EV_WRITE) {
		c->blocked = false;
		mark_dirty(c);
	}
	if ((what & EV_READ) && !c->gone)
		conn_read(c);
}

void
conn_run_again(struct conn *c)
{
	if (c->gone)
		return;
	if (c->in_len > 0)
		run_kept(c);
	check_end(c);
	if (c->out.len > 0)
		mark_dirty(c);
	settle(c, 0);
}

void
conn_answered(struct conn *c)
{
	mark_dirty(c);
	if (!c->gone && c->paused && !conn_owes_too_much(c))
		conn_mark_runnable(c);
}

void
conn_write(struct conn *c)
{
	size_t before = c->out.len;

	link_remove(&c->dirty);
	if (c->gone) {
		if (c->answers.count == 0)
			conn_free(&c);
		return;
	}
	if (c->out.len > 0 && !c->blocked) {
		switch (outq_write(c->fd, &c->out, &c->loop->counts)) {
		case OUTQ_EMPTY:
			break;
		case OUTQ_BLOCKED:
			c->blocked = true;
			break;
		case OUTQ_BUSY:
			mark_dirty(c);
			break;
		case OUTQ_BROKEN:
			conn_close(c);
			return;
		}
	}
	if (c->paused && !conn_owes_too_much(c))
		conn_mark_runnable(c);
	settle(c, c->out.len < before);
}

void
conn_finish(struct conn *c)
{
	if (c->finishing || c->gone)
		return;
	c->finishing = true;
	body_free(&c->body);
	mark_dirty(c);
}

void
conn_close(struct conn *c)
{
	if (c->gone)
		return;
	c->gone = true;
	if (c->waits != 0)
		event_del(&c->event);
	c->waits = 0;
	close(c->fd);
	c->fd = -1;
	chain_drop(&c->out);
	body_free(&c->body);
	free(c->in);
	c->in = NULL;
	c->in_len = c->in_room = 0;
	link_remove(&c->runnable);
	link_remove(&c->patience);
	server_conn_closed(c->loop->server);
	mark_dirty(c); /* it is freed at the end of a turn, when nothing is owed to it any more */
}

void
conn_drain(struct conn *c)
{
	if (c->gone || c->finishing || c->ended)
		return;
	if (!c->paused && !link_listed(&c->runnable))
		conn_read(c);
	settle(c, 0);
}

int
conn_new(struct loop *l, int fd, const struct listener_settings *listener)
{
	static const struct protocol *const only[] = {
		[LISTENER_AUTO] = NULL,
		[LISTENER_TEXT] = &text_protocol,
		[LISTENER_BINARY] = &binary_protocol,
	};
	struct conn *c = pool_get(&l->conns_pool);

	if (c == NULL) {
		close(fd);
		server_conn_closed(l->server);
		return -1;
	}
	*c = (struct conn){ .magic = CONN_MAGIC, .fd = fd, .loop = l, .listener = listener };
	c->dialog.limits = &l->limits;
	c->dialog.only = only[listener->protocol];
	c->out.pools = &l->chains;
	list_append(&l->conns, &c->listed);
	__atomic_store_n(&l->conn_count, l->conn_count + 1, __ATOMIC_RELAXED);
	settle(c, 0);
	return 0;
}

void
conn_free(struct conn **cp)
{
	struct conn *c = *cp;
	struct loop *l = c->loop;

	*cp = NULL;
	REND_CHECK(c, CONN_MAGIC);
	REND_ASSERT(c->gone && c->answers.count == 0);
	link_remove(&c->listed);
	link_remove(&c->dirty);
	link_remove(&c->runnable);
	c->magic = 0;
	pool_put(&l->conns_pool, c);
	__atomic_store_n(&l->conn_count, l->conn_count - 1, __ATOMIC_RELAXED);
}
