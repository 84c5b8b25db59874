/* Where rendctl comes in: see control.h. */
#include "net/control.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "engine/generation.h"
#include "net/exposition.h"
#include "net/keeper.h"
#include "net/listener.h"
#include "net/renewal.h"
#include "net/scrape.h"
#include "net/server.h"

#define ANSWER_MAX (4 * 1024 * 1024)

struct caller {
	struct control *control;
	struct link link;
	int fd;
	struct event *event;
	char line[CONTROL_LINE_MAX];
	size_t len;
	struct strbuf answer;
	size_t said;
	bool waits;  /* for a reload, or an upgrade */
	uint64_t by; /* until when it may ask, and from its answer on, until when it may read: monotonic ns */
};

struct control {
	struct server *server;
	struct listener at;
	struct event *event, *pause;
	struct list callers;
	unsigned count;
	bool rests;
};

/* How long nobody is taken in when there is no descriptor for one. */
static const struct timeval pause_time = { .tv_usec = 100 * 1000 };

static void on_caller(evutil_socket_t fd, short what, void *arg);

static void
hang_up(struct caller **cp)
{
	struct caller *c = *cp;

	*cp = NULL;
	link_remove(&c->link);
	c->control->count--;
	if (c->event != NULL)
		event_free(c->event);
	close(c->fd);
	strbuf_fini(&c->answer);
	free(c);
}

/* 0, or -1: it cannot be waited for. */
static int
await(struct caller *c)
{
	uint64_t now = rend_now(), left = c->by > now ? c->by - now : 1000;

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
			event_assign(c->event, c->control->server->base, c->fd, EV_WRITE, on_caller, c);
			if (await(c) == 0)
				return;
		}
		break;
	}
	hang_up(&c);
}

/* The answer has been put together, but for what comes of it. */
static void
answer(struct caller *c, int exit_code, const char *text, size_t len)
{
	char head[32];
	struct strbuf all = { .most = ANSWER_MAX };

	snprintf(head, sizeof head, exit_code == 0 ? "ok\n" : "error %d\n", exit_code);
	strbuf_puts(&all, head);
	strbuf_add(&all, text, len);
	strbuf_fini(&c->answer);
	c->answer = all;
	c->by = rend_now() + CONTROL_NS;
	if (all.broken) {
		hang_up(&c);
		return;
	}
	say(c);
}

static void
refuse(struct caller *c, int exit_code, const char *text)
{
	answer(c, exit_code, text, strlen(text));
}

/* ---- what can be asked ---- */

static void
say_status(struct caller *c, const char *arg)
{
	struct server *s = c->control->server;
	const struct generation *g = server_generation(s);
	struct strbuf b = { .most = ANSWER_MAX };

	(void)arg;
	strbuf_printf(&b, "version %s\npid %ld\nuptime %llu\n", PACKAGE_VERSION, (long)getpid(),
	    (unsigned long long)((rend_now() - s->began) / 1000000000));
	strbuf_printf(&b, "state %s\n", s->draining ? "ends" : keeper_is_busy(s->keeper) ? "reloads" : "serves");
	strbuf_printf(&b, "connections %u\n", __atomic_load_n(&s->connections, __ATOMIC_RELAXED));
	strbuf_printf(&b, "generation %llu\n", (unsigned long long)g->number);
	strbuf_printf(&b, "generations_ending %u\n", keeper_old(s->keeper));
	strbuf_printf(&b, "reloads %llu\nreloads_refused %llu\n", (unsigned long long)s->reloads,
	    (unsigned long long)s->reloads_refused);
	for (size_t i = 0; i < s->listener_count; i++) {
		const struct listener *l = &s->listeners[i];

		if (l->fd >= 0)
			strbuf_printf(&b, "listener %s %s %s\n", l->name, l->own.policy->name,
			    plugin_name(l->own.policy->plugin));
	}
	for (size_t i = 0; i < g->count; i++)
		strbuf_printf(&b, "node %s %s%s\n", g->nodes[i]->name, plugin_name(g->nodes[i]->plugin),
		    g->nodes[i]->idle ? " idle" : "");
	answer(c, b.broken ? EX_OSERR : 0, b.text, b.len);
	strbuf_fini(&b);
}

static void
say_stats(struct caller *c, const char *arg)
{
	struct server *s = c->control->server;
	struct exposition e = { .out.most = ANSWER_MAX };

	(void)arg;
	pthread_mutex_lock(&s->view);
	scrape(s, NULL, &e);
	pthread_mutex_unlock(&s->view);
	if (e.out.broken)
		refuse(c, EX_OSERR, "no memory\n");
	else
		answer(c, 0, e.out.text, e.out.len);
	exposition_fini(&e);
}

