/* Numbers that a plugin lets people see. */
#ifndef REND_METRICS_H
#define REND_METRICS_H

#include "rend/op.h"

REND_BEGIN

/*
 * The core counts every node's ops by verb and outcome, and times them, by itself.  What only the plugin knows it registers here,
 * in its open(), on the main thread.  Names are lower case with underscores, at most 63 bytes, and each is one node's only once; doc is
 * one sentence.  `stats` puts the node's name before them; Prometheus sees rend_PLUGIN_NAME{node="..."}, where a counter's name gets
 * _total and a histogram's _seconds if they do not end so.  name and doc must live as long as the process.  What is registered is freed
 * with the node.
 *
 * These names feed memcached's `stats`, summed over the nodes that have them: curr_items total_items bytes limit_maxbytes evictions
 * expired_unfetched evicted_unfetched reclaimed.
 *
 * Counters have one slot per worker, so counting takes no lock and shares no cache line; the reader adds up.
 */
struct rend_counter;

/* NULL: no memory, or a name that may not be; counting on NULL is fine and does nothing. */
REND_API struct rend_counter *rend_counter_new(struct rend_node *self, const char *name, const char *doc);

/* Adds n.  Any thread. */
REND_API void rend_count(struct rend_counter *counter, uint64_t n);

/* A number that is read when somebody looks: read(arg), from any thread, at any time between open() and close(). */
typedef uint64_t rend_gauge_f(void *arg);
REND_API void rend_gauge_new(struct rend_node *self, const char *name, const char *doc, rend_gauge_f *read, void *arg);

/* A histogram of durations. */
struct rend_histogram;

/* NULL: no memory, or a name that may not be; observing on NULL is fine and does nothing. */
REND_API struct rend_histogram *rend_histogram_new(struct rend_node *self, const char *name, const char *doc);

/* One more duration, nanoseconds.  Any thread. */
REND_API void rend_observe(struct rend_histogram *histogram, uint64_t ns);

REND_END

#endif
