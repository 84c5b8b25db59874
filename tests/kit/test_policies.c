/* Policies for tests: see test_policies.h. */
#include "test_policies.h"

enum { L1, L2 };

#define ALL	(REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS)
#define TO(row) .yes = (row), .no = (row), .fail = (row)

/* ---- two_tier ---- */

static const struct rend_step tt_get[] = {
	[1] = { .name = "l1", .tier = L1, .verb = REND_GET, .no = 2, .fail = 2 },
	[2] = { .name = "l2", .tier = L2, .verb = REND_GET, .want = ALL, .yes = 3 },
	[3] = { .name = "fill", .tier = L1, .verb = REND_ADD, .guarded = true, .aside = true },
	{ 0 },
};

/* A time that L1 cannot move as L2 did has to go. */
static const struct rend_step tt_get_touch[] = {
	[1] = { .name = "l2", .tier = L2, .verb = REND_GET, .want = ALL, .yes = 2, .no = 3, .fail = 3 },
	[2] = { .name = "move", .tier = L1, .verb = REND_TOUCH, .guarded = true, .aside = true, .no = 3, .fail = 3 },
	[3] = { .name = "drop", .tier = L1, .verb = REND_DELETE, .aside = true },
	{ 0 },
};

static const struct rend_step tt_set[] = {
	[1] = { .name = "drop", .tier = L1, .verb = REND_DELETE, .aside = true, TO(2) },
	[2] = { .name = "l2", .tier = L2, .verb = REND_SET, .yes = 3 },
	[3] = { .name = "publish", .tier = L1, .verb = REND_SET, .guarded = true, .aside = true },
	{ 0 },
};

static const struct rend_step tt_append[] = {
	[1] = { .name = "drop", .tier = L1, .verb = REND_DELETE, .aside = true, TO(2) },
	[2] = { .name = "l2", .tier = L2, .verb = REND_APPEND },
	{ 0 },
};

static const struct rend_step tt_incr[] = {
	[1] = { .name = "drop", .tier = L1, .verb = REND_DELETE, .aside = true, TO(2) },
	[2] = { .name = "l2", .tier = L2, .verb = REND_INCR },
	{ 0 },
};

static const struct rend_step tt_delete[] = {
	[1] = { .name = "drop", .tier = L1, .verb = REND_DELETE, .aside = true, TO(2) },
	[2] = { .name = "l2", .tier = L2, .verb = REND_DELETE },
	{ 0 },
};

static const struct rend_step tt_flush[] = {
	[1] = { .name = "l1", .tier = L1, .verb = REND_FLUSH_ALL, .yes = 2, .no = 2 },
	[2] = { .name = "l2", .tier = L2, .verb = REND_FLUSH_ALL },
	{ 0 },
};

static const struct rend_walk two_tier_walks[REND_VERB_SLOTS] = {
	[REND_GET] = { REND_READS, tt_get },
	[REND_GET_TOUCH] = { REND_WRITES, tt_get_touch },
	[REND_SET] = { REND_WRITES, tt_set },
	[REND_APPEND] = { REND_WRITES, tt_append },
	[REND_INCR] = { REND_WRITES, tt_incr },
	[REND_DELETE] = { REND_WRITES, tt_delete },
	[REND_FLUSH_ALL] = { REND_WRITES, tt_flush },
};

static const struct rend_walk *
two_tier_pick(const void *conf, uint32_t l1_can)
{
	return two_tier_walks;
}

const struct rend_policy two_tier = {
	.name = "two_tier",
	.doc = "A cache before a store.",
	.tiers = { "l1", "l2" },
	.pick = two_tier_pick,
};

/* ---- motley ---- */

static enum rend_outcome
worth_it(struct rend_flow *flow)
{
	return flow->op->item.value.len < 100 ? REND_YES : REND_NO;
}

static enum rend_outcome
is_up(struct rend_flow *flow)
{
	return rend_flow_up(flow, L2) ? REND_YES : REND_FAIL;
}

