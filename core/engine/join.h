/*
 * Reads of one key that are under way at the same tier share one answer.  The first one leads: the tier is asked for it.  Those that
 * come while it waits follow: they wait for its answer, each no longer than it would have waited for its own.
 *
 *	get k ── leads ───► tier          its answer ──► the same for all, the value by reference
 *	get k ── follows ─┐
 *	get k ── follows ─┴─ until the leader has its answer
 *
 * Who follows must not be told what was true before it began: it joins only if the guard word is the one that the leader saw, and nobody
 * was writing; and if its lease is the leader's.  One table for each worker and L1 node, so that all policies over it share reads.
 */
#ifndef ENGINE_JOIN_H
#define ENGINE_JOIN_H

#include "engine/guard.h"
#include "engine/node.h"

struct join;

/* NULL: no memory. */
struct join *join_new(void);
void join_free(struct join **jp);

/* Those alone share an answer of whom all of it is the same: the guard's word, as a reader saw it, and the lease that it has; 0 where there is none. */
struct join_terms {
	uint64_t word, token, link;
};

/* A read's place in it; all-zero: none. */
struct join_seat {
	enum join_part {
		JOIN_ALONE, /* asks for itself, nobody knows of it */
		JOIN_LEADS,
		JOIN_FOLLOWS,
		JOIN_SERVED, /* followed, and has the leader's answer */
	} part;
	struct link link; /* in the table, or among the leader's followers */
	struct list followers;
	struct rend_op *op;
	const struct rend_node *to;
	struct join_terms terms;
};

/* As rend_submit(), or instead of it.  The seat stays where it is until the op's done is called. */
bool join_submit(
    struct join *j, struct join_seat *seat, const struct rend_node *to, struct rend_op *op, struct join_terms terms);

/* First thing in the op's done. */
void join_done(struct join_seat *seat);

#endif
