/* What is owed to a client: see answers.h. */
#include "net/answers.h"

#include <string.h>

#include "base/clock.h"
#include "engine/op.h"
#include "net/conn.h"
#include "net/server.h"
#include "net/stats.h"
#include "rend/plugin.h"

static bool
op_mutates(const struct rend_op *op)
{
	return op->verb != REND_GET || (op->ask.mode & (REND_ALSO_TOUCH | REND_VIVIFY | REND_RECACHE));
}

static bool
is_barrier(const struct answer *a)
{
	return a->op != NULL && a->op->verb == REND_FLUSH_ALL;
}

static uint64_t
bit_of(const struct rend_op *op)
{
	return 1ULL << (op->hash & 63);
}

static bool
same_key(const struct rend_op *a, const struct rend_op *b)
{
	return a->hash == b->hash && a->keylen == b->keylen && memcmp(a->key, b->key, a->keylen) == 0;
}

/* Must `later` wait for `earlier`? */
static bool
stands_against(const struct answer *earlier, const struct answer *later)
{
	if (earlier->state == ANSWER_DONE || earlier->op == NULL)
		return false;
	if (is_barrier(earlier) || is_barrier(later))
		return true;
	return (earlier->mutates || later->mutates) && same_key(earlier->op, later->op);
}

/* Is anything between the oldest and a, a itself not counted, against a's being asked? */
static bool
must_wait(struct answers *as, const struct answer *a)
{
	LIST_EACH (k, &as->list) {
		const struct answer *earlier = LIST_OBJ(k, struct answer, link);

		if (earlier == a)
			return false;
		if (stands_against(earlier, a))
			return true;
	}
	return false;
}

/* The same for one that is about to be added, in the common cases without a look at the list. */
static bool
new_must_wait(struct answers *as, const struct answer *a)
{
	if (as->barriers == 0 && !is_barrier(a)) {
		if (as->mutating == 0 && !a->mutates)
			return false;
		if (!(as->seen & bit_of(a->op)))
			return false;
	}
	return must_wait(as, a);
}

/* What a key's prefix is counted for. */
static void
count_prefix(struct prefixes *p, unsigned verb, const struct rend_op *op)
{
	enum prefix_count what;

	if (verb == REND_GET)
		what = op->status == REND_OK ? PREFIX_HIT : PREFIX_GET;
	else if (rend_verb_stores(verb))
		what = PREFIX_SET;
	else if (verb == REND_DELETE)
		what = PREFIX_DELETE;
	else
		return;
	prefixes_count(p, op->key, op->keylen, what);
}

static void
count_op(struct conn *c, const struct asked *asked, const struct rend_op *op)
{
	/* A value that is too large is a store to the client, whatever becomes of the older one. */
	bool too_large = asked->kind == COMMAND_TOO_LARGE;
	unsigned slot = count_slot(op->verb, op->ask.mode);
	struct loop *l = c->loop;
	struct tally *tally = &l->tallies[c->tallies + asked->form];

	count_add(too_large ? &tally->answered[COUNT_STORE][REND_TOO_BIG] : &tally->answered[slot][op->status], 1);
	histogram_add(&l->latency[too_large ? COUNT_STORE : slot], clock_now() - op->born);
	if (prefixes_is_on(&l->server->prefixes))
		count_prefix(&l->server->prefixes, too_large ? REND_SET : op->verb, op);
}

/* Those that no node was asked for. */
static void
count_other(struct conn *c, const struct asked *asked)
{
	struct tally *n = &c->loop->tallies[c->tallies + asked->form];

	if (asked->kind == COMMAND_FLUSH_ALL)
		count_add(&n->answered[COUNT_FLUSH][REND_OK], 1);
	if (asked->kind == COMMAND_NO_MEMORY)
		count_add(&n->answered[count_slot(asked->verb, 0)][REND_NO_MEMORY], 1);
}

/* A larger one is believed at once, smaller ones little by little. */
static void
learn_size(struct conn *c, const struct rend_op *op)
{
	size_t units = op->status == REND_OK ? (op->item.value.len + ANSWER_UNIT - 1) / ANSWER_UNIT : 0;
	unsigned now = c->answer_size, size = units > UINT16_MAX ? UINT16_MAX : (unsigned)units;

	c->answer_size = (uint16_t)(size >= now ? size : now - (now - size + 1) / 2);
}

static void
answer_free(struct conn *c, struct answer **ap)
{
	struct answer *a = *ap;

	*ap = NULL;
	link_remove(&a->link);
	if (a->op != NULL)
		rend_op_free(&a->op);
	pool_put(&c->loop->answers, a);
}

static void
say(struct conn *c, const struct asked *asked, const struct rend_op *op)
{
	if (op != NULL) {
		count_op(c, asked, op);
		learn_size(c, op);
	} else {
		count_other(c, asked);
	}
	if (asked->form == FORM_META)
		count_add(&c->loop->counts.meta, 1);
	if (c->gone)
		return;
	dialog_reply(&c->dialog, &c->out, asked, op);
	if (asked->close)
		conn_finish(c);
}

