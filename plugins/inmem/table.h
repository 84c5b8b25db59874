/*
 * All items of one store: stripes, the budget they share, eviction, expiry, versions.
 *
 * Items are reached through a visit, which holds the lock of the key's stripe:
 *
 *	table_enter ─► visit.found, or NULL ─► table_put, table_take, ... ─► table_leave
 *
 * No two stripes are ever locked at once, and what was taken out is freed after the lock.
 */
#ifndef INMEM_TABLE_H
#define INMEM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "item.h"
#include "rend/metrics.h"
#include "stripe.h"

#define TABLE_STRIPES 64

/* Counters of those who look at chains without a lock; by chance, so that workers seldom share one. */
#define TABLE_PEEKERS 16

/* An item may take this part of the limit; more is TOO_BIG. */
#define TABLE_ITEM_SHARE 2

struct table {
	struct stripe stripes[TABLE_STRIPES];
	struct budget *budget;
	bool evict;
	uint64_t epoch;		     /* atomic; flush_all adds one: items of an earlier one are gone */
	uint64_t version;	     /* atomic; the last one that was given */
	unsigned evicting, sweeping; /* atomic: stripes whose turn it is */
	struct {
		unsigned count; /* atomic */
	} __attribute__((aligned(64))) peekers[TABLE_PEEKERS];
	struct table_counters {
		struct rend_counter *total_items, *evictions, *evicted_unfetched, *reclaimed, *expired_unfetched;
	} counters;
};

struct visit {
	struct table *table;
	struct stripe *stripe;
	struct item *found; /* alive; NULL: no such key */
	uint64_t epoch;
	int64_t wall;
	struct item *gone; /* taken out, to be dropped */
};

/* NULL: no memory, also if the limit is too small for the empty table. */
struct table *table_new(uint64_t limit, bool evict);
void table_free(struct table **tp);

/* Locks the key's stripe and looks for it.  An item that is expired or flushed is taken out and not found. */
void table_enter(struct visit *v, struct table *t, const char *key, size_t keylen, uint64_t hash);

/* Fetches into the cache what visits to the keys with these hashes, at most REND_PREFETCH_MAX, will look at. */
void table_warm(struct table *t, const uint64_t *hashes, size_t count);

/* Unlocks; drops what was taken out; lets the stripe grow if it wants to. */
void table_leave(struct visit *v);

/* Puts it where v->found is, or was not.  Takes over the caller's reference.  An item that has expired already only
 * takes the place. */
void table_put(struct visit *v, struct item *it);

/* Takes v->found out. */
void table_take(struct visit *v);

/* Gives v->found another time; if that has passed, it is gone. */
void table_touch(struct visit *v, int64_t exptime);

/* The next version. */
uint64_t table_version(struct table *t, uint64_t wanted);

/* Could an item of this size ever be kept? */
bool table_fits(const struct table *t, size_t keylen, size_t len);

/*
 * A new item that is paid for, with room for len bytes; evicts others for it.  NULL: there is no room, or no memory.
 * Outside any visit.
 */
struct item *table_item(struct table *t, const char *key, size_t keylen, uint64_t hash, size_t len);

/* Everything stored so far is gone. */
void table_flush(struct table *t);

/* Looks through a part of the table for what has expired; a bounded part, a bit further each time. */
void table_sweep(struct table *t);

/* How many items there are, those included that are gone but not found yet. */
uint64_t table_count(const struct table *t);

#endif
