/*
 * When requests are due in an open loop: at a constant rate, or at random (Poisson).  Whoever is late is told when it should have been;
 * nothing is kept of what waits, since the schedule itself says it.
 */
#ifndef LOAD_PACE_H
#define LOAD_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "random.h"

struct pace {
	uint64_t start; /* ns */
	double gap, at; /* ns between two; since start, when the next is due */
	uint64_t taken;
	bool poisson;
	struct random random;
};

/* rate: a second; above 0. */
void pace_init(struct pace *p, uint64_t start, double rate, bool poisson, uint64_t seed);

/* When the next one is due. */
uint64_t pace_due(const struct pace *p);

/* The same, and it is taken. */
uint64_t pace_take(struct pace *p);

/* About how many are due at `now`. */
uint64_t pace_behind(const struct pace *p, uint64_t now);

/* Takes all that are due before `end`.  Returns how many. */
uint64_t pace_drop(struct pace *p, uint64_t end);

#endif