void
answers_say(struct conn *c)
{
	struct answers *as = &c->answers;
	struct link *k;

	while ((k = list_first(&as->list)) != NULL) {
		struct answer *a = LIST_OBJ(k, struct answer, link);

		if (a->state != ANSWER_DONE)
			return;
		if (a->asked.kind != COMMAND_STATS)
			say(c, &a->asked, a->op);
		else if (!stats_say(c, a))
			return;
		as->count--;
		answer_free(c, &a);
	}
	as->seen = 0;
}

static void
set_done(struct answers *as, struct answer *a)
{
	a->state = ANSWER_DONE;
	as->mutating -= a->mutates;
	as->barriers -= is_barrier(a);
}

static void answer_done(struct rend_op *op);

/* It may have waited since an earlier generation. */
static bool
is_fit_to_ask(struct answer *a)
{
	if (op_renew(a->op))
		return true;
	a->op->status = REND_NO_MEMORY;
	set_done(&a->conn->answers, a);
	return false;
}

/* true: it was answered at once. */
static bool
answer_ask(struct answer *a)
{
	a->state = ANSWER_ASKED;
	a->op->up = a;
	a->op->done = answer_done;
	if (!rend_submit(a->conn->policy, a->op))
		return false;
	set_done(&a->conn->answers, a);
	return true;
}

/* `done` stands against nobody any more: asks those behind it that waited for it, and those that waited for them. */
static void
release_held(struct conn *c, struct answer *done)
{
	struct answers *as = &c->answers;
	bool all = is_barrier(done);
	struct link *k = list_next(&as->list, &done->link);

	for (; k != NULL && as->held > 0; k = list_next(&as->list, k)) {
		struct answer *a = LIST_OBJ(k, struct answer, link);

		if (a->state != ANSWER_HELD)
			continue;
		if (!all && !is_barrier(a) && !same_key(a->op, done->op))
			continue;
		if (must_wait(as, a))
			continue;
		as->held--;
		/* What is answered at once may let those behind it go, in this same walk; a flush_all that is lets all
		 * go. */
		if ((!is_fit_to_ask(a) || answer_ask(a)) && is_barrier(a))
			all = true;
	}
}

static void
answer_done(struct rend_op *op)
{
	struct answer *a = op->up;
	struct conn *c = a->conn;

	set_done(&c->answers, a);
	if (c->answers.held > 0)
		release_held(c, a);
	answers_say(c);
	conn_answered(c);
}

/* What it asked for comes, and nobody knows any more for whom. */
static void
unowed_done(struct rend_op *op)
{
	rend_op_free(&op);
}

/* NULL: no memory. */
static struct answer *
answer_new(struct conn *c, const struct asked *asked, struct rend_op *op)
{
	struct answer *a = pool_get(&c->loop->answers);

	if (a == NULL)
		return NULL;
	a->link = (struct link){ 0 };
	a->conn = c;
	a->op = op;
	a->survey = NULL;
	a->asked = *asked;
	a->state = op == NULL ? ANSWER_DONE : ANSWER_HELD;
	a->mutates = op != NULL && op_mutates(op);
	return a;
}

static void
answer_append(struct answers *as, struct answer *a)
{
	list_append(&as->list, &a->link);
	as->count++;
	as->mutating += a->mutates;
	as->barriers += is_barrier(a);
	if (a->op != NULL)
		as->seen |= bit_of(a->op);
}

/* With nothing owed before it: what is answered at once is said at once, and never owed. */
static bool
add_first(struct conn *c, const struct asked *asked, struct rend_op *op)
{
	struct answer *a;

	op->done = unowed_done;
	if (rend_submit(c->policy, op)) {
		say(c, asked, op);
		rend_op_free(&op);
		return true;
	}
	a = answer_new(c, asked, op);
	if (a == NULL)
		return false;
	op->up = a;
	op->done = answer_done;
	a->state = ANSWER_ASKED;
	answer_append(&c->answers, a);
	return true;
}

bool
answers_add(struct conn *c, const struct asked *asked, struct rend_op *op)
{
	struct answers *as = &c->answers;
	struct answer *a;
	bool wait;

	if (op != NULL && as->count == 0)
		return add_first(c, asked, op);
	if (op == NULL && as->count == 0 && asked->kind != COMMAND_STATS) {
		say(c, asked, NULL);
		return true;
	}
	a = answer_new(c, asked, op);
	if (a == NULL) {
		if (op != NULL)
			rend_op_free(&op);
		return false;
	}
	wait = op != NULL && new_must_wait(as, a);
	answer_append(as, a);
	if (op == NULL && as->count == 1)
		answers_say(c);
	else if (wait)
		as->held++;
	else if (op != NULL && answer_ask(a))
		answers_say(c);
	return true;
}
