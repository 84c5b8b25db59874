/* Refuses policies whose tables are wrong, before they see traffic; and walks every path of one without running anything. */
#ifndef ENGINE_FLOW_CHECK_H
#define ENGINE_FLOW_CHECK_H

#include <stdio.h>

#include "base/error.h"
#include "rend/plugin.h"

#define FLOW_ROWS_MAX 64

/*
 * Every row can be reached and leads to the reply; no loop; tiers, verbs and edges in range; a name of its own on each row; an answer on
 * every path; something to store for each row that stores; only rows that store or move an exptime in tier 0 are guarded, and only where
 * the walk has a guard; a guard only where tier 0 can.  0, or -1: which policy, verb and row, what.
 */
int flow_check(const struct rend_policy *policy, const struct rend_walk *walks, int tier_count, uint32_t l1_can,
    struct rend_error *err);

/*
 * Prints every path of each verb, a line each, as in
 *	get       l1=no l2=yes                            -> yes  then fill=no
 * Statuses in `but` stand by name (l2=TIMEOUT).  A function's fail is a line only where it leads elsewhere than its yes and no.  Late rows stand behind the answer.  The walks have passed flow_check().
 */
void flow_print_paths(const struct rend_policy *policy, const struct rend_walk *walks, FILE *out);

/* Prints the tables as one dot subgraph per verb; prefix makes the names of its vertices unique. */
void flow_print_dot(const struct rend_policy *policy, const struct rend_walk *walks, const char *prefix, FILE *out);

/* How many rows a walk has, row 0 included. */
unsigned flow_rows(const struct rend_step *steps);

#endif
