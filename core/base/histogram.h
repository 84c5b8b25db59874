/*
 * Durations in buckets: exact to 64 ns, from there 32 buckets to each doubling (3 %), up to 2^40 ns (18 minutes); what is longer
 * counts as the longest.  One writer; a reader on another thread sees each bucket as it was a moment ago.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_EXACT	    64 /* below, a bucket per ns */
#define HISTOGRAM_EXACT_LOG 6
#define HISTOGRAM_SUB	    32 /* buckets per doubling */
#define HISTOGRAM_SUB_LOG   5
#define HISTOGRAM_BUCKETS   (HISTOGRAM_EXACT + 34 * HISTOGRAM_SUB)
#define HISTOGRAM_LONGEST   ((UINT64_C(1) << 40) - 1)

struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS]; /* relaxed atomics */
	uint64_t sum;			    /* ns */
};

static inline unsigned
histogram_bucket(uint64_t ns)
{
	unsigned log;

	if (ns < HISTOGRAM_EXACT)
		return (unsigned)ns;
	if (ns > HISTOGRAM_LONGEST)
		ns = HISTOGRAM_LONGEST;
	log = 63 - (unsigned)__builtin_clzll(ns);
	return HISTOGRAM_EXACT + (log - HISTOGRAM_EXACT_LOG) * HISTOGRAM_SUB +
	       ((ns >> (log - HISTOGRAM_SUB_LOG)) & (HISTOGRAM_SUB - 1));
}

/* One more.  The writer: it is alone, so a load and a store are enough. */
static inline void
histogram_add(struct histogram *h, uint64_t ns)
{
	uint64_t *bucket = &h->counts[histogram_bucket(ns)];

	__atomic_store_n(bucket, *bucket + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&h->sum, h->sum + (ns < HISTOGRAM_LONGEST ? ns : HISTOGRAM_LONGEST), __ATOMIC_RELAXED);
}

/* Adds all of *from to *to; from may have a writer elsewhere. */
void histogram_merge(struct histogram *to, const struct histogram *from);

/* The longest duration that falls into bucket i, ns. */
uint64_t histogram_bucket_end(size_t i);

/* How many there are. */
uint64_t histogram_count(const struct histogram *h);

/*
 * below[i]: how many took at most bounds[i] ns for certain, for count bounds that grow.  One that lies in a bucket together with longer
 * durations counts for the next bound, so what is said of a bound is true of one up to 3 % below it.
 */
void histogram_below(const struct histogram *h, const uint64_t *bounds, size_t count, uint64_t *below);

/* The duration that `share` of them (0.0 .. 1.0) do not exceed; 0 if there are none. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
