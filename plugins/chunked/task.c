/* A task's beginning, waiting and end; and the meta's key.  See task.h. */
#include "task.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_US 1000
/* Seconds.  The original writes the meta first: its pieces come soon, or not any more. */
#define YOUNG 5

struct task *
task_begin(struct instance *in, struct rend_op *op)
{
	struct task *t = (struct task *)(void *)op->scratch;

	memset(t, 0, sizeof *t);
	t->magic = TASK_MAGIC;
	t->in = in;
	t->op = op;
	return t;
}

void
task_end(struct task *t, enum rend_status status)
{
	struct rend_op *op = t->op;

	REND_CHECK(t, TASK_MAGIC);
	if (t->in_line)
		line_leave(&t->in->line, t);
	if (t->found != NULL)
		rend_op_free(&t->found);
	rend_value_drop(&t->made);
	assembly_drop(&t->assembly);
	t->magic = 0;
	rend_done(op, status);
}

void
task_later(struct task *t, bool at_once, task_f *resume)
{
	const struct timeval soon = { .tv_usec = at_once ? 0 : WAIT_US };
	struct instance *in = t->in;

	if (in->timer == NULL) {
		task_end(t, REND_BUSY);
		return;
	}
	t->resume = resume;
	t->next = in->later;
	in->later = t;
	if (at_once || !event_pending(in->timer, EV_TIMEOUT, NULL))
		event_add(in->timer, &soon);
}

void
task_rest(struct task *t, task_f *resume)
{
	t->resume = resume;
	t->next = t->in->resting;
	t->in->resting = t;
}

/* ---- the meta's key ---- */

struct rend_op *
meta_kid(struct task *t, unsigned verb)
{
	char key[LAYOUT_KEY_MAX];
	struct name name;
	struct rend_op *kid;

	name_of(&name, t->op->key, t->op->keylen);
	kid = rend_op_child_key(t->op, key, name_meta(&name, key));
	if (kid != NULL)
		kid->verb = (uint8_t)verb;
	return kid;
}

static void
meta_done(struct rend_op *kid)
{
	struct task *t = kid->up;

	REND_CHECK(t, TASK_MAGIC);
	t->answered(t, kid);
}

void
meta_ask(struct task *t, struct rend_op *kid, task_answer_f *answered)
{
	kid->up = t;
	kid->done = meta_done;
	t->answered = answered;
	if (rend_submit(t->in->store->conf->over, kid))
		meta_done(kid);
}

bool
meta_put(struct task *t, struct rend_op *kid, int64_t exptime)
{
	bool shortened = t->op->keylen > LAYOUT_PLAIN;
	uint8_t bytes[LAYOUT_META];

	meta_encode(&t->is, bytes);
	kid->item.flags = t->flags;
	kid->item.exptime = exptime;
	return rend_value_copy_in(&kid->item.value, bytes, sizeof bytes) == 0 &&
	       (!shortened || rend_value_copy_in(&kid->item.value, t->op->key, t->op->keylen) == 0);
}

void
meta_found(struct task *t, struct rend_op *kid)
{
	char bytes[LAYOUT_META + LAYOUT_KEY_MAX + 1];
	size_t len = rend_value_copy_out(&kid->item.value, 0, bytes, sizeof bytes);
	const struct rend_op *op = t->op;

	if (t->found != NULL)
		rend_op_free(&t->found);
	t->found = kid;
	memset(&t->was, 0, sizeof t->was);
	if (op->keylen > LAYOUT_PLAIN && len == LAYOUT_META + (size_t)op->keylen &&
	    memcmp(bytes + LAYOUT_META, op->key, op->keylen) == 0)
		len = LAYOUT_META;
	else if (op->keylen > LAYOUT_PLAIN)
		return;
	if (!meta_decode(&t->was, bytes, len))
		memset(&t->was, 0, sizeof t->was);
}

bool
meta_empty(const struct task *t)
{
	return t->found->item.value.len == 0;
}

bool
meta_usable(const struct task *t)
{
	static const uint8_t none[LAYOUT_TOKEN];

	return memcmp(t->was.token, none, sizeof none) != 0;
}

bool
meta_claimed(const struct task *t)
{
	return meta_usable(t) && t->was.written == 0;
}

bool
meta_young(const struct task *t)
{
	bool claimed = t->was.written == 0;
	int64_t since = claimed ? t->was.exptime : t->was.written, now = rend_wall();
	int64_t span = claimed ? LAYOUT_CLAIM : YOUNG;

	/* Clocks of two machines differ. */
	return since - span <= now && since + span > now;
}

bool
meta_dead(const struct task *t)
{
	return !meta_young(t) && (meta_claimed(t) || !t->in->store->unsure);
}

/* Classic text knows no delete on a condition.  What is stored on one, and is gone at once, is the same. */
static void
drop_answered(struct task *t, struct rend_op *kid)
{
	struct rend_op *set;

	if (kid->status == REND_UNSUPPORTED && kid->verb == REND_DELETE && (set = meta_kid(t, REND_SET)) != NULL) {
		set->ask = kid->ask;
		set->item.exptime = 1;
		rend_op_free(&kid);
		meta_ask(t, set, drop_answered);
		return;
	}
	t->dropped(t, kid);
}

void
meta_drop(struct task *t, uint64_t cas, uint64_t link, task_answer_f *dropped)
{
	struct rend_op *kid = meta_kid(t, REND_DELETE);

	if (kid == NULL) {
		task_end(t, REND_NO_MEMORY);
		return;
	}
	kid->ask.mode = REND_IF_CAS;
	kid->ask.cas = cas;
	kid->ask.link = link;
	t->dropped = dropped;
	meta_ask(t, kid, drop_answered);
}

static void
taken_out(struct task *t, struct rend_op *kid)
{
	if (kid->status == REND_OK)
		rend_count(t->in->store->taken_out, 1);
	rend_op_free(&kid);
	t->resume(t);
}

void
meta_take_out(struct task *t, task_f *resume)
{
	t->resume = resume;
	meta_drop(t, t->found->item.cas, t->found->item.link, taken_out);
}
