/* An op's life: answered now, later, from elsewhere, too late, twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/generation.h"
#include "engine/offload.h"
#include "engine/op.h"
#include "engine/worker.h"

#define SECOND 1000000000ULL

/* A handler that answers as it is told, and keeps what it has not answered. */
static struct {
	enum { NOW, KEEP, ELSEWHERE, TWICE, NONSENSE, DISK } how;
	struct rend_op *kept[16];
	int count, flushes, ticks;
	uint64_t hinted[4];
	size_t hints;
	const struct rend_node *node;
	pthread_t thread;
} told;

static void *
answer_elsewhere(void *op)
{
	rend_done(op, REND_OK);
	return NULL;
}

static enum rend_status
on_disk(struct rend_op *op)
{
	assert_null(worker_self());
	return op->keylen == 3 ? REND_OK : REND_IO;
}

static void
told_any(void *inst, struct rend_op *op)
{
	(void)inst;
	switch (told.how) {
	case NOW:
		rend_done(op, REND_MISS);
		return;
	case KEEP:
		told.kept[told.count++] = op;
		return;
	case ELSEWHERE:
		assert_int_equal(pthread_create(&told.thread, NULL, answer_elsewhere, op), 0);
		pthread_join(told.thread, NULL);
		return;
	case TWICE:
		rend_done(op, REND_OK);
		rend_done(op, REND_OK);
		return;
	case NONSENSE:
		rend_done(op, (enum rend_status)200);
		return;
	case DISK:
		rend_offload(op, on_disk);
		return;
	}
}

static void
told_flush(void *inst)
{
	(void)inst;
	told.flushes++;
}

static void
told_prefetch(void *inst, const uint64_t *hashes, size_t count)
{
	(void)inst;
	assert_true(count <= 4);
	assert_ptr_equal(worker_at(worker_self()), told.node);
	memcpy(told.hinted, hashes, count * sizeof *hashes);
	told.hints = count;
}

static void
told_tick(void *inst)
{
	(void)inst;
	told.ticks++;
}

static void
told_limits(const void *conf, struct rend_limits *limits)
{
	(void)conf;
	limits->time = SECOND;
	limits->queue = 3;
}

static const struct rend_handler told_handler = {
	.name = "told",
	.doc = "as it is told",
	.any = told_any,
	.flush = told_flush,
	.prefetch = told_prefetch,
	.tick = told_tick,
	.limits = told_limits,
};
static const struct rend_plugin told_self = { .handler = &told_handler };
static struct plugin told_plugin = { .self = &told_self };

/* One worker with one node. */
static struct rend_worker w;
static struct generation *g;
static struct rend_node *node;
static int done_count, done_status;
static struct rend_op *done_op;

static int
set_up(void **state)
{
	struct rend_node **nodes = calloc(1, sizeof(struct rend_node *));
	struct rend_error err = { 0 };

	(void)state;
	memset(&told, 0, sizeof told);
	done_count = 0;
	clock_fake(100 * SECOND, 1000);
	told_plugin.handler = told_handler;
	worker_set_count(1);
	node = nodes[0] = node_new("told", &told_plugin, NULL, NULL);
	g = generation_new(nodes, 1);
	if (generation_open(g, &err) != 0 || worker_init(&w, 0) != 0)
		return -1;
	worker_enter(&w);
	return generation_attach(g, &w, &err);
}

static int
tear_down(void **state)
{
	(void)state;
	assert_int_equal(worker_ops(&w), 0);
	generation_detach(g, &w);
	worker_enter(NULL);
	worker_fini(&w);
	generation_free(&g);
	clock_unfake();
	return 0;
}

static void
on_done(struct rend_op *op)
{
	done_count++;
	done_status = op->status;
	done_op = op;
}

static struct rend_op *
new_op(void)
{
	struct rend_op *op = op_new(&w, "key", 3);

	assert_non_null(op);
	op->verb = REND_GET;
	op->done = on_done;
	return op;
}

