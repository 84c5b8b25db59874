/* The groups of stats: see docs/stats.md for what they say. */
#ifndef NET_STATS_GROUPS_H
#define NET_STATS_GROUPS_H

#include "net/report.h"
#include "net/survey.h"

struct generation;
struct server;

/* Those that are said at once. */
void stats_general(const struct report *r);
void stats_settings(const struct report *r);
void stats_items(const struct report *r);
void stats_slabs(const struct report *r);
void stats_sizes(const struct report *r);
void stats_nodes(const struct report *r);
void stats_node(const struct report *r);
void stats_policy(const struct report *r);
void stats_latency(const struct report *r);

/* Those that only workers can say, or that are long. */
survey_visit_f stats_conns, stats_ops, stats_prefixes;

/* stats reset: what is counted begins anew. */
void stats_reset(struct server *s);

/* The number that `items` and `slabs` have for the node of this index; 0: it keeps nothing in memory. */
unsigned stats_class(const struct generation *g, unsigned node);

#endif
