/* The engine: see drive.h. */
#include "drive.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "fleet.h"
#include "judge.h"
#include "preload.h"
#include "progress.h"
#include "window.h"

#define READ_SIZE   (256 * 1024)
#define EVENTS	    512
#define CHECK_EVERY UINT64_C(20000000)	/* ns */
#define SHOW_EVERY  UINT64_C(500000000) /* ns */

static volatile sig_atomic_t interrupted, hurried;

void
drive_interrupt(int signal)
{
	if (interrupted != 0)
		hurried = 1;
	interrupted = signal;
}

int
drive_interrupted(void)
{
	return interrupted;
}

bool
drive_hurried(void)
{
	return hurried != 0;
}

uint64_t
drive_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t
drive_measured(const struct drive *d)
{
	return d->closed > d->window ? d->closed - d->window : 0;
}

/* ---- asking ---- */

static void
flush(struct drive *d, struct wire *w, uint64_t now)
{
	int64_t n = wire_write(w, d->settings->proto, &d->keys, d->epoll, d->out, d->out_size);

	if (n < 0) {
		d->ended++;
		fleet_abandon(d, w, "the server closed the connection", now);
		return;
	}
	if (d->phase == DRIVE_MEASURE)
		d->bytes_out += (uint64_t)n;
}

static bool
may_ask(const struct drive *d)
{
	if (d->phase == DRIVE_DRAIN)
		return false;
	return d->stage.requests == 0 || d->phase != DRIVE_MEASURE || d->issued < d->stage.requests;
}

/* One more request for this connection.  false: there is none. */
static bool
ask(struct drive *d, struct wire *w, uint64_t due)
{
	struct request *r = wire_next(w);

	r->flagged = d->settings->flags;
	if (!d->stage.plan->next(d->stage.plan, w->number, r, wire_slots(w, r))) {
		w->finished = true;
		return false;
	}
	r->due = due;
	r->counted = d->phase == DRIVE_MEASURE && due >= d->window && d->stage.counts;
	if (d->phase == DRIVE_MEASURE)
		d->issued++;
	if (w->count == 0)
		w->since = due;
	wire_push(w, r);
	d->open++;
	return true;
}

/* Closed loop: the next batch. */
static void
ask_batch(struct drive *d, struct wire *w)
{
	uint64_t now = drive_now();

	while (w->count < d->stage.depth && may_ask(d) && ask(d, w, now))
		;
	if (w->count > 0)
		flush(d, w, now);
}

/* Open loop: all that is due, as far as there is room. */
static void
ask_due(struct drive *d, uint64_t now)
{
	/* What is due at the end or later is not of this run, however late it is noticed that the end has come. */
	if (d->phase == DRIVE_MEASURE && now >= d->deadline)
		now = d->deadline - 1;
	while (may_ask(d) && pace_due(&d->pace) <= now) {
		uint64_t share, behind = pace_behind(&d->pace, now);
		struct wire *w;

		if (d->ready_count == 0)
			return;
		share = behind / d->ready_count;
		w = fleet_take(d);
		if (w == NULL)
			return;
		/* What is due already goes out in as few writes as it can. */
		do {
			uint64_t due = pace_due(&d->pace);

			if (!ask(d, w, due))
				break;
			pace_take(&d->pace);
			w->since = w->count == 1 ? now : w->since;
		} while (share-- > 1 && w->count < d->stage.depth && may_ask(d) && pace_due(&d->pace) <= now);
		if (w->count > 0)
			flush(d, w, now);
		fleet_ready(d, w);
	}
}

/* It can take requests again. */
static void
proceed(struct drive *d, struct wire *w, uint64_t now)
{
	if (w->state != WIRE_UP || w->idle || w->finished)
		return;
	if (w->leaving && w->count == 0) {
		fleet_shut(d, w, now);
		fleet_dial(d, w, now);
	} else if (d->stage.rate > 0) {
		fleet_ready(d, w);
	} else if (w->count == 0) {
		ask_batch(d, w);
	}
}

