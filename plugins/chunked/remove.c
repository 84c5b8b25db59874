/* Takes a value out, changes when it goes, or empties everything. */
#include "task.h"

/* ---- delete: the meta first, and from then on there is no value; then the pieces that it named ---- */

static void
removed(struct task *t)
{
	task_end(t, REND_OK);
}

static void
meta_removed(struct task *t, struct rend_op *kid)
{
	enum rend_status status = (enum rend_status)kid->status;

	if (status == REND_OK)
		t->op->item.cas = kid->item.cas;
	rend_op_free(&kid);
	if (status != REND_OK)
		task_end(t, status);
	else
		pieces_run(t, PIECES_DELETE, (t->op->ask.mode & REND_INVALIDATE) ? 0 : t->was.pieces, removed);
}

/* What the op asks, of the meta's key. */
static void
pass(struct task *t, task_answer_f *answered)
{
	struct rend_op *kid = meta_kid(t, t->op->verb);

	if (kid == NULL) {
		task_end(t, REND_NO_MEMORY);
		return;
	}
	kid->ask = t->op->ask;
	kid->guard = t->op->guard;
	meta_ask(t, kid, answered);
}

static void
remove_found(struct task *t, struct rend_op *kid)
{
	if (kid->status == REND_OK)
		meta_found(t, kid);
	else
		rend_op_free(&kid);
	/* Found or not: what is not there now may be there when it is asked, and what was asked has to be answered by who deletes. */
	pass(t, meta_removed);
}

static void
look(struct task *t, task_answer_f *answered)
{
	struct rend_op *kid = meta_kid(t, REND_GET);

	if (kid == NULL) {
		task_end(t, REND_NO_MEMORY);
		return;
	}
	kid->ask.want = REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS;
	meta_ask(t, kid, answered);
}

void
remove_begin(struct task *t)
{
	if (t->op->ask.mode & REND_INVALIDATE)
		pass(t, meta_removed);
	else
		look(t, remove_found);
}

/* ---- touch: the meta never outlives the pieces ---- */

static void
touched(struct task *t)
{
	task_end(t, REND_OK);
}

static void
meta_touched(struct task *t, struct rend_op *kid)
{
	enum rend_status status = (enum rend_status)kid->status;
	/* Earlier than it was: the pieces follow, for nobody needs them. */
	bool follow = t->pieces.count == 0 && (t->op->ask.mode & REND_ONLY_EARLIER) == 0;

	rend_op_free(&kid);
	if (status == REND_OK && follow)
		pieces_run(t, PIECES_TOUCH, t->was.pieces, touched);
	else
		task_end(t, status);
}

static void
touch_meta(struct task *t)
{
	if (t->pieces.status != REND_OK)
		task_end(t, (enum rend_status)t->pieces.status);
	else if (t->pieces.missing && (t->found->item.have & REND_WANT_CAS) && meta_dead(t) && t->tries++ == 0)
		meta_take_out(t, touch_begin);
	else if (t->pieces.missing)
		task_end(t, REND_MISS);
	else
		pass(t, meta_touched);
}

static void
touch_found(struct task *t, struct rend_op *kid)
{
	const struct rend_ask *ask = &t->op->ask;
	enum rend_status status = (enum rend_status)kid->status;
	bool earlier;

	if (status != REND_OK) {
		rend_op_free(&kid);
		task_end(t, status);
		return;
	}
	meta_found(t, kid);
	if (meta_claimed(t) || (!meta_empty(t) && !meta_usable(t))) {
		task_end(t, REND_MISS); /* not there yet, or somebody else's */
		return;
	}
	earlier = (ask->mode & REND_ONLY_EARLIER) || ((kid->item.have & REND_WANT_EXPTIME) &&
							 rend_earlier(kid->item.exptime, ask->exptime) == ask->exptime);
	pieces_run(t, PIECES_TOUCH, earlier ? 0 : t->was.pieces, touch_meta);
}

void
touch_begin(struct task *t)
{
	look(t, touch_found);
}

/* ---- flush_all ---- */

static void
flushed(struct task *t, struct rend_op *kid)
{
	enum rend_status status = (enum rend_status)kid->status;

	rend_op_free(&kid);
	task_end(t, status);
}

void
flush_begin(struct task *t)
{
	struct rend_op *kid = rend_op_child(t->op);

	if (kid == NULL) {
		task_end(t, REND_NO_MEMORY);
		return;
	}
	kid->verb = REND_FLUSH_ALL;
	kid->ask = t->op->ask;
	kid->guard = t->op->guard;
	meta_ask(t, kid, flushed);
}
