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
#define OUT_BYTES_LOW (64 * 1024)

/* Bytes that its answers under way may bring, judged by those it got lately; before the first, by a guess that lets it begin slowly. */
#define COMING_MAX	  (8 * 1024 * 1024)
#define ANSWER_SIZE_FIRST (128 * 1024)

/* What may wait of what one said to another process: more than the longest line that is half there, and what is kept behind it. */
#define HEARD_MAX (4 * 1024 * 1024)

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
	uint8_t wanted = 0;

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

/* After anything has happened to it: what it waits for, how long, and whether it is through. */
static void
settle(struct conn *c, int progress)
{
	bool through;

	if (c->gone || c->passed)
		return;
	/* At the end every client is heard once more, and no further than to the end of a value that is on its way. */
	if (c->loop->draining && !c->loop->holding && c->body == NULL && !c->paused && !link_listed(&c->runnable))
		conn_finish(c);
	through = c->finishing && c->answers.count == 0 && c->out.len == 0;
	if (through || c->out.broken) {
		conn_close(c);
		return;
	}
	arm(c);
	patience_update(c, progress);
}

bool
conn_weigh(struct conn *c)
{
	uint64_t coming = (uint64_t)c->answers.count * c->answer_size * ANSWER_UNIT;

	if (c->paused)
		c->paused = c->answers.count > OWED_LOW || c->out.len > OUT_BYTES_LOW || coming > COMING_MAX / 2;
	else
		c->paused = c->answers.count >= OWED_MAX || c->out.len >= OUT_BYTES_MAX || coming >= COMING_MAX;
	return c->paused;
}