/* ---- hearing ---- */

static void
answered(struct drive *d, struct wire *w, struct request *r, struct interval *in, uint64_t now)
{
	if (!w->idle) {
		d->open--;
		judge_answer(d, r, &w->ear.answer, in, now);
	}
	wire_pop(w);
}

static void
hear(struct drive *d, struct wire *w)
{
	ssize_t n = recv(w->fd, d->in, READ_SIZE, 0);
	const char *p = d->in, *end = d->in + (n > 0 ? n : 0);
	uint64_t now = drive_now();
	struct interval *in = d->phase == DRIVE_MEASURE && d->stage.counts ? timeline_now(&d->timeline, now) : NULL;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		d->ended++;
		fleet_abandon(d, w, n == 0 ? "the server closed the connection" : strerror(errno), now);
		return;
	}
	if (d->phase == DRIVE_MEASURE)
		d->bytes_in += (uint64_t)n;
	w->since = d->answered_at = now;
	for (;;) {
		struct request *r = wire_oldest(w);
		enum hear heard;

		if (r == NULL && p < end)
			ear_refuse(&w->ear, "an answer that nobody asked for", p,
			    (size_t)(end - p) < 40 ? (size_t)(end - p) : 40);
		if (r == NULL && p < end) {
			judge_broken(d, NULL, w->ear.why);
			fleet_abandon(d, w, NULL, now);
			return;
		}
		if (r == NULL)
			break;
		heard = d->settings->proto->hear(&w->ear, r, wire_slots(w, r), &p, end);
		if (heard == HEAR_MORE)
			break;
		if (heard == HEAR_BROKEN) {
			judge_broken(d, r, w->ear.why);
			fleet_abandon(d, w, NULL, now);
			return;
		}
		if (heard == HEAR_VALUE)
			judge_value(d, r, &w->ear.inspect);
		else
			answered(d, w, r, in, now);
	}
	proceed(d, w, now);
}

/* ---- now and then ---- */

/* No connection has anything more to do? */
static void
check_finished(struct drive *d, uint64_t now)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (!d->wires[i].finished || d->wires[i].count > 0)
			return;
	window_close(d, DRIVE_BY_PLAN, d->answered_at);
}

/* Is anybody there? */
static void
check_server(struct drive *d, uint64_t now)
{
	char why[240];

	if (d->up > 0)
		d->last_up = now;
	if (now - d->last_up <= d->settings->timeout || d->over)
		return;
	snprintf(why, sizeof why, "%s takes no connections any more", d->target.name);
	judge_broken(d, NULL, why);
	window_close(d, DRIVE_BY_SERVER, now);
	d->over = true;
}

static void
check_churn(struct drive *d, uint64_t now)
{
	uint64_t due = (uint64_t)((double)(now - d->began) / 1e9 * d->settings->churn);

	for (; d->churned < due && d->phase != DRIVE_DRAIN; d->churned++) {
		struct wire *w = &d->wires[d->churn_next];

		d->churn_next = (d->churn_next + 1) % d->count;
		if (w->state != WIRE_UP || w->finished)
			continue;
		w->leaving = true;
		if (w->count == 0)
			proceed(d, w, now);
	}
}

static void
show(struct drive *d, uint64_t now)
{
	struct tally all = { 0 };
	struct progress p = { .seconds = (double)(now - d->window) / 1e9, .share = -1 };

	if (now - d->shown_at < SHOW_EVERY || d->phase != DRIVE_MEASURE || !d->stage.counts || !progress_wanted())
		return;
	for (int v = 0; v < VERB_COUNT; v++)
		tally_merge(&all, &d->tally[v]);
	if (d->stage.requests != 0)
		p.share = (double)d->issued / (double)d->stage.requests;
	else if (d->stage.duration != 0)
		p.share = (double)(now - d->window) / (double)d->stage.duration;
	p.rate = (double)(all.requests - d->shown_requests) / ((double)(now - d->shown_at) / 1e9);
	p.hits = all.hits;
	p.misses = all.misses;
	p.p99 = tally_quantile(&all, 0.99);
	for (int k = 0; k < FAULTS_KINDS; k++)
		p.faults += d->faults.count[k];
	progress_show(&p);
	d->shown_at = now;
	d->shown_requests = all.requests;
}

