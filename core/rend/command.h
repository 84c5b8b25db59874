/* What a person can tell a store while it runs: rendctl node NAME COMMAND [ARG...]. */
#ifndef REND_COMMAND_H
#define REND_COMMAND_H

#include <stdio.h>

#include "rend/api.h"

REND_BEGIN

struct rend_error;

/* One command of a plugin.  rend --describe lists them, and a table that is wrong is refused when the plugin is loaded. */
struct rend_command {
	const char *name; /* "compact": letters, digits, - and _ */
	const char *args; /* as one would write them: "[KEY...]"; NULL: it has none, and is not run with any */
	const char *doc;  /* one sentence */
	/*
	 * argv[0] is its name; argv[argc] is NULL; args are bytes as they were typed, at most 64 of them, 64 KiB together.  What it writes to out
	 * is the answer, text in lines; beyond 1 MiB it is cut.  0, or -1 after rend_error(): the sentence is the answer then.  On a thread that
	 * is no worker's and may block, beside ops: what it touches needs locks or atomics.  One command of a node at a time; none before open() is
	 * over, none in an upgrade, and drain() and close() wait for the last.  At the end of the server they wait for drain_timeout; if it has not come
	 * back by then neither they nor detach() are called, and the process ends: so one that takes long should be right to interrupt.
	 */
	int (*run)(void *store, int argc, const char *const *argv, FILE *out, struct rend_error *err);
};

REND_END

#endif
