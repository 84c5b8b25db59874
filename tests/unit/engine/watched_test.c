/* What others may know of a worker while it works: whose function it is in, and which nodes it reaches. */
#include "../base/unit.h"

#include "base/clock.h"
#include "engine/generation.h"
#include "engine/op.h"
#include "engine/worker.h"

static struct rend_worker w;
static struct generation *g;
static struct rend_node *front, *back, *policy, *passing;

/* Where the worker was, as each function saw it. */
static char seen[256];

static void
note(const char *function)
{
	const struct rend_node *at = worker_at(&w);
	size_t len = strlen(seen);

	snprintf(seen + len, sizeof seen - len, "%s%s:%s", len == 0 ? "" : " ", function, at == NULL ? "-" : at->name);
}

static void
saw(const char *expected)
{
	assert_string_equal(seen, expected);
	seen[0] = '\0';
}

/* ---- a handler that answers, and one that asks it ---- */

static bool reachable = true;
static struct rend_op *kept;

static void
back_any(void *inst, struct rend_op *op)
{
	note("on");
	if (op->verb == REND_GET)
		kept = op;
	else
		rend_done(op, REND_OK);
}

static void
back_flush(void *inst)
{
	note("flush");
}

static void
back_tick(void *inst)
{
	note("tick");
}

static bool
back_up(void *inst)
{
	note("up");
	return reachable;
}

static void
front_done(struct rend_op *kid)
{
	struct rend_op *op = kid->up;

	note("done");
	rend_op_free(&kid);
	rend_done(op, REND_MISS);
}

static void
front_any(void *inst, struct rend_op *op)
{
	struct rend_op *kid = rend_op_child(op);

	note("before");
	kid->verb = op->verb;
	kid->up = op;
	kid->done = front_done;
	if (rend_submit(back, kid)) {
		note("behind");
		rend_op_free(&kid);
		rend_done(op, REND_OK);
	}
}

static enum rend_outcome
decide(struct rend_flow *flow)
{
	note("run");
	return REND_YES;
}

static const struct rend_step get_steps[] = {
	[1] = { .name = "ask", .verb = REND_GET, .yes = 2, .no = 2, .fail = 2 },
	[2] = { .name = "decide", .run = decide, .yes = REND_REPLY_OK },
	[3] = { .name = NULL },
};
static const struct rend_step set_steps[] = { [1] = { .name = "only", .verb = REND_SET }, [2] = { .name = NULL } };
static const struct rend_walk walks[REND_VERB_SLOTS] = {
	[REND_GET] = { REND_UNGUARDED, get_steps },
	[REND_SET] = { REND_UNGUARDED, set_steps },
};

static const struct rend_walk *
pick(const void *conf, uint32_t l1_can)
{
	return walks;
}

static struct plugin back_plugin = {
	.handler = { .name = "b", .doc = "b", .any = back_any, .flush = back_flush, .tick = back_tick, .up = back_up }
};
static struct plugin front_plugin = { .handler = { .name = "f", .doc = "f", .any = front_any } };
static struct plugin policy_plugin = { .policy = { .name = "p", .doc = "p", .pick = pick } };

static int
set_up(void **state)
{
	struct rend_node **nodes = calloc(4, sizeof *nodes);
	struct rend_error err = { 0 };

	clock_fake(100000000000U, 1000);
	worker_set_count(1);
	reachable = true;
	back = nodes[0] = node_new("back", &back_plugin, NULL, NULL);
	front = nodes[1] = node_new("front", &front_plugin, NULL, NULL);
	policy = nodes[2] = node_new("policy", &policy_plugin, NULL, NULL);
	passing = nodes[3] = node_new("passing", &policy_plugin, NULL, NULL);
	policy->tiers[0] = back;
	policy->tier_count = 1;
	passing->tiers[0] = policy;
	passing->tiers[1] = back;
	passing->tier_count = 2;
	g = generation_new(nodes, 4);
	if (node_check(policy, &err) != 0 || node_check(passing, &err) != 0 || generation_open(g, &err) != 0 ||
	    worker_init(&w, 0) != 0)
		return -1;
	worker_enter(&w);
	if (generation_attach(g, &w, &err) != 0)
		return -1;
	saw("up:back");
	return 0;
}

