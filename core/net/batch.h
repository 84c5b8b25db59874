/*
 * Commands that arrived together.  Their ops are made first, and whoever keeps what they are about is told their hashes; then they are
 * asked, in their order:
 *
 *	parse ─► [op] [op] [op] [op] ─► node_prefetch ─► answers_add, answers_add, ...
 *
 * A store in memory fetches in between what it will look at, for all of them at once.  Where nobody wants to be told, and for a command that
 * is alone, nothing is put off.
 */
#ifndef NET_BATCH_H
#define NET_BATCH_H

#include "proto/command.h"
#include "rend/plugin.h"

struct conn;

#define BATCH_MAX REND_PREFETCH_MAX

struct batch {
	struct conn *conn;
	unsigned count;
	bool hinted; /* somebody wants to be told */
	struct batched {
		struct rend_op *op;
		struct asked asked;
	} all[BATCH_MAX];
};

void batch_begin(struct batch *b, struct conn *c);

/* Takes over op, which is asked now or with others.  more: is there input behind its command? */
void batch_add(struct batch *b, const struct asked *asked, struct rend_op *op, bool more);

/* Answers a command in its place: op, or NULL for one without, is not put off. */
void batch_answer(struct batch *b, const struct asked *asked, struct rend_op *op);

/* Asks what is put off; before anything else is done that has an order. */
void batch_ask(struct batch *b);

#endif
