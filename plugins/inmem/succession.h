/*
 * A store goes on in another process, with the memory that it has here.
 *
 *	here:	store_give ──► the parcel is sent ──► store_free: what others still read stays here until they are done
 *					└── it came to nothing: store_keep
 *	there:	store_take
 *
 * Nobody is at work in the store, and nobody comes, from store_give() on until store_keep().
 */
#ifndef INMEM_SUCCESSION_H
#define INMEM_SUCCESSION_H

#include "rend/plugin.h"
#include "store.h"

/* 0, or -1 after rend_error(): nothing was given. */
int store_give(struct store *s, struct rend_parcel *parcel, struct rend_error *err);

/* If whoever had it has changed it, all items are lost: it begins empty.  No gauge of it is read meanwhile. */
void store_keep(struct store *s);

/* What another process gave, for this limit; NULL after rend_error().  Only a store that it returns has the descriptors. */
struct store *store_take(
    uint64_t limit, bool evict, unsigned workers, const struct rend_parcel *parcel, struct rend_error *err);

#endif
