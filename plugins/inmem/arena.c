/* The memory of one store: see arena.h. */
#include "arena.h"

#include <string.h>
#include <sys/mman.h>

#define SEGMENT_SHIFT_MIN 14   /* 16 KiB */
#define SEGMENT_SHIFT_MAX 21   /* 2 MiB */
#define SEGMENTS	  1024 /* of them, about, unless that makes them too small or too large */
#define SEGMENTS_MIN	  16

/* Bytes of the limit for each set: with 8 pages it holds that many bytes in items of a KiB, with 128 in items of 64 bytes. */
#define SET_BYTES   (12 * 1024 * 1024)

#define LINE	    64	/* bytes of cache */
#define GHOST_BYTES 512 /* of the limit, for each of its entries of two bytes */

static size_t
up_to(size_t n, size_t step)
{
	return (n + step - 1) / step * step;
}

static void
choose(struct arena *a, uint64_t limit)
{
	uint64_t sets = limit / SET_BYTES;

	a->limit = limit;
	a->segment_shift = SEGMENT_SHIFT_MIN;
	while (a->segment_shift < SEGMENT_SHIFT_MAX && limit >> (a->segment_shift + 1) >= SEGMENTS)
		a->segment_shift++;
	a->segments = (uint32_t)(limit >> a->segment_shift);
	a->sets = sets == 0 ? 1 : sets > ARENA_SETS_MAX ? ARENA_SETS_MAX : (uint32_t)sets;
	a->ghost_lines = 1;
	while ((uint64_t)a->ghost_lines * 2 * (LINE / 2) * GHOST_BYTES <= limit && a->ghost_lines < 1U << 30)
		a->ghost_lines *= 2;
}

/* What is counted from the beginning. */
static size_t
tables(const struct arena *a)
{
	return sizeof(struct budget) + a->index_at + (size_t)a->sets * ARENA_PAGE;
}

int
arena_init(struct arena *a, uint64_t limit)
{
	memset(a, 0, sizeof *a);
	choose(a, limit);
	if (a->segments < SEGMENTS_MIN)
		return -1;
	/* Location 0 is none: it lies in the table. */
	a->table_at = 0;
	a->ghost_at = up_to((size_t)a->segments * LINE, LINE);
	a->index_at = up_to(a->ghost_at + (size_t)a->ghost_lines * LINE, ARENA_PAGE);
	a->log_at = up_to(a->index_at + (size_t)a->sets * ARENA_PAGES_MAX * ARENA_PAGE, arena_segment_size(a));
	a->size = a->log_at + ((size_t)a->segments << a->segment_shift);
	a->budget = budget_new(limit);
	if (a->budget == NULL || !budget_take(a->budget, tables(a))) {
		budget_close(&a->budget);
		return -1;
	}
	a->base = mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->base == MAP_FAILED) {
		budget_give(a->budget, tables(a));
		budget_close(&a->budget);
		return -1;
	}
	return 0;
}

void
arena_fini(struct arena *a)
{
	munmap(a->base, a->size);
	budget_give(a->budget, tables(a));
	budget_close(&a->budget);
}

void
arena_forget(const struct arena *a, uint32_t segment)
{
	/* It cannot fail for a range of our own; and if it did, the memory would only stay. */
	madvise(arena_at(a, arena_segment_start(a, segment)), arena_segment_size(a), MADV_DONTNEED);
}
