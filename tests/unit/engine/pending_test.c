/* What one worker has in hand, as people are shown it; and numbers found by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/generation.h"
#include "engine/metrics.h"
#include "engine/op.h"
#include "engine/pending.h"
#include "engine/worker.h"

#define MS 1000000ULL

/* A handler that keeps what it is asked. */
static struct rend_op *kept[16];
static int kept_count;

static void
keep(void *inst, struct rend_op *op)
{
	(void)inst;
	kept[kept_count++] = op;
}

static uint64_t
seven(void *arg)
{
	(void)arg;
	return 7;
}

static int
keeper_open(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	(void)store;
	(void)conf;
	(void)err;
	rend_gauge_new(self, "gauge", "seven", seven, NULL);
	rend_count(rend_counter_new(self, "counter", "three"), 3);
	rend_histogram_new(self, "histogram", "none");
	return 0;
}

static const struct rend_step get_steps[] = {
	[1] = { .name = "first", .verb = REND_GET, .no = 2 },
	[2] = { .name = "second", .verb = REND_GET },
	[3] = { .name = NULL },
};
static const struct rend_step set_steps[] = {
	[1] = { .name = "only", .verb = REND_SET },
	[2] = { .name = NULL },
};
static const struct rend_walk walks[REND_VERB_SLOTS] = {
	[REND_GET] = { REND_UNGUARDED, get_steps },
	[REND_SET] = { REND_UNGUARDED, set_steps },
};

static const struct rend_walk *
pick(const void *conf, uint32_t l1_can)
{
	(void)conf;
	(void)l1_can;
	return walks;
}

static struct plugin keeper_plugin = { .handler = {
					   .name = "keeper", .doc = "keeps", .any = keep, .open = keeper_open } };
static struct plugin policy_plugin = { .policy = { .name = "policy", .doc = "asks", .pick = pick } };

static struct rend_worker w;
static struct generation *g;
static struct rend_node *keeper, *policy;

static void
nothing(struct rend_op *op)
{
	rend_op_free(&op);
}

static void
ask(const struct rend_node *to, unsigned verb, const char *key)
{
	struct rend_op *op = op_new(&w, key, strlen(key));

	assert_non_null(op);
	op->verb = (uint8_t)verb;
	op->done = nothing;
	assert_false(rend_submit(to, op));
}

static void
answer_all(enum rend_status status)
{
	int n = kept_count;
	struct rend_op *ops[16];

	memcpy(ops, kept, sizeof ops);
	kept_count = 0;
	for (int i = 0; i < n; i++)
		rend_done(ops[i], status);
	while (worker_ready(&w)) {
		worker_turn(&w);
		worker_flush(&w);
	}
}

static int
set_up(void **state)
{
	struct rend_node **nodes = calloc(2, sizeof *nodes);
	struct rend_error err = { 0 };

	(void)state;
	kept_count = 0;
	clock_fake(100000 * MS, 1000);
	worker_set_count(1);
	keeper = nodes[0] = node_new("keeper", &keeper_plugin, NULL, NULL);
	policy = nodes[1] = node_new("main", &policy_plugin, NULL, NULL);
	policy->tiers[0] = keeper;
	policy->tier_count = 1;
	g = generation_new(nodes, 2);
	if (node_check(policy, &err) != 0 || generation_open(g, &err) != 0 || worker_init(&w, 0) != 0)
		return -1;
	worker_enter(&w);
	return generation_attach(g, &w, &err);
}

static int
tear_down(void **state)
{
	(void)state;
	while (kept_count > 0)
		answer_all(REND_OK);
	assert_int_equal(worker_ops(&w), 0);
	assert_true(generation_detach(g, &w));
	worker_enter(NULL);
	worker_fini(&w);
	generation_free(&g);
	clock_unfake();
	return 0;
}

/* ---- what is shown ---- */

static struct pending shown[16];
static unsigned shown_count, wanted;

static bool
note(const struct pending *op, void *arg)
{
	assert_ptr_equal(arg, &w);
	shown[shown_count++] = *op;
	return shown_count < wanted;
}

static unsigned
look(unsigned per_node, unsigned want)
{
	shown_count = 0;
	wanted = want;
	pending_each(&w, per_node, note, &w);
	return shown_count;
}