static void
await_end(struct caller *c)
{
	c->waits = true;
	event_assign(c->event, c->control->server->base, c->fd, EV_READ, on_caller, c);
	if (event_add(c->event, NULL) != 0)
		hang_up(&c);
}

static void
reload(struct caller *c, const char *arg)
{
	struct server *s = c->control->server;

	(void)arg;
	if (s->draining) {
		refuse(c, EX_TEMPFAIL, "the server is ending\n");
	} else if (!renewal_reload(s)) {
		refuse(c, EX_TEMPFAIL, "another reload, or an upgrade, is under way\n");
	} else {
		await_end(c);
	}
}

static bool
refuse_upgrade(struct caller *c)
{
	const char *why = renewal_hinders(c->control->server);
	char line[128];

	if (why == NULL)
		return false;
	snprintf(line, sizeof line, "%s\n", why);
	refuse(c, EX_TEMPFAIL, line);
	return true;
}

static void
upgrade(struct caller *c, const char *arg)
{
	struct server *s = c->control->server;

	(void)arg;
	if (refuse_upgrade(c))
		return;
	if (!renewal_upgrade(s))
		refuse(c, EX_TEMPFAIL, "it cannot be begun\n");
	else
		await_end(c);
}

/* "ok\n", and beside it the descriptor. */
static bool
answer_with(struct caller *c, int fd)
{
	char control[CMSG_SPACE(sizeof fd)] __attribute__((aligned(8))) = "";
	struct iovec iov = { (char *)(uintptr_t) "ok\n", 3 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(h), &fd, sizeof fd);
	return sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == 3;
}

/* A new process asks: it gets the other end of a pair. */
static void
take_over(struct caller *c, const char *arg)
{
	struct server *s = c->control->server;
	struct ucred who = { 0 };
	socklen_t len = sizeof who;
	int pair[2];

	(void)arg;
	if (refuse_upgrade(c))
		return;
	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		refuse(c, EX_OSERR, "there is no descriptor for it\n");
		return;
	}
	if (answer_with(c, pair[1]))
		renewal_hand_over(s, pair[0], who.pid);
	else
		close(pair[0]);
	close(pair[1]);
	hang_up(&c);
}

static void
drain(struct caller *c, const char *arg)
{
	struct server *s = c->control->server;

	(void)arg;
	answer(c, 0, NULL, 0);
	rend_log(REND_LOG_INFO, "rendctl said drain: no connection is taken in any more, %u get their answers",
	    __atomic_load_n(&s->connections, __ATOMIC_RELAXED));
	server_drain(s);
}

static void
set_level(struct caller *c, const char *arg)
{
	enum rend_log_level level;

	if (log_level_parse(arg, &level) != 0) {
		refuse(c, EX_USAGE, "a level is wanted: error, warn, info or debug\n");
		return;
	}
	log_set_level(level);
	rend_log(REND_LOG_INFO, "rendctl said loglevel %s", arg);
	answer(c, 0, NULL, 0);
}

static const struct {
	const char *word;
	bool has_arg;
	void (*fn)(struct caller *c, const char *arg);
} requests[] = {
	{ "status", false, say_status },
	{ "reload", false, reload },
	{ "upgrade", false, upgrade },
	{ "takeover", false, take_over },
	{ "drain", false, drain },
	{ "stats", false, say_stats },
	{ "loglevel", true, set_level },
};

static void
carry_out(struct caller *c)
{
	char *arg = strchr(c->line, ' ');

	if (arg != NULL)
		*arg++ = '\0';
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		if (strcmp(c->line, requests[i].word) != 0)
			continue;
		if (requests[i].has_arg != (arg != NULL))
			refuse(c, EX_USAGE,
			    requests[i].has_arg ? "one word more is wanted\n" : "no more words are wanted\n");
		else
			requests[i].fn(c, arg);
		return;
	}
	refuse(c, EX_USAGE, "unknown request\n");
}

/* ---- callers ---- */

static void
hear(struct caller *c)
{
	ssize_t n = recv(c->fd, c->line + c->len, sizeof c->line - c->len, MSG_DONTWAIT);
	char *nl;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
		if ((c->waits ? event_add(c->event, NULL) : await(c)) != 0)
			hang_up(&c);
		return;
	}
	/* It may have closed its side only, and read on. */
	if (n == 0 && c->waits)
		return;
	/* Whoever waits has said all it may say; if it goes, the reload goes on. */
	if (n <= 0 || c->waits) {
		hang_up(&c);
		return;
	}
	c->len += (size_t)n;
	nl = memchr(c->line, '\n', c->len);
	if (nl == NULL && c->len == sizeof c->line) {
		refuse(c, EX_USAGE, "the line is too long\n");
	} else if (nl == NULL) {
		if (await(c) != 0)
			hang_up(&c);
	} else {
		*nl = '\0';
		carry_out(c);
	}
}

