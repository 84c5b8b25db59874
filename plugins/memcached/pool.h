/*
 * The servers of a block, and which of them has a key.
 *
 *	op ─► key ─► hash ─► ring ─► server ─► a link of this worker's
 *
 * The ring never changes: a server that is away keeps its keys.  failure_mode says what becomes of them meanwhile.
 */
#ifndef MEMCACHED_POOL_H
#define MEMCACHED_POOL_H

#include "backend.h"
#include "ring.h"

/* In the order of FAILURE_MODE_NAMES. */
enum failure_mode {
	FAILURE_ERROR, /* its keys are answered with errors */
	FAILURE_MISS,  /* gets miss, all else is answered with errors */
	FAILURE_NEXT,  /* the next server on the ring that is there stands in for it */
};
#define FAILURE_MODE_NAMES "error|miss|next"

struct pool {
	unsigned magic;
#define POOL_MAGIC 0x9001e4dcU
	const struct memcached_conf *conf;
	struct rend_node *self;
	struct ring *ring; /* NULL: there is one server */
	struct server *servers;
	size_t count;
	struct backend *backends[];
};

/* Is this what a pool can be made of?  0, or -1 after rend_error(). */
int pool_check(const struct memcached_conf *conf, struct rend_error *err);

/* The address in what rend.conf says of a server: the same string for the same address, for as long as the process lives.  Main thread. */
const char *pool_address(const char *text);

/* Looks addresses up; may block.  NULL after rend_error(). */
struct pool *pool_new(const struct memcached_conf *conf, struct rend_node *self, struct rend_error *err);
void pool_free(struct pool **pp);

/* About once a second, from each worker. */
void pool_tick(struct pool *p);

/* Which server has this key; with good(), the one that stands in for it if it is not.  Any thread. */
size_t pool_find(
    const struct pool *p, const char *key, size_t len, bool (*good)(const void *arg, size_t server), const void *arg);

#endif
