/* Asserts: for what cannot happen.  Nothing that comes from a socket, a disk or rend.conf may trip one. */
#ifndef REND_CHECK_H
#define REND_CHECK_H

#include "rend/api.h"

REND_BEGIN

/* Says what was found where, in which op's chain, and ends the program (abort).  Any thread. */
REND_API void rend_panic(const char *file, int line, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 3, 4)));

/* A proof: holds in every build. */
#define REND_ASSERT(cond)                                                    \
	do {                                                                 \
		if (__builtin_expect(!(cond), 0))                            \
			rend_panic(__FILE__, __LINE__, "assert: %s", #cond); \
	} while (0)

/* A debt: something that can happen and is not handled yet. */
#define REND_MISSING(what) rend_panic(__FILE__, __LINE__, "not handled: %s", what)

/* A struct that travels through void * begins with its magic; this is where it comes out again. */
#define REND_CHECK(obj, expected)                                                                       \
	do {                                                                                            \
		if (__builtin_expect((obj) == NULL || (obj)->magic != (expected), 0))                   \
			rend_panic(__FILE__, __LINE__, "%s is not what it should be (magic %#x)", #obj, \
			    (obj) ? (obj)->magic : 0);                                                  \
	} while (0)

REND_END

#endif
