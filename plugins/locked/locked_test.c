/*
 * locked over a handler that answers as it is told, or over a policy of two such tiers, on two workers, both played by this thread: who is
 * asked when, what becomes of ops that are given up while they wait and while they hold, and of those that wait when their worker ends.  The
 * plugin is linked in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "engine/generation.h"
#include "engine/metrics.h"
#include "engine/op.h"
#include "engine/worker.h"
#include "../../tests/kit/test_policies.h"
#include "../../tests/unit/base/scarce.h"

#define SECOND 1000000000ULL

/* As in locked.c. */
struct locked_conf {
	const struct rend_node *over;
	int64_t stripes;
	int readers;
	int64_t queue;
	uint64_t request_timeout;
};
enum { SHARED, SINGLE };

extern const struct rend_plugin *rend_plugin(void);

/* ---- the handler below: keeps ops, or answers at once ---- */

#define KEPT_MAX 16

static struct {
	bool at_once;
	struct rend_op *ops[KEPT_MAX];
	int count; /* kept now */
	int asked; /* ever */
	char keys[2048];
} kept;

static void
kept_any(void *inst, struct rend_op *op)
{
	kept.asked++;
	strncat(kept.keys, op->key, 1);
	if (kept.at_once) {
		op->item.number = 7;
		rend_done(op, REND_OK);
		return;
	}
	assert_true(kept.count < KEPT_MAX);
	kept.ops[kept.count++] = op;
}

static const struct rend_handler kept_handler = {
	.name = "kept", .doc = "Keeps ops.", .can = REND_CAN_GUARD, .any = kept_any
};
static const struct rend_plugin kept_self = { .version = "0", .build = "", .handler = &kept_handler };

/* ---- two workers, one L1, two nodes of locked over it ---- */

static struct {
	struct rend_worker workers[2];
	struct plugin below, locked, tiers;
	struct locked_conf confs[2];
	struct generation *generation;
	struct rend_node *l1, *main, *batch, *tiered; /* tiered: NULL, or what main is over */
	bool attached[2];
} rig;

static void
on(int worker)
{
	worker_enter(&rig.workers[worker]);
}

static void
turn(int worker)
{
	on(worker);
	worker_turn(&rig.workers[worker]);
	worker_flush(&rig.workers[worker]);
}

static void
turns(void)
{
	for (int i = 0; i < 6; i++)
		if (rig.attached[i % 2])
			turn(i % 2);
	on(0);
}

/* A policy of two tiers: mem, and another of its kind. */
static void
make_tiers(struct rend_node **nodes, size_t *count)
{
	rig.tiers = (struct plugin){ .self = &kept_self, .policy = two_tier };
	nodes[*count] = node_new("disk", &rig.below, NULL, NULL);
	rig.tiered = node_new("tiered", &rig.tiers, NULL, NULL);
	rig.tiered->tiers[0] = rig.l1;
	rig.tiered->tiers[1] = nodes[*count];
	rig.tiered->tier_count = 2;
	nodes[*count + 1] = rig.tiered;
	*count += 2;
}

