/*
 * inmem: keeps values in this process's memory.  This file has the descriptor and the verbs; table.h says how items are
 * kept.
 *
 * A value is handed out without a copy: the answer points into the item, which lives as long as somebody reads it.
 */
#include <string.h>

#include "number.h"
#include "rend/plugin.h"
#include "table.h"

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

static void
enter(struct visit *v, struct table *t, const struct rend_op *op)
{
	table_enter(v, t, op->key, op->keylen, op->hash);
}

static bool
version_fits(const struct visit *v, const struct rend_op *op)
{
	return (op->ask.mode & REND_IF_CAS) == 0 || v->found->cas == op->ask.cas;
}

/* ---- reading ---- */

static enum rend_status
get(struct visit *v, struct rend_op *op)
{
	bool touches = (op->ask.mode & REND_ALSO_TOUCH) != 0;
	struct item *it = v->found;

	if (it == NULL)
		return REND_MISS;
	if (touches && !rend_guard_holds(op))
		return REND_NOT_STORED;
	if (op->ask.want & REND_WANT_VALUE) {
		rend_value_drop(&op->item.value);
		rend_buf_ref(&it->buf);
		if (rend_value_add(&op->item.value, &it->buf, it->buf.data, it->buf.size) != 0)
			return REND_NO_MEMORY;
	}
	it->fetched = true;
	op->item.flags = it->flags;
	op->item.exptime = touches ? op->ask.exptime : it->exptime;
	op->item.cas = it->cas;
	op->item.have = op->ask.want & (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS);
	stripe_use(v->stripe, it, rend_now());
	if (touches)
		table_touch(v, op->ask.exptime);
	return REND_OK;
}

static void
on_get(void *inst, struct rend_op *op)
{
	enum rend_status status;
	struct visit v;

	enter(&v, inst, op);
	status = get(&v, op);
	table_leave(&v);
	rend_done(op, status);
}

/* ---- storing ---- */

/* May this op store where v looks?  The guard is asked last, since it is what a refusal is not the client's fault for.
 */
static enum rend_status
may_store(const struct visit *v, const struct rend_op *op)
{
	bool there = v->found != NULL;

	if ((op->ask.mode & REND_IF_CAS) && !there)
		return REND_MISS;
	if (there && !version_fits(v, op))
		return REND_EXISTS;
	if (op->verb == REND_ADD ? there : op->verb != REND_SET && !there)
		return REND_NOT_STORED;
	return rend_guard_holds(op) ? REND_OK : REND_NOT_STORED;
}

static void
put(struct visit *v, struct rend_op *op, struct item *it)
{
	op->item.cas = it->cas = table_version(v->table, op->ask.cas_new);
	table_put(v, it);
}

