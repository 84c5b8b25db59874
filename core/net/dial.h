/*
 * A call at the control socket of another rend, by a process that is to take over from it: there it gets its end of the talk (takeover.h).
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "base/error.h"

/* The caller's descriptor, or -1 with the reason.  It waits for the answer, ten seconds at most. */
int dial(const char *path, struct rend_error *err);

#endif
