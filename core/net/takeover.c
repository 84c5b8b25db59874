/* The new process's side of an upgrade: see takeover.h. */
#include "net/takeover.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/process.h"
#include "net/arrivals.h"
#include "net/legacy_counts.h"
#include "net/legacy_sockets.h"
#include "net/letter.h"
#include "net/listener.h"
#include "net/parcel_letter.h"
#include "net/passage.h"
#include "net/server.h"
#include "rend/log.h"

/* Longer than the old process takes for any step: it is the one that gives up.  Before it gives it may wait for handover_timeout, a minute at most. */
#define STEP_NS 60000000000ULL
#define GIVE_NS 120000000000ULL

/* How long it may take to answer a call. */
#define CALL_NS 10000000000ULL

/* How long it is tried to say why it came to nothing. */
#define FAIL_NS 1000000000ULL

/* How many letters are heard at once at most. */
#define AT_ONCE 100

/* Input that is in memory until the clients are at their workers: so much of it nobody sends before everybody is served. */
#define INPUT_MAX (2 * PASSAGE_BYTES)

/* More letters of what was counted nobody sends: each waits in memory until a worker has taken it. */
#define COUNTS_MAX 4096

/* How long a process that has closed its end may take to be dead. */
#define DEATH_NS 2000000000ULL

struct takeover {
	int fd;
	int old; /* the old process; -1: nobody can tell whether it lives */
	uint64_t began;
	int64_t began_wall;
	struct inherited sockets;
	struct parcels parcels;
	struct passenger *all;
	size_t count, room;
	size_t bytes;	 /* of their input that are in memory */
	unsigned counts; /* letters of what was counted */
	uint64_t until;	 /* when the step that is under way is over: monotonic ns */
	bool alone; /* the old process died, after it had said that what is exclusive may be opened */
	struct server *server;
	struct event *event; /* those that follow */
	int next_loop;
	struct letter letter;
};

struct takeover *
takeover_new(int fd)
{
	struct takeover *t = calloc(1, sizeof *t);
	pid_t pid;

	if (t == NULL) {
		close(fd);
		return NULL;
	}
	t->fd = fd;
	/* Who has made the pair.  It is the one that answers our hello after this, so its number was not another one's in between. */
	if (process_of_peer(fd, &pid, &t->old) != 0)
		t->old = -1;
	return t;
}

struct inherited *
takeover_sockets(struct takeover *t)
{
	return &t->sockets;
}

uint64_t
takeover_began(const struct takeover *t)
{
	return t->began;
}

int64_t
takeover_began_wall(const struct takeover *t)
{
	return t->began_wall;
}

void
takeover_free(struct takeover **tp)
{
	struct takeover *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	if (t->event != NULL)
		event_free(t->event);
	while (t->count > 0)
		passage_drop(&t->all[--t->count]);
	free(t->all);
	parcels_fini(&t->parcels);
	inherited_fini(&t->sockets);
	if (t->fd >= 0)
		close(t->fd);
	if (t->old >= 0)
		close(t->old);
	free(t);
}

/* ---- the call ---- */

/* "ok\n" with one end of a pair, or "error 75\n" and why. */
static int
hear_answer(int fd, struct rend_error *err)
{
	char text[512];
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = { text, sizeof text - 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
	};
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct cmsghdr *c;
	ssize_t n = -1;
	int in = -1;

	if (poll(&p, 1, (int)(CALL_NS / 1000000)) == 1)
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n <= 0)
		return error_set(err, EX_UNAVAILABLE, "takeover: no answer from there");
	c = CMSG_FIRSTHDR(&msg);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&in, CMSG_DATA(c), sizeof in);
	text[n] = '\0';
	if (msg.msg_flags & MSG_CTRUNC) {
		if (in >= 0)
			close(in);
		return error_set(err, EX_OSERR, "takeover: %s", letter_got_says(LETTER_NO_FILES));
	}
	if (strncmp(text, "ok\n", 3) == 0 && in >= 0)
		return in;
	if (in >= 0)
		close(in);
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	return error_set(err, EX_TEMPFAIL, "takeover: refused: %s", text);
}

