/*
 * From one generation to the next, on all workers; each step is a call that every worker runs in a turn of its own.
 *
 *	attach ─► (hold ─► is it quiet? ─►) begin		    ... ─► may it end? ─► detach
 *	              └── too long: go on as before				  ▲ no op pins it, no client is owed bytes of its stores
 *
 * While a worker holds, its clients' commands wait where they are, in the kernel or in their connections; what is under way goes on.  All
 * functions wait for all workers, but for those that say they are on its thread; on the keeper's thread, while the workers turn.
 */
#ifndef NET_SWAP_H
#define NET_SWAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct generation;
struct loop;
struct rend_node;
struct server;
struct server_settings;

/* Do all workers turn within about so many ns? */
bool swap_turns(struct server *s, uint64_t wait);

/* Makes its instances everywhere.  0, or -1 with the reason: there are none then. */
int swap_attach(struct server *s, struct generation *g, struct rend_error *err);

/* Undoes that.  false: some plugin kept ops, and g has to stay. */
bool swap_detach(struct server *s, struct generation *g);

enum swap_held {
	SWAP_HELD,	/* all hold, and nothing is under way: swap_begin() is next */
	SWAP_BUSY,	/* some worker did not turn; nobody held */
	SWAP_NOT_QUIET, /* it took longer, and all go on */
};

/*
 * Holds, and waits for so many ns until no op of these generations is under way anywhere.  Each worker holds no longer than that and a little, even if
 * another does not turn.
 */
enum swap_held swap_hold(struct server *s, struct generation *const *quiet, size_t count, uint64_t wait);

/*
 * From its next command on each connection asks g, and the workers go on if they held.  policies: of each listener; NULL where g has none: the
 * connections that came in there get what they are owed and are closed.
 */
void swap_begin(struct server *s, struct generation *g, const struct rend_node *const *policies,
    const struct server_settings *settings);

/* Each worker has ended the turn that it was in.  On the keeper's thread, as all; also while they hold.  false: some have not, within a second. */
bool swap_next_turn(struct server *s);

/* Is g, which another has replaced everywhere, nobody's any more?  It may be asked again and again, about one g at a time. */
bool swap_is_over(struct server *s, struct generation *g);

/* Its connections are heard again.  On its thread. */
void swap_go_on(struct loop *l);

/* Goes on if it has held for too long; once per turn.  On its thread. */
void swap_look(struct loop *l);

/* Detaches all generations, the oldest first.  false: some plugin kept ops.  On its thread, which ends. */
bool swap_end(struct loop *l);

#endif
