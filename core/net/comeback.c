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
#include "engine/bypass.h"
#include "engine/generation.h"
#include "engine/op.h"
#include "net/loop.h"
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
	return n->plugin->policy.name == NULL && (n->plugin->handler.can & REND_FORGETS);
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
	op->verb = REND_FLUSH_ALL;
	op->done = flushed;
	op->up = f;
	if (rend_submit(f->node, op))
		flushed(op);
}

/* An op has a deadline, so this has an end. */
static enum rend_status
flush_once(const struct rend_node *n, struct loop *l)
{
	struct flush f = { .call.fn = flush_here, .worker = &l->worker, .node = n };

	sem_init(&f.over, 0, 0);
	rend_post(f.worker, &f.call);
	while (sem_wait(&f.over) != 0)
		;
	sem_destroy(&f.over);
	return f.status;
}

static int
flush(const struct rend_node *n, struct loop *l, struct rend_error *err)
{
	uint64_t until = clock_mono() + PATIENCE_NS;
	enum rend_status status;

	while ((status = flush_once(n, l)) != REND_OK && status != REND_UNSUPPORTED && clock_mono() < until)
		nanosleep(&try_again, NULL);
	if (status == REND_OK)
		return 0;
	return error_set(err, EX_UNAVAILABLE,
	    "%s was bypassed and may hold old values, and it could not be flushed (%s): nobody is served. Bypass it "
	    "again, "
	    "or say trust_l2 = true if nothing was written meanwhile",
	    n->name, rend_status_name(status));
}

/* ---- all of it ---- */

static int
look_at(const struct generation *g, const struct rend_node *n, struct loop *l, const char *folder, const char *name,
    struct rend_error *err)
{
	int there = note_look(folder, name, err);

	if (there <= 0)
		return there;
	if (is_trusted(g, n))
		rend_log(REND_LOG_WARN, "%s was bypassed, and is trusted to hold nothing old", n->name);
	else if (flush(n, l, err) != 0)
		return -1;
	else
		rend_log(REND_LOG_WARN, "%s was bypassed: it was flushed before it is asked again", n->name);
	return note_remove(folder, name, err);
}

int
comeback(const struct generation *g, struct loop *l, const char *folder, struct rend_error *err)
{
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
			rc = look_at(g, n, l, folder, name, err);
		}
		if (rc != 0)
			return -1;
	}
	return 0;
}
