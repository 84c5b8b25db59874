/* What l1l2 and l1l2batch have in common when l1 is in another process: decisions, and the writes that leave no copy. */
#include "apart.h"

/* ---- decisions ---- */

#define NS_PER_S 1000000000ULL

/* A version of l2 that looks like a lease's must not come into l1: an old lease could be that very number. */
#define OF_LEASES (1ULL << 63)

enum rend_outcome
apart_serves(struct rend_flow *flow)
{
	const struct rend_ask *ask = &flow->op->ask;
	const struct rend_item *found = &flow->op->item;

	if (apart_may_look(flow) == REND_NO)
		return REND_NO;
	if (ask->mode & REND_RECACHE) {
		if ((found->have & REND_WANT_EXPTIME) == 0)
			return REND_NO;
		if (found->exptime != 0 && found->exptime - rend_wall() < ask->recache)
			return REND_NO;
	}
	if (!flow->l1_versions)
		flow->op->item.cas |= OF_LEASES;
	return REND_YES;
}

/*
 * Versions are l2's, whoever answers.  Who asks for none, but has to be told one, is told one that l2 has not: a cas with it is refused, takes the
 * copy with it, and the next get tells the right one.
 */
enum rend_outcome
apart_may_look(struct rend_flow *flow)
{
	const struct rend_ask *ask = &flow->op->ask;

	if (ask->mode & REND_IF_CAS)
		return REND_NO;
	/* l2 may have told this client to fill it, and will not tell another. */
	if (flow->op->item.signs & (REND_WON | REND_SENT | REND_STALE))
		return REND_NO;
	if (flow->l1_versions || (ask->want & REND_WANT_ANY_CAS))
		return REND_YES;
	return ask->want & REND_WANT_CAS ? REND_NO : REND_YES;
}

static void
limit(struct rend_flow *flow)
{
	const struct tiers_conf *conf = flow->conf;
	uint64_t ttl = conf->l1_max_ttl;

	if (ttl != 0)
		flow->until = rend_earlier(
		    flow->until, rend_wall() + (int64_t)(ttl / NS_PER_S + (ttl % NS_PER_S != 0)));
}

enum rend_outcome
apart_is_whole(struct rend_flow *flow)
{
	limit(flow);
	return flow->op->item.cas & OF_LEASES ? REND_NO : tiers_is_whole(flow);
}

enum rend_outcome
apart_knows_stored(struct rend_flow *flow)
{
	limit(flow);
	return flow->op->item.cas & OF_LEASES ? REND_NO : tiers_knows_stored(flow);
}

enum rend_outcome
apart_reads_l2(struct rend_flow *flow)
{
	return ((const struct tiers_conf *)flow->conf)->when_l1_away == AWAY_ERROR ? REND_NO : REND_YES;
}

enum rend_outcome
apart_goes_on(struct rend_flow *flow)
{
	return ((const struct tiers_conf *)flow->conf)->when_l1_away == AWAY_GO_ON ? REND_YES : REND_NO;
}

enum rend_outcome
apart_reaches(struct rend_flow *flow)
{
	return apart_goes_on(flow) == REND_YES || rend_flow_up(flow, L1) ? REND_YES : REND_NO;
}

/* ---- writes, when others use l1, too ---- */

/*
 * l2 first, then the key goes from l1, then the answer.  What was in l1, or is put there by a read that asked l2 before the write, goes; a
 * lease that is older than the delete is worth nothing after it.  So what l1 has when the client hears of the write was read after it.
 *
 * Between l2 and the delete others may still read the old copy: the write is not acknowledged.  A crash there: the same, until the copy expires or
 * the key is written to.  l2's answer is lost: the write may land later, and l1 goes on with what l2 had before; who then reads the new value
 * from l2 leaves it in l1, and nobody has been told anything else before.
 */
#define SHARED(...)                                                                            \
	{                                                                                      \
		[1] = { REACHED, .yes = 2 },                                                   \
		[2] = { .name = "l2", .tier = L2, __VA_ARGS__, .yes = 3, .no = 3, .fail = 3 }, \
		[3] = { WRITE_DROP(4) }, [4] = { ACKNOWLEDGE }, [5] = {                        \
			0                                                                      \
		}                                                                              \
	}

const struct rend_step shared_set[] = SHARED(.verb = REND_SET);
const struct rend_step shared_add[] = SHARED(.verb = REND_ADD);
const struct rend_step shared_replace[] = SHARED(.verb = REND_REPLACE);
const struct rend_step shared_append[] = SHARED(.verb = REND_APPEND);
const struct rend_step shared_prepend[] = SHARED(.verb = REND_PREPEND);
const struct rend_step shared_incr[] = SHARED(.verb = REND_INCR);
const struct rend_step shared_decr[] = SHARED(.verb = REND_DECR);
const struct rend_step shared_delete[] = SHARED(.verb = REND_DELETE);
const struct rend_step shared_touch[] = SHARED(.verb = REND_TOUCH);
const struct rend_step shared_get_touch[] = SHARED(.verb = REND_GET);

/* A write to every key. */
const struct rend_step shared_flush_all[] = {
	[1] = { REACHED, .yes = 2 },
	[2] = { .name = "l2", .tier = L2, .verb = REND_FLUSH_ALL, .yes = 3, .no = 3, .fail = 3 },
	[3] = { .name = "l1",
	    .tier = L1,
	    .verb = REND_FLUSH_ALL,
	    .aside = true,
	    .repair = true,
	    .no = REND_REPLY_OPEN,
	    .fail = 4 },
	[4] = { ACKNOWLEDGE },
	{ 0 },
};

/* ---- writes, when l1 is ours alone ---- */

/*
 * As with an l1 in this process (tiers.c): the key goes from l1 before l2 is asked, and while the write goes its guard word says so.  If l1 does
 * not say that it is gone, the key is in doubt: nobody here believes a copy of it, and there is nobody else.  A touch does not move the
 * copy's time: a message that comes late could lengthen the life of a newer one.
 */
#define OWN(...)                                                                                                   \
	{                                                                                                          \
		[1] = { OWN_DROP, .yes = 2, .no = 2, .fail = 2 }, [2] = { .name = "l2", .tier = L2, __VA_ARGS__ }, \
		[3] = { 0 }                                                                                        \
	}

const struct rend_step own_set[] = OWN(.verb = REND_SET);
const struct rend_step own_add[] = OWN(.verb = REND_ADD);
const struct rend_step own_replace[] = OWN(.verb = REND_REPLACE);
const struct rend_step own_append[] = OWN(.verb = REND_APPEND);
const struct rend_step own_prepend[] = OWN(.verb = REND_PREPEND);
const struct rend_step own_incr[] = OWN(.verb = REND_INCR);
const struct rend_step own_decr[] = OWN(.verb = REND_DECR);
const struct rend_step own_delete[] = OWN(.verb = REND_DELETE);
const struct rend_step own_touch[] = OWN(.verb = REND_TOUCH);
const struct rend_step own_get_touch[] = OWN(.verb = REND_GET);

const struct rend_step own_flush_all[] = {
	[1] = { .name = "l1",
	    .tier = L1,
	    .verb = REND_FLUSH_ALL,
	    .aside = true,
	    .repair = true,
	    .yes = 2,
	    .no = REND_REPLY_FAIL,
	    .fail = REND_REPLY_FAIL },
	[2] = { .name = "l2", .tier = L2, .verb = REND_FLUSH_ALL },
	{ 0 },
};
