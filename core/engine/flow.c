/*
 * Walks a policy's tables: see flow.h.
 *
 * An op's children keep its memory, and that is what carries a walk over the things that outlive each other:
 *
 *	client's op ◄── holder ◄── shadow ◄── kid
 *	    │             │           │        └ what a row asks.  One for all rows; a new one when it timed out,
 *	    │             │           │          because the handler still has it
 *	    │             │           └ from the first late row on: has the walk and the item, so that the client's op
 *	    │             │             can be finished and freed
 *	    │             └ in a walk with a guard: has the guard (held.h), which ends when the last kid is gone
 *	    └ has the walk in its scratch
 */
#include "engine/flow.h"

#include "base/blank.h"
#include "engine/flow_check.h"
#include "engine/flow_counts.h"
#include "engine/held.h"
#include "engine/join.h"
#include "engine/op.h"
#include "engine/repair.h"
#include "engine/row.h"
#include "engine/worker.h"

/* In the scratch of the op that it belongs to (its home): the client's, then its shadow's. */
struct walk {
	struct instance *in; /* the policy's */
	const struct rend_step *steps;
	struct rend_op *kid;	/* never NULL while the walk goes */
	struct rend_op *under;	/* whose child the next kid is */
	struct rend_op *holder; /* NULL: the guard has not begun */
	uint8_t slot, row;
	uint8_t answer;		/* a status */
	bool asked;		/* the kid has been used */
	bool late;		/* the answer is settled */
	bool owed;		/* the home is the client's op, and not answered */
	int64_t until;		/* of copies, as a function said */
	struct join_seat seat;	/* of a row that joins */
	struct row_lease lease; /* in tier 0 */
	bool l1_versions;	/* a get of tier 0 has said that they are those it was told */
	uint64_t mark;		/* of a row that is repaired: see repair.h */
};
_Static_assert(sizeof(struct walk) <= REND_SCRATCH_MAX, "a walk does not fit into an op's scratch");

const size_t flow_scratch_size = sizeof(struct walk);

/* What a row with a function is given; rend_flow_up() finds the rest from there. */
struct flow_view {
	struct rend_flow flow;
	const struct instance *in;
};

static struct walk *
walk_of(struct rend_op *home)
{
	return (struct walk *)(void *)home->scratch;
}

/* ---- the guard ---- */

/* Begins the guard; from here on kids are children of its holder.  OK, BUSY or NO_MEMORY. */
static enum rend_status
walk_guard(struct walk *w)
{
	enum rend_status status = held_begin(w->in->node, w->slot, w->under, &w->holder);

	if (status == REND_OK)
		w->under = w->holder;
	return status;
}

/* READS begins as late as it may: an L1 hit does not pay for it. */
static bool
row_begins_guard(const struct walk *w, const struct rend_step *step)
{
	return w->holder == NULL && w->in->node->walks[w->slot].guard != REND_UNGUARDED &&
	       (step->tier != 0 || step->guarded);
}

/* ---- asking ---- */

static void flow_resume(struct rend_op *kid);

/* Makes w->kid one that can be submitted.  false: no memory, the old one is still there. */
static bool
walk_renew_kid(struct rend_op *home)
{
	struct walk *w = walk_of(home);
	struct rend_op *kid = w->kid;

	/* A late kid is still its handler's; one with another parent would not keep what later rows need. */
	if (kid == NULL || kid->state == OP_LATE || kid->parent != w->under) {
		kid = rend_op_child(w->under);
		if (kid == NULL)
			return false;
		if (w->kid != NULL)
			rend_op_free(&w->kid);
		w->kid = kid;
	} else if (w->asked) {
		rend_value_drop(&kid->item.value);
		BLANK(kid->item);
		BLANK(kid->ask);
		kid->guard = NULL;
	}
	kid->done = flow_resume;
	kid->up = home;
	return true;
}

/* Is it a write to a tier that holds the truth, under a guard that has to know how it ends? */
static bool
row_writes(const struct walk *w, const struct rend_step *step)
{
	if (w->in->node->walks[w->slot].guard != REND_WRITES || step->tier == 0)
		return false;
	return step->verb != REND_GET || (w->kid->ask.mode & (REND_ALSO_TOUCH | REND_VIVIFY | REND_RECACHE)) != 0;
}

/* Only those may join, and be joined, who ask nothing but what there is, and began when nobody was writing, or have a lease to show for it. */
static bool
walk_may_join(const struct rend_op *home, const struct rend_step *step)
{
	const struct walk *w = (const struct walk *)(const void *)home->scratch;

	if (!step->join || home->ask.mode != 0 || w->kid->ask.mode != 0)
		return false;
	return w->holder != NULL ? held_guard(w->holder)->alone : w->lease.token != 0;
}

