/*
 * Blocks to nodes.  Each block of handlers = {} and policies = {} is one; options that name others are the edges:
 *
 *	read: load each block's plugin, make its node ──► fill: options, edges ──► sort: children first, no cycle
 *		──► check
 */
#ifndef CONF_GRAPH_H
#define CONF_GRAPH_H

#include <stdbool.h>

#include "conf/messages.h"
#include "conf/tree.h"
#include "engine/node.h"

struct graph_block {
	const struct tree *tree;
	char path[TREE_PATH_MAX]; /* "handlers.mem" */
	bool policy;		  /* stands under policies */
	bool bad;		  /* something was said about it, or about what it asks */
	bool used;		  /* a listener leads to it */
	struct plugin *plugin;	  /* NULL: could not be loaded */
	struct rend_node *node;
	bool carried; /* it is a running generation's */
	void *conf;   /* the node's */
	size_t *asks; /* blocks its options name */
	size_t asks_count;
	enum { GRAPH_NEW, GRAPH_ENTERED, GRAPH_SORTED } state;
};

/* All-zero: nothing. */
struct graph {
	struct graph_block *blocks; /* in the order of the file, handlers first */
	size_t count;
	size_t *order; /* children first */
	size_t sorted;
	const struct generation *now; /* the one that runs; NULL: none */
};

/* Who is to be named if a plugin ends the rehearsal: where it is asked for, and which it is (name). */
void graph_doing(const struct graph_block *b, const char *name, const char *what);

/* Makes all of it, in an all-zero graph, or one where `now` is set; what is wrong becomes messages. */
void graph_build(struct graph *g, const struct tree *root, const char *plugin_dir, struct messages *m);

/*
 * The node of a policy's block that a listener names.  NULL after rend_error(), or, without a sentence, if enough was
 * said about it already.  It and all below it are used.
 */
const struct rend_node *graph_policy(struct graph *g, const char *name, struct rend_error *err);

/* There is no folder for notes: whoever bypasses what has to be flushed later becomes a message. */
void graph_want_no_notes(const struct graph *g, struct messages *m);

/* Warns of blocks that no listener leads to. */
void graph_warn_unused(const struct graph *g, struct messages *m);

/* Hands the nodes over, in the order in which they can be opened.  NULL: no memory; the nodes are freed. */
struct generation *graph_take(struct graph *g);

/* Frees what was not taken. */
void graph_fini(struct graph *g);

#endif
