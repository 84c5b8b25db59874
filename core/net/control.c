/* Where rendctl comes in: see control.h. */
#include "net/control.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "engine/generation.h"
#include "net/caller.h"
#include "net/exposition.h"
#include "net/heir.h"
#include "net/keeper.h"
#include "net/listener.h"
#include "net/renewal.h"
#include "net/runner.h"
#include "net/scrape.h"
#include "net/server.h"

struct control {
	struct server *server;
	struct listener at;
	struct event *event, *pause;
	struct callers callers;
	bool rests;
};

/* How long nobody is taken in when there is no descriptor for one. */
static const struct timeval pause_time = { .tv_usec = 100 * 1000 };

static struct server *
server_of(const struct caller *c)
{
	return ((const struct control *)c->callers->arg)->server;
}

static void
refuse(struct caller *c, int exit_code, const char *text)
{
	caller_answer(c, exit_code, text, strlen(text));
}

static void
refuse_with(struct caller *c, const struct rend_error *err)
{
	char line[sizeof err->text + 1];
	int len = snprintf(line, sizeof line, "%s\n", err->text);

	caller_answer(c, err->exit_code, line, (size_t)len);
}

/* ---- what can be asked ---- */

static void
say_status(struct caller *c, char *arg)
{
	struct server *s = server_of(c);
	const struct generation *g = server_generation(s);
	struct strbuf b = { .most = CALLER_ANSWER_MAX };

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
	if (runner_under_way(s->runner) != NULL)
		strbuf_printf(&b, "command %s\n", runner_under_way(s->runner));
	caller_answer(c, b.broken ? EX_OSERR : 0, b.text, b.len);
	strbuf_fini(&b);
}

static void
say_stats(struct caller *c, char *arg)
{
	struct server *s = server_of(c);
	struct exposition e = { .out.most = CALLER_ANSWER_MAX };

	(void)arg;
	pthread_mutex_lock(&s->view);
	scrape(s, NULL, &e);
	pthread_mutex_unlock(&s->view);
	if (e.out.broken)
		refuse(c, EX_OSERR, "no memory\n");
	else
		caller_answer(c, 0, e.out.text, e.out.len);
	exposition_fini(&e);
}

static void
reload(struct caller *c, char *arg)
{
	struct server *s = server_of(c);

	(void)arg;
	if (s->draining) {
		refuse(c, EX_TEMPFAIL, "the server is ending\n");
	} else if (!renewal_reload(s)) {
		refuse(c, EX_TEMPFAIL, "another reload, or an upgrade, is under way\n");
	} else {
		caller_wait(c, CALLER_RENEWAL);
	}
}

static bool
refuse_upgrade(struct caller *c)
{
	const char *why = renewal_hinders(server_of(c));
	char line[256];

	if (why == NULL)
		return false;
	snprintf(line, sizeof line, "%s\n", why);
	refuse(c, EX_TEMPFAIL, line);
	return true;
}

