/* What nodes do: their ops, the rows of policies, and what their plugins register. */
#include <stdio.h>
#include <string.h>

#include "engine/flow.h"
#include "engine/flow_check.h"
#include "engine/generation.h"
#include "engine/metrics.h"
#include "net/scrape.h"
#include "net/server.h"

/* ---- numbers that every node has ---- */

static uint64_t
is_up(const struct rend_node *n)
{
	return node_up(n);
}

static uint64_t
workers_up(const struct rend_node *n)
{
	int of;

	return (uint64_t)node_reached(n, &of);
}

static const struct {
	const char *name;
	enum exposition_kind kind;
	const char *help;
	uint64_t (*of)(const struct rend_node *n);
} by_node[] = {
	{ "rend_node_up", EXPOSITION_GAUGE,
	    "Whether it can answer: some worker reaches it, or a policy one of its tiers.", is_up },
	{ "rend_node_workers_up", EXPOSITION_GAUGE, "Workers that reach it.", workers_up },
	{ "rend_node_in_flight", EXPOSITION_GAUGE, "Ops in its hands, those that were given up included.",
	    node_in_flight },
	{ "rend_node_late_total", EXPOSITION_COUNTER, "Ops that were given up because there was no answer in time.",
	    node_late },
	{ "rend_node_refused_total", EXPOSITION_COUNTER,
	    "Ops that were answered busy because too many were in its hands.", node_refused },
};

static const char *
kind_of(const struct rend_node *n)
{
	return plugin_is_handler(n->plugin) ? "handler" : "policy";
}

static void
say_numbers(const struct generation *g, struct exposition *e)
{
	if (exposition_begin(e, "rend_node_info", EXPOSITION_GAUGE, "The blocks of rend.conf; always 1."))
		for (size_t k = 0; k < g->count; k++)
			exposition_number(e,
			    LABELS({ "node", g->nodes[k]->name }, { "kind", kind_of(g->nodes[k]) },
				{ "plugin", plugin_name(g->nodes[k]->plugin) }),
			    1);
	for (size_t i = 0; i < sizeof by_node / sizeof *by_node; i++) {
		if (!exposition_begin(e, by_node[i].name, by_node[i].kind, by_node[i].help))
			continue;
		for (size_t k = 0; k < g->count; k++)
			exposition_number(e, LABELS({ "node", g->nodes[k]->name }), by_node[i].of(g->nodes[k]));
	}
}

/* Only of those that know. */
static void
say_memory(const struct generation *g, struct exposition *e)
{
	uint64_t bytes;

	if (!exposition_begin(
		e, "rend_node_memory_bytes", EXPOSITION_GAUGE, "Memory that its store holds, its overhead included."))
		return;
	for (size_t i = 0; i < g->count; i++)
		if (node_memory(g->nodes[i], &bytes))
			exposition_number(e, LABELS({ "node", g->nodes[i]->name }), bytes);
}

/* As for clients' commands, OK is there from the beginning. */
static void
say_ops_of(const struct rend_node *n, struct exposition *e)
{
	char word[SCRAPE_WORD];

	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		for (unsigned st = 0; st < REND_STATUS_COUNT; st++) {
			uint64_t ended = node_ended(n, v, st);

			/* It is a table of a policy, and no verb of an op. */
			if (v != REND_GET_TOUCH && (ended > 0 || st == REND_OK))
				exposition_number(e,
				    LABELS({ "node", n->name }, { "verb", rend_verb_name(v) },
					{ "outcome", scrape_outcome(st, word) }),
				    ended);
		}
}

static void
say_ops(const struct generation *g, struct exposition *e)
{
	if (exposition_begin(e, "rend_node_ops_total", EXPOSITION_COUNTER, "Ops by how they ended."))
		for (size_t i = 0; i < g->count; i++)
			say_ops_of(g->nodes[i], e);
	if (!exposition_begin(e, "rend_node_duration_seconds", EXPOSITION_HISTOGRAM,
		"Ops, from submit to done; 0 within a turn of the loop."))
		return;
	for (size_t i = 0; i < g->count; i++) {
		struct histogram sum = { 0 };

		node_latency(g->nodes[i], &sum);
		exposition_histogram(e, LABELS({ "node", g->nodes[i]->name }), &sum);
	}
}

/* ---- policies ---- */

