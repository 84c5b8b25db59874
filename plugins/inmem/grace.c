/* Graces: see grace.h. */
#include "grace.h"

#include <stdlib.h>
#include <string.h>

int
grace_init(struct grace *g, unsigned threads)
{
	memset(g, 0, sizeof *g);
	g->epoch = 1;
	g->count = threads;
	if (posix_memalign((void **)&g->threads, 64, threads * sizeof *g->threads) != 0) {
		g->threads = NULL;
		return -1;
	}
	memset(g->threads, 0, threads * sizeof *g->threads);
	return 0;
}

void
grace_fini(struct grace *g)
{
	free(g->threads);
	g->threads = NULL;
}

/*
 * Said, then looked again: who counts those at work after grace_mark() either sees what was said, or the mark is seen here, and with it all
 * that was taken out before.
 */
void
grace_say(struct grace *g, unsigned thread)
{
	uint64_t epoch;

	do {
		epoch = __atomic_load_n(&g->epoch, __ATOMIC_SEQ_CST);
		__atomic_exchange_n(&g->threads[thread].said, epoch, __ATOMIC_SEQ_CST);
	} while (__atomic_load_n(&g->epoch, __ATOMIC_SEQ_CST) != epoch);
}

uint64_t
grace_mark(struct grace *g)
{
	return __atomic_add_fetch(&g->epoch, 1, __ATOMIC_SEQ_CST);
}

bool
grace_over(struct grace *g, uint64_t epoch)
{
	uint64_t least;

	if (__atomic_load_n(&g->over, __ATOMIC_ACQUIRE) >= epoch)
		return true;
	least = __atomic_load_n(&g->epoch, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < g->count; i++) {
		uint64_t said = __atomic_load_n(&g->threads[i].said, __ATOMIC_SEQ_CST);

		if (said != 0 && said < least)
			least = said;
	}
	if (least < epoch)
		return false;
	__atomic_store_n(&g->over, least, __ATOMIC_RELEASE);
	return true;
}
