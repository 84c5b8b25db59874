/*
 * What the keeper's thread has ready for the main thread: another generation with its settings, and the listeners that come with it.
 *
 *	keeper's thread: news_open ─► (all begin with it) ─► main thread: news_publish
 *	                     └─► news_close, if it comes to nothing
 */
#ifndef NET_NEWS_H
#define NET_NEWS_H

#include <stddef.h>

#include "base/error.h"

struct generation;
struct listener;
struct rend_node;
struct server;
struct server_settings;

/* What a rend.conf says, while its generation lives. */
struct era {
	struct era *older;
	struct generation *g;
	struct server_settings *settings; /* the source's; NULL: those that the server began with */
};

/* What the main thread publishes. */
struct news {
	struct era *era;
	struct listener *opened; /* those that are new, in the order of the settings; fd -1: not this one */
	size_t *slots;		 /* of each listener of the settings: where it is, or will be */
};

/* Finds a place for each listener, and binds those that are new.  0, or -1 with the reason; news_close() in any case.  Keeper's thread. */
int news_open(struct server *s, struct news *n, struct rend_error *err);

/* Closes what was opened and nobody took over.  Either thread, which has it then. */
void news_close(struct news *n);

/* Who is asked at each listener; those that are gone go on with the policy of the same name, if there is one.  To be freed; NULL: no memory.
 * Keeper's thread. */
const struct rend_node **news_policies(const struct server *s, const struct news *n);

/* All workers have begun with it: so does the server.  Main thread. */
void news_publish(struct server *s, struct news *n);

#endif
