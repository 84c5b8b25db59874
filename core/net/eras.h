/*
 * The generations of one process, newest first: one that a rend.conf makes comes in front, and those that were replaced end when nobody asks
 * them any more.  On the keeper's thread, while the workers turn, but for what says otherwise.
 */
#ifndef NET_ERAS_H
#define NET_ERAS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"

struct era;
struct news;
struct server;
struct server_source;

/* Generations that were replaced and have not ended yet; with one more, a reload is refused. */
#define ERAS_OLD_MAX 8

struct eras {
	struct server *server;
	const struct server_source *source;
	const bool *stop; /* relaxed atomic: what may take long is given up */
	struct era *newest;
	struct strbuf *said; /* while one is added */
	unsigned old;	     /* relaxed atomic */
};

/* With the generation that the server begins with.  0, or -1: no memory.  Main thread, while there is no keeper's. */
int eras_init(struct eras *es, struct server *s, const struct server_source *source, const bool *stop);

/* Reads rend.conf, and has all workers begin with what it says.  0, and *n is to be published; or an exit code, and nothing has changed.  said gets
 * lines about it. */
int eras_add(struct eras *es, struct news *n, struct strbuf *said);

/* A line for said; the exit code. */
int eras_refuse(struct strbuf *said, const struct rend_error *err);

/* Ends the oldest that was replaced, if it is over, and no command of its nodes is under way. */
void eras_end_oldest(struct eras *es);
bool eras_have_old(const struct eras *es);

/* How many have been replaced and have not ended.  Any thread. */
unsigned eras_old(const struct eras *es);

/* Gives back what rend.confs said; their generations were freed.  The keeper's thread has ended. */
void eras_fini(struct eras *es);

#endif
