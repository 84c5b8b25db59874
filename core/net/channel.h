/*
 * The old process's end of the channel to the new one: letters, each in its time, and what the new one said of itself (docs/upgrade.md).
 *
 *	channel_send ──► one step
 *	channel_await ─► 0: the letter that was waited for
 *	             └─► -1: why not, in the new one's own words if it said some
 *
 * On the keeper's thread; what is sent by workers meanwhile goes past it (crossing.h).
 */
#ifndef NET_CHANNEL_H
#define NET_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "net/letter.h"

/* How long a step may take. */
#define CHANNEL_STEP_NS 5000000000ULL

struct channel {
	int fd;
	uint64_t
	    until; /* when everybody has waited long enough: monotonic ns; 0: nobody waits, or it has been told to serve */
	const bool *stop; /* gives up what is waited for (a relaxed atomic); NULL: nothing does */
	bool late;	  /* it said nothing in its time: it will not end by itself either */
	bool began;	  /* it has said that it serves when that was not waited for */
	bool told_abort;
	struct letter letter;
	struct rend_error *err; /* where reasons go */
};

/* When a step that begins now is over: no later than all of them. */
uint64_t channel_step(const struct channel *c);

/* The letter, or one without a body, within a step.  0, or -1 with the reason. */
int channel_send(struct channel *c);
int channel_send_bare(struct channel *c, enum letter_type type);

/* Waits for one.  0: it is c->letter, and yet to be got; or, of one without a body, it was that.  -1 with the reason. */
int channel_await(struct channel *c, enum letter_type type, uint64_t until);
int channel_await_bare(struct channel *c, enum letter_type type, uint64_t until);

/* The letter that came is not what it should be.  -1 with the reason. */
int channel_refuse(struct channel *c);

/* What it has to say nobody wants to know, but whether it began.  true: it says no more. */
bool channel_drop_all(struct channel *c, uint64_t wait, uint64_t until);

/* Says once that the new one is not wanted, and why; what that one said before becomes the reason.  false: it could not be told, and may begin when it
 * wakes up. */
bool channel_abort(struct channel *c);

#endif
