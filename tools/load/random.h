/* Random numbers that a seed repeats: splitmix64. */
#ifndef LOAD_RANDOM_H
#define LOAD_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t state;
};

/* Also by itself: makes numbers that look alike look unlike. */
static inline uint64_t
random_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t
random_next(struct random *r)
{
	return random_mix(r->state += UINT64_C(0x9e3779b97f4a7c15));
}

/* 0 .. n - 1; n > 0. */
static inline uint64_t
random_below(struct random *r, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)random_next(r) * n) >> 64);
}

/* 0 <= it < 1. */
static inline double
random_real(struct random *r)
{
	return (double)(random_next(r) >> 11) * 0x1p-53;
}

#endif
