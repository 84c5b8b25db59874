/*
 * The graph that one rend.conf describes: nodes in the order in which they can be opened, children first.  It is built once and then
 * never changed.  A client's op pins the newest one; one that is replaced ends when its last op is gone.
 */
#ifndef ENGINE_GENERATION_H
#define ENGINE_GENERATION_H

#include "engine/node.h"

struct generation {
	unsigned magic;
#define GENERATION_MAGIC 0x6e6e0001U
	uint64_t number; /* 1, 2, ... */
	struct rend_node **nodes;
	size_t count;
	uint64_t pins[NODE_WORKERS_MAX]; /* ops of each worker; that worker's */
};

/* Takes over the array and its nodes.  NULL: no memory.  Main thread. */
struct generation *generation_new(struct rend_node **nodes, size_t count);

/* Opens every node, children first; on failure closes those it opened.  0, or -1 with the reason.  Main thread, before it is attached. */
int generation_open(struct generation *g, struct rend_error *err);

/* Makes every node's instance on this worker, and g its newest generation.  0, or -1 with the reason, nothing attached.  On the worker. */
int generation_attach(struct generation *g, struct rend_worker *w, struct rend_error *err);

/*
 * Undoes it, parents first.  true, or false: some plugin kept ops, and they keep the generation.  No op of this worker waits for an answer
 * any more: each has it, or was given up.  On the worker.
 */
bool generation_detach(struct generation *g, struct rend_worker *w);

/* Has every store bring to where it lasts what is only in memory yet, parents first, by the deadline (monotonic ns).  No worker has it any more.
 * Main thread. */
void generation_drain(struct generation *g, uint64_t deadline);

/* Closes every node, parents first, and frees all.  No worker has it any more.  Main thread. */
void generation_free(struct generation **gp);

/* The node of that name, or NULL. */
struct rend_node *generation_node(const struct generation *g, const char *name);

#endif
