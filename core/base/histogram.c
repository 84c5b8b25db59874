/* Durations in buckets that grow with them. */
#include "base/histogram.h"

static uint64_t
load(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* One writer: a load and a store are enough, and a locked instruction would be paid for nothing. */
static void
add(uint64_t *p, uint64_t n)
{
	__atomic_store_n(p, load(p) + n, __ATOMIC_RELAXED);
}

uint64_t
histogram_bucket_end(size_t i)
{
	size_t doubling, sub;

	if (i < HISTOGRAM_EXACT)
		return i;
	doubling = (i - HISTOGRAM_EXACT) / HISTOGRAM_SUB;
	sub = (i - HISTOGRAM_EXACT) % HISTOGRAM_SUB;
	return ((HISTOGRAM_SUB + sub + 1) << (doubling + HISTOGRAM_EXACT_LOG - HISTOGRAM_SUB_LOG)) - 1;
}

void
histogram_merge(struct histogram *to, const struct histogram *from)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		add(&to->counts[i], load(&from->counts[i]));
	add(&to->sum, load(&from->sum));
}

uint64_t
histogram_count(const struct histogram *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += load(&h->counts[i]);
	return n;
}

void
histogram_below(const struct histogram *h, const uint64_t *bounds, size_t count, uint64_t *below)
{
	uint64_t seen = 0;
	size_t bucket = 0;

	for (size_t i = 0; i < count; i++) {
		for (; bucket < HISTOGRAM_BUCKETS && histogram_bucket_end(bucket) <= bounds[i]; bucket++)
			seen += load(&h->counts[bucket]);
		below[i] = seen;
	}
}

/* Which one of n, counted from 1 up, is the first that `share` of them do not exceed. */
static uint64_t
rank_of(uint64_t n, double share)
{
	/* 0.07 * 100 is a little more than 7 in doubles; it means 7. */
	double exact = share * (double)n * (1 - 1e-12);
	uint64_t rank;

	if (!(exact > 0))
		return 1;
	if (exact >= (double)n)
		return n;
	rank = (uint64_t)exact;
	if ((double)rank < exact)
		rank++;
	return rank;
}

uint64_t
histogram_quantile(const struct histogram *h, double share)
{
	uint64_t n = histogram_count(h), rank, seen = 0;

	if (n == 0)
		return 0;
	rank = rank_of(n, share);
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += load(&h->counts[i]);
		if (seen >= rank)
			return histogram_bucket_end(i);
	}
	return HISTOGRAM_LONGEST;
}
