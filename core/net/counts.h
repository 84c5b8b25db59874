/* What a worker counts of its clients; relaxed atomics, written by that worker only, added up by whoever asks for
 * stats. */
#ifndef NET_COUNTS_H
#define NET_COUNTS_H

#include <stdint.h>

#include "rend/status.h"

/* What memcached's stats tell apart.  Numbers stay, since an upgrade says them (legacy_counts.c): new ones come last. */
enum count_slot {
	COUNT_GET,
	COUNT_GAT,
	COUNT_STORE,
	COUNT_CAS,
	COUNT_INCR,
	COUNT_DECR,
	COUNT_DELETE,
	COUNT_TOUCH,
	COUNT_FLUSH,
	COUNT_SLOTS
};

/* Commands of one listener's clients in one form, by how they ended. */
struct tally {
	uint64_t answered[COUNT_SLOTS][REND_STATUS_COUNT];
};

struct counts {
	uint64_t bytes_read, bytes_written;
	uint64_t reads, writes; /* system calls on clients' sockets */
	uint64_t yields;	/* a connection had more than its share of a turn */
	uint64_t refused;	/* commands that were no commands */
	uint64_t meta;		/* meta commands that were answered */
	uint64_t idle_kicks, stall_kicks;
	/* What is added gets an id in legacy_counts.c. */
};

static inline void
count_add(uint64_t *to, uint64_t n)
{
	__atomic_store_n(to, *to + n, __ATOMIC_RELAXED);
}

/* The slot of a verb with its mode. */
enum count_slot count_slot(unsigned verb, uint32_t mode);

/* "get", "gat", "store", ... */
const char *count_slot_name(enum count_slot slot);

/* Adds what *from has to *to. */
void counts_merge(struct counts *to, const struct counts *from);
void tally_merge(struct tally *to, const struct tally *from);

#endif
