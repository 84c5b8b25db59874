/* Throughput over time: what was answered in each interval.  When there are too many, two become one. */
#ifndef LOAD_TIMELINE_H
#define LOAD_TIMELINE_H

#include <stdint.h>

#define TIMELINE_MAX 2048

struct interval {
	uint64_t requests, keys, errors, longest; /* longest: ns */
};

struct timeline {
	uint64_t start, step; /* ns */
	uint32_t count;
	struct interval at[TIMELINE_MAX];
};

void timeline_init(struct timeline *t, uint64_t start, uint64_t step);

/* The interval that `now` is in. */
struct interval *timeline_now(struct timeline *t, uint64_t now);

#endif