static const struct rend_step m_get[] = {
	[1] = { .name = "l1",
	    .tier = L1,
	    .verb = REND_GET,
	    .no = 2,
	    .fail = 2,
	    .but = { { REND_DOWN, 2 }, { REND_TIMEOUT, REND_REPLY } } },
	[2] = { .name = "l2", .tier = L2, .verb = REND_GET, .want = ALL, .yes = 3, .but = { { REND_CORRUPT, 6 } } },
	[3] = { .name = "small?", .run = worth_it, .yes = 4, .no = 5 },
	[4] = { .name = "fill", .tier = L1, .verb = REND_SET, .late = true, .fail = 5, .but = { { REND_TOO_BIG, 5 } } },
	[5] = { .name = "drop", .tier = L1, .verb = REND_DELETE, .mode = REND_IF_CAS, .late = true, .no = 7 },
	[6] = { .name = "mend",
	    .tier = L2,
	    .verb = REND_DELETE,
	    .aside = true,
	    .no = REND_REPLY_OK,
	    .fail = REND_REPLY_FAIL },
	[7] = { .name = "again?", .run = worth_it },
	{ 0 },
};

static const struct rend_step m_set[] = {
	[1] = { .name = "up?", .run = is_up, .yes = 2, .no = REND_REPLY_OK, .fail = REND_REPLY_FAIL },
	[2] = { .name = "l2", .tier = L2, .verb = REND_SET, .yes = 3, .aside = true, .no = REND_REPLY_FAIL, .fail = 4 },
	[3] = { .name = "l1",
	    .tier = L1,
	    .verb = REND_REPLACE,
	    .mode = REND_IF_CAS,
	    .no = REND_REPLY_OK,
	    .but = { { REND_BUSY, REND_REPLY_OK } } },
	[4] = { .name = "there?", .tier = L2, .verb = REND_GET, .want = ALL, .yes = 3, .no = 5, .fail = 5 },
	[5] = { .name = "note", .run = worth_it },
	{ 0 },
};

/* Under a guard that lasts as long as the late rows do. */
static const struct rend_step m_add[] = {
	[1] = { .name = "l2", .tier = L2, .verb = REND_ADD, TO(2) },
	[2] = { .name = "l1", .tier = L1, .verb = REND_SET, .guarded = true, .late = true, .fail = 3 },
	[3] = { .name = "look", .tier = L2, .verb = REND_GET, .want = ALL, .yes = 4 },
	[4] = { .name = "publish", .tier = L1, .verb = REND_ADD, .guarded = true },
	{ 0 },
};

/* The guard's word is looked at behind the answer. */
static const struct rend_step m_touch[] = {
	[1] = { .name = "l1", .tier = L1, .verb = REND_TOUCH, TO(2) },
	[2] = { .name = "l2",
	    .tier = L2,
	    .verb = REND_GET,
	    .want = ALL,
	    .mode = REND_ALSO_TOUCH,
	    .late = true,
	    .yes = 3 },
	[3] = { .name = "fill", .tier = L1, .verb = REND_ADD, .guarded = true },
	{ 0 },
};

static const struct rend_step m_decr[] = {
	[1] = { .name = "l1", .tier = L1, .verb = REND_DECR, .no = 2, .fail = 2 },
	[2] = { .name = "l2", .tier = L2, .verb = REND_DECR, .yes = 3, .no = REND_REPLY_FAIL },
	[3] = { .name = "drop", .tier = L1, .verb = REND_DELETE, .aside = true, .fail = REND_REPLY_FAIL },
	{ 0 },
};

/* Nothing but handing on. */
static const struct rend_step m_delete[] = {
	[1] = { .name = "l2", .tier = L2, .verb = REND_DELETE },
	{ 0 },
};

static const struct rend_walk motley_walks[REND_VERB_SLOTS] = {
	[REND_GET] = { REND_UNGUARDED, m_get },
	[REND_SET] = { REND_UNGUARDED, m_set },
	[REND_ADD] = { REND_WRITES, m_add },
	[REND_TOUCH] = { REND_READS, m_touch },
	[REND_DECR] = { REND_UNGUARDED, m_decr },
	[REND_DELETE] = { REND_UNGUARDED, m_delete },
};

static const struct rend_walk *
motley_pick(const void *conf, uint32_t l1_can)
{
	return motley_walks;
}

const struct rend_policy motley = {
	.name = "motley",
	.doc = "Everything that a table can say.",
	.tiers = { "l1", "l2" },
	.pick = motley_pick,
};