static void
upgrade(struct caller *c, char *arg)
{
	struct server *s = server_of(c);

	(void)arg;
	if (refuse_upgrade(c))
		return;
	if (!renewal_upgrade(s))
		refuse(c, EX_TEMPFAIL, "it cannot be begun\n");
	else
		caller_wait(c, CALLER_RENEWAL);
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
take_over(struct caller *c, char *arg)
{
	struct server *s = server_of(c);
	struct heir_at at;
	int pair[2];

	(void)arg;
	if (refuse_upgrade(c))
		return;
	if (process_of_peer(c->fd, &at.pid, &at.process) != 0) {
		refuse(c, EX_OSERR, "who has called cannot be watched\n");
		return;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		if (at.process >= 0)
			close(at.process);
		refuse(c, EX_OSERR, "there is no descriptor for it\n");
		return;
	}
	at.fd = pair[0];
	if (answer_with(c, pair[1])) {
		renewal_hand_over(s, &at);
	} else {
		close(at.fd);
		if (at.process >= 0)
			close(at.process);
	}
	close(pair[1]);
	caller_hang_up(&c);
}

static void
drain(struct caller *c, char *arg)
{
	struct server *s = server_of(c);

	(void)arg;
	caller_answer(c, 0, NULL, 0);
	rend_log(REND_LOG_INFO, "rendctl said drain: no connection is taken in any more, %u get their answers",
	    __atomic_load_n(&s->connections, __ATOMIC_RELAXED));
	server_drain(s);
}

static void
set_level(struct caller *c, char *arg)
{
	enum rend_log_level level;

	if (log_level_parse(arg, &level) != 0) {
		refuse(c, EX_USAGE, "a level is wanted: error, warn, info or debug\n");
		return;
	}
	log_set_level(level);
	rend_log(REND_LOG_INFO, "rendctl said loglevel %s", arg);
	caller_answer(c, 0, NULL, 0);
}

/* ---- commands of plugins ---- */

/* The value of a digit, or -1. */
static int
hex(char digit)
{
	return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* In place.  false: it is not written as control.h says, or has a \0 in it. */
static bool
decode(char *word)
{
	char *to = word;

	for (const char *p = word; *p != '\0'; p++) {
		int high, low;

		if (*p != '%') {
			*to++ = *p;
			continue;
		}
		if ((high = hex(*++p)) < 0 || (low = hex(*++p)) < 0 || high + low == 0)
			return false;
		*to++ = (char)(high << 4 | low);
	}
	*to = '\0';
	return true;
}

/* NAME COMMAND [ARG...] */
static void
tell_node(struct caller *c, char *arg)
{
	struct server *s = server_of(c);
	char *words[2 + RUNNER_ARGS_MAX + 1];
	struct rend_error err = { 0 };
	size_t count = 0;

	while (arg != NULL && count < sizeof words / sizeof *words) {
		char *end = strchr(arg, ' ');

		if (end != NULL)
			*end++ = '\0';
		words[count++] = arg;
		if (!decode(arg)) {
			refuse(c, EX_USAGE,
			    "a word is not as it should be: bytes are written as %0A, and there is no %00\n");
			return;
		}
		arg = end;
	}
	if (runner_begin(s->runner, words, count, &err) == 0) {
		caller_wait(c, CALLER_COMMAND);
		return;
	}
	refuse_with(c, &err);
}

static const struct {
	const char *word;
	bool has_arg;
	void (*fn)(struct caller *c, char *arg);
} requests[] = {
	{ "status", false, say_status },
	{ "reload", false, reload },
	{ "upgrade", false, upgrade },
	{ "takeover", false, take_over },
	{ "drain", false, drain },
	{ "stats", false, say_stats },
	{ "loglevel", true, set_level },
	{ "node", true, tell_node },
};

static void
carry_out(struct caller *c, char *line)
{
	char *arg = strchr(line, ' ');

	if (arg != NULL)
		*arg++ = '\0';
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		if (strcmp(line, requests[i].word) != 0)
			continue;
		if (requests[i].has_arg != (arg != NULL))
			refuse(c, EX_USAGE,
			    requests[i].has_arg ? "more words are wanted\n" : "no more words are wanted\n");
		else
			requests[i].fn(c, arg);
		return;
	}
	refuse(c, EX_USAGE, "unknown request\n");
}

/* ---- who comes in ---- */

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
	if (may_come_in(in) && control->callers.count < CONTROL_CONNS_MAX)
		caller_new(&control->callers, in);
	else
		close(in);
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
	c->callers = (struct callers){ .carry_out = carry_out, .arg = c };
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
	c->callers.base = c->server->base;
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
	callers_answer(&control->callers, CALLER_RENEWAL, r->exit_code, r->said->text, r->said->len);
}

void
control_ran(struct control *control, const struct runner_result *r)
{
	callers_answer(&control->callers, CALLER_COMMAND, r->exit_code, r->text, r->len);
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

bool
control_owes(struct control *c)
{
	return c != NULL && callers_are_owed(&c->callers);
}

void
control_free(struct control **cp)
{
	struct control *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	callers_hang_up(&c->callers);
	if (c->event != NULL)
		event_free(c->event);
	if (c->pause != NULL)
		event_free(c->pause);
	listener_close(&c->at);
	listener_fini(&c->at);
	free(c);
}