struct takeover *
takeover_call(const char *path, struct rend_error *err)
{
	static const char ask[] = "takeover\n";
	/* One that hangs has a backlog that is full. */
	static const struct timeval patience = { .tv_sec = CALL_NS / 1000000000 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct takeover *t = NULL;
	int fd, in = -1;

	if (strlen(path) >= sizeof un.sun_path) {
		error_set(err, EX_USAGE, "takeover: the path is too long");
		return NULL;
	}
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
	    connect(fd, (struct sockaddr *)&un, sizeof un) != 0 ||
	    send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) != (ssize_t)sizeof ask - 1)
		error_set(err, EX_UNAVAILABLE, "takeover: %s: %s", path, strerror(errno));
	else
		in = hear_answer(fd, err);
	if (fd >= 0)
		close(fd);
	if (in < 0)
		return NULL;
	t = takeover_new(in);
	if (t == NULL)
		error_set(err, EX_OSERR, "no memory for a takeover");
	return t;
}

/* ---- letters ---- */

/* What is not expected: why the old process serves on, or that it is gone. */
static int
no_more(struct takeover *t, enum letter_got got, struct rend_error *err)
{
	char text[sizeof err->text - 64];

	if (got == LETTER_HERE && t->letter.type == LETTER_ABORT) {
		letter_get_text(&t->letter, text, sizeof text);
		if (letter_finish(&t->letter))
			return error_set(err, EX_TEMPFAIL, "takeover: the old process serves on: %s", text);
		got = LETTER_BAD;
	} else if (got == LETTER_HERE) {
		t->letter.broken = true;
		letter_finish(&t->letter);
	}
	return error_set(err, got == LETTER_NO_FILES ? EX_OSERR : EX_PROTOCOL, "takeover: the old process: %s",
	    letter_got_says(got));
}

/* All that is heard in a step is heard in that time: a letter now and then does not lengthen it. */
static void
begin_step(struct takeover *t, uint64_t ns)
{
	t->until = clock_mono() + ns;
}

static enum letter_got
receive(struct takeover *t)
{
	return letter_receive(t->fd, &t->letter, t->until, NULL);
}

static int
say(struct takeover *t, enum letter_type type, struct rend_error *err)
{
	if (letter_send_bare(t->fd, type, t->until) == 0)
		return 0;
	return error_set(err, EX_PROTOCOL, "takeover: the old process cannot be told: %s", strerror(errno));
}

void
takeover_fail(struct takeover *t, int exit_code, const char *text)
{
	char some[LETTER_TEXT_MAX / 4];
	size_t len;

	snprintf(some, sizeof some, "%s", text);
	len = strlen(some);
	while (len > 0 && some[len - 1] == '\n')
		some[--len] = '\0';
	letter_begin(&t->letter, LETTER_FAILED);
	letter_put_u64(&t->letter, (uint64_t)exit_code);
	letter_put_text(&t->letter, some);
	if (letter_send(t->fd, &t->letter, clock_mono() + FAIL_NS) != 0)
		errno = 0;
}

/* ---- the steps ---- */

static int
hear_sockets(struct takeover *t, struct rend_error *err)
{
	for (;;) {
		enum letter_got got = receive(t);

		if (got == LETTER_HERE && t->letter.type == LETTER_SOCKETS && letter_finish(&t->letter))
			return 0;
		if (got != LETTER_HERE || t->letter.type != LETTER_SOCKET)
			return no_more(t, got, err);
		if (legacy_read_socket(&t->letter, &t->sockets) != 0)
			return error_set(
			    err, EX_PROTOCOL, "takeover: a socket of the old process is not to be believed");
	}
}

int
takeover_hear(struct takeover *t, struct rend_error *err)
{
	enum letter_got got;

	begin_step(t, STEP_NS);
	letter_begin(&t->letter, LETTER_HELLO);
	letter_put_text(&t->letter, PACKAGE_VERSION);
	if (letter_send(t->fd, &t->letter, t->until) != 0)
		return error_set(err, EX_PROTOCOL, "takeover: the old process cannot be told: %s", strerror(errno));
	got = receive(t);
	if (got != LETTER_HERE || t->letter.type != LETTER_WELCOME)
		return no_more(t, got, err);
	hash_seed(letter_get_u64(&t->letter));
	t->began = letter_get_u64(&t->letter);
	t->began_wall = (int64_t)letter_get_u64(&t->letter);
	if (!letter_finish(&t->letter) || t->began > clock_mono())
		return error_set(err, EX_PROTOCOL, "takeover: the old process: %s", letter_got_says(LETTER_HERE));
	return hear_sockets(t, err);
}

