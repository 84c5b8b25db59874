/* What is seen of mnemonic: counters and gauges.  See job.h. */
#include <string.h>

#include "job.h"

#define KEEPER_GAUGE(name, property, doc)                                                                 \
	static uint64_t gauge_##name(void *arg)                                                           \
	{                                                                                                 \
		return __atomic_load_n(&((struct mnemonic *)arg)->keeper.numbers.name, __ATOMIC_RELAXED); \
	}
KEEPER_NUMBERS(KEEPER_GAUGE)
#undef KEEPER_GAUGE

static uint64_t
gauge_limit(void *arg)
{
	return ((const struct mnemonic *)arg)->plan.size;
}

static uint64_t
gauge_cache(void *arg)
{
	return rocks_cache_usage(((const struct mnemonic *)arg)->common);
}

static uint64_t
gauge_cache_pinned(void *arg)
{
	return rocks_cache_pinned(((const struct mnemonic *)arg)->common);
}

static uint64_t
gauge_bins(void *arg)
{
	return ((const struct mnemonic *)arg)->plan.bins;
}

static uint64_t
gauge_failed(void *arg)
{
	const struct mnemonic *m = arg;
	uint64_t n = 0;

	for (unsigned i = 0; i < m->plan.bins; i++)
		n += bin_state(&m->bins[i]) != BIN_OPEN;
	return n;
}

static uint64_t
gauge_bytes_waiting(void *arg)
{
	const struct mnemonic *m = arg;
	uint64_t n = 0;

	for (unsigned i = 0; i < m->plan.bins; i++)
		n += __atomic_load_n(&m->bytes[i], __ATOMIC_RELAXED);
	return n;
}

uint64_t
gauges_memory(void *store)
{
	const struct mnemonic *m = store;

	return gauge_cache(store) + __atomic_load_n(&m->keeper.numbers.memtables, __ATOMIC_RELAXED) +
	       __atomic_load_n(&m->keeper.numbers.table_readers, __ATOMIC_RELAXED) + gauge_bytes_waiting(store);
}

void
gauges_show(struct mnemonic *m, struct rend_node *self)
{
#define KEEPER_SHOW(name, property, doc) rend_gauge_new(self, #name, doc, gauge_##name, m);
	KEEPER_NUMBERS(KEEPER_SHOW)
#undef KEEPER_SHOW
	rend_gauge_new(self, "limit_maxbytes", "Bytes of files that there may be.", gauge_limit, m);
	rend_gauge_new(self, "cache_bytes", "Bytes of blocks in the cache.", gauge_cache, m);
	rend_gauge_new(self, "cache_pinned", "Bytes of them that are in use right now.", gauge_cache_pinned, m);
	rend_gauge_new(self, "bins", "Databases that the keys are spread over.", gauge_bins, m);
	rend_gauge_new(self, "bins_failed", "Databases that failed, and are not open again yet.", gauge_failed, m);
	rend_gauge_new(
	    self, "bytes_waiting", "Bytes of changes that wait for the readers and writers.", gauge_bytes_waiting, m);
	pthread_rwlock_wrlock(&m->counting);
#define MNEMONIC_COUNT(name, doc) m->counters.name = rend_counter_new(self, #name, doc);
	MNEMONIC_COUNTS(MNEMONIC_COUNT)
#undef MNEMONIC_COUNT
	pthread_rwlock_unlock(&m->counting);
}

void
gauges_count(struct mnemonic *m, struct rend_counter *const *counter, uint64_t n)
{
	pthread_rwlock_rdlock(&m->counting);
	rend_count(*counter, n);
	pthread_rwlock_unlock(&m->counting);
}

void
gauges_end(struct mnemonic *m)
{
	pthread_rwlock_wrlock(&m->counting);
	memset(&m->counters, 0, sizeof m->counters);
	pthread_rwlock_unlock(&m->counting);
}
