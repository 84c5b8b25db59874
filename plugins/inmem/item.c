/* Items: see item.h. */
#include "item.h"

#include <stdlib.h>
#include <string.h>

#include "rend/check.h"

static void
item_release(struct rend_buf *buf)
{
	struct item *it = (struct item *)(void *)buf;
	struct budget *budget = it->budget;
	size_t cost = it->cost;

	it->buf.magic = 0;
	free(it);
	if (budget != NULL)
		budget_give(budget, cost);
}

struct item *
item_new(const char *key, size_t keylen, uint64_t hash, size_t len)
{
	struct item *it = malloc(item_size(keylen, len));

	if (it == NULL)
		return NULL;
	memset(it, 0, sizeof *it);
	it->hash = hash;
	it->keylen = (uint8_t)keylen;
	memcpy(it->key, key, keylen);
	it->cost = budget_cost(it);
	rend_buf_init(&it->buf, it->key + keylen, len, item_release);
	return it;
}

void
item_drop(struct item **itp)
{
	struct rend_buf *buf;

	if (*itp == NULL)
		return;
	buf = &(*itp)->buf;
	*itp = NULL;
	rend_buf_drop(&buf);
}

void
item_drop_all(struct item *first)
{
	while (first != NULL) {
		struct item *it = first;

		first = it->next;
		item_drop(&it);
	}
}

bool
item_alone(const struct item *it)
{
	/* Acquire: what the last other user read, it has read. */
	return __atomic_load_n(&it->buf.refs, __ATOMIC_ACQUIRE) == 1;
}
