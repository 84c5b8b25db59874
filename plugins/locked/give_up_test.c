/*
 * locked, and what becomes of ops that are given up while they wait and while they hold, for which there is no memory, and that wait when
 * their worker ends.  The plugin is linked in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../tests/kit/stage.h"
#include "../../tests/unit/base/scarce.h"
#include "base/clock.h"
#include "engine/metrics.h"
#include "engine/node.h"

static int
open_shared(void **state)
{
	stage_open(SHARED, 4096, false);
	return 0;
}

/* ---- given up ---- */

static void
given_up_while_it_waits(void **state)
{
	struct asked holder, waiter, next;

	stage_ask(&holder, 0, stage.main, REND_SET, "k");
	stage_ask(&waiter, 1, stage.batch, REND_SET, "k");
	stage_ask(&next, 1, stage.main, REND_SET, "k");
	stage_pass(11);
	EXPECT_ANSWER(&waiter, REND_TIMEOUT);
	/* It has left the line, not only its submitter. */
	assert_int_equal(node_in_flight(stage.batch), 0);
	assert_int_equal(metrics_sum(&stage.main, 1, "waiting"), 1);
	assert_false(holder.done || next.done);
	kept_answer(REND_OK);
	EXPECT_ANSWER(&holder, REND_OK);
	kept_expect("kk");
	kept_answer(REND_OK);
	EXPECT_ANSWER(&next, REND_OK);
	assert_int_equal(kept.asked, 2);
}

/* Its turn comes in the same turn of the loop in which it is given up. */
static void
given_up_when_its_turn_comes(void **state)
{
	struct asked holder, waiter, next;

	stage_ask(&holder, 0, stage.main, REND_SET, "k");
	stage_ask(&waiter, 1, stage.batch, REND_SET, "k");
	stage_ask(&next, 0, stage.main, REND_SET, "k");
	clock_fake(rend_now() + 11 * SECOND, 1000);
	stage_on(0);
	rend_done(kept.ops[0], REND_OK);
	kept.count = 0;
	stage_turn(0); /* the turn is on its way to the other worker */
	stage_turns();
	EXPECT_ANSWER(&waiter, REND_TIMEOUT);
	assert_int_equal(node_in_flight(stage.batch), 0);
	kept_expect("kk");
	kept_answer(REND_OK);
	EXPECT_ANSWER(&next, REND_OK);
}

static void
given_up_while_it_holds(void **state)
{
	struct asked holder, next;

	stage_ask(&holder, 0, stage.main, REND_SET, "k");
	stage_pass(20);
	stage_ask(&next, 1, stage.main, REND_SET, "k");
	kept_expect("k");
	stage_pass(11);
	EXPECT_ANSWER(&holder, REND_TIMEOUT);
	/* The key is free, although the write may still happen. */
	kept_expect("kk");
	kept_answer(REND_OK); /* the late one: nobody hears it */
	assert_false(next.done);
	kept_answer(REND_OK);
	EXPECT_ANSWER(&next, REND_OK);
	assert_int_equal(node_in_flight(stage.main), 0);
}

/* All of them at once: none gets the key that the one before it has just lost. */
static void
given_up_together(void **state)
{
	struct asked a[10];

	for (int i = 0; i < 10; i++)
		stage_ask(&a[i], i % 2, stage.main, REND_SET, "k");
	stage_pass(31);
	for (int i = 0; i < 10; i++)
		EXPECT_ANSWER(&a[i], REND_TIMEOUT);
	assert_int_equal(kept.asked, 1);
	kept_answer(REND_OK);
	assert_int_equal(kept.asked, 1);
}

static void
flush_all_is_given_up_while_it_waits(void **state)
{
	struct asked holder, flush, next[2];

	stage_ask(&holder, 0, stage.main, REND_INCR, "k");
	stage_ask(&flush, 1, stage.batch, REND_FLUSH_ALL, "");
	stage_ask(&next[0], 0, stage.main, REND_INCR, "k");
	stage_ask(&next[1], 0, stage.main, REND_INCR, "o");
	kept_expect("k");
	stage_pass(11);
	EXPECT_ANSWER(&flush, REND_TIMEOUT);
	assert_int_equal(node_in_flight(stage.batch), 0);
	kept_expect("ko");
	kept_answer(REND_OK);
	kept_expect("kok");
	kept_answer(REND_OK);
	kept_answer(REND_OK);
	EXPECT_ANSWER(&next[0], REND_OK);
	EXPECT_ANSWER(&next[1], REND_OK);
}

/* ---- memory ---- */

