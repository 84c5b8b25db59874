/* Two workers and locked: see stage.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "engine/metrics.h"
#include "engine/op.h"
#include "stage.h"
#include "test_policies.h"

extern const struct rend_plugin *rend_plugin(void);

/* ---- the handler below: keeps ops, or answers at once ---- */

struct kept kept;

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

struct stage stage;

void
stage_on(int worker)
{
	worker_enter(&stage.workers[worker]);
}

void
stage_turn(int worker)
{
	stage_on(worker);
	worker_turn(&stage.workers[worker]);
	worker_flush(&stage.workers[worker]);
}

void
stage_turns(void)
{
	for (int i = 0; i < 6; i++)
		if (stage.attached[i % 2])
			stage_turn(i % 2);
	stage_on(0);
}

/* A policy of two tiers: mem, and another of its kind. */
static void
make_tiers(struct rend_node **nodes, size_t *count)
{
	stage.tiers = (struct plugin){ .self = &kept_self, .policy = two_tier };
	nodes[*count] = node_new("disk", &stage.below, NULL, NULL);
	stage.tiered = node_new("tiered", &stage.tiers, NULL, NULL);
	stage.tiered->tiers[0] = stage.l1;
	stage.tiered->tiers[1] = nodes[*count];
	stage.tiered->tier_count = 2;
	nodes[*count + 1] = stage.tiered;
	*count += 2;
}

void
stage_open(int readers, int64_t queue, bool tiered)
{
	struct rend_node **nodes = calloc(5, sizeof *nodes);
	struct rend_error err = { 0 };
	size_t count = 1;

	memset(&kept, 0, sizeof kept);
	memset(&stage, 0, sizeof stage);
	clock_fake(100 * SECOND, 1000);
	hash_seed(7);
	worker_set_count(2);
	stage.below = (struct plugin){ .self = &kept_self, .handler = kept_handler };
	stage.locked = (struct plugin){ .self = rend_plugin(), .handler = *rend_plugin()->handler };
	nodes[0] = stage.l1 = node_new("mem", &stage.below, NULL, NULL);
	if (tiered)
		make_tiers(nodes, &count);
	stage.confs[0] = (struct locked_conf){ .over = tiered ? stage.tiered : stage.l1,
		.stripes = 1024,
		.readers = readers,
		.queue = queue,
		.request_timeout = 30 * SECOND };
	stage.confs[1] = stage.confs[0];
	stage.confs[1].request_timeout = 10 * SECOND;
	nodes[count++] = stage.main = node_new("main", &stage.locked, &stage.confs[0], NULL);
	nodes[count++] = stage.batch = node_new("batch", &stage.locked, &stage.confs[1], NULL);
	stage.generation = generation_new(nodes, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(node_check(nodes[i], &err), 0);
	assert_int_equal(generation_open(stage.generation, &err), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(worker_init(&stage.workers[i], i), 0);
		stage_on(i);
		assert_int_equal(generation_attach(stage.generation, &stage.workers[i], &err), 0);
		stage.attached[i] = true;
	}
	stage_on(0);
}

void
stage_end_worker(int worker)
{
	stage_on(worker);
	assert_true(generation_detach(stage.generation, &stage.workers[worker]));
	assert_int_equal(worker_ops(&stage.workers[worker]), 0);
	stage.attached[worker] = false;
	stage_on(!worker);
}

int
stage_close(void **state)
{
	assert_int_equal(metrics_sum(&stage.main, 1, "waiting"), 0);
	for (int i = 0; i < 2; i++)
		if (stage.attached[i])
			stage_end_worker(i);
	worker_enter(NULL);
	for (int i = 0; i < 2; i++)
		worker_fini(&stage.workers[i]);
	generation_free(&stage.generation);
	clock_unfake();
	return 0;
}

/* ---- asking ---- */

static void
answered(struct rend_op *op)
{
	struct asked *a = op->up;

	assert_false(a->done);
	a->done = true;
	a->status = (enum rend_status)op->status;
	a->when = ++stage.answers;
	rend_op_free(&a->op);
}

void
stage_prepare(struct asked *a, int worker, unsigned verb, const char *key)
{
	stage_on(worker);
	*a = (struct asked){ .op = op_new(&stage.workers[worker], key, strlen(key)) };
	assert_non_null(a->op);
	a->op->verb = (uint8_t)verb;
	a->op->up = a;
	a->op->done = answered;
}

void
stage_submit(struct asked *a, const struct rend_node *to)
{
	if (rend_submit(to, a->op))
		answered(a->op);
}

void
stage_ask(struct asked *a, int worker, const struct rend_node *to, unsigned verb, const char *key)
{
	stage_prepare(a, worker, verb, key);
	stage_submit(a, to);
}

/* The oldest that is kept. */
void
kept_answer(enum rend_status status)
{
	struct rend_op *op = kept.ops[0];

	assert_true(kept.count > 0);
	memmove(kept.ops, kept.ops + 1, sizeof *kept.ops * (size_t)--kept.count);
	stage_on(op->worker->index);
	rend_done(op, status);
	stage_turns();
}

void
kept_expect(const char *keys)
{
	assert_string_equal(kept.keys, keys);
}

unsigned
kept_verb(void)
{
	assert_int_equal(kept.count, 1);
	return kept.ops[0]->verb;
}

void
stage_pass(uint64_t seconds)
{
	clock_fake(rend_now() + seconds * SECOND, 1000);
	stage_turns();
}
