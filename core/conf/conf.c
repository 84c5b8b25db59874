/* rend.conf: see conf.h. */
#include "conf/conf.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>

#include "conf/arena.h"
#include "conf/graph.h"
#include "conf/options.h"
#include "conf/rehearse.h"
#include "conf/tree.h"
#include "engine/generation.h"

#ifndef PLUGINDIR
#define PLUGINDIR "/usr/local/lib/rend"
#endif

#define LISTENERS_MAX 256

/* What is served without -c. */
static const char built_in[] = "handlers = { mem = { plugin = \"inmem\"; }; };\n"
			       "policies = { main = { plugin = \"l1only\"; l1 = \"mem\"; }; };\n"
			       "listeners = ( { policy = \"main\"; } );\n";

/* ---- the tables ---- */

struct top {
	int64_t workers, disk_threads, max_connections, backlog;
	uint64_t idle_timeout, request_timeout, drain_timeout, item_size_max;
	bool cas, enable_flush, enable_shutdown;
	const char *plugin_dir, *user, *pid_file;
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
	REND_OPTION("item_size_max", REND_SIZE, top, item_size_max, "1MiB", "1KiB..1GiB", "The largest value."),
	REND_OPTION("cas", REND_BOOL, top, cas, "true", NULL, "Gives clients the versions of items, and takes them."),
	REND_OPTION("enable_flush", REND_BOOL, top, enable_flush, "true", NULL, "Lets clients flush_all."),
	REND_OPTION("enable_shutdown", REND_BOOL, top, enable_shutdown, "false", NULL, "Lets clients end the server."),
	REND_OPTION("plugin_dir", REND_STRING, top, plugin_dir, PLUGINDIR, NULL,
	    "Where plugins lie that are named without a path."),
	REND_OPTION("user", REND_STRING, top, user, "", NULL,
	    "Who to become when started by root, after the listeners are bound."),
	REND_OPTION("pid_file", REND_STRING, top, pid_file, "", NULL, "A file for the number of the process."),
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

struct listener_block {
	const char *address, *path, *mode, *policy;
	int64_t port;
	int protocol;
};

/* protocol in the order of enum listener_protocol. */
static const struct rend_option listener_options[] = {
	REND_OPTION("address", REND_STRING, listener_block, address, "127.0.0.1", NULL,
	    "The IPv4 or IPv6 address to listen on; 0.0.0.0 or :: for all."),
	REND_OPTION(
	    "port", REND_INT, listener_block, port, "11211", "0..65535", "The TCP port; 0: any, the log says which."),
	REND_OPTION("path", REND_STRING, listener_block, path, "", NULL, "A unix socket, instead of address and port."),
	REND_OPTION("mode", REND_STRING, listener_block, mode, "0700", NULL,
	    "Who may use the unix socket: octal, as for chmod."),
	REND_OPTION("protocol", REND_CHOICE, listener_block, protocol, "auto", "auto|text|binary",
	    "What clients speak; auto: their first byte says."),
	REND_OPTION(
	    "policy", REND_STRING, listener_block, policy, NULL, NULL, "The block under policies that is asked."),
	{ 0 },
};

struct admin_block {
	const char *address;
	int64_t port;
};

static const struct rend_option admin_options[] = {
	REND_OPTION("address", REND_STRING, admin_block, address, "127.0.0.1", NULL,
	    "The IPv4 or IPv6 address to listen on; 0.0.0.0 or :: for all."),
	REND_OPTION(
	    "port", REND_INT, admin_block, port, "9211", "0..65535", "The TCP port; 0: any, the log says which."),
	{ 0 },
};

const struct conf_table conf_tables[] = {
	{ "rend", "What stands at the top of rend.conf.", top_options },
	{ "log", "log = { }: where lines for people go.", log_options },
	{ "listener", "An element of listeners = ( ): where clients come in.", listener_options },
	{ "admin", "admin = { }: where those come in who watch, over HTTP.", admin_options },
	{ "handler", "Any block of handlers = { }, beside what its plugin has.", graph_handler_options },
	{ NULL, NULL, NULL },
};

/* ---- reading ---- */

struct loading {
	struct conf *c;
	const struct conf_source *source;
	struct messages *m;
	struct tree *root;
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

static void
want_kind(const struct loading *l, const char *name, enum tree_kind kind)
{
	const struct tree *t = tree_get(l->root, name);

	if (t != NULL && t->kind != kind)
		messages_error(l->m, t->place, 0, name, "%s is wanted, not %s",
		    kind == TREE_GROUP ? "a group { }" : "a list ( { }, { } )", tree_kind_name(t->kind));
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
	s->max_connections = (int)top->max_connections;
	s->backlog = (int)top->backlog;
	s->idle_timeout = top->idle_timeout;
	s->request_timeout = top->request_timeout;
	s->drain_timeout = top->drain_timeout;
	s->item_size_max = top->item_size_max;
	s->cas = top->cas;
	s->flush_enabled = top->enable_flush;
	s->shutdown_enabled = top->enable_shutdown;
	l->c->plugin_dir = arena_print(c, "%s", top->plugin_dir == NULL ? PLUGINDIR : top->plugin_dir);
	l->c->user = arena_print(c, "%s", top->user == NULL ? "" : top->user);
	l->c->pid_file = arena_print(c, "%s", top->pid_file == NULL ? "" : top->pid_file);
	if (l->c->plugin_dir == NULL || l->c->user == NULL || l->c->pid_file == NULL)
		messages_error(l->m, l->root->place, EX_OSERR, NULL, "no memory");
	arena_free(top);
}

static void
read_log(struct loading *l)
{
	struct options o = { log_options, "log", "log", NULL, NULL, NULL };
	const struct tree *t = tree_get(l->root, "log");
	struct log_block *b = arena_new(sizeof *b);

	want_kind(l, "log", TREE_GROUP);
	if (b == NULL) {
		messages_error(l->m, l->root->place, EX_OSERR, NULL, "no memory");
		return;
	}
	options_fill(&o, t, t == NULL ? l->root->place : t->place, b, l->m);
	l->c->log_to = arena_print(l->c->arena, "%s", b->to == NULL ? "stderr" : b->to);
	l->c->log_level = (enum rend_log_level)b->level;
	arena_free(b);
}

/* ---- listeners ---- */

struct listening {
	struct loading *l;
	struct graph *graph;
	const struct tree *tree;
	char path[TREE_PATH_MAX]; /* "listeners.0"; "admin" */
};

/* Where one option was given, or the block if it was not. */
static struct place
place_of(const struct listening *it, const char *name)
{
	const struct tree *t = tree_get(it->tree, name);

	return t == NULL ? it->tree->place : t->place;
}

__attribute__((format(printf, 3, 4))) static void
listener_error(const struct listening *it, const char *name, const char *fmt, ...)
{
	struct rend_error err = { 0 };
	char path[TREE_PATH_MAX + 16];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof err.text, fmt, ap);
	va_end(ap);
	snprintf(path, sizeof path, "%s.%s", it->path, name);
	messages_take(it->l->m, place_of(it, name), path, &err);
}

static bool
is_address(const char *text)
{
	unsigned char to[16];

	return inet_pton(AF_INET, text, to) == 1 || inet_pton(AF_INET6, text, to) == 1;
}

static bool
is_loopback(const char *text)
{
	struct in6_addr six;

	if (strchr(text, ':') == NULL)
		return strncmp(text, "127.", 4) == 0;
	return inet_pton(AF_INET6, text, &six) == 1 &&
	       (IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127));
}