static void
on_caller(evutil_socket_t fd, short what, void *arg)
{
	struct caller *c = arg;

	(void)fd;
	if (what & EV_TIMEOUT)
		hang_up(&c);
	else if (what & EV_WRITE)
		say(c);
	else
		hear(c);
}

/* Its mode keeps others out already, but modes can be changed. */
static bool
may_come_in(int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && (who.uid == 0 || who.uid == geteuid());
}

static void
on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;

	(void)fd;
	(void)what;
	if (!control->rests)
		event_add(control->event, NULL);
}

static void
on_call(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;
	int in = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct caller *c;

	(void)what;
	if (in < 0) {
		/* It would be told again at once. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			rend_log(
			    REND_LOG_ERROR, "control: accept: %s: nobody is taken in for a moment", strerror(errno));
			event_del(control->event);
			event_add(control->pause, &pause_time);
		}
		return;
	}
	if (!may_come_in(in) || control->count == CONTROL_CONNS_MAX || (c = calloc(1, sizeof *c)) == NULL) {
		close(in);
		return;
	}
	c->control = control;
	c->fd = in;
	c->by = rend_now() + CONTROL_NS;
	list_append(&control->callers, &c->link);
	control->count++;
	c->event = event_new(control->server->base, in, EV_READ, on_caller, c);
	if (c->event == NULL || await(c) != 0)
		hang_up(&c);
}

/* ---- the whole ---- */

struct control *
control_new(struct server *s, const char *path, struct rend_error *err)
{
	struct listener_settings at = { .path = (char *)(uintptr_t)path, .mode = 0600 };
	struct control *c = calloc(1, sizeof *c);

	if (c == NULL) {
		error_set(err, EX_OSERR, "no memory for the control socket");
		return NULL;
	}
	c->server = s;
	if (listener_open(&c->at, s, &at, err) != 0) {
		listener_fini(&c->at);
		free(c);
		return NULL;
	}
	return c;
}

int
control_start(struct control *c, struct rend_error *err)
{
	c->event = event_new(c->server->base, c->at.fd, EV_READ | EV_PERSIST, on_call, c);
	c->pause = event_new(c->server->base, -1, 0, on_pause_over, c);
	if (c->event == NULL || c->pause == NULL || event_add(c->event, NULL) != 0)
		return error_set(err, EX_OSERR, "no memory for the control socket");
	rend_log(REND_LOG_INFO, "control socket at %s", c->at.name);
	return 0;
}

void
control_reloaded(struct control *control, const struct keeper_result *r)
{
	struct link *k = list_first(&control->callers), *next;

	for (; k != NULL; k = next) {
		struct caller *c = LIST_OBJ(k, struct caller, link);

		next = list_next(&control->callers, k);
		if (!c->waits)
			continue;
		c->waits = false;
		event_del(c->event);
		answer(c, r->exit_code, r->said->text, r->said->len);
	}
}

void
control_upgraded(struct control *control, const struct keeper_result *r)
{
	control_reloaded(control, r);
	if (r->exit_code != 0)
		return;
	if (control->event != NULL)
		event_free(control->event);
	if (control->pause != NULL)
		event_free(control->pause);
	control->event = control->pause = NULL;
	listener_leave(&control->at);
}

void
control_rest(struct control *c)
{
	c->rests = true;
	if (c->event != NULL)
		event_del(c->event);
}

void
control_go_on(struct control *c)
{
	if (!c->rests)
		return;
	c->rests = false;
	event_add(c->event, NULL);
}

struct listener *
control_listener(struct control *c)
{
	return c == NULL || c->at.fd < 0 ? NULL : &c->at;
}

void
control_free(struct control **cp)
{
	struct control *c = *cp;
	struct link *k;

	*cp = NULL;
	if (c == NULL)
		return;
	while ((k = list_first(&c->callers)) != NULL) {
		struct caller *caller = LIST_OBJ(k, struct caller, link);

		hang_up(&caller);
	}
	if (c->event != NULL)
		event_free(c->event);
	if (c->pause != NULL)
		event_free(c->pause);
	listener_close(&c->at);
	listener_fini(&c->at);
	free(c);
}
