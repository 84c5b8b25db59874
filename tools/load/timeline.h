/* Throughput and times over time: what was answered in each interval.  When there are too many, two become one. */
#ifndef LOAD_TIMELINE_H
#define LOAD_TIMELINE_H

#include <stdint.h>

#include "base/histogram.h"

#define TIMELINE_MAX 2048

/* So many buckets of a histogram are one here: four to each doubling. */
#define TIMELINE_COARSE	 8
#define TIMELINE_BUCKETS (HISTOGRAM_BUCKETS / TIMELINE_COARSE)

struct interval {
	uint64_t requests, keys, errors, longest; /* longest: ns */
	uint32_t times[TIMELINE_BUCKETS];
};

struct timeline {
	uint64_t start, step; /* ns */
	uint32_t count;
	struct interval at[TIMELINE_MAX];
};

void timeline_init(struct timeline *t, uint64_t start, uint64_t step);

/* The interval that `now` is in. */
struct interval *timeline_now(struct timeline *t, uint64_t now);

/* An answer that took so long, ns. */
static inline void
interval_time(struct interval *in, uint64_t ns)
{
	if (ns > in->longest)
		in->longest = ns;
	in->times[histogram_bucket(ns) / TIMELINE_COARSE]++;
}

/* The longest duration that falls into a bucket of times, ns. */
static inline uint64_t
interval_bucket_end(unsigned bucket)
{
	return histogram_bucket_end(bucket * TIMELINE_COARSE + TIMELINE_COARSE - 1);
}

#endif
