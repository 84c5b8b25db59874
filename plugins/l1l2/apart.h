/*
 * An l1 in another process: a memcached, or another rend.  It knows nothing of our guard, and other rends may use it, too.  Three protocols, of
 * which docs/policies.md says what each promises and costs:
 *
 *	confirm     any number of rends.  l2 orders the writes, l1 the reads: what a read found in l2 it answers when l1 has taken it, or has
 *	            refused it for a reason that makes the answer safe
 *	aside       the same, but reads do not wait: two of them may see an unfinished write in different orders
 *	exclusive   one rend: guard words here, a lease there; nobody waits
 *
 * In each of them a copy is made only with a lease (rend/op.h): the miss left an empty item, and only while that very item is there is its place
 * taken.  Every write deletes the key from l1, and with it the leases.
 */
#ifndef L1L2_APART_H
#define L1L2_APART_H

#include "tiers.h"

/* ---- rows, without the edges in which the tables differ ---- */

/* What l1 has of a key that is in doubt goes first. */
#define DOUBT  .name = "doubt?", .run = rend_flow_doubt
#define REPAIR .name = "repair", .tier = L1, .verb = REND_DELETE, .own = true, .aside = true, .repair = true

/* The time tells whether it is about to pass (mg R); who wins, and what is made on a miss, is l2's to say. */
#define LEASED_L1                                                                                                 \
	.name = "l1", .tier = L1, .verb = REND_GET, .own = true, .pass = REND_NO_BUMP, .want = REND_WANT_EXPTIME, \
	.lease = REND_LEASE_TAKE
#define LOOKED_L1                                                                                                 \
	.name = "l1", .tier = L1, .verb = REND_GET, .own = true, .pass = REND_NO_BUMP, .want = REND_WANT_EXPTIME, \
	.lease = REND_LEASE_LOOK
#define AS_IT_IS .name = "as_it_is?", .run = apart_serves

/* All that a client can ask for, l2 is asked; marks and empty items are its own. */
#define APART_GET REND_IF_CAS | REND_NO_BUMP | REND_VIVIFY | REND_RECACHE
#define APART_L2  .name = "l2", .tier = L2, .verb = REND_GET, .own = true, .pass = APART_GET, .want = TIERS_WHOLE
#define L2_ALONE  .name = "l2_alone", .tier = L2, .verb = REND_GET, .own = true, .pass = APART_GET
#define WHOLE	  .name = "whole?", .run = apart_is_whole
#define FORGIVE	  .name = "forgive?", .run = tiers_forgives

#define AWAY	  .name = "away?", .run = apart_reads_l2

/* The lease is not needed; or no copy may come of it. */
#define KILL .name = "kill", .tier = L1, .verb = REND_DELETE, .aside = true, .own = true, .lease = REND_LEASE_USE

/* Somebody was first: if there is a value, that is the answer. */
#define AGAIN_MAY .name = "look_again?", .run = apart_may_look
#define AGAIN                                                                                                        \
	.name = "again", .tier = L1, .verb = REND_GET, .own = true, .pass = REND_NO_BUMP, .want = REND_WANT_EXPTIME, \
	.lease = REND_LEASE_LOOK, .aside = true

/* What a read found in l2 is not contradicted, or the read fails. */
#define READ_DROP .name = "drop", .tier = L1, .verb = REND_DELETE, .own = true, .aside = true, .repair = true
#define STANDS	  .name = "stands?", .run = apart_reads_l2, .no = REND_REPLY_OPEN, .fail = REND_REPLY_OPEN

/* The first row of a write: if l1 is known to be away, nothing is done. */
#define REACHED .name = "reached?", .run = apart_reaches, .no = REND_REPLY_FAIL, .fail = REND_REPLY_FAIL

/*
 * The last rows of a write, whatever l2 said: also a no, a look at what l2 has, must not be contradicted.  If l1 cannot say that its copy is
 * gone, the client is told that the outcome is open.  A key that cannot be said there has no copy there.
 */