int
takeover_ready(struct takeover *t, struct rend_error *err)
{
	enum letter_got got;

	begin_step(t, GIVE_NS);
	if (say(t, LETTER_READY, err) != 0)
		return -1;
	while ((got = receive(t)) == LETTER_HERE && t->letter.type == LETTER_PARCEL)
		if (parcel_letter_read(&t->letter, &t->parcels) != 0)
			return error_set(
			    err, EX_PROTOCOL, "takeover: what a store of the old process gives is not to be believed");
	if (got == LETTER_HERE && t->letter.type == LETTER_YOURS && letter_finish(&t->letter))
		return 0;
	return no_more(t, got, err);
}

struct parcels *
takeover_parcels(struct takeover *t)
{
	return &t->parcels;
}

static int
make_room(struct takeover *t)
{
	size_t room = t->room == 0 ? 1024 : t->room * 2;
	struct passenger *all;

	if (t->count < t->room)
		return 0;
	all = reallocarray(t->all, room, sizeof *all);
	if (all == NULL)
		return -1;
	t->all = all;
	t->room = room;
	return 0;
}

static int
add_passengers(struct takeover *t)
{
	do {
		struct passenger *p;

		if (t->bytes > INPUT_MAX || make_room(t) != 0 || passage_read(&t->letter, &t->all[t->count]) != 0) {
			t->letter.broken = true;
			break;
		}
		p = &t->all[t->count++];
		t->bytes += p->file < 0 ? p->in_len : 0;
	} while (letter_has_more(&t->letter));
	return letter_finish(&t->letter) ? 0 : -1;
}

/*
 * The old process has closed its end.  1: it is dead, and nobody else serves; -1: it is not, or has said before that it serves on.
 */
static int
outlive(struct takeover *t, struct rend_error *err)
{
	enum letter_got got;

	while ((got = receive(t)) == LETTER_HERE && t->letter.type != LETTER_ABORT) {
		t->letter.broken = true;
		letter_finish(&t->letter);
	}
	if (got != LETTER_END)
		return no_more(t, got, err);
	if (process_is_dead(t->old, clock_mono() + DEATH_NS))
		return 1;
	return error_set(
	    err, EX_PROTOCOL, "takeover: the old process is not there any more, but nothing proves that it is dead");
}

/* Begins a step.  0; 1: the old process is dead. */
static int
say_or_outlive(struct takeover *t, enum letter_type type, struct rend_error *err)
{
	begin_step(t, STEP_NS);
	if (letter_send_bare(t->fd, type, t->until) == 0)
		return 0;
	if (errno == EPIPE || errno == ECONNRESET)
		return outlive(t, err);
	return error_set(err, EX_PROTOCOL, "takeover: the old process cannot be told: %s", strerror(errno));
}

static int
add_counts(struct takeover *t, struct server *s)
{
	struct legacy_counts c;

	if (++t->counts > COUNTS_MAX) {
		t->letter.broken = true;
		letter_finish(&t->letter);
		return -1;
	}
	return legacy_read_counts(&t->letter, &c) == 0 ? legacy_add_counts(s, &t->sockets, &c) : -1;
}

/* Connections and counts until there are no more.  0; 1: the old process is dead. */
static int
collect(struct takeover *t, struct server *s, struct rend_error *err)
{
	for (;;) {
		enum letter_got got = receive(t);
		int rc = 0;

		if (got == LETTER_END)
			return outlive(t, err);
		if (got == LETTER_HERE && t->letter.type == LETTER_ALL && letter_finish(&t->letter))
			return 0;
		if (got == LETTER_HERE && t->letter.type == LETTER_CONN)
			rc = add_passengers(t);
		else if (got == LETTER_HERE && t->letter.type == LETTER_COUNTS)
			rc = add_counts(t, s);
		else
			return no_more(t, got, err);
		if (rc != 0)
			return error_set(
			    err, EX_PROTOCOL, "takeover: a letter of the old process is not to be believed");
	}
}

