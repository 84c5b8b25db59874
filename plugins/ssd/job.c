/* Ops on their way: see job.h. */
#include "job.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct job) <= REND_SCRATCH_MAX, "a job lies in the op's scratch");

static bool
changes(const struct rend_op *op)
{
	return op->verb != REND_GET || (op->ask.mode & (REND_ALSO_TOUCH | REND_VIVIFY));
}

void
job_end(struct job *j, enum rend_status status)
{
	struct rend_op *op = j->op;
	struct instance *inst = j->inst;
	uint64_t khash = j->fetch.khash;
	bool locked = j->locked;

	rend_done(op, status);
	/* Behind the answer: whoever is next may be on another thread. */
	if (locked)
		keys_give(store_keys(inst->ssd->store), khash);
}

static void
finish(struct job *j, enum rend_status status)
{
	rend_buf_drop(&j->fetch.buf);
	rend_value_drop(&j->fetch.pieces);
	/* Nor is a no told because of what is in RAM only: of what a read found broken, or of a change that was not waited for. */
	if (j->changed || (j->locked && (j->fetch.erased || store_commit_missed(j->inst->ssd->store))))
		commit_wait(j, status);
	else
		job_end(j, status);
}

static enum rend_status
failed(const struct job *j)
{
	switch (j->fetch.status) {
	case IO_TIMEOUT:
	case IO_CANCELLED:
		/* A change was not begun. */
		return changes(j->op) ? REND_BUSY : REND_TIMEOUT;
	case IO_BUSY:
		return REND_BUSY;
	case IO_NO_MEMORY:
		return REND_NO_MEMORY;
	default:
		return REND_DOWN;
	}
}

static void
run(struct job *j)
{
	enum rend_status status;

	do
		status = verb_run(j);
	while (status == VERB_AGAIN); /* once: what is made of nothing waits for no flush_all */
	if (status != VERB_LATER)
		finish(j, status);
}

static void
fetched(struct fetch *f)
{
	struct job *j = (struct job *)(void *)((char *)f - offsetof(struct job, fetch));

	REND_CHECK(j, JOB_MAGIC);
	if (f->result == FETCH_FAILED)
		finish(j, failed(j));
	else
		run(j);
}

/* The key is the job's, if it needs that. */
static void
go_on(struct job *j)
{
	if (rend_op_given_up(j->op) || j->inst->ends) {
		finish(j, REND_BUSY);
		return;
	}
	j->commit.given_up = store_given_up(j->inst->ssd->store);
	if (verb_is_blind(j->op)) {
		run(j);
		return;
	}
	j->flushes = store_flushes(j->inst->ssd->store);
	j->fetch.whole = verb_wants_value(j->op);
	j->fetch.quiet = (j->op->ask.mode & REND_NO_BUMP) != 0;
	j->fetch.locked = j->locked;
	j->fetch.wall = rend_wall();
	j->fetch.done = fetched;
	if (fetch_begin(&j->inst->fetcher, &j->fetch))
		fetched(&j->fetch);
}

/* ---- large values ---- */

/* The tearer's thread, or a worker that ends. */
void
job_stored(struct tear *tear)
{
	struct job *j = tear->job;
	enum rend_status status;

	REND_CHECK(j, JOB_MAGIC);
	status = verb_stored(j, tear->stored, tear->cas, tear->pieces.item.value->len);
	pieces_end(&tear->pieces);
	rend_value_drop(&tear->joined);
	free(tear);
	/* It may be torn once more, and is the tearer's again then. */
	if (status == VERB_AGAIN)
		run(j);
	else
		finish(j, status);
}

/* ---- waiting for the lock ---- */

static void
waits(struct job *j)
{
	j->prev = NULL;
	j->next = j->inst->jobs;
	if (j->next != NULL)
		j->next->prev = j;
	j->inst->jobs = j;
}

static void
waits_no_more(struct job *j)
{
	if (j->prev != NULL)
		j->prev->next = j->next;
	else
		j->inst->jobs = j->next;
	if (j->next != NULL)
		j->next->prev = j->prev;
}

/* Another thread, which has just given the lock to this job. */
static void
granted(struct keys_turn *turn)
{
	struct job *j = (struct job *)(void *)((char *)turn - offsetof(struct job, turn));
	struct instance *inst = j->inst;
	bool call;

	pthread_mutex_lock(&inst->lock);
	turn->next = NULL;
	*inst->granted_end = j;
	inst->granted_end = &j->granted_next;
	j->granted_next = NULL;
	call = !inst->called && !inst->gone;
	inst->called |= call;
	if (call)
		rend_post(inst->worker, &inst->call);
	pthread_mutex_unlock(&inst->lock);
}

static struct job *
take_granted(struct instance *inst)
{
	struct job *j;

	pthread_mutex_lock(&inst->lock);
	inst->called = false;
	j = inst->granted;
	inst->granted = NULL;
	inst->granted_end = &inst->granted;
	pthread_mutex_unlock(&inst->lock);
	return j;
}

static void
run_granted(struct instance *inst)
{
	struct job *j = take_granted(inst);

	while (j != NULL) {
		struct job *next = j->granted_next;

		waits_no_more(j);
		j->locked = true;
		go_on(j);
		j = next;
	}
}

void
job_granted(struct rend_call *call)
{
	struct instance *inst = (struct instance *)(void *)((char *)call - offsetof(struct instance, call));

	REND_CHECK(inst, INSTANCE_MAGIC);
	run_granted(inst);
	fetcher_flush(&inst->fetcher);
}

void
job_end_all(struct instance *inst)
{
	/* Who has let go of its store has no jobs. */
	struct keys *keys = inst->ssd->store == NULL ? NULL : store_keys(inst->ssd->store);
	struct tear *tear;

	while ((tear = tearer_leave(&inst->ssd->tearer, inst)) != NULL)
		job_stored(tear);
	while (inst->jobs != NULL) {
		struct job *j = inst->jobs;

		if (keys_leave(keys, j->fetch.khash, &j->turn)) {
			waits_no_more(j);
			finish(j, REND_BUSY);
		} else {
			run_granted(inst); /* it is among them, or will be in a moment */
		}
	}
	pthread_mutex_lock(&inst->lock);
	inst->gone = true;
	pthread_mutex_unlock(&inst->lock);
}

/* ---- the begin ---- */

void
job_begin(void *arg, struct rend_op *op)
{
	struct instance *inst = arg;
	struct job *j = (struct job *)(void *)op->scratch;
	struct store *s;

	REND_CHECK(inst, INSTANCE_MAGIC);
	s = inst->ssd->store;
	memset(j, 0, sizeof *j);
	j->magic = JOB_MAGIC;
	j->inst = inst;
	j->op = op;
	if (op->verb == REND_FLUSH_ALL) {
		j->commit.given_up = store_given_up(s);
		store_flush_all(s);
		keeper_wake(&inst->ssd->keeper);
		j->changed = true;
		finish(j, REND_OK);
		return;
	}
	j->fetch.khash = store_khash(s, op->key, op->keylen);
	j->fetch.key = op->key;
	j->fetch.keylen = op->keylen;
	if (changes(op)) {
		j->turn.go = granted;
		waits(j);
		if (!keys_take(store_keys(s), j->fetch.khash, &j->turn))
			return;
		waits_no_more(j);
		j->locked = true;
	}
	go_on(j);
}
