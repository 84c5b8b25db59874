/*
 * The policy of bulk loads beside l1l2, over the same tiers: l2 is written and read, what was hot in l1 is kept right, and nothing comes into
 * l1 that was not there.  What a bulk load writes is soon written again, and what it reads is read once.
 *
 * It shares the guard of l1 with l1l2: to that one its writes are writes as any.  The tables for an l1 in another process are in bulk.c.
 */
#include "../l1l2/apart.h"

static const struct rend_option options[] = { TIERS_OPTIONS, { 0 } };

/* ---- get ---- */

/*
 * As in l1l2, without copies.  l2 is asked for as much, so that reads of both policies may share an answer.  The one thing that it leaves in
 * l1 is the empty item that a client asks for.
 */
enum { G_L1 = 1, G_L2, G_FORGIVE, G_KIND, G_STUB };

static const struct rend_step get[] = {
	[G_L1] = { GET_L1, .no = G_L2, .fail = G_L2 },
	[G_L2] = { GET_L2, .no = G_KIND, .fail = G_FORGIVE },
	[G_FORGIVE] = { .name = "forgive?", .run = tiers_forgives, .yes = REND_REPLY_MISS },
	[G_KIND] = { .name = "vivify?", .run = tiers_wants_stub, .yes = G_STUB },
	[G_STUB] = { STUB },
	{ 0 },
};

/* ---- set, add, replace, cas ---- */

/*
 * As in l1l2, but only a copy that was there, and had to be dropped, is replaced by a new one.  If it is gone although it was hot, because l1
 * evicted it just then, it stays so.
 */
enum { S_DROP = 1, S_L2, S_KNOWN, S_PUBLISH, S_L2_COLD };

#define STORE(ask)                                                                                                 \
	{                                                                                                          \
		[S_DROP] = { DROP, .yes = S_L2, .no = S_L2_COLD },                                                 \
		[S_L2] = { .name = "l2", .tier = L2, .verb = (ask), .yes = S_KNOWN },                              \
		[S_KNOWN] = { .name = "known?", .run = tiers_knows_stored, .yes = S_PUBLISH },                     \
		[S_PUBLISH] = { .name = "publish", .tier = L1, .verb = REND_SET, .guarded = true, .aside = true }, \
		[S_L2_COLD] = { .name = "l2_cold", .tier = L2, .verb = (ask) },                                    \
		{                                                                                                  \
			0                                                                                          \
		}                                                                                                  \
	}

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
l1l2batch_pick(const void *conf, uint32_t l1_can)
{
	return (l1_can & REND_CAN_LEASE) && !(l1_can & REND_CAN_GUARD) ? bulk_apart(conf, l1_can) : walks;
}

static const struct rend_policy policy = {
	.name = "l1l2batch",
	.doc =
	    "Bulk loads beside l1l2: l2 is written and read, hot copies in l1 are kept right, nothing else comes in.",
	.tiers = { "l1", "l2" },
	.conf_size = sizeof(struct tiers_conf),
	.options = options,
	.pick = l1l2batch_pick,
	.check = tiers_check,
};

REND_PLUGIN(.version = "0.1", .policy = &policy);
