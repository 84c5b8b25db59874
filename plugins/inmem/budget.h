/*
 * The bytes one store may use: segments, pages of the index, and what is taken from malloc, counted when it is made and when it
 * is really freed.  An item that was replaced while a slow client still reads it counts until that client is done.
 *
 * The budget ends by itself when it is closed and all bytes are back: items may outlive the store that made them.
 */
#ifndef INMEM_BUDGET_H
#define INMEM_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget {
	uint64_t limit;
	uint64_t used; /* atomic; one byte of it stands for the store itself */
};

/* NULL: no memory.  budget_close() ends it. */
struct budget *budget_new(uint64_t limit);

/* The store is gone; *bp becomes NULL, the budget stays until the last byte is given back. */
void budget_close(struct budget **bp);

/* false: that would be more than the limit; nothing was taken.  Any thread. */
bool budget_take(struct budget *b, size_t bytes);

/* What is there already is counted, whatever the limit is. */
void budget_count(struct budget *b, size_t bytes);

/* Gives back what was taken.  b may be gone afterwards.  Any thread. */
void budget_give(struct budget *b, size_t bytes);

/* Bytes in use.  Any thread. */
uint64_t budget_used(const struct budget *b);

/* What malloc really spends on a block. */
size_t budget_cost(void *block);

#endif
