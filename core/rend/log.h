/* Lines for people. */
#ifndef REND_LOG_H
#define REND_LOG_H

#include "rend/api.h"

REND_BEGIN

enum rend_log_level { REND_LOG_ERROR, REND_LOG_WARN, REND_LOG_INFO, REND_LOG_DEBUG };

/*
 * One line, without a newline: what was tried, on what, what came back.  Any thread; never waits for the disk.  A line that repeats is
 * counted instead of written again.  Not for the success path of a request.  Longer than 1 KiB is cut; control characters are escaped.
 */
REND_API void rend_log(enum rend_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

REND_END

#endif
