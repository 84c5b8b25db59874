/* What an L1 and its L2 hold of each other: see pairs.h. */
#include "engine/pairs.h"

#include <string.h>
#include <sysexits.h>

#include "engine/bypass.h"
#include "engine/repair.h"

/* Is this a policy that keeps copies, and is asked itself? */
static bool
is_pair(const struct rend_node *p)
{
	return p->reached && p->tier_count > 1 && p->bypassed == 0 && node_copies(p);
}

/* Calls found() for each node that n names in an option, until it says true. */
static bool
any_named(const struct rend_node *n, bool (*found)(const void *arg, const struct rend_node *named), const void *arg)
{
	const struct rend_option *o = plugin_options(n->plugin);
	const struct rend_node *named;

	for (; o != NULL && o->name != NULL; o++) {
		if (o->type != REND_HANDLER && o->type != REND_NODE)
			continue;
		memcpy(&named, (const char *)n->conf + o->at, sizeof(void *));
		if (named != NULL && found(arg, named))
			return true;
	}
	return false;
}

static bool
is_same(const void *a, const struct rend_node *b)
{
	return a == b;
}

/* Does p name n in an option, and ask it? */
static bool
asks(const struct rend_node *p, const struct rend_node *n)
{
	return p->reached && bypass_of(p) != n && any_named(p, is_same, n);
}

bool
pairs_asks(const struct generation *g, const struct rend_node *n)
{
	for (size_t i = 0; i < g->count; i++)
		if (asks(g->nodes[i], n))
			return true;
	return false;
}

/* By a policy that is asked itself, or by a handler above it that is. */
static bool
is_asked(const struct generation *g, const struct rend_node *n)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct rend_node *p = g->nodes[i];

		if (plugin_is_handler(p->plugin) ? any_named(p, is_same, n) && is_asked(g, p) : asks(p, n))
			return true;
	}
	return false;
}

static bool
reaches(const void *g, const struct rend_node *n)
{
	return is_asked(g, n) || any_named(n, reaches, g);
}

bool
pairs_reaches(const struct generation *g, const struct rend_node *n)
{
	return reaches(g, n);
}

static const struct rend_node *
node_with_id(const struct generation *g, uint64_t id)
{
	for (size_t i = 0; i < g->count && id != 0; i++)
		if (g->nodes[i]->id == id)
			return g->nodes[i];
	return NULL;
}

static bool
lasts(const void *before, const struct rend_node *n)
{
	return !(node_can(n) & REND_FORGETS) || node_with_id(before, n->id) != NULL || any_named(n, lasts, before);
}

bool
pairs_begins_empty(const struct generation *before, const struct rend_node *n)
{
	return !lasts(before, n);
}

/* The policy over this L1 that keeps copies there, or NULL.  All of a generation that do have the same L2. */
static const struct rend_node *
pair_of(const struct generation *g, const struct rend_node *l1)
{
	for (size_t i = 0; i < g->count; i++)
		if (is_pair(g->nodes[i]) && g->nodes[i]->tiers[0] == l1)
			return g->nodes[i];
	return NULL;
}

void
pairs_note(const struct generation *g)
{
	for (size_t i = 0; i < g->count; i++) {
		struct rend_node *n = g->nodes[i];
		const struct rend_node *pair = pair_of(g, n), *l2;

		n->paired = pair != NULL;
		if (pair != NULL) {
			n->copies_of = pair->tiers[1]->id;
			n->outdated = n->alone = false;
			continue;
		}
		l2 = node_with_id(g, n->copies_of);
		n->alone |= pairs_asks(g, n);
		n->outdated |= l2 != NULL && pairs_asks(g, l2);
	}
}

/* All who have it as their l2. */
static bool
is_trusted(const struct generation *g, const struct rend_node *l2)
{
	for (size_t i = 0; i < g->count; i++)
		if (is_pair(g->nodes[i]) && g->nodes[i]->tiers[1] == l2 && !g->nodes[i]->trust_l2)
			return false;
	return true;
}

/* Of an earlier generation's pair, or of its own, it is not. */
static bool
is_new_l1(const struct rend_node *l1)
{
	return l1->copies_of == 0 && !l1->alone;
}

