/* What plugins leave with a node for others to share: see rend_node_object() in rend/plugin.h. */
#ifndef ENGINE_OBJECT_H
#define ENGINE_OBJECT_H

struct rend_node;

/* Frees them.  Main thread; every node is closed. */
void objects_free(struct rend_node *n);

#endif
