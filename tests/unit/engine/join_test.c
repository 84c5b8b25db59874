/* Gets that share an answer, as a policy over two tiers has them. */
#include "../base/unit.h"

#include "../../kit/graph.h"
#include "base/clock.h"
#include "engine/guard.h"
#include "engine/op.h"
#include "rend/worker.h"

#define TIER_NS UINT64_C(1000000000)
#define NOW	UINT64_C(5000000000)
#define WALL	1000
#define WHOLE	(REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS)
#define CLIENTS 64

enum { L1, L2 };

static const struct rend_step get[] = {
	[1] = { .name = "l1", .tier = L1, .verb = REND_GET, .no = 2, .fail = 2 },
	[2] = { .name = "l2", .tier = L2, .verb = REND_GET, .want = WHOLE, .join = true, .yes = 3, .no = 4 },
	[3] = { .name = "fill", .tier = L1, .verb = REND_ADD, .guarded = true, .aside = true },
	[4] = { .name = "note", .tier = L1, .verb = REND_DELETE, .aside = true },
	{ 0 },
};

static const struct rend_step set[] = {
	[1] = { .name = "l2", .tier = L2, .verb = REND_SET },
	{ 0 },
};

static const struct rend_walk walks[REND_VERB_SLOTS] = {
	[REND_GET] = { REND_READS, get },
	[REND_SET] = { REND_WRITES, set },
};

static const struct rend_walk *
pick(const void *conf, uint32_t l1_can)
{
	return walks;
}

static const struct rend_policy joining = { .name = "joining", .doc = "Joins.", .tiers = { "l1", "l2" }, .pick = pick };

static struct {
	struct graph g;
	struct rend_op *held[CLIENTS]; /* what l2 has not answered */
	unsigned held_count;
	unsigned fills, notes;
	struct rend_op *clients[CLIENTS];
	unsigned answers[CLIENTS];
	enum rend_status status[CLIENTS];
	char value[CLIENTS][16];
	uint32_t signs[CLIENTS];
	uint64_t link[CLIENTS];
	const char *at[CLIENTS]; /* where the value lay */
} t;

static void
tier_any(void *inst, struct rend_op *op)
{
	if (inst != &t.g.tiers[L1]) {
		t.held[t.held_count++] = op;
		return;
	}
	t.fills += op->verb == REND_ADD;
	t.notes += op->verb == REND_DELETE;
	rend_done(op, REND_MISS);
}

static void
tier_limits(const void *conf, struct rend_limits *limits)
{
	limits->time = TIER_NS;
	limits->queue = CLIENTS - 4;
}

static const struct rend_handler tier = {
	.name = "tier", .doc = "Waits.", .any = tier_any, .limits = tier_limits, .modes = REND_MODES_ALL
};

/* Until nobody waits for anything but tiers and time. */
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
at(uint64_t ns)
{
	clock_fake(NOW + ns, WALL);
	turn();
}

