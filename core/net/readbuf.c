/* What a worker reads into: see readbuf.h. */
#include "net/readbuf.h"

char *
readbuf_room(struct readbuf *rb, size_t *room)
{
	/* Our own reference is the only one: nobody can get another but from us. */
	if (rb->buf != NULL && __atomic_load_n(&rb->buf->refs, __ATOMIC_ACQUIRE) == 1)
		rb->used = 0;
	if (rb->buf != NULL && rb->buf->size - rb->used < READBUF_LEAST)
		rend_buf_drop(&rb->buf);
	if (rb->buf == NULL) {
		rb->buf = rend_buf_new(READBUF_SIZE);
		rb->used = 0;
	}
	if (rb->buf == NULL)
		return NULL;
	*room = rb->buf->size - rb->used;
	return rb->buf->data + rb->used;
}

void
readbuf_took(struct readbuf *rb, size_t len)
{
	rb->used += len;
}

void
readbuf_fini(struct readbuf *rb)
{
	rend_buf_drop(&rb->buf);
	rb->used = 0;
}
