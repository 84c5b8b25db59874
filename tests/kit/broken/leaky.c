/* Broken: a delete takes the item out and forgets it. */
#define SMALL_DELETE leaky_delete
#include "small.h"

static enum rend_status
leaky_delete(struct small *s, struct rend_op *op)
{
	struct entry **at = small_find(s, op), *e = *at;

	if (e == NULL)
		return REND_MISS;
	*at = e->next;
	rend_value_drop(&e->value);
	return REND_OK;
}

SMALL();
