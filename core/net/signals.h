/*
 * What the server does at a signal: TERM and INT drain it, and cut what is left at the second time; USR1 opens the log file anew, HUP
 * reloads, USR2 upgrades.  Main thread.
 */
#ifndef NET_SIGNALS_H
#define NET_SIGNALS_H

struct server;

/* Hears them in the server's base.  0, or -1: no memory. */
int signals_start(struct server *s);
void signals_end(struct server *s);

#endif
