/*
 * A value that is too large for the log: a block of its own from malloc, counted by its users.  Its record in the log is one; answers that
 * are on their way to clients are others.  Its bytes count against the store's budget until the last one is done.
 */
#ifndef INMEM_LARGE_H
#define INMEM_LARGE_H

#include "budget.h"
#include "record.h"
#include "rend/value.h"

struct large {
	struct rend_buf buf; /* first: its release comes back to the value */
	struct budget *budget;
	size_t cost;
	char bytes[];
};

/* Bytes behind the key in the record of a large value: its address. */
#define LARGE_LEN sizeof(struct large *)

/* len bytes, the caller's, who must take its cost from the budget (then large->budget is set).  NULL: no memory. */
struct large *large_new(size_t len);

/* One user less; *lp becomes NULL.  NULL in it is fine. */
void large_drop(struct large **lp);

/* Values that are to be dropped when a lock is no longer held, since that may take a while. */
#define GONE_MAX 4
struct gone {
	unsigned count;
	struct large *values[GONE_MAX];
};

/* Takes over a reference. */
static inline void
gone_add(struct gone *g, struct large *l)
{
	if (g->count < GONE_MAX)
		g->values[g->count++] = l;
	else
		large_drop(&l);
}

static inline void
gone_drop(struct gone *g)
{
	while (g->count > 0)
		large_drop(&g->values[--g->count]);
}

/* Does nobody but its record use it?  Under the lock of its home, where alone new users come from. */
static inline bool
large_alone(const struct large *l)
{
	return __atomic_load_n(&l->buf.refs, __ATOMIC_ACQUIRE) == 1;
}

/* The one of a record, if it has one; else NULL. */
static inline struct large *
large_of(const struct record *r)
{
	struct large *l = NULL;

	if (record_state(r) & RECORD_LARGE)
		memcpy(&l, r->key + r->keylen, sizeof l);
	return l;
}

/* Bytes of a record's value. */
static inline size_t
large_or_len(const struct record *r)
{
	const struct large *l = large_of(r);

	return l == NULL ? r->len : l->buf.size;
}

#endif
