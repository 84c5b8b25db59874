/*
 * Those from whom the memory was taken over, and who still send large values out of it: what they hold stays where it is until they are gone.
 *
 * Each has a pipe, and never writes to it: it ends when the one who has the other end does, or has sent all.
 */
#ifndef INMEM_TENANT_H
#define INMEM_TENANT_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "rend/handover.h"

#define TENANTS_MAX 8

/* A large value in the hands of one of them, once for each time. */
struct tenant_hold {
	uint64_t location;
	uint32_t who;  /* the number of the tenant */
	uint32_t lent; /* 1: it is on its way to be stored, and nobody else has it */
};

struct tenants {
	int pipes[TENANTS_MAX];
	unsigned count;
	struct tenant_hold *holds; /* by location */
	uint64_t holds_count;
};

/* Are the holds of values that are there, and of each as many as it says?  Sorts them, and changes nothing else. */
bool tenants_are_right(const struct arena *a, struct tenant_hold *holds, uint64_t count, unsigned tenants);

/* Pins of the value at this location. */
uint64_t tenants_pins(const struct tenants *t, uint64_t location);

/* Lets go of what those held who are gone.  true: some were. */
bool tenants_look(struct tenants *t, struct arena *a);

/* Closes pipes, and forgets. */
void tenants_fini(struct tenants *t);

#endif
