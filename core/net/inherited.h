/*
 * Sockets that somebody else has opened and bound: the process from which this one takes over, or whoever started it (systemd).  Who wants to listen
 * at such an address takes it from here.  Main thread.
 */
#ifndef NET_INHERITED_H
#define NET_INHERITED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct listener_settings;

#define INHERITED_MAX 256

/* One of them, as its rend.conf said it. */
struct inherited_socket {
	int fd;		 /* -1: taken, or there was none: only connections of it come */
	unsigned number; /* the old process's */
	char *address;	 /* NULL: not TCP */
	int port;	 /* as it was asked for: 0 was the kernel's choice */
	char *path;	 /* a unix socket's, or the pid file's; or NULL */
	int mode;	 /* of the unix socket; -1: nobody knows */
	bool pid_file;
	bool lent;    /* who opened it removes its path */
	char *policy; /* the name of who is asked; "": nobody */
	bool taken;
};

struct inherited {
	struct inherited_socket *all;
	size_t count;
};

/* Adds one, and takes over its descriptor, or closes it.  0, or -1: no memory, or too many. */
int inherited_add(struct inherited *in, const struct inherited_socket *s);

/* The one at this address, whose descriptor is the caller's from now on; or NULL. */
struct inherited_socket *inherited_take(struct inherited *in, const struct listener_settings *at);

/* The pid file of this path; the same. */
struct inherited_socket *inherited_take_pid_file(struct inherited *in, const char *path);

/* What systemd has opened (LISTEN_FDS), if it was for this process; the environment forgets it. */
int inherited_from_environment(struct inherited *in, struct rend_error *err);

/*
 * Closes what nobody took; with remove also removes their paths, where nobody listens any more: those to which the descriptor that came is bound, and a
 * pid file that is this very one.  How many.
 */
size_t inherited_drop(struct inherited *in, bool remove);
void inherited_fini(struct inherited *in);

#endif