#define WRITE_DROP(acknowledge)                                                                      \
	.name = "drop", .tier = L1, .verb = REND_DELETE, .own = true, .aside = true, .repair = true, \
	.fail = (acknowledge), .but = { { REND_UNSUPPORTED, REND_REPLY } }
#ifndef ACKNOWLEDGE /* tests/faults has others, to see that they are found out */
#define ACKNOWLEDGE .name = "go_on?", .run = apart_goes_on, .no = REND_REPLY_OPEN, .fail = REND_REPLY_OPEN
#endif

/* A lease for what a write will have stored. */
#define LEASE	.name = "lease", .tier = L1, .verb = REND_GET, .own = true, .aside = true, .lease = REND_LEASE_ONLY
#define PUBLISH .name = "publish", .tier = L1, .verb = REND_SET, .aside = true, .own = true, .lease = REND_LEASE_USE

/* The first row of a write when l1 is ours alone.  Unanswered, the key is in doubt, which is enough. */
#define OWN_DROP .name = "drop", .tier = L1, .verb = REND_DELETE, .own = true, .aside = true, .repair = true

/* ---- set, add, replace, cas that leave copies ---- */

/*
 * The key goes, a lease is taken for what will be there, l2 is asked, and what it stored is put into the lease's place, if nobody wrote
 * meanwhile.  If that does not come off, for whatever reason, the key goes again, as behind any write.  unknown: the row for a key that l1 did not
 * have.
 */
enum { P_REACHED = 1, P_FIRST, P_LEASE, P_L2, P_KNOWN, P_PUBLISH, P_L2_COLD, P_DROP, P_ACKNOWLEDGE, P_AWAY };

#define PUBLISHED(ask, unknown)                                                                                     \
	{                                                                                                           \
		[P_REACHED] = { REACHED, .yes = P_FIRST },                                                          \
		[P_FIRST] = { .name = "first",                                                                      \
			.tier = L1,                                                                                 \
			.verb = REND_DELETE,                                                                        \
			.aside = true,                                                                              \
			.repair = true,                                                                             \
			.yes = P_LEASE,                                                                             \
			.no = (unknown),                                                                            \
			.fail = P_AWAY,                                                                             \
			.but = { { REND_UNSUPPORTED, P_L2_COLD } } },                                               \
		[P_LEASE] = { LEASE, .yes = P_L2, .no = P_L2_COLD, .fail = P_L2_COLD },                             \
		[P_L2] = { .name = "l2", .tier = L2, .verb = (ask), .yes = P_KNOWN, .no = P_DROP, .fail = P_DROP }, \
		[P_KNOWN] = { .name = "known?",                                                                     \
			.run = apart_knows_stored,                                                                  \
			.yes = P_PUBLISH,                                                                           \
			.no = P_DROP,                                                                               \
			.fail = P_DROP },                                                                           \
		[P_PUBLISH] = { PUBLISH, .no = P_DROP, .fail = P_DROP },                                            \
		[P_L2_COLD] = { .name = "l2_cold",                                                                  \
			.tier = L2,                                                                                 \
			.verb = (ask),                                                                              \
			.yes = P_DROP,                                                                              \
			.no = P_DROP,                                                                               \
			.fail = P_DROP },                                                                           \
		[P_DROP] = { WRITE_DROP(P_ACKNOWLEDGE) }, [P_ACKNOWLEDGE] = { ACKNOWLEDGE },                        \
		[P_AWAY] = { .name = "away?",                                                                       \
			.run = apart_goes_on,                                                                       \
			.yes = P_L2_COLD,                                                                           \
			.no = REND_REPLY_FAIL,                                                                      \
			.fail = REND_REPLY_FAIL },                                                                  \
		{                                                                                                   \
			0                                                                                           \
		}                                                                                                   \
	}

/* The same when l1 is ours alone: the word says whether somebody else wrote. */
enum { E_DROP = 1, E_LEASE, E_L2, E_KNOWN, E_PUBLISH, E_L2_COLD };