/* Waits for the inbox, then gives the worker its turn. */
static void
turn_after_inbox(void)
{
	struct pollfd p = { .fd = w.inbox.fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 10000), 1);
	worker_turn(&w);
}

static void
test_answered_now(void **state)
{
	struct rend_op *op = new_op();

	(void)state;
	assert_true(rend_submit(node, op));
	assert_int_equal(op->status, REND_MISS);
	worker_turn(&w);
	assert_int_equal(done_count, 0);
	/* A finished op may be asked again. */
	assert_true(rend_submit(node, op));
	assert_int_equal(node_ended(node, REND_GET, REND_MISS), 2);
	rend_op_free(&op);
	assert_null(op);
}

/* Its plugin is told all of them, and is the one to blame meanwhile. */
static void
test_hinted(void **state)
{
	static const uint64_t hashes[] = { 3, 0, UINT64_MAX };

	(void)state;
	assert_ptr_equal(node->hinted, node);
	told.node = node;
	node_prefetch(node, &w, hashes, 3);
	assert_int_equal(told.hints, 3);
	assert_memory_equal(told.hinted, hashes, sizeof hashes);
	assert_null(worker_at(&w));
}

static void
test_answered_later(void **state)
{
	struct rend_op *op = new_op();

	(void)state;
	told.how = KEEP;
	assert_false(rend_submit(node, op));
	assert_int_equal(node_in_flight(node), 1);
	worker_turn(&w);
	assert_int_equal(done_count, 0);
	rend_done(told.kept[0], REND_OK);
	/* rend_done() runs nobody's code. */
	assert_int_equal(done_count, 0);
	assert_true(worker_ready(&w));
	worker_turn(&w);
	assert_int_equal(done_count, 1);
	assert_int_equal(done_status, REND_OK);
	assert_int_equal(node_in_flight(node), 0);
	rend_op_free(&op);
}

static void
test_answered_elsewhere_before_submit_returns(void **state)
{
	struct rend_op *op = new_op();

	(void)state;
	told.how = ELSEWHERE;
	assert_false(rend_submit(node, op));
	assert_int_equal(done_count, 0);
	turn_after_inbox();
	worker_turn(&w);
	assert_int_equal(done_count, 1);
	assert_int_equal(done_status, REND_OK);
	rend_op_free(&op);
}

static void
test_work_for_a_disk_thread(void **state)
{
	struct rend_op *op = new_op();

	(void)state;
	told.how = DISK;
	assert_false(rend_submit(node, op));
	turn_after_inbox();
	worker_turn(&w);
	assert_int_equal(done_count, 1);
	assert_int_equal(done_status, REND_OK);
	rend_op_free(&op);
	offload_stop();
}

static void
test_the_deadline_passes_and_the_answer_comes_later(void **state)
{
	struct rend_op *op = new_op();
	struct rend_op *late;

	(void)state;
	told.how = KEEP;
	assert_false(rend_submit(node, op));
	assert_int_equal(worker_due(&w), 101 * SECOND < w.ticked + SECOND ? 101 * SECOND : w.ticked + SECOND);
	clock_fake(101 * SECOND - 1, 1001);
	worker_turn(&w);
	assert_int_equal(done_count, 0);
	assert_false(rend_op_given_up(op));
	clock_fake(101 * SECOND, 1001);
	worker_turn(&w);
	assert_int_equal(done_count, 1);
	assert_int_equal(done_status, REND_TIMEOUT);
	assert_true(rend_op_given_up(op));
	rend_op_free(&op);
	/* It still counts, and it still has its key and keeps its generation. */
	late = told.kept[0];
	assert_int_equal(node_in_flight(node), 1);
	assert_int_equal(worker_ops(&w), 1);
	assert_int_equal(g->pins[0].ops, 1);
	assert_memory_equal(late->key, "key", 3);
	rend_done(late, REND_OK);
	worker_turn(&w);
	assert_int_equal(done_count, 1);
	assert_int_equal(node_in_flight(node), 0);
	assert_int_equal(g->pins[0].ops, 0);
}

