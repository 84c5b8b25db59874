/*
 * Calls for a thread: many put, one takes.  An eventfd becomes readable when the first one arrives, once per batch.
 *
 *	any thread                                   the owner
 *	inbox_put ──► [ c ]→[ b ]→[ a ]  (a stack) ──► inbox_take: a, b, c
 */
#ifndef BASE_INBOX_H
#define BASE_INBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "rend/worker.h"

struct inbox {
	struct rend_call *top; /* atomic */
	int fd;		       /* an eventfd, non-blocking, close-on-exec; for the owner's poll */
	uint64_t owed;	       /* the owner's: wakes of batches it has taken that it has not yet read from fd */
};

/* 0, or -1 and errno. */
int inbox_init(struct inbox *in);

/* Closes the fd.  Nothing may be in it. */
void inbox_fini(struct inbox *in);

/* Puts a call in, and wakes the owner if it was empty.  Any thread. */
void inbox_put(struct inbox *in, struct rend_call *call);

/* Takes all that is there, oldest first, linked by next; NULL: nothing.  Resets the fd.  The owner. */
struct rend_call *inbox_take(struct inbox *in);

#endif
