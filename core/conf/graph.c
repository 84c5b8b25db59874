/* Blocks to nodes: see graph.h. */
#include "conf/graph.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "conf/arena.h"
#include "conf/carry.h"
#include "conf/graph_check.h"
#include "conf/options.h"
#include "conf/own.h"
#include "conf/rehearse.h"
#include "conf/suggest.h"
#include "engine/bypass.h"
#include "engine/generation.h"
#include "engine/plugin_load.h"
#include "net/comeback.h"

#define BLOCK_NAME_MAX 64

/* What an option gets that names a block about which something was said already: nobody follows it. */
static const struct rend_node unfit;

/* ---- reading ---- */

static struct graph_block *
block_of(const struct graph *g, const char *name)
{
	for (size_t i = 0; i < g->count; i++)
		if (strcmp(g->blocks[i].tree->name, name) == 0)
			return &g->blocks[i];
	return NULL;
}

static const char *
plugin_word(struct graph_block *b, const struct graph *g, struct messages *m)
{
	const struct tree *t = tree_get(b->tree, "plugin");
	char path[TREE_PATH_MAX + 8], near[80] = "";

	snprintf(path, sizeof path, "%s.plugin", b->path);
	if (t != NULL && (t->kind == TREE_STRING || t->kind == TREE_TEXT))
		return t->text;
	if (t != NULL)
		messages_error(
		    m, t->place, 0, path, "the name of a plugin in quotes is wanted, not %s", tree_kind_name(t->kind));
	else if (b->tree->place.line == 0) {
		/* Only the command line spoke of this block: its name is the likelier mistake. */
		struct suggest s = { .wrong = b->tree->name };

		for (size_t i = 0; i < g->count; i++)
			if (g->blocks[i].tree->place.line != 0)
				suggest_try(&s, g->blocks[i].tree->name);
		messages_error(
		    m, b->tree->place, 0, NULL, "there is no block %s%s", b->path, suggest_text(&s, near, sizeof near));
	} else
		messages_error(m, b->tree->place, 0, path, "must be given: which plugin it is");
	return NULL;
}

void
graph_doing(const struct graph_block *b, const char *name, const char *what)
{
	struct place place = tree_get(b->tree, "plugin")->place;
	char who[300];

	if (place.line != 0)
		snprintf(who, sizeof who, "%.120s:%u: %.80s: plugin %.64s", place.file, place.line, b->path, name);
	else
		snprintf(who, sizeof who, "%.120s: plugin %.64s", place.file, name);
	rehearse_doing(who, what);
}

static int
is_so(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 3 && strcmp(d->d_name + len - 3, ".so") == 0;
}

/* "; did you mean inmem?": the nearest of the plugins in the folder, unless it is there under just this name. */
static const char *
near_plugin(const char *name, const char *plugin_dir, char *buf, size_t size)
{
	struct suggest s = { .wrong = name };
	struct dirent **files;
	int count = *name == '/' ? -1 : scandir(plugin_dir, &files, is_so, alphasort);

	*buf = '\0';
	for (int i = 0; i < count; i++) {
		files[i]->d_name[strlen(files[i]->d_name) - 3] = '\0';
		suggest_try(&s, files[i]->d_name);
	}
	if (s.best != NULL && s.distance > 0)
		suggest_text(&s, buf, size);
	for (int i = 0; i < count; i++)
		free(files[i]);
	if (count >= 0)
		free(files);
	return buf;
}

static int
load(struct graph_block *b, const struct graph *g, const char *plugin_dir, struct messages *m)
{
	const char *name = plugin_word(b, g, m);
	char path[TREE_PATH_MAX + 8], near[300];
	struct rend_error err = { 0 };
	struct place place;

	if (name == NULL)
		return -1;
	place = tree_get(b->tree, "plugin")->place;
	snprintf(path, sizeof path, "%s.plugin", b->path);
	graph_doing(b, name, "while it was loaded");
	b->plugin = plugin_load(name, plugin_dir, &err);
	if (b->plugin == NULL) {
		messages_error(
		    m, place, err.exit_code, path, "%s%s", err.text, near_plugin(name, plugin_dir, near, sizeof near));
		return -1;
	}
	if (plugin_is_handler(b->plugin) == b->policy) {
		messages_error(m, place, 0, path, "%s is a %s: its block belongs under %s", plugin_name(b->plugin),
		    b->policy ? "handler" : "policy", b->policy ? "handlers" : "policies");
		return -1;
	}
	b->conf = arena_new(plugin_conf_size(b->plugin));
	if (b->conf != NULL)
		b->node = node_new(b->tree->name, b->plugin, b->conf, arena_free);
	if (b->node == NULL) {
		messages_error(m, place, EX_OSERR, b->path, "no memory");
		return -1;
	}
	return 0;
}

