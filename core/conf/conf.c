/* rend.conf: see conf.h. */
#include "conf/conf.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/arena.h"
#include "conf/graph.h"
#include "conf/listeners.h"
#include "conf/options.h"
#include "conf/own.h"
#include "conf/rehearse.h"
#include "conf/tree.h"
#include "engine/generation.h"
#include "engine/plugin_load.h"

#ifndef PLUGINDIR
#define PLUGINDIR "/usr/local/lib/rend"
#endif

/* What is served without -c. */
static const char built_in[] = "handlers = { mem = { plugin = \"inmem\"; }; };\n"
			       "policies = { main = { plugin = \"l1only\"; l1 = \"mem\"; }; };\n"
			       "listeners = ( { policy = \"main\"; } );\n";

/* ---- the tables ---- */

struct top {
	int64_t workers, disk_threads, max_connections, backlog;
	uint64_t idle_timeout, request_timeout, drain_timeout, reload_wait, handover_timeout, item_size_max;
	bool cas, enable_flush, enable_shutdown;
	const char *plugin_dir, *user, *pid_file, *state_dir, *control;
};

static const struct rend_option top_options[] = {
	REND_OPTION(
	    "workers", REND_INT, top, workers, "0", "0..128", "Threads that serve connections; 0: one per CPU."),
	REND_OPTION("disk_threads", REND_INT, top, disk_threads, "8", "1..256",
	    "Threads for what would block a worker; they start when there is such work."),
	REND_OPTION("max_connections", REND_INT, top, max_connections, "1024", "1..1000000",
	    "Clients at once; less if the system allows fewer open files."),
	REND_OPTION("backlog", REND_INT, top, backlog, "1024", "1..65535",
	    "Connections the kernel keeps waiting at a listener."),
	REND_OPTION("idle_timeout", REND_DURATION, top, idle_timeout, "0", NULL,
	    "Closes a connection that has asked nothing for so long; 0: never."),
	REND_OPTION("request_timeout", REND_DURATION, top, request_timeout, "30s", NULL,
	    "Closes a connection whose request stays half there, or that does not read its answers, for so long; 0: "
	    "never."),
	REND_OPTION("drain_timeout", REND_DURATION, top, drain_timeout, "10s", "..1h",
	    "How long SIGTERM waits for requests under way."),
	REND_OPTION("reload_wait", REND_DURATION, top, reload_wait, "50ms", "1ms..1min",
	    "How long a reload that gives a node another part keeps new requests waiting for those under way."),
	REND_OPTION("handover_timeout", REND_DURATION, top, handover_timeout, "2s", "1ms..1min",
	    "How long an upgrade waits for requests under way before it is given up."),
	REND_OPTION("item_size_max", REND_SIZE, top, item_size_max, "1MiB", "1KiB..1GiB", "The largest value."),
	REND_OPTION("cas", REND_BOOL, top, cas, "true", NULL, "Gives clients the versions of items, and takes them."),
	REND_OPTION("enable_flush", REND_BOOL, top, enable_flush, "true", NULL, "Lets clients flush_all."),
	REND_OPTION("enable_shutdown", REND_BOOL, top, enable_shutdown, "false", NULL, "Lets clients end the server."),
	REND_OPTION("plugin_dir", REND_STRING, top, plugin_dir, PLUGINDIR, NULL,
	    "Where plugins lie that are named without a path."),
	REND_OPTION("user", REND_STRING, top, user, "", NULL,
	    "Who to become when started by root, after the listeners are bound."),
	REND_OPTION("pid_file", REND_STRING, top, pid_file, "", NULL, "A file for the number of the process."),
	REND_OPTION("state_dir", REND_STRING, top, state_dir, "", NULL,
	    "A folder where rend leaves notes for the next one that is started, such as of what is bypassed."),
	REND_OPTION("control", REND_STRING, top, control, "", NULL, "A unix socket where rendctl comes in."),
	{ 0 },
};

struct log_block {
	const char *to;
	int level;
};

/* In the order of enum rend_log_level. */
static const struct rend_option log_options[] = {
	REND_OPTION("to", REND_STRING, log_block, to, "stderr", NULL, "stderr, or a file to append to."),
	REND_OPTION(
	    "level", REND_CHOICE, log_block, level, "info", "error|warn|info|debug", "The least that is written."),
	{ 0 },
};

