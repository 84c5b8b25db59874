/* The sentence behind a -1, and the exit code that fits it. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "rend/api.h"

/* All-zero: no error.  rend_error(), declared in rend/plugin.h, fills it. */
struct rend_error {
	char text[1024];
	int exit_code; /* of sysexits.h; 0: EX_CONFIG */
};

/* As rend_error(), with an exit code.  Returns -1. */
int error_set(struct rend_error *err, int exit_code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
