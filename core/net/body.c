/* A value that is on its way: see body.h. */
#include "net/body.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_FIRST (64 * 1024)
#define PIECE_MAX   (1024 * 1024)

/* Bytes that are a fair part. */
#define PROGRESS (16 * 1024)

struct body *
body_new(const struct command *cmd, struct rend_op *op)
{
	struct body *b = calloc(1, sizeof *b);

	if (b == NULL) {
		if (op != NULL)
			rend_op_free(&op);
		return NULL;
	}
	b->cmd = *cmd;
	b->cmd.key = NULL;
	b->op = op;
	b->left = b->marked = cmd->body;
	b->ended = b->left == 0;
	return b;
}

void
body_free(struct body **bp)
{
	struct body *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	rend_buf_drop(&b->piece);
	if (b->op != NULL)
		rend_op_free(&b->op);
	free(b);
}

/* The value is given up, not the connection: the rest is read and dropped. */
static void
give_up(struct body *b)
{
	rend_buf_drop(&b->piece);
	rend_value_drop(&b->op->item.value);
	rend_op_free(&b->op);
}

static struct rend_buf *
next_piece(const struct body *b)
{
	size_t have = b->op->item.value.len;
	size_t size = have < PIECE_FIRST ? PIECE_FIRST : have < PIECE_MAX ? have : PIECE_MAX;

	return rend_buf_new(b->left < size ? b->left : size);
}

char *
body_room(struct body *b, size_t *room)
{
	if (b->op == NULL || b->left == 0)
		return NULL;
	if (b->piece == NULL) {
		b->piece = next_piece(b);
		b->filled = 0;
	}
	if (b->piece == NULL) {
		give_up(b);
		return NULL;
	}
	*room = b->piece->size - b->filled;
	return b->piece->data + b->filled;
}

void
body_took(struct body *b, size_t len)
{
	b->filled += len;
	b->left -= len;
	b->ended = b->left == 0;
	if (b->filled < b->piece->size)
		return;
	/* The value takes the piece over. */
	struct rend_buf *piece = b->piece;

	b->piece = NULL;
	if (rend_value_add(&b->op->item.value, piece, piece->data, b->filled) != 0)
		give_up(b);
}

bool
body_progressed(struct body *b)
{
	if (b->marked - b->left < PROGRESS)
		return false;
	b->marked = b->left;
	return true;
}

size_t
body_feed(struct body *b, const char *p, size_t len)
{
	size_t fed = 0;

	while (fed < len && b->left > 0) {
		size_t room, take = len - fed < b->left ? len - fed : b->left;
		char *to = body_room(b, &room);

		if (to == NULL) {
			b->left -= take;
			b->ended = b->left == 0;
		} else {
			take = take < room ? take : room;
			memcpy(to, p + fed, take);
			body_took(b, take);
		}
		fed += take;
	}
	return fed;
}
