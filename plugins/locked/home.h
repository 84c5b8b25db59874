/*
 * A worker, as the home of turns.  A turn that has come goes home: to a list, if it is at home already; else to a mailbox and a call.
 *
 *	the holder's worker, under the stripe's lock          the turn's home
 *	    outbox_put ── same worker ──► due ◄──────────────── what the call brings
 *	              └── another one ──► mailbox, call posted ──► │
 *	                                                          home_run: go(), go(), go()     a loop, whoever calls it from within
 *
 * The call is part of the lock set, which outlives the workers: one that arrives when nobody waits any more finds nothing.
 */
#ifndef LOCKED_HOME_H
#define LOCKED_HOME_H

#include <pthread.h>

#include "rend/worker.h"
#include "turn.h"

struct home {
	pthread_mutex_t lock; /* guards mail and posted */
	struct ring mail;
	bool posted; /* the call is on its way */
	struct rend_call call;
	struct rend_worker *worker; /* NULL: nobody asks from there */
	struct home *to_wake;	    /* an outbox's list; theirs who said posted */
	struct ring due;	    /* the worker's own */
	bool running;		    /* the same */
} __attribute__((aligned(128)));

void home_init(struct home *h);
void home_fini(struct home *h);

/* Calls go() of what is due, and of what comes due meanwhile.  Called from within go(), it leaves that to the one who runs.  On the worker. */
void home_run(struct home *h);

/* Fetches what lies in the mailbox without waiting for the call, and runs it.  On the worker. */
void home_fetch(struct home *h);

/* Where turns go that have come.  On the stack. */
struct outbox {
	struct home *homes;
	struct home *here;    /* the calling worker's */
	struct home *to_wake; /* by outbox_send() */
};

/* A stripe's lock is held. */
void outbox_put(struct outbox *out, struct turn *t);

/* Wakes those who got mail.  No lock is held. */
void outbox_send(struct outbox *out);

#endif
