/* Lists of segments: see segment.h. */
#include "segment.h"

void
segments_init(struct segments *list)
{
	*list = (struct segments){ .first = SEGMENT_NONE, .last = SEGMENT_NONE };
}

static void
set_count(struct segments *list, uint32_t count)
{
	__atomic_store_n(&list->count, count, __ATOMIC_RELAXED);
}

void
segments_append(struct segments *list, struct segment *table, uint32_t s)
{
	table[s].prev = list->last;
	table[s].next = SEGMENT_NONE;
	if (list->last == SEGMENT_NONE)
		list->first = s;
	else
		table[list->last].next = s;
	list->last = s;
	set_count(list, list->count + 1);
}

void
segments_prepend(struct segments *list, struct segment *table, uint32_t s)
{
	table[s].prev = SEGMENT_NONE;
	table[s].next = list->first;
	if (list->first == SEGMENT_NONE)
		list->last = s;
	else
		table[list->first].prev = s;
	list->first = s;
	set_count(list, list->count + 1);
}

void
segments_remove(struct segments *list, struct segment *table, uint32_t s)
{
	uint32_t next = table[s].next, prev = table[s].prev;

	if (prev == SEGMENT_NONE)
		list->first = next;
	else
		table[prev].next = next;
	if (next == SEGMENT_NONE)
		list->last = prev;
	else
		table[next].prev = prev;
	set_count(list, list->count - 1);
}

uint32_t
segments_take(struct segments *list, struct segment *table)
{
	uint32_t s = list->first;

	if (s != SEGMENT_NONE)
		segments_remove(list, table, s);
	return s;
}
