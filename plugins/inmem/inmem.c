/*
 * inmem: keeps values in this process's memory.  This file has the descriptor, and touch; store.h says how items are kept.
 *
 * A small value is copied for its answer, a large one handed out as it lies: it lives as long as somebody reads it.
 */
#include "haul.h"
#include "lookup.h"
#include "removal.h"
#include "rewrite.h"
#include "storing.h"
#include "succession.h"
#include "verb.h"

struct inmem_conf {
	uint64_t memory;
	bool evict, hand_over;
};

static const struct rend_option options[] = {
	REND_OPTION("memory", REND_SIZE, inmem_conf, memory, "64MiB", "1MiB..",
	    "All memory it may use: items, their overhead and the index."),
	REND_OPTION("evict", REND_BOOL, inmem_conf, evict, "true", NULL,
	    "When memory is full, make room by evicting what is worth least; else refuse to store."),
	REND_OPTION("hand_over", REND_BOOL, inmem_conf, hand_over, "true", NULL,
	    "Its memory can be given to the rend that replaces this one."),
	{ .name = NULL },
};

/* ---- touch, flush_all ---- */

/* The exptime that a touch gives. */
static int64_t
touched_until(const struct rend_op *op, const struct record *r)
{
	if ((op->ask.mode & REND_ONLY_EARLIER) == 0)
		return op->ask.exptime;
	return rend_earlier(record_exptime(r), op->ask.exptime);
}

static void
on_touch(void *inst, struct rend_op *op)
{
	struct shelf *sh = inst;
	enum rend_status status = REND_MISS;
	struct visit v;

	shelf_enter(sh);
	visit_enter(&v, sh, op);
	if (v.found != NULL) {
		status = rend_guard_holds(op) ? REND_OK : REND_NOT_STORED;
		if (status == REND_OK) {
			record_mark(v.found, RECORD_FETCHED);
			record_use(v.found, v.wall);
			index_hit(v.home.slot, v.home.entry);
			visit_touch(&v, touched_until(op, v.found));
		}
	}
	visit_leave(&v);
	rend_done(op, status);
}

static void
on_flush_all(void *inst, struct rend_op *op)
{
	struct shelf *sh = inst;

	shelf_enter(sh);
	store_flush(sh);
	rend_done(op, REND_OK);
}

/* ---- the store ---- */

static uint64_t
gauge_items(void *arg)
{
	return store_count(arg);
}

static uint64_t
gauge_bytes(void *arg)
{
	const struct store *s = arg;
	/* Read one after the other while both change. */
	uint64_t used = budget_used(s->arena.budget), spare = pages_spare(s->arena.pages);

	return spare < used ? used - spare : 0;
}

static uint64_t
memory(void *store)
{
	const struct store *s = store;

	return budget_used(s->arena.budget);
}

static uint64_t
gauge_pinned(void *arg)
{
	const struct store *s = arg;

	return __atomic_load_n(&s->arena.pages->pinned, __ATOMIC_RELAXED);
}

static uint64_t
gauge_orphans(void *arg)
{
	const struct store *s = arg;

	return __atomic_load_n(&s->arena.pages->orphans, __ATOMIC_RELAXED);
}

static uint64_t
gauge_limit(void *arg)
{
	const struct store *s = arg;

	return s->arena.limit;
}

static void
show(struct store *s, struct rend_node *self)
{
	struct store_counters *c = &s->counters;

	rend_gauge_new(
	    self, "curr_items", "Items stored, and those that are gone but not cleared away yet.", gauge_items, s);
	c->total_items = rend_counter_new(self, "total_items", "Items ever stored.");
	rend_gauge_new(self, "bytes", "Memory in use: items, their overhead and the index.", gauge_bytes, s);
	rend_gauge_new(self, "limit_maxbytes", "Memory it may use.", gauge_limit, s);
	rend_gauge_new(self, "pinned", "Bytes of large values that answers on their way hold.", gauge_pinned, s);
	rend_gauge_new(self, "pinned_orphans", "Those of them that are gone for everybody else.", gauge_orphans, s);
	c->evictions = rend_counter_new(self, "evictions", "Items evicted to make room.");
	c->evicted_unfetched = rend_counter_new(self, "evicted_unfetched", "Items evicted that no get had ever found.");
	c->reclaimed = rend_counter_new(self, "reclaimed", "Items cleared away that had expired or were flushed.");
	c->expired_unfetched = rend_counter_new(self, "expired_unfetched", "Those of them that no get had ever found.");
	c->audit_dropped = rend_counter_new(
	    self, "audit_dropped", "Items of another process that were damaged when they came.");
}

