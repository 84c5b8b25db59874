/*
 * skeleton: the plugin to copy.  A small store in memory that shows everything a handler needs: options, a store that
 * all workers share, verbs, values, expiry, a number for people to look at.  docs/plugins.md explains each of them.
 *
 *	store ── lock, chains ──► entry ──► entry		chains[hash % CHAINS]
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "rend/plugin.h"

#define CHAINS 4096

/* The block of rend.conf: the core fills it from the table below before it calls open(). */
struct skeleton_conf {
	int64_t items_max;
};

static const struct rend_option options[] = {
	REND_OPTION(
	    "items_max", REND_INT, skeleton_conf, items_max, "100000", "1..", "How many items it keeps at most."),
	{ .name = NULL },
};

struct entry {
	struct entry *next;
	struct rend_value value;
	uint32_t flags;
	int64_t exptime;
	uint8_t keylen;
	char key[];
};

/* Made once for the whole process; ops come from all workers, so there is a lock. */
struct store {
	pthread_mutex_t lock;
	int64_t items, items_max;
	uint64_t bytes; /* atomic: whoever asks how much memory it is comes without the lock */
	struct rend_counter *refused;
	struct entry *chains[CHAINS];
};

/* ---- entries; all of it under the lock ---- */

/* That many bytes more, or less. */
static void
hold(struct store *s, int64_t more)
{
	__atomic_fetch_add(&s->bytes, (uint64_t)more, __ATOMIC_RELAXED);
}

static void
entry_remove(struct store *s, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	s->items--;
	hold(s, -(int64_t)(sizeof *e + e->keylen + e->value.len));
	rend_value_drop(&e->value); /* whoever was handed the value has references of its own */
	free(e);
}

/* Where the op's key is, or would be put.  What has expired is gone the moment anybody looks. */
static struct entry **
entry_find(struct store *s, const struct rend_op *op)
{
	struct entry **at = &s->chains[op->hash % CHAINS];

	while (*at != NULL && ((*at)->keylen != op->keylen || memcmp((*at)->key, op->key, op->keylen) != 0))
		at = &(*at)->next;
	if (*at != NULL && rend_expired((*at)->exptime, rend_wall())) {
		entry_remove(s, at);
		return entry_find(s, op);
	}
	return at;
}

static struct entry *
entry_new(struct store *s, const struct rend_op *op)
{
	struct entry *e = s->items < s->items_max ? calloc(1, sizeof *e + op->keylen) : NULL;

	if (e == NULL) {
		rend_count(s->refused, 1);
		return NULL;
	}
	e->keylen = op->keylen;
	memcpy(e->key, op->key, op->keylen);
	s->items++;
	hold(s, (int64_t)(sizeof *e + op->keylen));
	return e;
}

/*
 * A copy in one block.  A share (rend_value_share) would be cheaper, but might hold much more memory than the value:
 * its pieces lie wherever the connection put them.  Bytes that a value points at are never written to again, so a new
 * value is a new block.
 */
static int
value_copy(struct store *s, struct rend_value *to, const struct rend_value *from)
{
	struct rend_buf *buf = rend_buf_new(from->len);

	hold(s, -(int64_t)to->len);
	rend_value_drop(to);
	if (buf == NULL)
		return -1;
	hold(s, (int64_t)from->len);
	rend_value_copy_out(from, 0, buf->data, from->len);
	return rend_value_add(to, buf, buf->data, from->len); /* takes our reference */
}

/* ---- verbs: on a worker's thread, must not block for long, and end with one rend_done() ---- */

static enum rend_status
get(struct store *s, struct rend_op *op)
{
	struct entry *e = *entry_find(s, op);

	if (e == NULL)
		return REND_MISS;
	if ((op->ask.want & REND_WANT_VALUE) && rend_value_share(&op->item.value, &e->value) != 0)
		return REND_NO_MEMORY;
	op->item.flags = e->flags;
	op->item.exptime = e->exptime;
	op->item.have = op->ask.want & (REND_WANT_VALUE | REND_WANT_EXPTIME);
	if (op->ask.mode & REND_ALSO_TOUCH)
		e->exptime = op->item.exptime = op->ask.exptime;
	return REND_OK;
}

/* The op's item is its submitter's: read it, copy it, leave it as it is. */
static enum rend_status
set(struct store *s, struct rend_op *op)
{
	struct entry **at = entry_find(s, op);

	if (op->ask.mode & REND_IF_CAS)
		return REND_UNSUPPORTED; /* it has no versions */
	if (op->verb == REND_ADD && *at != NULL)
		return REND_NOT_STORED;
	if (op->verb == REND_REPLACE && *at == NULL)
		return REND_NOT_STORED;
	if (*at == NULL && (*at = entry_new(s, op)) == NULL)
		return REND_NO_MEMORY;
	(*at)->flags = op->item.flags;
	(*at)->exptime = op->item.exptime;
	if (value_copy(s, &(*at)->value, &op->item.value) == 0)
		return REND_OK;
	entry_remove(s, at); /* better none than an older value */
	return REND_NO_MEMORY;
}

static enum rend_status
remove_item(struct store *s, struct rend_op *op)
{
	struct entry **at = entry_find(s, op);

	if (*at == NULL)
		return REND_MISS;
	entry_remove(s, at);
	return REND_OK;
}

static enum rend_status
flush_all(struct store *s, struct rend_op *op)
{
	for (int i = 0; i < CHAINS; i++)
		while (s->chains[i] != NULL)
			entry_remove(s, &s->chains[i]);
	return REND_OK;
}

static enum rend_status (*const verbs[REND_VERB_COUNT])(struct store *, struct rend_op *) = {
	[REND_GET] = get,
	[REND_SET] = set,
	[REND_ADD] = set,
	[REND_REPLACE] = set,
	[REND_DELETE] = remove_item,
	[REND_FLUSH_ALL] = flush_all,
};

static void
on_any(void *inst, struct rend_op *op)
{
	struct store *s = inst; /* there is no attach(), so each worker's instance is the store itself */
	enum rend_status status = REND_UNSUPPORTED;

	if (op->verb < REND_VERB_COUNT && verbs[op->verb] != NULL) {
		pthread_mutex_lock(&s->lock);
		status = verbs[op->verb](s, op);
		pthread_mutex_unlock(&s->lock);
	}
	rend_done(op, status); /* the last we see of it */
}

/* ---- the store ---- */

static int
open_store(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	const struct skeleton_conf *c = conf;
	struct store *s = calloc(1, sizeof *s);

	if (s == NULL)
		return rend_error(err, "no memory for %d chains", CHAINS);
	pthread_mutex_init(&s->lock, NULL);
	s->items_max = c->items_max;
	s->refused = rend_counter_new(self, "refused", "Items that were not stored because there were too many.");
	*store = s;
	return 0;
}

/* From any thread. */
static uint64_t
memory(void *store)
{
	const struct store *s = store;

	return sizeof *s + __atomic_load_n(&s->bytes, __ATOMIC_RELAXED);
}

static void
close_store(void *store)
{
	struct store *s = store;

	flush_all(s, NULL);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct rend_handler skeleton = {
	.name = "skeleton",
	.doc = "A small store, to be copied.",
	.conf_size = sizeof(struct skeleton_conf),
	.options = options,
	.can = REND_FORGETS, /* what it keeps is gone with the process */
	.open = open_store,
	.close = close_store,
	.memory = memory,
	.any = on_any,
};

REND_PLUGIN(.version = "0.1", .handler = &skeleton);
