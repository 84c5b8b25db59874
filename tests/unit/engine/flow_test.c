/* Walks in hard times: clients that give up, memory that runs out; and what needs no walk.  tests/kit goes all paths in
 * good ones. */
#include "../base/scarce.h"
#include "../base/unit.h"

#include "../../kit/graph.h"
#include "../../kit/test_policies.h"
#include "base/clock.h"
#include "engine/flow.h"
#include "engine/flow_check.h"
#include "engine/guard.h"
#include "engine/op.h"

#define TIER_NS	  UINT64_C(1000000000)
#define CLIENT_NS UINT64_C(30000000000) /* what a policy gives its clients */
#define NOW	  UINT64_C(5000000000)

static struct {
	struct graph g;
	bool hold; /* tiers keep what they are asked */
	struct rend_op *held[32];
	unsigned held_count;
	unsigned asked;		  /* how often a tier was */
	enum rend_status l1_gets; /* what tier 0 says to a get */
	struct rend_op *op;
	unsigned answers;
	enum rend_status status;
	uint32_t have; /* what the client was told, and of which version */
	uint64_t cas;
} t;

static void
tier_answer(struct rend_op *op, bool l1)
{
	if (op->verb == REND_GET && l1 && t.l1_gets != REND_OK) {
		rend_done(op, t.l1_gets);
		return;
	}
	if (op->verb == REND_GET)
		op->item.have = op->ask.want;
	rend_done(op, REND_OK);
}

static void
tier_any(void *inst, struct rend_op *op)
{
	t.asked++;
	if (t.hold)
		t.held[t.held_count++] = op;
	else
		tier_answer(op, inst == &t.g.tiers[0]);
}

static void
tier_limits(const void *conf, struct rend_limits *limits)
{
	limits->time = TIER_NS;
}

static const struct rend_handler tier = {
	.name = "tier", .doc = "Says yes.", .modes = REND_MODES_ALL, .any = tier_any, .limits = tier_limits
};

static enum rend_outcome
yes(struct rend_flow *flow)
{
	return REND_YES;
}

static void
open_over(const struct rend_policy *policy)
{
	struct policy_kit kit = { .policy = policy, .l1_can = REND_CAN_GUARD };
	struct rend_error err = { 0 };

	memset(&t, 0, sizeof t);
	clock_fake(NOW, 1000);
	if (graph_open(&t.g, &kit, policy->pick(NULL, REND_CAN_GUARD), &tier, yes, &err) != 0)
		fail_msg("%s", err.text);
}

/* Nothing is left over: the pools look, too. */
static void
close_clean(void)
{
	assert_int_equal(worker_ops(&t.g.worker), 0);
	graph_close(&t.g);
	clock_unfake();
}

static void
turn(void)
{
	clock_tick();
	worker_turn(&t.g.worker);
	worker_flush(&t.g.worker);
}

static void
client_done(struct rend_op *op)
{
	assert_ptr_equal(op, t.op);
	t.answers++;
	t.status = (enum rend_status)op->status;
	t.have = op->item.have;
	t.cas = op->item.cas;
	rend_op_free(&t.op);
}

static void
client_makes(unsigned verb)
{
	t.answers = 0;
	t.op = op_new(&t.g.worker, "key", 3);
	assert_non_null(t.op);
	t.op->verb = (uint8_t)verb;
	t.op->ask.want = verb == REND_GET ? REND_WANT_VALUE : 0;
	t.op->done = client_done;
}

static void
client_asks(void)
{
	if (rend_submit(t.g.policy, t.op))
		client_done(t.op);
}

static unsigned
writers(void)
{
	struct rend_op *op = op_new(&t.g.worker, "key", 3);
	struct rend_guard g;

	guard_read(t.g.tiers[0]->guard, op->hash, &g);
	rend_op_free(&op);
	return g.seen & 0xffff;
}

/* ---- clients that give up ---- */

static void
a_client_that_gives_up_is_told_once(void **state)
{
	open_over(&two_tier);
	t.hold = true;
	client_makes(REND_SET);
	client_asks();
	assert_int_equal(t.held_count, 1);
	clock_fake(NOW + CLIENT_NS, 1030);
	/* Each row is asked and given up in turn: there is no time left for any. */
	for (int i = 0; i < 8; i++)
		turn();
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.status, REND_TIMEOUT);
	assert_int_equal(t.held_count, 2);
	/* Both may still happen, so their writer has not ended. */
	assert_int_equal(writers(), 1);
	tier_answer(t.held[1], false);
	turn();
	assert_int_equal(writers(), 1);
	tier_answer(t.held[0], true);
	turn();
	assert_int_equal(writers(), 0);
	assert_int_equal(t.answers, 1);
	close_clean();
}

