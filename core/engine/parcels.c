/* What stores leave to the process that comes next: see parcels.h. */
#include "engine/parcels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "engine/holds.h"
#include "engine/pairs.h"
#include "engine/repair.h"
#include "rend/log.h"

struct parcels_one {
	char *node, *plugin, *version;
	char role[PARCELS_ROLE];
	struct rend_parcel parcel;
};

/* ---- here ---- */

static bool
leaves_something(const struct rend_node *n)
{
	return n->opened && (n->plugin->handler.give != NULL || n->plugin->handler.release != NULL);
}

/* Nobody asks: should somebody, nothing is changed. */
static void
down(void *inst, struct rend_op *op)
{
	(void)inst;
	rend_done(op, REND_DOWN);
}

static void
be_asked(struct rend_node *n, bool asked)
{
	node_ask(n, asked ? NULL : down);
	__atomic_store_n(&n->given, !asked, __ATOMIC_RELEASE);
}

void
parcels_stop(struct generation *g)
{
	REND_CHECK(g, GENERATION_MAGIC);
	for (size_t i = 0; i < g->count; i++)
		if (leaves_something(g->nodes[i]))
			be_asked(g->nodes[i], false);
}

/* Whoever is in doubt about a key knows it in this process only.  NULL: nobody is. */
static const char *
doubt(const struct rend_node *n)
{
	if (n->outdated)
		return "what it has copies of was written without it";
	if (n->alone && n->copies_of != 0)
		return "it was written without what it has copies of";
	if (node_holds(n) != NULL && holds_now(node_holds(n)) > 0)
		return "writes to it were lost, and it is not known yet what came of them";
	if (node_repair(n) != NULL && repair_now(node_repair(n)) > 0)
		return "something is to be deleted there yet";
	return NULL;
}

static int
give_one(const struct rend_node *n, struct rend_parcel *p, struct rend_error *err)
{
	const char *why = doubt(n);

	*p = (struct rend_parcel){ 0 };
	if (why != NULL)
		return error_set(err, 0, "it is not handed over: %s", why);
	return n->plugin->handler.give(n->store, p, err);
}

/* What is not let go of here could not be opened there. */
static int
release_one(struct rend_node *n, uint64_t deadline, struct rend_error *err)
{
	struct rend_error why = { 0 };

	if (n->plugin->handler.release == NULL || n->released)
		return 0;
	if (n->plugin->handler.release(n->store, deadline, &why) != 0)
		return error_set(err, EX_TEMPFAIL, "%s cannot let go: %s", n->name, why.text);
	n->released = true;
	return 0;
}

int
parcels_give(struct generation *g, uint64_t deadline, parcels_send_f *send, void *arg, struct rend_error *err)
{
	char role[PARCELS_ROLE];
	struct rend_parcel p;

	REND_CHECK(g, GENERATION_MAGIC);
	for (size_t i = 0; i < g->count; i++) {
		struct rend_node *n = g->nodes[i];
		struct rend_error why = { 0 };

		if (!leaves_something(n))
			continue;
		if (release_one(n, deadline, err) != 0)
			return -1;
		/* Has it done so before, and not got it back? */
		if (n->plugin->handler.give == NULL || n->gave)
			continue;
		if (give_one(n, &p, &why) != 0) {
			rend_log(REND_LOG_WARN, "%s: the next process begins empty: %s", n->name, why.text);
			continue;
		}
		n->gave = true;
		p.plugin = plugin_name(n->plugin);
		p.version = n->plugin->self->version;
		parcels_role(g, n, role);
		if (send(arg, n, role, &p, err) != 0)
			return -1;
	}
	return 0;
}

static void
take_back(struct rend_node *n)
{
	struct rend_error why = { 0 };

	if (n->gave)
		n->plugin->handler.keep(n->store);
	n->gave = false;
	if (n->released && n->plugin->handler.reopen(n->store, &why) != 0) {
		if (!n->away)
			rend_log(
			    REND_LOG_ERROR, "%s: it is not asked, until it can be opened again: %s", n->name, why.text);
		__atomic_store_n(&n->away, true, __ATOMIC_RELAXED);
		return;
	}
	if (n->away)
		rend_log(REND_LOG_INFO, "%s: it is asked again", n->name);
	n->released = false;
	__atomic_store_n(&n->away, false, __ATOMIC_RELAXED);
	be_asked(n, true);
}

void
parcels_keep(struct generation *g)
{
	REND_CHECK(g, GENERATION_MAGIC);
	for (size_t i = 0; i < g->count; i++)
		if (leaves_something(g->nodes[i]))
			take_back(g->nodes[i]);
}

bool
parcels_reopen(struct generation *g)
{
	bool away = false;

	REND_CHECK(g, GENERATION_MAGIC);
	for (size_t i = 0; i < g->count; i++) {
		if (g->nodes[i]->away)
			take_back(g->nodes[i]);
		away |= g->nodes[i]->away;
	}
	return away;
}

/* ---- there ---- */

void
parcels_close(struct rend_parcel *p)
{
	for (unsigned i = 0; i < p->fd_count; i++)
		close(p->fds[i]);
	p->fd_count = 0;
}

