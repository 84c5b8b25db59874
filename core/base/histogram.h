/*
 * Durations in buckets: exact to 64 ns, from there 32 buckets to each doubling (3 %), up to 2^40 ns (18 minutes); what is longer
 * counts as the longest.  One writer; a reader on another thread sees each bucket as it was a moment ago.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS (64 + 34 * 32)

struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS]; /* relaxed atomics */
	uint64_t sum;			    /* ns */
};

/* One more.  The writer. */
void histogram_add(struct histogram *h, uint64_t ns);

/* Adds all of *from to *to; from may have a writer elsewhere. */
void histogram_merge(struct histogram *to, const struct histogram *from);

/* The longest duration that falls into bucket i, ns. */
uint64_t histogram_bucket_end(size_t i);

/* How many there are. */
uint64_t histogram_count(const struct histogram *h);

/* The duration that `share` of them (0.0 .. 1.0) do not exceed; 0 if there are none. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
