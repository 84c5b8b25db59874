/*
 * inmem: keeps values in this process's memory.  This file has the descriptor and the verbs; table.h says how items are
 * kept.
 *
 * A value is handed out without a copy: the answer points into the item, which lives as long as somebody reads it.
 */
#include "lookup.h"
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
	    "When memory is full, make room by evicting what was not used for longest; else refuse to store."),
	{ .name = NULL },
};

/* ---- storing ---- */

/* An older version than what is there, which its sender would rather have kept as stale than refused? */
static bool
comes_late(const struct visit *v, const struct rend_op *op)
{
	return (op->ask.mode & REND_INVALIDATE) && (op->ask.mode & REND_IF_CAS) && op->ask.cas < v->found->cas;
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
drop_key(struct table *t, const struct rend_op *op)
{
	struct visit v;

	verb_enter(&v, t, op);
	if (v.found != NULL)
		table_take(&v);
	table_leave(&v);
}

/* An item with what the op brings.  A set that cannot be kept leaves no older value behind; with evict = false that may
 * be what it needs. */
static enum rend_status
item_of(struct table *t, const struct rend_op *op, struct item **itp)
{
	size_t len = op->item.value.len;
	bool plain_set = op->verb == REND_SET && (op->ask.mode & REND_IF_CAS) == 0;
	bool fits = table_fits(t, op->keylen, len);
	struct item *it = fits ? verb_item(t, op, len) : NULL;

	if (it == NULL && plain_set) {
		drop_key(t, op);
		if (fits)
			it = verb_item(t, op, len);
	}
	*itp = it;
	if (it == NULL)
		return fits ? REND_NO_MEMORY : REND_TOO_BIG;
	it->flags = op->item.flags;
	it->exptime = op->item.exptime;
	rend_value_copy_out(&op->item.value, 0, it->buf.data, len);
	return REND_OK;
}

static void
on_store(void *inst, struct rend_op *op)
{
	struct item *it;
	enum rend_status status = item_of(inst, op, &it);
	struct visit v;

	if (status != REND_OK) {
		rend_done(op, status);
		return;
	}
	verb_enter(&v, inst, op);
	status = may_store(&v, op);
	if (status == REND_OK) {
		if (v.found != NULL && comes_late(&v, op)) {
			/* It takes the place of what was marked stale, with all that is known of that. */
			it->stale = true;
			it->sent = v.found->sent;
			it->exptime = v.found->exptime;
		}
		verb_put(&v, op, it);
		verb_stored(op, it);
		it = NULL;
	}
	table_leave(&v);
	item_drop(&it);
	rend_done(op, status);
}

/* ---- delete, touch, flush_all ---- */

/* What a delete leaves if it is to: the item, or an empty one in its place (spare), under a new version. */
static void
leave_behind(struct visit *v, const struct rend_op *op, struct item **spare)
{
	struct item *it = v->found;

	if (*spare != NULL) {
		(*spare)->exptime = it->exptime;
		(*spare)->fetched = it->fetched;
		(*spare)->stale = it->stale;
		(*spare)->sent = it->sent;
		it = *spare;
		*spare = NULL;
		table_put(v, it);
	}
	it->cas = table_version(v->table, op->ask.cas_new);
	if ((op->ask.mode & REND_INVALIDATE) == 0)
		return;
	it->stale = true;
	it->sent = false;
	if (op->ask.mode & REND_ALSO_TOUCH)
		table_touch(v, op->ask.exptime);
}

static enum rend_status
remove_item(struct visit *v, const struct rend_op *op, struct item **spare)
{
	if (v->found == NULL)
		return REND_MISS;
	if (!verb_version_fits(op, v->found))
		return REND_EXISTS;
	if ((op->ask.mode & (REND_INVALIDATE | REND_DROP_VALUE)) == 0) {
		table_take(v);
		return REND_OK;
	}
	if (!rend_guard_holds(op))
		return REND_NOT_STORED;
	leave_behind(v, op, spare);
	return REND_OK;
}

static void
on_delete(void *inst, struct rend_op *op)
{
	bool empties = (op->ask.mode & REND_DROP_VALUE) != 0;
	struct item *spare = empties ? verb_item(inst, op, 0) : NULL;
	enum rend_status status;
	struct visit v;

	if (empties && spare == NULL) {
		rend_done(op, REND_NO_MEMORY);
		return;
	}
	verb_enter(&v, inst, op);
	status = remove_item(&v, op, &spare);
	table_leave(&v);
	item_drop(&spare);
	rend_done(op, status);
}

/* The exptime that a touch gives. */
static int64_t
touched_until(const struct rend_op *op, const struct item *it)
{
	if ((op->ask.mode & REND_ONLY_EARLIER) == 0)
		return op->ask.exptime;
	return rend_earlier(it->exptime, op->ask.exptime);
}

static void
on_touch(void *inst, struct rend_op *op)
{
	enum rend_status status = REND_MISS;
	struct visit v;

	verb_enter(&v, inst, op);
	if (v.found != NULL) {
		status = rend_guard_holds(op) ? REND_OK : REND_NOT_STORED;
		if (status == REND_OK) {
			v.found->fetched = true;
			stripe_use(v.stripe, v.found, rend_now());
			table_touch(&v, touched_until(op, v.found));
		}
	}
	table_leave(&v);
	rend_done(op, status);
}

static void
on_flush_all(void *inst, struct rend_op *op)
{
	table_flush(inst);
	rend_done(op, REND_OK);
}

/* ---- the store ---- */

static uint64_t
gauge_items(void *arg)
{
	return table_count(arg);
}

static uint64_t
gauge_bytes(void *arg)
{
	const struct table *t = arg;

	return budget_used(t->budget);
}

static uint64_t
gauge_limit(void *arg)
{
	const struct table *t = arg;

	return t->budget->limit;
}

static void
show(struct table *t, struct rend_node *self)
{
	struct table_counters *c = &t->counters;

	rend_gauge_new(
	    self, "curr_items", "Items stored, and those that are gone but not cleared away yet.", gauge_items, t);
	c->total_items = rend_counter_new(self, "total_items", "Items ever stored.");
	rend_gauge_new(self, "bytes", "Memory in use: items, their overhead and the index.", gauge_bytes, t);
	rend_gauge_new(self, "limit_maxbytes", "Memory it may use.", gauge_limit, t);
	c->evictions = rend_counter_new(self, "evictions", "Items evicted to make room.");
	c->evicted_unfetched = rend_counter_new(self, "evicted_unfetched", "Items evicted that no get had ever found.");
	c->reclaimed = rend_counter_new(self, "reclaimed", "Items cleared away that had expired or were flushed.");
	c->expired_unfetched = rend_counter_new(self, "expired_unfetched", "Those of them that no get had ever found.");
}

static int
inmem_open(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	const struct inmem_conf *c = conf;
	struct table *t = table_new(c->memory, c->evict);

	if (t == NULL)
		return rend_error(err, "no memory for the index");
	show(t, self);
	*store = t;
	return 0;
}

static void
inmem_close(void *store)
{
	struct table *t = store;

	table_free(&t);
}

static void
inmem_tick(void *inst)
{
	table_sweep(inst);
}

static void
inmem_prefetch(void *inst, const uint64_t *hashes, size_t count)
{
	table_warm(inst, hashes, count);
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
		[REND_DELETE] = on_delete,
		[REND_TOUCH] = on_touch,
		[REND_FLUSH_ALL] = on_flush_all,
	},
};

REND_PLUGIN(.version = "0.1", .handler = &inmem);