static void
drop_key(struct table *t, const struct rend_op *op)
{
	struct visit v;

	enter(&v, t, op);
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
	struct item *it = fits ? table_item(t, op->key, op->keylen, op->hash, len) : NULL;

	if (it == NULL && plain_set) {
		drop_key(t, op);
		if (fits)
			it = table_item(t, op->key, op->keylen, op->hash, len);
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
	enter(&v, inst, op);
	status = may_store(&v, op);
	if (status == REND_OK) {
		put(&v, op, it);
		it = NULL;
	}
	table_leave(&v);
	item_drop(&it);
	rend_done(op, status);
}

/* ---- append, prepend, incr, decr: a new value out of the old one ---- */

/* What is to become of an item. */
struct change {
	size_t len; /* of the new value */
	size_t ndigits;
	char digits[NUMBER_DIGITS_MAX];
	uint64_t number;
};

static enum rend_status
plan_join(const struct visit *v, const struct rend_op *op, struct change *c)
{
	c->len = v->found->buf.size + op->item.value.len;
	return table_fits(v->table, op->keylen, c->len) ? REND_OK : REND_TOO_BIG;
}

static void
fill_join(const struct rend_op *op, const struct change *c, const struct item *old, char *to)
{
	size_t len = op->item.value.len;
	bool behind = op->verb == REND_APPEND;

	memcpy(to + (behind ? 0 : len), old->buf.data, old->buf.size);
	rend_value_copy_out(&op->item.value, 0, to + (behind ? old->buf.size : 0), len);
}

/* The digits replace the value; a shorter number keeps its length, with spaces, as in memcached. */
static enum rend_status
plan_count(const struct visit *v, const struct rend_op *op, struct change *c)
{
	const struct rend_buf *buf = &v->found->buf;

	if (!number_parse(buf->data, buf->size, &c->number))
		return REND_NOT_A_NUMBER;
	c->number = number_step(c->number, op->ask.delta, op->verb == REND_INCR);
	c->ndigits = number_print(c->digits, c->number);
	c->len = c->ndigits > buf->size ? c->ndigits : buf->size;
	return REND_OK;
}

static void
fill_count(const struct rend_op *op, const struct change *c, const struct item *old, char *to)
{
	memcpy(to, c->digits, c->ndigits);
	memset(to + c->ndigits, ' ', c->len - c->ndigits);
}

static const struct rewriting {
	enum rend_status (*plan)(const struct visit *v, const struct rend_op *op, struct change *c);
	void (*fill)(const struct rend_op *op, const struct change *c, const struct item *old, char *to);
	bool in_place;		  /* may it fill the old item if the length stays? */
	enum rend_status without; /* the answer when there is no such key */
} joining = { plan_join, fill_join, false, REND_NOT_STORED }, counting = { plan_count, fill_count, true, REND_MISS };

static enum rend_status
plan(const struct rewriting *how, const struct visit *v, const struct rend_op *op, struct change *c)
{
	enum rend_status status;

	if (v->found == NULL)
		return (op->ask.mode & REND_IF_CAS) ? REND_MISS : how->without;
	if (!version_fits(v, op))
		return REND_EXISTS;
	status = how->plan(v, op, c);
	if (status != REND_OK)
		return status;
	return rend_guard_holds(op) ? REND_OK : REND_NOT_STORED;
}

static void
answer_change(struct rend_op *op, const struct change *c, uint64_t version)
{
	op->item.cas = version;
	if (op->verb == REND_INCR || op->verb == REND_DECR)
		op->item.number = c->number;
}

/* The new item, built without a lock.  A reference to old is held, so its bytes stay and its address is not used again.
 */
static struct item *
build(const struct rewriting *how, struct table *t, const struct rend_op *op, const struct change *c,
    const struct item *old)
{
	struct item *it = table_item(t, op->key, op->keylen, op->hash, c->len);

	if (it == NULL)
		return NULL;
	how->fill(op, c, old, it->buf.data);
	it->flags = old->flags;
	return it;
}

/* Looks, builds, looks again.  false: the item has changed meanwhile, because another op on this key came first. */
static bool
try_rewrite(const struct rewriting *how, struct table *t, struct rend_op *op, enum rend_status *status)
{
	struct item *old, *it;
	struct change c;
	struct visit v;
	bool same;

	enter(&v, t, op);
	*status = plan(how, &v, op, &c);
	if (*status != REND_OK) {
		table_leave(&v);
		return true;
	}
	old = v.found;
	if (how->in_place && c.len == old->buf.size && item_alone(old)) {
		how->fill(op, &c, old, old->buf.data);
		old->cas = table_version(t, op->ask.cas_new);
		answer_change(op, &c, old->cas);
		stripe_use(v.stripe, old, rend_now());
		table_leave(&v);
		return true;
	}
	rend_buf_ref(&old->buf);
	table_leave(&v);

	it = build(how, t, op, &c, old);
	if (it == NULL) {
		item_drop(&old);
		*status = REND_NO_MEMORY;
		return true;
	}
	enter(&v, t, op);
	same = v.found == old;
	if (same && !rend_guard_holds(op)) {
		*status = REND_NOT_STORED;
	} else if (same) {
		it->exptime = old->exptime; /* a touch may have come between */
		it->fetched = old->fetched;
		it->cas = table_version(t, op->ask.cas_new);
		answer_change(op, &c, it->cas);
		table_put(&v, it);
		it = NULL;
	}
	table_leave(&v);
	item_drop(&it);
	item_drop(&old);
	return same;
}

/* Each try lost means that another op on the key won; one that loses so often asks its client to come again. */
#define REWRITE_TRIES 64

static void
rewrite(const struct rewriting *how, struct table *t, struct rend_op *op)
{
	enum rend_status status = REND_OK;

	for (int i = 0; i < REWRITE_TRIES; i++)
		if (try_rewrite(how, t, op, &status)) {
			rend_done(op, status);
			return;
		}
	rend_done(op, REND_BUSY);
}

static void
on_join(void *inst, struct rend_op *op)
{
	rewrite(&joining, inst, op);
}

static void
on_count(void *inst, struct rend_op *op)
{
	rewrite(&counting, inst, op);
}

/* ---- delete, touch, flush_all ---- */

static void
on_delete(void *inst, struct rend_op *op)
{
	enum rend_status status = REND_MISS;
	struct visit v;

	enter(&v, inst, op);
	if (v.found != NULL) {
		status = version_fits(&v, op) ? REND_OK : REND_EXISTS;
		if (status == REND_OK)
			table_take(&v);
	}
	table_leave(&v);
	rend_done(op, status);
}

static void
on_touch(void *inst, struct rend_op *op)
{
	enum rend_status status = REND_MISS;
	struct visit v;

	enter(&v, inst, op);
	if (v.found != NULL) {
		status = rend_guard_holds(op) ? REND_OK : REND_NOT_STORED;
		if (status == REND_OK) {
			stripe_use(v.stripe, v.found, rend_now());
			table_touch(&v, op->ask.exptime);
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

static const struct rend_handler inmem = {
	.name = "inmem",
	.doc = "Keeps values in this process's memory.",
	.conf_size = sizeof(struct inmem_conf),
	.options = options,
	.can = REND_CAN_GUARD,
	.open = inmem_open,
	.close = inmem_close,
	.tick = inmem_tick,
	.on = {
		[REND_GET] = on_get,
		[REND_SET] = on_store,
		[REND_ADD] = on_store,
		[REND_REPLACE] = on_store,
		[REND_APPEND] = on_join,
		[REND_PREPEND] = on_join,
		[REND_INCR] = on_count,
		[REND_DECR] = on_count,
		[REND_DELETE] = on_delete,
		[REND_TOUCH] = on_touch,
		[REND_FLUSH_ALL] = on_flush_all,
	},
};

REND_PLUGIN(.version = "0.1", .handler = &inmem);