/* As rend_submit(). */
static bool
walk_submit(struct rend_op *home, const struct rend_step *step)
{
	struct walk *w = walk_of(home);
	const struct rend_node *to = w->in->node->tiers[step->tier];
	struct instance *l1;

	if (!walk_may_join(home, step))
		return rend_submit(to, w->kid);
	l1 = w->in->node->tiers[0]->instances[w->in->worker->index];
	if (l1->join == NULL)
		l1->join = join_new();
	if (l1->join == NULL)
		return rend_submit(to, w->kid);
	return join_submit(l1->join, &w->seat, to, w->kid,
	    (struct join_terms){ w->holder == NULL ? 0 : held_guard(w->holder)->seen, w->lease.token, w->lease.link });
}

/* Asks what the row says.  true: *status is the answer; false: flow_resume() will get it. */
static bool
walk_ask(struct rend_op *home, const struct rend_step *step, enum rend_status *status)
{
	struct walk *w = walk_of(home);

	*status = REND_NO_MEMORY;
	/* See walk_take_in(): what it finds could not be kept. */
	if (w->late && w->owed && step->verb == REND_GET)
		goto failed;
	if (row_begins_guard(w, step) && (*status = walk_guard(w)) != REND_OK)
		goto failed;
	*status = REND_NO_MEMORY;
	if (!walk_renew_kid(home))
		goto failed;
	w->asked = true;
	if (!row_fill(w->kid, home, step, w->until, &w->lease))
		goto failed;
	/* A handler that broke its promise gave none. */
	*status = REND_NOT_STORED;
	if (step->lease == REND_LEASE_USE && w->lease.token == 0)
		goto failed;
	if (step->repair)
		w->mark = repair_mark(w->in->node->tiers[0]->repair);
	if (step->guarded)
		w->kid->guard = held_guard(w->holder);
	op_core(w->kid)->writes = row_writes(w, step);
	if (!walk_submit(home, step))
		return false;
	*status = (enum rend_status)w->kid->status;
	return true;
failed:
	/* For a row with a function, which looks at it. */
	w->kid->status = (uint8_t)*status;
	return true;
}

static enum rend_outcome
walk_decide(struct rend_op *home, const struct rend_step *step)
{
	struct walk *w = walk_of(home);
	struct flow_view view = { .flow = { .op = home, .conf = w->in->node->conf, .l1_versions = w->l1_versions },
		.in = w->in };
	const struct instance *outer = worker_call(w->in->worker, w->in);
	enum rend_outcome o;

	if (w->asked)
		view.flow.kid = w->kid;
	o = step->run(&view.flow);
	worker_call(w->in->worker, outer);
	w->until = rend_earlier(w->until, view.flow.until);
	return (unsigned)o > REND_FAIL ? REND_FAIL : o;
}

bool
rend_flow_up(const struct rend_flow *flow, uint8_t tier)
{
	const struct instance *in = LIST_OBJ(flow, const struct flow_view, flow)->in;

	if (tier >= in->node->tier_count)
		return false;
	return instance_reaches(in->node->tiers[tier]->instances[in->worker->index], flow->op);
}

enum rend_outcome
rend_flow_doubt(struct rend_flow *flow)
{
	const struct instance *in = LIST_OBJ(flow, const struct flow_view, flow)->in;
	const struct rend_node *l1 = in->node->tier_count == 0 ? NULL : in->node->tiers[0];
	const struct repair *repair = l1 == NULL ? NULL : node_repair(l1);

	if (repair == NULL || repair_now(repair) == 0)
		return REND_NO;
	return repair_doubts(repair, flow->op->hash, instance_part(l1->instances[in->worker->index], flow->op))
		   ? REND_YES
		   : REND_NO;
}

/* ---- going on ---- */

/* A yes brings something home. */
static void
walk_take_in(struct rend_op *home, const struct rend_step *step)
{
	const struct walk *w = walk_of(home);
	struct rend_op *kid = w->kid;

	/* Late rows ahead of the answer, for want of a shadow: the item is what the client will be told. */
	if (w->late && w->owed)
		return;
	if (step->lease == REND_LEASE_ONLY)
		return;
	if (step->verb == REND_GET) {
		struct rend_value *v = &home->item.value;
		struct rend_value old = *v;

		*v = (struct rend_value){ 0 };
		home->item = kid->item;
		BLANK(kid->item);
		rend_value_drop(&old);
	} else if (!step->aside &&
		   (rend_verb_stores(step->verb) || step->verb == REND_INCR || step->verb == REND_DECR)) {
		/* Other verbs bring nothing: what a get found stays.  What is to be stored stays, too. */
		home->item.cas = kid->item.cas;
		home->item.number = kid->item.number;
		home->item.have = kid->item.have;
		home->item.size = kid->item.size;
		if (!rend_verb_stores(step->verb))
			home->item.exptime = kid->item.exptime;
	}
}

