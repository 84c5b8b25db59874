/* The one key hash: 64 bits, seeded once per process, so that nobody outside can choose keys that collide. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Draws a seed from the kernel.  Before the first hash, on the main thread. */
void hash_seed_random(void);

/* A given seed: that of the process from which this one takes over, or a test's.  Before the first hash. */
void hash_seed(uint64_t seed);
uint64_t hash_seed_now(void);

uint64_t hash_key(const void *key, size_t len);

#endif
