/*
 * The process that comes after this one in an upgrade: the program at the path from which this one was started, with the same arguments, and with
 * one end of a pair of sockets.  Which it is told by REND_TAKEOVER=3 in its environment.
 */
#ifndef SUCCESSOR_H
#define SUCCESSOR_H

#include "args.h"
#include "base/error.h"
#include "base/strbuf.h"

struct successor {
	const struct args *args;
	char *program; /* an absolute path */
	char *folder;  /* where this one was started */
};

/* Before the folder is left, and the program could be replaced.  0, or -1 with the reason. */
int successor_init(struct successor *s, const struct args *args, struct rend_error *err);
void successor_fini(struct successor *s);

/* 0 and *pid, or -1 with the reason.  One thread at a time. */
int successor_start(const struct successor *s, int channel, pid_t *pid, struct rend_error *err);

/* Waits for one that is to end by itself, a moment at most, and ends it then.  said gets how it died, unless it exited. */
void successor_end(pid_t pid, struct strbuf *said);

/* The end of the pair that this process was started with; -1: it was not.  The environment forgets it. */
int successor_channel(void);

#endif
