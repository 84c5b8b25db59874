/* Broken: two workers that set the same key tear its value: the lock is let go in the middle of the copy. */
#define SMALL_SET racy_set
#include <unistd.h>

#include "small.h"

static enum rend_status
racy_set(struct small *s, struct rend_op *op)
{
	enum rend_status status = small_set(s, op);
	struct entry *e = *small_at(s, op);
	struct rend_buf *buf;
	size_t len = op->item.value.len;

	if (status != REND_OK || len < 2)
		return status;
	buf = rend_value_segs(&e->value)->buf;
	memset(buf->data + len / 2, '?', len - len / 2);
	rend_buf_ref(buf);
	pthread_mutex_unlock(&s->lock);
	usleep(50); /* others look now */
	pthread_mutex_lock(&s->lock);
	rend_value_copy_out(&op->item.value, 0, buf->data, len);
	rend_buf_drop(&buf);
	return REND_OK;
}

SMALL();