static void
open_rig(int readers, int64_t queue, bool tiered)
{
	struct rend_node **nodes = calloc(5, sizeof *nodes);
	struct rend_error err = { 0 };
	size_t count = 1;

	memset(&kept, 0, sizeof kept);
	clock_fake(100 * SECOND, 1000);
	hash_seed(7);
	worker_set_count(2);
	rig.below = (struct plugin){ .self = &kept_self, .handler = kept_handler };
	rig.locked = (struct plugin){ .self = rend_plugin(), .handler = *rend_plugin()->handler };
	nodes[0] = rig.l1 = node_new("mem", &rig.below, NULL, NULL);
	rig.tiered = NULL;
	if (tiered)
		make_tiers(nodes, &count);
	rig.confs[0] = (struct locked_conf){ .over = tiered ? rig.tiered : rig.l1,
		.stripes = 1024,
		.readers = readers,
		.queue = queue,
		.request_timeout = 30 * SECOND };
	rig.confs[1] = rig.confs[0];
	rig.confs[1].request_timeout = 10 * SECOND;
	nodes[count++] = rig.main = node_new("main", &rig.locked, &rig.confs[0], NULL);
	nodes[count++] = rig.batch = node_new("batch", &rig.locked, &rig.confs[1], NULL);
	rig.generation = generation_new(nodes, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(node_check(nodes[i], &err), 0);
	assert_int_equal(generation_open(rig.generation, &err), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(worker_init(&rig.workers[i], i), 0);
		on(i);
		assert_int_equal(generation_attach(rig.generation, &rig.workers[i], &err), 0);
		rig.attached[i] = true;
	}
	on(0);
}

static void
end_worker(int worker)
{
	on(worker);
	assert_true(generation_detach(rig.generation, &rig.workers[worker]));
	assert_int_equal(worker_ops(&rig.workers[worker]), 0);
	rig.attached[worker] = false;
	on(!worker);
}

static int
close_rig(void **state)
{
	assert_int_equal(metrics_sum(&rig.main, 1, "waiting"), 0);
	for (int i = 0; i < 2; i++)
		if (rig.attached[i])
			end_worker(i);
	worker_enter(NULL);
	for (int i = 0; i < 2; i++)
		worker_fini(&rig.workers[i]);
	generation_free(&rig.generation);
	clock_unfake();
	scarce_no_more();
	return 0;
}

static int
open_shared(void **state)
{
	open_rig(SHARED, 4096, false);
	return 0;
}

/* ---- asking ---- */

struct ask {
	struct rend_op *op;
	bool done;
	enum rend_status status;
	unsigned when; /* 1, 2, ... in the order of answers */
};

static unsigned answers;

static void
answered(struct rend_op *op)
{
	struct ask *a = op->up;

	assert_false(a->done);
	a->done = true;
	a->status = (enum rend_status)op->status;
	a->when = ++answers;
	rend_op_free(&a->op);
}

/* The key is the first letter. */
static void
prepare(struct ask *a, int worker, unsigned verb, const char *key)
{
	on(worker);
	*a = (struct ask){ .op = op_new(&rig.workers[worker], key, strlen(key)) };
	assert_non_null(a->op);
	a->op->verb = (uint8_t)verb;
	a->op->up = a;
	a->op->done = answered;
}

static void
submit(struct ask *a, const struct rend_node *to)
{
	if (rend_submit(to, a->op))
		answered(a->op);
}

static void
ask(struct ask *a, int worker, const struct rend_node *to, unsigned verb, const char *key)
{
	prepare(a, worker, verb, key);
	submit(a, to);
}

/* The oldest that is kept. */
static void
answer(enum rend_status status)
{
	struct rend_op *op = kept.ops[0];

	assert_true(kept.count > 0);
	memmove(kept.ops, kept.ops + 1, sizeof *kept.ops * (size_t)--kept.count);
	on(op->worker->index);
	rend_done(op, status);
	turns();
}

static void
expect_asked(const char *keys)
{
	assert_string_equal(kept.keys, keys);
}

#define EXPECT_ANSWER(a, s)                       \
	do {                                      \
		assert_true((a)->done);           \
		assert_int_equal((a)->status, s); \
	} while (0)

static uint32_t
in_flight(const struct rend_node *n)
{
	return (uint32_t)node_in_flight(n);
}

/* ---- order ---- */

static void
one_mutation_at_a_time(void **state)
{
	struct ask a[3], other;

	for (int i = 0; i < 3; i++)
		ask(&a[i], 0, rig.main, REND_INCR, "k");
	ask(&other, 0, rig.main, REND_INCR, "o");
	expect_asked("ko");
	answer(REND_OK);
	EXPECT_ANSWER(&a[0], REND_OK);
	expect_asked("kok");
	assert_false(a[1].done);
	answer(REND_MISS);
	EXPECT_ANSWER(&other, REND_MISS);
	answer(REND_BUSY);
	EXPECT_ANSWER(&a[1], REND_BUSY);
	expect_asked("kokk");
	answer(REND_OK);
	EXPECT_ANSWER(&a[2], REND_OK);
	assert_int_equal(metrics_sum(&rig.main, 1, "waited"), 2);
}

static void
gets_share(void **state)
{
	struct ask get[3], set, gat, later;

	ask(&get[0], 0, rig.main, REND_GET, "k");
	ask(&get[1], 1, rig.main, REND_GET, "k");
	ask(&set, 0, rig.main, REND_SET, "k");
	ask(&get[2], 1, rig.main, REND_GET, "k");
	prepare(&gat, 0, REND_GET, "k");
	gat.op->ask.mode = REND_ALSO_TOUCH;
	submit(&gat, rig.main);
	ask(&later, 0, rig.main, REND_GET, "k");
	assert_int_equal(kept.asked, 2);
	answer(REND_OK);
	answer(REND_OK);
	assert_int_equal(kept.asked, 3); /* the set */
	answer(REND_OK);
	EXPECT_ANSWER(&set, REND_OK);
	assert_int_equal(kept.asked, 4); /* the get, and not the gat */
	answer(REND_OK);
	EXPECT_ANSWER(&get[2], REND_OK);
	assert_int_equal(kept.asked, 5);
	answer(REND_OK);
	EXPECT_ANSWER(&gat, REND_OK);
	answer(REND_OK);
	EXPECT_ANSWER(&later, REND_OK);
}

static int
open_single(void **state)
{
	open_rig(SINGLE, 4096, false);
	return 0;
}

static void
gets_do_not_share(void **state)
{
	struct ask get[2];

	ask(&get[0], 0, rig.main, REND_GET, "k");
	ask(&get[1], 1, rig.main, REND_GET, "k");
	assert_int_equal(kept.asked, 1);
	answer(REND_OK);
	assert_int_equal(kept.asked, 2);
	answer(REND_OK);
}

static void
two_nodes_over_one_l1_share_locks(void **state)
{
	struct ask a, b;

	ask(&a, 0, rig.main, REND_SET, "k");
	ask(&b, 1, rig.batch, REND_SET, "k");
	expect_asked("k");
	answer(REND_OK);
	expect_asked("kk");
	answer(REND_OK);
	EXPECT_ANSWER(&b, REND_OK);
}

static int
open_narrow(void **state)
{
	open_rig(SHARED, 2, false);
	return 0;
}

static void
too_many_are_turned_away(void **state)
{
	struct ask a[4];

	for (int i = 0; i < 4; i++)
		ask(&a[i], i % 2, rig.main, REND_SET, "k");
	EXPECT_ANSWER(&a[3], REND_BUSY);
	assert_int_equal(metrics_sum(&rig.main, 1, "turned_away"), 1);
	assert_int_equal(metrics_sum(&rig.main, 1, "waiting"), 2);
	for (int i = 0; i < 3; i++)
		answer(REND_OK);
	EXPECT_ANSWER(&a[2], REND_OK);
}

#define MANY 1000

static void
a_thousand_wait_for_one_key(void **state)
{
	static struct ask a[MANY];

	answers = 0;
	for (int i = 0; i < MANY; i++)
		ask(&a[i], 0, rig.main, REND_INCR, "k");
	assert_int_equal(kept.asked, 1);
	kept.at_once = true;
	answer(REND_OK);
	assert_int_equal(kept.asked, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		EXPECT_ANSWER(&a[i], REND_OK);
		assert_int_equal(a[i].when, i + 1);
	}
}

static void
a_thousand_of_two_workers(void **state)
{
	static struct ask a[MANY];

	for (int i = 0; i < MANY; i++)
		ask(&a[i], i / 10 % 2, rig.main, REND_INCR, "k");
	kept.at_once = true;
	answer(REND_OK);
	for (int i = 0; i < MANY; i++)
		turn(i % 2);
	for (unsigned i = 0; i < MANY; i++)
		EXPECT_ANSWER(&a[i], REND_OK);
	assert_int_equal(kept.asked, MANY);
}

/* ---- given up ---- */

static void
pass(uint64_t seconds)
{
	clock_fake(rend_now() + seconds * SECOND, 1000);
	turns();
}

static void
given_up_while_it_waits(void **state)
{
	struct ask holder, waiter, next;

	ask(&holder, 0, rig.main, REND_SET, "k");
	ask(&waiter, 1, rig.batch, REND_SET, "k");
	ask(&next, 1, rig.main, REND_SET, "k");
	pass(11);
	EXPECT_ANSWER(&waiter, REND_TIMEOUT);
	/* It has left the line, not only its submitter. */
	assert_int_equal(in_flight(rig.batch), 0);
	assert_int_equal(metrics_sum(&rig.main, 1, "waiting"), 1);
	assert_false(holder.done || next.done);
	answer(REND_OK);
	EXPECT_ANSWER(&holder, REND_OK);
	expect_asked("kk");
	answer(REND_OK);
	EXPECT_ANSWER(&next, REND_OK);
	assert_int_equal(kept.asked, 2);
}

/* Its turn comes in the same turn of the loop in which it is given up. */
static void
given_up_when_its_turn_comes(void **state)
{
	struct ask holder, waiter, next;

	ask(&holder, 0, rig.main, REND_SET, "k");
	ask(&waiter, 1, rig.batch, REND_SET, "k");
	ask(&next, 0, rig.main, REND_SET, "k");
	clock_fake(rend_now() + 11 * SECOND, 1000);
	on(0);
	rend_done(kept.ops[0], REND_OK);
	kept.count = 0;
	turn(0); /* the turn is on its way to the other worker */
	turns();
	EXPECT_ANSWER(&waiter, REND_TIMEOUT);
	assert_int_equal(in_flight(rig.batch), 0);
	expect_asked("kk");
	answer(REND_OK);
	EXPECT_ANSWER(&next, REND_OK);
}

static void
given_up_while_it_holds(void **state)
{
	struct ask holder, next;

	ask(&holder, 0, rig.main, REND_SET, "k");
	pass(20);
	ask(&next, 1, rig.main, REND_SET, "k");
	expect_asked("k");
	pass(11);
	EXPECT_ANSWER(&holder, REND_TIMEOUT);
	/* The key is free, although the write may still happen. */
	expect_asked("kk");
	answer(REND_OK); /* the late one: nobody hears it */
	assert_false(next.done);
	answer(REND_OK);
	EXPECT_ANSWER(&next, REND_OK);
	assert_int_equal(in_flight(rig.main), 0);
}

/* All of them at once: none gets the key that the one before it has just lost. */
static void
given_up_together(void **state)
{
	struct ask a[10];

	for (int i = 0; i < 10; i++)
		ask(&a[i], i % 2, rig.main, REND_SET, "k");
	pass(31);
	for (int i = 0; i < 10; i++)
		EXPECT_ANSWER(&a[i], REND_TIMEOUT);
	assert_int_equal(kept.asked, 1);
	answer(REND_OK);
	assert_int_equal(kept.asked, 1);
}

/* ---- over a policy of two tiers ---- */

static int
open_tiered(void **state)
{
	open_rig(SHARED, 4096, true);
	return 0;
}

static unsigned
next_verb(void)
{
	assert_int_equal(kept.count, 1);
	return kept.ops[0]->verb;
}

static void
a_walk_is_one_mutation(void **state)
{
	struct ask set[2];

	ask(&set[0], 0, rig.main, REND_SET, "k");
	ask(&set[1], 1, rig.batch, REND_SET, "k");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(next_verb(), REND_DELETE);
		answer(REND_MISS);
		assert_int_equal(next_verb(), REND_SET);
		answer(REND_OK);
		assert_int_equal(next_verb(), REND_SET);
		assert_true(rend_guard_holds(kept.ops[0]));
		assert_false(set[i].done);
		answer(REND_OK);
		EXPECT_ANSWER(&set[i], REND_OK);
	}
	assert_int_equal(kept.asked, 6);
}

