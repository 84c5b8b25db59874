/*
 * A stripe: a lock that nobody blocks at.  It has one holder, or several who share it, and a queue of turns, first come, first served:
 *
 *	holders ── W                      one who wants it alone
 *	queue   ── R R W R                who comes, goes to the end, also if it could share: so W is not kept waiting by readers
 *	           └─┴── next: as many as can be holders together
 *
 * The mutex is held for a few instructions, and never while somebody else's code runs.
 */
#ifndef LOCKED_STRIPE_H
#define LOCKED_STRIPE_H

#include <pthread.h>

#include "home.h"
#include "turn.h"

struct stripe {
	pthread_mutex_t lock;
	int32_t holders;  /* -1: one alone; else how many share it */
	uint32_t waiting; /* atomic for those who only look */
	struct ring queue;
} __attribute__((aligned(64)));

void stripe_init(struct stripe *s);
void stripe_fini(struct stripe *s);

enum taken { TAKEN, QUEUED, FULL };

/* Takes it, or joins the queue, or is turned away when so many wait already.  On the turn's home. */
enum taken stripe_take(struct stripe *s, struct turn *t, uint32_t most);

/* Gives it back; whose turn it is now, goes home by way of *out.  On the turn's home. */
void stripe_give_back(struct stripe *s, struct turn *t, struct outbox *out);

/* true: it has left the queue.  false: it does not wait, or not any more: its go() was called, or will be.  On the turn's home. */
bool stripe_leave(struct stripe *s, struct turn *t, struct outbox *out);

#endif
