/* What should have been deleted from an L1 in another process: see repair.h. */
#include "engine/repair.h"

#include <pthread.h>
#include <stdlib.h>

#include "engine/node.h"
#include "engine/op.h"
#include "engine/worker.h"
#include "rend/log.h"

#define CHAINS 1024U

/* A key.  Times are numbers: each thing that gets into doubt has a higher one than all before. */
struct doubt {
	uint64_t hash, since;
	struct doubt *next;
};

struct repair {
	const char *name;
	pthread_mutex_t lock;
	struct doubt keys[REPAIR_MAX], *chains[CHAINS], *free;
	uint64_t all; /* since when all are; 0: they are not */
	bool started; /* all are for no other reason than that we began */
	/* for those who look without the lock: atomic */
	uint64_t clock, in_doubt, total;
	bool flushing; /* a flush_all of ours is under way */
};

static void
forget_keys(struct repair *r)
{
	r->free = NULL;
	for (unsigned i = 0; i < CHAINS; i++)
		r->chains[i] = NULL;
	for (unsigned i = 0; i < REPAIR_MAX; i++) {
		r->keys[i].next = r->free;
		r->free = &r->keys[i];
	}
}

struct repair *
repair_new(const char *name, bool doubtful)
{
	struct repair *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->name = name;
	pthread_mutex_init(&r->lock, NULL);
	forget_keys(r);
	r->started = doubtful;
	r->all = r->clock = doubtful;
	r->in_doubt = doubtful ? REPAIR_MAX + 1 : 0;
	return r;
}

void
repair_free(struct repair **rp)
{
	struct repair *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void
show(struct repair *r, uint64_t in_doubt)
{
	__atomic_store_n(&r->in_doubt, in_doubt, __ATOMIC_SEQ_CST);
}

/* The place where the key's doubt hangs, or where one would. */
static struct doubt **
place(struct repair *r, uint64_t hash)
{
	struct doubt **at = &r->chains[hash % CHAINS];

	while (*at != NULL && (*at)->hash != hash)
		at = &(*at)->next;
	return at;
}

bool
repair_doubts(const struct repair *r, uint64_t hash)
{
	struct repair *locked = (struct repair *)(uintptr_t)r;
	bool yes;

	if (repair_now(r) == 0)
		return false;
	pthread_mutex_lock(&locked->lock);
	yes = r->all != 0 || *place(locked, hash) != NULL;
	pthread_mutex_unlock(&locked->lock);
	return yes;
}

uint64_t
repair_mark(const struct repair *r)
{
	return __atomic_load_n(&r->clock, __ATOMIC_SEQ_CST);
}

/* Under the lock. */
static uint64_t
count_one(struct repair *r)
{
	__atomic_store_n(&r->total, r->total + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&r->clock, r->clock + 1, __ATOMIC_SEQ_CST);
	return r->clock;
}

static void
doubt_all(struct repair *r, uint64_t since)
{
	if (r->all == 0)
		forget_keys(r);
	r->all = since;
	r->started = false;
	show(r, REPAIR_MAX + 1);
}

void
repair_lost(struct repair *r, uint64_t hash)
{
	struct doubt **at;
	uint64_t since;

	pthread_mutex_lock(&r->lock);
	since = count_one(r);
	at = place(r, hash);
	if (r->all == 0 && *at == NULL && r->free != NULL) {
		*at = r->free;
		r->free = r->free->next;
		**at = (struct doubt){ .hash = hash };
		show(r, r->in_doubt + 1);
	}
	if (r->all == 0 && *at != NULL) {
		(*at)->since = since;
	} else {
		if (r->all == 0)
			rend_log(REND_LOG_WARN,
			    "%s: more than %d deletes were not answered: no copy in it is believed until a flush_all "
			    "is",
			    r->name, REPAIR_MAX);
		doubt_all(r, since);
	}
	pthread_mutex_unlock(&r->lock);
}

void
repair_made(struct repair *r, uint64_t hash, uint64_t mark)
{
	struct doubt **at, *gone;

	if (repair_now(r) == 0)
		return;
	pthread_mutex_lock(&r->lock);
	at = place(r, hash);
	gone = *at;
	if (r->all == 0 && gone != NULL && gone->since <= mark) {
		*at = gone->next;
		gone->next = r->free;
		r->free = gone;
		show(r, r->in_doubt - 1);
	}
	pthread_mutex_unlock(&r->lock);
}

void
repair_lost_all(struct repair *r)
{
	pthread_mutex_lock(&r->lock);
	doubt_all(r, count_one(r));
	pthread_mutex_unlock(&r->lock);
}

/* Those that got into doubt later stay.  Returns how many. */
static uint64_t
forget_until(struct repair *r, uint64_t mark)
{
	uint64_t left = 0;

	for (unsigned i = 0; i < CHAINS; i++)
		for (struct doubt **at = &r->chains[i]; *at != NULL;) {
			struct doubt *d = *at;

			if (d->since > mark) {
				at = &d->next;
				left++;
				continue;
			}
			*at = d->next;
			d->next = r->free;
			r->free = d;
		}
	return left;
}

void
repair_made_all(struct repair *r, uint64_t mark)
{
	if (repair_now(r) == 0)
		return;
	pthread_mutex_lock(&r->lock);
	if (r->all != 0 && r->all <= mark) {
		rend_log(REND_LOG_INFO, "%s: flushed%s: what it has from here on is believed", r->name,
		    r->started ? ", because we began" : "");
		r->all = 0;
	}
	if (r->all == 0)
		show(r, forget_until(r, mark));
	pthread_mutex_unlock(&r->lock);
}

/* ---- the flush_all of our own ---- */

/* In the scratch of the op above the one that asks. */
struct flush {
	struct repair *repair;
	uint64_t mark;
};

static struct flush *
flush_of(struct rend_op *root)
{
	return (struct flush *)(void *)root->scratch;
}

static void
flush_done(struct rend_op *kid)
{
	struct rend_op *root = kid->up;
	struct flush f = *flush_of(root);

	if (rend_outcome((enum rend_status)kid->status) == REND_YES)
		repair_made_all(f.repair, f.mark);
	__atomic_store_n(&f.repair->flushing, false, __ATOMIC_SEQ_CST);
	rend_op_free(&kid);
	rend_op_free(&root);
}

void
repair_tick(struct repair *r, struct instance *in)
{
	struct rend_op *root, *kid;

	if (repair_now(r) <= REPAIR_MAX || in->worker->gave_up || !instance_up(in))
		return;
	if (__atomic_exchange_n(&r->flushing, true, __ATOMIC_SEQ_CST))
		return;
	root = op_new(in->worker, "", 0);
	kid = root == NULL ? NULL : rend_op_child(root);
	if (kid == NULL) {
		if (root != NULL)
			rend_op_free(&root);
		__atomic_store_n(&r->flushing, false, __ATOMIC_SEQ_CST);
		return;
	}
	*flush_of(root) = (struct flush){ r, repair_mark(r) };
	kid->verb = REND_FLUSH_ALL;
	kid->done = flush_done;
	kid->up = root;
	if (rend_submit(in->node, kid))
		flush_done(kid);
}

uint64_t
repair_now(const struct repair *r)
{
	return __atomic_load_n(&r->in_doubt, __ATOMIC_SEQ_CST);
}

uint64_t
repair_total(const struct repair *r)
{
	return __atomic_load_n(&r->total, __ATOMIC_RELAXED);
}
