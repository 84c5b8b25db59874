/*
 * What every policy must do: each path through its tables is gone for real, over tiers that answer as the path says,
 * and everything that can be seen is compared with what core/rend/flow.h promises.
 *
 *	kit ──► op ──► policy's tables ──► tier: the next row of the path?  its tier, verb, ask, item, guard?
 *	 ▲                                   │ the path's status: at once, later, from another thread, or never
 *	 └── answered once, right, with the right item; nothing left over
 */
#ifndef KIT_POLICY_KIT_H
#define KIT_POLICY_KIT_H

#include <stdint.h>
#include <stdio.h>

#include "rend/flow.h"

struct policy_kit {
	const struct rend_policy *policy;
	const void *conf;
	uint32_t l1_can;
	/* 1 << slot: only these tables are gone; 0: all. */
	uint32_t slots;
	/* What runs in place of the policy's tables; for a test of the kit itself: it has to notice.  NULL: nothing. */
	const struct rend_walk *instead;
};

/* Goes all paths.  Returns how many things were wrong, and says to out which.  No other worker may be there. */
unsigned policy_kit_run(const struct policy_kit *kit, FILE *out);

/* Compares the list of the policy's paths with the file.  Returns 0 or 1, and says to out how they differ. */
unsigned policy_kit_golden(const struct policy_kit *kit, const char *file, FILE *out);

#endif
