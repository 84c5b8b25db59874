/*
 * A handler for tests that is told which ops are to come.  It holds nothing: every get is a miss, and what is stored is not kept.  Metrics
 * say what it was told, and whether each op came as it was announced:
 *
 *	told [h1 h2 h3] ── op h1 ── op h2 ── op h3 ──► hinted 3, batches 1, expected 3
 */
#include "rend/plugin.h"

static struct rend_counter *hinted, *batches, *expected, *unannounced;

/* Tests use one worker. */
static uint64_t told[REND_PREFETCH_MAX];
static size_t count, at;

static void
on_any(void *inst, struct rend_op *op)
{
	if (at < count && told[at] == op->hash) {
		at++;
		rend_count(expected, 1);
	} else {
		rend_count(unannounced, 1);
	}
	rend_done(op, op->verb == REND_GET || op->verb == REND_DELETE ? REND_MISS : REND_OK);
}

static void
on_prefetch(void *inst, const uint64_t *hashes, size_t n)
{
	rend_count(batches, 1);
	rend_count(hinted, n);
	for (at = count = 0; count < n; count++)
		told[count] = hashes[count];
}

static int
on_open(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	hinted = rend_counter_new(self, "hinted", "Ops that were announced.");
	batches = rend_counter_new(self, "batches", "Announcements.");
	expected = rend_counter_new(self, "expected", "Ops that came as announced.");
	unannounced = rend_counter_new(self, "unannounced", "Ops that came otherwise.");
	return 0;
}

static const struct rend_handler hints = {
	.name = "hints",
	.doc = "Counts what it is told of ops to come.",
	.can = REND_CAN_GUARD,
	.modes = REND_MODES_ALL,
	.open = on_open,
	.any = on_any,
	.prefetch = on_prefetch,
};

REND_PLUGIN(.version = "0.1", .handler = &hints);
