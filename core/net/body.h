/*
 * A value that is on its way.  Memory grows with the bytes that came, never with the length that was claimed: the first
 * piece is at most 64 KiB, each further one as large as all before it, up to 1 MiB.  When the first 64 KiB are there and at least
 * as much is to come, the store that the value is for may have room for all of it (rend_handler.reserve); then what came is copied there, and
 * the rest is read there.
 */
#ifndef NET_BODY_H
#define NET_BODY_H

#include <stdbool.h>

#include "proto/command.h"

struct generation;
struct rend_node;

/* How a value was announced: said again where another process reads what has come of it. */
struct body_said {
	char *text; /* the line, or the packet up to the value; owned */
	size_t len;
	uint32_t
	    swallow; /* what its text begins with, and is to be dropped: as in struct dialog, before it was parsed */
	bool swallow_line;
};

struct body {
	struct body_said said;
	struct command cmd;	    /* whose value it is; key is in op */
	struct rend_op *op;	    /* not submitted yet; owned; NULL: the value is read and dropped */
	size_t left;		    /* bytes that have not come */
	size_t marked;		    /* what was left when body_progressed() last said yes */
	struct rend_buf *piece;	    /* being filled */
	size_t filled;		    /* bytes of the piece; of the store's room: in the piece `at` */
	const struct rend_node *to; /* who gets it */
	struct rend_value room;	    /* the store's */
	unsigned at;		    /* which of its pieces is being filled */
	bool asked;		    /* the store was asked for it */
	bool ended;		    /* all bytes are there; its line end is not */
};

/* Takes over op (NULL: no memory for it), which is to be submitted to `to`; copies what said points to.  NULL: no memory; op is freed. */
struct body *body_new(
    const struct command *cmd, struct rend_op *op, const struct rend_node *to, const struct body_said *said);
void body_free(struct body **bp);

/* Somebody else gets it, of generation g; unless a store was asked for room already, its op pins that from here on. */
void body_turn_to(struct body *b, const struct rend_node *to, struct generation *g);

/* Where the next bytes may be read to, at most *room of them.  NULL: the bytes are unwanted, or there is no memory:
 * drop them. */
char *body_room(struct body *b, size_t *room);

/* len bytes are in the room. */
void body_took(struct body *b, size_t len);

/* Has a fair part come since it last said so?  A client that sends a byte now and then gets no more time by it. */
bool body_progressed(struct body *b);

/* Takes bytes from elsewhere.  Returns how many belonged to the body. */
size_t body_feed(struct body *b, const char *p, size_t len);

#endif
