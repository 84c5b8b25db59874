/*
 * Loading a plugin.  Each step refuses with its own sentence, and what is not yet proved is not yet used:
 *
 *	file ─► may we trust it? ─► dlopen ─► rend_plugin() ─► magic, ABI ─► sizes ─► copy ─► descriptor, options
 *		─► name
 */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "engine/plugin_file.h"
#include "engine/plugin_load.h"
#include "engine/trust.h"

#define PLUGIN_NAME_MAX 64
/* A table that is longer has lost its end. */
#define PLUGIN_OPTIONS_MAX  256
#define PLUGIN_COMMANDS_MAX 64

/* What is loaded; never unloaded.  Main thread. */
static struct loaded {
	struct plugin plugin;
	void *handle; /* dlopen()'s: the same for the same file, whatever it is called */
	char *whole;  /* where it lay */
	struct plugin_sum sum;
	unsigned load; /* the latest that asked for it */
	struct loaded *next;
} * plugin_all;

static unsigned plugin_loads; /* a number for each plugin_load_begin() */

/* ---- is the descriptor one? ---- */

/* What a row of each type fills in the conf struct. */
static const struct option_place {
	size_t size, align;
} option_places[] = {
#define PLACE(type)                          \
	{                                    \
		sizeof(type), _Alignof(type) \
	}
	[REND_BOOL] = PLACE(bool),
	[REND_INT] = PLACE(int64_t),
	[REND_SIZE] = PLACE(uint64_t),
	[REND_DURATION] = PLACE(uint64_t),
	[REND_STRING] = PLACE(const char *),
	[REND_STRINGS] = PLACE(struct rend_strings),
	[REND_CHOICE] = PLACE(int),
	[REND_HANDLER] = PLACE(const struct rend_node *),
	[REND_NODE] = PLACE(const struct rend_node *),
#undef PLACE
};
#define OPTION_TYPES (sizeof(option_places) / sizeof(option_places[0]))

