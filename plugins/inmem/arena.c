/* The memory of one store: see arena.h. */
#include "arena.h"

#include <string.h>

#include "segment.h"

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

size_t
arena_tables(const struct arena *a)
{
	return sizeof(struct budget) + a->index_at + (size_t)a->sets * ARENA_PAGE;
}

/* Where everything is.  -1: the limit is too small. */
static int
lay_out(struct arena *a, uint64_t limit)
{
	size_t region = pages_region(limit);

	memset(a, 0, sizeof *a);
	choose(a, limit);
	if (a->segments < SEGMENTS_MIN)
		return -1;
	/* Location 0 is none: it lies in the header. */
	a->table_at = ARENA_HEADER;
	a->ghost_at = up_to(a->table_at + (size_t)a->segments * sizeof(struct segment), LINE);
	a->maps_at = a->ghost_at + (size_t)a->ghost_lines * LINE;
	a->index_at = up_to(a->maps_at + pages_maps(region), ARENA_PAGE);
	a->log_at = up_to(a->index_at + (size_t)a->sets * ARENA_PAGES_MAX * ARENA_PAGE, arena_segment_size(a));
	a->pages_at = up_to(a->log_at + ((size_t)a->segments << a->segment_shift), PAGES_GROUP);
	a->size = a->pages_at + region;
	return 0;
}

/*
 * Where a segment is as long as a huge page, one is all in use, or all forgotten.  So are nearly all of the index, whose levels grow one behind the
 * other; what its last one has too much is a thousandth of the limit.  In a smaller store they would have more memory behind them than is counted.
 */
static void
advise(const struct arena *a, const struct mapping *map)
{
	mapping_huge(map, 0, a->pages_at, arena_segment_size(a) >= MAPPING_HUGE);
}

static int
make(struct arena *a, const struct mapping *map, bool taken)
{
	a->base = map->base;
	advise(a, map);
	a->budget = budget_new(a->limit);
	if (a->budget == NULL || !budget_take(a->budget, arena_tables(a)))
		goto no_budget;
	a->pages = pages_new(map, a->base + a->maps_at, a->base + a->pages_at, a->size - a->pages_at, a->budget, taken);
	if (a->pages != NULL)
		return 0;
	budget_give(a->budget, arena_tables(a));
no_budget:
	budget_close(&a->budget);
	return -1;
}

int
arena_init(struct arena *a, uint64_t limit, bool file)
{
	struct mapping map;

	if (lay_out(a, limit) != 0 || mapping_new(&map, a->size, file) != 0)
		return -1;
	if (make(a, &map, false) == 0)
		return 0;
	mapping_end(&map);
	return -1;
}

int
arena_inherit(struct arena *a, uint64_t limit, int fd)
{
	struct mapping map;

	if (lay_out(a, limit) != 0 || mapping_take(&map, fd, a->size) != 0)
		return -1;
	if (make(a, &map, true) == 0)
		return 0;
	map.fd = -1; /* the caller's */
	mapping_end(&map);
	return -1;
}

void
arena_fini(struct arena *a)
{
	budget_give(a->budget, arena_tables(a));
	pages_drop(&a->pages);
}

void
arena_forget(const struct arena *a, uint32_t segment)
{
	mapping_forget(&a->pages->map, arena_at(a, arena_segment_start(a, segment)), arena_segment_size(a));
}
