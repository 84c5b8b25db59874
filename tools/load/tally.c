/* What is counted of a verb: see tally.h. */
#include "tally.h"

const struct tally_quantile tally_quantiles[TALLY_QUANTILES] = {
	{ 0.5, "p50", "p50_us" },
	{ 0.9, "p90", "p90_us" },
	{ 0.99, "p99", "p99_us" },
	{ 0.999, "p99.9", "p99_9_us" },
	{ 0.9999, "p99.99", "p99_99_us" },
};

void
tally_add(struct tally *t, uint64_t ns)
{
	t->requests++;
	if (ns > t->longest)
		t->longest = ns;
	histogram_add(&t->times, ns);
}

void
tally_merge(struct tally *to, const struct tally *from)
{
	to->requests += from->requests;
	to->keys += from->keys;
	to->hits += from->hits;
	to->misses += from->misses;
	to->errors += from->errors;
	if (from->longest > to->longest)
		to->longest = from->longest;
	histogram_merge(&to->times, &from->times);
}

uint64_t
tally_quantile(const struct tally *t, double share)
{
	uint64_t ns = histogram_quantile(&t->times, share);

	/* The end of a bucket may lie behind all that is in it. */
	return ns < t->longest ? ns : t->longest;
}

double
tally_mean(const struct tally *t)
{
	return t->requests == 0 ? 0 : (double)t->times.sum / (double)t->requests;
}