static int
begin(void **state)
{
	struct policy_kit kit = { .policy = &joining, .l1_can = REND_CAN_GUARD };
	struct rend_error err = { 0 };

	memset(&t, 0, sizeof t);
	clock_fake(NOW, WALL);
	if (graph_open(&t.g, &kit, walks, &tier, NULL, &err) != 0)
		fail_msg("%s", err.text);
	t.g.policy->limits.queue = 16384;
	turn();
	return 0;
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
client_done(struct rend_op *op)
{
	size_t i = (size_t)(uintptr_t)op->up;

	assert_ptr_equal(op, t.clients[i]);
	t.answers[i]++;
	t.status[i] = (enum rend_status)op->status;
	t.signs[i] = op->item.signs;
	t.link[i] = op->item.link;
	rend_value_copy_out(&op->item.value, 0, t.value[i], sizeof t.value[i] - 1);
	if (op->item.value.nsegs > 0)
		t.at[i] = rend_value_segs(&op->item.value)[0].p;
	rend_op_free(&t.clients[i]);
}

static void
ask(unsigned i, unsigned verb, const char *key, uint32_t want, uint32_t mode)
{
	t.clients[i] = op_new(&t.g.worker, key, strlen(key));
	assert_non_null(t.clients[i]);
	t.clients[i]->verb = (uint8_t)verb;
	t.clients[i]->ask.want = want;
	t.clients[i]->ask.mode = mode;
	t.clients[i]->done = client_done;
	t.clients[i]->up = (void *)(uintptr_t)i;
	if (rend_submit(t.g.policy, t.clients[i]))
		client_done(t.clients[i]);
}

static void
get_key(unsigned i)
{
	ask(i, REND_GET, "key", REND_WANT_VALUE, 0);
}

/* The n-th of those that l2 was asked. */
static void
answer(unsigned n, enum rend_status status, const char *value, uint32_t signs, int64_t exptime)
{
	struct rend_op *op = t.held[n];

	t.held[n] = NULL;
	if (status == REND_OK && op->verb == REND_GET) {
		rend_value_copy_in(&op->item.value, value, strlen(value));
		op->item.have = op->ask.want;
		op->item.signs = signs;
		op->item.exptime = exptime;
		op->item.cas = 7;
		op->item.link = 3;
	}
	rend_done(op, status);
	turn();
}

static void
had(unsigned i, enum rend_status status, const char *value)
{
	if (t.answers[i] != 1 || t.status[i] != status || strcmp(t.value[i], value) != 0)
		fail_msg("client %u has %u answers, %s, \"%s\" instead of %s, \"%s\"", i, t.answers[i],
		    rend_status_name(t.status[i]), t.value[i], rend_status_name(status), value);
}

static void
one_is_asked_for_all(void **state)
{
	for (unsigned i = 0; i < 20; i++)
		get_key(i);
	assert_int_equal(t.held_count, 1);
	assert_int_equal(node_joined(t.g.tiers[L2]), 19);
	answer(0, REND_OK, "value", 0, 0);
	for (unsigned i = 0; i < 20; i++) {
		had(i, REND_OK, "value");
		assert_ptr_equal(t.at[i], t.at[0]); /* nothing was copied */
		assert_int_equal(t.link[i], 3);
	}
	assert_int_equal(t.fills, 1); /* by the one who asked */
	/* l2 was asked once, and is counted once. */
	assert_int_equal(node_ended(t.g.tiers[L2], REND_GET, REND_OK), 1);
	assert_int_equal(node_in_flight(t.g.tiers[L2]), 0);
	/* It is over: the next one asks. */
	get_key(20);
	assert_int_equal(t.held_count, 2);
	answer(1, REND_OK, "newer", 0, 0);
	had(20, REND_OK, "newer");
}

static void
a_no_and_an_error_are_shared(void **state)
{
	static const enum rend_status statuses[] = { REND_MISS, REND_DOWN, REND_LOST };

	for (unsigned n = 0; n < COUNT_OF(statuses); n++) {
		for (unsigned i = 0; i < 3; i++)
			get_key(3 * n + i);
		assert_int_equal(t.held_count, n + 1);
		answer(n, statuses[n], "", 0, 0);
		for (unsigned i = 0; i < 3; i++)
			had(3 * n + i, statuses[n], "");
	}
	assert_int_equal(t.notes, 3); /* the rows behind a no are everybody's own */
	assert_int_equal(t.fills, 0);
}

/* What each asks, and whether it joins one that asked for key's value. */
static void
who_asks_for_something_else_asks(void **state)
{
	static const struct {
		const char *key;
		uint32_t want, mode;
		bool joins;
	} rows[] = {
		{ "key", REND_WANT_VALUE, 0, true },
		{ "key", 0, 0, true },
		{ "key", WHOLE, 0, true }, /* all gets want that much from l2 */
		{ "key", REND_WANT_VALUE | REND_WANT_NO_WIN, 0, true },
		{ "key", REND_WANT_VALUE | REND_WANT_ACCESS, 0, false },
		{ "key", REND_WANT_SIZE, 0, false },
		{ "key", REND_WANT_VALUE, REND_IF_CAS, false },
		{ "key", REND_WANT_VALUE, REND_NO_BUMP, false },
		{ "key", REND_WANT_VALUE, REND_VIVIFY, false },
		{ "kez", REND_WANT_VALUE, 0, false },
		{ "ke", REND_WANT_VALUE, 0, false },
	};

	get_key(0);
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		unsigned asked = t.held_count;

		ask(i + 1, REND_GET, rows[i].key, rows[i].want, rows[i].mode);
		if ((t.held_count == asked) != rows[i].joins)
			fail_msg("row %u %s", i, rows[i].joins ? "does not join" : "joins");
	}
	for (unsigned n = t.held_count; n-- > 0;)
		answer(n, REND_OK, "v", 0, 0);
	for (unsigned i = 0; i <= COUNT_OF(rows); i++)
		had(i, REND_OK, "v");
}

static void
nobody_joins_over_a_write(void **state)
{
	get_key(0);
	ask(1, REND_SET, "key", 0, 0);
	get_key(2); /* somebody is writing: neither joins nor is joined */
	get_key(3);
	assert_int_equal(t.held_count, 4);
	answer(1, REND_OK, "", 0, 0);
	had(1, REND_OK, "");
	get_key(4); /* the write is acknowledged: what was asked before is old */
	get_key(5);
	assert_int_equal(t.held_count, 5);
	answer(0, REND_OK, "old", 0, 0);
	answer(2, REND_OK, "old", 0, 0);
	answer(3, REND_OK, "old", 0, 0);
	had(0, REND_OK, "old");
	assert_int_equal(t.answers[4] + t.answers[5], 0);
	answer(4, REND_OK, "new", 0, 0);
	had(4, REND_OK, "new");
	had(5, REND_OK, "new");
}

