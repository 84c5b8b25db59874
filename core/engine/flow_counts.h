/* How often the rows of a policy ended with which outcome: one writer per worker, no locks. */
#ifndef ENGINE_FLOW_COUNTS_H
#define ENGINE_FLOW_COUNTS_H

#include "engine/node.h"

/* One more.  slot: which of the policy's tables.  On the worker. */
void flow_count(const struct instance *in, unsigned slot, unsigned row, enum rend_outcome outcome);

#endif