/* handlers = {}, or policies = {}; of another kind it has no named kids. */
static void
read_blocks(struct graph *g, const struct tree *group, bool policy, struct messages *m)
{
	for (const struct tree *t = group == NULL || group->kind != TREE_GROUP ? NULL : group->kids; t != NULL;
	     t = t->next) {
		struct graph_block *b = &g->blocks[g->count], *other = block_of(g, t->name);

		b->tree = t;
		b->policy = policy;
		snprintf(b->path, sizeof b->path, "%s.%.200s", group->name, t->name);
		b->bad = true;
		if (t->kind != TREE_GROUP)
			messages_error(
			    m, t->place, 0, b->path, "a group { } is wanted, not %s", tree_kind_name(t->kind));
		else if (strlen(t->name) > BLOCK_NAME_MAX)
			messages_error(m, t->place, 0, b->path, "a name may have %d letters", BLOCK_NAME_MAX);
		else if (other != NULL)
			messages_error(m, t->place, 0, b->path,
			    "there is %s already, in line %u: the names of blocks are one list", other->path,
			    other->tree->place.line);
		else
			b->bad = false;
		/* Others may name it: that it is wrong was said once, here. */
		g->count++;
	}
}

/* ---- filling ---- */

struct finding {
	struct graph *g;
	size_t block;
};

static void
suggest_blocks(const struct graph *g, enum rend_option_type type, const struct graph_block *but, struct suggest *s)
{
	for (size_t i = 0; i < g->count; i++)
		if (&g->blocks[i] != but && (type == REND_NODE || !g->blocks[i].policy))
			suggest_try(s, g->blocks[i].tree->name);
}

/* An options_find_f. */
static const struct rend_node *
find(void *arg, enum rend_option_type type, const char *name, struct rend_error *err)
{
	struct finding *f = arg;
	struct graph_block *from = &f->g->blocks[f->block], *to = block_of(f->g, name);
	struct suggest s = { .wrong = name };
	char near[80];
	size_t *asks;

	if (to == NULL) {
		suggest_blocks(f->g, type, from, &s);
		rend_error(err, "there is no %s \"%.64s\"%s", type == REND_HANDLER ? "handler" : "handler or policy",
		    name, suggest_text(&s, near, sizeof near));
		return NULL;
	}
	if (type == REND_HANDLER && to->policy) {
		rend_error(err, "%s is a policy; a handler is wanted", name);
		return NULL;
	}
	asks = realloc(from->asks, (from->asks_count + 1) * sizeof *asks);
	if (asks == NULL) {
		error_set(err, EX_OSERR, "no memory");
		return NULL;
	}
	from->asks = asks;
	asks[from->asks_count++] = to - f->g->blocks;
	return to->node == NULL ? &unfit : to->node;
}

static void
fill(struct graph *g, size_t i, struct messages *m)
{
	struct graph_block *b = &g->blocks[i];
	struct finding f = { g, i };
	struct options o = { plugin_options(b->plugin), plugin_name(b->plugin), b->path,
		b->policy ? own_policy_names : own_handler_names, find, &f };
	size_t errors = m->errors;

	options_fill(&o, b->tree, b->tree->place, b->conf, m);
	(b->policy ? own_fill_policy : own_fill_handler)(b->node, b->tree, b->path, m);
	b->bad = m->errors != errors;
}

/* ---- sorting ---- */

/* Names a cycle that ends where it began: "a -> b -> a". */
static void
say_cycle(const struct graph *g, const size_t *way, size_t len, size_t again, struct messages *m)
{
	const struct graph_block *b = &g->blocks[again];
	char text[900] = "";
	size_t from = 0, used = 0;

	while (way[from] != again)
		from++;
	for (size_t i = from; i < len && used < sizeof text; i++)
		used += snprintf(text + used, sizeof text - used, "%s -> ", g->blocks[way[i]].tree->name);
	messages_error(m, b->tree->place, 0, b->path, "asks itself: %s%s", text, b->tree->name);
}

static void
visit(struct graph *g, size_t i, size_t *way, size_t len, struct messages *m)
{
	struct graph_block *b = &g->blocks[i];

	if (b->state == GRAPH_SORTED)
		return;
	if (b->state == GRAPH_ENTERED) {
		say_cycle(g, way, len, i, m);
		return;
	}
	b->state = GRAPH_ENTERED;
	way[len] = i;
	for (size_t k = 0; k < b->asks_count; k++) {
		const struct graph_block *kid = &g->blocks[b->asks[k]];

		visit(g, b->asks[k], way, len + 1, m);
		b->bad |= kid->bad || kid->node == NULL || kid->state != GRAPH_SORTED;
	}
	b->state = GRAPH_SORTED;
	g->order[g->sorted++] = i;
}

