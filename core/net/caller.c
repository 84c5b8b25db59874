/* One who asks at the control socket: see caller.h. */
#include "net/caller.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"

static void on_caller(evutil_socket_t fd, short what, void *arg);

void
caller_hang_up(struct caller **cp)
{
	struct caller *c = *cp;

	*cp = NULL;
	link_remove(&c->link);
	c->callers->count--;
	if (c->event != NULL)
		event_free(c->event);
	close(c->fd);
	strbuf_fini(&c->answer);
	free(c->line);
	free(c);
}

void
callers_hang_up(struct callers *all)
{
	struct link *k;

	while ((k = list_first(&all->all)) != NULL) {
		struct caller *c = LIST_OBJ(k, struct caller, link);

		caller_hang_up(&c);
	}
}

/* 0, or -1: it cannot be waited for. */
static int
await(struct caller *c)
{
	uint64_t now = clock_mono(), left = c->by > now ? c->by - now : 1000;

	return event_add(c->event, &(struct timeval){ .tv_sec = (time_t)(left / 1000000000),
				       .tv_usec = (suseconds_t)(left % 1000000000 / 1000) });
}

/* ---- answers ---- */

static void
say(struct caller *c)
{
	while (c->said < c->answer.len) {
		ssize_t n = send(c->fd, c->answer.text + c->said, c->answer.len - c->said, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			c->said += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			event_assign(c->event, c->callers->base, c->fd, EV_WRITE, on_caller, c);
			if (await(c) == 0)
				return;
		}
		break;
	}
	caller_hang_up(&c);
}

void
caller_answer(struct caller *c, int exit_code, const char *text, size_t len)
{
	char head[64], length[32] = "";
	struct strbuf all = { .most = CALLER_ANSWER_MAX };

	if (c->waits == CALLER_COMMAND)
		snprintf(length, sizeof length, " %zu", len);
	if (c->waits != CALLER_NOTHING)
		event_del(c->event);
	c->waits = CALLER_NOTHING;
	if (exit_code == 0)
		snprintf(head, sizeof head, "ok%s\n", length);
	else
		snprintf(head, sizeof head, "error %d%s\n", exit_code, length);
	strbuf_puts(&all, head);
	strbuf_add(&all, text, len);
	strbuf_fini(&c->answer);
	c->answer = all;
	c->by = clock_mono() + CALLER_NS;
	if (all.broken)
		caller_hang_up(&c);
	else
		say(c);
}

bool
callers_are_owed(struct callers *all)
{
	LIST_EACH (k, &all->all)
		if (LIST_OBJ(k, struct caller, link)->said < LIST_OBJ(k, struct caller, link)->answer.len)
			return true;
	return false;
}

void
callers_answer(struct callers *all, enum caller_wait what, int exit_code, const char *text, size_t len)
{
	LIST_EACH (k, &all->all) {
		struct caller *c = LIST_OBJ(k, struct caller, link);

		if (c->waits == what)
			caller_answer(c, exit_code, text, len);
	}
}

void
caller_wait(struct caller *c, enum caller_wait what)
{
	c->waits = what;
	event_assign(c->event, c->callers->base, c->fd, EV_READ, on_caller, c);
	if (event_add(c->event, NULL) != 0)
		caller_hang_up(&c);
}

/* ---- questions ---- */

/* What was heard so far is no end of a line, and fills its room.  false: there is no more. */
static bool
make_room(struct caller *c)
{
	size_t most = strncmp(c->line, CALLER_LONG, strlen(CALLER_LONG)) == 0 ? CALLER_LONG_MAX : CALLER_LINE_MAX;
	size_t room = c->room * 2 < most ? c->room * 2 : most;
	char *line = room > c->room ? realloc(c->line, room) : NULL;

	if (line == NULL)
		return false;
	c->line = line;
	c->room = room;
	return true;
}

static void
take(struct caller *c, size_t n)
{
	static const char too_long[] = "the line is too long\n", odd[] = "there is a byte 0 in the line\n";
	char *nl = memchr(c->line + c->len, '\n', n);

	c->len += n;
	if (nl != NULL && memchr(c->line, '\0', (size_t)(nl - c->line)) != NULL) {
		caller_answer(c, EX_USAGE, odd, strlen(odd));
	} else if (nl != NULL) {
		*nl = '\0';
		c->len = 0;
		c->callers->carry_out(c, c->line);
	} else if (c->len == c->room && !make_room(c)) {
		caller_answer(c, EX_USAGE, too_long, strlen(too_long));
	} else if (await(c) != 0) {
		caller_hang_up(&c);
	}
}

static void
hear(struct caller *c)
{
	ssize_t n = recv(c->fd, c->line + c->len, c->room - c->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
		if ((c->waits != CALLER_NOTHING ? event_add(c->event, NULL) : await(c)) != 0)
			caller_hang_up(&c);
		return;
	}
	/* It may have closed its side only, and read on. */
	if (n == 0 && c->waits != CALLER_NOTHING)
		return;
	/* Whoever waits has said all it may say; if it goes, what it asked for goes on. */
	if (n <= 0 || c->waits != CALLER_NOTHING)
		caller_hang_up(&c);
	else
		take(c, (size_t)n);
}

static void
on_caller(evutil_socket_t fd, short what, void *arg)
{
	struct caller *c = arg;

	(void)fd;
	if (what & EV_TIMEOUT)
		caller_hang_up(&c);
	else if (what & EV_WRITE)
		say(c);
	else
		hear(c);
}

void
caller_new(struct callers *all, int fd)
{
	struct caller *c = calloc(1, sizeof *c);

	if (c == NULL) {
		close(fd);
		return;
	}
	c->callers = all;
	c->fd = fd;
	c->by = clock_mono() + CALLER_NS;
	c->line = calloc(1, CALLER_LINE_MAX);
	c->room = CALLER_LINE_MAX;
	list_append(&all->all, &c->link);
	all->count++;
	c->event = event_new(all->base, fd, EV_READ, on_caller, c);
	if (c->line == NULL || c->event == NULL || await(c) != 0)
		caller_hang_up(&c);
}