static int
tear_down(void **state)
{
	assert_int_equal(worker_ops(&w), 0);
	assert_null(worker_at(&w));
	assert_true(generation_detach(g, &w));
	worker_enter(NULL);
	worker_fini(&w);
	generation_free(&g);
	clock_unfake();
	return 0;
}

static void
client_done(struct rend_op *op)
{
	note("client");
	rend_op_free(&op);
}

/* true: it was answered at once. */
static bool
ask(const struct rend_node *to, unsigned verb)
{
	struct rend_op *op = op_new(&w, "k", 1);

	op->verb = (uint8_t)verb;
	op->done = client_done;
	if (!rend_submit(to, op))
		return false;
	assert_null(worker_at(&w));
	rend_op_free(&op);
	return true;
}

static void
answer(void)
{
	struct rend_op *op = kept;

	kept = NULL;
	rend_done(op, REND_OK);
	while (worker_ready(&w))
		worker_turn(&w);
	assert_null(worker_at(&w));
}

static void
each_function_of_a_plugin_is_at_its_node(void **state)
{
	assert_true(ask(back, REND_SET));
	saw("on:back");
	worker_flush(&w);
	saw("tick:back flush:back");
	worker_look(&w);
	saw("up:back");
}

static void
one_that_asks_another_is_back_in_itself(void **state)
{
	assert_true(ask(front, REND_SET));
	saw("before:front on:back behind:front");
	assert_false(ask(front, REND_GET));
	saw("before:front on:back");
	worker_flush(&w);
	seen[0] = '\0';
	answer();
	/* Its own done is the core's business. */
	saw("done:front client:-");
}

static void
a_policy_is_where_it_decides_and_its_tier_where_that_is_asked(void **state)
{
	assert_false(ask(policy, REND_GET));
	saw("on:back");
	worker_flush(&w);
	seen[0] = '\0';
	answer();
	saw("run:policy client:-");
	/* A walk that is only passed on is not walked. */
	assert_true(ask(policy, REND_SET));
	saw("on:back");
	worker_flush(&w);
	seen[0] = '\0';
}

static void
an_op_that_is_given_up_is_told_to_whom_it_belongs(void **state)
{
	assert_false(ask(front, REND_GET));
	worker_flush(&w);
	seen[0] = '\0';
	worker_give_up(&w);
	assert_null(worker_at(&w));
	saw("done:front");
	answer();
	saw("client:-");
}

static void
what_a_worker_reaches_is_what_it_found_last(void **state)
{
	int of;

	assert_int_equal(node_reached(back, &of), 1);
	assert_int_equal(of, 1);
	reachable = false;
	assert_int_equal(node_reached(back, &of), 1);
	worker_look(&w);
	seen[0] = '\0';
	assert_int_equal(node_reached(back, &of), 0);
	assert_int_equal(of, 1);
	assert_false(node_up(back));
	/* A handler without up() is always there, a policy as long as one of its tiers is, at any depth. */
	assert_true(node_up(front));
	assert_false(node_up(policy));
	assert_false(node_up(passing));
	reachable = true;
	worker_look(&w);
	seen[0] = '\0';
	assert_true(node_up(policy));
	assert_true(node_up(passing));
}

static void
before_any_worker_is_there_nothing_is_reached(void **state)
{
	struct rend_node *n = node_new("lonely", &front_plugin, NULL, NULL);
	int of = 7;

	assert_int_equal(node_reached(n, &of), 0);
	assert_int_equal(of, 0);
	assert_false(node_up(n));
	node_free(&n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_function_of_a_plugin_is_at_its_node, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_asks_another_is_back_in_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_policy_is_where_it_decides_and_its_tier_where_that_is_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_op_that_is_given_up_is_told_to_whom_it_belongs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_worker_reaches_is_what_it_found_last, set_up, tear_down),
		cmocka_unit_test(before_any_worker_is_there_nothing_is_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
