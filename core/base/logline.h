/* One line of the log: made of a caller's words, and what it looks like when it is written. */
#ifndef BASE_LOGLINE_H
#define BASE_LOGLINE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "rend/log.h"

#define LOGLINE_TEXT  1024 /* bytes; more is cut */
#define LOGLINE_STAMP 24   /* 2026-11-24T11:30:00.123Z */
#define LOGLINE_MAX   (LOGLINE_STAMP + sizeof(" error ") - 1 + LOGLINE_TEXT + 1)

struct logline {
	struct timespec when;
	enum rend_log_level level;
	unsigned len;
	char text[LOGLINE_TEXT]; /* printable UTF-8, no newline, no NUL */
};

/* The time is now; the text is escaped and, if need be, cut. */
void logline_make(struct logline *l, enum rend_log_level level, const char *fmt, va_list ap);

/* Would both read the same but for the time? */
bool logline_same(const struct logline *a, const struct logline *b);

/* Writes stamp, level, text and a newline, at most LOGLINE_MAX bytes.  Returns how many. */
size_t logline_print(const struct logline *l, char *to);

/* Writes LOGLINE_STAMP bytes.  Async-signal-safe: a panic uses it. */
void logline_stamp(const struct timespec *when, char *to);

const char *logline_level_name(enum rend_log_level level);

#endif
