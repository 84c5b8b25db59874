/* Where clients come in: see listeners.h. */
#include "conf/listeners.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>

#include "base/error.h"
#include "conf/arena.h"
#include "conf/options.h"

#define LISTENERS_MAX 256

/* ---- the tables ---- */

struct listener_block {
	const char *address, *path, *mode, *policy;
	int64_t port;
	int protocol;
};

/* protocol in the order of enum listener_protocol. */
const struct rend_option listeners_options[] = {
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

const struct rend_option listeners_admin_options[] = {
	REND_OPTION("address", REND_STRING, admin_block, address, "127.0.0.1", NULL,
	    "The IPv4 or IPv6 address to listen on; 0.0.0.0 or :: for all."),
	REND_OPTION(
	    "port", REND_INT, admin_block, port, "9211", "0..65535", "The TCP port; 0: any, the log says which."),
	{ 0 },
};

/* ---- listeners ---- */

struct listening {
	struct conf *c;
	struct messages *m;
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
	messages_take(it->m, place_of(it, name), path, &err);
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
		messages_warn(it->m, place_of(it, "address"), it->path,
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
	struct options o = { listeners_options, "a listener", it->path, NULL, NULL, NULL };
	struct listener_block *b = arena_new(sizeof *b);
	struct rend_error err = { 0 };

	if (b == NULL) {
		messages_error(it->m, it->tree->place, EX_OSERR, it->path, "no memory");
		return;
	}
	options_fill(&o, it->tree, it->tree->place, b, it->m);
	if (b->path != NULL && *b->path != '\0') {
		s->path = arena_print(it->c->arena, "%s", b->path);
		if (b->mode != NULL)
			check_unix(it, b, &s->mode);
	} else if (b->address != NULL) {
		s->address = arena_print(it->c->arena, "%s", b->address);
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
	const struct listener_settings *all = it->c->server.listeners, *s = &all[n];

	for (size_t i = 0; i < n; i++)
		if (same_text(s->path, all[i].path) ||
		    (same_text(s->address, all[i].address) && s->port == all[i].port && s->port != 0)) {
			listener_error(it, s->path != NULL ? "path" : "port", "listeners.%zu is there already", i);
			return;
		}
}

void
listeners_read(struct conf *c, const struct tree *root, struct graph *g, struct messages *m)
{
	const struct tree *list = tree_get(root, "listeners");
	struct server_settings *s = &c->server;

	tree_want(root, "listeners", TREE_LIST, m);
	if (list == NULL || (list->kind == TREE_LIST && list->count == 0)) {
		messages_error(m, list == NULL ? root->place : list->place, 0, "listeners",
		    "must be given: where clients come in, ( { port = 11211; policy = \"...\"; } )");
		return;
	}
	if (list->kind != TREE_LIST)
		return;
	if (list->count > LISTENERS_MAX) {
		messages_error(m, list->place, 0, "listeners", "may be %d", LISTENERS_MAX);
		return;
	}
	s->listeners = arena_more(c->arena, list->count * sizeof *s->listeners);
	if (s->listeners == NULL) {
		messages_error(m, list->place, EX_OSERR, "listeners", "no memory");
		return;
	}
	for (const struct tree *t = list->kids; t != NULL; t = t->next) {
		struct listening it = { .c = c, .m = m, .graph = g, .tree = t };
		size_t n = s->listener_count++;

		snprintf(it.path, sizeof it.path, "listeners.%zu", n);
		if (t->kind != TREE_GROUP) {
			messages_error(
			    m, t->place, 0, it.path, "a group { } is wanted, not %s", tree_kind_name(t->kind));
			continue;
		}
		read_listener(&it, &s->listeners[n]);
		check_unique(&it, n);
	}
}

/* ---- the admin port ---- */

void
listeners_read_admin(struct conf *c, const struct tree *root, struct messages *m)
{
	struct options o = { listeners_admin_options, "admin", "admin", NULL, NULL, NULL };
	struct listening it = { .c = c, .m = m, .tree = tree_get(root, "admin"), .path = "admin" };
	struct admin_settings *s = &c->server.admin;
	struct admin_block *b;

	tree_want(root, "admin", TREE_GROUP, m);
	if (it.tree == NULL || it.tree->kind != TREE_GROUP)
		return;
	b = arena_new(sizeof *b);
	if (b == NULL) {
		messages_error(m, it.tree->place, EX_OSERR, "admin", "no memory");
		return;
	}
	options_fill(&o, it.tree, it.tree->place, b, m);
	s->on = true;
	s->at.port = (int)b->port;
	if (b->address != NULL) {
		s->at.address = arena_print(c->arena, "%s", b->address);
		s->loopback = is_loopback(b->address);
		check_address(&it, b->address, "see what is asked of rend, and how much");
	}
	arena_free(b);
}
