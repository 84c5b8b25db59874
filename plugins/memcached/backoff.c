/* How long to wait before the next try. */
#include "backoff.h"

void
backoff_init(struct backoff *b, uint64_t min, uint64_t max, uint32_t seed)
{
	b->min = min;
	b->max = max;
	b->random = seed | 1;
	backoff_reset(b);
}

void
backoff_reset(struct backoff *b)
{
	b->pause = b->min;
}

uint64_t
backoff_next(struct backoff *b)
{
	uint64_t half = b->pause / 2;

	b->random ^= b->random << 13;
	b->random ^= b->random >> 17;
	b->random ^= b->random << 5;
	b->pause = b->pause + half < b->max ? b->pause + half : b->max;
	return half + half * (b->random % 1024) / 1024;
}
