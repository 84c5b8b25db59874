/*
 * What an L1 and its L2 hold of each other, from one generation to the next.  While a policy over both is asked, an L1 has copies of what its
 * L2 has.  A generation that asks one of them without the other leaves that other one behind:
 *
 *	l1l2(mem, disk) ──► l1only(mem) ──► l1l2(mem, disk)	disk was left behind: it is emptied before it is asked again
 *	l1l2(mem, disk) ──► l1only(disk) ─► l1l2(mem, disk)	mem was
 *	l1l2(mem, disk) ──► l1only(own) ──► l1l2(mem, disk)	neither: all is as it was
 *
 * Of an L1 that is no node of an earlier generation nobody knows what was written without it.  One in another process may have copies from a time before:
 * all of them are in doubt (repair.h) when the generation begins.  So may one above a store that goes on: it is emptied, too.
 *
 * All on the main thread.
 */
#ifndef ENGINE_PAIRS_H
#define ENGINE_PAIRS_H

#include "base/error.h"
#include "engine/generation.h"

/* g is asked from now on: what that leaves behind is noted in its nodes. */
void pairs_note(const struct generation *g);

/* Does any policy of g that is asked ask n?  One that keeps no copies there, and is none over copies there? */
bool pairs_asks(const struct generation *g, const struct rend_node *n);
bool pairs_asks_alone(const struct generation *g, const struct rend_node *n);

/* Does a policy that is asked keep copies of what n has? */
bool pairs_is_l2(const struct generation *g, const struct rend_node *n);

/* Of which store does n hold copies; NULL: of none. */
const struct rend_node *pairs_l2_of(const struct generation *g, const struct rend_node *n);

/* Does any policy or handler of g that is asked ask n, or one of those that n itself asks? */
bool pairs_reaches(const struct generation *g, const struct rend_node *n);

/* Has n nothing, since it and all that it asks forget what they had, and none of them was there in `before`? */
bool pairs_begins_empty(const struct generation *before, const struct rend_node *n);

/*
 * Calls empty() for each node that g would ask and that an earlier generation left behind, but for an l2 that is trusted; is_new: for an L1 here that none
 * of them had.  0, or -1: what empty() said, or that it cannot be done while the server runs.
 */
typedef int pairs_empty_f(void *arg, const struct rend_node *n, bool is_new, struct rend_error *err);
int pairs_each_left_behind(const struct generation *g, pairs_empty_f *empty, void *arg, struct rend_error *err);

/* Puts into doubt what the new L1s of g have that are in other processes, and calls told() for each.  Nothing of an earlier generation is under way. */
void pairs_doubt_new(const struct generation *g, void (*told)(void *arg, const struct rend_node *n), void *arg);

/*
 * Is a node that both ask another thing to them: alone here, a copy there?  Then no op of one may be under way while the other is asked; else
 * what keeps ops on one key apart belongs to the nodes, and holds for both.
 */
bool pairs_differ(const struct generation *a, const struct generation *b);

#endif