static void
free_one(struct parcels_one *one)
{
	parcels_close(&one->parcel);
	free(one->node);
	free(one->plugin);
	free(one->version);
}

bool
parcels_add(struct parcels *ps, const char *node, const char *plugin, const char *version, const char *role,
    const struct rend_parcel *p)
{
	struct parcels_one *all = NULL, *one;

	if (ps->count < PARCELS_MAX)
		all = reallocarray(ps->all, ps->count + 1, sizeof *all);
	if (all == NULL) {
		struct rend_parcel lost = *p;

		parcels_close(&lost);
		return false;
	}
	ps->all = all;
	one = &all[ps->count];
	*one = (struct parcels_one){
		.node = strdup(node), .plugin = strdup(plugin), .version = strdup(version), .parcel = *p
	};
	snprintf(one->role, sizeof one->role, "%s", role);
	if (one->node == NULL || one->plugin == NULL || one->version == NULL) {
		free_one(one);
		return false;
	}
	one->parcel.plugin = one->plugin;
	one->parcel.version = one->version;
	ps->count++;
	return true;
}

/* Why it is not what this node keeps; NULL: it is. */
static const char *
unfit(const struct generation *g, const struct rend_node *n, const struct parcels_one *one)
{
	char role[PARCELS_ROLE];

	if (n == NULL || n->idle)
		return "nobody of that name is asked any more";
	if (strcmp(plugin_name(n->plugin), one->plugin) != 0)
		return "it has another plugin";
	parcels_role(g, n, role);
	return strcmp(role, one->role) == 0 ? NULL : "it was asked beside others, or holds copies of something else";
}

static void
lay_out(struct parcels *ps, const struct generation *g)
{
	for (size_t i = 0; i < ps->count; i++) {
		struct parcels_one *one = &ps->all[i];
		struct rend_node *n = generation_node(g, one->node);
		const char *why = unfit(g, n, one);

		if (why != NULL)
			rend_log(
			    REND_LOG_WARN, "%s: what the process before had is not taken over: %s", one->node, why);
		else
			n->parcel = &one->parcel;
	}
}

void
parcels_fini(struct parcels *ps)
{
	while (ps->count > 0)
		free_one(&ps->all[--ps->count]);
	free(ps->all);
	ps->all = NULL;
}

int
parcels_open(struct parcels *ps, struct generation *g, struct rend_error *err)
{
	int rc;

	if (ps == NULL)
		return generation_open(g, err);
	lay_out(ps, g);
	rc = generation_open(g, err);
	for (size_t i = 0; i < g->count; i++)
		g->nodes[i]->parcel = NULL;
	parcels_fini(ps);
	return rc;
}

/* ---- roles ---- */

/* FNV-1a: both sides have to come to the same, and nobody gains by two that are alike. */
static void
add_bytes(uint64_t *sum, const void *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*sum = (*sum ^ ((const unsigned char *)p)[i]) * 0x100000001b3ULL;
}

static void
add_text(uint64_t *sum, const char *s)
{
	add_bytes(sum, s == NULL ? "" : s, s == NULL ? 1 : strlen(s) + 1);
}

static void add_node(uint64_t *sum, const struct rend_node *n);

static void
add_option(uint64_t *sum, const struct rend_option *o, const void *at)
{
	const struct rend_strings *texts = at;

	switch (o->type) {
	case REND_BOOL:
		add_bytes(sum, at, sizeof(bool));
		break;
	case REND_INT:
	case REND_SIZE:
	case REND_DURATION:
		add_bytes(sum, at, sizeof(uint64_t));
		break;
	case REND_CHOICE:
		add_bytes(sum, at, sizeof(int));
		break;
	case REND_STRING:
		add_text(sum, *(const char *const *)at);
		break;
	case REND_STRINGS:
		for (size_t i = 0; i < texts->count; i++)
			add_text(sum, texts->strings[i]);
		break;
	case REND_HANDLER:
	case REND_NODE:
		add_node(sum, *(const struct rend_node *const *)at);
		break;
	}
}

/* Graphs have no circles. */
static void
add_node(uint64_t *sum, const struct rend_node *n)
{
	const struct rend_option *o = n == NULL ? NULL : plugin_options(n->plugin);

	add_text(sum, n == NULL ? NULL : n->name);
	if (n != NULL)
		add_text(sum, plugin_name(n->plugin));
	for (; o != NULL && o->name != NULL; o++) {
		add_text(sum, o->name);
		add_option(sum, o, (const char *)n->conf + o->at);
	}
}

void
parcels_role(const struct generation *g, const struct rend_node *n, char role[PARCELS_ROLE])
{
	const struct rend_node *of = pairs_l2_of(g, n);
	uint64_t sum = 0xcbf29ce484222325ULL;

	if (of != NULL)
		add_node(&sum, of);
	snprintf(role, PARCELS_ROLE, "%s %s %016llx", pairs_asks_alone(g, n) ? "alone" : "-",
	    of == NULL ? "-" : "copies", of == NULL ? 0 : (unsigned long long)sum);
}
