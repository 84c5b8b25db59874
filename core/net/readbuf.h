/*
 * What a worker reads into: one buffer for all its connections.  A connection that is idle has none of its own, and a
 * value that arrived whole is passed on where it lies, by reference:
 *
 *	[ used: values of ops under way point in here | room for the next read ]
 *
 * When nobody points into it any more it begins at the front again.
 */
#ifndef NET_READBUF_H
#define NET_READBUF_H

#include "rend/value.h"

#define READBUF_SIZE  (64 * 1024)
#define READBUF_LEAST (16 * 1024) /* room that a read is offered at least */

struct readbuf {
	struct rend_buf *buf;
	size_t used;
};

/* Room for a read: at least READBUF_LEAST bytes.  NULL: no memory. */
char *readbuf_room(struct readbuf *rb, size_t *room);

/* len bytes of it were read, and values may point to them. */
void readbuf_took(struct readbuf *rb, size_t len);

/* Is p one of its bytes? */
static inline int
readbuf_has(const struct readbuf *rb, const char *p)
{
	return rb->buf != NULL && p >= rb->buf->data && p < rb->buf->data + rb->buf->size;
}

void readbuf_fini(struct readbuf *rb);

#endif
