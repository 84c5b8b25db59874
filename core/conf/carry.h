/*
 * Blocks of rend.conf that are what they were: their nodes go on as they are, with what they keep and with their connections.
 *
 *	handlers.mem: the same plugin, the same options, and what they name is the same ──► the node of the running generation
 *
 * A node with other numbers alone is another one, but an L1 in another process is still the same: what pairs.h notes of it goes along.
 *
 * Policies keep nothing, and are made anew each time.  One that is asked as an l2 and is what it was is still the same l2: its number goes along, so that
 * the copies of what it has are still copies of that.
 */
#ifndef CONF_CARRY_H
#define CONF_CARRY_H

#include "conf/graph.h"

/* Puts running nodes in the place of new ones, also where other blocks name them.  Blocks are filled and sorted, and not checked. */
void carry(struct graph *g);

/* Policies that are the same l2 as in the running generation are known by the same number.  Blocks are checked. */
void carry_policies(struct graph *g);

/* Whoever is new may not want what only one may have, and a node that still runs has: that becomes a message. */
void carry_check_claims(const struct graph *g, struct messages *m);

#endif
