/* Takes being told of an op for the op: clears away what lies where a key would that it is told of. */
#include <stddef.h>
#include <stdint.h>

static void hasty_prefetch(void *inst, const uint64_t *hashes, size_t count);
#define PREFETCH hasty_prefetch

#include "small.h"

SMALL();

static void
hasty_prefetch(void *inst, const uint64_t *hashes, size_t count)
{
	struct small *s = inst;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < count; i++)
		while (s->lists[hashes[i] % SMALL_LISTS] != NULL)
			small_remove(&s->lists[hashes[i] % SMALL_LISTS]);
	pthread_mutex_unlock(&s->lock);
}
