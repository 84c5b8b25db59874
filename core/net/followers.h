/*
 * Connections that the process before this one has yet: it passes them when they have got what they are owed.  They go to the workers in turn, as those do
 * that came before.  Main thread.
 */
#ifndef NET_FOLLOWERS_H
#define NET_FOLLOWERS_H

#include <stdbool.h>
#include <stddef.h>

struct event;
struct inherited;
struct letter;
struct passenger;
struct server;

struct followers {
	struct server *server;
	const struct inherited *sockets; /* that came */
	struct letter *letter;		 /* room for one */
	int fd;				 /* where they come; -1: none do */
	struct event *event;		 /* the same; NULL */
	int next_loop;
};

/* These have come before, and are over.  In turn: clients that came one after the other often do the same. */
void followers_seat(struct followers *f, struct passenger *all, size_t count);

/* More come over this channel, which it takes over.  0, or -1: no memory. */
int followers_begin(struct followers *f, int fd);

/* Do they come yet?  What has come by now is taken first. */
bool followers_come(struct followers *f);

void followers_fini(struct followers *f);

#endif
