/* The old process's side of an upgrade: see heir.h. */
#include "net/heir.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/process.h"
#include "engine/generation.h"
#include "engine/parcels.h"
#include "net/control.h"
#include "net/crossing.h"
#include "net/keeper.h"
#include "net/legacy_counts.h"
#include "net/legacy_sockets.h"
#include "net/letter.h"
#include "net/parcel_letter.h"
#include "net/server.h"
#include "net/swap.h"
#include "rend/log.h"

#define SECOND_NS 1000000000ULL

/* How long the new one may take to read rend.conf and to load plugins, then to bind, and to open what it can beside us.  Everybody is served
 * meanwhile. */
#define HELLO_NS (120 * SECOND_NS)
#define READY_NS (120 * SECOND_NS)

/* And while everybody waits: what our stores may take to let go of their files; a step; and all of them together, until it is told to serve: most of that is for
 * what it has to open then. */
#define RELEASE_NS (5 * SECOND_NS)
#define STEP_NS	   (5 * SECOND_NS)
#define HELD_NS	   (30 * SECOND_NS)

/* How long one that follows may take to go. */
#define FOLLOW_NS (SECOND_NS / 50)

/* How many letters may lie before the one that says why it failed. */
#define REASON_LETTERS 16

/* How often those that are owed something are looked at. */
static const struct timespec look = { .tv_nsec = 5 * 1000 * 1000 };

struct heir {
	struct server *server;
	struct keeper *keeper;
	int fd;
	pid_t pid;
	int process; /* the same; -1: it cannot be told */
	bool ready;  /* it has answered since, so it is that one that lives */
	bool given;  /* stores have given it what they have, and so it must have ended before this process goes on */
	bool told_abort;
	bool began;	/* it has said that it serves, too late */
	bool late;	/* it said nothing in its time: it will not end by itself either */
	uint64_t until; /* while everybody waits: monotonic ns */
	const bool *stop;
	struct letter letter;
	int told;			    /* what came of what the main thread did */
	uint64_t held, gave, taken, passed; /* when: monotonic ns */
	struct rend_error *err;
};

/* ---- letters ---- */

static int
fail_send(struct rend_error *err)
{
	return error_set(err, EX_TEMPFAIL, "the new process cannot be told: %s",
	    errno == EPIPE || errno == ECONNRESET ? "it is gone" : strerror(errno));
}

/* A step, and no more than is left. */
static uint64_t
step_until(const struct heir *h)
{
	uint64_t until = clock_mono() + STEP_NS;

	return h->until != 0 && h->until < until ? h->until : until;
}

static int
send_bare(struct heir *h, enum letter_type type)
{
	return letter_send_bare(h->fd, type, step_until(h)) == 0 ? 0 : fail_send(h->err);
}

/* What is not wanted, with its descriptors. */
static void
drop(struct heir *h)
{
	h->began = h->began || h->letter.type == LETTER_SERVING;
	h->letter.broken = true;
	letter_finish(&h->letter);
}

/* What it says of itself is for people: it becomes the reason. */
static int
take_failed(struct letter *l, struct rend_error *err)
{
	char text[sizeof err->text - 64];
	int code = (int)letter_get_at_most(l, 255);

	letter_get_text(l, text, sizeof text);
	if (!letter_finish(l))
		return error_set(err, EX_PROTOCOL, "the new process failed, and did not say how");
	return error_set(err, code == 0 ? EX_SOFTWARE : code, "the new process: %s", text);
}

/* Whoever goes while it is told something may have said why: that is the reason then.  Who has much else to say is not listened to. */
static void
hear_reason(struct heir *h)
{
	for (int i = 0; i < REASON_LETTERS && letter_receive(h->fd, &h->letter, 0, NULL) == LETTER_HERE; i++) {
		if (h->letter.type == LETTER_FAILED) {
			take_failed(&h->letter, h->err);
			return;
		}
		drop(h);
	}
}

/* Waits for that one.  0: it is h->letter. */
static int
await(struct heir *h, enum letter_type type, uint64_t until)
{
	enum letter_got got = letter_receive(h->fd, &h->letter, until, h->stop);

	if (got == LETTER_HERE && h->letter.type == LETTER_FAILED)
		return take_failed(&h->letter, h->err);
	if (got == LETTER_HERE && h->letter.type == type)
		return 0;
	if (got == LETTER_HERE)
		drop(h);
	h->late = got == LETTER_LATE;
	return error_set(h->err, got == LETTER_BAD || got == LETTER_HERE ? EX_PROTOCOL : EX_TEMPFAIL,
	    "the new process: %s", letter_got_says(got));
}

