/* What was asked before, and what is asked next: see eras.h. */
#include "net/eras.h"

#include <stdlib.h>
#include <sysexits.h>

#include "base/clock.h"
#include "engine/generation.h"
#include "engine/pairs.h"
#include "net/comeback.h"
#include "net/news.h"
#include "net/runner.h"
#include "net/server.h"
#include "net/swap.h"
#include "rend/log.h"

int
eras_refuse(struct strbuf *said, const struct rend_error *err)
{
	strbuf_printf(said, "%s\n", err->text);
	return err->exit_code == 0 ? EX_CONFIG : err->exit_code;
}

/* ---- the next one ---- */

/* Holds until nothing is under way of any graph to which a node that goes on was another thing. */
static int
hold(struct eras *es, struct news *n, struct rend_error *err)
{
	struct generation *quiet[ERAS_OLD_MAX + 1];
	uint64_t wait = n->era->settings->reload_wait;
	size_t count = 0;

	for (struct generation *o = es->newest->g; o != NULL && count < sizeof quiet / sizeof *quiet; o = o->older)
		if (pairs_differ(o, n->era->g))
			quiet[count++] = o;
	switch (count == 0 ? SWAP_HELD : swap_hold(es->server, quiet, count, wait)) {
	case SWAP_HELD:
		return 0;
	case SWAP_BUSY:
		return error_set(err, EX_TEMPFAIL,
		    "a node that goes on is asked another thing to than before, so all workers have to wait for a "
		    "moment, and one of "
		    "them is busy: try again");
	case SWAP_NOT_QUIET:
		break;
	}
	return error_set(err, EX_TEMPFAIL,
	    "a node that goes on is asked another thing to than before, so requests under way have to end "
	    "first, and they did not "
	    "within reload_wait (%llu ms): try again, or with a longer reload_wait",
	    (unsigned long long)(wait / 1000000));
}

static int
begin(struct eras *es, struct news *n, struct rend_error *err)
{
	struct server *s = es->server;
	struct generation *before = es->newest->g, *g = n->era->g;
	const struct rend_node **policies = news_policies(s, n);

	if (policies == NULL)
		return error_set(err, EX_OSERR, "no memory for a reload");
	if (hold(es, n, err) != 0) {
		free(policies);
		return -1;
	}
	comeback_doubt_new(g, es->said);
	generation_commit(g);
	g->older = before;
	pairs_note(g);
	swap_begin(s, g, policies, n->era->settings);
	free(policies);
	return 0;
}

/* g is attached everywhere, and nobody asks it yet. */
static int
begin_attached(struct eras *es, struct news *n, struct rend_error *err)
{
	struct server *s = es->server;
	const char *folder = n->era->settings->state_dir == NULL ? "" : n->era->settings->state_dir;

	if (comeback(n->era->g, es->newest->g, &s->loops[0], folder, es->said, err) == 0 &&
	    comeback_left_behind(n->era->g, es->newest->g, &s->loops[0], es->said, err) == 0) {
		if (__atomic_load_n(&s->draining, __ATOMIC_RELAXED))
			error_set(err, EX_TEMPFAIL, "the server is ending");
		else if (begin(es, n, err) == 0)
			return 0;
	}
	comeback_undo(n->era->g, es->newest->g, folder);
	return -1;
}

static int
begin_opened(struct eras *es, struct news *n, struct rend_error *err)
{
	/* What is about to be asked of them could not be taken back. */
	if (!swap_turns(es->server, n->era->settings->reload_wait))
		return error_set(err, EX_TEMPFAIL, "a worker is busy: try again");
	if (swap_attach(es->server, n->era->g, err) != 0)
		return -1;
	if (begin_attached(es, n, err) == 0)
		return 0;
	/* What it was asked while nobody saw it has been answered: only those flushes. */
	if (!swap_detach(es->server, n->era->g)) {
		rend_log(REND_LOG_ERROR,
		    "some ops did not come back: nodes of a rend.conf that was refused are left as they are");
		n->era->g = NULL;
	}
	return -1;
}

