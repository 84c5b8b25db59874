/*
 * The server as a whole: listeners, workers, and the graph they ask.
 *
 *	server_new     binds the listeners: what needs privileges
 *	server_start   opens the graph, starts the workers, begins to accept
 *	server_run     until SIGTERM or SIGINT; then drains
 *	server_free
 * All on the main thread.
 */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "base/error.h"
#include "net/settings.h"

struct server;

/* settings must outlive it.  The generation is the server's from server_start() on.  NULL with the reason: EX_OSERR names address and port. */
struct server *server_new(const struct server_settings *settings, struct rend_error *err);

/* 0, or -1 with the reason; server_free() then. */
int server_start(struct server *s, struct rend_error *err);

/* Serves.  Returns when every connection has its answers, or drain_timeout has passed, or a second signal came. */
void server_run(struct server *s);

void server_free(struct server **sp);

#endif
