/* Asks: see ask.h. */
#include "ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/node.h"
#include "rig.h"

/* An answer that takes more than this part of the behaviour's time is lost. */
#define ANSWER_SHARE 3

static unsigned values_out; /* atomic: our buffers that somebody still has */

unsigned
ask_values_out(void)
{
	return __atomic_load_n(&values_out, __ATOMIC_ACQUIRE);
}

uint64_t
ask_patience(const struct seat *s)
{
	return (uint64_t)kit_seconds(s->rig->kit) * 1000000000ULL / ANSWER_SHARE;
}

static void
value_release(struct rend_buf *buf)
{
	free(buf);
	__atomic_sub_fetch(&values_out, 1, __ATOMIC_ACQ_REL);
}

static struct rend_buf *
value_buf(const void *p, size_t len)
{
	struct rend_buf *buf = malloc(sizeof *buf + len);

	if (buf == NULL)
		rig_fail("no memory");
	memcpy(buf + 1, p, len);
	rend_buf_init(buf, buf + 1, len, value_release);
	__atomic_add_fetch(&values_out, 1, __ATOMIC_ACQ_REL);
	return buf;
}

bool
value_is(const struct rend_value *v, const void *p, size_t len)
{
	const struct rend_seg *segs = rend_value_segs(v);
	const char *at = p;

	if (v->len != len)
		return false;
	for (unsigned i = 0; i < v->nsegs; i++) {
		if (memcmp(segs[i].p, at, segs[i].len) != 0)
			return false;
		at += segs[i].len;
	}
	return true;
}

/* The core calls it; an answer that came with the submit is noted by ask_submit(). */
static void
note_answer(struct ask *a)
{
	EXPECT(!a->answered, "a %s was answered twice", rend_verb_name(a->op->verb));
	a->answered = true;
	memcpy(a->after, a->op, sizeof a->after);
}

static void
done(struct rend_op *op)
{
	note_answer(op->up);
}

struct ask *
ask_new(struct seat *s, unsigned verb, const void *key, size_t keylen)
{
	struct ask *a = calloc(1, sizeof *a);

	if (a == NULL || (a->op = op_new(&s->worker, key, keylen)) == NULL)
		rig_fail("no memory");
	memset(a->op->scratch, 0x5c, REND_SCRATCH_MAX);
	a->seat = s;
	a->op->verb = (uint8_t)verb;
	a->op->up = a;
	a->op->done = done;
	a->next = s->asks;
	s->asks = a;
	return a;
}

static void
add_piece(struct ask *a, struct rend_buf *buf, size_t len)
{
	if (rend_value_add(&a->op->item.value, buf, buf->data, len) != 0)
		rig_fail("no memory");
}

void
ask_piece(struct ask *a, const void *p, size_t len)
{
	add_piece(a, value_buf(p, len), len);
}

void
ask_repeat(struct ask *a, const void *p, size_t len, unsigned times)
{
	struct rend_buf *buf = value_buf(p, len);

	for (; times > 0; times--) {
		rend_buf_ref(buf);
		add_piece(a, buf, len);
	}
	rend_buf_drop(&buf);
}

/* A handler may be told of ops to come: of this one, and of others that do not come. */
static void
announce(const struct ask *a)
{
	const struct rend_node *node = a->seat->rig->node;
	uint64_t hashes[REND_PREFETCH_MAX] = { 0, UINT64_MAX, a->op->hash };

	if (node->hinted == NULL)
		return;
	for (size_t i = 3; i < REND_PREFETCH_MAX; i++)
		hashes[i] = hashes[i - 1] * 6364136223846793005ULL + 1442695040888963407ULL;
	node_prefetch(node, &a->seat->worker, hashes, REND_PREFETCH_MAX);
	node_prefetch(node, &a->seat->worker, &hashes[a->op->hash % REND_PREFETCH_MAX], 1);
}

void
ask_submit(struct ask *a)
{
	struct rend_op *op = a->op;

	a->asked = op->ask;
	a->brought = op->item;
	memcpy(a->key, op->key, op->keylen);
	a->submitted = true;
	announce(a);
	if (rend_submit(a->seat->rig->node, op))
		note_answer(a);
	else if (op->verb == REND_GET && (a->seat->rig->node->plugin->handler.can & REND_CAN_AT_ONCE))
		rig_fail("a get was not answered at once, as it says");
}

