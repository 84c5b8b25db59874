/* A backend as all workers see it: where it is, what is counted of it, and what was last said of it in the log. */
#ifndef MEMCACHED_BACKEND_H
#define MEMCACHED_BACKEND_H

#include "rend/plugin.h"
#include "request.h"
#include "resolver.h"

/* What rend.conf says; also the counters below need one place. */
struct memcached_conf {
	struct rend_strings servers;
	int64_t links;
	int64_t queue;
	int64_t max_timeouts;
	uint64_t queue_bytes;
	uint64_t connect_timeout, request_timeout; /* ns */
	uint64_t max_silence;			   /* 0: request_timeout */
	uint64_t retry_min, retry_max, resolve_every;
	bool exclusive;
	int hash, key_hash, failure_mode; /* enum ring_kind, key_hash, failure_mode */
	const char *hash_tag, *hash_skip;
};

struct backend {
	unsigned magic;
#define BACKEND_MAGIC 0xbac4e2d0U
	const struct memcached_conf *conf;
	const char *node; /* its name in rend.conf */
	const char *text; /* its address */
	struct resolver *resolver;
	struct rend_counter *connects, *connect_errors, *connect_timeouts, *probe_errors, *disconnects, *timeouts,
	    *silences, *garbage, *lost, *asked_again, *busy, *downs, *flaps, *moves, *rewrites, *bytes_read,
	    *bytes_written;
	/* atomic: */
	unsigned links_up;
	unsigned speaks;       /* BACKEND_SPEAKS_*, as the connection that came up last heard it */
	uint64_t waiting;      /* ops that wait for a connection */
	int said;	       /* enum backend_said */
	bool said_unknown;     /* ... that nobody knows its name */
	unsigned said_version; /* ... of the resolver's routes */
	uint64_t garbage_said; /* monotonic ns */
};

enum backend_said { BACKEND_UNKNOWN, BACKEND_UP, BACKEND_DOWN };

/* What a backend understands, of dialect; 0: no connection has come up yet. */
#define BACKEND_SPEAKS	    1U
#define BACKEND_SPEAKS_META 2U
#define BACKEND_SETS_CAS    4U

/* How long nothing may come while requests wait, ns. */
static inline uint64_t
memcached_silence(const struct memcached_conf *conf)
{
	return conf->max_silence != 0 ? conf->max_silence : conf->request_timeout;
}

/*
 * Looks its address up, which lives as long as it; may block.  It counts where the first one of its pool does; NULL: it is the first.  NULL
 * after rend_error().
 */
struct backend *backend_new(const struct memcached_conf *conf, const char *address, struct rend_node *self,
    struct backend *first, struct rend_error *err);
void backend_free(struct backend **bp);

/* About once a second, from each worker. */
void backend_tick(struct backend *b);

/* A link came up, or went; any thread. */
void backend_link_up(struct backend *b, struct dialect dialect);
void backend_link_gone(struct backend *b);

/* A link cannot be had; the log hears it once, when no other link is up.  Any thread. */
void backend_unreachable(struct backend *b, const char *why);

/* A backend said what cannot be: len bytes at p.  The log hears it once a second.  Any thread. */
void backend_spoke_garbage(struct backend *b, const char *why, const char *p, size_t len);

/* So many ops more wait for a connection, or fewer. */
static inline void
backend_waits(struct backend *b, int64_t by)
{
	__atomic_fetch_add(&b->waiting, (uint64_t)by, __ATOMIC_RELAXED);
}

#endif
