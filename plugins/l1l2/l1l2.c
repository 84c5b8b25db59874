/*
 * The policy of a cache l1 before a store l2: l2 has everything, l1 has copies of what is asked for often.
 *
 * What is true is what l2 says.  A copy in l1 is never older than the last write that was acknowledged, and never lives longer than what
 * it is of.  The guard of l1 sees to that: tiers.h has what all writes begin with, core/rend/flow.h what a guard is.  These are the tables for
 * an l1 in this process; those for an l1 in another one are in online.c.
 */
#include "apart.h"

static const struct rend_option options[] = {
	TIERS_OPTIONS,
	REND_OPTION("promote_ttl", REND_DURATION, tiers_conf, promote_ttl, "0", NULL,
	    "How long a copy in l1 lives when l2 cannot tell when it expires; 0: there is none then."),
	{ 0 },
};

/* ---- get ---- */

/*
 * What l1 does not have, or cannot say, l2 is asked for; the word is looked at before that.  The client has its answer, and then the copy is
 * made: as add, because what is there by now came from a later look; guarded, because what was read may be old by now: l1 looks at the
 * word under the lock that makes the copy visible, so no write can come between.
 *
 * A write between l1 and the word: l2 is asked after it.  A write after that: the copy is refused.  A crash between any two rows: l1, in
 * this process, is gone with it.
 */
#ifndef FILL /* tests/faults has others, to see that they are found out */
#define FILL .name = "fill", .tier = L1, .verb = REND_ADD, .guarded = true, .late = true
#endif

enum { G_L1 = 1, G_L2, G_WHOLE, G_FILL, G_FORGIVE, G_KIND, G_STUB };

static const struct rend_step get[] = {
	[G_L1] = { GET_L1, .no = G_L2, .fail = G_L2 },
	[G_L2] = { GET_L2, .yes = G_WHOLE, .no = G_KIND, .fail = G_FORGIVE },
	[G_WHOLE] = { .name = "whole?", .run = tiers_is_whole, .yes = G_FILL },
	[G_FILL] = { FILL },
	[G_FORGIVE] = { .name = "forgive?", .run = tiers_forgives, .yes = REND_REPLY_MISS },
	[G_KIND] = { .name = "vivify?", .run = tiers_wants_stub, .yes = G_STUB },
	[G_STUB] = { STUB },
	{ 0 },
};

/* ---- set, add, replace, cas ---- */

/*
 * l1's copy goes, l2 is written, and what it has now is put into l1, if this is the only write to the key: two that race may reach l2 in one
 * order and l1 in the other.  l2 refused, or nobody knows: l1 stays without.
 *
 * A crash between drop and l2: nothing was written.  Between l2 and publish: the next get brings the copy.
 */
enum { S_DROP = 1, S_L2, S_KNOWN, S_PUBLISH };

#ifndef STORE
#define STORE(ask)                                                                                                 \
	{                                                                                                          \
		[S_DROP] = { DROP, .yes = S_L2, .no = S_L2 },                                                      \
		[S_L2] = { .name = "l2", .tier = L2, .verb = (ask), .yes = S_KNOWN },                              \
		[S_KNOWN] = { .name = "known?", .run = tiers_knows_stored, .yes = S_PUBLISH },                     \
		[S_PUBLISH] = { .name = "publish", .tier = L1, .verb = REND_SET, .guarded = true, .aside = true }, \
		{                                                                                                  \
			0                                                                                          \
		}                                                                                                  \
	}
#endif

static const struct rend_step set[] = STORE(REND_SET), add[] = STORE(REND_ADD), replace[] = STORE(REND_REPLACE);

/* ---- which ---- */

static const struct rend_walk walks[REND_VERB_SLOTS] = {
	[REND_GET] = { REND_READS, get },
	[REND_SET] = { REND_WRITES, set },
	[REND_ADD] = { REND_WRITES, add },
	[REND_REPLACE] = { REND_WRITES, replace },
	TIERS_WALKS,
};

static const struct rend_walk *
l1l2_pick(const void *conf, uint32_t l1_can)
{
	return (l1_can & REND_CAN_LEASE) && !(l1_can & REND_CAN_GUARD) ? online_apart(conf, l1_can) : walks;
}

static const struct rend_policy policy = {
	.name = "l1l2",
	.doc = "A cache before a store: reads leave copies in l1, l2 has everything.",
	.tiers = { "l1", "l2" },
	.conf_size = sizeof(struct tiers_conf),
	.options = options,
	.pick = l1l2_pick,
	.check = tiers_check,
};

REND_PLUGIN(.version = "0.1", .policy = &policy);
