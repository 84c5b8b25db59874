/* Bytes on their way to a backend: see sendq.h for the picture. */
#include "sendq.h"

#include <stdlib.h>
#include <string.h>

#include "rend/check.h"

#define BLOCK_SIZE (16 * 1024)
#define RING_FIRST 64 /* rooms are powers of 2 */

static struct rend_seg *
seg_at(const struct sendq *q, unsigned i)
{
	return &q->segs[(q->head + i) & (q->room - 1)];
}

/* Makes it room for so many pieces. */
static int
ring_grow(struct sendq *q, uint64_t pieces)
{
	unsigned room = q->room != 0 ? q->room : RING_FIRST;
	struct rend_seg *segs;

	if (pieces > UINT32_MAX / 2)
		return -1;
	while (room < pieces)
		room *= 2;
	segs = calloc(room, sizeof *segs);
	if (segs == NULL)
		return -1;
	for (unsigned i = 0; i < q->count; i++)
		segs[i] = *seg_at(q, i);
	free(q->segs);
	q->segs = segs;
	q->head = 0;
	q->room = room;
	return 0;
}

static int
next_block(struct sendq *q)
{
	struct rend_buf *block = rend_buf_new(BLOCK_SIZE);

	if (block == NULL)
		return -1;
	rend_buf_drop(&q->block);
	q->block = block;
	q->block_used = 0;
	return 0;
}

char *
sendq_begin(struct sendq *q, size_t bytes, unsigned pieces)
{
	uint64_t most = (uint64_t)q->count + pieces + 2;

	REND_ASSERT(bytes <= SENDQ_ROOM_MAX);
	if (most > q->room && ring_grow(q, most) != 0)
		return NULL;
	if (q->count == 0)
		q->block_used = 0;
	if ((q->block == NULL || BLOCK_SIZE - q->block_used < bytes) && next_block(q) != 0)
		return NULL;
	return q->block->data + q->block_used;
}

static void
push(struct sendq *q, struct rend_buf *buf, const char *p, size_t len)
{
	rend_buf_ref(buf);
	*seg_at(q, q->count++) = (struct rend_seg){ .buf = buf, .p = p, .len = len };
}

char *
sendq_wrote(struct sendq *q, size_t n)
{
	char *p = q->block->data + q->block_used;
	struct rend_seg *last = q->count == 0 ? NULL : seg_at(q, q->count - 1);

	REND_ASSERT(n <= BLOCK_SIZE - q->block_used);
	q->block_used += n;
	q->queued += n;
	if (last != NULL && last->buf == q->block && last->p + last->len == p)
		last->len += n;
	else if (n > 0)
		push(q, q->block, p, n);
	return p + n;
}

void
sendq_value(struct sendq *q, const struct rend_value *v)
{
	const struct rend_seg *segs = rend_value_segs(v);

	for (unsigned i = 0; i < v->nsegs; i++)
		push(q, segs[i].buf, segs[i].p, segs[i].len);
	q->queued += v->len;
}

int
sendq_iov(const struct sendq *q, struct iovec *iov, int max)
{
	int n;

	for (n = 0; n < max && (unsigned)n < q->count; n++) {
		const struct rend_seg *seg = seg_at(q, (unsigned)n);

		iov[n] = (struct iovec){ .iov_base = (void *)(uintptr_t)seg->p, .iov_len = seg->len };
	}
	return n;
}

void
sendq_eat(struct sendq *q, size_t n)
{
	q->gone += n;
	while (n > 0) {
		struct rend_seg *seg = seg_at(q, 0);

		REND_ASSERT(q->count > 0);
		if (n < seg->len) {
			seg->p += n;
			seg->len -= n;
			return;
		}
		n -= seg->len;
		rend_buf_drop(&seg->buf);
		q->head = (q->head + 1) & (q->room - 1);
		q->count--;
	}
}

void
sendq_drop(struct sendq *q)
{
	for (unsigned i = 0; i < q->count; i++)
		rend_buf_drop(&seg_at(q, i)->buf);
	rend_buf_drop(&q->block);
	free(q->segs);
	*q = (struct sendq){ 0 };
}
