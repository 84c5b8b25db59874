/*
 * The window: see pieces.h.
 *
 *	0 ... asked and answered ... | out: at most `window` | next ... count
 *
 * All values of a worker share OUT_MOST pieces.  While half of them are free nobody is held back, so a large value does not go slowly because
 * of many small ones that need little of their part; of the other half each has an equal part of the whole.  One that comes later has little
 * at first: one piece, which it may always ask for, so that it never waits for another value to end; and as answers to the others come in,
 * they ask for no more until they have their part.
 *
 * A handler that answers at once would let a large value keep its worker for long, so after some such answers the rest waits for the next turn.
 */
#include <string.h>

#include "task.h"

#define AT_ONCE	 512  /* pieces in one turn */
#define OUT_MOST 1024 /* pieces of all tasks of a worker, beside one of each: the handler beneath has a bound, too */

static void pump(struct task *t);

static void
fail(struct task *t, enum rend_status status)
{
	if (t->pieces.status == REND_OK)
		t->pieces.status = (uint8_t)status;
}

/* The next piece of what is written: token, data, zeros. */
static bool
fill(struct task *t, struct rend_op *kid)
{
	size_t size = LAYOUT_TOKEN + (size_t)t->is.data, have = LAYOUT_TOKEN;
	const struct rend_seg *segs = rend_value_segs(t->source);
	struct rend_buf *buf = rend_buf_new(size);

	if (buf == NULL)
		return false;
	memcpy(buf->data, t->is.token, LAYOUT_TOKEN);
	while (have < size && t->seg < t->source->nsegs) {
		size_t n = segs[t->seg].len - t->at;

		if (n > size - have)
			n = size - have;
		memcpy(buf->data + have, segs[t->seg].p + t->at, n);
		have += n;
		t->at += n;
		if (t->at == segs[t->seg].len) {
			t->seg++;
			t->at = 0;
		}
	}
	memset(buf->data + have, 0, size - have);
	kid->item.flags = t->flags;
	kid->item.exptime = t->exptime;
	return rend_value_add(&kid->item.value, buf, buf->data, size) == 0;
}

static bool
set_up(struct task *t, struct rend_op *kid)
{
	const struct rend_ask *ask = &t->op->ask;

	switch (t->pieces.what) {
	case PIECES_READ:
		kid->verb = REND_GET;
		kid->ask.want = REND_WANT_VALUE;
		kid->ask.mode = ask->mode & (REND_ALSO_TOUCH | REND_NO_BUMP);
		kid->ask.exptime = ask->exptime;
		return true;
	case PIECES_WRITE:
		kid->verb = REND_SET;
		return fill(t, kid);
	case PIECES_TOUCH:
		kid->verb = REND_TOUCH;
		kid->ask.exptime = ask->exptime;
		return true;
	default:
		kid->verb = REND_DELETE;
		return true;
	}
}

/* Which one it was, its key says. */
static uint32_t
number_of(const struct rend_op *kid)
{
	uint32_t n = 0;
	const char *p = kid->key + kid->keylen;

	while (*--p != '-')
		continue;
	while (++p < kid->key + kid->keylen)
		n = n * 10 + (uint32_t)(*p - '0');
	return n;
}

/* A piece of another length, or with another token, is of another value. */
static void
take(struct task *t, struct rend_op *kid)
{
	const struct rend_value *v = &kid->item.value;
	uint8_t token[LAYOUT_TOKEN];

	if (v->len != LAYOUT_TOKEN + (size_t)t->was.data) {
		t->pieces.mixed = true;
		return;
	}
	rend_value_copy_out(v, 0, token, sizeof token);
	if (memcmp(token, t->was.token, sizeof token) != 0)
		t->pieces.mixed = true;
	else if (!assembly_add(&t->assembly, &t->was, number_of(kid), v, LAYOUT_TOKEN))
		fail(t, REND_NO_MEMORY);
}

static void
note(struct task *t, struct rend_op *kid)
{
	struct pieces *p = &t->pieces;
	enum rend_status status = (enum rend_status)kid->status;

	p->out--;
	t->in->out--;
	/* What stays is of no value any more, and goes in its time.  A meta may have claimed more than there are: the first that is missing ends it. */
	if (p->what == PIECES_DELETE && status != REND_MISS)
		status = REND_OK;
	if (status == REND_MISS && p->what != PIECES_WRITE)
		p->missing = true;
	else if (status != REND_OK)
		fail(t, status);
	else if (p->what == PIECES_READ && !pieces_broken(p))
		take(t, kid);
	rend_op_free(&kid);
}

static void
piece_done(struct rend_op *kid)
{
	struct task *t = kid->up;

	REND_CHECK(t, TASK_MAGIC);
	note(t, kid);
	pump(t);
}

static bool
wants_more(const struct pieces *p)
{
	return p->next < p->count && p->status == REND_OK && !pieces_broken(p);
}

/* May it have one more out? */
static bool
has_room(const struct task *t)
{
	const struct instance *in = t->in;
	uint32_t out = t->pieces.out, window = (uint32_t)in->store->conf->window;

	return out == 0 ||
	       (out < window && in->out < OUT_MOST && (in->out < OUT_MOST / 2 || out < OUT_MOST / in->sharing));
}

/* Asks one more.  true: it has answered already. */
static bool
ask_next(struct task *t, const struct name *name)
{
	char key[LAYOUT_KEY_MAX];
	size_t len = name_piece(name, t->pieces.next++, key);
	struct rend_op *kid = len == 0 ? NULL : rend_op_child_key(t->op, key, len);

	if (kid == NULL || !set_up(t, kid)) {
		if (kid != NULL)
			rend_op_free(&kid);
		fail(t, REND_NO_MEMORY);
		return true;
	}
	kid->up = t;
	kid->done = piece_done;
	t->pieces.out++;
	t->in->out++;
	if (!rend_submit(t->in->store->conf->over, kid))
		return false;
	note(t, kid);
	return true;
}

/* Its time may be over.  Whoever has begun to write clears away what it leaves. */
static void
resumed(struct task *t)
{
	if (rend_op_given_up(t->op))
		fail(t, REND_TIMEOUT);
	pump(t);
}

static void
pump(struct task *t)
{
	struct pieces *p = &t->pieces;
	unsigned at_once = 0;
	struct name name;

	if (p->pumping)
		return;
	p->pumping = true;
	name_of(&name, t->op->key, t->op->keylen);
	while (wants_more(p) && has_room(t) && at_once < AT_ONCE)
		at_once += ask_next(t, &name);
	p->pumping = false;
	if (p->out > 0)
		return;
	if (wants_more(p) && t->in->timer == NULL)
		fail(t, REND_BUSY); /* there is no next turn */
	if (wants_more(p)) {
		task_later(t, true, resumed);
		return;
	}
	t->in->sharing--;
	if (p->missing && p->what != PIECES_DELETE)
		rend_count(t->in->store->missing, 1);
	else if (p->mixed)
		rend_count(t->in->store->mixed, 1);
	p->over(t);
}

void
pieces_run(struct task *t, enum pieces_what what, uint32_t count, void (*over)(struct task *t))
{
	t->pieces = (struct pieces){ .what = (uint8_t)what, .status = REND_OK, .count = count, .over = over };
	t->in->sharing++;
	if (what == PIECES_READ && count > 0 && !assembly_begin(&t->assembly, &t->was))
		fail(t, REND_NO_MEMORY);
	if (what == PIECES_WRITE) {
		t->seg = 0;
		t->at = 0;
	}
	pump(t);
}
