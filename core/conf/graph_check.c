/* Whether nodes fit together: see graph_check.h. */
#include "conf/graph_check.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "conf/own.h"
#include "engine/bypass.h"
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
	if (b->policy && own_find_bypass(b->node, b->tree, b->path, m) != 0) {
		b->bad = true;
		return;
	}
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
		    (g->blocks[i].bad || ((guards(&g->blocks[i]) || g->blocks[i].node->bypassed != 0) &&
					     g->blocks[i].node->tiers[0] == b->node)))
			return;
	if (t == NULL)
		return;
	snprintf(path, sizeof path, "%s.unknown_hold", b->path);
	messages_error(m, t->place, 0, path, "no policy keeps copies in %s: this is for an l1", b->tree->name);
}

/* ---- bypassed tiers ---- */

/* Of two policies over the same tiers both bypass the same, or one would write where the other does not look. */
static void
check_bypassed_alike(const struct graph *g, const struct graph_block *p, struct messages *m)
{
	const struct rend_node *n = p->node;
	char path[TREE_PATH_MAX + 8];

	snprintf(path, sizeof path, "%s.bypass", p->path);
	for (size_t i = 0; i < g->count; i++) {
		const struct graph_block *b = &g->blocks[i];

		if (b->bad || b->node->tier_count != 2 || b->node->bypassed == n->bypassed ||
		    b->node->tiers[0] != n->tiers[0] || b->node->tiers[1] != n->tiers[1])
			continue;
		messages_error(m, tree_get(p->tree, "bypass")->place, 0, path,
		    "%s is over the same two tiers, and does not bypass %s: all of them must, or none", b->path,
		    rend_node_name(bypass_of(n)));
		return;
	}
}

static void
warn_bypass(const struct graph_block *p, struct messages *m)
{
	const struct rend_node *out = bypass_of(p->node);

	messages_warn(m, tree_get(p->tree, "bypass")->place, p->path, "%s (%s) is bypassed: %s serves alone",
	    p->plugin->policy.tiers[p->node->bypassed - 1], rend_node_name(out),
	    rend_node_name(p->node->tiers[p->node->bypassed == 1]));
}

/* Does this block ask that node, other than by a tier that it bypasses? */
static bool
asks_really(const struct graph_block *b, const struct rend_node *kid)
{
	const struct rend_node *n = b->node;

	if (n == NULL || n->bypassed == 0 || bypass_of(n) != kid)
		return true;
	return n->tiers[n->bypassed == 1] == kid;
}

/* Whom all who name it bypass, or are idle themselves, is idle: parents come last in the order.  What is open stays so. */
static void
find_idle(struct graph *g)
{
	for (size_t i = g->sorted; i > 0; i--) {
		struct graph_block *kid = &g->blocks[g->order[i - 1]];
		bool named = false, asked = false;

		for (size_t p = 0; p < g->count; p++)
			for (size_t k = 0; k < g->blocks[p].asks_count; k++)
				if (&g->blocks[g->blocks[p].asks[k]] == kid) {
					named = true;
					asked |= !g->blocks[p].bad && !g->blocks[p].node->idle &&
						 asks_really(&g->blocks[p], kid->node);
				}
		if (kid->node != NULL && !kid->carried)
			kid->node->idle = named && !asked;
	}
}

/* ---- what only one may have ---- */

/* The first claim of this node that is also `claim`, up to its nth; or `most`. */
static unsigned
claimed(const struct rend_node *n, const char *claim, unsigned most)
{
	for (unsigned i = 0; i < most; i++) {
		const char *other = node_claim(n, i);

		if (other == NULL)
			return most;
		if (strcmp(other, claim) == 0)
			return i;
	}
	return most;
}

static void
check_claims(const struct graph *g, const struct graph_block *b, struct messages *m)
{
	const char *claim;

	graph_doing(b, plugin_name(b->plugin), "while it said what it claims");
	for (unsigned nth = 0; (claim = node_claim(b->node, nth)) != NULL; nth++) {
		if (nth == NODE_CLAIMS_MAX) {
			messages_error(m, b->tree->place, EX_SOFTWARE, b->path, "plugin %s claims more than %d things",
			    plugin_name(b->plugin), NODE_CLAIMS_MAX);
			return;
		}
		if (claimed(b->node, claim, nth) < nth)
			messages_error(m, b->tree->place, 0, b->path, "wants %.200s twice", claim);
		for (const struct graph_block *other = g->blocks; other != b; other++)
			if (!other->bad && claimed(other->node, claim, NODE_CLAIMS_MAX) < NODE_CLAIMS_MAX)
				messages_error(m, b->tree->place, 0, b->path,
				    "wants %.200s for itself, which %s has: two stores cannot share it", claim,
				    other->path);
	}
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
		if (!g->blocks[g->order[i]].bad && !g->blocks[g->order[i]].carried)
			check_node(&g->blocks[g->order[i]], m);
	for (size_t i = 0; i < g->count; i++)
		if (!g->blocks[i].bad && g->blocks[i].node->tier_count > 1 && copies(&g->blocks[i])) {
			check_shared_l1(g, &g->blocks[i], m);
			warn_shared_l2(g, &g->blocks[i], m);
		}
	for (size_t i = 0; i < g->count; i++)
		if (!g->blocks[i].bad)
			check_claims(g, &g->blocks[i], m);
	for (size_t i = 0; i < g->count; i++)
		if (locks(&g->blocks[i]))
			check_nested_locks(g, &g->blocks[i], m);
	for (size_t i = 0; i < g->count; i++)
		if (!g->blocks[i].bad && g->blocks[i].node->bypassed != 0) {
			check_bypassed_alike(g, &g->blocks[i], m);
			warn_bypass(&g->blocks[i], m);
		}
	find_idle(g);
	for (size_t i = 0; i < g->count; i++)
		if (!g->blocks[i].bad)
			check_hold(g, &g->blocks[i], m);
}
