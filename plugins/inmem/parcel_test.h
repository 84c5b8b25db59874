/* What the core does when a store is handed over, for tests, in one process: with the store and the workers of shelves_test.h. */
#ifndef INMEM_PARCEL_TEST_H
#define INMEM_PARCEL_TEST_H

#include "base/error.h"
#include "rend/plugin.h"
#include "store.h"

extern struct rend_error err;

/* The store is given. */
struct rend_parcel give_parcel(void);

/* Takes copies of its descriptors; NULL: refused, and err says why. */
struct store *try_to_take(const struct rend_parcel *from, uint64_t limit);
struct store *try_to_take_with(const struct rend_parcel *from, uint64_t limit, unsigned workers);

/* The old one ends; the new one is the store, and is asked things; or is not yet. */
void go_on_with(struct store *next);
void wait_with(struct store *next);

/* All of it. */
void hand_over(void);

#endif
