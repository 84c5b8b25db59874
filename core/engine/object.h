/* What plugins leave with a node for others to share: see rend_node_object() in rend/plugin.h. */
#ifndef ENGINE_OBJECT_H
#define ENGINE_OBJECT_H

struct rend_node;

/* Those that it has now stay as long as it does.  Main thread. */
void objects_keep(struct rend_node *n);

/* Frees those that came since: they were made for somebody who was refused, and who is gone.  Main thread. */
void objects_drop(struct rend_node *n);

/* Frees them.  Main thread; every node is closed. */
void objects_free(struct rend_node *n);

#endif
