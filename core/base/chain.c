/* Bytes on their way out. */
#include <stdint.h>
#include <string.h>

#include "base/chain.h"
#include "rend/check.h"

/* Free pieces a worker keeps: 1 MiB of blocks, and what a few hundred large replies under way refer with. */
#define BLOCKS_KEEP 256
#define REFS_KEEP   1024

struct chain_block {
	struct chain_piece piece;
	char bytes[4096];
};
_Static_assert(sizeof(((struct chain_block *)0)->bytes) >= CHAIN_ROOM_MAX, "room does not fit into a block");

void
chain_pools_init(struct chain_pools *pools)
{
	pool_init(&pools->blocks, sizeof(struct chain_block), BLOCKS_KEEP);
	pool_init(&pools->refs, sizeof(struct chain_piece), REFS_KEEP);
}

void
chain_pools_fini(struct chain_pools *pools)
{
	pool_fini(&pools->blocks);
	pool_fini(&pools->refs);
}

static void
chain_append(struct chain *c, struct chain_piece *piece)
{
	piece->next = NULL;
	if (c->tail == NULL)
		c->head = piece;
	else
		c->tail->next = piece;
	c->tail = piece;
}

static void
chain_drop_head(struct chain *c)
{
	struct chain_piece *piece = c->head;

	c->head = piece->next;
	if (c->head == NULL) {
		c->tail = NULL;
		c->at = c->end = NULL;
	}
	if (piece->buf == NULL) {
		pool_put(&c->pools->blocks, piece);
		return;
	}
	rend_buf_drop(&piece->buf);
	pool_put(&c->pools->refs, piece);
}

char *
chain_extend(struct chain *c, size_t len)
{
	struct chain_block *block;

	REND_ASSERT(len <= CHAIN_ROOM_MAX);
	if (c->broken)
		return NULL;
	block = pool_get(&c->pools->blocks);
	if (block == NULL) {
		c->broken = true;
		c->at = c->end = NULL;
		return NULL;
	}
	block->piece.p = block->bytes;
	block->piece.len = 0;
	block->piece.buf = NULL;
	chain_append(c, &block->piece);
	c->at = block->bytes;
	c->end = block->bytes + sizeof(block->bytes);
	return c->at;
}

void
chain_put_apart(struct chain *c, const void *p, size_t len)
{
	const char *from = p;

	while (len > 0 && !c->broken) {
		size_t room = (size_t)(c->end - c->at), n = len < room ? len : room;

		if (room == 0) {
			chain_extend(c, 1);
			continue;
		}
		memcpy(c->at, from, n);
		chain_took(c, n);
		from += n;
		len -= n;
	}
}

char *
chain_copy(char *to, const void *p, size_t len)
{
	memcpy(to, p, len);
	return to + len;
}

static void
chain_refer(struct chain *c, const struct rend_seg *seg)
{
	struct chain_piece *piece;

	if (c->broken)
		return;
	piece = pool_get(&c->pools->refs);
	if (piece == NULL) {
		c->broken = true;
		c->at = c->end = NULL;
		return;
	}
	rend_buf_ref(seg->buf);
	piece->buf = seg->buf;
	piece->p = seg->p;
	piece->len = seg->len;
	chain_append(c, piece);
	c->at = c->end = NULL;
	c->len += seg->len;
}

void
chain_put_value(struct chain *c, const struct rend_value *v)
{
	const struct rend_seg *segs = rend_value_segs(v);

	for (unsigned i = 0; i < v->nsegs; i++) {
		/* A small piece of a large value is cheaper to copy, too. */
		if (segs[i].len <= CHAIN_COPY_MAX)
			chain_put(c, segs[i].p, segs[i].len);
		else
			chain_refer(c, &segs[i]);
	}
}

int
chain_iov(const struct chain *c, struct iovec *iov, int max)
{
	int n = 0;

	for (const struct chain_piece *piece = c->head; piece != NULL && n < max; piece = piece->next) {
		if (piece->len == 0)
			continue;
		iov[n].iov_base = (void *)(uintptr_t)piece->p;
		iov[n].iov_len = piece->len;
		n++;
	}
	return n;
}

void
chain_eat(struct chain *c, size_t len)
{
	REND_ASSERT(len <= c->len);
	c->len -= len;
	while (len > 0) {
		struct chain_piece *piece = c->head;

		if (piece->len > len) {
			piece->p += len;
			piece->len -= len;
			return;
		}
		len -= piece->len;
		chain_drop_head(c);
	}
	/* An idle connection keeps no block, not even one whose room was asked for and not used. */
	while (c->len == 0 && c->head != NULL)
		chain_drop_head(c);
}

void
chain_drop(struct chain *c)
{
	while (c->head != NULL)
		chain_drop_head(c);
	c->len = 0;
	c->broken = false;
}
