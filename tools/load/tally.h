/* What is counted of a verb. */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include "base/histogram.h"

struct tally {
	uint64_t requests, keys;
	uint64_t hits;	  /* keys that were there; or the request did what it says */
	uint64_t misses;  /* keys that were not; or it did nothing, as it should */
	uint64_t errors;  /* the server said so */
	uint64_t longest; /* ns */
	struct histogram times;
};

/* One more request, answered after ns. */
void tally_add(struct tally *t, uint64_t ns);

void tally_merge(struct tally *to, const struct tally *from);

/* The time that share of its requests did not exceed, ns. */
uint64_t tally_quantile(const struct tally *t, double share);

/* ns */
double tally_mean(const struct tally *t);

/* Those that are reported, with the names of their fields. */
#define TALLY_QUANTILES 5
extern const struct tally_quantile {
	double share;
	const char *name;  /* p99.9 */
	const char *field; /* p99_9_us */
} tally_quantiles[TALLY_QUANTILES];

#endif
