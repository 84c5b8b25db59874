/* How an op ended. */
#ifndef REND_STATUS_H
#define REND_STATUS_H

#include <stdbool.h>

#include "rend/api.h"

REND_BEGIN

/*
 * Three outcomes drive all control flow; no code but this table says which status has which.
 *
 * YES   the tier did it, or has it.
 * NO    the tier works, and its answer is no.
 * FAIL  the tier could not say.  Ambiguous (a write may have happened, or will): TIMEOUT, LOST, IO, CORRUPT.
 *       Nothing was changed: DOWN, BUSY, NO_MEMORY, UNSUPPORTED.
 */
enum rend_outcome { REND_YES, REND_NO, REND_FAIL };

#define REND_STATUSES(X)                                                              \
	/* name         outcome */                                                    \
	X(OK, YES)	     /* stored, found, deleted, touched */                    \
	X(MISS, NO)	     /* no such key */                                        \
	X(EXISTS, NO)	     /* the cas asked for is not the item's */                \
	X(NOT_STORED, NO)    /* add, replace, append, prepend; the guard; ask.link */ \
	X(NOT_A_NUMBER, NO)  /* incr or decr of something else */                     \
	X(TOO_BIG, NO)	     /* this tier never stores that much */                   \
	X(NOT_ADMITTED, NO)  /* not kept, nor an older value */                       \
	X(UNSUPPORTED, FAIL) /* this handler has no such verb */                      \
	X(BUSY, FAIL)	     /* queue full; not tried */                              \
	X(TIMEOUT, FAIL)     /* no answer in time */                                  \
	X(LOST, FAIL)	     /* sent, then the connection broke */                    \
	X(DOWN, FAIL)	     /* backend not reachable */                              \
	X(NO_MEMORY, FAIL)   /* ours, or the backend's */                             \
	X(CORRUPT, FAIL)     /* stored bytes failed their check */                    \
	X(IO, FAIL)	     /* the device or the backend said error */

enum rend_status {
#define X(name, outcome) REND_##name,
	REND_STATUSES(X)
#undef X
	    REND_STATUS_COUNT
};

/* The outcome of a status; FAIL for a number that is no status.  Any thread. */
REND_API enum rend_outcome rend_outcome(enum rend_status status);

/* May a write that ended so have happened, or happen yet?  Any thread. */
REND_API bool rend_ambiguous(enum rend_status status);

/* "OK", "MISS", ...; "?" for a number that is no status.  Any thread; the string is static. */
REND_API const char *rend_status_name(enum rend_status status);

REND_END

#endif
