/* The connections of a drive: dialed, dialed again, and those among them that can take a request. */
#ifndef LOAD_FLEET_H
#define LOAD_FLEET_H

#include "drive.h"

/* What an answer that takes too long is lost by. */
#define FLEET_LATE "not within the time limit"

/* It failed, or is to be another one. */
void fleet_dial(struct drive *d, struct wire *w, uint64_t now);
void fleet_shut(struct drive *d, struct wire *w, uint64_t retry_at);

/* The dialing has ended, well or not.  true: it is up. */
bool fleet_dialed(struct drive *d, struct wire *w, uint64_t now);

/* The connection is no good any more: what is under way on it will not be answered.  why: NULL, if that is told otherwise. */
void fleet_abandon(struct drive *d, struct wire *w, const char *why, uint64_t now);

/* Open loop: it has room for a request; the one that has had it for longest, or NULL. */
void fleet_ready(struct drive *d, struct wire *w);
struct wire *fleet_take(struct drive *d);

/* Now and then: dials what is down, gives up what takes too long. */
void fleet_check(struct drive *d, uint64_t now);

/* May another one be dialed now? */
bool fleet_may_dial(const struct drive *d);

#endif
