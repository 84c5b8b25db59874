/*
 * A policy of two tiers with one of them bypassed: it asks the other alone, whatever its tables say, as if it were a policy of one tier.
 *
 *	l1l2: get = l1, l2, fill; set = drop, l2, publish; ...	bypass = "l2": get = l1; set = l1; ...
 *
 * Nobody keeps copies then, so there is no guard.
 */
#ifndef ENGINE_BYPASS_H
#define ENGINE_BYPASS_H

#include "engine/node.h"

struct bypass;

/* Puts such tables in the place of n's, for the verbs that n's have.  0, or -1: no memory.  Main thread, from node_check(). */
int bypass_tables(struct rend_node *n);

/* The node that n does not ask, or NULL.  Any thread. */
const struct rend_node *bypass_of(const struct rend_node *n);

void bypass_free(struct rend_node *n);

#endif