static int
await_bare(struct heir *h, enum letter_type type, uint64_t until)
{
	if (await(h, type, until) != 0)
		return -1;
	if (letter_finish(&h->letter))
		return 0;
	return error_set(h->err, EX_PROTOCOL, "the new process: %s", letter_got_says(LETTER_HERE));
}

/* ---- before anybody waits ---- */

static int
greet(struct heir *h)
{
	struct server *s = h->server;
	char version[64];

	if (await(h, LETTER_HELLO, clock_mono() + HELLO_NS) != 0)
		return -1;
	letter_get_text(&h->letter, version, sizeof version);
	if (!letter_finish(&h->letter))
		return error_set(h->err, EX_PROTOCOL, "the new process: %s", letter_got_says(LETTER_HERE));
	rend_log(REND_LOG_INFO, "upgrade: a rend %s wants to take over", version);
	letter_begin(&h->letter, LETTER_WELCOME);
	letter_put_u64(&h->letter, hash_seed_now());
	letter_put_u64(&h->letter, s->began);
	letter_put_u64(&h->letter, (uint64_t)s->began_wall);
	return letter_send(h->fd, &h->letter, clock_mono() + STEP_NS) == 0 ? 0 : fail_send(h->err);
}

/* ---- on the main thread ---- */

static void
tell_sockets(void *arg)
{
	struct heir *h = arg;

	h->told = legacy_send_sockets(h->server, h->fd, clock_mono() + STEP_NS, h->err);
}

static void
rest(void *arg)
{
	struct heir *h = arg;

	h->told = server_rest(h->server) ? 0 : error_set(h->err, EX_TEMPFAIL, "the server is ending");
}

/* The new process listens at the same socket as soon as it serves, and there would be two answers to what rend does. */
static void
hush(void *arg)
{
	const struct heir *h = arg;

	if (h->server->control != NULL)
		control_rest(h->server->control);
}

static void
go_on(void *arg)
{
	server_go_on(((struct heir *)arg)->server);
}

static void
leave(void *arg)
{
	const struct heir *h = arg;

	server_leave(h->server, h->pid);
}

static int
on_main(struct heir *h, void (*fn)(void *arg))
{
	h->told = 0;
	if (!keeper_on_main(h->keeper, fn, h))
		return error_set(h->err, EX_TEMPFAIL, "the server is ending");
	return h->told;
}

/* ---- while everybody waits ---- */

/* Until nothing is under way; nobody is kept waiting for longer than reload_wait at a time. */
static int
hold(struct heir *h)
{
	const struct server_settings *settings = server_settings(h->server);
	struct generation *g = server_generation(h->server);
	uint64_t until = clock_mono() + settings->handover_timeout;

	if (g->older != NULL)
		return error_set(h->err, EX_TEMPFAIL, "an earlier generation has not ended yet: try again");
	for (;;) {
		switch (swap_hold(h->server, &g, 1, settings->reload_wait)) {
		case SWAP_HELD:
			return 0;
		case SWAP_BUSY:
			return error_set(h->err, EX_TEMPFAIL, "a worker is busy: try again");
		case SWAP_NOT_QUIET:
			break;
		}
		if (clock_mono() >= until || __atomic_load_n(h->stop, __ATOMIC_RELAXED) ||
		    __atomic_load_n(&h->server->draining, __ATOMIC_RELAXED))
			break;
		nanosleep(&look, NULL);
	}
	return error_set(h->err, EX_TEMPFAIL,
	    "requests under way did not end within handover_timeout (%llu ms): try again",
	    (unsigned long long)(settings->handover_timeout / 1000000));
}

/* Only what has proved to be the one that was opened: the number of one that had died by then may have been somebody else's. */
static void
end_heir(struct heir *h)
{
	if (h->ready)
		process_kill(h->process);
}

/* What it has to say nobody wants to know, but whether it began.  true: it says no more. */
static bool
drop_all(struct heir *h, uint64_t wait, uint64_t until)
{
	enum letter_got got;

	while ((got = letter_receive(h->fd, &h->letter, wait, NULL)) == LETTER_HERE) {
		drop(h);
		if (clock_mono() >= until)
			return false;
	}
	return got == LETTER_END;
}

/*
 * Is it dead by then?  That it says no more proves nothing, unless that is all that can be known of it; nor does it live because somebody else has its end of
 * the channel, too.  What it said before it died is heard.
 */
