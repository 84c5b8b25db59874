/* A backend as all workers see it: where it is, what is counted of it, and what was last said of it in the log. */
#ifndef MEMCACHED_BACKEND_H
#define MEMCACHED_BACKEND_H

#include "address.h"
#include "rend/plugin.h"
#include "request.h"

/* What rend.conf says; also the counters below need one place. */
struct memcached_conf {
	struct rend_strings servers;
	int64_t links;
	int64_t queue;
	uint64_t connect_timeout, request_timeout; /* ns */
};

struct backend {
	unsigned magic;
#define BACKEND_MAGIC 0xbac4e2d0U
	const struct memcached_conf *conf;
	const char *node; /* its name in rend.conf */
	struct address address;
	struct rend_counter *connects, *disconnects, *timeouts, *garbage, *bytes_read, *bytes_written;
	/* atomic: */
	unsigned links_up;
	unsigned speaks;       /* BACKEND_SPEAKS_*, as the connection that came up last heard it */
	int said;	       /* enum backend_said */
	uint64_t garbage_said; /* monotonic ns */
};

enum backend_said { BACKEND_UNKNOWN, BACKEND_UP, BACKEND_DOWN };

/* Resolves its address; may block.  NULL after rend_error(). */
struct backend *backend_new(const struct memcached_conf *conf, struct rend_node *self, struct rend_error *err);
void backend_free(struct backend **bp);

/* What a backend understands, of dialect; 0: no connection has come up yet. */
#define BACKEND_SPEAKS	    1U
#define BACKEND_SPEAKS_META 2U
#define BACKEND_SETS_CAS    4U

/* A link came up, or went; any thread. */
void backend_link_up(struct backend *b, struct dialect dialect);
void backend_link_gone(struct backend *b);

/* A link cannot be had; the log hears it once, when no other link is up.  Any thread. */
void backend_unreachable(struct backend *b, const char *why);

/* A backend said what cannot be: len bytes at p.  The log hears it once a second.  Any thread. */
void backend_spoke_garbage(struct backend *b, const char *why, const char *p, size_t len);

#endif
