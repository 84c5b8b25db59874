/* `stats latency`: how long nodes and clients' commands take. */
#include "net/stats_groups.h"

#include <stdio.h>
#include <string.h>

#include "engine/generation.h"
#include "engine/metrics.h"
#include "net/server.h"

/* max is the end of the bucket of the longest. */
static const struct {
	const char *name;
	double share;
} quantiles[] = {
	{ "p50", 0.5 },
	{ "p90", 0.9 },
	{ "p99", 0.99 },
	{ "p99.9", 0.999 },
	{ "p99.99", 0.9999 },
	{ "max", 1 },
};

static void
say_histogram(const struct report *r, const char *whose, const struct histogram *h)
{
	char name[256];

	report_named(r, histogram_count(h), "%s.count", whose);
	for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
		snprintf(name, sizeof name, "%s.%s", whose, quantiles[i].name);
		report_line(r, name, "%.3f", (double)histogram_quantile(h, quantiles[i].share) / 1000);
	}
}

static void
say_slot(const struct report *r, unsigned slot)
{
	struct histogram sum = { 0 };
	char whose[64];

	for (int i = 0; i < r->server->loop_count; i++)
		histogram_merge(&sum, &r->server->loops[i].latency[slot]);
	snprintf(whose, sizeof whose, "client.%s", count_slot_name(slot));
	say_histogram(r, whose, &sum);
}

struct node_report {
	const struct report *report;
	const struct rend_node *node;
};

static void
say_metric(const struct metric_reading *m, void *arg)
{
	const struct node_report *nr = arg;
	char whose[200];

	if (m->kind != METRIC_HISTOGRAM)
		return;
	snprintf(whose, sizeof whose, "node.%s.%s", nr->node->name, m->name);
	say_histogram(nr->report, whose, m->histogram);
}

static void
say_node(const struct report *r, const struct rend_node *n)
{
	struct node_report nr = { r, n };
	struct histogram sum = { 0 };
	char whose[200];

	node_latency(n, &sum);
	snprintf(whose, sizeof whose, "node.%s", n->name);
	say_histogram(r, whose, &sum);
	metrics_each(n, say_metric, &nr);
}

void
stats_latency(const struct report *r)
{
	const struct generation *g = server_generation(r->server);

	for (unsigned i = 0; i < COUNT_SLOTS; i++)
		say_slot(r, i);
	for (size_t i = 0; i < g->count; i++)
		say_node(r, g->nodes[i]);
}
