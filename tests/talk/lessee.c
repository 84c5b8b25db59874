/*
 * A handler for tests that plays a policy which leases: a get leaves an empty item where it misses, and a mutation with a version (cas,
 * md with C) goes where the last get of that key said.  What a get found is told in the flags:
 *
 *	flags = 1 won, 2 another has it, 4 only over that connection
 */
#include <string.h>

#include "rend/plugin.h"

#define LEASE_TIME 30 /* s */
#define TOKENS	   (1ULL << 63)
#define KEPT	   256

struct lessee_conf {
	const struct rend_node *over;
};

static const struct rend_option options[] = {
	REND_OPTION("over", REND_HANDLER, lessee_conf, over, NULL, NULL, "Who is asked."),
	{ .name = NULL },
};

/* Tests use one worker, and few keys. */
static uint64_t links[KEPT], tokens;

static void
got(struct rend_op *op, struct rend_op *kid)
{
	op->item = kid->item;
	kid->item.value = (struct rend_value){ 0 };
	op->item.flags = kid->item.signs & (REND_WON | REND_SENT);
	if (kid->item.link != 0)
		op->item.flags |= 4;
	op->item.signs = 0;
	links[op->hash % KEPT] = kid->item.link;
}

static void
kid_done(struct rend_op *kid)
{
	struct rend_op *op = kid->up;
	enum rend_status status = (enum rend_status)kid->status;

	if (status == REND_OK && op->verb == REND_GET) {
		got(op, kid);
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
	const struct lessee_conf *c = inst;
	struct rend_op *kid = rend_op_child(op);

	if (kid == NULL) {
		rend_done(op, REND_NO_MEMORY);
		return;
	}
	kid->verb = op->verb;
	kid->ask = op->ask;
	if (op->verb == REND_GET) {
		kid->ask.mode |= REND_VIVIFY;
		kid->ask.vivify = rend_wall() + LEASE_TIME;
		kid->ask.want |= REND_WANT_CAS;
		kid->ask.cas_new = TOKENS + __atomic_add_fetch(&tokens, 1, __ATOMIC_RELAXED);
	} else if (op->ask.mode & REND_IF_CAS) {
		kid->ask.link = links[op->hash % KEPT];
	}
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

static const struct rend_handler lessee = {
	.name = "lessee",
	.doc = "Leases what it misses.",
	.conf_size = sizeof(struct lessee_conf),
	.options = options,
	.modes = REND_MODES_ALL,
	.any = on_any,
};

REND_PLUGIN(.version = "0.1", .handler = &lessee);
