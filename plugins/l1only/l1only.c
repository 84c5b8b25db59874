/* The policy of one cache with nothing behind it: every question goes to tier l1, and its answer is the answer. */
#include "rend/plugin.h"

struct l1only_conf {
	const struct rend_node *l1;
};

static const struct rend_option options[] = {
	REND_OPTION("l1", REND_NODE, l1only_conf, l1, NULL, NULL, "The handler that keeps everything."),
	{ 0 },
};

/* One plain row with the client's verb: the engine hands the question on without walking. */
#define ASK_L1(ask)                                                      \
	{                                                                \
		.steps = (const struct rend_step[])                      \
		{                                                        \
			[1] = { .name = "l1", .verb = ask }, [2] = { 0 } \
		}                                                        \
	}

static const struct rend_walk walks[REND_VERB_SLOTS] = {
	[REND_GET] = ASK_L1(REND_GET),
	[REND_SET] = ASK_L1(REND_SET),
	[REND_ADD] = ASK_L1(REND_ADD),
	[REND_REPLACE] = ASK_L1(REND_REPLACE),
	[REND_APPEND] = ASK_L1(REND_APPEND),
	[REND_PREPEND] = ASK_L1(REND_PREPEND),
	[REND_INCR] = ASK_L1(REND_INCR),
	[REND_DECR] = ASK_L1(REND_DECR),
	[REND_DELETE] = ASK_L1(REND_DELETE),
	[REND_TOUCH] = ASK_L1(REND_TOUCH),
	[REND_FLUSH_ALL] = ASK_L1(REND_FLUSH_ALL),
};

static const struct rend_walk *
l1only_pick(const void *conf, uint32_t l1_can)
{
	return walks;
}

static const struct rend_policy policy = {
	.name = "l1only",
	.doc = "One tier answers everything.",
	.tiers = { "l1" },
	.conf_size = sizeof(struct l1only_conf),
	.options = options,
	.pick = l1only_pick,
};

REND_PLUGIN(.version = "0.1", .policy = &policy);
