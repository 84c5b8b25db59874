/* Policies for tests: between them they use everything that a table can say. */
#ifndef KIT_TEST_POLICIES_H
#define KIT_TEST_POLICIES_H

#include "rend/plugin.h"

/* A cache before a store: promotions and publications under the guard. */
extern const struct rend_policy two_tier;

/* Exceptions, functions, late rows, and every way to answer; no sense in it. */
extern const struct rend_policy motley;

#endif
