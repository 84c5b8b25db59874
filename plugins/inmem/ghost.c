/* What was evicted: see ghost.h. */
#include "ghost.h"

#define HITS 7 /* three bits */

/* Other bits than those that choose the line, as far as there are any. */
static uint16_t
fingerprint(uint32_t hash)
{
	uint16_t f = (uint16_t)((hash * 0x9e3779b1U) >> 16 & ~(uint32_t)HITS);

	return f == 0 ? HITS + 1 : f;
}

static int
find(const uint16_t *line, uint16_t f)
{
	for (int i = 0; i < GHOST_WAYS; i++)
		if ((__atomic_load_n(&line[i], __ATOMIC_RELAXED) & ~HITS) == f)
			return i;
	return -1;
}

void
ghost_put(struct ghost *g, uint32_t hash, unsigned hits, uint32_t dice)
{
	uint16_t *line = g->lines[hash & g->mask], f = fingerprint(hash);
	int at = find(line, f);

	if (at < 0)
		at = (int)(dice % GHOST_WAYS);
	__atomic_store_n(&line[at], (uint16_t)(f | (hits & HITS)), __ATOMIC_RELAXED);
}

int
ghost_take(struct ghost *g, uint32_t hash)
{
	uint16_t *line = g->lines[hash & g->mask];
	int at = find(line, fingerprint(hash)), hits;

	if (at < 0)
		return -1;
	hits = __atomic_load_n(&line[at], __ATOMIC_RELAXED) & HITS;
	__atomic_store_n(&line[at], 0, __ATOMIC_RELAXED);
	return hits;
}