/* Whom of a pair has to be emptied first, in *n; NULL: neither. */
static int
find_left_behind(const struct generation *g, const struct rend_node *l1, const struct rend_node *l2,
    const struct rend_node **n, bool *is_new, struct rend_error *err)
{
	bool of_another = l1->copies_of != 0 && l1->copies_of != l2->id;

	*n = NULL;
	*is_new = is_new_l1(l1) && node_repair(l1) == NULL;
	if (of_another && l1->paired)
		return error_set(err, EX_CONFIG,
		    "%s holds copies of another l2, and is asked meanwhile: to put %s under it needs a restart",
		    l1->name, l2->name);
	if (*is_new || l1->outdated || (of_another && !l1->alone))
		*n = l1;
	else if (l1->alone && !is_trusted(g, l2))
		*n = l2;
	return 0;
}

int
pairs_each_left_behind(const struct generation *g, pairs_empty_f *empty, void *arg, struct rend_error *err)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct rend_node *pair = pair_of(g, g->nodes[i]), *n;
		bool is_new;

		if (pair == NULL)
			continue;
		if (find_left_behind(g, pair->tiers[0], pair->tiers[1], &n, &is_new, err) != 0)
			return -1;
		if (n != NULL && empty(arg, n, is_new, err) != 0)
			return -1;
	}
	return 0;
}

void
pairs_doubt_new(const struct generation *g, void (*told)(void *arg, const struct rend_node *n), void *arg)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct rend_node *l1 = g->nodes[i];
		struct repair *repair = node_repair(l1);

		/* One that nobody else asks is in doubt from its beginning. */
		if (pair_of(g, l1) == NULL || !is_new_l1(l1) || repair == NULL || (node_can(l1) & REND_CAN_EXCLUDE))
			continue;
		repair_lost_all(repair);
		told(arg, l1);
	}
}

bool
pairs_is_l2(const struct generation *g, const struct rend_node *n)
{
	for (size_t i = 0; i < g->count; i++)
		if (is_pair(g->nodes[i]) && g->nodes[i]->tiers[1] == n)
			return true;
	return false;
}

const struct rend_node *
pairs_l2_of(const struct generation *g, const struct rend_node *n)
{
	const struct rend_node *pair = pair_of(g, n);

	return pair == NULL ? NULL : pair->tiers[1];
}

/* ---- what a node is to a generation ---- */

struct role {
	bool alone;			  /* asked by itself */
	const struct rend_node *over;	  /* holds copies of it */
	const struct rend_node *under[2]; /* the first and the last that hold copies of this one */
};

static struct role
role_in(const struct generation *g, const struct rend_node *n)
{
	struct role r = { 0 };

	for (size_t i = 0; i < g->count; i++) {
		const struct rend_node *p = g->nodes[i];

		if (!asks(p, n))
			continue;
		if (!is_pair(p)) {
			r.alone = true;
		} else if (p->tiers[0] == n) {
			r.over = p->tiers[1];
		} else {
			r.under[1] = p->tiers[0];
			if (r.under[0] == NULL)
				r.under[0] = p->tiers[0];
		}
	}
	return r;
}

static bool
has_role(const struct role *r)
{
	return r->alone || r->over != NULL || r->under[0] != NULL;
}

/* A policy that is what it was is made anew, under its number. */
static bool
same_node(const struct rend_node *a, const struct rend_node *b)
{
	return a == b || (a != NULL && b != NULL && a->id == b->id);
}

bool
pairs_differ(const struct generation *a, const struct generation *b)
{
	for (size_t i = 0; i < a->count; i++) {
		struct role in_a = role_in(a, a->nodes[i]), in_b = role_in(b, a->nodes[i]);

		if (!has_role(&in_a) || !has_role(&in_b))
			continue;
		if (in_a.alone != in_b.alone || !same_node(in_a.over, in_b.over) ||
		    !same_node(in_a.under[0], in_b.under[0]) || !same_node(in_a.under[1], in_b.under[1]))
			return true;
	}
	return false;
}

bool
pairs_asks_alone(const struct generation *g, const struct rend_node *n)
{
	return role_in(g, n).alone;
}
