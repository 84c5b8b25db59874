/* Broken: a set keeps what it was given without saying so: the reference that it takes to it is never dropped. */
#define SMALL_SET greedy_set
#include "small.h"

static enum rend_status
greedy_set(struct small *s, struct rend_op *op)
{
	if (op->item.value.nsegs > 0)
		rend_buf_ref(rend_value_segs(&op->item.value)->buf);
	return small_set(s, op);
}

SMALL();
