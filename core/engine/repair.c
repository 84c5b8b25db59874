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
	uint32_t part;
};

struct part {
	uint64_t all;  /* since when all of it are; 0: they are not */
	uint32_t keys; /* of it, in doubt one by one; none when all are */
	bool started;  /* all are for no other reason than that we began */
	bool flushing; /* a flush_all of ours is under way; atomic */
};

struct repair {
	const char *name;
	pthread_mutex_t lock;
	struct doubt keys[REPAIR_MAX], *chains[CHAINS], *free;
	/* for those who look without the lock: atomic */
	uint64_t clock, in_doubt, total;
	uint32_t count;
	struct part parts[];
};

struct repair *
repair_new(const char *name, uint32_t parts, bool doubtful)
{
	struct repair *r = calloc(1, sizeof *r + parts * sizeof r->parts[0]);

	if (r == NULL)
		return NULL;
	r->name = name;
	r->count = parts;
	pthread_mutex_init(&r->lock, NULL);
	for (unsigned i = 0; i < REPAIR_MAX; i++) {
		r->keys[i].next = r->free;
		r->free = &r->keys[i];
	}
	r->clock = doubtful;
	for (uint32_t i = 0; i < parts; i++)
		r->parts[i] = (struct part){ .all = doubtful, .started = doubtful };
	r->in_doubt = doubtful ? (uint64_t)parts * (REPAIR_MAX + 1) : 0;
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

/* Under the lock, as all that follows but for what is in repair.h. */
static void
show(struct repair *r)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < r->count; i++)
		sum += r->parts[i].all != 0 ? REPAIR_MAX + 1 : r->parts[i].keys;
	__atomic_store_n(&r->in_doubt, sum, __ATOMIC_SEQ_CST);
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
repair_doubts(const struct repair *r, uint64_t hash, uint32_t part)
{
	struct repair *locked = (struct repair *)(uintptr_t)r;
	bool yes;

	REND_ASSERT(part < r->count);
	if (repair_now(r) == 0)
		return false;
	pthread_mutex_lock(&locked->lock);
	yes = r->parts[part].all != 0 || *place(locked, hash) != NULL;
	pthread_mutex_unlock(&locked->lock);
	return yes;
}

uint64_t
repair_mark(const struct repair *r)
{
	return __atomic_load_n(&r->clock, __ATOMIC_SEQ_CST);
}

static uint64_t
count_one(struct repair *r)
{
	__atomic_store_n(&r->total, r->total + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&r->clock, r->clock + 1, __ATOMIC_SEQ_CST);
	return r->clock;
}

static void
forget(struct repair *r, struct doubt **at)
{
	struct doubt *gone = *at;

	*at = gone->next;
	gone->next = r->free;
	r->free = gone;
	r->parts[gone->part].keys--;
}

/* Those of that part which did not get into doubt later. */
static void
forget_until(struct repair *r, uint32_t part, uint64_t mark)
{
	for (unsigned i = 0; i < CHAINS && r->parts[part].keys > 0; i++)
		for (struct doubt **at = &r->chains[i]; *at != NULL;)
			if ((*at)->part == part && (*at)->since <= mark)
				forget(r, at);
			else
				at = &(*at)->next;
}

static void
doubt_part(struct repair *r, uint32_t part, uint64_t since)
{
	forget_until(r, part, UINT64_MAX);
	r->parts[part].all = since;
	r->parts[part].started = false;
}

/* There is no room for one key more: all of the part that takes most of it are in doubt from here on. */
static void
make_room(struct repair *r, uint64_t since)
{
	uint32_t most = 0;

	for (uint32_t i = 1; i < r->count; i++)
		if (r->parts[i].keys > r->parts[most].keys)
			most = i;
	if (r->count == 1)
		rend_log(REND_LOG_WARN,
		    "%s: more than %d deletes were not answered: no copy in it is believed until a flush_all is",
		    r->name, REPAIR_MAX);
	else
		rend_log(REND_LOG_WARN,
		    "%s: more than %d deletes were not answered: no copy in part %u of %u is believed until a "
		    "flush_all is",
		    r->name, REPAIR_MAX, most + 1, r->count);
	doubt_part(r, most, since);
}

void
repair_lost(struct repair *r, uint64_t hash, uint32_t part)
{
	struct doubt **at;
	uint64_t since;

	REND_ASSERT(part < r->count);
	pthread_mutex_lock(&r->lock);
	since = count_one(r);
	if (r->parts[part].all == 0 && *place(r, hash) == NULL && r->free == NULL)
		make_room(r, since);
	at = place(r, hash);
	if (r->parts[part].all != 0) {
		doubt_part(r, part, since);
	} else if (*at != NULL) {
		(*at)->since = since;
	} else {
		*at = r->free;
		r->free = r->free->next;
		**at = (struct doubt){ .hash = hash, .since = since, .part = part };
		r->parts[part].keys++;
	}
	show(r);
	pthread_mutex_unlock(&r->lock);
}

