/* Bytes that are shared instead of copied. */
#ifndef REND_VALUE_H
#define REND_VALUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "rend/api.h"

REND_BEGIN

/*
 * A block of memory with a count of its users.  Whoever makes one may write to it until a value points at it; from then on nobody
 * does.  A plugin may embed one in an item of its own (rend_buf_init) and give it a release function: the reply then needs no copy.
 */
struct rend_buf {
	unsigned magic;
#define REND_BUF_MAGIC 0x5eb0f001U
	unsigned refs;			       /* atomic; through the functions below, always */
	void (*release)(struct rend_buf *buf); /* the last user left; any thread */
	char *data;
	size_t size; /* bytes at data */
};

/* A buffer of size bytes with one reference, the caller's.  NULL: no memory.  Any thread. */
REND_API struct rend_buf *rend_buf_new(size_t size);

/* Makes *buf, wherever it lies, a buffer over size bytes at data with one reference, the caller's.  release must not be NULL. */
REND_API void rend_buf_init(struct rend_buf *buf, void *data, size_t size, void (*release)(struct rend_buf *buf));

/* One more user.  Any thread. */
REND_API void rend_buf_ref(struct rend_buf *buf);

/* One user less, and *bufp becomes NULL; the last one releases the memory.  NULL in *bufp is fine.  Any thread. */
REND_API void rend_buf_drop(struct rend_buf **bufp);

/* A piece of a value: len bytes at p, inside buf. */
struct rend_seg {
	struct rend_buf *buf;
	const char *p;
	size_t len;
};

/*
 * One value: pieces in order, which need not lie side by side.  A value is whole: it is handed on when all of it is there, and not before.  Two fit inside; more live on the heap.  All-zero is the empty value.  A value holds one reference per
 * piece.  It has no pointer into itself, so it may be moved by assignment, if the old one is forgotten.
 */
struct rend_value {
	size_t len;	/* of all pieces together, bytes */
	unsigned nsegs; /* read them through rend_value_segs() */
	unsigned room;	/* pieces that fit at segs.many; 0: they are in segs.few */
	union {
		struct rend_seg few[2];
		struct rend_seg *many;
	} segs;
};

/* Appends a piece; the value takes over the caller's reference to buf, also on failure.  0, or -1: no memory, the value is as before. */
REND_API int rend_value_add(struct rend_value *v, struct rend_buf *buf, const char *p, size_t len);

/* Makes *v, which is empty, one piece of len bytes, more than 0, inside buf; the value takes over the caller's reference. */
static inline void
rend_value_set(struct rend_value *v, struct rend_buf *buf, const char *p, size_t len)
{
	v->segs.few[0].buf = buf;
	v->segs.few[0].p = p;
	v->segs.few[0].len = len;
	v->nsegs = 1;
	v->len = len;
}

/* Appends a copy of len bytes at p.  0, or -1: no memory, the value is as before. */
REND_API int rend_value_copy_in(struct rend_value *v, const void *p, size_t len);

/* Drops what *to held and makes it the same pieces as *from, each with a reference more.  0, or -1: no memory, *to is empty. */
REND_API int rend_value_share(struct rend_value *to, const struct rend_value *from);

/* Drops what *to held and hands *from over to it; *from is empty afterwards. */
REND_API void rend_value_move(struct rend_value *to, struct rend_value *from);

/* Drops all pieces; *v is empty afterwards. */
REND_API void rend_value_drop(struct rend_value *v);

/* The pieces, nsegs of them; valid until the value changes. */
static inline const struct rend_seg *
rend_value_segs(const struct rend_value *v)
{
	return v->room ? v->segs.many : v->segs.few;
}

/* Copies up to max bytes, beginning at byte `from`, to `to`.  Returns how many. */
REND_API size_t rend_value_copy_out(const struct rend_value *v, size_t from, void *to, size_t max);

/* Fills at most max iovecs with the pieces, beginning with the first.  Returns how many were filled. */
REND_API int rend_value_iov(const struct rend_value *v, struct iovec *iov, int max);

REND_END

#endif