bool
conn_has_room_for(const struct conn *c, unsigned answers)
{
	return c->answers.count + answers <= OWED_MAX &&
	       c->out.len + (size_t)answers * c->answer_size * ANSWER_UNIT <= OUT_BYTES_MAX;
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
	size_t room, direct = 0, used, rest;
	char *own = c->body == NULL ? NULL : body_room(c->body, &direct);
	char *to = readbuf_room(&c->loop->readbuf, &room);
	ssize_t n;

	if (to == NULL) {
		conn_close(c);
		return;
	}
	if (own == NULL) {
		direct = 0;
		n = recv(c->fd, to, room, MSG_DONTWAIT);
	} else {
		struct iovec iov[] = { { own, direct }, { to, room } };

		n = recvmsg(c->fd, &(struct msghdr){ .msg_iov = iov, .msg_iovlen = 2 }, MSG_DONTWAIT);
	}
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
write_out(struct conn *c)
{
	link_remove(&c->dirty);
	if (c->out.len == 0 || c->blocked)
		return;
	switch (outq_write(c->fd, &c->out, &c->loop->counts)) {
	case OUTQ_EMPTY:
		c->owes_old = false;
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
	if (c->paused && !conn_owes_too_much(c))
		conn_mark_runnable(c);
}

static void
conn_read(struct conn *c)
{
	c->progressed = false;
	if (c->in_len > 0)
		read_kept(c);
	else
		read_fresh(c);
	check_end(c);
	if (c->gone)
		return;
	if (c->body != NULL && body_progressed(c->body))
		c->progressed = true;
	/* If nobody else is to be waited for, the answer goes out while it is in the cache. */
	if (c->answers.count == 0)
		write_out(c);
	else if (c->out.len > 0)
		mark_dirty(c);
	settle(c, c->progressed);
}

/* It has something to say, and is heard when the loop goes on. */
static void
hold(struct conn *c)
{
	if (!link_listed(&c->runnable))
		list_append(&c->loop->held, &c->runnable);
	arm(c);
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
	if ((what & EV_READ) && !c->gone) {
		if (c->loop->holding)
			hold(c);
		else
			conn_read(c);
	}
}

void
conn_run_again(struct conn *c)
{
	if (c->gone)
		return;
	c->progressed = false;
	if (c->in_len > 0)
		run_kept(c);
	check_end(c);
	if (c->out.len > 0)
		mark_dirty(c);
	settle(c, c->progressed);
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
	bool progress;

	/* Stats that are said in parts end with their client. */
	if (c->gone) {
		link_remove(&c->dirty);
		answers_say(c);
		if (c->answers.count == 0)
			conn_free(&c);
		return;
	}
	write_out(c);
	progress = c->out.len < before;
	/* And they go on when there is room for more. */
	if (!c->gone)
		answers_say(c);
	if (c->out.len > 0 && !c->blocked)
		mark_dirty(c);
	settle(c, progress);
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

/*
 * A socket that is closed with input unread resets the connection, and takes with it what the client has not read yet.  What has arrived is
 * read and dropped; a client that goes on talking gets the reset.
 */
static void
say_goodbye(struct conn *c)
{
	char nobody[4096];

	if (shutdown(c->fd, SHUT_WR) != 0)
		return;
	for (int i = 0; i < 64 && recv(c->fd, nobody, sizeof nobody, MSG_DONTWAIT) > 0; i++)
		;
}

void
conn_close(struct conn *c)
{
	if (c->gone)
		return;
	if (c->finishing && !c->passed)
		say_goodbye(c);
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
	server_conn_closed(c->loop->server, c->listener);
	mark_dirty(c); /* it is freed at the end of a turn, when nothing is owed to it any more */
}

void
conn_drain(struct conn *c)
{
	if (c->gone || c->finishing)
		return;
	if (!c->ended && !c->paused && !link_listed(&c->runnable))
		conn_read(c);
	settle(c, 0);
}

/* Which protocols a listener lets in. */
static const uint8_t only[] = {
	[LISTENER_AUTO] = DIALOG_ANY,
	[LISTENER_TEXT] = DIALOG_TEXT,
	[LISTENER_BINARY] = DIALOG_BINARY,
};

void
conn_leave(struct conn *c)
{
	/* Closing a socket that somebody else has open says nothing to its client. */
	conn_close(c);
}

/* NULL: no memory; fd is closed. */
static struct conn *
make(struct loop *l, int fd, const struct listener_settings *listener)
{
	const struct rend_node *policy = l->policies[server_listener_nth(l->server, listener)];
	struct conn *c;
	uint32_t seat;

	/* It was on its way here when a reload took its listener and that one's policy away. */
	if (policy == NULL) {
		close(fd);
		server_conn_closed(l->server, listener);
		return NULL;
	}
	c = pool_get(&l->conns_pool);
	if (c == NULL || roster_add(&l->roster, c, &seat) != 0) {
		if (c != NULL)
			pool_put(&l->conns_pool, c);
		close(fd);
		server_conn_closed(l->server, listener);
		return NULL;
	}
	*c = (struct conn){ .magic = CONN_MAGIC, .fd = fd, .loop = l, .listener = listener, .seat = seat };
	c->heard = (uint32_t)(rend_now() / 1000000000);
	c->tallies = (uint16_t)(loop_tallies(l, listener) - l->tallies);
	c->policy = policy;
	c->answer_size = ANSWER_SIZE_FIRST / ANSWER_UNIT;
	c->dialog.limits = &l->limits;
	c->dialog.only = only[__atomic_load_n(&listener->protocol, __ATOMIC_RELAXED)];
	c->out.pools = &l->chains;
	list_append(&l->conns, &c->listed);
	__atomic_store_n(&l->conn_count, l->conn_count + 1, __ATOMIC_RELAXED);
	return c;
}

int
conn_new(struct loop *l, int fd, const struct listener_settings *listener)
{
	struct conn *c = make(l, fd, listener);

	if (c == NULL)
		return -1;
	settle(c, 0);
	return 0;
}

struct conn *
conn_resume(struct loop *l, int fd, const struct listener_settings *listener, const struct dialog *before,
    uint16_t answer_size, char *in, size_t in_len)
{
	struct conn *c = make(l, fd, listener);

	if (c == NULL) {
		free(in);
		return NULL;
	}
	c->dialog = *before;
	c->dialog.limits = &l->limits;
	c->dialog.only = only[__atomic_load_n(&listener->protocol, __ATOMIC_RELAXED)];
	if (answer_size != 0)
		c->answer_size = answer_size;
	if (in_len > 0) {
		c->in = in;
		c->in_len = c->in_room = (uint32_t)in_len;
		conn_mark_runnable(c);
	} else {
		free(in);
	}
	/* At the end, too, it is heard before it is through: arrivals.c. */
	arm(c);
	patience_update(c, 0);
	return c;
}

void
conn_hear(struct conn *c, const char *p, size_t len)
{
	size_t all = c->in_len + len;

	if (c->gone)
		return;
	if (all > c->in_room) {
		char *in = all > HEARD_MAX ? NULL : realloc(c->in, all);

		if (in == NULL) {
			conn_close(c);
			return;
		}
		c->in = in;
		c->in_room = (uint32_t)all;
	}
	memcpy(c->in + c->in_len, p, len);
	c->in_len = (uint32_t)all;
	conn_run_again(c);
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
	roster_remove(&l->roster, c->seat);
	link_remove(&c->dirty);
	link_remove(&c->runnable);
	c->magic = 0;
	pool_put(&l->conns_pool, c);
	__atomic_store_n(&l->conn_count, l->conn_count - 1, __ATOMIC_RELAXED);
}