static void
a_late_row_has_time_of_its_own(void **state)
{
	open_over(&motley);
	/* The client gives up long before the late row has to. */
	t.g.policy->limits.time = TIER_NS;
	client_makes(REND_GET);
	t.l1_gets = REND_MISS;
	t.hold = true;
	client_asks();
	clock_fake(NOW + TIER_NS - 1, 1000);
	tier_answer(t.held[0], true); /* l1: a miss */
	turn();
	tier_answer(t.held[1], false); /* l2: a hit, and the client has its answer */
	turn();
	assert_int_equal(t.held_count, 3);
	turn();
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.status, REND_OK);
	assert_null(t.op);
	assert_int_equal(t.held[2]->verb, REND_SET);
	assert_int_equal(t.held[2]->keylen, 3);
	assert_memory_equal(t.held[2]->key, "key", 3);
	assert_true(t.held[2]->deadline == NOW + 2 * TIER_NS - 1);
	tier_answer(t.held[2], true);
	turn();
	close_clean();
}

/* A row that is given up leads to a tier that comes before its own in the order of nodes. */
static void
at_the_end_rows_that_are_asked_on_the_way_are_given_up_too(void **state)
{
	open_over(&two_tier);
	t.hold = true;
	client_makes(REND_GET);
	t.op->ask.mode = REND_ALSO_TOUCH;
	client_asks();
	assert_int_equal(t.held_count, 1); /* l2 */
	worker_give_up(&t.g.worker);
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.status, REND_TIMEOUT);
	assert_int_equal(t.held_count, 2); /* and l1 */
	/* Their handlers finish them as they are detached: there is no turn any more. */
	rend_done(t.held[0], REND_LOST);
	rend_done(t.held[1], REND_LOST);
	close_clean();
}

/* ---- memory that runs out ---- */

struct hard {
	const struct rend_policy *policy;
	unsigned verb;
	unsigned rows; /* that are asked in good times */
};

static const struct hard hards[] = {
	{ &two_tier, REND_GET, 3 },
	{ &two_tier, REND_SET, 3 },
	{ &two_tier, REND_FLUSH_ALL, 2 },
	{ &motley, REND_GET, 3 },
	{ &motley, REND_ADD, 2 },
	{ &motley, REND_TOUCH, 3 },
};

static void
hard_time(const struct hard *h, int allocations)
{
	open_over(h->policy);
	t.l1_gets = REND_MISS;
	client_makes(h->verb);
	scarce_after(allocations);
	client_asks();
	scarce_no_more();
	if (t.answers != 1)
		fail_msg("%s, %d allocations: %u answers", rend_verb_name(h->verb), allocations, t.answers);
	if (t.status != REND_OK && t.status != REND_NO_MEMORY)
		fail_msg("%s, %d allocations: %s", rend_verb_name(h->verb), allocations, rend_status_name(t.status));
	if (t.g.tiers[0]->guard != NULL)
		assert_int_equal(writers(), 0);
}

static void
walks_get_by_without_memory(void **state)
{
	for (size_t i = 0; i < COUNT_OF(hards); i++)
		for (int n = 0;; n++) {
			unsigned asked;

			hard_time(&hards[i], n);
			asked = t.asked;
			close_clean();
			/* Without anything to begin with, nothing is begun. */
			if (n == 0)
				assert_int_equal(asked, 0);
			if (n == 0)
				assert_int_equal(t.status, REND_NO_MEMORY);
			if (asked == hards[i].rows && t.status == REND_OK && n > 0)
				break;
			assert_true(n < 8);
		}
}

/* A kid and a holder are there, a shadow is not: the late rows run all the same, and then the client is told. */
static void
late_rows_run_without_a_shadow(void **state)
{
	open_over(&motley);
	client_makes(REND_ADD);
	t.hold = true;
	client_asks();
	scarce_after(0);
	tier_answer(t.held[0], false);
	turn();
	assert_int_equal(t.held_count, 2);
	turn();
	assert_int_equal(t.answers, 0);
	rend_done(t.held[1], REND_NOT_STORED); /* is not the answer */
	turn();
	turn();
	scarce_no_more();
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.status, REND_OK);
	assert_int_equal(writers(), 0);
	close_clean();
}

