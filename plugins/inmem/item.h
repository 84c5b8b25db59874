/*
 * One stored item: a single block from malloc, counted by its users through the rend_buf inside it.
 *
 *	[ rend_buf | links, version, time ... | key | value ]
 *	     └──────── data ─────────────────────────┘
 *
 * The table is one user; every value that was handed out is another.  The bytes of a value never change while anybody
 * but the table uses it.  Links, version, exptime and the rest are the table's, under its stripe's lock.
 */
#ifndef INMEM_ITEM_H
#define INMEM_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"
#include "rend/value.h"

struct item {
	/* What is looked at to find it lies together: one line of cache, or two. */
	struct rend_buf buf; /* first: its release comes back to the item */
	struct item *next;   /* in its hash chain, or in a list of items to drop */
	uint64_t hash;
	uint64_t epoch; /* which flush it came after */
	int64_t exptime;
	uint64_t used; /* last asked for, to the second: rend_now() */
	uint64_t cas;
	struct item *newer, *older;
	struct budget *budget;
	size_t cost; /* bytes taken from the budget */
	uint32_t flags;
	bool fetched; /* has a get ever found it? */
	bool stale;   /* marked so: to be replaced soon, and told to those who get it */
	bool sent;    /* somebody was told to replace it */
	uint8_t keylen;
	char key[]; /* the value follows */
};

/* Bytes an item asks malloc for. */
static inline size_t
item_size(size_t keylen, size_t len)
{
	return sizeof(struct item) + keylen + len;
}

/*
 * An item with room for len bytes of value, the caller's, who must take its cost from the budget (then item->budget is
 * set) before anybody else sees it.  NULL: no memory.
 */
struct item *item_new(const char *key, size_t keylen, uint64_t hash, size_t len);

/* One user less; *itp becomes NULL.  NULL in it is fine. */
void item_drop(struct item **itp);

/*
 * Fetches into the cache what is read of an item, and as much of key and value as small ones have.  NULL, and an item that is gone, do no harm:
 * nothing is read.
 */
#define ITEM_WARM 256
static inline void
item_warm(const struct item *it)
{
	const char *p = (const char *)it;

	if (it == NULL)
		return;
	for (size_t at = 0; at < ITEM_WARM; at += 64)
		__builtin_prefetch(p + at);
}

/* Drops a list of items, linked by next. */
void item_drop_all(struct item *first);

/* Does nobody but the table use it?  Under the lock of its stripe, where alone new users come from. */
bool item_alone(const struct item *it);

#endif