/* L1 does not have it, L2 does: may what is found be stored in L1? */
static bool
promotes(void)
{
	struct ask get;
	bool may;

	ask(&get, 0, rig.main, REND_GET, "k");
	assert_int_equal(next_verb(), REND_GET);
	answer(REND_MISS);
	kept.ops[0]->item.have = REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS;
	answer(REND_OK);
	assert_int_equal(next_verb(), REND_ADD);
	may = rend_guard_holds(kept.ops[0]);
	answer(REND_OK);
	EXPECT_ANSWER(&get, REND_OK);
	return may;
}

static void
a_lost_write_frees_its_key_and_not_the_guard(void **state)
{
	struct ask set;
	struct rend_op *lost;

	assert_true(promotes());
	ask(&set, 0, rig.main, REND_SET, "k");
	answer(REND_OK); /* out of L1 */
	lost = kept.ops[0];
	kept.count = 0;
	pass(31);
	EXPECT_ANSWER(&set, REND_TIMEOUT);
	/* Its key is free, but it may still be written, so nobody may store what was read before. */
	assert_false(promotes());
	on(0);
	rend_done(lost, REND_OK);
	turns();
	assert_true(promotes());
}

/* ---- memory ---- */

static void
no_memory_for_a_child(void **state)
{
	struct ask a, b;

	prepare(&a, 0, REND_SET, "k");
	scarce_after(0);
	submit(&a, rig.main);
	scarce_no_more();
	EXPECT_ANSWER(&a, REND_NO_MEMORY);
	ask(&b, 0, rig.main, REND_SET, "k");
	answer(REND_OK);
	EXPECT_ANSWER(&b, REND_OK);
}