const struct conf_table conf_tables[] = {
	{ "rend", "What stands at the top of rend.conf.", top_options },
	{ "log", "log = { }: where lines for people go.", log_options },
	{ "listener", "An element of listeners = ( ): where clients come in.", listeners_options },
	{ "admin", "admin = { }: where those come in who watch, over HTTP.", listeners_admin_options },
	{ "handler", "Any block of handlers = { }, beside what its plugin has.", own_handler_options },
	{ "policy", "Any block of policies = { }, beside what its plugin has.", own_policy_options },
	{ NULL, NULL, NULL },
};

/* ---- reading ---- */

struct loading {
	struct conf *c;
	const struct conf_source *source;
	struct messages *m;
	struct tree *root;
	const struct generation *now;
};

/* -m is for the block of inmem, whatever it is called. */
static void
set_memory(struct loading *l)
{
	const struct tree *handlers = tree_get(l->root, "handlers"), *found = NULL;
	struct place place = { "-m", 0 };
	unsigned blocks = 0;

	if (handlers != NULL && handlers->kind == TREE_GROUP)
		for (const struct tree *t = handlers->kids; t != NULL; t = t->next) {
			const struct tree *plugin = tree_get(t, "plugin");

			if (plugin == NULL || plugin->text == NULL || strcmp(plugin->text, "inmem") != 0)
				continue;
			found = t;
			blocks++;
		}
	if (blocks != 1) {
		messages_error(l->m, place, EX_USAGE, NULL,
		    "there are %u blocks of inmem: say which with -o handlers.NAME.memory=...", blocks);
		return;
	}
	tree_override(l->c->arena, l->root, arena_print(l->c->arena, "handlers.%s.memory", found->name),
	    l->source->memory, place, l->m);
}

static int
read_tree(struct loading *l)
{
	struct conf *c = l->c;

	c->arena = arena_new(1);
	if (c->arena != NULL)
		l->root = l->source->file == NULL ? tree_parse(c->arena, "(built in)", built_in, l->m)
						  : tree_read(c->arena, l->source->file, l->m);
	if (l->root == NULL) {
		messages_error(l->m, (struct place){ l->source->file, 0 }, EX_OSERR, NULL, "no memory");
		return -1;
	}
	/* A file that cannot be read has nothing that could be overridden, or found missing. */
	if (l->m->errors > 0 && l->root->count == 0)
		return -1;
	for (size_t i = 0; i < l->source->override_count; i++) {
		const struct conf_override *o = &l->source->overrides[i];

		tree_override(c->arena, l->root, o->path, o->value, (struct place){ o->origin, 0 }, l->m);
	}
	if (l->source->memory != NULL)
		set_memory(l);
	return 0;
}

static int
cpus(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 1)
		return 1;
	return CPU_COUNT(&set) > NODE_WORKERS_MAX ? NODE_WORKERS_MAX : CPU_COUNT(&set);
}

static void
read_top(struct loading *l)
{
	static const char *const others[] = { "handlers", "policies", "listeners", "log", "admin", NULL };
	struct options o = { top_options, "rend", "", others, NULL, NULL };
	struct server_settings *s = &l->c->server;
	struct top *top = arena_new(sizeof *top);
	void *c = l->c->arena;

	if (top == NULL) {
		messages_error(l->m, l->root->place, EX_OSERR, NULL, "no memory");
		return;
	}
	options_fill(&o, l->root, l->root->place, top, l->m);
	s->workers = top->workers == 0 ? cpus() : (int)top->workers;
	s->disk_threads = (int)top->disk_threads;
	s->max_connections = l->c->max_connections = (int)top->max_connections;
	s->backlog = (int)top->backlog;
	s->idle_timeout = top->idle_timeout;
	s->request_timeout = top->request_timeout;
	s->drain_timeout = top->drain_timeout;
	s->reload_wait = top->reload_wait;
	s->handover_timeout = top->handover_timeout;
	s->item_size_max = top->item_size_max;
	s->cas = top->cas;
	s->flush_enabled = top->enable_flush;
	s->shutdown_enabled = top->enable_shutdown;
	l->c->plugin_dir = arena_print(c, "%s", top->plugin_dir == NULL ? PLUGINDIR : top->plugin_dir);
	l->c->user = arena_print(c, "%s", top->user == NULL ? "" : top->user);
	l->c->pid_file = arena_print(c, "%s", top->pid_file == NULL ? "" : top->pid_file);
	s->state_dir = arena_print(c, "%s", top->state_dir == NULL ? "" : top->state_dir);
	s->control = arena_print(c, "%s", top->control == NULL ? "" : top->control);
	if (l->c->plugin_dir == NULL || l->c->user == NULL || l->c->pid_file == NULL || s->state_dir == NULL ||
	    s->control == NULL)
		messages_error(l->m, l->root->place, EX_OSERR, NULL, "no memory");
	arena_free(top);
}

