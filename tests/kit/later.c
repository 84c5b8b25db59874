/*
 * Answers later.
 *
 *	op ──► child ──► the handler below
 *	                       │ its answer
 *	   ◄── posted ─────────┤ by turns
 *	   ◄── a disk thread ──┘
 */
#include "later.h"

#include <stdlib.h>

#include "rend/plugin.h"

struct later {
	const struct rend_node *over;
	unsigned turn; /* atomic */
	struct plugin plugin;
};

/* An op's scratch. */
struct wait {
	struct rend_call call;
	struct rend_op *op;
	struct later *later;
	enum rend_status status;
};

static struct wait *
wait_of(struct rend_op *op)
{
	return (struct wait *)(void *)op->scratch;
}

static enum rend_status
answer_elsewhere(struct rend_op *op)
{
	return wait_of(op)->status;
}

static void
answer_here(struct rend_call *call)
{
	struct wait *w = (struct wait *)(void *)call;

	rend_done(w->op, w->status);
}

static void
kid_done(struct rend_op *kid)
{
	struct rend_op *op = kid->up;
	struct wait *w = wait_of(op);

	w->status = (enum rend_status)kid->status;
	if (w->status == REND_OK && op->verb == REND_GET) {
		rend_value_move(&op->item.value, &kid->item.value);
		op->item.flags = kid->item.flags;
		op->item.signs = kid->item.signs;
		op->item.last_access = kid->item.last_access;
		op->item.link = kid->item.link;
	}
	if (w->status == REND_OK) {
		op->item.have = kid->item.have;
		if (kid->item.have & REND_WANT_EXPTIME)
			op->item.exptime = kid->item.exptime;
		op->item.size = kid->item.size;
		op->item.cas = kid->item.cas;
		op->item.number = kid->item.number;
	}
	rend_op_free(&kid);
	if (__atomic_fetch_add(&w->later->turn, 1, __ATOMIC_RELAXED) % 2 == 0) {
		rend_offload(op, answer_elsewhere);
	} else {
		w->call.fn = answer_here;
		rend_post(op->worker, &w->call);
	}
}

static void
later_any(void *inst, struct rend_op *op)
{
	struct rend_op *kid = rend_op_child(op);

	if (kid == NULL) {
		rend_done(op, REND_NO_MEMORY);
		return;
	}
	*wait_of(op) = (struct wait){ .op = op, .later = inst };
	kid->verb = op->verb;
	kid->ask = op->ask;
	kid->guard = op->guard;
	kid->item.flags = op->item.flags;
	kid->item.exptime = op->item.exptime;
	kid->up = op;
	kid->done = kid_done;
	if (rend_value_share(&kid->item.value, &op->item.value) != 0) {
		rend_op_free(&kid);
		rend_done(op, REND_NO_MEMORY);
		return;
	}
	if (rend_submit(((struct later *)inst)->over, kid))
		kid_done(kid);
}

static const struct rend_plugin self = { .version = "0" };

struct rend_node *
later_new(struct rend_node *over)
{
	struct later *l = malloc(sizeof *l);

	if (l == NULL)
		return NULL;
	*l = (struct later){ .over = over };
	l->plugin = (struct plugin){
		.self = &self,
		.handler = {
			.name = "later",
			.doc = "Gives each answer later.",
			.scratch_size = sizeof(struct wait),
			.can = node_can(over) & ~(uint32_t)REND_CAN_AT_ONCE,
			.modes = over->plugin->handler.modes,
			.any = later_any,
		},
	};
	return node_new("later", &l->plugin, l, free);
}