static void
walk_end(struct rend_op *home)
{
	struct walk *w = walk_of(home);

	rend_op_free(&w->kid);
	if (w->holder != NULL)
		held_leave(&w->holder);
	/* Nothing of them was the last hold on the home: it is its owner's, or ours. */
	if (w->owed)
		rend_done(home, (enum rend_status)w->answer);
	else
		rend_op_free(&home);
}

/* Goes to the next row.  false: there is none, the walk has ended. */
static bool
walk_go(struct rend_op *home, uint8_t next, enum rend_status status)
{
	struct walk *w = walk_of(home);

	switch (next) {
	case REND_REPLY_OK:
	case REND_REPLY_MISS:
	case REND_REPLY_FAIL:
	case REND_REPLY_OPEN:
		if (!w->late)
			w->answer = (uint8_t)(next == REND_REPLY_OK	? REND_OK
					      : next == REND_REPLY_MISS ? REND_MISS
					      : next == REND_REPLY_OPEN ? REND_LOST
									: status);
		/* fall through */
	case REND_REPLY:
		walk_end(home);
		return false;
	default:
		w->row = next;
		return true;
	}
}

static uint8_t
walk_next(struct walk *w, const struct rend_step *step, enum rend_status status)
{
	bool served = w->seat.part == JOIN_SERVED;

	if (w->seat.part != JOIN_ALONE)
		w->seat = (struct join_seat){ 0 };
	/* What is to be done with what was found, the one who asked for it does. */
	if (served && status == REND_OK)
		return step->joined;
	return row_next(step, status);
}

/* A get of tier 0 has come back: is it an item, and what does it say of leases and versions? */
static enum rend_status
walk_look(struct walk *w, const struct rend_step *step, enum rend_status status)
{
	if (step->lease == REND_NO_LEASE || step->verb != REND_GET || status != REND_OK)
		return status;
	w->l1_versions = w->kid->item.link == 0;
	status = row_leased(w->kid, step, status, &w->lease);
	w->kid->status = (uint8_t)status;
	return status;
}

/* UNSUPPORTED: what cannot be said of a key there, could not be done to it before either. */
static void
walk_repair(const struct walk *w, const struct rend_step *step, const struct rend_op *home, enum rend_status status)
{
	const struct rend_node *l1 = w->in->node->tiers[0];
	struct repair *r = l1->repair;
	bool lost = rend_outcome(status) == REND_FAIL && status != REND_UNSUPPORTED;

	if (step->verb == REND_FLUSH_ALL)
		rend_outcome(status) == REND_YES ? repair_made_all(r, w->mark) : repair_lost_all(r);
	else if (lost)
		repair_lost(r, home->hash, instance_part(l1->instances[w->in->worker->index], home));
	else
		repair_made(r, home->hash, w->mark);
}

/* The row asked, and status is what came of it. */
static bool
walk_on(struct rend_op *home, enum rend_status status)
{
	struct walk *w = walk_of(home);
	const struct rend_step *step = &w->steps[w->row];
	enum rend_outcome o;

	status = walk_look(w, step, status);
	o = rend_outcome(status);
	flow_count(w->in, w->slot, w->row, o);
	if (step->repair)
		walk_repair(w, step, home, status);
	if (w->kid->state != OP_LATE)
		op_leave_open(w->kid, status); /* a late one will say so itself */
	if (o == REND_YES)
		walk_take_in(home, step);
	if (!step->aside && !w->late)
		w->answer = (uint8_t)status;
	return walk_go(home, walk_next(w, step, status), status);
}

/* A row with a function has no status; when it refuses, nothing has been changed, and DOWN says that. */
static bool
walk_on_decided(struct rend_op *home, enum rend_outcome o)
{
	struct walk *w = walk_of(home);

	flow_count(w->in, w->slot, w->row, o);
	return walk_go(home, row_edge(&w->steps[w->row], o), REND_DOWN);
}

/*
 * The answer is settled: gives it to the client, and the walk a home of its own.  Without memory for one the rows run
 * nevertheless, and the client waits.
 */
