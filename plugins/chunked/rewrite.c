/*
 * append, prepend, incr and decr: the value is read, changed, and written on the condition that nobody changed its meta in between; else all
 * of it begins anew.
 */
#include <string.h>

#include "rend/counter.h"
#include "task.h"

/* How long it waits for others who write the same value, ns; then it is busy. */
#define PATIENCE 2000000000ULL
/* A longer value is taken for no number; memcached would read a number with more behind it. */
#define NUMBER_TEXT_MAX 64
#define AT_ONCE		8 /* tries before it gives others time */

static bool
joins(const struct task *t)
{
	return t->op->verb == REND_APPEND || t->op->verb == REND_PREPEND;
}

static void look(struct task *t);

static void
begin_anew(struct task *t)
{
	rend_value_drop(&t->made);
	look(t);
}

/* Somebody else is writing, or was faster. */
static void
again(struct task *t)
{
	if (t->tries < AT_ONCE) {
		t->tries++;
		task_later(t, true, begin_anew);
		return;
	}
	rend_count(t->in->store->waits, 1);
	if (rend_now() - t->op->born > PATIENCE)
		task_end(t, REND_BUSY);
	else
		task_later(t, false, begin_anew);
}

/* ---- there is none ---- */

static void
make_new(struct task *t)
{
	char digits[REND_COUNTER_DIGITS_MAX];
	struct rend_op *op = t->op;
	bool made;

	if (joins(t)) {
		made = rend_value_share(&t->made, &op->item.value) == 0;
		t->flags = op->item.flags;
	} else {
		made = rend_value_copy_in(&t->made, digits, rend_counter_print(digits, op->ask.initial)) == 0;
		t->number = op->ask.initial;
		t->flags = 0;
	}
	if (!made) {
		task_end(t, REND_NO_MEMORY);
		return;
	}
	t->exptime = op->ask.vivify;
	write_made(t, REND_ADD, 0, 0, again);
}

static void
missing(struct task *t)
{
	uint32_t mode = t->op->ask.mode;

	if (mode & REND_IF_CAS)
		task_end(t, REND_MISS);
	else if (mode & REND_VIVIFY)
		make_new(t);
	else
		task_end(t, joins(t) ? REND_NOT_STORED : REND_MISS);
}

/* ---- there is one ---- */

static enum rend_status
join(struct task *t, struct rend_value *old)
{
	bool after = t->op->verb == REND_APPEND;
	const struct rend_value *first = after ? old : &t->op->item.value, *second = after ? &t->op->item.value : old;
	const struct rend_seg *segs = rend_value_segs(second);

	if (old->len + t->op->item.value.len > rend_item_size_max())
		return REND_TOO_BIG;
	if (rend_value_share(&t->made, first) != 0)
		return REND_NO_MEMORY;
	for (unsigned i = 0; i < second->nsegs; i++) {
		rend_buf_ref(segs[i].buf);
		if (rend_value_add(&t->made, segs[i].buf, segs[i].p, segs[i].len) != 0)
			return REND_NO_MEMORY;
	}
	return REND_OK;
}

static enum rend_status
count(struct task *t, struct rend_value *old)
{
	char text[NUMBER_TEXT_MAX];
	size_t len = rend_value_copy_out(old, 0, text, sizeof text), digits;
	uint64_t number;

	if (old->len > sizeof text || !rend_counter_read(text, len, &number))
		return REND_NOT_A_NUMBER;
	number = rend_counter_step(number, t->op->ask.delta, t->op->verb == REND_INCR);
	digits = rend_counter_print(text, number);
	/* As in memcached a value does not get shorter: spaces fill it. */
	if (digits < len)
		memset(text + digits, ' ', len - digits);
	if (rend_value_copy_in(&t->made, text, digits < len ? len : digits) != 0)
		return REND_NO_MEMORY;
	t->number = number;
	return REND_OK;
}

static void
make_of(struct task *t, struct rend_value *old)
{
	const struct rend_ask *ask = &t->op->ask;
	const struct rend_item *was = &t->found->item;
	enum rend_status status = joins(t) ? join(t, old) : count(t, old);

	rend_value_drop(old);
	if (status != REND_OK) {
		task_end(t, status);
		return;
	}
	t->flags = was->flags;
	t->exptime = (was->have & REND_WANT_EXPTIME) ? was->exptime : t->was.exptime;
	if (ask->mode & REND_ALSO_TOUCH)
		t->exptime = ask->exptime;
	write_made(t, REND_SET, was->cas, ask->link != 0 ? ask->link : was->link, again);
}

/* Not again and again: whoever writes the same value all the time would never get to its end. */
static void
take_out(struct task *t)
{
	t->took_out = true;
	meta_take_out(t, again);
}

static void
read(struct task *t)
{
	struct rend_value old = { 0 };

	if (t->pieces.status != REND_OK)
		task_end(t, (enum rend_status)t->pieces.status);
	else if (pieces_broken(&t->pieces) && (meta_young(t) || t->took_out))
		again(t);
	else if (pieces_broken(&t->pieces) && !meta_dead(t))
		task_end(t, joins(t) ? REND_NOT_STORED : REND_MISS); /* as a get would say */
	else if (pieces_broken(&t->pieces))
		take_out(t);
	else if (t->was.pieces > 0 && !assembly_take(&t->assembly, &t->was, &old))
		task_end(t, REND_NO_MEMORY);
	else
		make_of(t, &old);
}

static void
found(struct task *t, struct rend_op *kid)
{
	const struct rend_ask *ask = &t->op->ask;
	enum rend_status status = (enum rend_status)kid->status;

	if (status != REND_OK) {
		rend_op_free(&kid);
		if (status == REND_MISS)
			missing(t);
		else
			task_end(t, status);
		return;
	}
	meta_found(t, kid);
	if ((kid->item.have & REND_WANT_CAS) == 0)
		task_end(t, REND_UNSUPPORTED); /* nothing to tell by whether it changed */
	else if ((ask->mode & REND_IF_CAS) && kid->item.cas != ask->cas)
		task_end(t, REND_EXISTS);
	else if (!meta_empty(t) && !meta_usable(t))
		task_end(t, joins(t) ? REND_NOT_STORED : REND_MISS);
	else if (meta_claimed(t) && meta_young(t))
		again(t);
	else if (meta_claimed(t))
		meta_take_out(t, again);
	else if (t->was.length > rend_item_size_max())
		task_end(t, REND_TOO_BIG);
	else
		pieces_run(t, PIECES_READ, t->was.pieces, read);
}

static void
look(struct task *t)
{
	struct rend_op *kid;

	if (rend_op_given_up(t->op)) {
		task_end(t, REND_TIMEOUT);
		return;
	}
	if (!rend_guard_holds(t->op)) {
		task_end(t, REND_NOT_STORED);
		return;
	}
	assembly_drop(&t->assembly);
	kid = meta_kid(t, REND_GET);
	if (kid == NULL) {
		task_end(t, REND_NO_MEMORY);
		return;
	}
	kid->ask.want = REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS;
	meta_ask(t, kid, found);
}

void
rewrite_begin(struct task *t)
{
	if (line_enter(&t->in->line, t, look))
		look(t);
}