static void
only_one_wins(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		get_key(i);
	answer(0, REND_OK, "stale", REND_WON | REND_STALE, 0);
	assert_int_equal(t.signs[0], REND_WON | REND_STALE);
	for (unsigned i = 1; i < 3; i++)
		assert_int_equal(t.signs[i], REND_SENT | REND_STALE);
}

/* It was read before it expired, perhaps before the others asked. */
static void
what_has_expired_meanwhile_is_a_miss(void **state)
{
	get_key(0);
	get_key(1);
	answer(0, REND_OK, "v", 0, WALL);
	had(0, REND_OK, "v");
	had(1, REND_MISS, "");
}

static void
each_waits_as_long_as_for_its_own(void **state)
{
	get_key(0);
	at(TIER_NS / 2);
	get_key(1);
	at(TIER_NS * 3 / 4);
	get_key(2);
	at(TIER_NS); /* the first gives up: the last one asks, for those that are left */
	had(0, REND_TIMEOUT, "");
	assert_int_equal(t.held_count, 2);
	get_key(3);
	assert_int_equal(t.held_count, 2);
	at(TIER_NS * 3 / 2);
	had(1, REND_TIMEOUT, "");
	assert_int_equal(t.answers[2] + t.answers[3], 0);
	answer(1, REND_OK, "v", 0, 0);
	had(2, REND_OK, "v");
	had(3, REND_OK, "v");
	assert_int_equal(node_in_flight(t.g.tiers[L2]), 1); /* the first, which is still to be answered */
	answer(0, REND_OK, "late", 0, 0);
	assert_int_equal(node_in_flight(t.g.tiers[L2]), 0);
	assert_int_equal(node_late(t.g.tiers[L2]), 1);
}

/* Nobody is left for whom it would be asked again. */
static void
all_of_one_turn_are_given_up_with_one_question(void **state)
{
	for (unsigned i = 0; i < 10; i++)
		get_key(i);
	at(TIER_NS);
	for (unsigned i = 0; i < 10; i++)
		had(i, REND_TIMEOUT, "");
	assert_int_equal(t.held_count, 1);
	answer(0, REND_OK, "late", 0, 0);
	assert_int_equal(node_in_flight(t.g.tiers[L2]), 0);
}

static void
a_tier_that_never_answers_is_not_asked_by_all(void **state)
{
	unsigned asked = 0;

	/* One more every tenth of its time. */
	for (unsigned i = 0; i < 50; i++) {
		at(i * (TIER_NS / 10));
		get_key(i);
	}
	at(70 * (TIER_NS / 10));
	for (unsigned i = 0; i < 50; i++)
		had(i, REND_TIMEOUT, "");
	asked = t.held_count;
	assert_true(asked <= 12);
	for (unsigned n = 0; n < asked; n++)
		answer(n, REND_LOST, "", 0, 0);
}

static void
at_the_end_all_are_given_up(void **state)
{
	for (unsigned i = 0; i < 20; i++)
		get_key(i);
	worker_give_up(&t.g.worker);
	turn();
	for (unsigned i = 0; i < 20; i++)
		had(i, REND_TIMEOUT, "");
	assert_int_equal(t.held_count, 1); /* nobody asks at the end */
	answer(0, REND_LOST, "", 0, 0);
}

/* Those who join count against the queue, so there are not more than it lets in. */
static void
too_many_are_told_that_it_is_busy(void **state)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		get_key(i);
	for (unsigned i = 0; i < CLIENTS; i++)
		if (i >= CLIENTS - 4)
			had(i, REND_BUSY, "");
	answer(0, REND_OK, "v", 0, 0);
	for (unsigned i = 0; i < CLIENTS - 4; i++)
		had(i, REND_OK, "v");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_is_asked_for_all, begin, end),
		cmocka_unit_test_setup_teardown(a_no_and_an_error_are_shared, begin, end),
		cmocka_unit_test_setup_teardown(who_asks_for_something_else_asks, begin, end),
		cmocka_unit_test_setup_teardown(nobody_joins_over_a_write, begin, end),
		cmocka_unit_test_setup_teardown(only_one_wins, begin, end),
		cmocka_unit_test_setup_teardown(what_has_expired_meanwhile_is_a_miss, begin, end),
		cmocka_unit_test_setup_teardown(each_waits_as_long_as_for_its_own, begin, end),
		cmocka_unit_test_setup_teardown(all_of_one_turn_are_given_up_with_one_question, begin, end),
		cmocka_unit_test_setup_teardown(a_tier_that_never_answers_is_not_asked_by_all, begin, end),
		cmocka_unit_test_setup_teardown(at_the_end_all_are_given_up, begin, end),
		cmocka_unit_test_setup_teardown(too_many_are_told_that_it_is_busy, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
