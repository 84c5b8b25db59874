/* The key hash: XXH3 with a seed. */
#include <sys/auxv.h>
#include <sys/random.h>

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/hash.h"

static uint64_t seed;

void
hash_seed_random(void)
{
	const void *given;

	/* A sandbox may forbid the call: then what the kernel gave us at exec must do. */
	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		return;
	given = (const void *)getauxval(AT_RANDOM);
	if (given != NULL)
		memcpy(&seed, given, sizeof(seed));
}

void
hash_seed(uint64_t s)
{
	seed = s;
}

uint64_t
hash_seed_now(void)
{
	return seed;
}

uint64_t
hash_key(const void *key, size_t len)
{
	return XXH3_64bits_withSeed(key, len, seed);
}
