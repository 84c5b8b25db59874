/*
 * A value that is on its way.  Memory grows with the bytes that came, never with the length that was claimed: the first
 * piece is at most 64 KiB, each further one as large as all before it, up to 1 MiB.
 */
#ifndef NET_BODY_H
#define NET_BODY_H

#include <stdbool.h>

#include "proto/command.h"

struct body {
	struct command cmd;	/* whose value it is; key is in op */
	struct rend_op *op;	/* not submitted yet; owned; NULL: the value is read and dropped */
	size_t left;		/* bytes that have not come */
	size_t marked;		/* what was left when body_progressed() last said yes */
	struct rend_buf *piece; /* being filled */
	size_t filled;
	bool ended; /* all bytes are there; its line end is not */
};

/* Takes over op (NULL: no memory for it).  NULL: no memory; op is freed. */
struct body *body_new(const struct command *cmd, struct rend_op *op);
void body_free(struct body **bp);

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