static void
no_memory_for_all_stripes(void **state)
{
	struct ask a, b;

	prepare(&a, 0, REND_FLUSH_ALL, "");
	scarce_after(0);
	submit(&a, rig.main);
	scarce_no_more();
	EXPECT_ANSWER(&a, REND_NO_MEMORY);
	ask(&b, 0, rig.main, REND_SET, "k");
	answer(REND_OK);
	EXPECT_ANSWER(&b, REND_OK);
}

/* ---- flush_all ---- */

static void
flush_all_is_a_mutation_of_every_key(void **state)
{
	struct ask before[2], flush, after[2];

	ask(&before[0], 0, rig.main, REND_INCR, "k");
	ask(&before[1], 1, rig.batch, REND_GET, "o");
	ask(&flush, 1, rig.main, REND_FLUSH_ALL, "");
	ask(&after[0], 0, rig.main, REND_GET, "o");
	ask(&after[1], 0, rig.batch, REND_SET, "z");
	expect_asked("ko");
	answer(REND_OK);
	assert_int_equal(kept.asked, 2);
	answer(REND_OK);
	assert_int_equal(kept.asked, 3);
	assert_int_equal(kept.ops[0]->verb, REND_FLUSH_ALL);
	answer(REND_OK);
	EXPECT_ANSWER(&flush, REND_OK);
	assert_int_equal(kept.asked, 5);
	answer(REND_OK);
	answer(REND_OK);
	EXPECT_ANSWER(&after[0], REND_OK);
	EXPECT_ANSWER(&after[1], REND_OK);
}

