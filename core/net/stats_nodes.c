/* `stats nodes`, `stats node NAME`, `stats policy`: what the engine and the plugins count. */
#include "net/stats_groups.h"

#include <stdio.h>

#include "engine/flow.h"
#include "engine/flow_check.h"
#include "engine/generation.h"
#include "engine/holds.h"
#include "engine/metrics.h"
#include "engine/repair.h"
#include "net/server.h"
#include "proto/command.h"

struct node_report {
	const struct report *report;
	const struct rend_node *node;
};

static void
say_metric(const struct metric_reading *m, void *arg)
{
	const struct node_report *nr = arg;

	if (m->kind != METRIC_HISTOGRAM)
		report_named(nr->report, m->value, "%s.%s", nr->node->name, m->name);
}

static void
say_node(const struct report *r, const struct generation *g, unsigned which)
{
	const struct rend_node *n = g->nodes[which];
	const struct holds *holds = node_holds(n);
	const struct repair *repair = node_repair(n);
	struct node_report nr = { r, n };
	unsigned class = stats_class(g, which);

	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		for (unsigned st = 0; st < REND_STATUS_COUNT; st++) {
			uint64_t ended = node_ended(n, v, st);

			if (ended > 0)
				report_named(r, ended, "%s.%s.%s", n->name, rend_verb_name(v), rend_status_name(st));
		}
	report_named(r, node_in_flight(n), "%s.in_flight", n->name);
	report_named(r, node_late(n), "%s.late", n->name);
	report_named(r, node_refused(n), "%s.refused", n->name);
	if (node_joined(n) > 0)
		report_named(r, node_joined(n), "%s.joined", n->name);
	if (holds != NULL) {
		report_named(r, holds_now(holds), "%s.held", n->name);
		report_named(r, holds_total(holds), "%s.held_total", n->name);
	}
	if (repair != NULL) {
		report_named(r, repair_now(repair), "%s.in_doubt", n->name);
		report_named(r, repair_total(repair), "%s.in_doubt_total", n->name);
	}
	if (class > 0)
		report_named(r, class, "%s.class", n->name);
	metrics_each(n, say_metric, &nr);
}

void
stats_nodes(const struct report *r)
{
	/* Another one may be asked from the next moment on. */
	const struct generation *g = server_generation(r->server);

	for (unsigned i = 0; i < g->count; i++)
		say_node(r, g, i);
}

void
stats_node(const struct report *r)
{
	const struct generation *g = server_generation(r->server);

	if (r->asked->part < g->count)
		say_node(r, g, r->asked->part);
}

static void
say_walk(const struct report *r, const struct rend_node *n, unsigned verb)
{
	static const char *const outcomes[] = { [REND_YES] = "yes", [REND_NO] = "no", [REND_FAIL] = "fail" };
	const struct rend_step *steps = n->walks[verb].steps;

	for (unsigned row = 1; row < flow_rows(steps); row++)
		for (unsigned o = 0; o < sizeof outcomes / sizeof *outcomes; o++)
			report_named(r, flow_row_ended(n, verb, row, o), "%s.%s.%s.%s", n->name, rend_verb_name(verb),
			    steps[row].name, outcomes[o]);
}

void
stats_policy(const struct report *r)
{
	const struct generation *g = server_generation(r->server);

	for (size_t i = 0; i < g->count; i++)
		for (unsigned v = 0; g->nodes[i]->walks != NULL && v < REND_VERB_COUNT; v++)
			if (g->nodes[i]->walks[v].steps != NULL)
				say_walk(r, g->nodes[i], v);
}
