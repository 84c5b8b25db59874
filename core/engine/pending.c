/* Looks at what is in hand: see pending.h. */
#include "engine/pending.h"

#include "engine/flow.h"
#include "engine/op.h"
#include "engine/worker.h"

static struct rend_op *
op_of_link(struct link *k)
{
	return LIST_OBJ(LIST_OBJ(k, struct op_core, link), struct rend_op, core);
}

static struct pending
look_at(struct rend_op *op)
{
	const struct op_core *c = op_core(op);
	const struct rend_node *n = c->at->node;

	return (struct pending){
		.node = n->name,
		.via = c->via == NULL ? NULL : c->via->node->name,
		.row = n->walks == NULL ? NULL : flow_row(op),
		.verb = rend_verb_name(op->verb),
		.key = op->key,
		.keylen = op->keylen,
		.age = rend_now() - op->born,
		.is_child = op->parent != NULL,
	};
}

/* An instance's list is in the order of deadlines, and all its ops have the same time. */
static bool
each_at(struct instance *in, unsigned most, bool (*fn)(const struct pending *, void *), void *arg)
{
	LIST_EACH (k, &in->pending) {
		struct pending op;

		if (most-- == 0)
			return true;
		op = look_at(op_of_link(k));
		if (!fn(&op, arg))
			return false;
	}
	return true;
}

void
pending_each(struct rend_worker *w, unsigned per_node, bool (*fn)(const struct pending *, void *), void *arg)
{
	LIST_EACH (k, &w->instances)
		if (!each_at(LIST_OBJ(k, struct instance, attached), per_node, fn, arg))
			return;
}

uint64_t
pending_count(struct rend_worker *w)
{
	uint64_t n = 0;

	LIST_EACH (k, &w->instances)
		n += LIST_OBJ(k, struct instance, attached)->in_flight;
	return n;
}
