/* Throughput and times over time: see timeline.h. */
#include "timeline.h"

#include <string.h>

void
timeline_init(struct timeline *t, uint64_t start, uint64_t step)
{
	t->start = start;
	t->step = step;
	t->count = 0;
}

static void
halve(struct timeline *t)
{
	for (uint32_t i = 0; i < TIMELINE_MAX / 2; i++) {
		struct interval *to = &t->at[i];
		const struct interval *b = &t->at[2 * i + 1];

		*to = t->at[2 * i];
		to->requests += b->requests;
		to->keys += b->keys;
		to->errors += b->errors;
		if (b->longest > to->longest)
			to->longest = b->longest;
		for (unsigned k = 0; k < TIMELINE_BUCKETS; k++)
			to->times[k] += b->times[k];
	}
	t->count = TIMELINE_MAX / 2;
	t->step *= 2;
}

struct interval *
timeline_now(struct timeline *t, uint64_t now)
{
	uint64_t i = now < t->start ? 0 : (now - t->start) / t->step;

	for (; i >= TIMELINE_MAX; i /= 2) {
		if (t->count < TIMELINE_MAX)
			memset(t->at + t->count, 0, (TIMELINE_MAX - t->count) * sizeof *t->at);
		halve(t);
	}
	for (; t->count <= i; t->count++)
		t->at[t->count] = (struct interval){ 0 };
	return &t->at[i];
}
