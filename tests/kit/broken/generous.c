/* Not broken: offers memory for values that are on their way, in pieces. */
#include "rend/plugin.h"

static void
generous_reserve(void *inst, uint64_t hash, size_t size, struct rend_value *body)
{
	for (size_t left = size; left > 0;) {
		struct rend_buf *buf = rend_buf_new(left < 70000 ? left : 70000);

		if (buf == NULL || rend_value_add(body, buf, buf->data, left < 70000 ? left : 70000) != 0) {
			rend_value_drop(body);
			return;
		}
		left -= left < 70000 ? left : 70000;
	}
}

#define MORE .reserve = generous_reserve,
#include "small.h"

SMALL();
