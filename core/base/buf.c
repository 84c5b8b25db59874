/* Shared memory blocks and the count of their users. */
#include <stdlib.h>

#include "rend/check.h"
#include "rend/value.h"

/* What rend_buf_new() makes: the count and the bytes in one allocation. */
struct heap_buf {
	struct rend_buf buf;
	char bytes[] __attribute__((aligned(16)));
};

static void
heap_buf_release(struct rend_buf *buf)
{
	buf->magic = 0;
	free(buf);
}

struct rend_buf *
rend_buf_new(size_t size)
{
	struct heap_buf *h;

	if (size > PTRDIFF_MAX - sizeof(*h))
		return NULL;
	h = malloc(sizeof(*h) + size);
	if (h == NULL)
		return NULL;
	rend_buf_init(&h->buf, h->bytes, size, heap_buf_release);
	return &h->buf;
}

void
rend_buf_init(struct rend_buf *buf, void *data, size_t size, void (*release)(struct rend_buf *buf))
{
	REND_ASSERT(release != NULL);
	buf->magic = REND_BUF_MAGIC;
	buf->release = release;
	buf->data = data;
	buf->size = size;
	__atomic_store_n(&buf->refs, 1, __ATOMIC_RELAXED);
}

void
rend_buf_ref(struct rend_buf *buf)
{
	unsigned before;

	REND_CHECK(buf, REND_BUF_MAGIC);
	/* Whoever has a reference to copy has seen the content; nothing is published here. */
	before = __atomic_fetch_add(&buf->refs, 1, __ATOMIC_RELAXED);
	REND_ASSERT(before != 0 && before != UINT32_MAX);
}

void
rend_buf_drop(struct rend_buf **bufp)
{
	struct rend_buf *buf = *bufp;
	unsigned before;

	if (buf == NULL)
		return;
	*bufp = NULL;
	REND_CHECK(buf, REND_BUF_MAGIC);
	/*
	 * Release: what this user did with the block comes before its end.  Acquire: the last one sees what all others
	 * did.  A sole user needs no locked instruction, since nobody else is there to count.
	 */
	before = __atomic_load_n(&buf->refs, __ATOMIC_ACQUIRE);
	if (before == 1)
		__atomic_store_n(&buf->refs, 0, __ATOMIC_RELAXED);
	else
		before = __atomic_fetch_sub(&buf->refs, 1, __ATOMIC_ACQ_REL);
	REND_ASSERT(before != 0);
	if (before == 1)
		buf->release(buf);
}
