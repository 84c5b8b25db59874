/* How long to wait before the next try. */
#include "backoff.h"

void
backoff_init(struct backoff *b, uint32_t seed)
{
	b->random = seed | 1;
	backoff_reset(b);
}

void
backoff_reset(struct backoff *b)
{
	b->pause = BACKOFF_MIN_NS;
}

uint64_t
backoff_next(struct backoff *b)
{
	uint64_t half = b->pause / 2;

	b->random ^= b->random << 13;
	b->random ^= b->random >> 17;
	b->random ^= b->random << 5;
	b->pause = b->pause + half < BACKOFF_MAX_NS ? b->pause + half : BACKOFF_MAX_NS;
	return half + half * (b->random % 1024) / 1024;
}
