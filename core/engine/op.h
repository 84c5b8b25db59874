/*
 * An op's life.
 *
 *	rend_submit                                  rend_done
 *	  state = SUBMITTING                           from another thread: posted home, and on from there
 *	  the handler runs  ─── it may be done ───►    SUBMITTING: state = DONE, submit says true
 *	  state = PENDING, on its instance's list      PENDING: off the list, to the worker's ready list; its loop calls op->done
 *	                                               LATE: nobody waits any more; what is left of it is freed
 *	the deadline passes: state = LATE, op->done is called with TIMEOUT
 *
 * Memory: an op stays until its owner has freed it, the handler is finished with it, and its last child is gone: children borrow its key.
 */
#ifndef ENGINE_OP_H
#define ENGINE_OP_H

#include "base/list.h"
#include "rend/plugin.h"
#include "rend/op.h"
#include "rend/worker.h"

struct instance;
struct generation;

enum op_state {
	OP_IDLE,       /* its owner's */
	OP_SUBMITTING, /* in the handler's hands, submit has not returned */
	OP_PENDING,    /* in the handler's hands */
	OP_READY,      /* answered, on the ready list */
	OP_DONE,       /* its owner's again */
	OP_LATE,       /* given up: still in the handler's hands, its owner has been told TIMEOUT */
};

/* What the core keeps in rend_op.core. */
struct op_core {
	struct link link;	   /* the instance's pending list, or the worker's ready list */
	struct instance *at;	   /* where it was submitted */
	struct instance *via;	   /* the policy that only passed it on, and counts it too; NULL: none */
	struct generation *pinned; /* a client's op: the generation it keeps alive */
	union {
		struct rend_call home; /* answered on another thread: brings it home */
		struct {
			rend_work_f *work;
			struct rend_op *next;
		} job; /* waits for a disk thread */
	};
	uint32_t holds;	   /* the owner, a handler past its deadline, each child */
	uint8_t elsewhere; /* atomic: 1 + the status that another thread answered with */
	bool writes;	   /* to a tier that another's guard looks after: see op_leave_open() */
	bool open;	   /* of its children, a write may happen yet of which nobody will hear */
	bool joined : 1;   /* waits for another op's answer: see op_wait() */
	bool glances : 1;  /* is the first question of a walk that has not begun, and via the policy: see glance.h */
};
_Static_assert(sizeof(struct op_core) <= sizeof(((struct rend_op *)0)->core), "rend_op.core is too small");

static inline struct op_core *
op_core(struct rend_op *op)
{
	return (struct op_core *)(void *)op->core;
}

/* Bytes of an op, and of a client's op, which has room for the key behind its scratch: all ops are equal, so they come from free lists. */
#define OP_KID_SIZE  (sizeof(struct rend_op) + REND_SCRATCH_MAX)
#define OP_ROOT_SIZE (OP_KID_SIZE + REND_KEY_MAX + 6)

/*
 * An op for a client's command, with its own copy of the key (at most REND_KEY_MAX bytes), pinning the worker's newest generation.
 * ask and item are empty.  NULL: no memory.  On w.
 */
struct rend_op *op_new(struct rend_worker *w, const void *key, size_t keylen);

/*
 * The op has not been submitted, and its worker may have begun another generation since it was made: it pins that one from here on, and
 * what it has of memory of a store, which ends with its generation, it has in memory of its own.  false: no memory, and nothing
 * has changed.  On its worker.
 */
bool op_renew(struct rend_op *op);

/* A client's op that has not been submitted pins g instead, which may not be the newest yet.  On its worker. */
void op_pin(struct rend_op *op, struct generation *g);

/*
 * As rend_submit(), but nobody is asked: the op waits until it is answered with rend_done(), or asked after all with op_ask().  It has the
 * time and counts against the queue that it would have had there.
 */
bool op_wait(const struct rend_node *to, struct rend_op *op);
void op_ask(struct rend_op *op);

/* If a write ended with a status that leaves open whether it happens yet, all ops above it are marked open. */
void op_leave_open(struct rend_op *op, enum rend_status status);

/* Gives up the ops at this instance whose deadline is not after now: each becomes LATE and its done is called.  On the worker. */
void op_expire(struct instance *in, uint64_t now);

/* Takes the first op from a ready list, or NULL; calls its done.  On the worker. */
struct rend_op *op_take_ready(struct list *ready);
void op_finish(struct rend_op *op);

/* The earliest deadline of the ops in an instance's hands; UINT64_MAX: none.  On the worker. */
uint64_t op_first_deadline(struct instance *in);

/* Writes the chain of the op whose handler or done runs on this thread, from the client's op down, for a panic. */
void op_panic_context(int fd);

#endif
