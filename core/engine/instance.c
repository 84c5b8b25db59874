/* One worker's part of a node: what its plugin is told in each turn, and what is asked of it there. */
#include "base/clock.h"
#include "engine/holds.h"
#include "engine/node.h"
#include "engine/repair.h"
#include "engine/worker.h"

void
instance_flush(struct instance *in)
{
	const struct rend_handler *h = &in->node->plugin->handler;

	const struct instance *outer;

	if (h->flush == NULL || node_is_given(in->node))
		return;
	outer = worker_call(in->worker, in);
	h->flush(in->self);
	worker_call(in->worker, outer);
}

void
instance_tick(struct instance *in)
{
	const struct rend_handler *h = &in->node->plugin->handler;

	const struct instance *outer;

	if (node_holds(in->node) != NULL)
		holds_tick(node_holds(in->node), rend_now());
	if (node_repair(in->node) != NULL)
		repair_tick(node_repair(in->node), in);
	if (h->tick == NULL || node_is_given(in->node))
		return;
	outer = worker_call(in->worker, in);
	h->tick(in->self);
	worker_call(in->worker, outer);
}

bool
instance_ticks(const struct instance *in)
{
	const struct rend_node *n = in->node;
	const struct holds *holds = node_holds(n);
	const struct repair *repair = node_repair(n);

	return n->plugin->handler.tick != NULL || (holds != NULL && holds_now(holds) > 0) ||
	       (repair != NULL && repair_now(repair) > REPAIR_MAX);
}

bool
instance_up(const struct instance *in)
{
	const struct rend_handler *h = &in->node->plugin->handler;

	return (h->up == NULL || h->up(in->self)) && !__atomic_load_n(&in->node->away, __ATOMIC_RELAXED);
}

uint32_t
instance_part(const struct instance *in, const struct rend_op *op)
{
	const struct rend_handler *h = &in->node->plugin->handler;

	return h->part == NULL ? 0 : h->part(in->self, op);
}

bool
instance_reaches(const struct instance *in, const struct rend_op *op)
{
	const struct rend_handler *h = &in->node->plugin->handler;

	if (h->reaches == NULL)
		return instance_up(in);
	return h->reaches(in->self, op) && !__atomic_load_n(&in->node->away, __ATOMIC_RELAXED);
}

void
instance_look(struct instance *in)
{
	const struct instance *outer = worker_call(in->worker, in);

	__atomic_store_n(&in->up, instance_up(in), __ATOMIC_RELAXED);
	worker_call(in->worker, outer);
}