/* ---- all of it ---- */

void
graph_build(struct graph *g, const struct tree *root, const char *plugin_dir, struct messages *m)
{
	const struct tree *handlers = tree_get(root, "handlers"), *policies = tree_get(root, "policies");
	size_t most = (handlers == NULL ? 0 : handlers->count) + (policies == NULL ? 0 : policies->count);
	size_t *way;

	g->blocks = calloc(most + 1, sizeof *g->blocks);
	g->order = calloc(most + 1, sizeof *g->order);
	way = calloc(most + 2, sizeof *way);
	if (g->blocks == NULL || g->order == NULL || way == NULL) {
		messages_error(m, root->place, EX_OSERR, NULL, "no memory");
		free(way);
		return;
	}
	read_blocks(g, handlers, false, m);
	read_blocks(g, policies, true, m);
	for (size_t i = 0; i < g->count; i++)
		if (!g->blocks[i].bad)
			g->blocks[i].bad = load(&g->blocks[i], g, plugin_dir, m) != 0;
	for (size_t i = 0; i < g->count; i++)
		if (g->blocks[i].node != NULL)
			fill(g, i, m);
	for (size_t i = 0; i < g->count; i++)
		visit(g, i, way, 0, m);
	carry(g);
	graph_check(g, m);
	carry_policies(g);
	carry_check_claims(g, m);
	free(way);
}

/* ---- listeners ---- */

static void
mark_used(struct graph *g, struct graph_block *b)
{
	if (b->used)
		return;
	b->used = true;
	for (size_t k = 0; k < b->asks_count; k++)
		mark_used(g, &g->blocks[b->asks[k]]);
}

const struct rend_node *
graph_policy(struct graph *g, const char *name, struct rend_error *err)
{
	struct graph_block *b = block_of(g, name);
	struct suggest s = { .wrong = name };
	char near[80];

	if (b != NULL && b->policy) {
		mark_used(g, b);
		return b->node == NULL ? &unfit : b->node;
	}
	for (size_t i = 0; i < g->count; i++)
		if (g->blocks[i].policy)
			suggest_try(&s, g->blocks[i].tree->name);
	if (b != NULL)
		rend_error(err, "%s is a handler: listeners name a policy, like one of l1only over it", name);
	else
		rend_error(err, "there is no policy \"%.64s\"%s", name, suggest_text(&s, near, sizeof near));
	return NULL;
}

void
graph_want_no_notes(const struct graph *g, struct messages *m)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct graph_block *b = &g->blocks[i];
		char path[TREE_PATH_MAX + 8];

		if (b->bad || !comeback_notes(b->node))
			continue;
		snprintf(path, sizeof path, "%s.bypass", b->path);
		messages_error(m, tree_get(b->tree, "bypass")->place, 0, path,
		    "there must be a state_dir: rend notes there that %s is to be flushed before it is asked again",
		    rend_node_name(bypass_of(b->node)));
	}
}

void
graph_warn_unused(const struct graph *g, struct messages *m)
{
	for (size_t i = 0; i < g->count; i++)
		if (!g->blocks[i].used)
			messages_warn(m, g->blocks[i].tree->place, g->blocks[i].path, "no listener leads here");
}

struct generation *
graph_take(struct graph *g)
{
	struct rend_node **nodes = calloc(g->count + 1, sizeof(struct rend_node *));
	struct generation *made = NULL;

	for (size_t i = 0; nodes != NULL && i < g->sorted; i++)
		nodes[i] = g->blocks[g->order[i]].node;
	for (size_t i = 0; i < g->count; i++)
		if (g->blocks[i].policy)
			g->blocks[i].node->reached = g->blocks[i].used;
	if (nodes != NULL)
		made = generation_new(nodes, g->sorted);
	if (made == NULL) {
		free(nodes);
		return NULL;
	}
	for (size_t i = 0; i < g->count; i++)
		g->blocks[i].node = NULL;
	return made;
}

void
graph_fini(struct graph *g)
{
	for (size_t i = 0; g->blocks != NULL && i < g->count; i++) {
		if (!g->blocks[i].carried)
			node_free(&g->blocks[i].node);
		free(g->blocks[i].asks);
	}
	free(g->blocks);
	free(g->order);
	memset(g, 0, sizeof *g);
}
