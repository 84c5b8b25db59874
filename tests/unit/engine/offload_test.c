/* Jobs for disk threads: how many run at once. */
#include "../base/unit.h"

#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "engine/generation.h"
#include "engine/offload.h"
#include "engine/op.h"
#include "engine/worker.h"

#define JOBS	   8
#define PATIENCE_S 20

/* Jobs wait here until `wanted` of them have come. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t came;
	int wanted, come, running, most;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER };

static enum rend_status
wait_at_gate(struct rend_op *op)
{
	struct timespec until;
	bool opened;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&gate.lock);
	if (++gate.running > gate.most)
		gate.most = gate.running;
	gate.come++;
	pthread_cond_broadcast(&gate.came);
	while (gate.come < gate.wanted && pthread_cond_timedwait(&gate.came, &gate.lock, &until) == 0)
		;
	opened = gate.come >= gate.wanted;
	gate.running--;
	pthread_mutex_unlock(&gate.lock);
	return opened ? REND_OK : REND_IO;
}

static void
disk_any(void *inst, struct rend_op *op)
{
	rend_offload(op, wait_at_gate);
}

/* A slow machine is no timeout. */
static void
disk_limits(const void *conf, struct rend_limits *limits)
{
	limits->time = UINT64_C(10) * PATIENCE_S * 1000000000;
}

static const struct rend_handler disk_handler = {
	.name = "disk",
	.doc = "waits at the gate",
	.any = disk_any,
	.limits = disk_limits,
};
static const struct rend_plugin disk_self = { .handler = &disk_handler };
static struct plugin disk_plugin = { .self = &disk_self };

static struct rend_worker w;
static struct generation *g;
static struct rend_node *node;
static int done_count, ok_count;

static int
set_up(void **state)
{
	struct rend_node **nodes = calloc(1, sizeof(struct rend_node *));
	struct rend_error err = { 0 };

	disk_plugin.handler = disk_handler;
	worker_set_count(1);
	node = nodes[0] = node_new("disk", &disk_plugin, NULL, NULL);
	g = generation_new(nodes, 1);
	if (generation_open(g, &err) != 0 || worker_init(&w, 0) != 0)
		return -1;
	worker_enter(&w);
	return generation_attach(g, &w, &err);
}

static int
tear_down(void **state)
{
	offload_stop();
	assert_int_equal(worker_ops(&w), 0);
	generation_detach(g, &w);
	worker_enter(NULL);
	worker_fini(&w);
	generation_free(&g);
	return 0;
}

static void
on_done(struct rend_op *op)
{
	done_count++;
	ok_count += op->status == REND_OK;
}

static void
submit_burst(struct rend_op *ops[], int jobs)
{
	for (int i = 0; i < jobs; i++) {
		ops[i] = op_new(&w, "key", 3);
		assert_non_null(ops[i]);
		ops[i]->verb = REND_GET;
		ops[i]->done = on_done;
		assert_false(rend_submit(node, ops[i]));
	}
}

static void
finish_burst(struct rend_op *ops[], int jobs)
{
	struct pollfd p = { .fd = w.inbox.fd, .events = POLLIN };

	while (done_count < jobs) {
		assert_int_equal(poll(&p, 1, 2 * PATIENCE_S * 1000), 1);
		worker_turn(&w);
	}
	for (int i = 0; i < jobs; i++)
		rend_op_free(&ops[i]);
}

/* Jobs of which `wanted` must run at the same time to end at all. */
static void
burst(int jobs, int wanted)
{
	struct rend_op *ops[JOBS];

	gate.wanted = wanted;
	gate.come = gate.running = gate.most = 0;
	done_count = ok_count = 0;
	submit_burst(ops, jobs);
	finish_burst(ops, jobs);
	assert_int_equal(ok_count, jobs);
}

static void
test_a_burst_runs_on_as_many_threads_as_there_may_be(void **state)
{
	offload_set_threads(JOBS);
	burst(JOBS, JOBS);
	assert_int_equal(gate.most, JOBS);
}

/* One idle thread is not enough for all, although it is still idle when the last job comes. */
static void
test_a_burst_does_not_wait_for_the_one_thread_that_is_idle(void **state)
{
	offload_set_threads(JOBS);
	for (int i = 0; i < 5; i++) {
		burst(1, 1);
		burst(JOBS, JOBS);
		assert_int_equal(gate.most, JOBS);
		offload_stop();
	}
}

static void
test_a_burst_runs_on_no_more_threads_than_there_may_be(void **state)
{
	offload_set_threads(2);
	burst(JOBS, 2);
	assert_int_equal(gate.most, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_burst_runs_on_as_many_threads_as_there_may_be, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_a_burst_does_not_wait_for_the_one_thread_that_is_idle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_a_burst_runs_on_no_more_threads_than_there_may_be, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
