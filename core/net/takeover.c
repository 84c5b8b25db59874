/* The new process's side of an upgrade: see takeover.h. */
#include "net/takeover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/process.h"
#include "net/dial.h"
#include "net/followers.h"
#include "net/legacy_counts.h"
#include "net/legacy_sockets.h"
#include "net/letter.h"
#include "net/parcel_letter.h"
#include "net/passage.h"
#include "net/server.h"
#include "rend/log.h"

/* Longer than the old process takes for any step: it is the one that gives up.  Before it gives it may wait for handover_timeout, a minute at most. */
#define STEP_NS 60000000000ULL
#define GIVE_NS 120000000000ULL

/* How long it is tried to say why it came to nothing. */
#define FAIL_NS 1000000000ULL

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
	bool alone;	 /* the old process died, after it had said that what is exclusive may be opened */
	struct followers followers;
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
	t->followers.fd = -1;
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
	followers_fini(&t->followers);
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

struct takeover *
takeover_call(const char *path, struct rend_error *err)
{
	int fd = dial(path, err);
	struct takeover *t = fd < 0 ? NULL : takeover_new(fd);

	if (fd >= 0 && t == NULL)
		error_set(err, EX_OSERR, "no memory for a takeover");
	return t;
}

/* ---- letters ---- */

/* What is not expected: why the old process serves on, or that it is gone. */
static int
no_more(struct takeover *t, enum letter_got got, struct rend_error *err)
{
	char text[LETTER_TEXT_MAX];

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

/* A letter now and then does not lengthen a step.  Who is never silent is heard out: what it may say has an end, of each kind. */
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

void
takeover_hear_no_more(struct takeover *t)
{
	followers_fini(&t->followers);
}

bool
takeover_goes_on(struct takeover *t)
{
	return followers_come(&t->followers);
}

void
takeover_begin(struct takeover *t, struct server *s)
{
	size_t count = t->count;
	int fd;

	/* Before anything is touched: until it hears this, the old process may take all of it back.  After GO it does so only when this
	 * process is dead. */
	if (!t->alone && letter_send_bare(t->fd, LETTER_SERVING, clock_mono() + STEP_NS) != 0)
		t->alone = true;
	inherited_drop(&t->sockets, true);
	t->followers.server = s;
	t->followers.sockets = &t->sockets;
	t->followers.letter = &t->letter;
	followers_seat(&t->followers, t->all, count);
	free(t->all);
	t->all = NULL;
	t->count = t->room = 0;
	rend_log(REND_LOG_INFO, "takeover: %zu connections go on here%s", count,
	    t->alone ? "; the old process died meanwhile, with those that it had yet" : "");
	fd = t->fd;
	t->fd = -1;
	if (followers_begin(&t->followers, fd) != 0)
		rend_log(REND_LOG_ERROR, "takeover: no memory for the clients that the old process has yet");
}