static void
two_flush_alls(void **state)
{
	struct ask holder, flush[2];

	ask(&holder, 0, rig.main, REND_INCR, "k");
	ask(&flush[0], 0, rig.main, REND_FLUSH_ALL, "");
	ask(&flush[1], 1, rig.batch, REND_FLUSH_ALL, "");
	answer(REND_OK);
	assert_int_equal(kept.asked, 2);
	answer(REND_OK);
	EXPECT_ANSWER(&flush[0], REND_OK);
	assert_int_equal(kept.asked, 3);
	answer(REND_OK);
	EXPECT_ANSWER(&flush[1], REND_OK);
}

static void
flush_all_is_given_up_while_it_waits(void **state)
{
	struct ask holder, flush, next[2];

	ask(&holder, 0, rig.main, REND_INCR, "k");
	ask(&flush, 1, rig.batch, REND_FLUSH_ALL, "");
	ask(&next[0], 0, rig.main, REND_INCR, "k");
	ask(&next[1], 0, rig.main, REND_INCR, "o");
	expect_asked("k");
	pass(11);
	EXPECT_ANSWER(&flush, REND_TIMEOUT);
	assert_int_equal(in_flight(rig.batch), 0);
	expect_asked("ko");
	answer(REND_OK);
	expect_asked("kok");
	answer(REND_OK);
	answer(REND_OK);
	EXPECT_ANSWER(&next[0], REND_OK);
	EXPECT_ANSWER(&next[1], REND_OK);
}

/* ---- the end of a worker ---- */

