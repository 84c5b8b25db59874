/* What a block may say whatever its plugin is: see own.h. */
#include "conf/own.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "conf/arena.h"
#include "conf/options.h"
#include "conf/suggest.h"

struct handler_conf {
	uint64_t unknown_hold;
};

const struct rend_option own_handler_options[] = {
	REND_OPTION("unknown_hold", REND_DURATION, handler_conf, unknown_hold, "30s", "100ms..1h",
	    "Of an l1: how long it takes no copy of a key of which a write to the l2 ended without an answer."),
	{ .name = NULL },
};

struct policy_conf {
	const char *bypass;
	bool trust_l2;
};

const struct rend_option own_policy_options[] = {
	REND_OPTION("bypass", REND_STRING, policy_conf, bypass, "", NULL,
	    "Of a policy of two tiers: l1 or l2, which is not asked then; the other one serves alone."),
	REND_OPTION("trust_l2", REND_BOOL, policy_conf, trust_l2, "false", NULL,
	    "An l2 that was bypassed holds nothing old when it is asked again: it is not flushed first."),
	{ .name = NULL },
};

const char *const own_handler_names[] = { "plugin", "unknown_hold", NULL };
const char *const own_policy_names[] = { "plugin", "bypass", "trust_l2", NULL };

#define OWN_MAX 4 /* options of one table */

/* The plugin's names were looked at by others: only ours are handed on. */
static void
fill(const struct rend_option *table, const char *whose, const struct tree *block, const char *path, void *conf,
    struct messages *m)
{
	struct options o = { table, whose, path, NULL, NULL, NULL };
	struct tree only = *block, kids[OWN_MAX];
	size_t count = 0;

	only.kids = NULL;
	for (const struct rend_option *opt = table; opt->name != NULL && count < OWN_MAX; opt++) {
		const struct tree *t = tree_get(block, opt->name);

		if (t == NULL)
			continue;
		kids[count] = *t;
		kids[count].next = only.kids;
		only.kids = &kids[count++];
	}
	only.count = count;
	options_fill(&o, &only, block->place, conf, m);
}

void
own_fill_handler(struct rend_node *n, const struct tree *block, const char *path, struct messages *m)
{
	struct handler_conf *conf = arena_new(sizeof *conf);

	if (conf == NULL) {
		messages_error(m, block->place, EX_OSERR, path, "no memory");
		return;
	}
	fill(own_handler_options, "a handler", block, path, conf, m);
	n->unknown_hold = conf->unknown_hold;
	arena_free(conf);
}

void
own_fill_policy(struct rend_node *n, const struct tree *block, const char *path, struct messages *m)
{
	struct policy_conf *conf = arena_new(sizeof *conf);

	if (conf == NULL) {
		messages_error(m, block->place, EX_OSERR, path, "no memory");
		return;
	}
	fill(own_policy_options, "a policy", block, path, conf, m);
	n->trust_l2 = conf->trust_l2;
	arena_free(conf);
}

/* A setting of a block that makes no sense there. */
static int
wrong(const struct tree *block, const char *path, const char *name, struct messages *m, const char *why)
{
	char where[TREE_PATH_MAX + 16];

	snprintf(where, sizeof where, "%.300s.%s", path, name);
	messages_error(m, tree_get(block, name)->place, 0, where, "%s", why);
	return -1;
}

int
own_find_bypass(struct rend_node *n, const struct tree *block, const char *path, struct messages *m)
{
	const struct tree *t = tree_get(block, "bypass");
	struct suggest s = { .wrong = t == NULL ? "" : t->text };
	char why[200], near[80];

	if (n->tier_count != 2 && n->trust_l2)
		return wrong(block, path, "trust_l2", m, "it has no two tiers, so there is no l2");
	if (t == NULL || t->text == NULL || *t->text == '\0')
		return 0;
	if (n->tier_count != 2)
		return wrong(block, path, "bypass", m, "it has no two tiers, of which one could serve alone");
	for (int i = 0; i < n->tier_count; i++) {
		const char *tier = n->plugin->policy.tiers[i];

		if (strcmp(tier, t->text) == 0)
			n->bypassed = i + 1;
		suggest_try(&s, tier);
	}
	if (n->bypassed != 0)
		return 0;
	snprintf(why, sizeof why, "there is no tier \"%.64s\"%s", t->text, suggest_text(&s, near, sizeof near));
	return wrong(block, path, "bypass", m, why);
}
