/* Blocks that are what they were: see carry.h. */
#include "conf/carry.h"

#include <string.h>
#include <sysexits.h>

#include "engine/generation.h"
#include "engine/pairs.h"
#include "engine/repair.h"

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_texts(const struct rend_strings *a, const struct rend_strings *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!same_text(a->strings[i], b->strings[i]))
			return false;
	return true;
}

static bool same_named(const struct rend_node *a, const struct rend_node *b);

/* deep: a node that is named may be another one, too, if it is a policy that is what it was. */
static bool
same_option(const struct rend_option *o, const void *a, const void *b, bool deep)
{
	const struct rend_node *p, *q;

	const void *x = (const char *)a + o->at, *y = (const char *)b + o->at;

	switch (o->type) {
	case REND_BOOL:
		return memcmp(x, y, sizeof(bool)) == 0;
	case REND_INT:
	case REND_SIZE:
	case REND_DURATION:
		return memcmp(x, y, sizeof(uint64_t)) == 0;
	case REND_CHOICE:
		return memcmp(x, y, sizeof(int)) == 0;
	case REND_STRING:
		return same_text(*(const char *const *)x, *(const char *const *)y);
	case REND_STRINGS:
		return same_texts(x, y);
	case REND_HANDLER:
	case REND_NODE:
		memcpy(&p, x, sizeof(void *));
		memcpy(&q, y, sizeof(void *));
		return p == q || (deep && same_named(p, q));
	}
	return false;
}

/* Numbers say how much or how long, not what and where. */
static bool
is_tuning(const struct rend_option *o)
{
	return o->type == REND_INT || o->type == REND_SIZE || o->type == REND_DURATION;
}

static bool
same_options(const struct rend_node *a, const struct rend_node *b, bool but_for_tuning, bool deep)
{
	const struct rend_option *o = plugin_options(a->plugin);

	if (a->plugin != b->plugin)
		return false;
	for (; o != NULL && o->name != NULL; o++)
		if (!(but_for_tuning && is_tuning(o)) && !same_option(o, a->conf, b->conf, deep))
			return false;
	return true;
}

static bool
same_node(const struct rend_node *a, const struct rend_node *b)
{
	return a->unknown_hold == b->unknown_hold && same_options(a, b, false, false);
}

/* An L1 in another process is where it was, and no copy in it is in doubt: what was noted of the running node is true of the new one. */
static void
follow(struct rend_node *next, const struct rend_node *running)
{
	const struct repair *repair = node_repair(running);

	if (repair == NULL || repair_now(repair) != 0 || (node_can(running) & REND_CAN_EXCLUDE) ||
	    !same_options(running, next, true, false))
		return;
	next->copies_of = running->copies_of;
	next->outdated = running->outdated;
	next->alone = running->alone;
	next->paired = running->paired;
}

/* Is it a policy over the very same handlers, or over policies that are the same?  What it is asked ends where it did. */
static bool
same_policy(const struct rend_node *a, const struct rend_node *b)
{
	return a->bypassed == b->bypassed && same_options(a, b, false, true);
}

/* Handlers that are the same are one node by now. */
static bool
same_named(const struct rend_node *a, const struct rend_node *b)
{
	return a != NULL && b != NULL && !plugin_is_handler(a->plugin) && !plugin_is_handler(b->plugin) &&
	       strcmp(a->name, b->name) == 0 && same_policy(a, b);
}

/* Where the conf of a block names one node it names another. */
static void
rename_node(const struct graph_block *b, const struct rend_node *from, const struct rend_node *to)
{
	const struct rend_option *o = plugin_options(b->plugin);

	for (; o != NULL && o->name != NULL; o++) {
		char *at = (char *)b->conf + o->at;

		if ((o->type == REND_HANDLER || o->type == REND_NODE) && memcmp(at, &from, sizeof(void *)) == 0)
			memcpy(at, &to, sizeof(void *));
	}
}

static void
carry_block(struct graph *g, struct graph_block *b, struct rend_node *running)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->blocks[i].node != NULL && &g->blocks[i] != b)
			rename_node(&g->blocks[i], b->node, running);
	node_free(&b->node);
	b->node = running;
	b->conf = running->conf;
	b->carried = true;
}

void
carry(struct graph *g)
{
	for (size_t i = 0; g->now != NULL && i < g->sorted; i++) {
		struct graph_block *b = &g->blocks[g->order[i]];
		struct rend_node *running;

		if (b->bad || b->policy)
			continue;
		running = generation_node(g->now, b->tree->name);
		if (running == NULL || !running->opened)
			continue;
		if (same_node(running, b->node))
			carry_block(g, b, running);
		else
			follow(b->node, running);
	}
}

void
carry_policies(struct graph *g)
{
	for (size_t i = 0; g->now != NULL && i < g->count; i++) {
		struct graph_block *b = &g->blocks[i];
		const struct rend_node *running;

		if (b->bad || !b->policy)
			continue;
		running = generation_node(g->now, b->tree->name);
		if (running != NULL && pairs_is_l2(g->now, running) && same_named(running, b->node))
			b->node->id = running->id;
	}
}

/* ---- what only one may have ---- */

static bool
claims(const struct rend_node *n, const char *what)
{
	const char *claim;

	for (unsigned i = 0; i < NODE_CLAIMS_MAX && (claim = node_claim(n, i)) != NULL; i++)
		if (strcmp(claim, what) == 0)
			return true;
	return false;
}

/* A node that is open and has it, and which generation that is of; or NULL. */
static const struct rend_node *
who_has(const struct graph *g, const char *what, const struct generation **of)
{
	for (*of = g->now; *of != NULL; *of = (*of)->older)
		for (size_t i = 0; i < (*of)->count; i++)
			if ((*of)->nodes[i]->opened && claims((*of)->nodes[i], what))
				return (*of)->nodes[i];
	return NULL;
}

static void
check_claims(const struct graph *g, const struct graph_block *b, struct messages *m)
{
	const struct generation *of;
	const char *claim;

	for (unsigned i = 0; i < NODE_CLAIMS_MAX && (claim = node_claim(b->node, i)) != NULL; i++) {
		const struct rend_node *has = who_has(g, claim, &of);

		if (has == NULL)
			continue;
		if (of == g->now)
			messages_error(m, b->tree->place, EX_CONFIG, b->path,
			    "%s, or its plugin, is not as it was, and %.200s can be open only once: needs a restart",
			    has->name, claim);
		else
			messages_error(m, b->tree->place, EX_TEMPFAIL, b->path,
			    "%.200s is still in use by requests, or by a command, that began before an earlier reload: "
			    "try again",
			    claim);
		return;
	}
}

void
carry_check_claims(const struct graph *g, struct messages *m)
{
	for (size_t i = 0; g->now != NULL && i < g->count; i++)
		if (!g->blocks[i].bad && !g->blocks[i].carried && !g->blocks[i].node->idle)
			check_claims(g, &g->blocks[i], m);
}
