/* l1l2's reads, and its writes that leave copies, when l1 is in another process. */
#include "apart.h"

/* ---- get: confirm ---- */

/*
 * What l2 said goes to the client only when l1 cannot contradict it any more:
 *
 *	l1 has nothing ─► a lease ─► l2 ─► the copy is put into the lease's place ─► taken: the answer is l2's
 *	                              │                                           ─► the lease is gone: the same; a write has deleted the key meanwhile
 *	                              │                                           ─► another is there: look again; a value there is the answer
 *	                              └─► nothing to copy: the lease goes, with the same outcomes
 *
 * Whatever else comes of it, the key is deleted from l1, and then the answer is l2's: all leases that are older than that are worth nothing, so
 * what comes into l1 later was read from l2 later.  If that cannot be done, the read fails, or (when_l1_away) may be seen out of order.
 *
 * Who asks for a version that l1 cannot tell, or whether its time is about to pass, is answered by l2, past l1's copy; that goes, for
 * the same reason.  Who joined a read waits for the copy that the other makes, by asking l1 again behind it.
 *
 * A crash between any two rows: the lease is nobody's, and goes after half a minute; until then reads ask l2 and put the copy into its place.
 */
#ifndef CONFIRMED_FILL /* tests/faults has others, to see that they are found out */
#define CONFIRMED_FILL .name = "fill", .tier = L1, .verb = REND_SET, .aside = true, .own = true, .lease = REND_LEASE_USE
#endif

enum {
	G_DOUBT = 1,
	G_REPAIR,
	G_L1,
	G_AS_IT_IS,
	G_L2,
	G_WHOLE,
	G_FILL,
	G_KILL,
	G_AGAIN_MAY,
	G_AGAIN,
	G_DROP,
	G_STANDS,
	G_L2_PAST,
	G_AWAY,
	G_L2_ALONE,
	G_FORGIVE,
};

static const struct rend_step confirm_get[] = {
	[G_DOUBT] = { DOUBT, .yes = G_REPAIR, .no = G_L1, .fail = G_REPAIR },
	[G_REPAIR] = { REPAIR, .yes = G_L1, .no = G_L1, .fail = G_AWAY, .but = { { REND_UNSUPPORTED, G_L2_ALONE } } },
	[G_L1] = { LEASED_L1, .yes = G_AS_IT_IS, .no = G_L2, .fail = G_AWAY,
	    .but = { { REND_UNSUPPORTED, G_L2_ALONE } } },
	[G_AS_IT_IS] = { AS_IT_IS, .yes = REND_REPLY_OK, .no = G_L2_PAST },
	[G_L2] = { APART_L2, .join = true, .joined = G_AGAIN_MAY, .yes = G_WHOLE, .no = G_KILL, .fail = G_FORGIVE },
	[G_WHOLE] = { WHOLE, .yes = G_FILL, .no = G_KILL, .fail = G_KILL },
	[G_FILL] = { CONFIRMED_FILL, .no = G_DROP, .fail = G_DROP,
	    .but = { { REND_MISS, REND_REPLY }, { REND_EXISTS, G_AGAIN_MAY } } },
	[G_KILL] = { KILL, .no = G_DROP, .fail = G_DROP,
	    .but = { { REND_MISS, REND_REPLY }, { REND_EXISTS, G_AGAIN_MAY } } },
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

/* ---- get: aside ---- */

/*
 * The copy is put into the lease's place when the client has its answer.  A write that was acknowledged before the read began has deleted the
 * key after l2 had it, so no lease and no copy from before is left: no read returns what such a write had replaced.  But the answer may be
 * ahead of l1: while a write goes, one read may see it in l2, and a later one still the old copy in l1.
 */
enum { A_DOUBT = 1, A_REPAIR, A_L1, A_AS_IT_IS, A_L2, A_WHOLE, A_FILL, A_AWAY, A_L2_ALONE, A_FORGIVE };

static const struct rend_step aside_get[] = {
	[A_DOUBT] = { DOUBT, .yes = A_REPAIR, .no = A_L1, .fail = A_REPAIR },
	[A_REPAIR] = { REPAIR, .yes = A_L1, .no = A_L1, .fail = A_AWAY, .but = { { REND_UNSUPPORTED, A_L2_ALONE } } },
	[A_L1] = { LEASED_L1, .yes = A_AS_IT_IS, .no = A_L2, .fail = A_AWAY,
	    .but = { { REND_UNSUPPORTED, A_L2_ALONE } } },
	[A_AS_IT_IS] = { AS_IT_IS, .no = A_L2_ALONE },
	[A_L2] = { APART_L2, .join = true, .yes = A_WHOLE, .fail = A_FORGIVE },
	[A_WHOLE] = { WHOLE, .yes = A_FILL },
	[A_FILL] = { .name = "fill", .tier = L1, .verb = REND_SET, .own = true, .lease = REND_LEASE_USE, .late = true },
	[A_AWAY] = { AWAY, .yes = A_L2_ALONE, .no = REND_REPLY_FAIL, .fail = REND_REPLY_FAIL },
	[A_L2_ALONE] = { L2_ALONE, .fail = A_FORGIVE },
	[A_FORGIVE] = { FORGIVE, .yes = REND_REPLY_MISS },
	{ 0 },
};

/* ---- get: exclusive ---- */

/*
 * The word is looked at behind the lease.  A write deletes the key from l1 before it asks l2, with the lease, and changes the word before that: a copy
 * that was read before it is refused there, or not even sent.  So nobody waits, and l1 has nothing that l2 could contradict: l2 may be asked
 * past it at any time.
 */
enum { O_DOUBT = 1, O_REPAIR, O_L1, O_AS_IT_IS, O_L2, O_WHOLE, O_FILL, O_L2_ALONE, O_FORGIVE };

static const struct rend_step own_get[] = {
	[O_DOUBT] = { DOUBT, .yes = O_REPAIR, .no = O_L1, .fail = O_REPAIR },
	[O_REPAIR] = { REPAIR, .yes = O_L1, .no = O_L1, .fail = O_L2_ALONE },
	[O_L1] = { LEASED_L1, .yes = O_AS_IT_IS, .no = O_L2, .fail = O_L2_ALONE },
	[O_AS_IT_IS] = { AS_IT_IS, .no = O_L2_ALONE },
	[O_L2] = { APART_L2, .join = true, .yes = O_WHOLE, .fail = O_FORGIVE },
	[O_WHOLE] = { WHOLE, .yes = O_FILL },
	[O_FILL] = { .name = "fill",
	    .tier = L1,
	    .verb = REND_SET,
	    .own = true,
	    .lease = REND_LEASE_USE,
	    .guarded = true,
	    .late = true },
	[O_L2_ALONE] = { L2_ALONE, .fail = O_FORGIVE },
	[O_FORGIVE] = { FORGIVE, .yes = REND_REPLY_MISS },
	{ 0 },
};

/* ---- set, add, replace, cas that leave copies ---- */

static const struct rend_step set[] = PUBLISHED(REND_SET, P_LEASE), add[] = PUBLISHED(REND_ADD, P_LEASE),
			      replace[] = PUBLISHED(REND_REPLACE, P_LEASE);

static const struct rend_step own_published_set[] = OWN_STORE(REND_SET, E_LEASE),
			      own_published_add[] = OWN_STORE(REND_ADD, E_LEASE),
			      own_published_replace[] = OWN_STORE(REND_REPLACE, E_LEASE);

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
online_apart(const struct tiers_conf *conf, uint32_t l1_can)
{
	return (l1_can & REND_CAN_EXCLUDE) ? own[conf->publish] : shared[conf->promote][conf->publish];
}