static void
no_memory_for_a_child(void **state)
{
	struct asked a, b;

	stage_prepare(&a, 0, REND_SET, "k");
	scarce_after(0);
	stage_submit(&a, stage.main);
	scarce_no_more();
	EXPECT_ANSWER(&a, REND_NO_MEMORY);
	stage_ask(&b, 0, stage.main, REND_SET, "k");
	kept_answer(REND_OK);
	EXPECT_ANSWER(&b, REND_OK);
}

static void
no_memory_for_all_stripes(void **state)
{
	struct asked a, b;

	stage_prepare(&a, 0, REND_FLUSH_ALL, "");
	scarce_after(0);
	stage_submit(&a, stage.main);
	scarce_no_more();
	EXPECT_ANSWER(&a, REND_NO_MEMORY);
	stage_ask(&b, 0, stage.main, REND_SET, "k");
	kept_answer(REND_OK);
	EXPECT_ANSWER(&b, REND_OK);
}

/* ---- the end of a worker ---- */

static void
a_worker_ends_with_waiters(void **state)
{
	struct asked holder, waiters[3], flush, next;

	stage_ask(&holder, 0, stage.main, REND_SET, "k");
	for (int i = 0; i < 3; i++)
		stage_ask(&waiters[i], 1, i == 1 ? stage.batch : stage.main, REND_SET, "k");
	stage_ask(&next, 0, stage.main, REND_SET, "k");
	stage_ask(&flush, 1, stage.main, REND_FLUSH_ALL, "");
	stage_on(1);
	worker_give_up(&stage.workers[1]);
	for (int i = 0; i < 3; i++)
		EXPECT_ANSWER(&waiters[i], REND_TIMEOUT);
	EXPECT_ANSWER(&flush, REND_TIMEOUT);
	stage_end_worker(1);
	kept_answer(REND_OK);
	kept_expect("kk");
	kept_answer(REND_OK);
	EXPECT_ANSWER(&next, REND_OK);
}

/* The turn of one is on its way when its worker ends. */
static void
a_worker_ends_with_a_turn_on_its_way(void **state)
{
	struct asked holder, waiters[2], next;

	stage_ask(&holder, 0, stage.main, REND_SET, "k");
	for (int i = 0; i < 2; i++)
		stage_ask(&waiters[i], 1, stage.main, REND_SET, "k");
	stage_ask(&next, 0, stage.main, REND_SET, "k");
	stage_on(0);
	rend_done(kept.ops[0], REND_OK);
	kept.count = 0;
	stage_turn(0);
	stage_on(1);
	worker_give_up(&stage.workers[1]);
	stage_end_worker(1);
	EXPECT_ANSWER(&waiters[0], REND_TIMEOUT);
	stage_turns();
	kept_expect("kk");
	kept_answer(REND_OK);
	EXPECT_ANSWER(&next, REND_OK);
}

/* What is under way ends with the children, and lets others go on; those were given up, and are not carried out. */
static void
a_worker_ends_that_holds(void **state)
{
	struct asked holder, waiters[2], next;

	stage_ask(&holder, 1, stage.main, REND_SET, "k");
	stage_ask(&waiters[0], 0, stage.main, REND_SET, "k");
	stage_ask(&waiters[1], 1, stage.main, REND_SET, "k");
	stage_ask(&next, 0, stage.main, REND_SET, "k");
	stage_on(0);
	worker_give_up(&stage.workers[0]);
	stage_on(1);
	worker_give_up(&stage.workers[1]);
	stage_turns();
	EXPECT_ANSWER(&holder, REND_TIMEOUT);
	EXPECT_ANSWER(&waiters[1], REND_TIMEOUT);
	kept_expect("k");
	kept_answer(REND_OK); /* its handler lets go of it */
	assert_int_equal(kept.asked, 1);
}

int
main(void)
{
#define TEST(name, open) cmocka_unit_test_setup_teardown(name, open, stage_close)
	const struct CMUnitTest tests[] = {
		TEST(given_up_while_it_waits, open_shared),
		TEST(given_up_when_its_turn_comes, open_shared),
		TEST(given_up_while_it_holds, open_shared),
		TEST(given_up_together, open_shared),
		TEST(no_memory_for_a_child, open_shared),
		TEST(no_memory_for_all_stripes, open_shared),
		TEST(flush_all_is_given_up_while_it_waits, open_shared),
		TEST(a_worker_ends_with_waiters, open_shared),
		TEST(a_worker_ends_with_a_turn_on_its_way, open_shared),
		TEST(a_worker_ends_that_holds, open_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
