/*
 * Runs what a person tells a node: a command of its plugin (rend/command.h), on a thread of its own, where it may block, while everything else
 * goes on.
 *
 *	main thread				its own
 *	runner_begin() ──────────────────────►	run(): what it writes, or a sentence
 *	done() ◄──────────────────────────────
 *
 * One at a time.  Its node stays meanwhile: a reload is done, but what it replaced ends later; an upgrade is refused; the end of the server waits,
 * and drain_timeout bounds that.  On the main thread, but for what says otherwise.
 */
#ifndef NET_RUNNER_H
#define NET_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct generation;
struct runner;
struct server;

#define RUNNER_ARGS_MAX	  64
#define RUNNER_ARG_BYTES  (64 * 1024) /* of all together, each with its \0 */
#define RUNNER_ANSWER_MAX (1024 * 1024)

struct runner_result {
	int exit_code; /* 0: done */
	const char *text;
	size_t len; /* RUNNER_ANSWER_MAX and a line at most */
};

/* done is called from the server's base with what came of each.  NULL with the reason. */
struct runner *runner_new(
    struct server *s, void (*done)(struct server *s, const struct runner_result *r), struct rend_error *err);

/* words: the node, the command, its args.  0: it is under way; or -1 with the reason and an exit code, and nothing was begun. */
int runner_begin(struct runner *r, char *const *words, size_t count, struct rend_error *err);

/* Which one is under way, "NODE COMMAND"; or NULL.  r may be NULL, here and below. */
const char *runner_under_way(const struct runner *r);

/* Is a node that g owns told something?  The thread that ends generations: one of its newest is not begun with meanwhile. */
bool runner_needs(const struct runner *r, const struct generation *g);

/* The server ends, and has waited.  false: the command that is under way did not come back; its node is left as it is from then on, with all that its
 * thread may use. */
bool runner_stop(struct runner *r);

/* None is under way. */
void runner_free(struct runner **rp);

#endif
