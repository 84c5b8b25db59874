/* The bytes of one store: see budget.h. */
#include "budget.h"

#include <malloc.h>
#include <stdlib.h>

/* malloc keeps a size in front of each block. */
#define MALLOC_HEADER sizeof(size_t)

struct budget *
budget_new(uint64_t limit)
{
	struct budget *b = malloc(sizeof *b);

	if (b != NULL)
		*b = (struct budget){ .limit = limit, .used = 1 };
	return b;
}

void
budget_close(struct budget **bp)
{
	struct budget *b = *bp;

	*bp = NULL;
	if (b != NULL)
		budget_give(b, 1);
}

bool
budget_take(struct budget *b, size_t bytes)
{
	uint64_t used = __atomic_load_n(&b->used, __ATOMIC_RELAXED);

	do {
		if (used > b->limit || bytes > b->limit - used)
			return false;
	} while (!__atomic_compare_exchange_n(&b->used, &used, used + bytes, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

void
budget_count(struct budget *b, size_t bytes)
{
	__atomic_add_fetch(&b->used, bytes, __ATOMIC_RELAXED);
}

void
budget_give(struct budget *b, size_t bytes)
{
	if (__atomic_sub_fetch(&b->used, bytes, __ATOMIC_ACQ_REL) == 0)
		free(b);
}

uint64_t
budget_used(const struct budget *b)
{
	return __atomic_load_n(&b->used, __ATOMIC_RELAXED);
}

size_t
budget_cost(void *block)
{
	return malloc_usable_size(block) + MALLOC_HEADER;
}
