/*
 * The tables that l1l2 and l1l2batch share.  All of these are writes: while one goes, its guard word says so, and nobody stores a copy of
 * that key in l1 but the writer itself, if it is the only one.  So what a row finds in l1 is what was there before, or nothing.
 */
#include "tiers.h"

/* ---- decisions ---- */

enum rend_outcome
tiers_forgives(struct rend_flow *flow)
{
	return ((const struct tiers_conf *)flow->conf)->read_failure == READ_MISS ? REND_YES : REND_NO;
}

enum rend_outcome
tiers_wants_stub(struct rend_flow *flow)
{
	return (flow->op->ask.mode & REND_VIVIFY) ? REND_YES : REND_NO;
}

/* An l2 that does not tell versions would let l1 give the copy one of its own, and clients would compare it with l2's. */
enum rend_outcome
tiers_knows_stored(struct rend_flow *flow)
{
	const struct rend_op *op = flow->op;

	/* A set with an older version may have been stored as stale, and the answer does not say. */
	return op->item.cas != 0 && (op->ask.mode & REND_INVALIDATE) == 0 ? REND_YES : REND_NO;
}

#define NS_PER_S 1000000000ULL

enum rend_outcome
tiers_is_whole(struct rend_flow *flow)
{
	const struct tiers_conf *conf = flow->conf;
	const struct rend_item *found = &flow->op->item;

	if ((found->have & TIERS_WHOLE & ~REND_WANT_EXPTIME) != (TIERS_WHOLE & ~REND_WANT_EXPTIME) || found->cas == 0)
		return REND_NO;
	/* A copy would look as good as new. */
	if (found->signs & (REND_STALE | REND_WON | REND_SENT))
		return REND_NO;
	if (found->have & REND_WANT_EXPTIME)
		return rend_expired(found->exptime, rend_wall()) ? REND_NO : REND_YES;
	if (conf->promote_ttl == 0)
		return REND_NO;
	flow->until = rend_earlier(
	    flow->until, rend_wall() + (int64_t)(conf->promote_ttl / NS_PER_S + (conf->promote_ttl % NS_PER_S != 0)));
	return REND_YES;
}

static enum rend_outcome
marks_stale(struct rend_flow *flow)
{
	return (flow->op->ask.mode & REND_INVALIDATE) ? REND_YES : REND_NO;
}

/* ---- options ---- */

int
tiers_check(const void *arg, uint32_t l1_can, struct rend_error *err)
{
	const struct tiers_conf *conf = arg;

	if (l1_can & REND_CAN_GUARD) {
		if (conf->promote != PROMOTE_CONFIRM || conf->publish || conf->when_l1_away != AWAY_ERROR ||
		    conf->l1_max_ttl != 0)
			return rend_error(err,
			    "promote, publish, when_l1_away and l1_max_ttl are for an l1 in another process; \"%s\" is "
			    "in "
			    "this one, where reads never wait, writes leave copies, and l1 is never away",
			    rend_node_name(conf->l1));
		return 0;
	}
	if ((l1_can & REND_CAN_EXCLUDE) && conf->promote != PROMOTE_CONFIRM)
		return rend_error(err, "promote: l1 \"%s\" is exclusive, so reads never wait for it: leave this out",
		    rend_node_name(conf->l1));
	if ((l1_can & REND_CAN_EXCLUDE) && conf->when_l1_away != AWAY_ERROR)
		return rend_error(err,
		    "when_l1_away: l1 \"%s\" is exclusive, so l2 answers while it is away: leave this out",
		    rend_node_name(conf->l1));
	if (conf->when_l1_away == AWAY_GO_ON && conf->l1_max_ttl == 0)
		return rend_error(err, "when_l1_away: with go_on a copy may be older than an acknowledged write for as "
				       "long as it lives: say "
				       "how long that may be, with l1_max_ttl");
	return 0;
}

/* ---- append, prepend, incr, decr ---- */

/*
 * l2 computes; the same arithmetic in two tiers would part them at the first write between.  What comes out is not known here as a whole,
 * so l1 stays without the key, and the next get brings it.
 *
 * Between drop and l2: l1 has nothing, l2 what was before.  A read may go to l2; it leaves no copy.
 * A crash between them: the same, for good.  The answer of l2 is lost: the word is held, so no read leaves a copy of what is overwritten later.
 */
#define COMPUTES(ask)                                                                                             \
	{                                                                                                         \
		[1] = { DROP, .yes = 2, .no = 2 }, [2] = { .name = "l2", .tier = L2, .verb = (ask) }, [3] = { 0 } \
	}

const struct rend_step tiers_append[] = COMPUTES(REND_APPEND);
const struct rend_step tiers_prepend[] = COMPUTES(REND_PREPEND);
const struct rend_step tiers_incr[] = COMPUTES(REND_INCR);
const struct rend_step tiers_decr[] = COMPUTES(REND_DECR);

/* ---- delete ---- */

/*
 * l1 is dropped whatever l2 will say: an l2 that evicts by age may have lost what l1 still has.  The answer is l2's: of two deletes that race
 * only one may say that it was there.
 *
 * A delete that marks as stale (md I) leaves the copy in l1, marked, in place of dropping it; who reads it is told that it is stale.  In l2
 * the key is deleted first: if that were refused, somebody would have been told that it is stale although it is not.  Until the mark is there the
 * write is not over, and who reads the copy reads what was there before.  Where l2 did not delete, for whatever reason, or where the copy cannot be
 * marked because somebody else writes, it is dropped.
 */
