/*
 * locked over a handler that answers as it is told, and over a policy of two tiers: who is asked when.  The plugin is linked in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../tests/kit/stage.h"
#include "engine/metrics.h"
#include "engine/node.h"

static int
open_shared(void **state)
{
	stage_open(SHARED, 4096, false);
	return 0;
}

/* ---- order ---- */

static void
one_mutation_at_a_time(void **state)
{
	struct asked a[3], other;

	for (int i = 0; i < 3; i++)
		stage_ask(&a[i], 0, stage.main, REND_INCR, "k");
	stage_ask(&other, 0, stage.main, REND_INCR, "o");
	kept_expect("ko");
	kept_answer(REND_OK);
	EXPECT_ANSWER(&a[0], REND_OK);
	kept_expect("kok");
	assert_false(a[1].done);
	kept_answer(REND_MISS);
	EXPECT_ANSWER(&other, REND_MISS);
	kept_answer(REND_BUSY);
	EXPECT_ANSWER(&a[1], REND_BUSY);
	kept_expect("kokk");
	kept_answer(REND_OK);
	EXPECT_ANSWER(&a[2], REND_OK);
	assert_int_equal(metrics_sum(&stage.main, 1, "waited"), 2);
}

static void
gets_share(void **state)
{
	struct asked get[3], set, gat, later;

	stage_ask(&get[0], 0, stage.main, REND_GET, "k");
	stage_ask(&get[1], 1, stage.main, REND_GET, "k");
	stage_ask(&set, 0, stage.main, REND_SET, "k");
	stage_ask(&get[2], 1, stage.main, REND_GET, "k");
	stage_prepare(&gat, 0, REND_GET, "k");
	gat.op->ask.mode = REND_ALSO_TOUCH;
	stage_submit(&gat, stage.main);
	stage_ask(&later, 0, stage.main, REND_GET, "k");
	assert_int_equal(kept.asked, 2);
	kept_answer(REND_OK);
	kept_answer(REND_OK);
	assert_int_equal(kept.asked, 3); /* the set */
	kept_answer(REND_OK);
	EXPECT_ANSWER(&set, REND_OK);
	assert_int_equal(kept.asked, 4); /* the get, and not the gat */
	kept_answer(REND_OK);
	EXPECT_ANSWER(&get[2], REND_OK);
	assert_int_equal(kept.asked, 5);
	kept_answer(REND_OK);
	EXPECT_ANSWER(&gat, REND_OK);
	kept_answer(REND_OK);
	EXPECT_ANSWER(&later, REND_OK);
}

static int
open_single(void **state)
{
	stage_open(SINGLE, 4096, false);
	return 0;
}

static void
gets_do_not_share(void **state)
{
	struct asked get[2];

	stage_ask(&get[0], 0, stage.main, REND_GET, "k");
	stage_ask(&get[1], 1, stage.main, REND_GET, "k");
	assert_int_equal(kept.asked, 1);
	kept_answer(REND_OK);
	assert_int_equal(kept.asked, 2);
	kept_answer(REND_OK);
}

static void
two_nodes_over_one_l1_share_locks(void **state)
{
	struct asked a, b;

	stage_ask(&a, 0, stage.main, REND_SET, "k");
	stage_ask(&b, 1, stage.batch, REND_SET, "k");
	kept_expect("k");
	kept_answer(REND_OK);
	kept_expect("kk");
	kept_answer(REND_OK);
	EXPECT_ANSWER(&b, REND_OK);
}

static int
open_narrow(void **state)
{
	stage_open(SHARED, 2, false);
	return 0;
}

static void
too_many_are_turned_away(void **state)
{
	struct asked a[4];

	for (int i = 0; i < 4; i++)
		stage_ask(&a[i], i % 2, stage.main, REND_SET, "k");
	EXPECT_ANSWER(&a[3], REND_BUSY);
	assert_int_equal(metrics_sum(&stage.main, 1, "turned_away"), 1);
	assert_int_equal(metrics_sum(&stage.main, 1, "waiting"), 2);
	for (int i = 0; i < 3; i++)
		kept_answer(REND_OK);
	EXPECT_ANSWER(&a[2], REND_OK);
}

#define MANY 1000

static void
a_thousand_wait_for_one_key(void **state)
{
	static struct asked a[MANY];

	for (int i = 0; i < MANY; i++)
		stage_ask(&a[i], 0, stage.main, REND_INCR, "k");
	assert_int_equal(kept.asked, 1);
	kept.at_once = true;
	kept_answer(REND_OK);
	assert_int_equal(kept.asked, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		EXPECT_ANSWER(&a[i], REND_OK);
		assert_int_equal(a[i].when, i + 1);
	}
}

static void
a_thousand_of_two_workers(void **state)
{
	static struct asked a[MANY];

	for (int i = 0; i < MANY; i++)
		stage_ask(&a[i], i / 10 % 2, stage.main, REND_INCR, "k");
	kept.at_once = true;
	kept_answer(REND_OK);
	for (int i = 0; i < MANY; i++)
		stage_turn(i % 2);
	for (unsigned i = 0; i < MANY; i++)
		EXPECT_ANSWER(&a[i], REND_OK);
	assert_int_equal(kept.asked, MANY);
}

/* ---- over a policy of two tiers ---- */