/* 0; 1: it is dead. */
static int
await_go(struct takeover *t, struct rend_error *err)
{
	int rc = say_or_outlive(t, LETTER_PREPARED, err);
	enum letter_got got;

	if (rc != 0)
		return rc;
	got = receive(t);
	if (got == LETTER_END)
		return outlive(t, err);
	if (got == LETTER_HERE && t->letter.type == LETTER_GO && letter_finish(&t->letter))
		return 0;
	return no_more(t, got, err);
}

int
takeover_collect(struct takeover *t, struct server *s, struct rend_error *err)
{
	int rc = say_or_outlive(t, LETTER_TAKEN, err);

	if (rc == 0)
		rc = collect(t, s, err);
	if (rc == 0)
		rc = await_go(t, err);
	/* Nobody else serves, and all that came is there. */
	t->alone = rc == 1;
	return rc < 0 ? -1 : 0;
}

/* ---- serving ---- */

static struct loop *
next_loop(struct takeover *t)
{
	struct loop *l = &t->server->loops[t->next_loop];

	t->next_loop = (t->next_loop + 1) % t->server->loop_count;
	return l;
}

/* In turn: clients that came one after the other often do the same. */
static void
seat_all(struct takeover *t)
{
	size_t loops = (size_t)t->server->loop_count;

	for (size_t i = 0; i < loops && i < t->count; i++)
		arrivals_seat(t->server, next_loop(t), &t->sockets, &t->all[i], t->count - i, loops);
	t->count = 0;
}

/* More that follow.  false: they are not to be believed. */
static bool
seat_letter(struct takeover *t)
{
	struct passenger p;

	do {
		if (passage_read(&t->letter, &p) == 0)
			arrivals_seat(t->server, next_loop(t), &t->sockets, &p, 1, 1);
	} while (letter_has_more(&t->letter));
	return letter_finish(&t->letter);
}

static void
say_end(struct takeover *t, bool by_itself)
{
	event_free(t->event);
	t->event = NULL;
	close(t->fd);
	t->fd = -1;
	if (by_itself)
		rend_log(REND_LOG_INFO, "takeover: the old process has nothing left");
	else
		rend_log(REND_LOG_WARN, "takeover: the old process is gone, with the clients that it had yet");
}

/* false: none was there. */
static bool
hear_letter(struct takeover *t)
{
	enum letter_got got = letter_receive(t->fd, &t->letter, 0, NULL);

	if (got == LETTER_LATE)
		return false;
	if (got == LETTER_HERE && t->letter.type == LETTER_CONN) {
		if (!seat_letter(t))
			rend_log(
			    REND_LOG_ERROR, "takeover: a connection that the old process passes is not to be believed");
		return true;
	}
	/* One for which no file can be opened is lost; the next ones may not be. */
	if (got == LETTER_NO_FILES) {
		rend_log(REND_LOG_ERROR, "takeover: a client of the old process is cut: %s", letter_got_says(got));
		return true;
	}
	if (got == LETTER_HERE) {
		bool bye = t->letter.type == LETTER_BYE && letter_finish(&t->letter);

		t->letter.broken = true;
		letter_finish(&t->letter);
		say_end(t, bye);
		return true;
	}
	say_end(t, false);
	return true;
}

static void
on_letter(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	hear_letter(arg);
}

bool
takeover_goes_on(struct takeover *t)
{
	for (int i = 0; i < AT_ONCE && t->event != NULL; i++)
		if (!hear_letter(t))
			break;
	return t->event != NULL;
}

void
takeover_begin(struct takeover *t, struct server *s)
{
	size_t count = t->count;

	t->server = s;
	/* Before anything is touched: until it hears this, the old process may take all of it back.  After GO it does so only when this
	 * process is dead. */
	if (!t->alone && letter_send_bare(t->fd, LETTER_SERVING, clock_mono() + STEP_NS) != 0)
		t->alone = true;
	inherited_drop(&t->sockets, true);
	seat_all(t);
	rend_log(REND_LOG_INFO, "takeover: %zu connections go on here%s", count,
	    t->alone ? "; the old process died meanwhile, with those that it had yet" : "");
	t->event = event_new(s->base, t->fd, EV_READ | EV_PERSIST, on_letter, t);
	if (t->event == NULL || event_add(t->event, NULL) != 0)
		rend_log(REND_LOG_ERROR, "takeover: no memory for the clients that the old process has yet");
}
