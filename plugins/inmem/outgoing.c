/* Values copied for answers: see outgoing.h. */
#include "outgoing.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct outgoing_block {
	struct rend_buf buf; /* first: its release comes back to the block */
	struct budget *budget;
	size_t cost;
	char bytes[] __attribute__((aligned(16)));
};

/* Longer ones, of a block, get memory of their own: they would leave too much of it unused. */
#define LEN_PART 4

#define STEP	 16 /* bytes that a value's place is a multiple of */

static void
block_release(struct rend_buf *buf)
{
	struct outgoing_block *b = (struct outgoing_block *)(void *)buf;
	struct budget *budget = b->budget;
	size_t cost = b->cost;

	b->buf.magic = 0;
	free(b);
	budget_give(budget, cost);
}

/* NULL: no memory, or no room in the budget. */
static struct outgoing_block *
block_new(struct budget *budget, size_t size)
{
	struct outgoing_block *b = malloc(sizeof *b + size);

	if (b == NULL)
		return NULL;
	b->cost = budget_cost(b);
	if (!budget_take(budget, b->cost)) {
		free(b);
		return NULL;
	}
	b->budget = budget;
	rend_buf_init(&b->buf, b->bytes, size, block_release);
	return b;
}

void
outgoing_init(struct outgoing *o, struct budget *budget, size_t size)
{
	*o = (struct outgoing){ .budget = budget, .size = size };
	o->now = o->blocks[0] = block_new(budget, size);
}

void
outgoing_fini(struct outgoing *o)
{
	for (int i = 0; i < OUTGOING_BLOCKS; i++) {
		struct rend_buf *buf = o->blocks[i] == NULL ? NULL : &o->blocks[i]->buf;

		o->blocks[i] = NULL;
		rend_buf_drop(&buf);
	}
	o->now = NULL;
}

static bool
is_unused(const struct outgoing_block *b)
{
	/* Acquire: whoever had a piece has read it. */
	return __atomic_load_n(&b->buf.refs, __ATOMIC_ACQUIRE) == 1;
}

/* One that nobody has a piece of, or a new one. */
static struct outgoing_block *
another(struct outgoing *o)
{
	for (int i = 0; i < OUTGOING_BLOCKS; i++) {
		if (o->blocks[i] == NULL)
			return o->blocks[i] = block_new(o->budget, o->size);
		if (is_unused(o->blocks[i]))
			return o->blocks[i];
	}
	return NULL;
}

static bool
has_room(struct outgoing *o, size_t len)
{
	if (o->now != NULL && is_unused(o->now))
		o->used = 0; /* from its beginning: that is in the cache */
	if (o->now != NULL && o->used + len <= o->size)
		return true;
	o->now = another(o);
	o->used = 0;
	return o->now != NULL;
}

int
outgoing_copy(struct outgoing *o, struct rend_value *value, const char *p, size_t len)
{
	char *to;

	if (len == 0)
		return 0;
	if (len > o->size / LEN_PART || !has_room(o, len))
		return rend_value_copy_in(value, p, len);
	to = o->now->bytes + o->used;
	memcpy(to, p, len);
	o->used += (len + STEP - 1) / STEP * STEP;
	rend_buf_ref(&o->now->buf);
	rend_value_set(value, &o->now->buf, to, len);
	return 0;
}