static struct rend_op *
walk_leave(struct rend_op *op)
{
	struct walk *w = walk_of(op);
	struct rend_op *shadow = rend_op_child(w->under);
	struct rend_value value = { 0 };
	struct walk *moved;

	w->late = true;
	if (shadow == NULL)
		return op;
	if (rend_value_share(&value, &op->item.value) != 0) {
		rend_op_free(&shadow);
		return op;
	}
	shadow->verb = op->verb;
	shadow->ask = op->ask;
	shadow->item = op->item;
	shadow->item.value = value;
	moved = walk_of(shadow);
	*moved = *w;
	moved->under = shadow;
	moved->owed = false;
	rend_done(op, (enum rend_status)moved->answer);
	return shadow;
}

static void
walk_run(struct rend_op *home)
{
	bool more = true;

	while (more) {
		struct walk *w = walk_of(home);
		const struct rend_step *step = &w->steps[w->row];
		enum rend_status status;

		if (step->late && !w->late) {
			home = walk_leave(home);
			w = walk_of(home);
		}
		if (step->run != NULL)
			more = walk_on_decided(home, walk_decide(home, step));
		else if (walk_ask(home, step, &status))
			more = walk_on(home, status);
		else
			return;
	}
}

static void
flow_resume(struct rend_op *kid)
{
	struct rend_op *home = kid->up;

	join_done(&walk_of(home)->seat);
	if (walk_on(home, (enum rend_status)kid->status))
		walk_run(home);
}

static unsigned
walk_slot(const struct rend_node *policy, const struct rend_op *op)
{
	if (op->verb == REND_GET && (op->ask.mode & REND_ALSO_TOUCH) && policy->walks[REND_GET_TOUCH].steps != NULL)
		return REND_GET_TOUCH;
	return op->verb;
}

/* The first row was asked with the op itself: goes on behind it.  true: there is more to do. */
static bool
walk_from_glance(struct rend_op *op)
{
	struct walk *w = walk_of(op);
	const struct rend_step *step = &w->steps[w->row];
	enum rend_status status = (enum rend_status)op->status;

	rend_value_drop(&op->item.value);
	op->item = (struct rend_item){ 0 };
	op->status = 0;
	/* For a row with a function, which looks at it. */
	row_fill(w->kid, op, step, 0, &w->lease);
	w->kid->status = (uint8_t)status;
	w->asked = true;
	w->answer = (uint8_t)status;
	flow_count(w->in, w->slot, w->row, rend_outcome(status));
	return walk_go(op, row_next(step, status), status);
}

void
flow_start(struct instance *in, struct rend_op *op)
{
	struct walk *w = walk_of(op);
	unsigned slot = walk_slot(in->node, op);
	enum rend_status status = REND_OK;

	if (in->node->walks[slot].steps == NULL) {
		rend_done(op, REND_UNSUPPORTED);
		return;
	}
	BLANK(*w);
	w->in = in;
	w->steps = in->node->walks[slot].steps;
	w->under = op;
	w->slot = (uint8_t)slot;
	w->row = 1;
	w->owed = true;
	if (in->node->walks[slot].guard == REND_WRITES)
		status = walk_guard(w);
	/* What cannot even begin is refused before anything was changed. */
	if (status == REND_OK && !walk_renew_kid(op)) {
		if (w->holder != NULL)
			held_leave(&w->holder);
		status = REND_NO_MEMORY;
	}
	if (status != REND_OK) {
		rend_done(op, status);
		return;
	}
	if (op_core(op)->glances) {
		op_core(op)->glances = false;
		if (!walk_from_glance(op))
			return;
	}
	walk_run(op);
}

const char *
flow_row(struct rend_op *op)
{
	const struct walk *w = walk_of(op);

	return w->steps[w->row].name;
}

/* ---- passing on ---- */

/* Would a walk of this row do nothing but hand the question down and the answer up? */
static bool
row_is_plain(const struct rend_step *step, unsigned verb)
{
	return step->run == NULL && step->verb == verb && step->want == 0 && !step->own && !step->aside &&
	       step->lease == REND_NO_LEASE && !step->repair && !step->guarded && !step->join && !step->late &&
	       step->yes == REND_REPLY && step->no == REND_REPLY && step->fail == REND_REPLY &&
	       step->but[0].status == 0;
}

const struct rend_node *
flow_passes(const struct rend_node *policy, unsigned verb)
{
	const struct rend_walk *walk;

	if (verb >= REND_VERB_COUNT || verb == REND_GET_TOUCH)
		return NULL;
	/* Ops are counted by verb.  A get that has two tables counts its rows apart, and so walks. */
	if (verb == REND_GET && policy->walks[REND_GET_TOUCH].steps != NULL)
		return NULL;
	walk = &policy->walks[verb];
	if (walk->steps == NULL || walk->guard != REND_UNGUARDED || flow_rows(walk->steps) != 2)
		return NULL;
	return row_is_plain(&walk->steps[1], verb) ? policy->tiers[walk->steps[1].tier] : NULL;
}