static void
free_era(struct eras *es, struct era **ep)
{
	struct era *e = *ep;

	*ep = NULL;
	pthread_mutex_lock(&es->server->view);
	generation_free(&e->g);
	pthread_mutex_unlock(&es->server->view);
	if (e->settings != NULL)
		es->source->release(es->source->arg, &e->settings);
	free(e);
}

static int
build(struct eras *es, struct news *n)
{
	struct rend_error err = { 0 };
	struct era *e = calloc(1, sizeof *e);
	bool ended;
	int rc;

	*n = (struct news){ .era = e };
	if (e == NULL) {
		error_set(&err, EX_OSERR, "no memory for a reload");
		return eras_refuse(es->said, &err);
	}
	rc = es->source->read(es->source->arg, es->newest->g, es->stop, &e->settings, es->said);
	if (rc != 0) {
		generation_drop_objects(es->newest->g);
		free(e);
		return rc;
	}
	e->g = e->settings->generation;
	if (news_open(es->server, n, &err) == 0 && generation_open(e->g, &err) == 0) {
		if (begin_opened(es, n, &err) == 0) {
			e->older = es->newest;
			es->newest = e;
			__atomic_store_n(&es->server->plugins_stale, plugin_stale(), __ATOMIC_RELAXED);
			return 0;
		}
		if (e->g != NULL)
			generation_close(e->g);
	}
	rc = eras_refuse(es->said, &err);
	news_close(n);
	ended = e->g != NULL;
	free_era(es, &n->era);
	if (ended)
		generation_drop_objects(es->newest->g);
	return rc;
}

static unsigned
count_old(const struct eras *es)
{
	unsigned count = 0;

	for (const struct era *e = es->newest->older; e != NULL; e = e->older)
		count++;
	return count;
}

int
eras_add(struct eras *es, struct news *n, struct strbuf *said)
{
	int rc;

	es->said = said;
	if (count_old(es) >= ERAS_OLD_MAX) {
		strbuf_printf(said, "%d earlier generations have not ended yet: try again\n", ERAS_OLD_MAX);
		rc = EX_TEMPFAIL;
	} else
		rc = build(es, n);
	es->said = NULL;
	__atomic_store_n(&es->old, count_old(es), __ATOMIC_RELAXED);
	return rc;
}

/* ---- the end of earlier ones ---- */

void
eras_end_oldest(struct eras *es)
{
	struct era *e = es->newest, *next = NULL;
	unsigned long long number;

	while (e->older != NULL) {
		next = e;
		e = e->older;
	}
	if (next == NULL || runner_needs(es->server->runner, e->g) || !swap_is_over(es->server, e->g))
		return;
	number = e->g->number;
	if (!swap_detach(es->server, e->g)) {
		/* Ops point to its instances: nobody may free them.  It is forgotten, with what it has. */
		rend_log(REND_LOG_ERROR, "generation %llu: some ops did not come back: its nodes are left as they are",
		    number);
		next->older = NULL;
		next->g->older = NULL;
		free(e);
	} else {
		generation_drain(e->g, rend_now() + server_settings(es->server)->drain_timeout);
		generation_close(e->g);
		next->older = NULL;
		next->g->older = NULL;
		free_era(es, &e);
		rend_log(REND_LOG_INFO, "generation %llu has ended", number);
	}
	__atomic_store_n(&es->old, count_old(es), __ATOMIC_RELAXED);
}

bool
eras_have_old(const struct eras *es)
{
	return es->newest->older != NULL;
}

unsigned
eras_old(const struct eras *es)
{
	return __atomic_load_n(&es->old, __ATOMIC_RELAXED);
}

int
eras_init(struct eras *es, struct server *s, const struct server_source *source, const bool *stop)
{
	*es = (struct eras){ .server = s, .source = source, .stop = stop, .newest = calloc(1, sizeof *es->newest) };
	if (es->newest == NULL)
		return -1;
	es->newest->g = s->generation;
	generation_commit(s->generation);
	return 0;
}

void
eras_fini(struct eras *es)
{
	while (es->newest != NULL) {
		struct era *e = es->newest;

		es->newest = e->older;
		if (e->settings != NULL)
			es->source->release(es->source->arg, &e->settings);
		free(e);
	}
}
