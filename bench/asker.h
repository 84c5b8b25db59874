/*
 * Asks a handler in batches, as a worker asks it that found several requests in one turn: what bench/batches.c measures, of one thread.
 */
#ifndef BENCH_ASKER_H
#define BENCH_ASKER_H

#include <stdbool.h>
#include <stdint.h>

#include "../tests/kit/rig.h"

#define ASKER_KEYS_MAX	10000000000ULL /* a key has ten digits */
#define ASKER_BYTES_MAX (1 << 14)      /* of a value: more may be answered later */
#define ASKER_SLOT_NS	10	       /* of the histogram */
#define ASKER_SLOTS	(1 << 19)

/* What is asked: see the options in bench/batches.c. */
struct plan {
	uint64_t workers, keys, bytes, bytes_to, batch, sets;
	unsigned timed; /* a verb; REND_VERB_COUNT: none */
	bool apart, hint, idle;
};

struct asker {
	struct plan plan;
	struct rend_node *node;
	struct seat *seat;
	uint64_t random;
	/* counted */
	uint64_t done, missed, refused, wrong, noted;
	double seconds, user, kernel;
	uint32_t times[ASKER_SLOTS];
};

/* What values are made of.  Once, before the first asker does anything. */
void asker_init(void);

/* Stores all keys.  Ends the process if one is refused.  On the seat's thread, as are those below. */
void asker_fill(struct asker *a);

/* Asks for so long, at least a batch. */
void asker_drive(struct asker *a, double seconds);

/* The same, counted from zero: how much, how long it took, what it took of CPU, and the times. */
void asker_measure(struct asker *a, double seconds);

#endif
