/*
 * Takes connections in, on the main thread, and hands them on.  When the process has no descriptor left it stops
 * listening for a moment instead of spinning or dying.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <stdbool.h>

#include "base/error.h"
#include "net/settings.h"

struct event;
struct server;

struct listener {
	struct server *server;
	const struct listener_settings *settings; /* own */
	struct listener_settings own;		  /* outlives the rend.conf that said so; policy is the main thread's */
	bool closed; /* relaxed atomic: takes none in any more; its connections may go on */
	int fd;
	int number;	    /* what fd was, for stats: stays when it is closed */
	uint64_t paused;    /* since when it takes none in: monotonic ns; 0: it does */
	char name[160];	    /* 127.0.0.1:11211, [::1]:11211, unix:/path: for people */
	char *path;	    /* of a unix socket that is ours to remove */
	bool lent;	    /* somebody else's, who has opened it, or has it yet: then it is not */
	bool stays_lent;    /* also when this process serves */
	bool other_mode;    /* the path has another mode yet */
	unsigned from;	    /* 1 + the number it has in the process from which this one takes over */
	uint64_t flush_due; /* of that one: a flush_all that is to come; monotonic ns; 0: none */
	bool rests;	    /* takes none in for now */
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

/* Takes none in for now: the kernel keeps them; and does again. */
void listener_rest(struct listener *l);
void listener_go_on(struct listener *l);

/* This process serves: its path gets its mode, and is ours to remove, unless it stays lent. */
void listener_own(struct listener *l);

/* Accepts no more here; another process does, whose address it is. */
void listener_leave(struct listener *l);

/* Accepts no more, and gives the address back. */
void listener_close(struct listener *l);

/* Frees what it knows; all-zero is fine.  Nobody looks at it any more. */
void listener_fini(struct listener *l);

/* Is it bound to what these settings say?  Then it may go on with what else they say. */
bool listener_is_at(const struct listener *l, const struct listener_settings *settings);

#endif
