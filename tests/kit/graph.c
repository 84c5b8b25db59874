/* A policy over tiers of ours: see graph.h. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "engine/flow_check.h"

static const struct rend_walk *picked; /* a policy cannot be told whose tables it is to pick */

static const struct rend_walk *
pick_copies(const void *conf, uint32_t l1_can)
{
	return picked;
}

static struct rend_step *
copy_steps(const struct rend_step *from, graph_run_f *run)
{
	unsigned rows = flow_rows(from);
	struct rend_step *steps = calloc(rows + 1, sizeof *steps);

	if (steps == NULL)
		abort();
	for (unsigned r = 1; r < rows; r++) {
		steps[r] = from[r];
		if (steps[r].run != NULL)
			steps[r].run = run;
	}
	return steps;
}

static void
copy_tables(struct graph *g, const struct rend_walk *from, graph_run_f *run)
{
	for (unsigned v = 0; v < REND_VERB_SLOTS; v++) {
		g->walks[v] = from[v];
		if (from[v].steps != NULL)
			g->walks[v].steps = g->steps[v] = copy_steps(from[v].steps, run);
	}
	picked = g->walks;
}

static void
make_nodes(struct graph *g, const struct policy_kit *kit)
{
	struct rend_node **nodes = calloc(REND_TIERS_MAX + 1, sizeof *nodes);
	int n = 0;

	for (; n < REND_TIERS_MAX && kit->policy->tiers[n] != NULL; n++)
		nodes[n] = g->tiers[n] = node_new(kit->policy->tiers[n], &g->tier, &g->tiers[n], NULL);
	g->policy = node_new("policy", &g->over, (void *)(uintptr_t)kit->conf, NULL);
	nodes[n] = g->policy;
	memcpy(g->policy->tiers, g->tiers, sizeof g->tiers);
	g->policy->tier_count = g->tier_count = n;
	g->generation = generation_new(nodes, (size_t)n + 1);
}

int
graph_open(struct graph *g, const struct policy_kit *kit, const struct rend_walk *tables,
    const struct rend_handler *tier, graph_run_f *run, struct rend_error *err)
{
	static const struct rend_plugin no_plugin = { .version = "0", .build = "" };

	*g = (struct graph){ .tier.self = &no_plugin, .over.self = &no_plugin };
	g->tier.handler = *tier;
	g->tier.handler.can = kit->l1_can;
	g->over.policy = *kit->policy;
	g->over.policy.pick = pick_copies;
	copy_tables(g, tables, run);
	worker_set_count(1);
	if (worker_init(&g->worker, 0) != 0)
		abort();
	worker_enter(&g->worker);
	make_nodes(g, kit);
	for (size_t i = 0; i < g->generation->count; i++)
		if (node_check(g->generation->nodes[i], err) != 0)
			return -1;
	if (generation_open(g->generation, err) != 0)
		return -1;
	return generation_attach(g->generation, &g->worker, err);
}

void
graph_close(struct graph *g)
{
	if (g->worker.newest != NULL)
		generation_detach(g->generation, &g->worker);
	generation_free(&g->generation);
	worker_fini(&g->worker);
	worker_enter(NULL);
	for (unsigned v = 0; v < REND_VERB_SLOTS; v++)
		free(g->steps[v]);
}
