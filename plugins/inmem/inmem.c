/*
 * inmem: keeps values in this process's memory.  This file has the descriptor, and what stores and touches; store.h says how items are kept.
 *
 * A small value is copied for its answer, a large one handed out as it lies: it lives as long as somebody reads it.
 */
#include "lookup.h"
#include "removal.h"
#include "rewrite.h"
#include "verb.h"

struct inmem_conf {
	uint64_t memory;
	bool evict;
};

static const struct rend_option options[] = {
	REND_OPTION("memory", REND_SIZE, inmem_conf, memory, "64MiB", "1MiB..",
	    "All memory it may use: items, their overhead and the index."),
	REND_OPTION("evict", REND_BOOL, inmem_conf, evict, "true", NULL,
	    "When memory is full, make room by evicting what is worth least; else refuse to store."),
	{ .name = NULL },
};

/* ---- storing ---- */

/* An older version than what is there, which its sender would rather have kept as stale than refused? */
static bool
comes_late(const struct visit *v, const struct rend_op *op)
{
	return (op->ask.mode & REND_INVALIDATE) && (op->ask.mode & REND_IF_CAS) && op->ask.cas < v->found->version;
}

/* May this op store where v looks?  The guard is asked last, since it is what a refusal is not the client's fault for.
 */
static enum rend_status
may_store(const struct visit *v, const struct rend_op *op)
{
	bool there = v->found != NULL;

	if ((op->ask.mode & REND_IF_CAS) && !there)
		return REND_MISS;
	if (there && !verb_version_fits(op, v->found) && !comes_late(v, op))
		return REND_EXISTS;
	if (op->verb == REND_ADD ? there : op->verb != REND_SET && !there)
		return REND_NOT_STORED;
	return rend_guard_holds(op) ? REND_OK : REND_NOT_STORED;
}

static void
drop_key(struct shelf *sh, const struct rend_op *op)
{
	struct visit v;

	visit_enter(&v, sh, op);
	if (v.found != NULL)
		visit_take(&v);
	visit_leave(&v);
}

/* A draft with what the op brings.  A set that cannot be kept leaves no older value behind; with evict = false that may
 * be what it needs. */
static enum rend_status
draft_of(struct shelf *sh, const struct rend_op *op, struct draft *d)
{
	size_t len = op->item.value.len;
	bool plain_set = op->verb == REND_SET && (op->ask.mode & REND_IF_CAS) == 0;
	bool fits = store_fits(sh->store, op->keylen, len);
	bool made = fits && draft_new(d, sh, op, len);

	if (!made && plain_set) {
		drop_key(sh, op);
		made = fits && draft_new(d, sh, op, len);
	}
	if (!made)
		return fits ? REND_NO_MEMORY : REND_TOO_BIG;
	d->record->flags = op->item.flags;
	record_set_exptime(d->record, op->item.exptime);
	rend_value_copy_out(&op->item.value, 0, draft_value(d), len);
	return REND_OK;
}

static enum rend_status
put(struct visit *v, struct rend_op *op, struct draft *d)
{
	struct record *r = d->record;
	enum rend_status status = may_store(v, op);

	if (status != REND_OK)
		return status;
	if (v->found != NULL && comes_late(v, op)) {
		/* It takes the place of what was marked stale, with all that is known of that. */
		r->state |= RECORD_STALE | (record_state(v->found) & RECORD_SENT);
		record_set_exptime(r, record_exptime(v->found));
	}
	if (!visit_put(v, op, d))
		return REND_NO_MEMORY;
	verb_stored(op, r, d->len);
	return REND_OK;
}

static void
on_store(void *inst, struct rend_op *op)
{
	struct shelf *sh = inst;
	enum rend_status status;
	struct draft d;
	struct visit v;

	shelf_enter(sh);
	status = draft_of(sh, op, &d);
	if (status != REND_OK) {
		rend_done(op, status);
		return;
	}
	visit_enter(&v, sh, op);
	status = put(&v, op, &d);
	visit_leave(&v);
	draft_waste(&d, sh);
	rend_done(op, status);
}

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

	return budget_used(s->arena.budget);
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
	c->evictions = rend_counter_new(self, "evictions", "Items evicted to make room.");
	c->evicted_unfetched = rend_counter_new(self, "evicted_unfetched", "Items evicted that no get had ever found.");
	c->reclaimed = rend_counter_new(self, "reclaimed", "Items cleared away that had expired or were flushed.");
	c->expired_unfetched = rend_counter_new(self, "expired_unfetched", "Those of them that no get had ever found.");
}

static int
inmem_open(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	const struct inmem_conf *c = conf;
	struct store *s = store_new(c->memory, c->evict, (unsigned)rend_worker_count());

	if (s == NULL)
		return rend_error(err, "no memory for the index");
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
	.options = options,
	.can = REND_CAN_GUARD | REND_CAN_LEASE | REND_CAN_AT_ONCE | REND_FORGETS,
	.modes = REND_MODES_ALL,
	.open = inmem_open,
	.close = inmem_close,
	.attach = inmem_attach,
	.detach = inmem_detach,
	.flush = inmem_flush,
	.memory = gauge_bytes,
	.prefetch = inmem_prefetch,
	.tick = inmem_tick,
	.on = {
		[REND_GET] = lookup_get,
		[REND_SET] = on_store,
		[REND_ADD] = on_store,
		[REND_REPLACE] = on_store,
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