#ifndef DELETE_FIRST /* tests/faults has others, to see that they are found out */
#define DELETE_FIRST  DROP, .yes = D_L2, .no = D_L2
#define DELETE_SECOND .name = "l2", .tier = L2, .verb = REND_DELETE
#endif

enum { D_KIND = 1, D_DROP, D_L2, D_L2_MARKED, D_MARK, D_UNMARKED };

const struct rend_step tiers_delete[] = {
	[D_KIND] = { .name = "stale?", .run = marks_stale, .yes = D_L2_MARKED, .no = D_DROP, .fail = D_DROP },
	[D_DROP] = { DELETE_FIRST },
	[D_L2] = { DELETE_SECOND },
	[D_L2_MARKED] = { .name = "l2_marked",
	    .tier = L2,
	    .verb = REND_DELETE,
	    .own = true,
	    .pass = REND_IF_CAS,
	    .yes = D_MARK,
	    .no = D_UNMARKED,
	    .fail = D_UNMARKED },
	[D_MARK] = { .name = "mark",
	    .tier = L1,
	    .verb = REND_DELETE,
	    .mode = REND_INVALIDATE,
	    .pass = REND_IF_CAS | REND_DROP_VALUE | REND_ALSO_TOUCH,
	    .guarded = true,
	    .aside = true,
	    .no = D_UNMARKED,
	    .fail = D_UNMARKED,
	    .but = { { REND_MISS, REND_REPLY } } },
	[D_UNMARKED] = { .name = "drop_unmarked",
	    .tier = L1,
	    .verb = REND_DELETE,
	    .own = true,
	    .aside = true,
	    .fail = REND_REPLY_OPEN },
	{ 0 },
};

/* ---- touch, gat ---- */

/*
 * The copy stays, and must not outlive what it is of.  Before l2 is asked, it gets the earlier of both times: whatever l2 does then, also if
 * its answer is lost, the copy is gone no later.  After l2 it gets the new time, if l2 took it and nobody else wrote; else it goes, because
 * the other's time may be the one that counts.
 *
 * If l2 does not have what l1 had, the client hears so, and l1 must not contradict: that is the row "inconsistency", whose yes counts how often
 * l1 had what l2 had lost.
 */
enum { T_SHORTEN = 1, T_L2, T_MOVE, T_DROP, T_LOST, T_L2_COLD, T_KIND, T_KIND_HOT, T_STUB };

#ifndef SHORTEN
#define SHORTEN                                                                                                   \
	.name = "shorten", .tier = L1, .verb = REND_TOUCH, .mode = REND_ONLY_EARLIER, .own = true, .aside = true, \
	.yes = T_L2, .no = T_L2_COLD, .fail = REND_REPLY_FAIL
#define MOVE \
	.name = "move", .tier = L1, .verb = REND_TOUCH, .guarded = true, .aside = true, .no = T_DROP, .fail = T_DROP
#endif
#define DROP_MOVED .name = "drop", .tier = L1, .verb = REND_DELETE, .own = true, .aside = true
#define DROP_LOST \
	.name = "inconsistency", .tier = L1, .verb = REND_DELETE, .own = true, .aside = true, .fail = REND_REPLY_FAIL

const struct rend_step tiers_touch[] = {
	[T_SHORTEN] = { SHORTEN },
	[T_L2] = { .name = "l2", .tier = L2, .verb = REND_TOUCH, .yes = T_MOVE, .no = T_LOST, .fail = T_DROP },
	[T_MOVE] = { MOVE },
	[T_DROP] = { DROP_MOVED },
	[T_LOST] = { DROP_LOST },
	[T_L2_COLD] = { .name = "l2_cold", .tier = L2, .verb = REND_TOUCH },
	{ 0 },
};

/* What a get may ask of l2: who wins and what is made on a miss is l1's. */
#define GAT_L2 .tier = L2, .verb = REND_GET, .own = true, .pass = REND_ALSO_TOUCH | REND_IF_CAS | REND_NO_BUMP

/*
 * gat.  The value is l2's; a copy that was not there is not made: the next get does that.
 *
 * With a wish for an empty item (mg T N), what l1 has although l2 does not may be just that, made for another: so it is asked, not dropped.
 */
const struct rend_step tiers_get_touch[] = {
	[T_SHORTEN] = { SHORTEN },
	[T_L2] = { .name = "l2", GAT_L2, .yes = T_MOVE, .no = T_KIND_HOT, .fail = T_DROP },
	[T_MOVE] = { MOVE },
	[T_DROP] = { DROP_MOVED },
	[T_LOST] = { DROP_LOST },
	[T_L2_COLD] = { .name = "l2_cold", GAT_L2, .no = T_KIND },
	[T_KIND] = { .name = "vivify?", .run = tiers_wants_stub, .yes = T_STUB },
	[T_KIND_HOT] = { .name = "vivify_hot?", .run = tiers_wants_stub, .yes = T_STUB, .no = T_LOST, .fail = T_LOST },
	[T_STUB] = { STUB },
	{ 0 },
};

/* ---- flush_all ---- */

/*
 * A write to every key: all words say so while it goes, so no copy of what l2 had before comes into l1 after l1 was flushed.  If l1 cannot
 * be flushed, l2 is not asked.
 */
const struct rend_step tiers_flush_all[] = {
	[1] = { .name = "l1",
	    .tier = L1,
	    .verb = REND_FLUSH_ALL,
	    .aside = true,
	    .yes = 2,
	    .no = REND_REPLY_FAIL,
	    .fail = REND_REPLY_FAIL },
	[2] = { .name = "l2", .tier = L2, .verb = REND_FLUSH_ALL },
	{ 0 },
};