static int
open_tiered(void **state)
{
	stage_open(SHARED, 4096, true);
	return 0;
}

static void
a_walk_is_one_mutation(void **state)
{
	struct asked set[2];

	stage_ask(&set[0], 0, stage.main, REND_SET, "k");
	stage_ask(&set[1], 1, stage.batch, REND_SET, "k");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kept_verb(), REND_DELETE);
		kept_answer(REND_MISS);
		assert_int_equal(kept_verb(), REND_SET);
		kept_answer(REND_OK);
		assert_int_equal(kept_verb(), REND_SET);
		assert_true(rend_guard_holds(kept.ops[0]));
		assert_false(set[i].done);
		kept_answer(REND_OK);
		EXPECT_ANSWER(&set[i], REND_OK);
	}
	assert_int_equal(kept.asked, 6);
}

/* L1 does not have it, L2 does: may what is found be stored in L1? */
static bool
promotes(void)
{
	struct asked get;
	bool may;

	stage_ask(&get, 0, stage.main, REND_GET, "k");
	assert_int_equal(kept_verb(), REND_GET);
	kept_answer(REND_MISS);
	kept.ops[0]->item.have = REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS;
	kept_answer(REND_OK);
	assert_int_equal(kept_verb(), REND_ADD);
	may = rend_guard_holds(kept.ops[0]);
	kept_answer(REND_OK);
	EXPECT_ANSWER(&get, REND_OK);
	return may;
}

static void
a_lost_write_frees_its_key_and_not_the_guard(void **state)
{
	struct asked set;
	struct rend_op *lost;

	assert_true(promotes());
	stage_ask(&set, 0, stage.main, REND_SET, "k");
	kept_answer(REND_OK); /* out of L1 */
	lost = kept.ops[0];
	kept.count = 0;
	stage_pass(31);
	EXPECT_ANSWER(&set, REND_TIMEOUT);
	/* Its key is free, but it may still be written, so nobody may store what was read before. */
	assert_false(promotes());
	stage_on(0);
	rend_done(lost, REND_OK);
	stage_turns();
	assert_true(promotes());
}

/* ---- flush_all ---- */

static void
flush_all_is_a_mutation_of_every_key(void **state)
{
	struct asked before[2], flush, after[2];

	stage_ask(&before[0], 0, stage.main, REND_INCR, "k");
	stage_ask(&before[1], 1, stage.batch, REND_GET, "o");
	stage_ask(&flush, 1, stage.main, REND_FLUSH_ALL, "");
	stage_ask(&after[0], 0, stage.main, REND_GET, "o");
	stage_ask(&after[1], 0, stage.batch, REND_SET, "z");
	kept_expect("ko");
	kept_answer(REND_OK);
	assert_int_equal(kept.asked, 2);
	kept_answer(REND_OK);
	assert_int_equal(kept.asked, 3);
	assert_int_equal(kept.ops[0]->verb, REND_FLUSH_ALL);
	kept_answer(REND_OK);
	EXPECT_ANSWER(&flush, REND_OK);
	assert_int_equal(kept.asked, 5);
	kept_answer(REND_OK);
	kept_answer(REND_OK);
	EXPECT_ANSWER(&after[0], REND_OK);
	EXPECT_ANSWER(&after[1], REND_OK);
}

static void
two_flush_alls(void **state)
{
	struct asked holder, flush[2];

	stage_ask(&holder, 0, stage.main, REND_INCR, "k");
	stage_ask(&flush[0], 0, stage.main, REND_FLUSH_ALL, "");
	stage_ask(&flush[1], 1, stage.batch, REND_FLUSH_ALL, "");
	kept_answer(REND_OK);
	assert_int_equal(kept.asked, 2);
	kept_answer(REND_OK);
	EXPECT_ANSWER(&flush[0], REND_OK);
	assert_int_equal(kept.asked, 3);
	kept_answer(REND_OK);
	EXPECT_ANSWER(&flush[1], REND_OK);
}

/* ---- the lock set ---- */

static void
other_stripes_are_refused(void **state)
{
	struct locked_conf odd = stage.confs[0];
	struct rend_node *n;
	struct rend_error err = { 0 };

	odd.stripes = 512;
	n = node_new("odd", &stage.locked, &odd, NULL);
	assert_int_equal(node_check(n, &err), -1);
	assert_non_null(strstr(err.text, "512"));
	assert_non_null(strstr(err.text, "1024"));
	assert_non_null(strstr(err.text, "mem"));
	node_free(&n);
}

int
main(void)
{
#define TEST(name, open) cmocka_unit_test_setup_teardown(name, open, stage_close)
	const struct CMUnitTest tests[] = {
		TEST(one_mutation_at_a_time, open_shared),
		TEST(gets_share, open_shared),
		TEST(gets_do_not_share, open_single),
		TEST(two_nodes_over_one_l1_share_locks, open_shared),
		TEST(too_many_are_turned_away, open_narrow),
		TEST(a_thousand_wait_for_one_key, open_shared),
		TEST(a_thousand_of_two_workers, open_shared),
		TEST(a_walk_is_one_mutation, open_tiered),
		TEST(a_lost_write_frees_its_key_and_not_the_guard, open_tiered),
		TEST(flush_all_is_a_mutation_of_every_key, open_shared),
		TEST(two_flush_alls, open_shared),
		TEST(other_stripes_are_refused, open_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