static void
read_log(struct loading *l)
{
	struct options o = { log_options, "log", "log", NULL, NULL, NULL };
	const struct tree *t = tree_get(l->root, "log");
	struct log_block *b = arena_new(sizeof *b);

	tree_want(l->root, "log", TREE_GROUP, l->m);
	if (b == NULL) {
		messages_error(l->m, l->root->place, EX_OSERR, NULL, "no memory");
		return;
	}
	options_fill(&o, t, t == NULL ? l->root->place : t->place, b, l->m);
	l->c->log_to = arena_print(l->c->arena, "%s", b->to == NULL ? "stderr" : b->to);
	l->c->log_level = l->c->server.log_level = (enum rend_log_level)b->level;
	arena_free(b);
}

/* ---- all of it ---- */

static void
read_graph(struct loading *l)
{
	struct conf *c = l->c;
	struct graph g = { .now = l->now };

	plugin_load_begin();
	tree_want(l->root, "handlers", TREE_GROUP, l->m);
	tree_want(l->root, "policies", TREE_GROUP, l->m);
	graph_build(&g, l->root, c->plugin_dir, l->m);
	if (c->server.state_dir != NULL && *c->server.state_dir == '\0')
		graph_want_no_notes(&g, l->m);
	for (size_t i = 0; i < g.count; i++)
		*(g.blocks[i].policy ? &c->policies : &c->handlers) += 1;
	listeners_read(c, l->root, &g, l->m);
	if (l->m->errors == 0) {
		graph_warn_unused(&g, l->m);
		c->generation = c->server.generation = graph_take(&g);
		if (c->generation == NULL)
			messages_error(l->m, l->root->place, EX_OSERR, NULL, "no memory");
	}
	graph_fini(&g);
}

int
conf_load_top(struct conf *c, const struct conf_source *source, struct messages *m)
{
	struct loading l = { c, source, m, NULL, NULL };

	if (read_tree(&l) == 0) {
		read_top(&l);
		read_log(&l);
	}
	return messages_exit_code(m);
}

/* What the rehearsal does, and then we. */
static void
load(void *arg)
{
	struct loading *l = arg;

	if (read_tree(l) != 0)
		return;
	read_top(l);
	read_log(l);
	listeners_read_admin(l->c, l->root, l->m);
	if (l->c->plugin_dir != NULL)
		read_graph(l);
}

int
conf_load(struct conf *c, const struct conf_source *source, struct messages *m)
{
	struct loading l = { c, source, m, NULL, NULL };
	struct rend_error err = { 0 };

	if (rehearse(load, &l, CONF_REHEARSAL, &err) == 0)
		load(&l);
	else
		messages_error(m, (struct place){ NULL, 0 }, err.exit_code, NULL, "%s", err.text);
	return messages_exit_code(m);
}

int
conf_load_beside(struct conf *c, const struct conf_source *source, const struct generation *now, struct messages *m)
{
	struct loading l = { c, source, m, NULL, now };

	load(&l);
	return messages_exit_code(m);
}

/* A copy of path that means the same in every folder, or NULL: no memory. */
static char *
absolute(struct conf *c, const char *folder, const char *path)
{
	if (*path == '/' || *path == '\0')
		return arena_print(c->arena, "%s", path);
	return arena_print(c->arena, "%s/%s", folder, path);
}

int
conf_make_absolute(struct conf *c, const char *folder, struct rend_error *err)
{
	char here[PATH_MAX];
	bool all;

	if (folder == NULL)
		folder = getcwd(here, sizeof here);
	if (folder == NULL)
		return error_set(err, EX_OSERR, "cannot tell what folder this is: %s", strerror(errno));
	if (strcmp(c->log_to, "stderr") != 0)
		c->log_to = absolute(c, folder, c->log_to);
	c->pid_file = absolute(c, folder, c->pid_file);
	c->server.state_dir = absolute(c, folder, c->server.state_dir);
	c->server.control = absolute(c, folder, c->server.control);
	all = c->log_to != NULL && c->pid_file != NULL && c->server.state_dir != NULL && c->server.control != NULL;
	for (size_t i = 0; i < c->server.listener_count; i++) {
		struct listener_settings *l = &c->server.listeners[i];

		if (l->path == NULL)
			continue;
		l->path = absolute(c, folder, l->path);
		all = all && l->path != NULL;
	}
	return all ? 0 : error_set(err, EX_OSERR, "no memory");
}

void
conf_fini(struct conf *c)
{
	generation_free(&c->generation);
	arena_free(c->arena);
	memset(c, 0, sizeof *c);
}
