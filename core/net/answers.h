/*
 * What is owed to a client, in the order in which it asked.
 *
 *	oldest                                         newest
 *	[done, written] ─ [asked] ─ [done] ─ [held] ─ [asked]
 *	   goes out         │         waits     └ same key as an earlier one that is not done, and one of them writes
 *	                    └ the head: all behind it wait for it
 *
 * Held ones are submitted as soon as nothing before them stands against it, so "set k, get k" in one packet is true,
 * and commands on different keys overlap.  flush_all waits for all before it and holds all behind it.
 */
#ifndef NET_ANSWERS_H
#define NET_ANSWERS_H

#include <stdbool.h>

#include "base/list.h"
#include "proto/command.h"

struct conn;
struct survey;

enum answer_state { ANSWER_HELD, ANSWER_ASKED, ANSWER_DONE };

struct answer {
	struct link link;
	struct conn *conn;
	struct rend_op *op;    /* NULL: a command without one */
	struct survey *survey; /* of a stats that is being said; owned */
	struct asked asked;
	uint8_t state;
	bool mutates;
};

struct answers {
	struct list list;
	uint16_t count, held, mutating; /* mutating: not done, and not only reading */
	uint16_t barriers;		/* flush_alls that are not done */
	uint64_t seen;			/* a bit for each key hash since the list was last empty */
};

/*
 * Adds what a command will be answered with; takes over op, which is submitted now, or as soon as the order allows.  An
 * answer that is done at once, with nothing owed before it, is said at once.  false: no memory; op is freed.
 */
bool answers_add(struct conn *c, const struct asked *asked, struct rend_op *op);

/* Says, from the oldest on, all that is done, into the connection's chain. */
void answers_say(struct conn *c);

#endif
