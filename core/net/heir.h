/*
 * The old process's side of an upgrade: everything goes to an heir, or nothing does (docs/upgrade.md).  On the keeper's thread, while the
 * workers turn.
 *
 *	heir_hand_over ─► 0: the heir serves ─► heir_see_off: those that are owed something follow as they get it; then this process ends
 *	           └────► -1: all goes on here as before
 */
#ifndef NET_HEIR_H
#define NET_HEIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct keeper;
struct server;

/* A new process. */
struct heir_at {
	int fd;	     /* at the other end of it it says hello; -1: nowhere yet */
	pid_t pid;   /* 0: nobody knows */
	int process; /* the same, as process.h has it; -1: the system cannot tell */
};

/*
 * Closes at->process, not at->fd.  stop (a relaxed atomic) ends it before anything is given.  0, or -1 with the reason, also what the new one says, and
 * nothing has changed.
 */
int heir_hand_over(
    struct server *s, struct keeper *k, const struct heir_at *at, const bool *stop, struct rend_error *err);

/* It came to nothing, and a store that had let go of its files could not be opened again: is it there now?  false: all are.  On the same thread. */
bool heir_reopen(struct server *s);

/* Forgets those that have gone, passes those that follow later, until there are none, drain_timeout is over, or *stop.  Closes fd. */
void heir_see_off(struct server *s, int fd, const bool *stop);

#endif
