/* Broken: says that it answers every get at once, and takes its time to find out that there is nothing. */
#include "rend/plugin.h"

static enum rend_status tardy_miss(struct rend_op *op);

#define CAN REND_CAN_AT_ONCE
#define ANSWER(s, op, status)                                        \
	do {                                                         \
		if ((op)->verb == REND_GET && (status) == REND_MISS) \
			rend_offload(op, tardy_miss);                \
		else                                                 \
			rend_done(op, status);                       \
	} while (0)
#include "small.h"

static enum rend_status
tardy_miss(struct rend_op *op)
{
	return REND_MISS;
}

SMALL();
