/*
 * All connections on their way to another process, while the workers hold (swap.h): what passage.h does for one.
 *
 *	crossing_pass ─► the other process serves: crossing_leave ─► (crossing_pass ─► crossing_leave, for those that follow)
 *	           └───► it came to nothing: crossing_stay
 *
 * On the keeper's thread.
 */
#ifndef NET_CROSSING_H
#define NET_CROSSING_H

#include <stdint.h>

#include "base/error.h"

struct server;

/*
 * While all hold: sends each connection that is owed nothing, and was not sent yet, to another process by then, so many in a letter at most; nothing
 * changes here.  Of those with much input only some go at a time (PASSAGE_BYTES).  0, or -1 with the reason.
 * Then either they leave, and the others are still held, so that they can be passed later; or they stay, and all go on.
 */
int crossing_pass(struct server *s, int to, uint64_t until, unsigned at_once, struct rend_error *err);
void crossing_leave(struct server *s);
void crossing_stay(struct server *s);

/* Nobody takes those that are left: each gets what it is owed, and is closed. */
void crossing_finish(struct server *s);

#endif