/* What a late row finds then would be taken for the client's. */
static void
late_gets_do_not_run_without_a_shadow(void **state)
{
	open_over(&motley);
	client_makes(REND_ADD);
	t.hold = true;
	client_asks();
	scarce_after(0);
	tier_answer(t.held[0], false);
	turn();
	rend_done(t.held[1], REND_DOWN); /* now a get would come */
	turn();
	turn();
	scarce_no_more();
	assert_int_equal(t.asked, 2);
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.status, REND_OK);
	close_clean();
}

/* Nor does anything else that they are told: what the client asked for was found before. */
static void
late_rows_without_a_shadow_leave_the_answer_alone(void **state)
{
	open_over(&motley);
	client_makes(REND_GET);
	t.op->ask.want |= REND_WANT_CAS;
	t.hold = true;
	client_asks();
	t.l1_gets = REND_MISS;
	tier_answer(t.held[0], true);
	turn();
	assert_int_equal(t.held_count, 2);
	t.held[1]->item.cas = 7;
	scarce_after(0);
	tier_answer(t.held[1], false);
	turn();
	assert_int_equal(t.held_count, 3);
	assert_int_equal(t.held[2]->verb, REND_SET);
	t.held[2]->item.cas = 9;
	tier_answer(t.held[2], true);
	turn();
	turn();
	scarce_no_more();
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.status, REND_OK);
	assert_int_equal(t.have & (REND_WANT_VALUE | REND_WANT_CAS), REND_WANT_VALUE | REND_WANT_CAS);
	assert_int_equal(t.cas, 7);
	close_clean();
}

static void
a_warm_walk_allocates_nothing(void **state)
{
	open_over(&two_tier);
	for (int warm = 0; warm < 2; warm++)
		for (int miss = 0; miss < 2; miss++) {
			t.l1_gets = miss ? REND_MISS : REND_OK;
			client_makes(REND_GET);
			if (warm)
				scarce_after(0);
			client_asks();
			scarce_no_more();
			assert_int_equal(t.answers, 1);
			assert_int_equal(t.status, REND_OK);
		}
	close_clean();
}

/* ---- what rows are given ---- */

/* A copy of something whose exptime nobody knows; a mark. */
static const struct rend_step bounded_get[] = {
	[1] = { .name = "l2", .tier = 1, .verb = REND_GET, .want = REND_WANT_VALUE | REND_WANT_EXPTIME, .yes = 2 },
	[2] = { .name = "until", .run = yes, .yes = 3 },
	[3] = { .name = "again", .run = yes, .yes = 4 },
	[4] = { .name = "fill", .tier = 0, .verb = REND_ADD, .guarded = true, .aside = true },
	{ 0 },
};

static const struct rend_step bounded_delete[] = {
	[1] = { .name = "mark", .tier = 0, .verb = REND_DELETE, .mode = REND_INVALIDATE, .guarded = true },
	{ 0 },
};

static const struct rend_walk bounded_walks[REND_VERB_SLOTS] = {
	[REND_GET] = { REND_READS, bounded_get },
	[REND_DELETE] = { REND_WRITES, bounded_delete },
};

static const struct rend_walk *
bounded_pick(const void *conf, uint32_t l1_can)
{
	return bounded_walks;
}

static const struct rend_policy bounded = {
	.name = "bounded", .doc = "Bounds copies.", .tiers = { "l1", "l2" }, .pick = bounded_pick
};

static int64_t bound;

static enum rend_outcome
sets_bound(struct rend_flow *flow)
{
	assert_int_equal(flow->until, 0);
	flow->until = bound;
	return REND_YES;
}

static void
a_function_bounds_the_copies_behind_it(void **state)
{
	static const struct {
		int64_t bound, found, copy;
	} rows[] = { { 0, 0, 0 }, { 0, 500, 500 }, { 100, 0, 100 }, { 100, 500, 100 }, { 500, 100, 100 } };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct policy_kit kit = { .policy = &bounded, .l1_can = REND_CAN_GUARD };
		struct rend_error err = { 0 };

		memset(&t, 0, sizeof t);
		clock_fake(NOW, 50);
		bound = rows[i].bound;
		assert_int_equal(graph_open(&t.g, &kit, bounded_walks, &tier, sets_bound, &err), 0);
		t.hold = true;
		client_makes(REND_GET);
		client_asks();
		t.held[0]->item.exptime = rows[i].found;
		t.held[0]->item.have = t.held[0]->ask.want;
		rend_done(t.held[0], REND_OK);
		turn();
		assert_int_equal(t.held[1]->verb, REND_ADD);
		assert_int_equal(t.held[1]->item.exptime, rows[i].copy);
		rend_done(t.held[1], REND_OK);
		turn();
		turn();
		assert_int_equal(t.answers, 1);
		close_clean();
	}
}

