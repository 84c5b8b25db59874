/* Looks at what one worker's handlers and policies have in hand: for people who ask why nothing comes. */
#ifndef ENGINE_PENDING_H
#define ENGINE_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rend_worker;

/* An op that was submitted and is not answered. */
struct pending {
	const char *node;
	const char *via; /* the policy that only passed it on; NULL: none */
	const char *row; /* where its walk stands, at a policy; NULL: at a handler */
	const char *verb;
	const char *key; /* as it came: may hold any byte */
	size_t keylen;
	uint64_t age;  /* ns */
	bool is_child; /* a policy asks, not a client */
};

/*
 * Calls fn for ops of each node, the oldest first, at most so many of each.  fn says false when it wants no more.  The strings are valid
 * during the call.  On the worker.
 */
void pending_each(struct rend_worker *w, unsigned per_node, bool (*fn)(const struct pending *op, void *arg), void *arg);

/* Ops in the hands of all its nodes, those included that nobody waits for any more.  On the worker. */
uint64_t pending_count(struct rend_worker *w);

#endif
