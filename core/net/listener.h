/*
 * Takes connections in, on the main thread, and hands them on.  When the process has no descriptor left it stops
 * listening for a moment instead of spinning or dying.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "base/error.h"
#include "net/settings.h"

struct event;
struct server;

struct listener {
	struct server *server;
	const struct listener_settings *settings;
	int fd;
	int number;	 /* what fd was, for stats: stays when it is closed */
	uint64_t paused; /* since when it takes none in: monotonic ns */
	char name[160];	 /* 127.0.0.1:11211, [::1]:11211, unix:/path: for people */
	char *path;	 /* of a unix socket that is ours to remove */
	struct event *event, *pause;
	/* relaxed atomics */
	unsigned open; /* connections that are there */
	uint64_t accepted, rejected;
};

/* Binds and listens.  0, or -1: EX_OSERR, with the address and the reason. */
int listener_open(
    struct listener *l, struct server *server, const struct listener_settings *settings, struct rend_error *err);

/* Begins to accept, on the server's base.  0, or -1: no memory. */
int listener_start(struct listener *l);

/* Accepts no more, and gives the address back. */
void listener_close(struct listener *l);

#endif
