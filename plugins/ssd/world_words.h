/* Words that tests of a store say all the time; cmocka.h comes before. */
#ifndef SSD_WORLD_WORDS_H
#define SSD_WORLD_WORDS_H

#include "state.h"
#include "world.h"

static inline void
opened(struct world *w)
{
	if (!world_open(w))
		fail_msg("%s", w->opened.sentence);
}

static inline void
has(struct world *w, unsigned key, uint64_t should)
{
	uint64_t n = 0;

	if (!world_get(w, key, &n, NULL))
		fail_msg("key %u is not there, write %llu should be", key, (unsigned long long)should);
	assert_int_equal(n, should);
}

static inline void
has_not(struct world *w, unsigned key)
{
	uint64_t n = 0;

	if (world_get(w, key, &n, NULL))
		fail_msg("key %u is there: write %llu", key, (unsigned long long)n);
}

/* Nothing is left in RAM only: every open segment is closed and sealed. */
static inline void
seal(struct world *w)
{
	pthread_mutex_lock(&w->store->lock);
	for (unsigned i = 0; i < STREAMS; i++)
		log_close_stream(w->store, i);
	pthread_mutex_unlock(&w->store->lock);
	world_settle(w, true);
}

#endif
