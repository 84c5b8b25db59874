/* Gets that begin with the client's own op: what they take, and what becomes of a tier that does not keep its promise. */
#include "../base/unit.h"

#include <string.h>

#include "../../kit/graph.h"
#include "base/clock.h"
#include "engine/flow.h"
#include "engine/op.h"

#define NOW UINT64_C(5000000000)

enum { L1, L2 };

static const struct rend_step get[] = {
	[1] = { .name = "l1", .tier = L1, .verb = REND_GET, .own = true, .pass = REND_NO_BUMP, .no = 2, .fail = 2 },
	[2] = { .name = "l2", .tier = L2, .verb = REND_GET },
	{ 0 },
};

/* The same, but for what a glance cannot do. */
static const struct rend_step wants[] = {
	[1] = { .name = "l1", .tier = L1, .verb = REND_GET, .want = REND_WANT_CAS, .no = 2, .fail = 2 },
	[2] = { .name = "l2", .tier = L2, .verb = REND_GET },
	{ 0 },
};
static const struct rend_step goes_on[] = {
	[1] = { .name = "l1", .tier = L1, .verb = REND_GET, .yes = REND_REPLY_OK, .no = 2, .fail = 2 },
	[2] = { .name = "l2", .tier = L2, .verb = REND_GET },
	{ 0 },
};
static const struct rend_step other_tier[] = { [1] = { .name = "l2", .tier = L2, .verb = REND_GET, .no = 2, .fail = 2 },
	[2] = { .name = "l1", .tier = L1, .verb = REND_GET },
	{ 0 } };

static struct rend_walk walks[REND_VERB_SLOTS];

static const struct rend_walk *
pick(const void *conf, uint32_t l1_can)
{
	return walks;
}

static const struct rend_policy looks = { .name = "looks", .doc = "Looks.", .tiers = { "l1", "l2" }, .pick = pick };

static struct {
	struct graph g;
	enum rend_status says[2]; /* each tier */
	unsigned asked[2];
	bool hold; /* l1 keeps what it is asked, whatever it has promised */
	struct rend_op *held;
	size_t ops; /* that there were when l1 was asked */
	struct rend_op *op;
	bool done;
	enum rend_status status;
	uint32_t flags;
} t;

static void
answer(struct rend_op *op, unsigned which)
{
	/* Also with a no, as a handler may that finds out in the middle that it cannot. */
	op->item.flags = which + 1;
	op->item.have = op->ask.want;
	rend_done(op, t.says[which]);
}

static void
tier_get(void *inst, struct rend_op *op)
{
	unsigned which = inst == &t.g.tiers[L1] ? L1 : L2;

	t.asked[which]++;
	t.ops = which == L1 ? worker_ops(&t.g.worker) : t.ops;
	if (t.hold && which == L1)
		t.held = op;
	else
		answer(op, which);
}

static const struct rend_handler tier = {
	.name = "tier", .doc = "Answers.", .modes = REND_MODES_BASE | REND_NO_BUMP, .on = { [REND_GET] = tier_get }
};

static void
open_with(const struct rend_step *steps, uint32_t can)
{
	struct policy_kit kit = { .policy = &looks, .l1_can = REND_CAN_GUARD | can };
	struct rend_error err = { 0 };

	memset(&t, 0, sizeof t);
	walks[REND_GET] = (struct rend_walk){ REND_READS, steps };
	clock_fake(NOW, 1000);
	if (graph_open(&t.g, &kit, walks, &tier, NULL, &err) != 0)
		fail_msg("%s", err.text);
}

static int
end(void **state)
{
	assert_int_equal(worker_ops(&t.g.worker), 0);
	graph_close(&t.g);
	clock_unfake();
	return 0;
}

static void
turn(void)
{
	do {
		clock_tick();
		worker_turn(&t.g.worker);
		worker_flush(&t.g.worker);
	} while (worker_ready(&t.g.worker));
}

static void
client_done(struct rend_op *op)
{
	assert_false(t.done);
	t.done = true;
	t.status = (enum rend_status)op->status;
	t.flags = op->item.flags;
	rend_op_free(&t.op);
}

static void
client_gets(uint32_t mode)
{
	t.done = false;
	memset(t.asked, 0, sizeof t.asked);
	t.op = op_new(&t.g.worker, "key", 3);
	t.op->verb = REND_GET;
	t.op->ask.want = REND_WANT_VALUE;
	t.op->ask.mode = mode;
	t.op->done = client_done;
	if (rend_submit(t.g.policy, t.op))
		client_done(t.op);
}

static void
expect(enum rend_status status, uint32_t flags, unsigned l1, unsigned l2)
{
	assert_true(t.done);
	assert_int_equal(t.status, status);
	assert_int_equal(t.flags, flags);
	assert_int_equal(t.asked[L1], l1);
	assert_int_equal(t.asked[L2], l2);
}