static void
test_a_late_child_keeps_its_parents_key(void **state)
{
	struct rend_op *op = new_op();
	struct rend_op *kid = rend_op_child(op);

	(void)state;
	told.how = KEEP;
	kid->verb = REND_DELETE;
	kid->done = on_done;
	assert_false(rend_submit(node, kid));
	clock_fake(102 * SECOND, 1002);
	worker_turn(&w);
	assert_int_equal(done_status, REND_TIMEOUT);
	rend_op_free(&kid);
	rend_op_free(&op);
	assert_int_equal(worker_ops(&w), 2);
	assert_memory_equal(told.kept[0]->key, "key", 3);
	rend_done(told.kept[0], REND_LOST);
	assert_int_equal(worker_ops(&w), 0);
}

static void
test_a_child_may_have_a_key_of_its_own(void **state)
{
	char longest[REND_KEY_MAX];
	struct rend_op *op = new_op(), *kid, *grandchild, *other = op_new(&w, "other", 5);

	(void)state;
	memset(longest, 'k', sizeof longest);
	kid = rend_op_child_key(op, "other", 5);
	assert_int_equal(kid->hash, other->hash);
	assert_int_equal(kid->keylen, 5);
	assert_memory_equal(kid->key, "other", 5);
	assert_ptr_equal(kid->parent, op);
	assert_int_equal(op->keylen, 3);
	grandchild = rend_op_child(kid);
	assert_ptr_equal(grandchild->key, kid->key);
	rend_op_free(&other);
	other = rend_op_child_key(op, longest, sizeof longest);
	assert_memory_equal(other->key, longest, sizeof longest);
	rend_op_free(&other);
	/* It goes with the last who has it, and its parent stays as long. */
	rend_op_free(&op);
	rend_op_free(&kid);
	assert_int_equal(worker_ops(&w), 3);
	assert_memory_equal(grandchild->key, "other", 5);
	rend_op_free(&grandchild);
	assert_int_equal(worker_ops(&w), 0);
}

static void
test_a_late_child_keeps_its_own_key(void **state)
{
	struct rend_op *op = new_op();
	struct rend_op *kid = rend_op_child_key(op, "another", 7);

	(void)state;
	told.how = KEEP;
	kid->verb = REND_DELETE;
	kid->done = on_done;
	assert_false(rend_submit(node, kid));
	clock_fake(102 * SECOND, 1002);
	worker_turn(&w);
	assert_int_equal(done_status, REND_TIMEOUT);
	rend_op_free(&kid);
	rend_op_free(&op);
	assert_memory_equal(told.kept[0]->key, "another", 7);
	rend_done(told.kept[0], REND_LOST);
	assert_int_equal(worker_ops(&w), 0);
}

static bool
told_up(void *inst)
{
	return told.how == NOW;
}

static uint32_t
told_promises(const void *conf)
{
	return REND_CAN_GUARD;
}

static void
test_a_node_says_what_it_promises_and_whether_it_is_up(void **state)
{
	(void)state;
	assert_int_equal(rend_node_can(node), 0);
	told_plugin.handler.can = REND_FORGETS;
	told_plugin.handler.promises = told_promises;
	assert_int_equal(rend_node_can(node), REND_FORGETS | REND_CAN_GUARD);
	assert_true(rend_node_up(node, &w));
	told_plugin.handler.up = told_up;
	assert_true(rend_node_up(node, &w));
	told.how = KEEP;
	assert_false(rend_node_up(node, &w));
}

static void
test_a_child_has_no_later_deadline_than_its_parent(void **state)
{
	struct rend_op *op = new_op();
	struct rend_op *kid = rend_op_child(op);

	(void)state;
	told.how = KEEP;
	op->deadline = 100 * SECOND + 5;
	kid->done = on_done;
	assert_false(rend_submit(node, kid));
	assert_int_equal(kid->deadline, 100 * SECOND + 5);
	rend_done(kid, REND_OK);
	worker_turn(&w);
	rend_op_free(&kid);
	rend_op_free(&op);
}