static void
check(struct drive *d, uint64_t now)
{
	d->next_check = now + CHECK_EVERY;
	fleet_check(d, now);
	check_server(d, now);
	check_finished(d, now);
	if (d->settings->churn > 0)
		check_churn(d, now);
	if (d->stage.plan->tick != NULL && d->phase == DRIVE_MEASURE && now >= d->next_tick) {
		d->stage.plan->tick(d->stage.plan, now - d->window);
		d->next_tick += d->settings->interval;
	}
	show(d, now);
}

/* ---- the loop ---- */

static void
event(struct drive *d, struct wire *w, uint32_t events, uint64_t now)
{
	if (w->state == WIRE_DIALING && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
		if (fleet_dialed(d, w, now))
			proceed(d, w, now);
		return;
	}
	if (w->state == WIRE_UP && (events & EPOLLOUT)) {
		flush(d, w, now);
		if (w->count == 0)
			proceed(d, w, now);
	}
	if (w->state == WIRE_UP && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		hear(d, w);
}

/* Waits until `until`, or for events; and deals with those. */
static void
turn(struct drive *d, uint64_t now, uint64_t until)
{
	struct epoll_event events[EVENTS];
	uint64_t wait = until > now ? until - now : 0;
	struct timespec ts = { (time_t)(wait / 1000000000), (long)(wait % 1000000000) };
	int n = epoll_pwait2(d->epoll, events, EVENTS, &ts, NULL);

	/* A kernel before 5.11. */
	if (n < 0 && errno == ENOSYS)
		n = epoll_wait(d->epoll, events, EVENTS, (int)(wait / 1000000));
	for (int i = 0; i < n; i++)
		event(d, events[i].data.ptr, events[i].events, now);
}

void
drive_run(struct drive *d, const struct stage *stage)
{
	uint64_t now = drive_now();

	d->stage = *stage;
	d->phase = DRIVE_WARM;
	d->over = false;
	d->began = d->answered_at = d->last_up = d->shown_at = now;
	d->deadline = now + stage->warmup;
	d->churned = 0;
	d->ready = NULL;
	d->ready_count = 0;
	if (stage->warmup == 0)
		window_open(d);
	if (stage->rate > 0)
		pace_init(&d->pace, stage->warmup == 0 ? d->window : now, stage->rate, d->settings->poisson,
		    d->settings->seed);
	for (uint32_t i = 0; i < d->count; i++) {
		d->wires[i].finished = false;
		d->wires[i].ready = false;
	}
	for (uint32_t i = 0; i < d->count; i++)
		proceed(d, &d->wires[i], now);
	while (!d->over) {
		uint64_t until = d->next_check < d->deadline ? d->next_check : d->deadline;

		now = drive_now();
		if (d->stage.rate > 0) {
			ask_due(d, now);
			if (d->ready_count > 0 && may_ask(d) && pace_due(&d->pace) < until)
				until = pace_due(&d->pace);
		}
		turn(d, now, until);
		now = drive_now();
		if (now >= d->next_check)
			check(d, now);
		window_check(d, now);
	}
	for (uint32_t i = 0; i < d->count; i++)
		if (d->wires[i].count > 0)
			fleet_abandon(d, &d->wires[i], drive_hurried() ? NULL : FLEET_LATE, now);
	progress_clear();
}

/* ---- opening ---- */

static void
raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* An idle connection asks once, so that the server knows it as it knows the others. */
static void
ask_once(struct drive *d, struct wire *w)
{
	struct request *r = wire_next(w);

	r->verb = VERB_GET;
	r->check = CHECK_NOTHING;
	r->may = MAY(OK) | MAY(MISS);
	wire_push(w, r);
	flush(d, w, drive_now());
}

/* Dials wires from..to, and waits until each is up, and idle ones are answered. */
static const char *
connect_all(struct drive *d, uint32_t from, uint32_t to)
{
	uint64_t now = drive_now(), deadline = now + d->settings->timeout;
	uint32_t next = from, settled = 0, most = 0;

	while (settled < to - from) {
		now = drive_now();
		if (interrupted != 0)
			return "interrupted";
		for (; next < to && fleet_may_dial(d) && d->wires[next].state == WIRE_DOWN; next++)
			fleet_dial(d, &d->wires[next], now);
		turn(d, now, now + CHECK_EVERY);
		settled = 0;
		for (uint32_t i = from; i < next; i++) {
			struct wire *w = &d->wires[i];

			if (w->state == WIRE_DOWN && w->retry_at <= now)
				fleet_dial(d, w, now);
			if (w->state == WIRE_UP && w->idle && w->opaque == 0)
				ask_once(d, w);
			settled += w->state == WIRE_UP && w->count == 0;
		}
		/* Not of those alone that come up: a server may take them all, and close them again. */
		if (settled > most) {
			most = settled;
			deadline = now + d->settings->timeout;
		}
		if (now > deadline)
			return "not all connections come about within the time limit";
	}
	return NULL;
}

static bool
drained(struct plan *plan, uint32_t wire, struct request *r, uint32_t *slots)
{
	return false;
}

const char *
drive_open(struct drive *d, const struct settings *s, uint64_t largest)
{
	static struct plan nothing = { .next = drained };
	uint32_t all = s->connections + s->idle;
	uint32_t width = (uint32_t)spread_max(&s->width);
	uint32_t depth = s->preload && s->depth < PRELOAD_DEPTH ? PRELOAD_DEPTH : s->depth;
	const char *why;

	d->settings = s;
	d->stage.plan = &nothing;
	d->phase = DRIVE_DRAIN;
	raise_limit();
	/* To wake up when a request is due, and not 50 us later. */
	prctl(PR_SET_TIMERSLACK, 1);
	d->out_size = proto_room(width, largest) + 65536;
	d->in = malloc(READ_SIZE);
	d->out = malloc(d->out_size);
	d->wires = calloc(all, sizeof *d->wires);
	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (d->in == NULL || d->out == NULL || d->wires == NULL || d->epoll < 0)
		return "no memory";
	for (uint32_t i = 0; i < all; i++) {
		bool idle = i >= s->connections;

		if (wire_init(&d->wires[i], i, idle ? 1 : depth, idle ? 1 : width, &d->keys) != 0)
			return "no memory";
		d->made++;
		d->wires[i].idle = idle;
		d->wires[i].finished = true;
	}
	d->count = s->connections;
	for (uint32_t i = 0; i < s->pid_count; i++) {
		d->process[i].before = process_look(s->pids[i]);
		if (d->process[i].before.cpu == 0)
			return "there is no process of that --pid";
	}
	why = connect_all(d, s->connections, all);
	for (uint32_t i = 0; i < s->pid_count; i++)
		d->process[i].idle = process_look(s->pids[i]);
	return why == NULL ? connect_all(d, 0, s->connections) : why;
}

void
drive_close(struct drive *d)
{
	for (uint32_t i = 0; i < d->made; i++)
		wire_fini(&d->wires[i]);
	free(d->wires);
	free(d->in);
	free(d->out);
	/* All-zero: it was never opened, and 0 is not ours. */
	if (d->epoll > 0)
		close(d->epoll);
}
