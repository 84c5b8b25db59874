/*
 * The thread that watches the others, and answers those who ask how it goes: /metrics, /livez, /readyz.  It takes no lock that a worker
 * needs, and what it is asked costs the workers nothing: it reads what they have written for themselves.
 *
 *	every PULSE_EVERY_NS ─► is each worker turning?      pulse.h
 *	an HTTP connection ───► a page                       http.h
 */
#ifndef NET_ADMIN_H
#define NET_ADMIN_H

#include "base/error.h"

struct admin;
struct listener;
struct server;

/* Binds the admin port, if the settings have one.  NULL: EX_OSERR, with the address and the reason.  Main thread. */
struct admin *admin_new(struct server *s, struct rend_error *err);

/* Starts the thread.  What the server has yet to start is looked at when server_serves() says so.  0, or -1 with the reason. */
int admin_start(struct admin *a, struct rend_error *err);

/* Takes nobody in at the port for now: whoever comes waits for the process that serves then.  The thread watches on.  Main thread. */
void admin_rest(struct admin *a);
void admin_go_on(struct admin *a);

/* What it listens with, or NULL: there is no admin port.  Until admin_free(); main thread. */
struct listener *admin_listener(struct admin *a);

/* Ends the thread and closes the port; whoever is being answered is cut.  Before any worker ends. */
void admin_free(struct admin **ap);

#endif
