/* What was bypassed comes back empty: see comeback.h. */
#include "net/comeback.h"

#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/note.h"
#include "base/strbuf.h"
#include "engine/bypass.h"
#include "engine/generation.h"
#include "engine/op.h"
#include "engine/pairs.h"
#include "net/loop.h"
#include "net/server.h"
#include "rend/log.h"
#include "rend/plugin.h"

/* How long a backend may take to be there, and how often it is tried. */
#define PATIENCE_NS 10000000000ULL
static const struct timespec try_again = { .tv_nsec = 100 * 1000 * 1000 };

#define NOTE_MAX 128

/* ---- who is what ---- */

static bool
forgets(const struct rend_node *n)
{
	return n->plugin->policy.name == NULL && (node_can(n) & REND_FORGETS);
}

bool
comeback_notes(const struct rend_node *policy)
{
	const struct rend_node *out = bypass_of(policy);

	return out != NULL && !forgets(out) && !(out == policy->tiers[1] && policy->trust_l2);
}

/* Does any policy bypass it? */
static bool
is_bypassed(const struct generation *g, const struct rend_node *n)
{
	for (size_t i = 0; i < g->count; i++)
		if (bypass_of(g->nodes[i]) == n)
			return true;
	return false;
}

/* By all who have it as their l2; there must be one. */
static bool
is_trusted(const struct generation *g, const struct rend_node *n)
{
	bool trusted = false;

	for (size_t i = 0; i < g->count; i++) {
		if (g->nodes[i]->tier_count < 2 || g->nodes[i]->tiers[1] != n)
			continue;
		if (!g->nodes[i]->trust_l2)
			return false;
		trusted = true;
	}
	return trusted;
}

/* ---- one flush_all, on a worker, waited for on the main thread ---- */

struct flush {
	struct rend_call call;
	struct rend_worker *worker;
	struct generation *g; /* whose node it is */
	const struct rend_node *node;
	enum rend_status status;
	sem_t over;
};

static void
flushed(struct rend_op *op)
{
	struct flush *f = op->up;

	f->status = (enum rend_status)op->status;
	rend_op_free(&op);
	sem_post(&f->over);
}

static void
flush_here(struct rend_call *call)
{
	struct flush *f = LIST_OBJ(call, struct flush, call);
	struct rend_op *op = op_new(f->worker, "", 0);

	if (op == NULL) {
		f->status = REND_NO_MEMORY;
		sem_post(&f->over);
		return;
	}
	op_pin(op, f->g);
	op->verb = REND_FLUSH_ALL;
	op->done = flushed;
	op->up = f;
	if (rend_submit(f->node, op))
		flushed(op);
}

/* An op has a deadline, so this has an end. */
static enum rend_status
flush_once(struct generation *g, const struct rend_node *n, struct loop *l)
{
	struct flush f = { .call.fn = flush_here, .worker = &l->worker, .g = g, .node = n };

	sem_init(&f.over, 0, 0);
	rend_post(f.worker, &f.call);
	while (sem_wait(&f.over) != 0)
		;
	sem_destroy(&f.over);
	return f.status;
}

static int
flush(struct generation *g, const struct rend_node *n, struct loop *l, struct rend_error *err)
{
	uint64_t until = clock_mono() + PATIENCE_NS;
	enum rend_status status;

	while ((status = flush_once(g, n, l)) != REND_OK && status != REND_UNSUPPORTED && clock_mono() < until)
		nanosleep(&try_again, NULL);
	if (status == REND_OK)
		return 0;
	return error_set(err, EX_UNAVAILABLE,
	    "%s was %s and may hold old values, and it could not be flushed (%s): nobody is served%s. Bypass it again, "
	    "or say "
	    "trust_l2 = true if nothing was written meanwhile",
	    n->name, server_serves(l->server) ? "not asked" : "bypassed", rend_status_name(status),
	    server_serves(l->server) ? " by it" : "");
}

struct emptying {
	struct generation *g;
	const struct generation *before; /* asked meanwhile; or NULL */
	struct loop *loop;
	struct strbuf *said; /* NULL: the log hears it */
};

