/*
 * The graph that one rend.conf describes: nodes in the order in which they can be opened, children first.  It is built once and then
 * never changed.  A client's op pins the newest one; one that is replaced ends when its last op is gone.
 *
 *	generation 1:  main(l1l2) ──► mem, disk		  mem and disk are the same blocks of the same plugins: generation 2
 *	generation 2:  main(l1only) ─► mem, disk	  has the very nodes, with their stores and instances
 *
 * A node that several generations have belongs to the newest that is committed: that one opens, attaches, detaches, closes and frees it.
 */
#ifndef ENGINE_GENERATION_H
#define ENGINE_GENERATION_H

#include "engine/node.h"

/* Ops of one worker; that worker's.  Each counts there with every op, so no two may be in one line of the cache. */
#define CACHE_LINE 64
struct pins {
	uint64_t ops;
	char apart[CACHE_LINE - sizeof(uint64_t)];
};

struct generation {
	unsigned magic;
#define GENERATION_MAGIC 0x6e6e0001U
	uint64_t number; /* 1, 2, ... */
	struct rend_node **nodes;
	size_t count;
	struct generation *older; /* the one before that has not ended yet, or NULL.  Of whoever replaces generations */
	struct pins pins[NODE_WORKERS_MAX];
};

/* Takes over the array and its nodes.  NULL: no memory.  Main thread. */
struct generation *generation_new(struct rend_node **nodes, size_t count);

/* Opens every node of its own, children first; on failure closes those it opened.  0, or -1 with the reason.  Main thread, before it is
 * attached. */
int generation_open(struct generation *g, struct rend_error *err);

/* The same of those that can be open in two processes at once: leaves that claim nothing, and that nobody could give anything.  The others follow with
 * generation_open().  Main thread. */
int generation_open_beside(struct generation *g, struct rend_error *err);

/* Makes the instance of each node of its own on this worker, and g its newest generation if it has none.  0, or -1 with the reason, nothing
 * attached.  On the worker. */
int generation_attach(struct generation *g, struct rend_worker *w, struct rend_error *err);

/* From now on all its nodes are its own.  Main thread, when every worker has it attached, and no other generation is detached meanwhile. */
void generation_commit(struct generation *g);

/* Another one that was to come after g was refused and is freed: what its nodes left with those of g goes.  Main thread. */
void generation_drop_objects(struct generation *g);

/* g is this worker's newest from now on.  On the worker. */
void generation_begin(struct generation *g, struct rend_worker *w);

/*
 * Undoes what generation_attach() did, parents first.  true, or false: some plugin kept ops, and they keep the generation.  No op of this worker waits for an answer
 * any more: each has it, or was given up.  On the worker.
 */
bool generation_detach(struct generation *g, struct rend_worker *w);

/* Has every store bring to where it lasts what is only in memory yet, parents first, by the deadline (monotonic ns).  No worker has it any more.
 * Main thread. */
void generation_drain(struct generation *g, uint64_t deadline);

/* Closes every node of its own, parents first.  No worker has it any more.  Main thread. */
void generation_close(struct generation *g);

/* The same, and frees all that is its own.  Main thread; nobody looks at its nodes any more. */
void generation_free(struct generation **gp);

/* The node of that name, or NULL. */
struct rend_node *generation_node(const struct generation *g, const char *name);

#endif