static void
say_walk(const struct rend_node *n, unsigned verb, struct exposition *e)
{
	static const char *const outcomes[] = { [REND_YES] = "yes", [REND_NO] = "no", [REND_FAIL] = "fail" };
	const struct rend_step *steps = n->walks[verb].steps;

	for (unsigned row = 1; row < flow_rows(steps); row++)
		for (unsigned o = 0; o < sizeof outcomes / sizeof *outcomes; o++)
			exposition_number(e,
			    LABELS({ "policy", n->name }, { "verb", rend_verb_name(verb) }, { "step", steps[row].name },
				{ "outcome", outcomes[o] }),
			    flow_row_ended(n, verb, row, o));
}

static void
say_policies(const struct generation *g, struct exposition *e)
{
	if (!exposition_begin(
		e, "rend_policy_steps_total", EXPOSITION_COUNTER, "How often a row of a policy's table ended so."))
		return;
	for (size_t i = 0; i < g->count; i++)
		for (unsigned v = 0; g->nodes[i]->walks != NULL && v < REND_VERB_COUNT; v++)
			if (g->nodes[i]->walks[v].steps != NULL)
				say_walk(g->nodes[i], v, e);
}

/* ---- what plugins register ---- */

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), endlen = strlen(end);

	return len >= endlen && strcmp(text + len - endlen, end) == 0;
}

/* rend_PLUGIN_NAME, with the end that belongs to its kind. */
static void
name_family(char name[EXPOSITION_NAME_MAX], const char *plugin, const struct metric_reading *m)
{
	static const char *const ends[] = {
		[METRIC_COUNTER] = "_total",
		[METRIC_GAUGE] = "",
		[METRIC_HISTOGRAM] = "_seconds",
	};

	snprintf(name, EXPOSITION_NAME_MAX, "rend_%s_%s%s", plugin, m->name,
	    ends_with(m->name, ends[m->kind]) ? "" : ends[m->kind]);
	/* A plugin's name may have in it what this one may not. */
	for (char *c = name; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
		else if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9')))
			*c = '_';
}

static void
say_metric(struct exposition *e, const struct rend_node *n, const struct metric *m)
{
	struct metric_reading r;
	struct histogram sum;

	metric_read(m, &r, &sum);
	if (r.kind == METRIC_HISTOGRAM)
		exposition_histogram(e, LABELS({ "node", n->name }), r.histogram);
	else
		exposition_number(e, LABELS({ "node", n->name }), r.value);
}

/* Is there one of this name and kind at an earlier node of the same plugin?  Then it was said with that one's. */
static bool
was_said(const struct generation *g, size_t node, const struct metric_reading *about)
{
	for (size_t i = 0; i < node; i++) {
		const struct metric *m = metric_named(g->nodes[i], about->name);

		if (g->nodes[i]->plugin == g->nodes[node]->plugin && m != NULL && metric_about(m).kind == about->kind)
			return true;
	}
	return false;
}

/* One family: this metric at this node, and at all of the same plugin that come after. */
static void
say_family(const struct generation *g, size_t node, const struct metric *first, struct exposition *e)
{
	static const enum exposition_kind kinds[] = {
		[METRIC_COUNTER] = EXPOSITION_COUNTER,
		[METRIC_GAUGE] = EXPOSITION_GAUGE,
		[METRIC_HISTOGRAM] = EXPOSITION_HISTOGRAM,
	};
	struct metric_reading about = metric_about(first);
	char name[EXPOSITION_NAME_MAX];

	name_family(name, plugin_name(g->nodes[node]->plugin), &about);
	if (was_said(g, node, &about) || !exposition_begin(e, name, kinds[about.kind], about.doc))
		return;
	for (size_t i = node; i < g->count; i++) {
		const struct metric *m = metric_named(g->nodes[i], about.name);

		if (g->nodes[i]->plugin == g->nodes[node]->plugin && m != NULL && metric_about(m).kind == about.kind)
			say_metric(e, g->nodes[i], m);
	}
}

void
scrape_nodes(const struct server *s, struct exposition *e)
{
	const struct generation *g = server_generation(s);

	say_numbers(g, e);
	say_memory(g, e);
	say_ops(g, e);
	say_policies(g, e);
	for (size_t i = 0; i < g->count; i++)
		for (const struct metric *m = metric_next(g->nodes[i], NULL); m != NULL;
		     m = metric_next(g->nodes[i], m))
			say_family(g, i, m, e);
}