static bool
same_value(const struct rend_value *a, const struct rend_value *b)
{
	if (a->len != b->len || a->nsegs != b->nsegs || a->room != b->room)
		return false;
	return a->nsegs == 0 || (a->room != 0 ? a->segs.many == b->segs.many
					      : memcmp(a->segs.few, b->segs.few, a->nsegs * sizeof *a->segs.few) == 0);
}

static void
check_value(const char *verb, const struct rend_value *v)
{
	const struct rend_seg *segs = rend_value_segs(v);
	size_t sum = 0;

	for (unsigned i = 0; i < v->nsegs; i++) {
		const struct rend_buf *buf = segs[i].buf;

		EXPECT(buf != NULL && buf->magic == REND_BUF_MAGIC && segs[i].p >= buf->data &&
			   segs[i].p + segs[i].len <= buf->data + buf->size,
		    "a piece of the value that a %s gave lies outside its buffer", verb);
		sum += segs[i].len;
	}
	EXPECT(sum == v->len, "the pieces of the value that a %s gave are not as long as the value", verb);
}

/* incr and decr bring none, and may be asked for it. */
static bool
tells_exptime(const struct rend_op *op)
{
	bool counts = op->verb == REND_INCR || op->verb == REND_DECR;

	return counts && op->status == REND_OK && (op->ask.want & REND_WANT_EXPTIME);
}

/* What holds for every answer. */
static void
check_answer(const struct ask *a)
{
	const struct rend_op *op = a->op;
	const struct rend_item *was = &a->brought, *is = &op->item;
	const char *verb = rend_verb_name(op->verb), *status = rend_status_name(op->status);

	EXPECT(op->status < REND_STATUS_COUNT, "a %s was answered with status %u, which is none", verb, op->status);
	EXPECT(memcmp(&op->ask, &a->asked, sizeof a->asked) == 0, "a %s changed what was asked (op->ask)", verb);
	EXPECT(memcmp(op->key, a->key, op->keylen) == 0, "a %s changed the key", verb);
	EXPECT(op->up == a && op->done == done, "a %s changed up or done, which are the submitter's", verb);
	if (op->status == REND_OK && op->verb == REND_GET) {
		check_value(verb, &is->value);
		EXPECT((is->have & ~a->asked.want) == 0,
		    "a get says it gave what it was not asked for (have %#x, want %#x)", is->have, a->asked.want);
		EXPECT((a->asked.want & REND_WANT_VALUE) == 0 || (is->have & REND_WANT_VALUE) ||
			   (a->asked.mode & REND_IF_CAS),
		    "a get that hit did not give the value that was wanted (have)");
		return;
	}
	EXPECT(same_value(&is->value, &was->value), "a %s that ended with %s changed op->item.value", verb, status);
	EXPECT(is->flags == was->flags, "a %s that ended with %s changed op->item.flags", verb, status);
	EXPECT(is->exptime == was->exptime || tells_exptime(op), "a %s that ended with %s changed op->item.exptime",
	    verb, status);
	if (op->status == REND_OK)
		return;
	EXPECT(is->cas == was->cas, "a %s that ended with %s changed op->item.cas", verb, status);
	EXPECT(is->number == was->number, "a %s that ended with %s changed op->item.number", verb, status);
}

enum rend_status
ask_wait(struct ask *a)
{
	uint64_t until = clock_mono() + ask_patience(a->seat);

	if (!a->submitted)
		ask_submit(a);
	while (!a->answered) {
		EXPECT(clock_mono() < until, "a %s was never answered", rend_verb_name(a->op->verb));
		seat_turn(a->seat);
	}
	if (!a->checked)
		check_answer(a);
	a->checked = true;
	return (enum rend_status)a->op->status;
}

void
ask_drop(struct ask *a)
{
	rend_value_drop(&a->op->item.value);
}

/* What the ask still looked like when it was answered; the fields that are the core's or ours are left out. */
void
ask_check_untouched(const struct ask *a)
{
	struct rend_op now = *a->op, then;

	memcpy(&then, a->after, sizeof then);
	now.item.value = then.item.value = (struct rend_value){ 0 };
	now.state = then.state = 0;
	memset(now.core, 0, sizeof now.core);
	memset(then.core, 0, sizeof then.core);
	EXPECT(memcmp(&now, &then, sizeof now) == 0, "the op of a %s was changed after it had been answered",
	    rend_verb_name(then.verb));
	EXPECT(memcmp(a->op->scratch, a->after + offsetof(struct rend_op, scratch), REND_SCRATCH_MAX) == 0,
	    "the scratch of a %s was used after it had been answered", rend_verb_name(then.verb));
}