static void
what_only_l1_has_gets_a_version_of_its_own(void **state)
{
	uint64_t versions[100];

	open_over(&bounded);
	t.hold = true;
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		t.held_count = 0;
		client_makes(REND_DELETE);
		if (i == 50)
			t.op->ask.cas_new = 1234;
		client_asks();
		assert_true(t.held[0]->ask.mode == REND_INVALIDATE);
		versions[i] = t.held[0]->ask.cas_new;
		rend_done(t.held[0], REND_OK);
		turn();
		turn();
		assert_int_equal(t.answers, 1);
		assert_int_equal(versions[i] >> 63, i != 50);
		for (size_t k = 0; k < i; k++)
			assert_true(versions[k] != versions[i]);
	}
	assert_int_equal(versions[50], 1234); /* the client's, if it has one */
	close_clean();
}

/* ---- what needs no walk ---- */

static const struct plain {
	const char *what;
	struct rend_walk walk;
	bool passes;
} plains[] = {
#define ROWS(...)                         \
	(const struct rend_step[])        \
	{                                 \
		[0] = { 0 }, __VA_ARGS__, \
		{                         \
			0                 \
		}                         \
	}
	{ "plain", { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET }) }, true },
	{ "no rows", { 0, NULL }, false },
	{ "another verb", { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_TOUCH }) }, false },
	{ "want", { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .want = REND_WANT_CAS }) }, false },
	{ "yes", { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .yes = REND_REPLY_OK }) }, false },
	{ "no", { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .no = REND_REPLY_OK }) }, false },
	{ "fail", { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .fail = REND_REPLY_OK }) }, false },
	{ "but", { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .but = { { REND_DOWN, REND_REPLY_OK } } }) },
	    false },
	{ "own", { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .own = true }) }, false },
	{ "aside", { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .aside = true }) }, false },
	{ "late", { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .late = true }) }, false },
	{ "function", { 0, ROWS({ .name = "l2", .run = yes }) }, false },
	{ "guard", { REND_READS, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET }) }, false },
	{ "two rows",
	    { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .no = 2 },
		     { .name = "l1", .tier = 0, .verb = REND_GET }) },
	    false },
};

static void
plain_tables_are_passed_on(void **state)
{
	struct rend_node tiers[2] = { { 0 }, { 0 } };

	for (size_t i = 0; i < COUNT_OF(plains); i++) {
		struct rend_walk walks[REND_VERB_SLOTS] = { [REND_GET] = plains[i].walk };
		struct rend_node policy = { .walks = walks, .tiers = { &tiers[0], &tiers[1] }, .tier_count = 2 };
		const struct rend_node *to = flow_passes(&policy, REND_GET);

		if (to != (plains[i].passes ? &tiers[1] : NULL))
			fail_msg("%s: %s", plains[i].what, to == NULL ? "is not passed on" : "is passed on");
		/* Two tables for gets: which one it is takes a look at the op. */
		walks[REND_GET_TOUCH] = plains[0].walk;
		assert_null(flow_passes(&policy, REND_GET));
		assert_null(flow_passes(&policy, REND_GET_TOUCH));
		assert_null(flow_passes(&policy, REND_VERB_COUNT));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_that_gives_up_is_told_once),
		cmocka_unit_test(a_late_row_has_time_of_its_own),
		cmocka_unit_test(at_the_end_rows_that_are_asked_on_the_way_are_given_up_too),
		cmocka_unit_test(walks_get_by_without_memory),
		cmocka_unit_test(late_rows_run_without_a_shadow),
		cmocka_unit_test(late_gets_do_not_run_without_a_shadow),
		cmocka_unit_test(late_rows_without_a_shadow_leave_the_answer_alone),
		cmocka_unit_test(a_warm_walk_allocates_nothing),
		cmocka_unit_test(a_function_bounds_the_copies_behind_it),
		cmocka_unit_test(what_only_l1_has_gets_a_version_of_its_own),
		cmocka_unit_test(plain_tables_are_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
