/* How long to wait before the next try: longer each time, and never quite as long as others do. */
#ifndef MEMCACHED_BACKOFF_H
#define MEMCACHED_BACKOFF_H

#include <stdint.h>

struct backoff {
	uint64_t pause;	   /* ns */
	uint64_t min, max; /* of it */
	uint32_t random;
};

/* seed: another for each, so that those who failed together do not come back together. */
void backoff_init(struct backoff *b, uint64_t min, uint64_t max, uint32_t seed);

/* It works: the next trouble is a new one. */
void backoff_reset(struct backoff *b);

/* ns to wait now: half of the pause to all of it; the next pause is half as long again, up to the longest. */
uint64_t backoff_next(struct backoff *b);

#endif
