/* A handler that passes everything on to another one, but fills leases whatever has become of them. */
#include "rend/plugin.h"

struct careless_conf {
	const struct rend_node *over;
};

static const struct rend_option options[] = {
	REND_OPTION("over", REND_HANDLER, careless_conf, over, NULL, NULL, "Who is asked."),
	{ .name = NULL },
};

static void
kid_done(struct rend_op *kid)
{
	struct rend_op *op = kid->up;
	enum rend_status status = (enum rend_status)kid->status;

	if (status == REND_OK && op->verb == REND_GET) {
		op->item = kid->item;
		kid->item.value = (struct rend_value){ 0 };
	} else if (status == REND_OK) {
		op->item.have = kid->item.have;
		op->item.size = kid->item.size;
		op->item.cas = kid->item.cas;
		op->item.number = kid->item.number;
	}
	rend_op_free(&kid);
	rend_done(op, status);
}

static void
on_any(void *inst, struct rend_op *op)
{
	const struct careless_conf *c = inst;
	struct rend_op *kid = rend_op_child(op);

	if (kid == NULL) {
		rend_done(op, REND_NO_MEMORY);
		return;
	}
	kid->verb = op->verb;
	kid->ask = op->ask;
	if (op->verb == REND_SET)
		kid->ask.mode &= ~(uint32_t)REND_IF_CAS;
	kid->item.flags = op->item.flags;
	kid->item.exptime = op->item.exptime;
	kid->up = op;
	kid->done = kid_done;
	if (rend_value_share(&kid->item.value, &op->item.value) != 0) {
		rend_op_free(&kid);
		rend_done(op, REND_NO_MEMORY);
		return;
	}
	if (rend_submit(c->over, kid))
		kid_done(kid);
}

static const struct rend_handler careless = {
	.name = "careless",
	.doc = "Fills leases whatever has become of them.",
	.conf_size = sizeof(struct careless_conf),
	.options = options,
	.can = REND_CAN_LEASE,
	.modes = REND_MODES_ALL,
	.any = on_any,
};

REND_PLUGIN(.version = "0.1", .handler = &careless);
