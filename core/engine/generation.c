/* The graph of one rend.conf: see generation.h. */
#include "engine/generation.h"

#include <stdlib.h>
#include <string.h>

#include "engine/object.h"
#include "engine/worker.h"

struct generation *
generation_new(struct rend_node **nodes, size_t count)
{
	static uint64_t numbers;
	struct generation *g = calloc(1, sizeof *g);

	if (g == NULL)
		return NULL;
	g->magic = GENERATION_MAGIC;
	g->number = ++numbers;
	g->nodes = nodes;
	g->count = count;
	for (size_t i = 0; i < count; i++)
		if (nodes[i]->owner == NULL)
			nodes[i]->owner = g;
	return g;
}

static bool
owns(const struct generation *g, size_t i)
{
	return g->nodes[i]->owner == g;
}

/* Parents first: nobody is closed while somebody above could still ask. */
static void
close_below(struct generation *g, size_t count)
{
	while (count-- > 0)
		if (owns(g, count))
			node_close(g->nodes[count]);
}

int
generation_open(struct generation *g, struct rend_error *err)
{
	REND_CHECK(g, GENERATION_MAGIC);
	for (size_t i = 0; i < g->count; i++)
		if (owns(g, i) && !g->nodes[i]->opened && node_open(g->nodes[i], err) != 0) {
			close_below(g, g->count);
			return -1;
		}
	return 0;
}

int
generation_open_beside(struct generation *g, struct rend_error *err)
{
	REND_CHECK(g, GENERATION_MAGIC);
	for (size_t i = 0; i < g->count; i++)
		if (owns(g, i) && node_opens_beside(g->nodes[i]) && node_open(g->nodes[i], err) != 0) {
			close_below(g, i);
			return -1;
		}
	return 0;
}

static bool
detach_below(struct generation *g, struct rend_worker *w, size_t count)
{
	bool all = true;

	while (count-- > 0)
		if (owns(g, count))
			all &= node_detach(g->nodes[count], w);
	return all;
}

int
generation_attach(struct generation *g, struct rend_worker *w, struct rend_error *err)
{
	REND_CHECK(g, GENERATION_MAGIC);
	for (size_t i = 0; i < g->count; i++)
		if (owns(g, i) && node_attach(g->nodes[i], w, err) != 0) {
			detach_below(g, w, i);
			return -1;
		}
	if (w->newest == NULL)
		w->newest = g;
	return 0;
}

void
generation_commit(struct generation *g)
{
	REND_CHECK(g, GENERATION_MAGIC);
	for (size_t i = 0; i < g->count; i++) {
		g->nodes[i]->owner = g;
		objects_keep(g->nodes[i]);
	}
}

void
generation_drop_objects(struct generation *g)
{
	REND_CHECK(g, GENERATION_MAGIC);
	for (size_t i = 0; i < g->count; i++)
		objects_drop(g->nodes[i]);
}

void
generation_begin(struct generation *g, struct rend_worker *w)
{
	REND_CHECK(g, GENERATION_MAGIC);
	w->newest = g;
}

bool
generation_detach(struct generation *g, struct rend_worker *w)
{
	bool all;

	REND_CHECK(g, GENERATION_MAGIC);
	if (w->newest == g)
		w->newest = NULL;
	/* Ops that were given up pin it until their handlers finish them, in detach at the latest. */
	all = detach_below(g, w, g->count);
	return all && g->pins[w->index].ops == 0;
}

void
generation_drain(struct generation *g, uint64_t deadline)
{
	REND_CHECK(g, GENERATION_MAGIC);
	for (size_t i = g->count; i-- > 0;)
		if (owns(g, i))
			node_drain(g->nodes[i], deadline);
}

void
generation_close(struct generation *g)
{
	REND_CHECK(g, GENERATION_MAGIC);
	close_below(g, g->count);
}

void
generation_free(struct generation **gp)
{
	struct generation *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	REND_CHECK(g, GENERATION_MAGIC);
	close_below(g, g->count);
	for (size_t i = 0; i < g->count; i++)
		if (owns(g, i))
			node_free(&g->nodes[i]);
	free(g->nodes);
	g->magic = 0;
	free(g);
}

struct rend_node *
generation_node(const struct generation *g, const char *name)
{
	for (size_t i = 0; i < g->count; i++)
		if (strcmp(g->nodes[i]->name, name) == 0)
			return g->nodes[i];
	return NULL;
}
