/* An attempt to connect: each route in turn, each for no longer than a limit. */
#ifndef MEMCACHED_DIAL_H
#define MEMCACHED_DIAL_H

#include <stdint.h>

#include "address.h"

struct event;
struct event_base;

/* fd: a connected, non-blocking socket, the callee's now; or -1, and error is an errno: what came of the last route; 0: there is none. */
typedef void dial_done_f(void *arg, int fd, int error);

/* All-zero but for these five is one that does nothing. */
struct dial {
	struct event_base *base;
	const struct routes *to; /* there while it goes on */
	uint64_t limit;		 /* ns */
	dial_done_f *done;
	void *arg;
	/* while it goes on: */
	struct event *event;
	int fd;
	size_t route; /* also when it is done: the one that was taken */
};

/* Begins.  done is called once, perhaps before this returns. */
void dial_start(struct dial *d);

/* Ends it without a call; fine if it does not go on. */
void dial_cancel(struct dial *d);

#endif
