/*
 * Reads a value: its meta, then the pieces that the meta names.  They are its own only if all of them carry the meta's token: else somebody
 * wrote in between, and the value is not there.
 */
#include "task.h"

#define TRIES 3

static void
answer(struct task *t)
{
	struct rend_item *to = &t->op->item, *from = &t->found->item;
	uint32_t want = t->op->ask.want, have = from->have & want;

	to->flags = from->flags;
	to->signs = t->won ? (from->signs & ~(uint32_t)REND_SENT) | REND_WON : from->signs;
	to->link = from->link;
	to->last_access = from->last_access;
	if (have & REND_WANT_EXPTIME)
		to->exptime = from->exptime;
	if (have & REND_WANT_CAS)
		to->cas = from->cas;
	if ((want & REND_WANT_SIZE) && (from->have & REND_WANT_VALUE)) {
		to->size = t->was.length;
		have |= REND_WANT_SIZE;
	}
	to->have = have;
	task_end(t, REND_OK);
}

/*
 * There is no value here, but a meta: who writes it may be about to finish, or what is too much for us is a value to another process.  A policy that
 * has found a newer one elsewhere must hear of that, or this one would come behind it.
 */
static void
not_whole(struct task *t)
{
	if ((t->op->ask.want & REND_WANT_UNDER_WAY) == 0) {
		task_end(t, REND_MISS);
		return;
	}
	t->op->item.signs = REND_SENT;
	t->op->item.have = 0;
	task_end(t, REND_OK);
}

static void
taken_out(struct task *t)
{
	/* What is there now, or with REND_VIVIFY, that nothing is. */
	read_begin(t);
}

/* The value is not there.  May what is left of it go, so that others see that, too? */
static void
broken(struct task *t)
{
	if (++t->tries >= TRIES)
		not_whole(t);
	else if ((t->found->item.have & REND_WANT_CAS) && meta_dead(t))
		meta_take_out(t, taken_out);
	else if (t->pieces.mixed && t->tries == 1)
		read_begin(t); /* whoever wrote has perhaps written the meta since */
	else
		not_whole(t);
}

static void
whole(struct task *t)
{
	bool wanted = (t->op->ask.want & REND_WANT_VALUE) != 0;

	if (t->pieces.status != REND_OK)
		task_end(t, (enum rend_status)t->pieces.status);
	else if (pieces_broken(&t->pieces))
		broken(t);
	else if (wanted && t->was.pieces > 0 && !assembly_take(&t->assembly, &t->was, &t->op->item.value))
		task_end(t, REND_NO_MEMORY);
	else
		answer(t);
}

static void
found(struct task *t, struct rend_op *kid)
{
	enum rend_status status = (enum rend_status)kid->status;

	if (status != REND_OK) {
		rend_op_free(&kid);
		task_end(t, status);
		return;
	}
	meta_found(t, kid);
	t->won |= (kid->item.signs & REND_WON) != 0; /* of an item it is said once, and there may be another look */
	if (meta_claimed(t))
		broken(t);
	else if (meta_empty(t) || (kid->item.have & REND_WANT_VALUE) == 0)
		answer(t);
	else if (!meta_usable(t) || t->was.length > rend_item_size_max())
		not_whole(t); /* somebody else's, or not what it claims, or more than may be read here */
	else if (t->op->ask.want & REND_WANT_VALUE)
		pieces_run(t, PIECES_READ, t->was.pieces, whole);
	else if (t->op->ask.mode & REND_ALSO_TOUCH)
		pieces_run(t, PIECES_TOUCH, t->was.pieces, whole);
	else
		answer(t);
}

void
read_begin(struct task *t)
{
	struct rend_op *kid = meta_kid(t, REND_GET);

	assembly_drop(&t->assembly);
	if (kid == NULL) {
		task_end(t, REND_NO_MEMORY);
		return;
	}
	kid->ask = t->op->ask;
	kid->ask.want = (kid->ask.want & ~(uint32_t)(REND_WANT_SIZE | REND_WANT_ANY_CAS)) | REND_WANT_VALUE |
			REND_WANT_CAS;
	kid->guard = t->op->guard;
	meta_ask(t, kid, found);
}
