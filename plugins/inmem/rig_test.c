/* One store in memory and one worker, for tests of inmem. */
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
#include "rig_test.h"

extern const struct rend_plugin *rend_plugin(void);

struct rig rig;

void
rig_open(uint64_t memory, bool evict)
{
	struct rend_error err = { 0 };
	struct rend_node **nodes = calloc(1, sizeof *nodes);

	clock_fake(1000000000, 1000);
	hash_seed(7);
	worker_set_count(1);
	rig.conf = (struct inmem_conf){ .memory = memory, .evict = evict, .hand_over = true };
	rig.plugin = (struct plugin){ .self = rend_plugin(), .handler = *rend_plugin()->handler };
	assert_non_null(nodes);
	nodes[0] = rig.node = node_new("mem", &rig.plugin, &rig.conf, NULL);
	assert_non_null(rig.node);
	rig.generation = generation_new(nodes, 1);
	assert_non_null(rig.generation);
	assert_int_equal(generation_open(rig.generation, &err), 0);
	assert_int_equal(worker_init(&rig.worker, 0), 0);
	worker_enter(&rig.worker);
	assert_int_equal(generation_attach(rig.generation, &rig.worker, &err), 0);
}

void
rig_close(void)
{
	generation_detach(rig.generation, &rig.worker);
	worker_enter(NULL);
	worker_fini(&rig.worker);
	generation_free(&rig.generation);
	clock_unfake();
}

uint64_t
metric(const char *name)
{
	return metrics_sum(&rig.node, 1, name);
}

static void
note(struct rend_op *op)
{
	*(bool *)op->up = true;
}

/* All of inmem's answers come at once, but to stores that take many turns. */
enum rend_status
submit(struct rend_op *op)
{
	bool done = false;

	op->done = note;
	op->up = &done;
	if (!rend_submit(rig.node, op))
		for (int i = 0; i < 100000 && !done; i++)
			worker_turn(&rig.worker);
	else
		done = true;
	assert_true(done);
	return (enum rend_status)op->status;
}

struct rend_op *
op(unsigned verb, const char *key)
{
	struct rend_op *made = op_new(&rig.worker, key, strlen(key));

	assert_non_null(made);
	made->verb = (uint8_t)verb;
	return made;
}

enum rend_status
store_until(unsigned verb, const char *key, const void *p, size_t len, int64_t exptime)
{
	struct rend_op *o = op(verb, key);
	enum rend_status status;

	assert_int_equal(rend_value_copy_in(&o->item.value, p, len), 0);
	o->item.exptime = exptime;
	status = submit(o);
	rend_op_free(&o);
	return status;
}

enum rend_status
store(unsigned verb, const char *key, const void *p, size_t len)
{
	return store_until(verb, key, p, len, 0);
}

struct rend_op *
get(const char *key)
{
	struct rend_op *o = op(REND_GET, key);

	o->ask.want = REND_WANT_VALUE;
	submit(o);
	return o;
}

bool
has(const char *key)
{
	struct rend_op *o = get(key);
	bool hit = o->status == REND_OK;

	rend_op_free(&o);
	return hit;
}

void
reads(const char *key, const char *value)
{
	struct rend_op *o = get(key);
	char is[64] = "";

	assert_int_equal(o->status, REND_OK);
	rend_value_copy_out(&o->item.value, 0, is, sizeof is - 1);
	assert_string_equal(is, value);
	rend_op_free(&o);
}

void
step(unsigned verb, const char *key, uint64_t delta)
{
	struct rend_op *o = op(verb, key);

	o->ask.delta = delta;
	assert_int_equal(submit(o), REND_OK);
	rend_op_free(&o);
}

void
fill(const char *prefix, int from, int to, size_t len)
{
	static char value[512 * 1024];
	char key[64];

	for (int i = from; i < to; i++) {
		snprintf(key, sizeof key, "%s-%d", prefix, i);
		store(REND_SET, key, value, len);
	}
}

int
count(const char *prefix, int to)
{
	char key[64];
	int n = 0;

	for (int i = 0; i < to; i++) {
		snprintf(key, sizeof key, "%s-%d", prefix, i);
		n += has(key);
	}
	return n;
}

/* Time passes; each second has its tick. */
void
pass(int64_t seconds)
{
	int64_t now = rend_wall();

	for (int64_t s = 1; s <= seconds; s++) {
		clock_fake(rend_now() + 1000000000, now + s);
		worker_flush(&rig.worker);
	}
}