#define OWN_STORE(ask, unknown)                                                                \
	{                                                                                      \
		[E_DROP] = { OWN_DROP, .yes = E_LEASE, .no = (unknown), .fail = E_L2_COLD },   \
		[E_LEASE] = { LEASE, .yes = E_L2, .no = E_L2_COLD, .fail = E_L2_COLD },        \
		[E_L2] = { .name = "l2", .tier = L2, .verb = (ask), .yes = E_KNOWN },          \
		[E_KNOWN] = { .name = "known?", .run = apart_knows_stored, .yes = E_PUBLISH }, \
		[E_PUBLISH] = { PUBLISH, .guarded = true, .late = true },                      \
		[E_L2_COLD] = { .name = "l2_cold", .tier = L2, .verb = (ask) },                \
		{                                                                              \
			0                                                                      \
		}                                                                              \
	}

/* ---- decisions ---- */

/* Can what l1 has be the answer?  Sees to the version that is told. */
enum rend_outcome apart_serves(struct rend_flow *flow);

/* Could what l1 has by now be the answer? */
enum rend_outcome apart_may_look(struct rend_flow *flow);

/* tiers_is_whole(), and versions that no lease has; sets until. */
enum rend_outcome apart_is_whole(struct rend_flow *flow);

/* tiers_knows_stored(), the same. */
enum rend_outcome apart_knows_stored(struct rend_flow *flow);

/* When l1 cannot be reached: does l2 answer reads?  Are writes acknowledged?  Is a write to be begun? */
enum rend_outcome apart_reads_l2(struct rend_flow *flow);
enum rend_outcome apart_goes_on(struct rend_flow *flow);
enum rend_outcome apart_reaches(struct rend_flow *flow);

/* ---- tables ---- */

/* Writes that leave no copy: of several rends, and of the only one. */
extern const struct rend_step shared_set[], shared_add[], shared_replace[], shared_append[], shared_prepend[],
    shared_incr[], shared_decr[], shared_delete[], shared_touch[], shared_get_touch[], shared_flush_all[];
extern const struct rend_step own_set[], own_add[], own_replace[], own_append[], own_prepend[], own_incr[], own_decr[],
    own_delete[], own_touch[], own_get_touch[], own_flush_all[];

#define SHARED_STORES                                                               \
	[REND_SET] = { .steps = shared_set }, [REND_ADD] = { .steps = shared_add }, \
	[REND_REPLACE] = { .steps = shared_replace }
#define SHARED_WALKS                                                                              \
	[REND_APPEND] = { .steps = shared_append }, [REND_PREPEND] = { .steps = shared_prepend }, \
	[REND_INCR] = { .steps = shared_incr }, [REND_DECR] = { .steps = shared_decr },           \
	[REND_DELETE] = { .steps = shared_delete }, [REND_TOUCH] = { .steps = shared_touch },     \
	[REND_GET_TOUCH] = { .steps = shared_get_touch }, [REND_FLUSH_ALL] = { .steps = shared_flush_all }
#define OWN_STORES                                                                    \
	[REND_SET] = { REND_WRITES, own_set }, [REND_ADD] = { REND_WRITES, own_add }, \
	[REND_REPLACE] = { REND_WRITES, own_replace }
#define OWN_WALKS                                                                                   \
	[REND_APPEND] = { REND_WRITES, own_append }, [REND_PREPEND] = { REND_WRITES, own_prepend }, \
	[REND_INCR] = { REND_WRITES, own_incr }, [REND_DECR] = { REND_WRITES, own_decr },           \
	[REND_DELETE] = { REND_WRITES, own_delete }, [REND_TOUCH] = { REND_WRITES, own_touch },     \
	[REND_GET_TOUCH] = { REND_WRITES, own_get_touch }, [REND_FLUSH_ALL] = { REND_WRITES, own_flush_all }

/* l1l2's and l1l2batch's tables for such an l1. */
const struct rend_walk *online_apart(const struct tiers_conf *conf, uint32_t l1_can);
const struct rend_walk *bulk_apart(const struct tiers_conf *conf, uint32_t l1_can);

#endif
