/* The rig: see rig.h. */
#include "rig.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "conf/arena.h"
#include "conf/options.h"
#include "engine/offload.h"
#include "later.h"

/* The loop looks around at least so often. */
#define TURN_US 2000

static void
end(int code, const char *fmt, va_list ap)
{
	fprintf(stderr, "\n" RIG_MARK);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	fflush(NULL);
	_exit(code);
}

void
rig_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end(RIG_FAILED, fmt, ap);
	__builtin_unreachable();
}

void
rig_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end(RIG_SKIPPED, fmt, ap);
	__builtin_unreachable();
}

/* ---- making nodes ---- */

#define NODES_MAX 16

struct making {
	struct rend_node *nodes[NODES_MAX];
	size_t count;
	bool later; /* nodes that options name answer later, too */
};

/* Takes the node over. */
static struct rend_node *
add(struct making *mk, struct rend_node *n, struct rend_error *err)
{
	if (n == NULL || mk->count == NODES_MAX) {
		node_free(&n);
		rend_error(err, "no memory for a node, or too many of them");
		return NULL;
	}
	mk->nodes[mk->count++] = n;
	return n;
}

static struct rend_node *make_node(
    struct making *mk, const char *name, const char *file, const struct handler_kit *kit, struct rend_error *err);

/* An option that names a handler names its plugin's file here; it is taken with its defaults. */
static const struct rend_node *
find(void *arg, enum rend_option_type type, const char *name, struct rend_error *err)
{
	static const struct handler_kit plain;
	struct making *mk = arg;
	struct rend_node *n = make_node(mk, name, name, &plain, err);

	return n != NULL && mk->later ? add(mk, later_new(n), err) : n;
}

/* "memory=1MiB" */
static void
give(void *arena, struct tree *root, const char *option, struct messages *m)
{
	struct place place = { .file = "-o" };
	const char *is = strchr(option, '=');
	char *name;

	if (is == NULL) {
		messages_error(m, place, 0, NULL, "\"%s\" is not name=value", option);
		return;
	}
	name = arena_copy(arena, option, (size_t)(is - option));
	if (name != NULL)
		tree_override(arena, root, name, is + 1, place, m);
}

static int
fill(struct making *mk, struct plugin *plugin, void *conf, const struct handler_kit *kit, struct messages *m)
{
	struct options o = {
		.table = plugin_options(plugin),
		.whose = plugin_name(plugin),
		.path = "",
		.find = find,
		.find_arg = mk,
	};
	struct tree *root = tree_parse(conf, "-o", "", m);

	for (size_t i = 0; root != NULL && i < kit->option_count; i++)
		give(conf, root, kit->options[i], m);
	if (root == NULL)
		return -1;
	options_fill(&o, root, (struct place){ .file = "-o" }, conf, m);
	return m->errors == 0 ? 0 : -1;
}

static struct rend_node *
make_node(struct making *mk, const char *name, const char *file, const struct handler_kit *kit, struct rend_error *err)
{
	char path[4096];
	struct plugin *plugin;
	struct messages m = { 0 };
	struct rend_node *n;
	void *conf;
	int rc;

	if (realpath(file, path) == NULL) {
		rend_error(err, "%s: %s", file, strerror(errno));
		return NULL;
	}
	plugin = plugin_load(path, NULL, err);
	if (plugin == NULL)
		return NULL;
	if (plugin->policy.name != NULL) {
		rend_error(err, "%s is a policy with tables; this tests handlers", file);
		return NULL;
	}
	conf = arena_new(plugin_conf_size(plugin) + 1);
	if (conf == NULL) {
		rend_error(err, "no memory");
		return NULL;
	}
	rc = fill(mk, plugin, conf, kit, &m);
	if (rc != 0)
		rend_error(err, "%s", m.count > 0 ? m.all[0].text : "no memory");
	messages_fini(&m);
	if (rc != 0) {
		arena_free(conf);
		return NULL;
	}
	n = add(mk, node_new(name, plugin, conf, arena_free), err);
	return n != NULL && node_check(n, err) == 0 ? n : NULL;
}

static void
unmake(struct making *mk)
{
	while (mk->count > 0)
		node_free(&mk->nodes[--mk->count]);
}

/* What is known without asking. */
static void
note_verbs(struct rig *r, const struct rend_node *n)
{
	const struct rend_handler *h = &n->plugin->handler;

	r->handler = h;
	r->can = node_can(n);
	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		if (h->on[v] != NULL || h->any != NULL)
			r->has |= 1U << v;
}

