/* A value that is on its way: see body.h. */
#include "net/body.h"

#include <stdlib.h>
#include <string.h>

#include "engine/node.h"
#include "engine/op.h"
#include "engine/worker.h"

#define PIECE_FIRST (64 * 1024)
#define PIECE_MAX   (1024 * 1024)

/* Bytes that are a fair part. */
#define PROGRESS (16 * 1024)

struct body *
body_new(const struct command *cmd, struct rend_op *op, const struct rend_node *to, const struct body_said *said)
{
	struct body *b = calloc(1, sizeof *b);

	if (b != NULL)
		b->said = *said;
	if (b == NULL || (b->said.text = malloc(said->len + 1)) == NULL) {
		free(b);
		if (op != NULL)
			rend_op_free(&op);
		return NULL;
	}
	memcpy(b->said.text, said->text, said->len);
	b->cmd = *cmd;
	b->cmd.key = NULL;
	b->op = op;
	b->to = to;
	b->left = b->marked = cmd->body;
	b->ended = b->left == 0;
	return b;
}

/* ---- the store's room ---- */

static bool
has_room(const struct body *b)
{
	return b->room.nsegs != 0;
}

/* What of the piece that is being filled is empty. */
static char *
room_left(const struct body *b, size_t *left)
{
	const struct rend_seg *seg = &rend_value_segs(&b->room)[b->at];

	*left = seg->len - b->filled;
	return (char *)(uintptr_t)seg->p + b->filled;
}

static void
room_took(struct body *b, size_t len)
{
	size_t left;

	room_left(b, &left);
	b->filled += len;
	if (len == left) {
		b->at++;
		b->filled = 0;
	}
}

static void
drop_room(struct body *b)
{
	if (!has_room(b))
		return;
	b->op->worker->reserved -= b->left;
	rend_value_drop(&b->room);
}

/* What came moves to the store's memory. */
static void
ask_store(struct body *b)
{
	struct rend_value *came = &b->op->item.value;
	size_t done = 0, left;

	b->asked = true;
	if (b->op->verb < REND_SET || b->op->verb > REND_REPLACE || !node_reserve(b->to, b->op, b->cmd.body, &b->room))
		return;
	b->at = 0;
	b->filled = 0;
	while (done < came->len) {
		char *to = room_left(b, &left);
		size_t took = rend_value_copy_out(came, done, to, left);

		room_took(b, took);
		done += took;
	}
	rend_value_drop(came);
	b->op->worker->reserved += b->left;
}

/* ---- the body ---- */

void
body_turn_to(struct body *b, const struct rend_node *to, struct generation *g)
{
	b->to = to;
	if (b->op != NULL && !b->asked)
		op_pin(b->op, g);
}

void
body_free(struct body **bp)
{
	struct body *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	rend_buf_drop(&b->piece);
	drop_room(b);
	if (b->op != NULL)
		rend_op_free(&b->op);
	free(b->said.text);
	free(b);
}

/* The value is given up, not the connection: the rest is read and dropped. */
static void
give_up(struct body *b)
{
	rend_buf_drop(&b->piece);
	drop_room(b);
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
	if (b->piece == NULL && !b->asked && b->op->item.value.len >= PIECE_FIRST && b->left >= PIECE_FIRST)
		ask_store(b);
	if (has_room(b))
		return room_left(b, room);
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
	b->left -= len;
	b->ended = b->left == 0;
	if (has_room(b)) {
		b->op->worker->reserved -= len;
		room_took(b, len);
		if (b->ended)
			rend_value_move(&b->op->item.value, &b->room);
		return;
	}
	b->filled += len;
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
