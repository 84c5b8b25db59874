/*
 * Does something in a child first.  Plugins run code of others as soon as they are loaded: one that crashes, leaves or
 * never comes back does so there, and the process that asked lives on and can say who it was.
 */
#ifndef CONF_REHEARSE_H
#define CONF_REHEARSE_H

#include "base/error.h"

/*
 * Runs fn(arg) in a forked child that may take so many seconds.  0: it came to its end, whatever it found.  -1: it did
 * not; EX_SOFTWARE and what it was doing, EX_OSERR if there was no child.  What it wrote is shown only in that case.
 * Main thread, before there are others.
 */
int rehearse(void (*fn)(void *arg), void *arg, unsigned seconds, struct rend_error *err);

/* For the sentence, in case it is the last one: ("plugin x", "while it was loaded").  Nothing outside of a rehearsal.
 */
void rehearse_doing(const char *who, const char *what);

/* Is this the child? */
int rehearse_is_on(void);

#endif