/* A name that can stand in rend.conf, in stats, and in a drawing. */
static bool
plugin_name_fits(const char *name)
{
	size_t len = strnlen(name, PLUGIN_NAME_MAX + 1);

	if (len > PLUGIN_NAME_MAX || !isalpha((unsigned char)name[0]))
		return false;
	for (const char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-')
			return false;
	return true;
}

static int
plugin_check_option(const struct plugin *p, const struct rend_option *o, struct rend_error *err)
{
	const struct option_place *place;

	if (!plugin_name_fits(o->name))
		return error_set(err, EX_CONFIG, "%s: \"%.64s\" cannot be the name of an option", p->path, o->name);
	if ((size_t)o->type >= OPTION_TYPES)
		return error_set(err, EX_CONFIG, "%s: option %s has a type (%d) that this rend does not know", p->path,
		    o->name, (int)o->type);
	if (o->doc == NULL || o->doc[0] == '\0')
		return error_set(err, EX_CONFIG, "%s: option %s does not say what it is for", p->path, o->name);
	if (o->type == REND_CHOICE && (o->range == NULL || o->range[0] == '\0'))
		return error_set(
		    err, EX_CONFIG, "%s: option %s is a choice, and there is nothing to choose from", p->path, o->name);
	place = &option_places[o->type];
	if (o->at > plugin_conf_size(p) || place->size > plugin_conf_size(p) - o->at)
		return error_set(err, EX_CONFIG, "%s: option %s lies at byte %zu of a conf struct of %zu", p->path,
		    o->name, o->at, plugin_conf_size(p));
	if (o->at % place->align != 0)
		return error_set(
		    err, EX_CONFIG, "%s: option %s lies at byte %zu, where its type cannot", p->path, o->name, o->at);
	return 0;
}

/* Do two rows fill the same bytes, or have the same name? */
static int
plugin_check_pair(
    const struct plugin *p, const struct rend_option *a, const struct rend_option *b, struct rend_error *err)
{
	if (strcmp(a->name, b->name) == 0)
		return error_set(err, EX_CONFIG, "%s: there are two options %s", p->path, a->name);
	if (a->at < b->at + option_places[b->type].size && b->at < a->at + option_places[a->type].size)
		return error_set(
		    err, EX_CONFIG, "%s: options %s and %s fill the same bytes", p->path, a->name, b->name);
	return 0;
}

static int
plugin_check_options(const struct plugin *p, struct rend_error *err)
{
	const struct rend_option *all = plugin_options(p);

	for (size_t i = 0; all != NULL && all[i].name != NULL; i++) {
		if (i == PLUGIN_OPTIONS_MAX)
			return error_set(err, EX_CONFIG, "%s: more than %d options: its table has no end", p->path,
			    PLUGIN_OPTIONS_MAX);
		if (plugin_check_option(p, &all[i], err) != 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (plugin_check_pair(p, &all[j], &all[i], err) != 0)
				return -1;
	}
	return 0;
}

static int
plugin_check_commands(const struct plugin *p, struct rend_error *err)
{
	const struct rend_command *all = p->handler.commands;

	for (size_t i = 0; all != NULL && all[i].name != NULL; i++) {
		const struct rend_command *c = &all[i];

		if (i == PLUGIN_COMMANDS_MAX)
			return error_set(err, EX_CONFIG, "%s: more than %d commands: its table has no end", p->path,
			    PLUGIN_COMMANDS_MAX);
		if (!plugin_name_fits(c->name))
			return error_set(
			    err, EX_CONFIG, "%s: \"%.64s\" cannot be the name of a command", p->path, c->name);
		if (c->doc == NULL || c->doc[0] == '\0')
			return error_set(
			    err, EX_CONFIG, "%s: command %s does not say what it is for", p->path, c->name);
		if (c->run == NULL)
			return error_set(err, EX_CONFIG, "%s: command %s has no function", p->path, c->name);
		for (size_t j = 0; j < i; j++)
			if (strcmp(all[j].name, c->name) == 0)
				return error_set(err, EX_CONFIG, "%s: there are two commands %s", p->path, c->name);
	}
	return 0;
}

static int
plugin_check_handler(const struct plugin *p, struct rend_error *err)
{
	const struct rend_handler *h = &p->handler;
	bool answers = h->any != NULL;

	if (h->scratch_size > REND_SCRATCH_MAX)
		return error_set(err, EX_CONFIG, "%s: handler %s wants %zu bytes of scratch in each op, there are %d",
		    p->path, h->name, h->scratch_size, REND_SCRATCH_MAX);
	for (unsigned verb = 0; verb < REND_VERB_COUNT; verb++)
		answers = answers || h->on[verb] != NULL;
	if (!answers)
		return error_set(err, EX_CONFIG, "%s: handler %s answers no verb", p->path, h->name);
	/* Half of a pair could be left where there is no way back. */
	if ((h->release == NULL) != (h->reopen == NULL))
		return error_set(
		    err, EX_CONFIG, "%s: handler %s has release or reopen, and not the other", p->path, h->name);
	if ((h->give == NULL) != (h->keep == NULL))
		return error_set(
		    err, EX_CONFIG, "%s: handler %s has give or keep, and not the other", p->path, h->name);
	if ((h->parts == NULL) != (h->part == NULL))
		return error_set(
		    err, EX_CONFIG, "%s: handler %s has parts or part, and not the other", p->path, h->name);
	return plugin_check_commands(p, err);
}

/* Is there an option of this name that names a node? */
static bool
plugin_names_node(const struct plugin *p, const char *name)
{
	const struct rend_option *o = plugin_options(p);

	for (; o != NULL && o->name != NULL; o++)
		if (strcmp(o->name, name) == 0)
			return o->type == REND_NODE || o->type == REND_HANDLER;
	return false;
}

static int
plugin_check_policy(const struct plugin *p, struct rend_error *err)
{
	const struct rend_policy *y = &p->policy;

	if (y->tiers[0] == NULL)
		return error_set(err, EX_CONFIG, "%s: policy %s has no tiers", p->path, y->name);
	for (unsigned i = 0; i < REND_TIERS_MAX && y->tiers[i] != NULL; i++)
		if (!plugin_names_node(p, y->tiers[i]))
			return error_set(err, EX_CONFIG,
			    "%s: tier %u of policy %s is \"%.64s\", which is no option that names a node", p->path, i,
			    y->name, y->tiers[i]);
	if (y->pick == NULL)
		return error_set(err, EX_CONFIG, "%s: policy %s has no tables", p->path, y->name);
	return 0;
}

static int
plugin_check_descriptor(const struct plugin *p, struct rend_error *err)
{
	const char *kind = p->self->policy != NULL ? "policy" : "handler";
	const char *name = plugin_name(p), *doc = plugin_doc(p);

	if (name == NULL || name[0] == '\0')
		return error_set(err, EX_CONFIG, "%s: its %s has no name", p->path, kind);
	if (!plugin_name_fits(name))
		return error_set(err, EX_CONFIG, "%s: \"%.64s\" cannot be the name of a %s", p->path, name, kind);
	if (doc == NULL || doc[0] == '\0')
		return error_set(err, EX_CONFIG, "%s: %s %s does not say what it is", p->path, kind, name);
	if (plugin_check_options(p, err) != 0)
		return -1;
	return p->self->policy != NULL ? plugin_check_policy(p, err) : plugin_check_handler(p, err);
}

/* ---- was it built for us? ---- */

/*
 * As far as the first minor of this major reaches: what a plugin must at least bring.  A struct that ends earlier than ours is an older
 * minor's, and is copied into one that is zero where it ends.  What cannot be copied so has to be equal: an op lies in memory that both
 * look at, and rows of tables lie one behind the other.  A minor that makes rows longer copies them row by row when it loads an older
 * one's, and only then may their sizes differ.
 */
#define END_OF(strct, member) (offsetof(struct strct, member) + sizeof(((struct strct *)0)->member))
#define PLUGIN_LEAST	      END_OF(rend_plugin, policy)
#define HANDLER_LEAST	      END_OF(rend_handler, take)
#define POLICY_LEAST	      END_OF(rend_policy, check)

/* The same minor has the same structs: a plugin that differs was left over when a header changed. */
static int
plugin_check_sizes(const char *path, const struct rend_plugin *self, struct rend_error *err)
{
#define EQUAL(strct, member)                                                     \
	{                                                                        \
#strct, sizeof(struct strct), self->member, sizeof(struct strct) \
	}
	const struct {
		const char *name;
		size_t least, theirs, ours;
	} sizes[] = {
		{ "rend_plugin", PLUGIN_LEAST, self->plugin_size, sizeof(struct rend_plugin) },
		{ "rend_handler", HANDLER_LEAST, self->handler_size, sizeof(struct rend_handler) },
		{ "rend_policy", POLICY_LEAST, self->policy_size, sizeof(struct rend_policy) },
		EQUAL(rend_op, op_size),
		EQUAL(rend_option, option_size),
		EQUAL(rend_walk, walk_size),
		EQUAL(rend_step, step_size),
		EQUAL(rend_command, command_size),
	};
#undef EQUAL
	int minor = self->abi_minor; /* of a minor 0 nothing is older, and compilers say so */

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t least = minor < REND_ABI_MINOR ? sizes[i].least : sizes[i].ours;

		if (sizes[i].theirs < least || sizes[i].theirs > sizes[i].ours)
			return error_set(err, EX_CONFIG,
			    "%s was built with other headers: its struct %s has %zu bytes, this rend's has %zu", path,
			    sizes[i].name, sizes[i].theirs, sizes[i].ours);
	}
	return 0;
}

/* Magic and ABI numbers are what every version has in the same place: nothing else may be read before they are right.
 */
static int
plugin_check_self(const char *path, const struct rend_plugin *self, struct rend_error *err)
{
	if (self == NULL)
		return error_set(err, EX_CONFIG, "%s: its rend_plugin() brings nothing", path);
	if (self->magic != REND_ABI_MAGIC)
		return error_set(err, EX_CONFIG, "%s is no plugin of rend: it begins with %#x, not with %#x", path,
		    self->magic, REND_ABI_MAGIC);
	if (self->abi_major != REND_ABI_MAJOR || self->abi_minor > REND_ABI_MINOR)
		return error_set(err, EX_CONFIG, "%s was built for plugin ABI %d.%d, this rend has %d.%d", path,
		    self->abi_major, self->abi_minor, REND_ABI_MAJOR, REND_ABI_MINOR);

	if (plugin_check_sizes(path, self, err) != 0)
		return -1;
	if (self->handler != NULL && self->policy != NULL)
		return error_set(err, EX_CONFIG, "%s brings both a handler and a policy: it must be one", path);
	if (self->handler == NULL && self->policy == NULL)
		return error_set(err, EX_CONFIG, "%s brings neither a handler nor a policy", path);
	return 0;
}

/* ---- finding and opening ---- */

/* Where the plugin called name lies.  0, or -1 with the reason. */
static int
plugin_find(char path[PATH_MAX], const char *name, const char *dir, struct rend_error *err)
{
	struct stat st;
	int len;

	if (name[0] == '/')
		len = snprintf(path, PATH_MAX, "%s", name);
	else if (plugin_name_fits(name))
		len = snprintf(path, PATH_MAX, "%s/%s.so", dir, name);
	else
		return error_set(
		    err, EX_CONFIG, "\"%.64s\" is neither the name of a plugin nor a path that begins with /", name);
	if (len >= PATH_MAX)
		return error_set(err, EX_CONFIG, "%.64s...: the path is too long", path);
	if (lstat(path, &st) == 0 || errno != ENOENT)
		return 0;
	if (name[0] == '/')
		return error_set(err, EX_CONFIG, "there is no plugin %s", path);
	return error_set(err, EX_CONFIG, "there is no plugin %s: no file %s", name, path);
}

/* What dlerror() says, without the path in front, which our sentence has already. */
static const char *
plugin_dlerror(const char *path)
{
	const char *said = dlerror();
	size_t len = strlen(path);

	if (said == NULL)
		return "no reason given";
	if (strncmp(said, path, len) == 0 && strncmp(said + len, ": ", 2) == 0)
		return said + len + 2;
	return said;
}

/* Was another file loaded from there?  dlopen() knows it by that name. */
static bool
plugin_was_replaced(const char *whole)
{
	for (const struct loaded *l = plugin_all; l != NULL; l = l->next)
		if (strcmp(l->whole, whole) == 0)
			return true;
	return false;
}

static void *
plugin_open(const char *path, const char *whole, const struct plugin_sum *sum, struct rend_error *err)
{
	char from[PATH_MAX];
	void *handle;

	if (plugin_was_replaced(whole)) {
		handle = plugin_file_open_copy(whole, sum, from, err);
		if (handle == NULL && err->text[0] != '\0')
			return NULL;
	} else {
		snprintf(from, sizeof from, "%s", whole);
		/* NOW: what is missing is missing at start, not at the first request.  LOCAL: plugins do not see each other. */
		handle = dlopen(from, RTLD_NOW | RTLD_LOCAL);
	}
	if (handle == NULL)
		error_set(err, EX_CONFIG, "%s cannot be loaded: %s", path, plugin_dlerror(from));
	return handle;
}

/* Asks the plugin what it is, and fills p. */
static int
plugin_introduce(struct plugin *p, void *handle, struct rend_error *err)
{
	rend_plugin_f *introduce;

	*(void **)(void *)&introduce = dlsym(handle, "rend_plugin");
	if (introduce == NULL)
		return error_set(err, EX_CONFIG, "%s is no plugin of rend: it has no function rend_plugin", p->path);
	p->self = introduce();
	if (plugin_check_self(p->path, p->self, err) != 0)
		return -1;
	if (p->self->handler != NULL)
		memcpy(&p->handler, p->self->handler, p->self->handler_size);
	else
		memcpy(&p->policy, p->self->policy, p->self->policy_size);
	return plugin_check_descriptor(p, err);
}

static int
plugin_check_unique(const struct plugin *p, struct rend_error *err)
{
	for (const struct loaded *l = plugin_all; l != NULL; l = l->next)
		if (l->load == plugin_loads && strcmp(plugin_name(&l->plugin), plugin_name(p)) == 0)
			return error_set(err, EX_CONFIG, "%s is a second plugin called %s: %s is loaded already",
			    p->path, plugin_name(p), l->plugin.path);
	return 0;
}

void
plugin_load_begin(void)
{
	plugin_loads++;
}

unsigned
plugin_stale(void)
{
	unsigned count = 0;

	for (const struct loaded *l = plugin_all; l != NULL; l = l->next)
		count += l->load != plugin_loads;
	return count;
}

/* Was just this loaded before, for this rend.conf or an earlier one?  Then its name has to be new to this one. */
static struct loaded *
plugin_known(const char *whole, const struct plugin_sum *sum)
{
	for (struct loaded *l = plugin_all; l != NULL; l = l->next)
		if (strcmp(l->whole, whole) == 0 && plugin_sum_same(&l->sum, sum))
			return l;
	return NULL;
}

static struct plugin *
plugin_again(struct loaded *l, struct rend_error *err)
{
	if (l->load != plugin_loads && plugin_check_unique(&l->plugin, err) != 0)
		return NULL;
	l->load = plugin_loads;
	return &l->plugin;
}

struct plugin *
plugin_load(const char *name, const char *dir, struct rend_error *err)
{
	char path[PATH_MAX], whole[PATH_MAX];
	struct plugin_sum sum;
	struct loaded *new;
	void *handle;

	if (plugin_find(path, name, dir, err) != 0 || trust_file(path, whole, err) != 0 ||
	    plugin_file_sum(whole, &sum, err) != 0)
		return NULL;
	new = plugin_known(whole, &sum);
	if (new != NULL)
		return plugin_again(new, err);
	handle = plugin_open(path, whole, &sum, err);
	if (handle == NULL)
		return NULL;
	for (struct loaded *l = plugin_all; l != NULL; l = l->next)
		if (l->handle == handle)
			return plugin_again(l, err);

	new = calloc(1, sizeof(*new));
	if (new == NULL || (new->plugin.path = strdup(path)) == NULL || (new->whole = strdup(whole)) == NULL) {
		error_set(err, EX_OSERR, "no memory for plugin %s", path);
		goto refused;
	}
	new->handle = handle;
	new->sum = sum;
	new->load = plugin_loads;
	if (plugin_introduce(&new->plugin, handle, err) != 0 || plugin_check_unique(&new->plugin, err) != 0)
		goto refused;
	new->next = plugin_all;
	plugin_all = new;
	return &new->plugin;

refused:
	if (new != NULL) {
		free(new->plugin.path);
		free(new->whole);
	}
	free(new);
	return NULL;
}

/* ---- what is loaded ---- */

const char *
plugin_name(const struct plugin *p)
{
	return p->self->policy != NULL ? p->policy.name : p->handler.name;
}

const char *
plugin_doc(const struct plugin *p)
{
	return p->self->policy != NULL ? p->policy.doc : p->handler.doc;
}

const struct rend_option *
plugin_options(const struct plugin *p)
{
	return p->self->policy != NULL ? p->policy.options : p->handler.options;
}

size_t
plugin_conf_size(const struct plugin *p)
{
	return p->self->policy != NULL ? p->policy.conf_size : p->handler.conf_size;
}

bool
plugin_is_handler(const struct plugin *p)
{
	return p->self->policy == NULL && !p->handler.policy;
}