static void
tell(const struct emptying *e, const struct rend_node *n, const char *what)
{
	if (e->said != NULL)
		strbuf_printf(e->said, "%s was %s\n", n->name, what);
	else
		rend_log(REND_LOG_WARN, "%s was %s", n->name, what);
}

/* Clients of another policy have in it what they need, and the reload may yet be refused. */
static int
empty_unused(const struct emptying *e, const struct rend_node *n, struct rend_error *err)
{
	if (e->before != NULL && pairs_reaches(e->before, n))
		return error_set(err, EX_CONFIG,
		    "%s may hold old values, so it has to be flushed, and clients are using it: read first a rend.conf "
		    "that does not ask it, or restart",
		    n->name);
	return flush(e->g, n, e->loop, err);
}

/* ---- all of it ---- */

static int
look_at(
    const struct emptying *e, const struct rend_node *n, const char *folder, const char *name, struct rend_error *err)
{
	int there = note_look(folder, name, err);

	if (there <= 0)
		return there;
	if (is_trusted(e->g, n))
		tell(e, n, "bypassed, and is trusted to hold nothing old");
	else if (empty_unused(e, n, err) != 0)
		return -1;
	else
		tell(e, n, "bypassed: it was flushed before it is asked again");
	return note_remove(folder, name, err);
}

int
comeback(struct generation *g, const struct generation *before, struct loop *l, const char *folder, struct strbuf *said,
    struct rend_error *err)
{
	const struct emptying e = { g, before, l, said };
	static const char line[] =
	    "rend bypasses it, so it may hold old values: whoever asks it next flushes it first.";
	char name[NOTE_MAX];

	for (size_t i = 0; i < g->count && *folder != '\0'; i++) {
		const struct rend_node *n = g->nodes[i], *out = bypass_of(n);
		int rc = 0;

		if (comeback_notes(n)) {
			snprintf(name, sizeof name, "bypassed.%s", out->name);
			rc = note_leave(folder, name, line, err);
		}
		if (rc == 0 && !n->idle && !is_bypassed(g, n)) {
			snprintf(name, sizeof name, "bypassed.%s", n->name);
			rc = look_at(&e, n, folder, name, err);
		}
		if (rc != 0)
			return -1;
	}
	return 0;
}

/* Is it a node of this one, too, and asked there? */
static bool
is_asked_by(const struct generation *g, const struct rend_node *n)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->nodes[i] == n)
			return !is_bypassed(g, n);
	return false;
}

void
comeback_undo(const struct generation *g, const struct generation *before, const char *folder)
{
	struct rend_error err = { 0 };
	char name[NOTE_MAX];

	for (size_t i = 0; i < g->count && *folder != '\0'; i++) {
		const struct rend_node *out = bypass_of(g->nodes[i]);

		if (!comeback_notes(g->nodes[i]) || !is_asked_by(before, out))
			continue;
		snprintf(name, sizeof name, "bypassed.%s", out->name);
		if (note_remove(folder, name, &err) != 0)
			rend_log(REND_LOG_ERROR, "%s", err.text);
	}
}

/* ---- what an earlier generation left behind ---- */

static int
empty(void *arg, const struct rend_node *n, bool is_new, struct rend_error *err)
{
	const struct emptying *e = arg;

	if (is_new && pairs_begins_empty(e->before, n))
		return 0;
	if (empty_unused(e, n, err) != 0)
		return -1;
	tell(e, n,
	    is_new ? "another block before, and may hold old values: it was flushed"
		   : "not asked with the other tier: it was flushed before it is asked again");
	return 0;
}

static void
doubted(void *arg, const struct rend_node *n)
{
	tell(arg, n, "another block before, and may hold old values: none is believed until it has been flushed");
}

void
comeback_doubt_new(const struct generation *g, struct strbuf *said)
{
	struct emptying e = { .said = said };

	pairs_doubt_new(g, doubted, &e);
}

int
comeback_left_behind(
    struct generation *g, const struct generation *before, struct loop *l, struct strbuf *said, struct rend_error *err)
{
	struct emptying e = { g, before, l, said };

	return pairs_each_left_behind(g, empty, &e, err);
}
