/* Whether nodes fit together: see graph_check.h. */
#include "conf/graph_check.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "engine/plugin_load.h"

/* ---- each by itself ---- */

/* A policy's tiers are what its options of those names say. */
static void
set_tiers(struct graph_block *b)
{
	const struct rend_policy *p = &b->plugin->policy;

	for (int i = 0; i < REND_TIERS_MAX && p->tiers[i] != NULL; i++)
		for (const struct rend_option *opt = p->options; opt->name != NULL; opt++)
			if (strcmp(opt->name, p->tiers[i]) == 0) {
				memcpy(&b->node->tiers[i], (const char *)b->conf + opt->at, sizeof(void *));
				b->node->tier_count = i + 1;
			}
}

static void
check_node(struct graph_block *b, struct messages *m)
{
	struct rend_error err = { 0 };

	if (b->plugin->policy.name != NULL)
		set_tiers(b);
	for (int i = 0; i < b->node->tier_count; i++)
		if (b->node->tiers[i] == NULL) {
			b->bad = true;
			messages_error(m, b->tree->place, 0, b->path, "%s must be given", b->plugin->policy.tiers[i]);
			return;
		}
	graph_doing(b, plugin_name(b->plugin), "while it checked its options");
	if (node_check(b->node, &err) != 0) {
		b->bad = true;
		messages_take(m, b->tree->place, b->path, &err);
	}
}

/* ---- who shares what with whom ---- */

static bool
guards(const struct graph_block *b)
{
	return b->node != NULL && node_guards(b->node);
}

static bool
copies(const struct graph_block *b)
{
	return b->node != NULL && node_copies(b->node);
}

/*
 * What lies in an L1 is a copy of what lies in its L2, and guard or leases keep it so.  Somebody who stores there without
 * them, or for another L2, would make it answer with values that were never theirs.
 */
static void
check_shared_l1(const struct graph *g, const struct graph_block *p, struct messages *m)
{
	const struct rend_node *l1 = p->node->tiers[0], *l2 = p->node->tiers[1];

	if (l1 == l2) {
		messages_error(m, p->tree->place, 0, p->path,
		    "%s cannot be the L1 and the L2: there would be no copies", rend_node_name(l1));
		return;
	}
	for (size_t i = 0; i < g->count; i++) {
		const struct graph_block *b = &g->blocks[i];
		bool same = b->node != NULL && b->node->tier_count == p->node->tier_count && b->node->tiers[0] == l1 &&
			    b->node->tiers[1] == l2;

		for (size_t k = 0; b != p && !b->bad && !same && k < b->asks_count; k++)
			if (g->blocks[b->asks[k]].node == l1) {
				messages_error(m, b->tree->place, 0, b->path,
				    "asks %s, which is the L1 of %s over %s: nobody else may, but for policies over "
				    "the same two",
				    rend_node_name(l1), p->path, rend_node_name(l2));
				break;
			}
	}
}

/* Two who know nothing of each other write to one L2: that is right only if one of them never writes. */
static void
warn_shared_l2(const struct graph *g, const struct graph_block *p, struct messages *m)
{
	const struct rend_node *l1 = p->node->tiers[0], *l2 = p->node->tiers[1];

	for (size_t i = 0; i < g->count; i++) {
		const struct graph_block *b = &g->blocks[i];
		bool knows = b->node != NULL && b->node->tier_count > 0 && b->node->tiers[0] == l1;

		for (size_t k = 0; b != p && !b->bad && !knows && k < b->asks_count; k++)
			if (g->blocks[b->asks[k]].node == l2) {
				messages_warn(m, b->tree->place, b->path,
				    "asks %s, which is the L2 of %s: copies in %s know nothing of what is written here",
				    rend_node_name(l2), p->path, rend_node_name(l1));
				break;
			}
	}
}

/* An option that does nothing would be taken for one that does. */
static void
check_hold(const struct graph *g, const struct graph_block *b, struct messages *m)
{
	const struct tree *t = b->policy ? NULL : tree_get(b->tree, "unknown_hold");
	char path[TREE_PATH_MAX + 16];

	for (size_t i = 0; t != NULL && i < g->count; i++)
		if (g->blocks[i].node != NULL &&
		    (g->blocks[i].bad || (guards(&g->blocks[i]) && g->blocks[i].node->tiers[0] == b->node)))
			return;
	if (t == NULL)
		return;
	snprintf(path, sizeof path, "%s.unknown_hold", b->path);
	messages_error(m, t->place, 0, path, "no policy keeps copies in %s: this is for an l1", b->tree->name);
}

/* ---- locks ---- */

static bool
locks(const struct graph_block *b)
{
	return !b->bad && (b->plugin->handler.can & REND_LOCKS_L1) != 0;
}

/* A node somewhere below this one that locks the same L1, or NULL.  seen: where it looked already. */
static const struct graph_block *
lock_below(const struct graph *g, const struct graph_block *b, const struct rend_node *l1, bool *seen)
{
	for (size_t k = 0; k < b->asks_count; k++) {
		const struct graph_block *kid = &g->blocks[b->asks[k]];

		if (seen[b->asks[k]])
			continue;
		seen[b->asks[k]] = true;
		if (locks(kid) && rend_node_l1(kid->node) == l1)
			return kid;
		kid = lock_below(g, kid, l1, seen);
		if (kid != NULL)
			return kid;
	}
	return NULL;
}

/* Nobody may wait for a lock that it holds itself, further up. */
static void
check_nested_locks(const struct graph *g, const struct graph_block *b, struct messages *m)
{
	const struct rend_node *l1 = rend_node_l1(b->node);
	bool *seen = calloc(g->count, sizeof *seen);
	const struct graph_block *other = seen == NULL ? NULL : lock_below(g, b, l1, seen);

	if (seen == NULL)
		messages_error(m, b->tree->place, EX_OSERR, b->path, "no memory");
	if (other != NULL)
		messages_error(m, b->tree->place, 0, b->path,
		    "%s, below it, locks the same L1, %s: a request would wait for itself; one of the two is enough",
		    other->path, rend_node_name(l1));
	free(seen);
}

/* ---- all of it ---- */

void
graph_check(struct graph *g, struct messages *m)
{
	for (size_t i = 0; i < g->sorted; i++)
		if (!g->blocks[g->order[i]].bad)
			check_node(&g->blocks[g->order[i]], m);
	for (size_t i = 0; i < g->count; i++)
		if (!g->blocks[i].bad && g->blocks[i].node->tier_count > 1 && copies(&g->blocks[i])) {
			check_shared_l1(g, &g->blocks[i], m);
			warn_shared_l2(g, &g->blocks[i], m);
		}
	for (size_t i = 0; i < g->count; i++)
		if (locks(&g->blocks[i]))
			check_nested_locks(g, &g->blocks[i], m);
	for (size_t i = 0; i < g->count; i++)
		if (!g->blocks[i].bad)
			check_hold(g, &g->blocks[i], m);
}