void
repair_made(struct repair *r, uint64_t hash, uint64_t mark)
{
	struct doubt **at;

	if (repair_now(r) == 0)
		return;
	pthread_mutex_lock(&r->lock);
	at = place(r, hash);
	if (*at != NULL && (*at)->since <= mark) {
		forget(r, at);
		show(r);
	}
	pthread_mutex_unlock(&r->lock);
}

void
repair_lost_all(struct repair *r)
{
	uint64_t since;

	pthread_mutex_lock(&r->lock);
	since = count_one(r);
	for (uint32_t i = 0; i < r->count; i++)
		doubt_part(r, i, since);
	show(r);
	pthread_mutex_unlock(&r->lock);
}

static void
believe(struct repair *r, uint32_t part, uint64_t mark)
{
	struct part *p = &r->parts[part];

	if (p->all != 0 && p->all <= mark) {
		if (r->count == 1)
			rend_log(REND_LOG_INFO, "%s: flushed%s: what it has from here on is believed", r->name,
			    p->started ? ", because we began" : "");
		else
			rend_log(REND_LOG_INFO, "%s: part %u of %u flushed%s: what it has from here on is believed",
			    r->name, part + 1, r->count, p->started ? ", because we began" : "");
		p->all = 0;
	}
	forget_until(r, part, mark);
}

void
repair_made_part(struct repair *r, uint32_t part, uint64_t mark)
{
	if (repair_now(r) == 0)
		return;
	pthread_mutex_lock(&r->lock);
	believe(r, part, mark);
	show(r);
	pthread_mutex_unlock(&r->lock);
}

void
repair_made_all(struct repair *r, uint64_t mark)
{
	if (repair_now(r) == 0)
		return;
	pthread_mutex_lock(&r->lock);
	for (uint32_t i = 0; i < r->count; i++)
		believe(r, i, mark);
	show(r);
	pthread_mutex_unlock(&r->lock);
}

/* ---- the flush_all of our own ---- */

/* In the scratch of the op above the one that asks. */
struct flush {
	struct repair *repair;
	uint64_t mark;
	uint32_t part;
};

static struct flush *
flush_of(struct rend_op *root)
{
	return (struct flush *)(void *)root->scratch;
}

static void
flush_over(struct repair *r, uint32_t part)
{
	__atomic_store_n(&r->parts[part].flushing, false, __ATOMIC_SEQ_CST);
}

static void
flush_done(struct rend_op *kid)
{
	struct rend_op *root = kid->up;
	struct flush f = *flush_of(root);

	if (rend_outcome((enum rend_status)kid->status) == REND_YES)
		repair_made_part(f.repair, f.part, f.mark);
	flush_over(f.repair, f.part);
	rend_op_free(&kid);
	rend_op_free(&root);
}

static struct rend_op *
flush_new(struct repair *r, uint32_t part, struct instance *in)
{
	struct rend_op *root = op_new(in->worker, "", 0);
	struct rend_op *kid = root == NULL ? NULL : rend_op_child(root);

	if (kid == NULL) {
		if (root != NULL)
			rend_op_free(&root);
		return NULL;
	}
	*flush_of(root) = (struct flush){ r, repair_mark(r), part };
	kid->verb = REND_FLUSH_ALL;
	if (r->count > 1) {
		kid->ask.mode = REND_ONLY_PART;
		kid->ask.delta = part;
	}
	kid->done = flush_done;
	kid->up = root;
	return kid;
}

/* Nothing is sent to one that is away: it is flushed when it is back. */
static void
flush_part(struct repair *r, uint32_t part, struct instance *in)
{
	struct rend_op *kid, *root;

	if (__atomic_exchange_n(&r->parts[part].flushing, true, __ATOMIC_SEQ_CST))
		return;
	kid = flush_new(r, part, in);
	if (kid != NULL && instance_reaches(in, kid)) {
		if (rend_submit(in->node, kid))
			flush_done(kid);
		return;
	}
	flush_over(r, part);
	if (kid == NULL)
		return;
	root = kid->up;
	rend_op_free(&kid);
	rend_op_free(&root);
}

static bool
all_doubted(struct repair *r, uint32_t part)
{
	bool yes;

	pthread_mutex_lock(&r->lock);
	yes = r->parts[part].all != 0;
	pthread_mutex_unlock(&r->lock);
	return yes;
}

void
repair_tick(struct repair *r, struct instance *in)
{
	if (repair_now(r) <= REPAIR_MAX || in->worker->gave_up)
		return;
	for (uint32_t i = 0; i < r->count; i++)
		if (all_doubted(r, i))
			flush_part(r, i, in);
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