static bool
has_ended(struct heir *h, uint64_t until)
{
	bool dead, silent;

	do {
		uint64_t soon = clock_mono() + (uint64_t)look.tv_nsec;

		soon = soon < until ? soon : until;
		dead = process_is_dead(h->process, soon);
		silent = drop_all(h, h->process < 0 ? soon : 0, until);
	} while (!(h->process < 0 ? silent : dead) && clock_mono() < until);
	return h->process < 0 ? silent : dead;
}

/*
 * It was told to serve and has not said that it does.  It says so before it touches anything; but only when it is gone may we go on.
 */
static bool
is_gone(struct heir *h)
{
	end_heir(h);
	return has_ended(h, clock_mono() + STEP_NS);
}

static int
let_go(struct heir *h)
{
	enum letter_got got;

	if (letter_send_bare(h->fd, LETTER_GO, clock_mono() + STEP_NS) != 0)
		return fail_send(h->err);
	got = letter_receive(h->fd, &h->letter, clock_mono() + STEP_NS, NULL);
	if (got == LETTER_HERE && h->letter.type == LETTER_SERVING && letter_finish(&h->letter))
		return 0;
	if (got == LETTER_HERE && h->letter.type == LETTER_FAILED)
		take_failed(&h->letter, h->err);
	else
		error_set(h->err, EX_TEMPFAIL, "the new process: %s", letter_got_says(got));
	if (got == LETTER_HERE)
		drop(h);
	if (is_gone(h))
		return -1;
	rend_log(REND_LOG_ERROR,
	    "upgrade: the new process was told to serve, does not say that it does, and cannot be ended");
	return 0;
}

/* From the first letter of a connection on until it serves.  What was sent stays ours, too, until then. */
static int
pass(struct heir *h)
{
	h->taken = clock_mono();
	if (crossing_pass(h->server, h->fd, step_until(h), LETTER_FDS_MAX, h->err) != 0 ||
	    legacy_send_counts(h->server, h->fd, step_until(h), h->err) != 0 || send_bare(h, LETTER_ALL) != 0 ||
	    await_bare(h, LETTER_PREPARED, step_until(h)) != 0)
		return -1;
	h->passed = clock_mono();
	if (__atomic_load_n(&h->server->draining, __ATOMIC_RELAXED))
		return error_set(h->err, EX_TEMPFAIL, "the server is ending");
	return let_go(h);
}

/* Whoever cannot be told must not begin when it wakes up.  What it said before is not lost. */
static void
tell_abort(struct heir *h)
{
	if (h->told_abort)
		return;
	h->told_abort = true;
	hear_reason(h);
	letter_begin(&h->letter, LETTER_ABORT);
	letter_put_text(&h->letter, h->err->text);
	if (letter_send(h->fd, &h->letter, clock_mono() + STEP_NS) != 0 && errno != EPIPE && errno != ECONNRESET)
		end_heir(h);
}

/* ---- stores ---- */

static int
send_parcel(void *arg, const struct rend_node *n, const char *role, const struct rend_parcel *p, struct rend_error *err)
{
	const struct heir *h = arg;

	return parcel_letter_send(h->fd, n, role, p, step_until(h), err);
}

static int
give(struct heir *h)
{
	struct generation *g = server_generation(h->server);
	int rc;

	/* What is given is ours again only when the other one has ended, which nobody could see to. */
	if (h->process < 0) {
		rend_log(REND_LOG_WARN, "upgrade: which process the new one is cannot be told: its stores begin empty");
		return 0;
	}
	/* What came back in the turn in which it was found to be quiet is flushed; and then no plugin is told of a turn. */
	if (!swap_next_turn(h->server))
		return error_set(h->err, EX_TEMPFAIL, "a worker is busy: try again");
	h->given = true;
	parcels_stop(g);
	if (!swap_next_turn(h->server))
		return error_set(h->err, EX_TEMPFAIL, "a worker is busy: try again");
	/* Who looks at them waits. */
	pthread_mutex_lock(&h->server->view);
	rc = parcels_give(g, clock_mono() + RELEASE_NS, send_parcel, h, h->err);
	pthread_mutex_unlock(&h->server->view);
	return rc;
}