static void
expect_rows(unsigned row, uint64_t yes, uint64_t no, uint64_t fail)
{
	assert_int_equal(flow_row_ended(t.g.policy, REND_GET, row, REND_YES), yes);
	assert_int_equal(flow_row_ended(t.g.policy, REND_GET, row, REND_NO), no);
	assert_int_equal(flow_row_ended(t.g.policy, REND_GET, row, REND_FAIL), fail);
}

static void
test_a_hit_takes_no_op_but_the_clients(void **state)
{
	open_with(get, REND_CAN_AT_ONCE);
	client_gets(0);
	expect(REND_OK, L1 + 1, 1, 0);
	assert_int_equal(t.ops, 1);
	client_gets(REND_NO_BUMP);
	expect(REND_OK, L1 + 1, 1, 0);
	assert_int_equal(t.ops, 1);
	expect_rows(1, 2, 0, 0);
	assert_int_equal(node_ended(t.g.policy, REND_GET, REND_OK), 2);
	assert_int_equal(node_ended(t.g.tiers[L1], REND_GET, REND_OK), 2);
}

static void
test_a_miss_goes_on_behind_the_first_row(void **state)
{
	open_with(get, REND_CAN_AT_ONCE);
	t.says[L1] = REND_MISS;
	client_gets(0);
	expect(REND_OK, L2 + 1, 1, 1);
	t.says[L1] = REND_NO_MEMORY;
	t.says[L2] = REND_MISS;
	client_gets(0);
	expect(REND_MISS, 0, 1, 1);
	expect_rows(1, 0, 1, 1);
	expect_rows(2, 1, 1, 0);
	assert_int_equal(node_ended(t.g.policy, REND_GET, REND_OK), 1);
	assert_int_equal(node_ended(t.g.policy, REND_GET, REND_MISS), 1);
	assert_int_equal(node_ended(t.g.tiers[L1], REND_GET, REND_MISS), 1);
	assert_int_equal(node_ended(t.g.tiers[L2], REND_GET, REND_OK), 1);
}

static void
expect_walk(const struct rend_step *steps, uint32_t can, uint32_t mode)
{
	open_with(steps, can);
	client_gets(mode);
	assert_true(t.done);
	assert_int_equal(t.status, REND_OK);
	if (t.asked[L1] != 0)
		assert_int_equal(t.ops, 2);
}

static void
test_what_is_not_the_clients_question_is_asked_with_a_child(void **state)
{
	expect_walk(get, 0, 0); /* it may answer later */
	end(NULL);
	expect_walk(get, REND_CAN_AT_ONCE, REND_IF_CAS); /* the row does not pass it on */
	end(NULL);
	expect_walk(wants, REND_CAN_AT_ONCE, 0);
	end(NULL);
	expect_walk(other_tier, REND_CAN_AT_ONCE, 0);
	end(NULL);
	expect_walk(goes_on, REND_CAN_AT_ONCE, 0);
}

static void
test_who_promised_and_answers_later(void **state)
{
	open_with(get, REND_CAN_AT_ONCE);
	t.hold = true;
	client_gets(0);
	assert_false(t.done);
	answer(t.held, L1);
	turn();
	expect(REND_OK, L1 + 1, 1, 0);
	t.says[L1] = REND_MISS;
	client_gets(0);
	answer(t.held, L1);
	turn();
	assert_true(t.done);
	assert_int_equal(t.status, REND_IO);
	assert_int_equal(t.asked[L2], 0);
	/* While it has one, others walk. */
	t.says[L1] = REND_OK;
	client_gets(0);
	{
		struct rend_op *first = t.op, *held = t.held;

		t.hold = false;
		client_gets(0);
		expect(REND_OK, L1 + 1, 1, 0);
		assert_int_equal(t.ops, 3);
		t.done = false;
		t.op = first;
		answer(held, L1);
	}
	turn();
	assert_true(t.done);
}

static void
test_who_promised_and_never_answers(void **state)
{
	open_with(get, REND_CAN_AT_ONCE);
	t.hold = true;
	client_gets(0);
	clock_fake(NOW + UINT64_C(60000000000), 1060);
	turn();
	assert_true(t.done);
	assert_int_equal(t.status, REND_TIMEOUT);
	answer(t.held, L1);
	turn();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_a_hit_takes_no_op_but_the_clients, end),
		cmocka_unit_test_teardown(test_a_miss_goes_on_behind_the_first_row, end),
		cmocka_unit_test_teardown(test_what_is_not_the_clients_question_is_asked_with_a_child, end),
		cmocka_unit_test_teardown(test_who_promised_and_answers_later, end),
		cmocka_unit_test_teardown(test_who_promised_and_never_answers, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
