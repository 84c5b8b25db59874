/*
 * What stores leave to the process that comes next (rend/handover.h), of all nodes of a graph.
 *
 *	here:	parcels_stop ─► (every worker comes to another turn) ─► parcels_give ─► close()
 *					└── it came to nothing, and the next process has ended: parcels_keep
 *	there:	parcels_add, for each that came ─► parcels_open
 *
 * What came is given to the node of the same name, if its plugin has the name of the one that gave it, and what it keeps is to it what it was: see
 * parcels_role().
 */
#ifndef ENGINE_PARCELS_H
#define ENGINE_PARCELS_H

#include "engine/generation.h"
#include "rend/handover.h"

/* More than so many nobody takes. */
#define PARCELS_MAX 256

/* Bytes of a role, with its NUL. */
#define PARCELS_ROLE 64

/* ---- here ---- */

/* No op is under way.  From now on those that could give something are asked nothing, and are told of no turn that begins later.  On the keeper's thread, while all
 * workers hold. */
void parcels_stop(struct generation *g);

/*
 * Has each of them give up what only one process may have, by the deadline (monotonic ns), then give what it has, and send() what that is.  Of one that gives nothing
 * it is logged why: the next process begins empty.  0; or -1: send() said so, or one lets go of nothing, and parcels_keep() is next.  The same, and
 * nobody looks at them meanwhile.
 */
typedef int parcels_send_f(
    void *arg, const struct rend_node *n, const char *role, const struct rend_parcel *p, struct rend_error *err);
int parcels_give(struct generation *g, uint64_t deadline, parcels_send_f *send, void *arg, struct rend_error *err);

/* All is theirs again, and they are asked, but for those that cannot be opened again: these are away.  Also after parcels_stop() alone.  The same. */
void parcels_keep(struct generation *g);

/* Those that are away are opened, if they can be.  true: some are away yet.  The keeper's thread; nobody looks at them meanwhile. */
bool parcels_reopen(struct generation *g);

/* ---- there ---- */

/* The descriptors of one that nobody takes. */
void parcels_close(struct rend_parcel *p);

struct parcels {
	struct parcels_one *all;
	size_t count;
};

/*
 * One that came.  It takes the descriptors over.  false: there are too many, or no memory; they are closed.
 */
bool parcels_add(struct parcels *ps, const char *node, const char *plugin, const char *version, const char *role,
    const struct rend_parcel *p);

/* generation_open(), where each node finds what came for it.  What is not taken is closed: *ps is empty then.  NULL: nothing came.  Main thread. */
int parcels_open(struct parcels *ps, struct generation *g, struct rend_error *err);

/* Closes what nobody took, and frees. */
void parcels_fini(struct parcels *ps);

/* ---- for both ---- */

/*
 * What a store has to do with others: is it asked by itself, and of which other store does it hold copies?  Of that one all options count, since with others it is
 * another store.  Where two differ, what the one kept cannot be the other's.
 */
void parcels_role(const struct generation *g, const struct rend_node *n, char role[PARCELS_ROLE]);

#endif
