/*
 * Bytes on their way out, in order.  Small ones are copied into blocks, values are referenced where that is cheaper than copying:
 *
 *	chain ──► [block: VALUE k 0 5000\r\n] ──► [5000 bytes of somebody's buffer] ──► [block: \r\nEND\r\n]
 *
 * Running out of memory breaks the chain: what is put in afterwards is ignored, and the connection that owns it is to be closed.
 */
#ifndef BASE_CHAIN_H
#define BASE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "base/pool.h"
#include "rend/check.h"
#include "rend/value.h"

/* Values up to this many bytes are copied: below, memcpy is cheaper than one more iovec and two atomics. */
#define CHAIN_COPY_MAX 1024

/* Pools of one worker that chains take their pieces from. */
struct chain_pools {
	struct pool blocks, refs;
};

/* Bytes that go out: p..p+len, inside a block of ours, or inside somebody's buffer. */
struct chain_piece {
	struct chain_piece *next;
	const char *p;
	size_t len;
	struct rend_buf *buf; /* NULL: this piece is a block */
};

struct chain {
	struct chain_pools *pools;
	struct chain_piece *head, *tail;
	char *at, *end; /* of the room that is left in the block at the end; equal: there is none */
	size_t len;	/* bytes not yet eaten */
	bool broken;
};

/* The ways out of the functions below, when the block at the end is full: a fresh one; and what goes into more than one. */
char *chain_extend(struct chain *c, size_t len);
void chain_put_apart(struct chain *c, const void *p, size_t len);

void chain_pools_init(struct chain_pools *pools);
void chain_pools_fini(struct chain_pools *pools);

/* len contiguous bytes at the end to write to, at most CHAIN_ROOM_MAX; then chain_took() says how many were.  NULL: broken. */
#define CHAIN_ROOM_MAX 2048
static inline char *
chain_room(struct chain *c, size_t len)
{
	/* One byte more than is asked for, so that there is a place even for none. */
	return (size_t)(c->end - c->at) > len ? c->at : chain_extend(c, len);
}

static inline void
chain_took(struct chain *c, size_t len)
{
	if (len == 0 || c->broken)
		return;
	REND_ASSERT(len <= (size_t)(c->end - c->at));
	c->at += len;
	c->tail->len += len;
	c->len += len;
}

/* Appends a copy of len bytes. */
static inline void
chain_put(struct chain *c, const void *p, size_t len)
{
	if ((size_t)(c->end - c->at) <= len) {
		chain_put_apart(c, p, len);
		return;
	}
	memcpy(c->at, p, len);
	chain_took(c, len);
}

/* Appends a value: a copy, or a reference to its pieces.  *v stays the caller's. */
void chain_put_value(struct chain *c, const struct rend_value *v);

/*
 * For those who write into room: copies, and returns what is behind.  chain_copy() is no inline function: where the compiler sees that
 * so little is copied, it takes an instruction that is slow to begin.
 */
char *chain_copy(char *to, const void *p, size_t len);
static inline char *
chain_copy_value(char *to, const struct rend_value *v)
{
	const struct rend_seg *segs = rend_value_segs(v);

	for (unsigned i = 0; i < v->nsegs; i++) {
		memcpy(to, segs[i].p, segs[i].len);
		to += segs[i].len;
	}
	return to;
}

/* The first pieces as iovecs, at most max.  Returns how many. */
int chain_iov(const struct chain *c, struct iovec *iov, int max);

/* The first len bytes are gone. */
void chain_eat(struct chain *c, size_t len);

/* Drops everything; *c is empty and whole again. */
void chain_drop(struct chain *c);

#define CHAIN_LITERAL(c, s) chain_put(c, s, sizeof(s) - 1)

#endif
