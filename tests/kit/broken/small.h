/*
 * A small but complete store: what the broken handlers beside it are made of.  Each of them includes this, says one
 * thing differently, and ends with SMALL().  sound.c says nothing differently.
 */
#ifndef BROKEN_SMALL_H
#define BROKEN_SMALL_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "rend/plugin.h"

#define SMALL_LISTS 256

struct entry {
	struct entry *next;
	struct rend_value value;
	uint32_t flags;
	int64_t exptime;
	size_t keylen;
	char key[REND_KEY_MAX];
};

struct small {
	pthread_mutex_t lock;
	struct entry *lists[SMALL_LISTS];
};

static struct entry **
small_at(struct small *s, const struct rend_op *op)
{
	struct entry **at = &s->lists[op->hash % SMALL_LISTS];

	while (*at != NULL && ((*at)->keylen != op->keylen || memcmp((*at)->key, op->key, op->keylen) != 0))
		at = &(*at)->next;
	return at;
}

static void
small_remove(struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	rend_value_drop(&e->value);
	free(e);
}

/* Its place, where what has expired is not. */
static struct entry **
small_find(struct small *s, const struct rend_op *op)
{
	struct entry **at = small_at(s, op);

	if (*at != NULL && rend_expired((*at)->exptime, rend_wall()))
		small_remove(at);
	return small_at(s, op);
}

__attribute__((unused)) static enum rend_status
small_get(struct small *s, struct rend_op *op)
{
	struct entry *e = *small_find(s, op);

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

/* One piece of memory with the value in it. */
__attribute__((unused)) static int
small_copy(struct rend_value *to, const struct rend_value *from)
{
	struct rend_buf *buf = rend_buf_new(from->len);

	rend_value_drop(to);
	if (buf == NULL)
		return -1;
	rend_value_copy_out(from, 0, buf->data, from->len);
	return rend_value_add(to, buf, buf->data, from->len);
}

__attribute__((unused)) static enum rend_status
small_set(struct small *s, struct rend_op *op)
{
	struct entry **at = small_find(s, op), *e = *at;

	if (op->verb == REND_ADD && e != NULL)
		return REND_NOT_STORED;
	if (op->verb == REND_REPLACE && e == NULL)
		return REND_NOT_STORED;
	if (e == NULL) {
		e = calloc(1, sizeof *e);
		if (e == NULL)
			return REND_NO_MEMORY;
		e->keylen = op->keylen;
		memcpy(e->key, op->key, op->keylen);
		*at = e;
	}
	e->flags = op->item.flags;
	e->exptime = op->item.exptime;
	if (small_copy(&e->value, &op->item.value) == 0)
		return REND_OK;
	small_remove(at);
	return REND_NO_MEMORY;
}

__attribute__((unused)) static enum rend_status
small_delete(struct small *s, struct rend_op *op)
{
	struct entry **at = small_find(s, op);

	if (*at == NULL)
		return REND_MISS;
	small_remove(at);
	return REND_OK;
}

__attribute__((unused)) static enum rend_status
small_touch(struct small *s, struct rend_op *op)
{
	struct entry *e = *small_find(s, op);

	if (e == NULL)
		return REND_MISS;
	e->exptime = op->ask.exptime;
	return REND_OK;
}

__attribute__((unused)) static enum rend_status
small_flush(struct small *s, struct rend_op *op)
{
	for (int i = 0; i < SMALL_LISTS; i++)
		while (s->lists[i] != NULL)
			small_remove(&s->lists[i]);
	return REND_OK;
}

/* What a handler may say differently. */
#ifndef SMALL_GET
#define SMALL_GET small_get
#endif
#ifndef SMALL_SET
#define SMALL_SET small_set
#endif
#ifndef SMALL_DELETE
#define SMALL_DELETE small_delete
#endif
#ifndef SMALL_TOUCH
#define SMALL_TOUCH small_touch
#endif
#ifndef SMALL_FLUSH
#define SMALL_FLUSH small_flush
#endif

#define SMALL_LOCKED(name, verb)                         \
	static void name(void *inst, struct rend_op *op) \
	{                                                \
		struct small *s = inst;                  \
		enum rend_status status;                 \
                                                         \
		pthread_mutex_lock(&s->lock);            \
		status = verb(s, op);                    \
		pthread_mutex_unlock(&s->lock);          \
		ANSWER(s, op, status);                   \
	}

#ifndef ANSWER
#define ANSWER(s, op, status) rend_done(op, status)
#endif
#ifndef OPENED
#define OPENED(s) 0
#endif
#ifndef SCRATCH
#define SCRATCH 0 /* bytes in each op */
#endif
#ifndef PREFETCH
#define PREFETCH NULL
#endif
#ifndef CAN
#define CAN 0 /* what it promises */
#endif
#ifndef CLOSING
#define CLOSING(s) (void)0
#endif

#ifndef MORE
#define MORE
#endif

#define SMALL()                                                                                               \
	SMALL_LOCKED(on_get, SMALL_GET)                                                                       \
	SMALL_LOCKED(on_set, SMALL_SET)                                                                       \
	SMALL_LOCKED(on_delete, SMALL_DELETE)                                                                 \
	SMALL_LOCKED(on_touch, SMALL_TOUCH)                                                                   \
	SMALL_LOCKED(on_flush, SMALL_FLUSH)                                                                   \
	static int small_open(void **store, const void *conf, struct rend_node *self, struct rend_error *err) \
	{                                                                                                     \
		struct small *s = calloc(1, sizeof *s);                                                       \
                                                                                                              \
		if (s == NULL)                                                                                \
			return rend_error(err, "no memory");                                                  \
		pthread_mutex_init(&s->lock, NULL);                                                           \
		*store = s;                                                                                   \
		return OPENED(s);                                                                             \
	}                                                                                                     \
	static void small_close(void *store)                                                                  \
	{                                                                                                     \
		struct small *s = store;                                                                      \
                                                                                                              \
		CLOSING(s);                                                                                   \
		small_flush(s, NULL);                                                                         \
		pthread_mutex_destroy(&s->lock);                                                              \
		free(s);                                                                                      \
	}                                                                                                     \
	static const struct rend_handler small = {                                                            \
		.name = "small",                                                                              \
		.doc = "For tests of the handler kit.",                                                       \
		.scratch_size = SCRATCH,                                                                      \
		.can = CAN,                                                                                   \
		.open = small_open,                                                                           \
		.prefetch = PREFETCH,                                                                         \
		.close = small_close,                                                                         \
		MORE.on = { [REND_GET] = on_get,                                                              \
		    [REND_SET] = on_set,                                                                      \
		    [REND_ADD] = on_set,                                                                      \
		    [REND_REPLACE] = on_set,                                                                  \
		    [REND_DELETE] = on_delete,                                                                \
		    [REND_TOUCH] = on_touch,                                                                  \
		    [REND_FLUSH_ALL] = on_flush },                                                            \
	};                                                                                                    \
	REND_PLUGIN(.version = "0", .handler = &small)

#endif
