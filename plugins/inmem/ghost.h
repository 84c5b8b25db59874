/*
 * What was evicted from the small queue a while ago, with how often it was asked for: lines of fingerprints.  Who is stored again while it is
 * remembered begins in the main queue.
 *
 *	line: 32 x [ fingerprint 13 | hits 3 ]		0: empty
 *
 * Several threads may change a line at once; then one of them is forgotten.
 */
#ifndef INMEM_GHOST_H
#define INMEM_GHOST_H

#include <stdint.h>

#define GHOST_WAYS 32

struct ghost {
	uint16_t (*lines)[GHOST_WAYS];
	uint32_t mask;
};

static inline void
ghost_init(struct ghost *g, void *lines, uint32_t count)
{
	g->lines = lines;
	g->mask = count - 1;
}

/* Remembers; dice chooses who has to go. */
void ghost_put(struct ghost *g, uint32_t hash, unsigned hits, uint32_t dice);

/* Its hits, which are forgotten then; -1: it is not remembered. */
int ghost_take(struct ghost *g, uint32_t hash);

static inline void
ghost_warm(const struct ghost *g, uint32_t hash)
{
	__builtin_prefetch(g->lines[hash & g->mask]);
}

#endif