static void
test_too_many_in_flight_are_refused_and_late_ones_count(void **state)
{
	struct rend_op *ops[4];

	(void)state;
	told.how = KEEP;
	for (int i = 0; i < 4; i++) {
		ops[i] = new_op();
		assert_int_equal(rend_submit(node, ops[i]), i == 3);
	}
	assert_int_equal(ops[3]->status, REND_BUSY);
	clock_fake(101 * SECOND, 1001);
	worker_turn(&w);
	assert_int_equal(done_count, 3);
	for (int i = 0; i < 3; i++)
		rend_op_free(&ops[i]);
	assert_true(rend_submit(node, ops[3]));
	assert_int_equal(ops[3]->status, REND_BUSY);
	for (int i = 0; i < 3; i++)
		rend_done(told.kept[i], REND_OK);
	assert_false(rend_submit(node, ops[3]));
	rend_done(ops[3], REND_OK);
	worker_turn(&w);
	rend_op_free(&ops[3]);
}

static void
test_a_status_that_is_none_is_an_error(void **state)
{
	struct rend_op *op = new_op();

	(void)state;
	told.how = NONSENSE;
	assert_true(rend_submit(node, op));
	assert_int_equal(op->status, REND_IO);
	rend_op_free(&op);
}

static void
test_flush_once_a_turn_and_a_tick_a_second(void **state)
{
	struct rend_op *op = new_op();

	(void)state;
	worker_flush(&w); /* the first tick */
	told.flushes = told.ticks = 0;
	rend_submit(node, op);
	rend_submit(node, op);
	worker_flush(&w);
	worker_flush(&w);
	assert_int_equal(told.flushes, 1);
	assert_int_equal(told.ticks, 0);
	clock_fake(101 * SECOND, 1001);
	worker_flush(&w);
	assert_int_equal(told.ticks, 1);
	assert_int_equal(told.flushes, 1);
	rend_op_free(&op);
}

/* Runs what must end the program in one of its own; returns what it said. */
static const char *
last_words(void (*what)(void))
{
	static char said[8192];
	int p[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(p[1], 2);
		what();
		_exit(0);
	}
	close(p[1]);
	while (len < sizeof said - 1 && (n = read(p[0], said + len, sizeof said - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_msg("it ended with %#x and said: %s", (unsigned)status, said);
	return said;
}

static void
answer_twice(void)
{
	told.how = TWICE;
	rend_submit(node, new_op());
}

static void
free_while_out(void)
{
	struct rend_op *op = new_op();

	told.how = KEEP;
	rend_submit(node, op);
	rend_op_free(&op);
}

static void
answer_late_twice(void)
{
	struct rend_op *op = new_op();

	told.how = KEEP;
	rend_submit(node, op);
	clock_fake(101 * SECOND, 1001);
	worker_turn(&w);
	rend_done(op, REND_OK);
	rend_done(op, REND_OK);
}

static void
test_mistakes_of_a_plugin_are_named(void **state)
{
	(void)state;
	assert_non_null(strstr(last_words(answer_twice), "handler told of told answered an op twice"));
	assert_non_null(strstr(last_words(free_while_out), "an op was freed that told still has"));
	assert_non_null(strstr(last_words(answer_late_twice), "answered an op twice"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answered_now),
		TEST(test_hinted),
		TEST(test_answered_later),
		TEST(test_answered_elsewhere_before_submit_returns),
		TEST(test_work_for_a_disk_thread),
		TEST(test_the_deadline_passes_and_the_answer_comes_later),
		TEST(test_a_late_child_keeps_its_parents_key),
		TEST(test_a_child_may_have_a_key_of_its_own),
		TEST(test_a_late_child_keeps_its_own_key),
		TEST(test_a_node_says_what_it_promises_and_whether_it_is_up),
		TEST(test_a_child_has_no_later_deadline_than_its_parent),
		TEST(test_too_many_in_flight_are_refused_and_late_ones_count),
		TEST(test_a_status_that_is_none_is_an_error),
		TEST(test_flush_once_a_turn_and_a_tick_a_second),
		TEST(test_mistakes_of_a_plugin_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