static const struct pending *
shown_at(const char *node, const char *key)
{
	for (unsigned i = 0; i < shown_count; i++)
		if (strcmp(shown[i].node, node) == 0 && shown[i].keylen == strlen(key) &&
		    memcmp(shown[i].key, key, strlen(key)) == 0)
			return &shown[i];
	fail_msg("%s is not shown at %s", key, node);
	return NULL;
}

static void
test_a_walk_is_shown_by_its_row_and_what_it_asked(void **state)
{
	const struct pending *op;

	(void)state;
	assert_int_equal(look(10, 10), 0);
	ask(policy, REND_GET, "k");
	clock_fake(100005 * MS, 1000);
	assert_int_equal(look(10, 10), 2);
	op = shown_at("main", "k");
	assert_string_equal(op->row, "first");
	assert_string_equal(op->verb, "get");
	assert_int_equal(op->age, 5 * MS);
	assert_false(op->is_child);
	assert_null(op->via);
	op = shown_at("keeper", "k");
	assert_null(op->row);
	assert_true(op->is_child);
	/* The walk goes on: the client's op is as old as it was, what is asked now is not. */
	answer_all(REND_MISS);
	clock_fake(100007 * MS, 1000);
	assert_int_equal(look(10, 10), 2);
	assert_string_equal(shown_at("main", "k")->row, "second");
	assert_int_equal(shown_at("main", "k")->age, 7 * MS);
	assert_int_equal(shown_at("keeper", "k")->age, 2 * MS);
	assert_int_equal(pending_count(&w), 2);
	answer_all(REND_OK);
	assert_int_equal(look(10, 10), 0);
	assert_int_equal(pending_count(&w), 0);
}

static void
test_what_is_only_passed_on_names_both(void **state)
{
	(void)state;
	ask(policy, REND_SET, "k");
	assert_int_equal(look(10, 10), 1);
	assert_string_equal(shown[0].node, "keeper");
	assert_string_equal(shown[0].via, "main");
	assert_string_equal(shown[0].verb, "set");
	assert_false(shown[0].is_child);
	assert_null(shown[0].row);
}

static void
test_only_so_many_the_oldest_first(void **state)
{
	static const char *const keys[] = { "a", "b", "c", "d" };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		clock_fake((100000 + i) * MS, 1000);
		ask(keeper, REND_GET, keys[i]);
	}
	assert_int_equal(look(3, 10), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_memory_equal(shown[i].key, keys[i], 1);
	/* Until it has enough. */
	assert_int_equal(look(3, 2), 2);
	assert_int_equal(look(0, 10), 0);
	assert_int_equal(pending_count(&w), 4);
}

/* What nobody waits for any more is in the handler's hands, but not shown. */
static void
test_what_was_given_up_is_counted(void **state)
{
	(void)state;
	ask(keeper, REND_GET, "late");
	clock_fake(200000 * MS, 1000);
	worker_turn(&w);
	assert_int_equal(look(10, 10), 0);
	assert_int_equal(pending_count(&w), 1);
	assert_int_equal(node_late(keeper), 1);
	assert_int_equal(node_refused(keeper), 0);
}

static void
test_numbers_are_found_by_name(void **state)
{
	uint64_t value = 1;

	(void)state;
	assert_true(metrics_find(keeper, "gauge", &value));
	assert_int_equal(value, 7);
	assert_true(metrics_find(keeper, "counter", &value));
	assert_int_equal(value, 3);
	assert_false(metrics_find(keeper, "histogram", &value));
	assert_false(metrics_find(keeper, "nonesuch", &value));
	assert_false(metrics_find(policy, "gauge", &value));
	assert_int_equal(metrics_sum(g->nodes, g->count, "gauge"), 7);
	assert_int_equal(metrics_sum(g->nodes, g->count, "nonesuch"), 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_walk_is_shown_by_its_row_and_what_it_asked),
		TEST(test_what_is_only_passed_on_names_both),
		TEST(test_only_so_many_the_oldest_first),
		TEST(test_what_was_given_up_is_counted),
		TEST(test_numbers_are_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
