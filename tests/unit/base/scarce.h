/*
 * Memory that runs out when a test says so.  For a test program that is linked with -Wl,--wrap=malloc,--wrap=realloc;
 * include it in one file only.
 */
#ifndef SCARCE_H
#define SCARCE_H

#include <limits.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

/* So many allocations still succeed. */
static int scarce_left = INT_MAX;

static void
scarce_after(int allocations)
{
	scarce_left = allocations;
}

static void
scarce_no_more(void)
{
	scarce_left = INT_MAX;
}

static int
scarce_refuses(void)
{
	if (scarce_left == INT_MAX)
		return 0;
	return scarce_left > 0 ? (scarce_left--, 0) : 1;
}

void *
__wrap_malloc(size_t size)
{
	return scarce_refuses() ? NULL : __real_malloc(size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return scarce_refuses() ? NULL : __real_realloc(old, size);
}

#endif
