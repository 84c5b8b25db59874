/* Memory that is there: see zeros.h. */
#include "zeros.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io.h"

#define LARGE ((size_t)256 << 10) /* less is the allocator's */
#define HUGE  ((size_t)2 << 20)	  /* what huge pages are aligned to, on most machines */

static size_t
in_pages(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

/* Where a huge page begins, if it has one at least. */
static char *
map(size_t bytes)
{
	size_t spare = bytes < HUGE ? 0 : HUGE, before = 0;
	char *all = mmap(NULL, bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (all == MAP_FAILED)
		return NULL;
	if (spare > 0)
		before = (HUGE - (uintptr_t)all % HUGE) % HUGE;
	if (before > 0)
		munmap(all, before);
	if (spare > before)
		munmap(all + before + bytes, spare - before);
	return all + before;
}

/* false: there is not so much memory. */
static bool
fill(char *memory, size_t bytes)
{
	/* It is as right without. */
	madvise(memory, bytes, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
	if (madvise(memory, bytes, MADV_POPULATE_WRITE) == 0)
		return true;
	if (errno == ENOMEM)
		return false;
#endif
	/* A kernel before 5.14: page by page. */
	memset(memory, 0, bytes);
	return true;
}

static void *
new_large(size_t bytes)
{
	char *memory;

	if (bytes > SIZE_MAX / 2)
		return NULL;
	bytes = in_pages(bytes);
	memory = map(bytes);
	if (memory != NULL && !fill(memory, bytes)) {
		munmap(memory, bytes);
		return NULL;
	}
	return memory;
}

void *
zeros_new(size_t bytes)
{
	size_t rounded = (bytes + IO_ALIGN - 1) / IO_ALIGN * IO_ALIGN;
	void *memory;

	if (bytes >= LARGE)
		return new_large(bytes);
	memory = aligned_alloc(IO_ALIGN, rounded);
	if (memory != NULL)
		memset(memory, 0, rounded);
	return memory;
}

void
zeros_free(void *memory, size_t bytes)
{
	if (bytes < LARGE)
		free(memory);
	else if (memory != NULL)
		munmap(memory, in_pages(bytes));
}
