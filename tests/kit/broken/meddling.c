/* Broken: a set moves the value out of the op instead of sharing it, so its caller has nothing left to send to the next
 * tier. */
#define SMALL_SET meddling_set
#include "small.h"

static enum rend_status
meddling_set(struct small *s, struct rend_op *op)
{
	enum rend_status status = small_set(s, op);

	if (status == REND_OK)
		rend_value_move(&(*small_at(s, op))->value, &op->item.value);
	return status;
}

SMALL();
