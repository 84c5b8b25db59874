/*
 * Which server of a pool has a key: points on a circle of 2^32, each of a server; a key belongs to the first point at or behind its hash.
 * Placed exactly as others do it, so that rend can take the place of a proxy before servers that are full.
 */
#ifndef MEMCACHED_RING_H
#define MEMCACHED_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "key_hash.h"
#include "server.h"

/* In the order of RING_KIND_NAMES. */
enum ring_kind {
	RING_KETAMA_WEIGHTED, /* libmemcached's KETAMA_WEIGHTED, twemproxy's ketama: about 160 points, by weight, MD5 */
	RING_KETAMA,	      /* libmemcached's KETAMA: 100 points, placed by the hash of the keys; no weights */
	RING_EVCACHE,	      /* EVCache's: 160 points, MD5, of names like "host/10.0.0.1:11211"; no weights */
};
#define RING_KIND_NAMES	 "ketama_weighted|ketama|evcache"

#define RING_SERVERS_MAX 4096

struct ring;

/* NULL: no memory.  Up to RING_SERVERS_MAX servers are told by their names, else by their addresses, without ":11211".  hash: of the keys. */
struct ring *ring_new(enum ring_kind kind, enum key_hash hash, const struct server *servers, size_t count);
void ring_free(struct ring **rp);

/* Which server has this hash. */
size_t ring_find(const struct ring *r, uint32_t hash);

/* The first behind it that is good(arg, server), going around; the one it is if none is.  Each is asked once at most. */
size_t ring_find_good(
    const struct ring *r, uint32_t hash, bool (*good)(const void *arg, size_t server), const void *arg);

/* Points, for a test. */
size_t ring_points(const struct ring *r);

#endif
