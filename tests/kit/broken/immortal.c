/* Broken: what has expired is found for ever. */
#define SMALL_GET immortal_get
#include "small.h"

static enum rend_status
immortal_get(struct small *s, struct rend_op *op)
{
	struct entry *e = *small_at(s, op);

	if (e != NULL)
		e->exptime = 0;
	return small_get(s, op);
}

SMALL();
