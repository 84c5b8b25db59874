/* Values too large for the log: see large.h. */
#include "large.h"

#include <stdlib.h>

static void
large_release(struct rend_buf *buf)
{
	struct large *l = (struct large *)(void *)buf;
	struct budget *budget = l->budget;
	size_t cost = l->cost;

	l->buf.magic = 0;
	free(l);
	if (budget != NULL)
		budget_give(budget, cost);
}

struct large *
large_new(size_t len)
{
	struct large *l = malloc(sizeof *l + len);

	if (l == NULL)
		return NULL;
	memset(l, 0, sizeof *l);
	l->cost = budget_cost(l);
	rend_buf_init(&l->buf, l->bytes, len, large_release);
	return l;
}

void
large_drop(struct large **lp)
{
	struct rend_buf *buf;

	if (*lp == NULL)
		return;
	buf = &(*lp)->buf;
	*lp = NULL;
	rend_buf_drop(&buf);
}
