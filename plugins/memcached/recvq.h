/*
 * Bytes that came from a backend, not yet understood.  Values are handed on as pieces of the buffers that were read
 * into:
 *
 *	buf   |VA 70000 f0 O1\r\n|xxxxxxxxxxxxxxxxxx|		buf  |xxxxxxx|\r\n|HD O2\r\n|      |
 *	                          └─ value's 1st piece ─┘		     └─ 2nd ┘     eaten    tail
 *
 * Memory follows the bytes that came: a buffer is larger than the usual one only while a value already brought as much.
 */
#ifndef MEMCACHED_RECVQ_H
#define MEMCACHED_RECVQ_H

#include <stdbool.h>

#include "rend/check.h"
#include "rend/value.h"

struct recvq {
	struct rend_buf *buf;
	size_t eaten, tail; /* unread bytes lie between */
	bool shared;	    /* a value points into buf: what is eaten is not ours to overwrite */
	size_t expected;    /* bytes of a value that are still to come */
	size_t came;	    /* bytes of that value that came */
};

/* A place to read at most *len bytes into.  NULL: no memory. */
char *recvq_room(struct recvq *q, size_t *len);

/* n bytes were read there. */
void recvq_took(struct recvq *q, size_t n);

/* What is there. */
static inline const char *
recvq_bytes(const struct recvq *q, size_t *len)
{
	*len = q->tail - q->eaten;
	return *len == 0 ? "" : q->buf->data + q->eaten;
}

/* The first n bytes are understood. */
static inline void
recvq_eat(struct recvq *q, size_t n)
{
	REND_ASSERT(n <= q->tail - q->eaten);
	q->eaten += n;
}

/*
 * Moves the next n bytes to the end of v, or, if they are not all there and the buffer has no room for more, those that
 * are.  *moved says how many.  0, or -1: no memory.
 */
int recvq_take(struct recvq *q, size_t n, struct rend_value *v, size_t *moved);

/* Moves the next n bytes, which are there, to v, which is empty. */
void recvq_give(struct recvq *q, size_t n, struct rend_value *v);

/* Drops everything; *q is all-zero afterwards. */
void recvq_drop(struct recvq *q);

#endif
