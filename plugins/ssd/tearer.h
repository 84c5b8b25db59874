/*
 * The thread that stores what is too large for one record, one value after the other: it may wait for the keeper, which a worker may not.
 *
 *	worker: decided, with the key's lock ──► [ queue ] ──► pieces.h ──► job_stored(): answered, unlocked
 *	                                            └─ its time is over: answered, although another is being stored yet
 *
 * How many may be here, and how many bytes of values, has a bound.
 */
#ifndef SSD_TEARER_H
#define SSD_TEARER_H

#include <pthread.h>

#include "pieces.h"
#include "rend/status.h"

struct instance;
struct job;

/* A value on its way; the job's until tearer_take(). */
struct tear {
	struct job *job;
	struct instance *inst; /* whose job it is */
	struct pieces pieces;
	struct rend_value joined; /* the value, if it is not the op's own */
	uint64_t until;		  /* rend_now(): the op's submitter gives up */
	enum stored stored;
	uint64_t cas;
	struct tear *next;
	uint64_t bytes; /* of its value */
};

struct tearer {
	struct store *store;
	uint64_t time; /* ns, of one read or write: gather_time() says how many for a value */
	uint64_t room; /* bytes of values; one that is alone may have more */
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct tear *first, **end;
	unsigned count;
	uint64_t bytes;		     /* of those that wait, and of the one that is being stored */
	const struct instance *now;  /* whose is being stored; NULL: none is */
	uint64_t turn;		     /* the how manieth that is */
	bool stops_now;		     /* it is given up */
	bool answers;		     /* job_stored() has it, and may have freed it */
	struct tear *back;	     /* what was given up, for who waits in tearer_leave() */
	const struct instance *late; /* job_stored() has one of it, whose time was over while it waited; NULL: none */
	bool runs, ends;
};

/* tearer_stop() may follow each of them. */
void tearer_init(struct tearer *t);

/* room: bytes of values that may be in it at once.  0, or -1: no thread. */
int tearer_start(struct tearer *t, struct store *store, uint64_t time, uint64_t room);

/* Nothing is in it any more: every instance has left.  Ends the thread. */
void tearer_stop(struct tearer *t);

/*
 * Takes one; job_stored() follows, on its thread, when tear->stored is known: WAITS, if it was not begun before tear->until.  false: too many wait, or
 * they are too large.
 */
bool tearer_take(struct tearer *t, struct tear *tear);

/* Gives up all of this instance's, one after the other: each is the caller's again, STORE_WAITS if it was not begun.  NULL: no more. */
struct tear *tearer_leave(struct tearer *t, const struct instance *inst);

/* ---- job.c ---- */

void job_stored(struct tear *tear);

#endif
