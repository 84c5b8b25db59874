/* flush_all with a delay: see flush_timer.h. */
#include "net/flush_timer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/node.h"
#include "engine/op.h"
#include "rend/log.h"
#include "rend/plugin.h"

int
flush_timer_init(struct flush_timer *t, size_t count)
{
	pthread_mutex_init(&t->lock, NULL);
	t->count = count;
	t->due = calloc(count + 1, sizeof *t->due);
	return t->due == NULL ? -1 : 0;
}

void
flush_timer_fini(struct flush_timer *t)
{
	free(t->due);
	pthread_mutex_destroy(&t->lock);
}

static bool
is_armed(const struct flush_timer *t)
{
	return __atomic_load_n(&t->armed, __ATOMIC_RELAXED) > 0;
}

/* Under the lock. */
static void
arm(struct flush_timer *t, size_t i, uint64_t due)
{
	unsigned armed = t->armed + (due != 0) - (t->due[i] != 0);

	t->due[i] = due;
	__atomic_store_n(&t->armed, armed, __ATOMIC_RELAXED);
}

/* Policies over the same tiers flush the same things: what one client wants last holds for all listeners that lead there. */
static bool
flush_the_same(const struct rend_node *a, const struct rend_node *b)
{
	if (a == b)
		return true;
	return a != NULL && b != NULL && a->tier_count > 0 && a->tier_count == b->tier_count &&
	       memcmp(a->tiers, b->tiers, (size_t)a->tier_count * sizeof a->tiers[0]) == 0;
}

void
flush_timer_set(struct flush_timer *t, const struct rend_node *const *policies, size_t nth, uint64_t due)
{
	if (due == 0 && !is_armed(t))
		return;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++)
		if (flush_the_same(policies[i], policies[nth]))
			arm(t, i, i == nth ? due : 0);
	pthread_mutex_unlock(&t->lock);
}

uint64_t
flush_timer_of(struct flush_timer *t, size_t nth)
{
	uint64_t due;

	pthread_mutex_lock(&t->lock);
	due = nth < t->count ? t->due[nth] : 0;
	pthread_mutex_unlock(&t->lock);
	return due;
}

uint64_t
flush_timer_due(struct flush_timer *t)
{
	uint64_t due = UINT64_MAX;

	if (!is_armed(t))
		return due;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++)
		if (t->due[i] != 0 && t->due[i] < due)
			due = t->due[i];
	pthread_mutex_unlock(&t->lock);
	return due;
}

static void
flushed(struct rend_op *op)
{
	if (op->status != REND_OK)
		rend_log(REND_LOG_ERROR, "the flush_all that was to come now failed: %s", rend_status_name(op->status));
	rend_op_free(&op);
}

static void
flush(const struct rend_node *policy, struct rend_worker *w)
{
	struct rend_op *op = op_new(w, "", 0);

	if (op == NULL) {
		rend_log(
		    REND_LOG_ERROR, "no memory for the flush_all of %s that was to come now", rend_node_name(policy));
		return;
	}
	op->verb = REND_FLUSH_ALL;
	op->done = flushed;
	if (rend_submit(policy, op))
		flushed(op);
}

void
flush_timer_fire(struct flush_timer *t, const struct rend_node *const *policies, struct rend_worker *w)
{
	for (size_t i = 0; i < t->count && is_armed(t); i++) {
		const struct rend_node *policy = NULL;

		pthread_mutex_lock(&t->lock);
		if (t->due[i] != 0 && t->due[i] <= rend_now()) {
			policy = policies[i];
			arm(t, i, 0);
		}
		pthread_mutex_unlock(&t->lock);
		if (policy != NULL)
			flush(policy, w);
	}
}
