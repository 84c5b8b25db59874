/* l1l2batch's reads, and its writes that leave copies where there was one, when l1 is in another process. */
#include "../l1l2/apart.h"

/* ---- get ---- */

/*
 * As l1l2's, without leases: nothing is left in l1.  What l2 said is the answer if l1 still has nothing; a value that has come there
 * meanwhile is the answer in its place; where somebody has a lease, who may have asked l2 before us, the key goes.
 */
enum {
	G_DOUBT = 1,
	G_REPAIR,
	G_L1,
	G_AS_IT_IS,
	G_L2,
	G_AGAIN_MAY,
	G_AGAIN,
	G_DROP,
	G_STANDS,
	G_L2_PAST,
	G_AWAY,
	G_L2_ALONE,
	G_FORGIVE
};

static const struct rend_step confirm_get[] = {
	[G_DOUBT] = { DOUBT, .yes = G_REPAIR, .no = G_L1, .fail = G_REPAIR },
	[G_REPAIR] = { REPAIR, .yes = G_L1, .no = G_L1, .fail = G_AWAY, .but = { { REND_UNSUPPORTED, G_L2_ALONE } } },
	[G_L1] = { LOOKED_L1, .yes = G_AS_IT_IS, .no = G_L2, .fail = G_AWAY,
	    .but = { { REND_UNSUPPORTED, G_L2_ALONE } } },
	[G_AS_IT_IS] = { AS_IT_IS, .yes = REND_REPLY_OK, .no = G_L2_PAST },
	[G_L2] = { APART_L2, .yes = G_AGAIN_MAY, .no = G_AGAIN_MAY, .fail = G_FORGIVE },
	[G_AGAIN_MAY] = { AGAIN_MAY, .yes = G_AGAIN, .no = G_DROP, .fail = G_DROP },
	[G_AGAIN] = { AGAIN, .yes = G_AS_IT_IS, .no = G_DROP, .fail = G_DROP, .but = { { REND_MISS, REND_REPLY } } },
	[G_DROP] = { READ_DROP, .fail = G_STANDS },
	[G_STANDS] = { STANDS },
	[G_L2_PAST] = { .name = "l2_past",
	    .tier = L2,
	    .verb = REND_GET,
	    .own = true,
	    .pass = APART_GET,
	    .yes = G_DROP,
	    .no = G_DROP,
	    .fail = G_FORGIVE },
	[G_AWAY] = { AWAY, .yes = G_L2_ALONE, .no = REND_REPLY_FAIL, .fail = REND_REPLY_FAIL },
	[G_L2_ALONE] = { L2_ALONE, .fail = G_FORGIVE },
	[G_FORGIVE] = { FORGIVE, .yes = REND_REPLY_MISS },
	{ 0 },
};

/* What l2 said is the answer at once. */
enum { A_DOUBT = 1, A_REPAIR, A_L1, A_AS_IT_IS, A_AWAY, A_L2_ALONE, A_FORGIVE };

static const struct rend_step aside_get[] = {
	[A_DOUBT] = { DOUBT, .yes = A_REPAIR, .no = A_L1, .fail = A_REPAIR },
	[A_REPAIR] = { REPAIR, .yes = A_L1, .no = A_L1, .fail = A_AWAY, .but = { { REND_UNSUPPORTED, A_L2_ALONE } } },
	[A_L1] = { LOOKED_L1, .yes = A_AS_IT_IS, .no = A_L2_ALONE, .fail = A_AWAY,
	    .but = { { REND_UNSUPPORTED, A_L2_ALONE } } },
	[A_AS_IT_IS] = { AS_IT_IS, .no = A_L2_ALONE },
	[A_AWAY] = { AWAY, .yes = A_L2_ALONE, .no = REND_REPLY_FAIL, .fail = REND_REPLY_FAIL },
	[A_L2_ALONE] = { L2_ALONE, .fail = A_FORGIVE },
	[A_FORGIVE] = { FORGIVE, .yes = REND_REPLY_MISS },
	{ 0 },
};

/* When l1 is ours alone, l2 may be asked past it at any time. */
enum { O_DOUBT = 1, O_REPAIR, O_L1, O_AS_IT_IS, O_L2_ALONE, O_FORGIVE };

static const struct rend_step own_get[] = {
	[O_DOUBT] = { DOUBT, .yes = O_REPAIR, .no = O_L1, .fail = O_REPAIR },
	[O_REPAIR] = { REPAIR, .yes = O_L1, .no = O_L1, .fail = O_L2_ALONE },
	[O_L1] = { LOOKED_L1, .yes = O_AS_IT_IS, .no = O_L2_ALONE, .fail = O_L2_ALONE },
	[O_AS_IT_IS] = { AS_IT_IS, .no = O_L2_ALONE },
	[O_L2_ALONE] = { L2_ALONE, .join = true, .fail = O_FORGIVE },
	[O_FORGIVE] = { FORGIVE, .yes = REND_REPLY_MISS },
	{ 0 },
};

/* ---- set, add, replace, cas that leave copies ---- */

/* As l1l2's; a lease is taken only where there was something to delete. */
static const struct rend_step set[] = PUBLISHED(REND_SET, P_L2_COLD), add[] = PUBLISHED(REND_ADD, P_L2_COLD),
			      replace[] = PUBLISHED(REND_REPLACE, P_L2_COLD);

static const struct rend_step own_published_set[] = OWN_STORE(REND_SET, E_L2_COLD),
			      own_published_add[] = OWN_STORE(REND_ADD, E_L2_COLD),
			      own_published_replace[] = OWN_STORE(REND_REPLACE, E_L2_COLD);

/* ---- which ---- */

#define PUBLISHED_STORES \
	[REND_SET] = { .steps = set }, [REND_ADD] = { .steps = add }, [REND_REPLACE] = { .steps = replace }
#define OWN_PUBLISHED_STORES                                                                              \
	[REND_SET] = { REND_WRITES, own_published_set }, [REND_ADD] = { REND_WRITES, own_published_add }, \
	[REND_REPLACE] = { REND_WRITES, own_published_replace }

static const struct rend_walk shared[2][2][REND_VERB_SLOTS] = {
	[PROMOTE_CONFIRM] = {
		[false] = { [REND_GET] = { .steps = confirm_get }, SHARED_STORES, SHARED_WALKS },
		[true] = { [REND_GET] = { .steps = confirm_get }, PUBLISHED_STORES, SHARED_WALKS },
	},
	[PROMOTE_ASIDE] = {
		[false] = { [REND_GET] = { .steps = aside_get }, SHARED_STORES, SHARED_WALKS },
		[true] = { [REND_GET] = { .steps = aside_get }, PUBLISHED_STORES, SHARED_WALKS },
	},
};

static const struct rend_walk own[2][REND_VERB_SLOTS] = {
	[false] = { [REND_GET] = { REND_READS, own_get }, OWN_STORES, OWN_WALKS },
	[true] = { [REND_GET] = { REND_READS, own_get }, OWN_PUBLISHED_STORES, OWN_WALKS },
};

const struct rend_walk *
bulk_apart(const struct tiers_conf *conf, uint32_t l1_can)
{
	return (l1_can & REND_CAN_EXCLUDE) ? own[conf->publish] : shared[conf->promote][conf->publish];
}