static int
inmem_open(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	const struct inmem_conf *c = conf;
	struct store *s = store_new(c->memory, c->evict, c->hand_over, (unsigned)rend_worker_count());

	if (s == NULL)
		return rend_error(err, "there is no memory, or memory = %llu bytes is too little for %u workers",
		    (unsigned long long)c->memory, (unsigned)rend_worker_count());
	show(s, self);
	*store = s;
	return 0;
}

static void
inmem_close(void *store)
{
	struct store *s = store;

	store_free(&s);
}

static int
inmem_give(void *store, struct rend_parcel *parcel, struct rend_error *err)
{
	return store_give(store, parcel, err);
}

static void
inmem_keep(void *store)
{
	store_keep(store);
}

static int
inmem_take(
    void **store, const void *conf, struct rend_node *self, const struct rend_parcel *parcel, struct rend_error *err)
{
	const struct inmem_conf *c = conf;
	struct store *s = store_take(c->memory, c->evict, (unsigned)rend_worker_count(), parcel, err);

	if (s == NULL)
		return -1;
	show(s, self);
	*store = s;
	return 0;
}

static int
inmem_attach(void **inst, void *store, struct rend_worker *worker, struct rend_error *err)
{
	struct shelf *sh = shelf_new(store, (unsigned)rend_worker_index(worker));

	if (sh == NULL)
		return rend_error(err, "no memory");
	*inst = sh;
	return 0;
}

static void
inmem_detach(void *inst)
{
	struct shelf *sh = inst;

	shelf_free(&sh);
}

/* Between turns the worker holds on to nothing, and nobody waits for it. */
static void
inmem_flush(void *inst)
{
	struct shelf *sh = inst;

	grace_leave(&sh->store->grace, sh->worker);
}

static void
inmem_tick(void *inst)
{
	store_tick(inst);
}

static void
inmem_prefetch(void *inst, const uint64_t *hashes, size_t count)
{
	const struct shelf *sh = inst;

	store_warm(sh->store, hashes, count);
}

static const struct rend_handler inmem = {
	.name = "inmem",
	.doc = "Keeps values in this process's memory.",
	.conf_size = sizeof(struct inmem_conf),
	.scratch_size = sizeof(struct haul),
	.options = options,
	.can = REND_CAN_GUARD | REND_CAN_LEASE | REND_CAN_AT_ONCE | REND_FORGETS,
	.modes = REND_MODES_ALL,
	.open = inmem_open,
	.close = inmem_close,
	.attach = inmem_attach,
	.detach = inmem_detach,
	.flush = inmem_flush,
	.memory = memory,
	.prefetch = inmem_prefetch,
	.reserve = storing_reserve,
	.tick = inmem_tick,
	.give = inmem_give,
	.keep = inmem_keep,
	.take = inmem_take,
	.on = {
		[REND_GET] = lookup_get,
		[REND_SET] = storing_put,
		[REND_ADD] = storing_put,
		[REND_REPLACE] = storing_put,
		[REND_APPEND] = rewrite_join,
		[REND_PREPEND] = rewrite_join,
		[REND_INCR] = rewrite_count,
		[REND_DECR] = rewrite_count,
		[REND_DELETE] = removal_delete,
		[REND_TOUCH] = on_touch,
		[REND_FLUSH_ALL] = on_flush_all,
	},
};

REND_PLUGIN(.version = "0.2", .handler = &inmem);
