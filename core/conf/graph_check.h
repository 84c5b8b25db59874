/*
 * Whether nodes fit together: each plugin looks at its own options, and the core at what no plugin can see: who else asks whom.
 *
 *	a policy with a guard ──► its l1: nobody but policies over the same two      ──► its l2: who else asks it is warned of
 *	locks of an l1        ──► not twice on one way
 *	unknown_hold          ──► only where somebody keeps copies
 */
#ifndef CONF_GRAPH_CHECK_H
#define CONF_GRAPH_CHECK_H

#include "conf/graph.h"

/* The graph is filled and sorted.  Policies get their tiers and tables; what is wrong becomes messages, and its block bad. */
void graph_check(struct graph *g, struct messages *m);

#endif
