/*
 * Connections of another process on their way to a worker of this one.
 */
#ifndef NET_ARRIVALS_H
#define NET_ARRIVALS_H

#include <stddef.h>

struct inherited;
struct loop;
struct passenger;
struct server;

/*
 * The first of these, and each step-th after it, go to that worker, in one call, and are counted; it seats them over some turns.  Those of a listener
 * that is nowhere any more (from: the sockets that came), or for which there is no memory, are closed.  They are over.  Main thread.
 */
void arrivals_seat(
    struct server *s, struct loop *l, const struct inherited *from, struct passenger *all, size_t count, size_t step);

/* Those that have come and have no seat yet: some of them get it.  Once per turn of a worker that does not hold; its thread. */
void arrivals_go_on(struct loop *l);

/* All of them do, as it is about to hold; or they are closed, as it ends.  On its thread. */
void arrivals_seat_all(struct loop *l);

#endif
