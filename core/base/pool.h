/*
 * A free list of equal-sized objects, for one thread.  Freed objects are poisoned under ASan and overwritten under --enable-debug, so
 * that a pool hides no use after free.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

struct pool {
	size_t size;  /* bytes per object */
	size_t keep;  /* at most so many lie free */
	size_t spare; /* lie free now */
	size_t out;   /* in somebody's hands */
	void *free;
};

/* Objects of size bytes, aligned for anything; at most keep of them are kept when they are free. */
void pool_init(struct pool *p, size_t size, size_t keep);

/* Frees what lies free.  Every object must be back. */
void pool_fini(struct pool *p);

/* An object with undefined content.  NULL: no memory. */
void *pool_get(struct pool *p);

/* Gives one back. */
void pool_put(struct pool *p, void *obj);

#endif
