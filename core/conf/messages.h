/* What is wrong with a configuration: everything, not only the first thing, each with the place to look at. */
#ifndef CONF_MESSAGES_H
#define CONF_MESSAGES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

/* Where something was said: a file and a line, or a word of the command line (line 0).  file outlives the messages. */
struct place {
	const char *file;
	unsigned line;
};

struct message {
	struct place place;
	int exit_code; /* 0: a warning */
	char *text;
	size_t number, rank; /* what it is sorted by */
};

/* More than so many help nobody; the rest is counted. */
#define MESSAGES_MAX 100

/* All-zero: none. */
struct messages {
	struct message all[MESSAGES_MAX];
	size_t count;
	size_t errors; /* counted even if not kept */
	size_t left_off;
};

/* An error: EX_CONFIG, or exit_code.  subject, "handlers.mem.memory", is put before the text; NULL: nothing is. */
void messages_error(struct messages *m, struct place place, int exit_code, const char *subject, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Something that one may want to look at. */
void messages_warn(struct messages *m, struct place place, const char *subject, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* What some function said in err; its exit code, if it has one. */
void messages_take(struct messages *m, struct place place, const char *subject, const struct rend_error *err);

/* One line each, in the order of file and line: `rend.conf:3: listeners.0.port: ...`. */
void messages_print(struct messages *m, FILE *out);

/* The same to the log: warnings that stand in the way of nothing. */
void messages_log(struct messages *m);

/* What the program should exit with: 0 without errors; what all errors agree on, or EX_CONFIG. */
int messages_exit_code(const struct messages *m);

void messages_fini(struct messages *m);

#endif