/* Until it has ended it may have what was given. */
static void
take_back(struct heir *h)
{
	struct server *s = h->server;

	if (!h->given)
		return;
	if (h->late)
		end_heir(h);
	tell_abort(h);
	if (!has_ended(h, clock_mono() + STEP_NS)) {
		end_heir(h);
		if (!has_ended(h, clock_mono() + STEP_NS))
			rend_log(
			    REND_LOG_ERROR, "upgrade: the new process was told to end, and killed, and is there yet");
	}
	/* Nobody looks at what may begin anew. */
	pthread_mutex_lock(&s->view);
	parcels_keep(server_generation(s));
	pthread_mutex_unlock(&s->view);
}

/* The rest of their wait is the new process's, which has them now. */
static void
say_times(const struct heir *h)
{
	uint64_t now = clock_mono();

	rend_log(REND_LOG_INFO,
	    "upgrade: clients have waited %.1f ms: %.1f until stores had given, %.1f until the new process had opened "
	    "its own, %.1f until it had "
	    "them, %.1f until it served",
	    (double)(now - h->held) / 1e6, (double)(h->gave - h->held) / 1e6, (double)(h->taken - h->gave) / 1e6,
	    (double)(h->passed - h->taken) / 1e6, (double)(now - h->passed) / 1e6);
}

static int
give_all(struct heir *h)
{
	int rc;

	h->held = clock_mono();
	h->until = h->held + HELD_NS;
	rc = on_main(h, hush) == 0 ? give(h) : -1;
	h->gave = clock_mono();
	return rc;
}

static int
hand_over_held(struct heir *h)
{
	if (give_all(h) == 0 && send_bare(h, LETTER_YOURS) == 0 && await_bare(h, LETTER_TAKEN, h->until) == 0 &&
	    pass(h) == 0) {
		say_times(h);
		crossing_leave(h->server);
		return 0;
	}
	take_back(h);
	/* It may have read from them, and answered: nobody could go on with those. */
	if (h->began) {
		rend_log(REND_LOG_ERROR,
		    "upgrade: the new process said too late that it serves, and was ended: its clients are cut");
		crossing_leave(h->server);
	}
	crossing_stay(h->server);
	return -1;
}

static int
hand_over_ready(struct heir *h)
{
	if (on_main(h, rest) != 0)
		return -1;
	if (hold(h) == 0 && hand_over_held(h) == 0) {
		keeper_on_main(h->keeper, leave, h);
		return 0;
	}
	keeper_on_main(h->keeper, go_on, h);
	return -1;
}

int
heir_hand_over(struct server *s, struct keeper *k, const struct heir_at *at, const bool *stop, struct rend_error *err)
{
	struct heir *h = calloc(1, sizeof *h);
	int rc;

	if (h == NULL) {
		if (at->process >= 0)
			close(at->process);
		return error_set(err, EX_OSERR, "no memory for an upgrade");
	}
	h->server = s;
	h->keeper = k;
	h->fd = at->fd;
	h->pid = at->pid;
	h->process = at->process;
	h->stop = stop;
	h->err = err;
	rc = greet(h);
	if (rc == 0)
		rc = on_main(h, tell_sockets);
	if (rc == 0)
		rc = await_bare(h, LETTER_READY, clock_mono() + READY_NS);
	if (rc == 0 && process_is_dead(h->process, 0))
		rc = error_set(err, EX_TEMPFAIL, "the new process has ended, and somebody else speaks for it");
	h->ready = rc == 0;
	if (rc == 0)
		rc = hand_over_ready(h);
	if (rc != 0)
		tell_abort(h);
	if (h->process >= 0)
		close(h->process);
	free(h);
	return rc;
}

bool
heir_reopen(struct server *s)
{
	bool away;

	pthread_mutex_lock(&s->view);
	away = parcels_reopen(server_generation(s));
	pthread_mutex_unlock(&s->view);
	return away;
}

static bool
is_there(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) <= 0 || !(p.revents & POLLHUP);
}

void
heir_see_off(struct server *s, int fd, const bool *stop)
{
	uint64_t until = clock_mono() + server_settings(s)->drain_timeout;
	struct rend_error err = { 0 };
	bool said = false;

	while (is_there(fd) && __atomic_load_n(&s->connections, __ATOMIC_RELAXED) > 0 && clock_mono() < until &&
	       !__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		nanosleep(&look, NULL);
		/* It is tried again, and the workers have others to write to. */
		if (crossing_pass(s, fd, clock_mono() + FOLLOW_NS, 1, &err) != 0 && !said) {
			said = true;
			rend_log(REND_LOG_ERROR, "upgrade: %s", err.text);
		}
		crossing_leave(s);
	}
	letter_send_bare(fd, LETTER_BYE, clock_mono() + STEP_NS);
	close(fd);
}
