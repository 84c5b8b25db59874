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
#include <sys/uio.h>

#include "base/pool.h"
#include "rend/value.h"

/* Values up to this many bytes are copied: below, memcpy is cheaper than one more iovec and two atomics. */
#define CHAIN_COPY_MAX 1024

/* Pools of one worker that chains take their pieces from. */
struct chain_pools {
	struct pool blocks, refs;
};

struct chain {
	struct chain_pools *pools;
	struct chain_piece *head, *tail;
	size_t len; /* bytes not yet eaten */
	bool broken;
};

void chain_pools_init(struct chain_pools *pools);
void chain_pools_fini(struct chain_pools *pools);

/* len contiguous bytes at the end to write to, at most CHAIN_ROOM_MAX; then chain_took() says how many were.  NULL: broken. */
#define CHAIN_ROOM_MAX 2048
char *chain_room(struct chain *c, size_t len);
void chain_took(struct chain *c, size_t len);

/* Appends a copy of len bytes. */
void chain_put(struct chain *c, const void *p, size_t len);

/* Appends a value: a copy, or a reference to its pieces.  *v stays the caller's. */
void chain_put_value(struct chain *c, const struct rend_value *v);

/* The first pieces as iovecs, at most max.  Returns how many. */
int chain_iov(const struct chain *c, struct iovec *iov, int max);

/* The first len bytes are gone. */
void chain_eat(struct chain *c, size_t len);

/* Drops everything; *c is empty and whole again. */
void chain_drop(struct chain *c);

#define CHAIN_LITERAL(c, s) chain_put(c, s, sizeof(s) - 1)

#endif
