/* The lists of the log, made anew from its table, when it came from another process: see log.h. */
#include <stdlib.h>

#include "log.h"

#include "rend/worker.h"

static bool
is_used(const struct segment *seg)
{
	return seg->state == SEGMENT_FULL || seg->state == SEGMENT_VICTIM;
}

/* None is open or in limbo when the memory is given away.  One that is damaged is in no list. */
static bool
is_right(const struct segment *seg, size_t size)
{
	uint32_t end = seg->end;

	if (seg->state > SEGMENT_VICTIM || seg->state == SEGMENT_OPEN ||
	    (seg->state == SEGMENT_VICTIM && seg->taken != SEGMENT_DAMAGED))
		return false;
	if (!is_used(seg))
		return true;
	return seg->queue < LOG_QUEUES && seg->lane < LIVES_LANES && end <= size && end % ARENA_UNIT == 0 &&
	       seg->dead <= end && seg->cleaned <= end && seg->cleaned % ARENA_UNIT == 0 &&
	       (seg->taken <= end || seg->taken == SEGMENT_DAMAGED);
}

bool
log_is_right(const struct arena *a, uint64_t *bytes)
{
	const struct segment *table = (const struct segment *)(const void *)(a->base + a->table_at);
	uint64_t weight = 0;

	*bytes = 0;
	for (uint32_t s = 0; s < a->segments; s++) {
		if (!is_right(&table[s], arena_segment_size(a)))
			return false;
		if (table[s].state != SEGMENT_VOID)
			*bytes += arena_segment_size(a);
		if (is_used(&table[s]) && (table[s].weight > a->size || (weight += table[s].weight) > a->size))
			return false;
	}
	return true;
}

static void
put(struct log *l, uint32_t s)
{
	struct segment *seg = &l->segments[s];

	seg->epoch = 0;
	if (seg->state == SEGMENT_VOID)
		segments_append(&l->empty, l->segments, s);
	else if (seg->state == SEGMENT_FREE)
		segments_append(&l->free, l->segments, s);
	if (!is_used(seg))
		return;
	l->bytes[seg->queue] += arena_segment_size(l->arena) + seg->weight;
	l->full.touched = s + 1 > l->full.touched ? s + 1 : l->full.touched;
	if (seg->state == SEGMENT_FULL)
		full_add(&l->full, s, rend_wall());
}

struct turn {
	uint64_t opened;
	uint32_t segment;
};

static int
by_age(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	return x->opened < y->opened ? -1 : x->opened > y->opened;
}

void
log_sort(struct log *l)
{
	uint32_t count = l->arena->segments;
	struct turn *turns = malloc(count * sizeof *turns);

	log_clear(l);
	if (turns != NULL) {
		for (uint32_t s = 0; s < count; s++)
			turns[s] = (struct turn){ .opened = l->segments[s].opened, .segment = s };
		qsort(turns, count, sizeof *turns, by_age);
	}
	/* Without memory in the order in which they lie: then others are cleaned first. */
	for (uint32_t s = 0; s < count; s++)
		put(l, turns == NULL ? s : turns[s].segment);
	free(turns);
}