int
rig_make(struct rig *r, const struct handler_kit *kit, int seats, struct rend_error *err)
{
	struct making mk = { .later = kit->later };
	struct rend_node **nodes, *n;

	*r = (struct rig){ .kit = kit, .seat_count = seats };
	worker_set_count(seats);
	hash_seed_random();
	n = make_node(&mk, "tested", kit->plugin, kit, err);
	if (n != NULL)
		note_verbs(r, n);
	if (n != NULL && kit->later)
		n = add(&mk, later_new(n), err);
	r->node = n;
	nodes = calloc(NODES_MAX, sizeof *nodes);
	if (n == NULL || nodes == NULL) {
		free(nodes);
		unmake(&mk);
		return -1;
	}
	memcpy(nodes, mk.nodes, sizeof mk.nodes);
	r->generation = generation_new(nodes, mk.count);
	if (r->generation == NULL) {
		free(nodes);
		unmake(&mk);
		return rend_error(err, "no memory");
	}
	for (int i = 0; i < seats; i++)
		r->seats[i].rig = r;
	return 0;
}

int
rig_open(struct rig *r, struct rend_error *err)
{
	return generation_open(r->generation, err);
}

bool
rig_has(const struct rig *r, unsigned verb)
{
	return (r->has & (1U << verb)) != 0;
}

/* ---- seats ---- */

static void
woken(evutil_socket_t fd, short what, void *arg)
{
	/* Being awake is all: the turn takes what is in the inbox. */
}

/* A handler may take all verbs in one function, and not have all of them. */
static void
ask_verbs(struct seat *s)
{
	static const char key[] = "rend-plugin-test";

	if (s->rig->handler->any == NULL)
		return;
	for (unsigned v = 0; v < REND_VERB_COUNT; v++) {
		struct ask *a = ask_new(s, v, key, v == REND_FLUSH_ALL ? 0 : sizeof key - 1);

		if (ask_wait(a) == REND_UNSUPPORTED)
			s->rig->has &= ~(1U << v);
		ask_drop(a);
	}
	if (rig_has(s->rig, REND_DELETE))
		ask_wait(ask_new(s, REND_DELETE, key, sizeof key - 1));
}

void
seat_enter(struct seat *s)
{
	struct rend_error err = { 0 };
	int index = (int)(s - s->rig->seats);

	if (worker_init(&s->worker, index) != 0 || (s->base = event_base_new()) == NULL)
		rig_fail("no worker: %s", strerror(errno));
	s->worker.base = s->base;
	s->wake = event_new(s->base, s->worker.inbox.fd, EV_READ | EV_PERSIST, woken, NULL);
	if (s->wake == NULL || event_add(s->wake, NULL) != 0)
		rig_fail("no event for the inbox");
	worker_enter(&s->worker);
	if (generation_attach(s->rig->generation, &s->worker, &err) != 0)
		rig_fail("attach() said: %s", err.text);
	if (index == 0)
		ask_verbs(s);
}

void
seat_turn(struct seat *s)
{
	static const struct timeval while_idle = { .tv_usec = TURN_US };

	worker_flush(&s->worker); /* what was asked since the last turn waits no longer */
	if (!worker_ready(&s->worker))
		event_base_loopexit(s->base, &while_idle);
	event_base_loop(s->base, EVLOOP_ONCE | (worker_ready(&s->worker) ? EVLOOP_NONBLOCK : 0));
	clock_tick();
	worker_turn(&s->worker);
	worker_flush(&s->worker);
}

void
seat_pass(struct seat *s)
{
	worker_flush(&s->worker);
	clock_tick();
	worker_turn(&s->worker);
}

static uint64_t
in_flight(const struct seat *s)
{
	const struct generation *g = s->rig->generation;
	uint64_t sum = 0;

	for (size_t i = 0; i < g->count; i++)
		sum += g->nodes[i]->instances[s->worker.index]->in_flight;
	return sum;
}

void
seat_leave(struct seat *s)
{
	struct generation *g = s->rig->generation;
	uint64_t until = clock_mono() + ask_patience(s);

	for (struct ask *a = s->asks; a != NULL; a = a->next) {
		if (a->submitted)
			ask_wait(a);
		ask_drop(a);
	}
	while (in_flight(s) > 0) {
		EXPECT(clock_mono() < until, "%u ops never came back", (unsigned)in_flight(s));
		seat_turn(s);
	}
	for (int i = 0; i < 3; i++) /* calls that were posted, answers that came twice */
		seat_turn(s);
	for (size_t i = g->count; i > 0; i--)
		node_detach(g->nodes[i - 1], &s->worker);
	worker_enter(NULL);
}

void
rig_close(struct rig *r)
{
	struct generation *g = r->generation;
	unsigned out;

	for (size_t i = g->count; i > 0; i--)
		node_close(g->nodes[i - 1]);
	offload_stop();
	for (int i = 0; i < r->seat_count; i++) {
		struct seat *s = &r->seats[i];

		if (s->base == NULL)
			continue;
		worker_enter(&s->worker);
		while (s->asks != NULL) {
			struct ask *a = s->asks;

			s->asks = a->next;
			if (a->submitted)
				ask_check_untouched(a);
			rend_op_free(&a->op);
			free(a);
		}
		s->worker.newest = NULL;
		worker_fini(&s->worker);
		event_free(s->wake);
		event_base_free(s->base);
	}
	worker_enter(NULL);
	generation_free(&r->generation);
	out = ask_values_out();
	EXPECT(out == 0, "%u values were not given back when it closed", out);
}
