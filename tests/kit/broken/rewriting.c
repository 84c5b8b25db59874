/* Broken: a set of the same length is written into the memory that earlier gets have handed out. */
#define SMALL_SET rewriting_set
#include "small.h"

static enum rend_status
rewriting_set(struct small *s, struct rend_op *op)
{
	struct entry *e = *small_find(s, op);
	size_t len = op->item.value.len;

	if (e == NULL || op->verb == REND_ADD || len == 0 || e->value.len != len)
		return small_set(s, op);
	rend_value_copy_out(&op->item.value, 0, (char *)(uintptr_t)rend_value_segs(&e->value)->p, len);
	e->flags = op->item.flags;
	e->exptime = op->item.exptime;
	return REND_OK;
}

SMALL();