static void
a_worker_ends_with_waiters(void **state)
{
	struct ask holder, waiters[3], flush, next;

	ask(&holder, 0, rig.main, REND_SET, "k");
	for (int i = 0; i < 3; i++)
		ask(&waiters[i], 1, i == 1 ? rig.batch : rig.main, REND_SET, "k");
	ask(&next, 0, rig.main, REND_SET, "k");
	ask(&flush, 1, rig.main, REND_FLUSH_ALL, "");
	on(1);
	worker_give_up(&rig.workers[1]);
	for (int i = 0; i < 3; i++)
		EXPECT_ANSWER(&waiters[i], REND_TIMEOUT);
	EXPECT_ANSWER(&flush, REND_TIMEOUT);
	end_worker(1);
	answer(REND_OK);
	expect_asked("kk");
	answer(REND_OK);
	EXPECT_ANSWER(&next, REND_OK);
}

/* The turn of one is on its way when its worker ends. */
static void
a_worker_ends_with_a_turn_on_its_way(void **state)
{
	struct ask holder, waiters[2], next;

	ask(&holder, 0, rig.main, REND_SET, "k");
	for (int i = 0; i < 2; i++)
		ask(&waiters[i], 1, rig.main, REND_SET, "k");
	ask(&next, 0, rig.main, REND_SET, "k");
	on(0);
	rend_done(kept.ops[0], REND_OK);
	kept.count = 0;
	turn(0);
	on(1);
	worker_give_up(&rig.workers[1]);
	end_worker(1);
	EXPECT_ANSWER(&waiters[0], REND_TIMEOUT);
	turns();
	expect_asked("kk");
	answer(REND_OK);
	EXPECT_ANSWER(&next, REND_OK);
}

/* What is under way ends with the children, and lets others go on; those were given up, and are not carried out. */
static void
a_worker_ends_that_holds(void **state)
{
	struct ask holder, waiters[2], next;

	ask(&holder, 1, rig.main, REND_SET, "k");
	ask(&waiters[0], 0, rig.main, REND_SET, "k");
	ask(&waiters[1], 1, rig.main, REND_SET, "k");
	ask(&next, 0, rig.main, REND_SET, "k");
	on(0);
	worker_give_up(&rig.workers[0]);
	on(1);
	worker_give_up(&rig.workers[1]);
	turns();
	EXPECT_ANSWER(&holder, REND_TIMEOUT);
	EXPECT_ANSWER(&waiters[1], REND_TIMEOUT);
	expect_asked("k");
	answer(REND_OK); /* its handler lets go of it */
	assert_int_equal(kept.asked, 1);
}

/* ---- the lock set ---- */

static void
other_stripes_are_refused(void **state)
{
	struct locked_conf odd = rig.confs[0];
	struct rend_node *n;
	struct rend_error err = { 0 };

	odd.stripes = 512;
	n = node_new("odd", &rig.locked, &odd, NULL);
	assert_int_equal(node_check(n, &err), -1);
	assert_non_null(strstr(err.text, "512"));
	assert_non_null(strstr(err.text, "1024"));
	assert_non_null(strstr(err.text, "mem"));
	node_free(&n);
}

int
main(void)
{
#define TEST(name, open) cmocka_unit_test_setup_teardown(name, open, close_rig)
	const struct CMUnitTest tests[] = {
		TEST(one_mutation_at_a_time, open_shared),
		TEST(gets_share, open_shared),
		TEST(gets_do_not_share, open_single),
		TEST(two_nodes_over_one_l1_share_locks, open_shared),
		TEST(too_many_are_turned_away, open_narrow),
		TEST(a_thousand_wait_for_one_key, open_shared),
		TEST(a_thousand_of_two_workers, open_shared),
		TEST(given_up_while_it_waits, open_shared),
		TEST(given_up_when_its_turn_comes, open_shared),
		TEST(given_up_while_it_holds, open_shared),
		TEST(given_up_together, open_shared),
		TEST(a_walk_is_one_mutation, open_tiered),
		TEST(a_lost_write_frees_its_key_and_not_the_guard, open_tiered),
		TEST(no_memory_for_a_child, open_shared),
		TEST(no_memory_for_all_stripes, open_shared),
		TEST(flush_all_is_a_mutation_of_every_key, open_shared),
		TEST(two_flush_alls, open_shared),
		TEST(flush_all_is_given_up_while_it_waits, open_shared),
		TEST(a_worker_ends_with_waiters, open_shared),
		TEST(a_worker_ends_with_a_turn_on_its_way, open_shared),
		TEST(a_worker_ends_that_holds, open_shared),
		TEST(other_stripes_are_refused, open_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
