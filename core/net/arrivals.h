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
 * The first of these, and each step-th after it, go to that worker, in one call, and are counted; those of a listener that is nowhere any more (from: the
 * sockets that came), or for which there is no memory, are closed.  They are over.  Main thread.
 */
void arrivals_seat(
    struct server *s, struct loop *l, const struct inherited *from, struct passenger *all, size_t count, size_t step);

/* Those that came while the worker held: it holds no longer, or ends.  Its thread. */
void arrivals_go_on(struct loop *l);

#endif
