/*
 * Reads rend.conf anew for a server that runs.  A process of its own loads and checks all of it first, with this very program: what a plugin does there
 * ends only that.  What can only be told to a program that starts must be as it was.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include "args.h"
#include "net/server.h"

struct reload {
	const struct args *args;
	const struct conf *first; /* what the server began with */
	char *folder;		  /* where it was started, if it has left there; or NULL */
	char *file;		  /* rend.conf's path, if it had to be completed; or NULL */
	struct conf_source source_conf;
	struct server_source source;
};

/* All must outlive it; first as it is when the server begins.  0, or -1 with the reason.  Main thread, before the folder is left. */
int reload_init(struct reload *r, const struct args *args, const struct conf *first, struct rend_error *err);
void reload_fini(struct reload *r);

#endif
