/* The old process's side of an upgrade: see heir.h. */
#include "net/heir.h"

#include <poll.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/process.h"
#include "engine/generation.h"
#include "engine/parcels.h"
#include "net/channel.h"
#include "net/control.h"
#include "net/crossing.h"
#include "net/keeper.h"
#include "net/legacy_counts.h"
#include "net/legacy_sockets.h"
#include "net/parcel_letter.h"
#include "net/server.h"
#include "net/swap.h"
#include "rend/log.h"

#define SECOND_NS 1000000000ULL

/* How long the new one may take to read rend.conf and to load plugins, then to bind, and to open what it can beside us.  Everybody is served
 * meanwhile. */
#define HELLO_NS (120 * SECOND_NS)
#define READY_NS (120 * SECOND_NS)

/* And while everybody waits: what our stores may take to let go of their files; and all steps together, until it is told to serve.  Most of that is for what it
 * has to open then, which may take all but a step: else one that is in time with it would be late with the next. */
#define RELEASE_NS (5 * SECOND_NS)
#define HELD_NS	   (30 * SECOND_NS)

/* How long one that follows may take to go. */
#define FOLLOW_NS (SECOND_NS / 50)

/* How often those that are owed something are looked at. */
static const struct timespec look = { .tv_nsec = 5 * 1000 * 1000 };

struct heir {
	struct server *server;
	struct keeper *keeper;
	struct channel channel;
	pid_t pid;
	int process; /* the same; -1: it cannot be told */
	bool ready;  /* it has answered since, so it is that one that lives */
	bool given;  /* stores have given it what they have, and so it must have ended before this process goes on */
	const bool *stop;
	int told;				   /* what came of what the main thread did */
	uint64_t tried, held, gave, taken, passed; /* when: monotonic ns */
	struct rend_error *err;
};

/* ---- before anybody waits ---- */

static int
greet(struct heir *h)
{
	struct channel *c = &h->channel;
	struct server *s = h->server;
	char version[64];

	if (channel_await(c, LETTER_HELLO, clock_mono() + HELLO_NS) != 0)
		return -1;
	letter_get_text(&c->letter, version, sizeof version);
	if (!letter_finish(&c->letter))
		return channel_refuse(c);
	rend_log(REND_LOG_INFO, "upgrade: a rend %s wants to take over", version);
	letter_begin(&c->letter, LETTER_WELCOME);
	letter_put_u64(&c->letter, hash_seed_now());
	letter_put_u64(&c->letter, s->began);
	letter_put_u64(&c->letter, (uint64_t)s->began_wall);
	return channel_send(c);
}

/* ---- on the main thread ---- */

static void
tell_sockets(void *arg)
{
	struct heir *h = arg;

	h->told = legacy_send_sockets(h->server, h->channel.fd, channel_step(&h->channel), h->err);
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
		h->tried = clock_mono();
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
		silent = channel_drop_all(&h->channel, h->process < 0 ? soon : 0, until);
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
	return has_ended(h, clock_mono() + CHANNEL_STEP_NS);
}

static int
let_go(struct heir *h)
{
	struct channel *c = &h->channel;

	/* From here on it has its time, and whoever wants this process to end waits for it. */
	c->until = 0;
	c->stop = NULL;
	if (channel_send_bare(c, LETTER_GO) != 0)
		return -1;
	if (channel_await_bare(c, LETTER_SERVING, channel_step(c)) == 0)
		return 0;
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
	struct channel *c = &h->channel;

	h->taken = clock_mono();
	if (crossing_pass(h->server, c->fd, channel_step(c), LETTER_FDS_MAX, h->err) != 0 ||
	    legacy_send_counts(h->server, c->fd, channel_step(c), h->err) != 0 ||
	    channel_send_bare(c, LETTER_ALL) != 0 || channel_await_bare(c, LETTER_PREPARED, channel_step(c)) != 0)
		return -1;
	h->passed = clock_mono();
	if (__atomic_load_n(&h->server->draining, __ATOMIC_RELAXED))
		return error_set(h->err, EX_TEMPFAIL, "the server is ending");
	return let_go(h);
}

/* Whoever cannot be told must not begin when it wakes up. */
static void
tell_abort(struct heir *h)
{
	if (!channel_abort(&h->channel))
		end_heir(h);
}

/* ---- stores ---- */

static int
send_parcel(void *arg, const struct rend_node *n, const char *role, const struct rend_parcel *p, struct rend_error *err)
{
	const struct heir *h = arg;

	return parcel_letter_send(h->channel.fd, n, role, p, channel_step(&h->channel), err);
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
	if (h->channel.late)
		end_heir(h);
	tell_abort(h);
	if (!has_ended(h, clock_mono() + CHANNEL_STEP_NS)) {
		end_heir(h);
		if (!has_ended(h, clock_mono() + CHANNEL_STEP_NS))
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
	    "upgrade: clients have waited %.1f ms: %.1f until nothing was under way, %.1f until stores had given, %.1f "
	    "until the new process had opened its own, %.1f until it had them, %.1f until it served",
	    (double)(now - h->tried) / 1e6, (double)(h->held - h->tried) / 1e6, (double)(h->gave - h->held) / 1e6,
	    (double)(h->taken - h->gave) / 1e6, (double)(h->passed - h->taken) / 1e6, (double)(now - h->passed) / 1e6);
}

static int
give_all(struct heir *h)
{
	int rc;

	h->held = clock_mono();
	h->channel.until = h->held + HELD_NS;
	rc = on_main(h, hush) == 0 ? give(h) : -1;
	h->gave = clock_mono();
	return rc;
}

static int
hand_over_held(struct heir *h)
{
	struct channel *c = &h->channel;

	if (give_all(h) == 0 && channel_send_bare(c, LETTER_YOURS) == 0 &&
	    channel_await_bare(c, LETTER_TAKEN, c->until - CHANNEL_STEP_NS) == 0 && pass(h) == 0) {
		say_times(h);
		return 0;
	}
	take_back(h);
	/* It may have read from them, and answered: nobody could go on with those. */
	if (c->began) {
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
	h->channel = (struct channel){ .fd = at->fd, .stop = stop, .err = err };
	h->pid = at->pid;
	h->process = at->process;
	h->stop = stop;
	h->err = err;
	rc = greet(h);
	if (rc == 0)
		rc = on_main(h, tell_sockets);
	if (rc == 0)
		rc = channel_await_bare(&h->channel, LETTER_READY, clock_mono() + READY_NS);
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
	unsigned left;
	bool said = false;

	crossing_leave(s);
	left = __atomic_load_n(&s->connections, __ATOMIC_RELAXED);
	if (left > 0)
		rend_log(REND_LOG_INFO, "upgrade: %u connections are owed something here yet", left);
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
	letter_send_bare(fd, LETTER_BYE, clock_mono() + CHANNEL_STEP_NS);
	close(fd);
	/* Who is left has nobody to go to. */
	crossing_finish(s);
}
