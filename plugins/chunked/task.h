/*
 * A task: what becomes of one op.  It asks the handler beneath, and goes on when that has answered.
 *
 *	op ─► task ── meta_ask() ───► the meta's key      answered(t, kid)
 *	        │  ── pieces_run() ─► the pieces' keys    over(t), when the last of them has answered
 *	        │  ── task_later() ─► the next turn       resume(t)
 *	        └─ task_end(): rend_done()
 *
 * It lies in the op's scratch.  At any time it waits for exactly one of the three, so each step is one function that ends with one of them or
 * with task_end(), after which the task is gone.  All of a task runs on its op's worker.
 */
#ifndef CHUNKED_TASK_H
#define CHUNKED_TASK_H

#include "assembly.h"
#include "layout.h"
#include "line.h"
#include "pieces.h"
#include "rend/plugin.h"
#include "tokens.h"

struct event;
struct task;

struct chunked_conf {
	const struct rend_node *over;
	uint64_t chunk_size; /* of a piece in a memcached, with its key and its overhead */
	int64_t window;
};

struct chunked {
	unsigned magic;
#define CHUNKED_MAGIC 0xc4a9ced1U
	const struct chunked_conf *conf;
	bool unsure; /* a piece that is not there may only be away */
	struct rend_counter *missing, *mixed, *taken_out, *waits;
};

/* One worker's view. */
struct instance {
	unsigned magic;
#define CHUNKED_INSTANCE_MAGIC 0xc4a9ced2U
	struct chunked *store;
	struct rend_worker *worker;
	struct event *timer;  /* NULL: this worker has no loop */
	struct task *later;   /* tasks to resume when it runs out */
	struct task *resting; /* ... at the next tick */
	uint32_t out;	      /* pieces that the handler beneath has been asked for */
	uint32_t sharing;     /* tasks that are asking for pieces */
	struct tokens tokens;
	struct line line;
};

typedef void task_f(struct task *t);
typedef void task_answer_f(struct task *t, struct rend_op *kid);

struct task {
	unsigned magic;
#define TASK_MAGIC 0x7a5c0b1eU
	uint8_t tries, sought;
	bool won;      /* get: who fills it, as a look before this one was told */
	bool took_out; /* append and so on: a meta without its pieces, once */
	bool looked;   /* for the claim, once, when its connection was gone before the end */
	bool claimed;  /* the meta is ours, and says that its pieces are being written */
	struct instance *in;
	struct rend_op *op;
	struct rend_op *found; /* the meta's kid, with the item as it was found; NULL: not looked yet */
	struct meta was;       /* what it says; no pieces: it says nothing that can be used */
	struct meta is;	       /* of what is written */
	struct assembly assembly;
	struct pieces pieces;
	/* what is written */
	const struct rend_value *source;
	struct rend_value made; /* the source, if it is not what the op brought */
	unsigned seg;		/* where in the source the next piece begins */
	size_t at;
	int64_t exptime;
	uint32_t flags;
	uint64_t cas;	 /* of the claim; 0: the handler beneath has no versions */
	uint64_t link;	 /* over which that version is good: op.h's leases */
	uint64_t number; /* incr, decr: what becomes of it */
	/* what it waits for */
	task_answer_f *answered, *dropped;
	task_f *resume;
	struct task *next; /* of instance.later or resting, or of those behind another in line */
	/* append and so on: see line.h */
	bool in_line;
	struct task *beside, *behind;
};
_Static_assert(sizeof(struct task) <= REND_SCRATCH_MAX, "a task does not fit an op's scratch");

struct task *task_begin(struct instance *in, struct rend_op *op);

/* Answers the op.  The task is gone. */
void task_end(struct task *t, enum rend_status status);

/*
 * resume(t) in a later turn: at once, or when others had time to get on.  Whether its time is over, resume() looks: it may have something to clear
 * away.  Ends the task if it never can go on.
 */
void task_later(struct task *t, bool at_once, task_f *resume);

/* The same at the next tick, within about a second: when what is beneath may be there again. */
void task_rest(struct task *t, task_f *resume);

/* ---- the meta's key ---- */

/* A kid for it; NULL: no memory, or it has no meta's key. */
struct rend_op *meta_kid(struct task *t, unsigned verb);

/* Asks it: answered() frees the kid. */
void meta_ask(struct task *t, struct rend_op *kid, task_answer_f *answered);

/* t->is as the value of a kid that stores it, with flags and exptime.  false: no memory. */
bool meta_put(struct task *t, struct rend_op *kid, int64_t exptime);

/* Keeps the kid, which answered a get with OK, and reads what it says into t->was. */
void meta_found(struct task *t, struct rend_op *kid);

/* Does it say something: is it an item of ours with pieces, or an empty one? */
bool meta_empty(const struct task *t); /* nothing behind it: left by REND_VIVIFY or REND_DROP_VALUE */
bool meta_usable(const struct task *t);
bool meta_claimed(const struct task *t); /* write.c: its value is only being written */

/*
 * Is what lacks its pieces perhaps only being written: is it a claim that is not older than claims get, or has the original written it just now?
 * Then nobody takes it out.  Clocks may differ by as much (a minute, or 5 seconds); what says it was written in time further to come is not.
 */
bool meta_young(const struct task *t);

/* May what was found without its pieces be taken out?  Not while it is young, nor where pieces may only be away. */
bool meta_dead(const struct task *t);

/* Takes out the meta if it has this version. */
void meta_drop(struct task *t, uint64_t cas, uint64_t link, task_answer_f *dropped);

/* Takes out what was found without its pieces, if it is still that one, and goes on. */
void meta_take_out(struct task *t, task_f *resume);

/* ---- the verbs ---- */

void read_begin(struct task *t);  /* get */
void write_begin(struct task *t); /* set, add, replace */
void write_made(struct task *t, unsigned verb, uint64_t cas, uint64_t link,
    task_f *refused);		    /* rewrite.c: t->made, on the condition of verb and cas */
void rewrite_begin(struct task *t); /* append, prepend, incr, decr */
void remove_begin(struct task *t);  /* delete */
void touch_begin(struct task *t);
void flush_begin(struct task *t);

#endif
