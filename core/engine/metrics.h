/* What plugins register, and how it is read: see rend/metrics.h for the writing side. */
#ifndef ENGINE_METRICS_H
#define ENGINE_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"

struct rend_node;

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* What a plugin registered; lives from open to close. */
struct metric;

/* One number, or one histogram, as it is now. */
struct metric_reading {
	enum metric_kind kind;
	const char *name, *doc;
	uint64_t value;			   /* counter, gauge */
	const struct histogram *histogram; /* histogram: the sum over the workers; valid during the call */
};

/* The one after m; m NULL: the first.  NULL: there are no more.  Any thread between open and close, as all that reads. */
const struct metric *metric_next(const struct rend_node *n, const struct metric *m);

/* What it is, without looking at its value; and its value.  r->histogram is sum then, which is the caller's. */
struct metric_reading metric_about(const struct metric *m);
void metric_read(const struct metric *m, struct metric_reading *r, struct histogram *sum);

/* The metric of that name, or NULL. */
const struct metric *metric_named(const struct rend_node *n, const char *name);

/* Calls fn for each of a node's metrics, in the order of registration.  Any thread between open and close. */
void metrics_each(const struct rend_node *n, void (*fn)(const struct metric_reading *reading, void *arg), void *arg);

/* The counter or gauge of that name of one node.  false: it has none. */
bool metrics_find(const struct rend_node *n, const char *name, uint64_t *value);

/* The sum of a counter or gauge of that name over nodes; 0 if none has it. */
uint64_t metrics_sum(struct rend_node *const *nodes, unsigned long count, const char *name);

/* Frees a node's metrics. */
void metrics_free(struct rend_node *n);

#endif
