/*
 * `stats items`, `stats slabs`, `stats sizes`.  What is a slab class to memcached is a node that keeps things in memory to us: the first
 * of them is class 1.
 */
#include "net/stats_groups.h"

#include <stdio.h>

#include "engine/generation.h"
#include "engine/metrics.h"
#include "net/server.h"

#define PAGE_AS_MEMCACHED (1024 * 1024)

static uint64_t
metric(const struct rend_node *n, const char *name)
{
	uint64_t value = 0;

	metrics_find(n, name, &value);
	return value;
}

static bool
keeps_in_memory(const struct rend_node *n)
{
	uint64_t limit;

	return metrics_find(n, "limit_maxbytes", &limit);
}

unsigned
stats_class(const struct generation *g, unsigned node)
{
	unsigned class = 0;

	if (!keeps_in_memory(g->nodes[node]))
		return 0;
	for (unsigned i = 0; i <= node; i++)
		class += keeps_in_memory(g->nodes[i]);
	return class;
}

/* Stores that ended so. */
static uint64_t
stores_ended(const struct rend_node *n, unsigned status)
{
	uint64_t sum = 0;

	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		if (rend_verb_stores(v))
			sum += node_ended(n, v, status);
	return sum;
}

/* memcached's name for a node's metric; without one if the node has none. */
static const struct {
	const char *name, *metric;
} item_lines[] = {
	{ "number", "curr_items" },
	{ "age", "age" },
	{ "mem_requested", "bytes" },
	{ "evicted", "evictions" },
	{ "evicted_time", "evicted_time" },
	{ "reclaimed", "reclaimed" },
	{ "expired_unfetched", "expired_unfetched" },
	{ "evicted_unfetched", "evicted_unfetched" },
	{ "evicted_active", "evicted_active" },
	{ "crawler_reclaimed", "crawler_reclaimed" },
	{ "direct_reclaims", "direct_reclaims" },
};

static void
say_items_of(const struct report *r, const struct rend_node *n, unsigned class)
{
	for (size_t i = 0; i < sizeof item_lines / sizeof *item_lines; i++) {
		uint64_t value;

		if (metrics_find(n, item_lines[i].metric, &value))
			report_named(r, value, "items:%u:%s", class, item_lines[i].name);
	}
	report_named(r, stores_ended(n, REND_NO_MEMORY), "items:%u:outofmemory", class);
	report_named(r, 0, "items:%u:tailrepairs", class);
}

/* What is asked of a node, by memcached's names. */
static const struct {
	const char *name;
	uint8_t verb, status;
} verb_lines[] = {
	{ "get_hits", REND_GET, REND_OK },
	{ "delete_hits", REND_DELETE, REND_OK },
	{ "incr_hits", REND_INCR, REND_OK },
	{ "decr_hits", REND_DECR, REND_OK },
	{ "cas_badval", REND_SET, REND_EXISTS },
	{ "touch_hits", REND_TOUCH, REND_OK },
};

/* As if all items were of one size, the mean of those that are there. */
static void
say_slab_of(const struct report *r, const struct rend_node *n, unsigned class)
{
	uint64_t items = metric(n, "curr_items"), bytes = metric(n, "bytes"), limit = metric(n, "limit_maxbytes");
	uint64_t mean = items == 0 ? 0 : bytes / items, left = 0;

	if (mean == 0)
		mean = 1;
	if (items > 0 && limit > bytes)
		left = (limit - bytes) / mean;
	report_named(r, items == 0 ? 0 : mean, "%u:chunk_size", class);
	report_named(r, items == 0 ? 0 : PAGE_AS_MEMCACHED / mean, "%u:chunks_per_page", class);
	report_named(r, (bytes + PAGE_AS_MEMCACHED - 1) / PAGE_AS_MEMCACHED, "%u:total_pages", class);
	report_named(r, items + left, "%u:total_chunks", class);
	report_named(r, items, "%u:used_chunks", class);
	report_named(r, left, "%u:free_chunks", class);
	report_named(r, 0, "%u:free_chunks_end", class);
	report_named(r, bytes, "%u:mem_requested", class);
	report_named(r, stores_ended(n, REND_OK), "%u:cmd_set", class);
	for (size_t i = 0; i < sizeof verb_lines / sizeof *verb_lines; i++)
		report_named(
		    r, node_ended(n, verb_lines[i].verb, verb_lines[i].status), "%u:%s", class, verb_lines[i].name);
}

/* Calls say for each class, and returns how many there are. */
static unsigned
each_class(const struct report *r, void (*say)(const struct report *, const struct rend_node *, unsigned))
{
	const struct generation *g = server_generation(r->server);
	unsigned class = 0;

	for (size_t i = 0; i < g->count; i++)
		if (keeps_in_memory(g->nodes[i]))
			say(r, g->nodes[i], ++class);
	return class;
}

void
stats_items(const struct report *r)
{
	each_class(r, say_items_of);
}

void
stats_slabs(const struct report *r)
{
	const struct generation *g = server_generation(r->server);

	report_number(r, "active_slabs", each_class(r, say_slab_of));
	report_number(r, "total_malloced", metrics_sum(g->nodes, g->count, "bytes"));
}

/* memcached has them only if it was told at its start to keep them. */
void
stats_sizes(const struct report *r)
{
	report_line(r, "sizes_status", "%s", "disabled");
}
