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

static enum rend_outcome
marks_stale(struct rend_flow *flow)
{
	return (flow->op->ask.mode & REND_INVALIDATE) ? REND_YES : REND_NO;
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
 * the key is deleted, so if l1 evicts the copy it is a miss.  Where l2 did not delete, for whatever reason, the mark has to go: the client was not told
 * that there is something stale.  A copy that cannot be marked, because somebody else writes, is dropped.
 */
#ifndef DELETE_FIRST /* tests/faults has others, to see that they are found out */
#define DELETE_FIRST  DROP, .yes = D_L2, .no = D_L2
#define DELETE_SECOND .name = "l2", .tier = L2, .verb = REND_DELETE
#endif

enum { D_KIND = 1, D_DROP, D_L2, D_MARK, D_UNMARKED, D_L2_MARKED, D_UNMARK };

const struct rend_step tiers_delete[] = {
	[D_KIND] = { .name = "stale?", .run = marks_stale, .yes = D_MARK, .no = D_DROP, .fail = D_DROP },
	[D_DROP] = { DELETE_FIRST },
	[D_L2] = { DELETE_SECOND },
	[D_MARK] = { .name = "mark",
	    .tier = L1,
	    .verb = REND_DELETE,
	    .mode = REND_INVALIDATE,
	    .pass = REND_IF_CAS | REND_DROP_VALUE | REND_ALSO_TOUCH,
	    .guarded = true,
	    .aside = true,
	    .yes = D_L2_MARKED,
	    .no = D_UNMARKED,
	    .fail = D_UNMARKED,
	    .but = { { REND_MISS, D_L2_MARKED } } },
	[D_UNMARKED] = { .name = "drop_unmarked",
	    .tier = L1,
	    .verb = REND_DELETE,
	    .own = true,
	    .aside = true,
	    .yes = D_L2_MARKED,
	    .no = D_L2_MARKED,
	    .fail = REND_REPLY_FAIL },
	[D_L2_MARKED] = { .name = "l2_marked",
	    .tier = L2,
	    .verb = REND_DELETE,
	    .own = true,
	    .pass = REND_IF_CAS,
	    .no = D_UNMARK,
	    .fail = D_UNMARK },
	[D_UNMARK] = { .name = "unmark",
	    .tier = L1,
	    .verb = REND_DELETE,
	    .own = true,
	    .aside = true,
	    .fail = REND_REPLY_FAIL },
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
