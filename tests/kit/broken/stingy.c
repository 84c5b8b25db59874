/* Broken: gives half of the memory that a value on its way needs. */
#include "rend/plugin.h"

static void
stingy_reserve(void *inst, uint64_t hash, size_t size, struct rend_value *body)
{
	struct rend_buf *buf = rend_buf_new(size / 2);

	if (buf != NULL)
		rend_value_add(body, buf, buf->data, buf->size);
}

#define MORE .reserve = stingy_reserve,
#include "small.h"

SMALL();
