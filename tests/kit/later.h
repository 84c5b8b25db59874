/* A handler over another one that gives each answer later: by turns from its own worker, and from another thread. */
#ifndef KIT_LATER_H
#define KIT_LATER_H

#include "engine/node.h"

/* A node over this one, not open yet.  NULL: no memory. */
struct rend_node *later_new(struct rend_node *over);

#endif
