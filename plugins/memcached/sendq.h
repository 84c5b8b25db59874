/*
 * Bytes on their way to a backend, in order.  Lines and small values are copied into blocks; larger values are pointed
 * at:
 *
 *	[block: mg a v f O1\r\n | ms b 5000 F3 O2\r\n] ──► [5000 bytes of the client's read buffer] ──► [block: \r\n]
 *
 * Each piece holds a reference, so an op may end before its bytes are written.
 */
#ifndef MEMCACHED_SENDQ_H
#define MEMCACHED_SENDQ_H

#include <stdint.h>

#include "rend/value.h"

/* Values up to this many bytes are copied: memcpy is cheaper than one more iovec and two atomics. */
#define SENDQ_COPY_MAX 1024

/* What sendq_begin() can give at once. */
#define SENDQ_ROOM_MAX 4096

struct sendq {
	struct rend_seg *segs; /* a ring */
	unsigned head, count, room;
	struct rend_buf *block; /* where lines are written */
	size_t block_used;
	uint64_t queued; /* bytes ever put in */
	uint64_t gone;	 /* of those: eaten */
};

/*
 * Room for `bytes` in one piece, and for `pieces` more; until the next begin, nothing below can fail.  NULL: no memory,
 * nothing changed.
 */
char *sendq_begin(struct sendq *q, size_t bytes, unsigned pieces);

/* n bytes were written at the room's beginning; the room is what lies behind them.  Returns it. */
char *sendq_wrote(struct sendq *q, size_t n);

/* Points at a value's pieces. */
void sendq_value(struct sendq *q, const struct rend_value *v);

/* The first pieces as iovecs, at most max.  Returns how many. */
int sendq_iov(const struct sendq *q, struct iovec *iov, int max);

/* The first n bytes are written. */
void sendq_eat(struct sendq *q, size_t n);

/* Drops everything; *q is all-zero afterwards. */
void sendq_drop(struct sendq *q);

#endif
