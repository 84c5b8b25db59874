/*
 * Where rendctl comes in: a unix socket of mode 0600, for root and for whom the server runs as.  One line asks, and the connection is closed behind
 * the answer:
 *
 *	reload\n	──►	ok\n			or	error 78\n
 *				lines about it...		what is wrong...
 *
 * The number is the exit code that fits.  In the words of "node NAME COMMAND [ARG...]" any byte may be written as %0A, and a space, a new line and
 * a % must be; two spaces have an empty word between them.  On the main thread, like all below; at most CONTROL_CONNS_MAX at once, and caller.h says how long.
 */
#ifndef NET_CONTROL_H
#define NET_CONTROL_H

#include <stdbool.h>

#include "base/error.h"

struct control;
struct keeper_result;
struct listener;
struct runner_result;
struct server;

#define CONTROL_CONNS_MAX 16

/* Binds.  NULL with the reason. */
struct control *control_new(struct server *s, const char *path, struct rend_error *err);

/* Begins to answer, on the server's base.  0, or -1 with the reason. */
int control_start(struct control *c, struct rend_error *err);

/* Tells those who wait for it what came of a reload. */
void control_reloaded(struct control *c, const struct keeper_result *r);

/* Tells who waits for it what came of a command of a plugin. */
void control_ran(struct control *c, const struct runner_result *r);

/* As of a reload, of an upgrade; then it takes nobody in any more, whose socket another process has. */
void control_upgraded(struct control *c, const struct keeper_result *r);

/* Leaves those who come to whoever serves in a moment; or takes them in again. */
void control_rest(struct control *c);
void control_go_on(struct control *c);

/* What it listens with, or NULL. */
struct listener *control_listener(struct control *c);

/* Is there anybody who has not read all of an answer?  c may be NULL. */
bool control_owes(struct control *c);

void control_free(struct control **cp);

#endif
