/* Values: pieces of shared buffers, in order. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rend/check.h"
#include "rend/value.h"

#define VALUE_FEW   (sizeof(((struct rend_value *)0)->segs.few) / sizeof(struct rend_seg))
#define VALUE_FIRST 8 /* pieces that fit when the first two have moved to the heap */

static struct rend_seg *
value_segs(struct rend_value *v)
{
	return v->room ? v->segs.many : v->segs.few;
}

static bool
value_full(const struct rend_value *v)
{
	return v->nsegs == (v->room ? v->room : VALUE_FEW);
}

static int
value_grow(struct rend_value *v)
{
	unsigned room = v->room ? v->room * 2 : VALUE_FIRST;
	struct rend_seg *many;

	if (room < v->room)
		return -1;
	many = realloc(v->room ? v->segs.many : NULL, room * sizeof(*many));
	if (many == NULL)
		return -1;
	if (v->room == 0)
		memcpy(many, v->segs.few, v->nsegs * sizeof(*many));
	v->segs.many = many;
	v->room = room;
	return 0;
}

/* A piece that is none, or not the first. */
static int
add_more(struct rend_value *v, struct rend_buf *buf, const char *p, size_t len)
{
	if (len == 0) {
		rend_buf_drop(&buf);
		return 0;
	}
	/* The same buffer may be there many times, so the sum is not bounded by memory. */
	if (len > SIZE_MAX - v->len || (value_full(v) && value_grow(v) != 0)) {
		rend_buf_drop(&buf);
		return -1;
	}
	value_segs(v)[v->nsegs++] = (struct rend_seg){ .buf = buf, .p = p, .len = len };
	v->len += len;
	return 0;
}

int
rend_value_add(struct rend_value *v, struct rend_buf *buf, const char *p, size_t len)
{
	REND_CHECK(buf, REND_BUF_MAGIC);
	REND_ASSERT(p >= buf->data && len <= buf->size && (size_t)(p - buf->data) <= buf->size - len);
	if (len == 0 || v->nsegs != 0 || v->room != 0)
		return add_more(v, buf, p, len);
	v->segs.few[0] = (struct rend_seg){ .buf = buf, .p = p, .len = len };
	v->nsegs = 1;
	v->len = len;
	return 0;
}

int
rend_value_copy_in(struct rend_value *v, const void *p, size_t len)
{
	struct rend_buf *buf;

	if (len == 0)
		return 0;
	buf = rend_buf_new(len);
	if (buf == NULL)
		return -1;
	memcpy(buf->data, p, len);
	return rend_value_add(v, buf, buf->data, len);
}

int
rend_value_share(struct rend_value *to, const struct rend_value *from)
{
	const struct rend_seg *segs = rend_value_segs(from);
	struct rend_value v = { .len = from->len, .nsegs = from->nsegs };

	if (to == from)
		return 0;
	rend_value_drop(to);
	if (v.nsegs > VALUE_FEW) {
		v.segs.many = malloc(v.nsegs * sizeof(*segs));
		if (v.segs.many == NULL)
			return -1;
		v.room = v.nsegs;
	}
	for (unsigned i = 0; i < v.nsegs; i++) {
		rend_buf_ref(segs[i].buf);
		value_segs(&v)[i] = segs[i];
	}
	*to = v;
	return 0;
}

void
rend_value_move(struct rend_value *to, struct rend_value *from)
{
	if (to == from)
		return;
	rend_value_drop(to);
	*to = *from;
	*from = (struct rend_value){ 0 };
}

static void
drop_many(struct rend_value *v)
{
	struct rend_seg *segs = value_segs(v);
	struct rend_buf *first = segs[0].buf;

	for (unsigned i = 1; i < v->nsegs; i++)
		rend_buf_drop(&segs[i].buf);
	if (v->room != 0)
		free(v->segs.many);
	*v = (struct rend_value){ 0 };
	rend_buf_drop(&first);
}

void
rend_value_drop(struct rend_value *v)
{
	struct rend_buf *only;

	if (v->nsegs == 0)
		return;
	if (v->nsegs > 1 || v->room != 0) {
		drop_many(v);
		return;
	}
	only = v->segs.few[0].buf;
	*v = (struct rend_value){ 0 };
	rend_buf_drop(&only);
}

size_t
rend_value_copy_out(const struct rend_value *v, size_t from, void *to, size_t max)
{
	const struct rend_seg *segs = rend_value_segs(v);
	char *p = to;
	unsigned i = 0;

	while (i < v->nsegs && from >= segs[i].len)
		from -= segs[i++].len;
	for (; i < v->nsegs && max > 0; i++) {
		size_t n = segs[i].len - from;

		if (n > max)
			n = max;
		memcpy(p, segs[i].p + from, n);
		p += n;
		max -= n;
		from = 0;
	}
	return (size_t)(p - (char *)to);
}

int
rend_value_iov(const struct rend_value *v, struct iovec *iov, int max)
{
	const struct rend_seg *segs = rend_value_segs(v);
	int n;

	for (n = 0; n < max && (unsigned)n < v->nsegs; n++) {
		iov[n].iov_base = (void *)(uintptr_t)segs[n].p;
		iov[n].iov_len = segs[n].len;
	}
	return n;
}
