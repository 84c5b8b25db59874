/* Bytes that came from a backend: see recvq.h for the picture. */
#include "recvq.h"

#include <string.h>

#define BUF_SIZE (64 * 1024)
#define BUF_MAX	 (4 * 1024 * 1024) /* also for the largest value */
#define ROOM_MIN 4096		   /* below, a read is not worth its system call */

static size_t
next_size(const struct recvq *q)
{
	size_t size = q->expected < q->came ? q->expected : q->came;

	if (size > BUF_MAX)
		return BUF_MAX;
	return size < BUF_SIZE ? BUF_SIZE : size + ROOM_MIN;
}

char *
recvq_room(struct recvq *q, size_t *len)
{
	size_t left = q->tail - q->eaten;
	struct rend_buf *buf;

	if (left == 0 && !q->shared)
		q->eaten = q->tail = 0;
	if (q->buf == NULL || q->buf->size - q->tail < ROOM_MIN) {
		/* What is left is less than a line: everything longer is taken as it comes. */
		REND_ASSERT(left <= BUF_SIZE - ROOM_MIN);
		buf = rend_buf_new(next_size(q));
		if (buf == NULL)
			return NULL;
		if (left > 0)
			memcpy(buf->data, q->buf->data + q->eaten, left);
		rend_buf_drop(&q->buf);
		q->buf = buf;
		q->eaten = 0;
		q->tail = left;
		q->shared = false;
	}
	*len = q->buf->size - q->tail;
	return q->buf->data + q->tail;
}

void
recvq_took(struct recvq *q, size_t n)
{
	REND_ASSERT(n <= q->buf->size - q->tail);
	q->tail += n;
}

static bool
is_full(const struct recvq *q)
{
	return q->buf != NULL && q->buf->size - q->tail < ROOM_MIN;
}

int
recvq_take(struct recvq *q, size_t n, struct rend_value *v, size_t *moved)
{
	size_t have = q->tail - q->eaten;

	/* A value that comes in many small packets is to be one piece: it is taken when it is whole, or when the buffer
	 * ends. */
	*moved = have >= n ? n : is_full(q) ? have : 0;
	if (*moved > 0) {
		rend_buf_ref(q->buf);
		q->shared = true;
		if (rend_value_add(v, q->buf, q->buf->data + q->eaten, *moved) != 0)
			return -1;
		q->eaten += *moved;
	}
	q->expected = n - *moved;
	q->came = v->len;
	return 0;
}

void
recvq_give(struct recvq *q, size_t n, struct rend_value *v)
{
	REND_ASSERT(n <= q->tail - q->eaten);
	if (n == 0)
		return;
	rend_buf_ref(q->buf);
	q->shared = true;
	rend_value_set(v, q->buf, q->buf->data + q->eaten, n);
	q->eaten += n;
}

void
recvq_drop(struct recvq *q)
{
	rend_buf_drop(&q->buf);
	*q = (struct recvq){ 0 };
}
