/* The times that clients send. */
#ifndef PROTO_TIMES_H
#define PROTO_TIMES_H

#include <stdint.h>

/* An exptime that has passed for ever. */
#define TIMES_GONE 1

/*
 * A client's exptime as absolute unix seconds: 0 is never, up to thirty days counts from now, beyond that it is
 * absolute already, and a negative one is gone at once.
 */
int64_t times_exptime(int64_t given, int64_t now);

/* The same rule for flush_all: how many seconds from now; 0: now. */
int64_t times_delay(int64_t given, int64_t now);

#endif
