/*
 * One segment of the log, as it stands in the table at the beginning of the arena, and lists of them.
 */
#ifndef INMEM_SEGMENT_H
#define INMEM_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lives.h"

enum segment_state { SEGMENT_VOID, SEGMENT_FREE, SEGMENT_OPEN, SEGMENT_FULL, SEGMENT_VICTIM, SEGMENT_LIMBO };

/* Under the log's lock but for what is atomic; queue, lane and end stay while it is full or a victim. */
struct segment {
	uint32_t fill; /* atomic; bytes reserved; beyond the end once it is full */
	uint32_t dead; /* atomic; bytes of records that are gone */
	uint32_t end;  /* where the records end, once it is full */
	uint8_t state; /* enum segment_state */
	uint8_t queue, lane;
	uint8_t rank;	 /* while it is full: see full.h */
	uint64_t weight; /* atomic; bytes of large values whose records are here */
	uint64_t epoch;	 /* the grace since which it is full, or in limbo */
	uint32_t next, prev;
	uint64_t opened; /* how many were opened before it */
	struct lives lives;
	uint32_t expired; /* atomic; bytes that had when it was looked at last */
	uint32_t cleaned; /* so many of its bytes have been gone through: nothing lives there any more */
	bool evicting;	  /* what lives behind those is to be evicted, and not compacted for what is gone of it */
	uint32_t taken; /* SEGMENT_DAMAGED: so it came from another process, or was found to be: see proof.h; else 0 */
} __attribute__((aligned(128)));

#define SEGMENT_NONE	UINT32_MAX
#define SEGMENT_DAMAGED UINT32_MAX /* what is in it is not believed */

struct segments { /* a list */
	uint32_t first, last;
	uint32_t count; /* atomic */
};

void segments_init(struct segments *list);
void segments_append(struct segments *list, struct segment *table, uint32_t s);
void segments_prepend(struct segments *list, struct segment *table, uint32_t s);
void segments_remove(struct segments *list, struct segment *table, uint32_t s);

/* The first, which is in no list any more; SEGMENT_NONE: there is none. */
uint32_t segments_take(struct segments *list, struct segment *table);

/* Without the lock. */
static inline uint32_t
segments_count(const struct segments *list)
{
	return __atomic_load_n(&list->count, __ATOMIC_RELAXED);
}

#endif