static void
check_address(const struct listening *it, const char *address, const char *may)
{
	if (!is_address(address))
		listener_error(
		    it, "address", "an IP address is wanted, like \"127.0.0.1\" or \"::1\", not \"%.60s\"", address);
	else if (!is_loopback(address))
		messages_warn(it->l->m, place_of(it, "address"), it->path,
		    "%s is open to other machines, and whoever reaches it may %s", address, may);
}

static void
check_tcp(const struct listening *it, const struct listener_block *b)
{
	check_address(it, b->address, "read and change everything");
	if (tree_get(it->tree, "mode") != NULL)
		listener_error(it, "mode", "only a unix socket (path) has one");
}

static void
check_unix(const struct listening *it, const struct listener_block *b, int *mode)
{
	static const char *const tcp[] = { "address", "port" };
	char *end;
	long bits = strtol(b->mode, &end, 8);

	for (size_t i = 0; i < sizeof tcp / sizeof *tcp; i++)
		if (tree_get(it->tree, tcp[i]) != NULL)
			listener_error(it, tcp[i], "a listener has either path or address and port");
	if (strlen(b->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		listener_error(it, "path", "a unix socket's path may have %zu bytes",
		    sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	if (b->mode[0] < '0' || b->mode[0] > '7' || *end != '\0' || bits > 0777)
		listener_error(it, "mode", "permissions in octal are wanted, like \"0700\", not \"%.20s\"", b->mode);
	*mode = (int)(bits & 0777);
}

static void
read_listener(struct listening *it, struct listener_settings *s)
{
	struct options o = { listener_options, "a listener", it->path, NULL, NULL, NULL };
	struct listener_block *b = arena_new(sizeof *b);
	struct rend_error err = { 0 };
	struct loading *l = it->l;

	if (b == NULL) {
		messages_error(l->m, it->tree->place, EX_OSERR, it->path, "no memory");
		return;
	}
	options_fill(&o, it->tree, it->tree->place, b, l->m);
	if (b->path != NULL && *b->path != '\0') {
		s->path = arena_print(l->c->arena, "%s", b->path);
		if (b->mode != NULL)
			check_unix(it, b, &s->mode);
	} else if (b->address != NULL) {
		s->address = arena_print(l->c->arena, "%s", b->address);
		check_tcp(it, b);
	}
	s->port = (int)b->port;
	s->protocol = (enum listener_protocol)b->protocol;
	if (b->policy != NULL) {
		s->policy = graph_policy(it->graph, b->policy, &err);
		if (s->policy == NULL)
			listener_error(it, "policy", "%s", err.text);
	}
	arena_free(b);
}

static bool
same_text(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static void
check_unique(const struct listening *it, size_t n)
{
	const struct listener_settings *all = it->l->c->server.listeners, *s = &all[n];

	for (size_t i = 0; i < n; i++)
		if (same_text(s->path, all[i].path) ||
		    (same_text(s->address, all[i].address) && s->port == all[i].port && s->port != 0)) {
			listener_error(it, s->path != NULL ? "path" : "port", "listeners.%zu is there already", i);
			return;
		}
}

static void
read_listeners(struct loading *l, struct graph *g)
{
	const struct tree *list = tree_get(l->root, "listeners");
	struct server_settings *s = &l->c->server;

	want_kind(l, "listeners", TREE_LIST);
	if (list == NULL || (list->kind == TREE_LIST && list->count == 0)) {
		messages_error(l->m, list == NULL ? l->root->place : list->place, 0, "listeners",
		    "must be given: where clients come in, ( { port = 11211; policy = \"...\"; } )");
		return;
	}
	if (list->kind != TREE_LIST)
		return;
	if (list->count > LISTENERS_MAX) {
		messages_error(l->m, list->place, 0, "listeners", "may be %d", LISTENERS_MAX);
		return;
	}
	s->listeners = arena_more(l->c->arena, list->count * sizeof *s->listeners);
	if (s->listeners == NULL) {
		messages_error(l->m, list->place, EX_OSERR, "listeners", "no memory");
		return;
	}
	for (const struct tree *t = list->kids; t != NULL; t = t->next) {
		struct listening it = { .l = l, .graph = g, .tree = t };
		size_t n = s->listener_count++;

		snprintf(it.path, sizeof it.path, "listeners.%zu", n);
		if (t->kind != TREE_GROUP) {
			messages_error(
			    l->m, t->place, 0, it.path, "a group { } is wanted, not %s", tree_kind_name(t->kind));
			continue;
		}
		read_listener(&it, &s->listeners[n]);
		check_unique(&it, n);
	}
}

/* ---- the admin port ---- */

static void
read_admin(struct loading *l)
{
	struct options o = { admin_options, "admin", "admin", NULL, NULL, NULL };
	struct listening it = { .l = l, .tree = tree_get(l->root, "admin"), .path = "admin" };
	struct admin_settings *s = &l->c->server.admin;
	struct admin_block *b;

	want_kind(l, "admin", TREE_GROUP);
	if (it.tree == NULL || it.tree->kind != TREE_GROUP)
		return;
	b = arena_new(sizeof *b);
	if (b == NULL) {
		messages_error(l->m, it.tree->place, EX_OSERR, "admin", "no memory");
		return;
	}
	options_fill(&o, it.tree, it.tree->place, b, l->m);
	s->on = true;
	s->at.port = (int)b->port;
	if (b->address != NULL) {
		s->at.address = arena_print(l->c->arena, "%s", b->address);
		s->loopback = is_loopback(b->address);
		check_address(&it, b->address, "see what is asked of rend, and how much");
	}
	arena_free(b);
}

/* ---- all of it ---- */

static void
read_graph(struct loading *l)
{
	struct conf *c = l->c;
	struct graph g = { 0 };

	want_kind(l, "handlers", TREE_GROUP);
	want_kind(l, "policies", TREE_GROUP);
	graph_build(&g, l->root, c->plugin_dir, l->m);
	for (size_t i = 0; i < g.count; i++)
		*(g.blocks[i].policy ? &c->policies : &c->handlers) += 1;
	read_listeners(l, &g);
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
	struct loading l = { c, source, m, NULL };

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
	read_admin(l);
	if (l->c->plugin_dir != NULL)
		read_graph(l);
}

int
conf_load(struct conf *c, const struct conf_source *source, struct messages *m)
{
	struct loading l = { c, source, m, NULL };
	struct rend_error err = { 0 };

	if (rehearse(load, &l, CONF_REHEARSAL, &err) == 0)
		load(&l);
	else
		messages_error(m, (struct place){ NULL, 0 }, err.exit_code, NULL, "%s", err.text);
	return messages_exit_code(m);
}

void
conf_fini(struct conf *c)
{
	generation_free(&c->generation);
	arena_free(c->arena);
	memset(c, 0, sizeof *c);
}
