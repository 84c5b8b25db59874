/* An index that another process left: see index.h. */
#include "index.h"

#include <stdlib.h>
#include <string.h>

struct index_mending {
	pthread_mutex_t lock;
	uint64_t grown, growing; /* when it came */
	uint64_t pages;
	uint64_t left; /* under the lock: pages that were not put right yet */
	uint64_t turn; /* atomic; of index_mend_some() */
	index_leads_f *leads;
	void *arg;
	uint8_t done[]; /* atomic; of each page */
};

/* How many pages the set of such a bucket had when it was last sorted, at most; or that many, if it is in the middle of it. */
static uint8_t
sorted_as(const struct index_mending *m, uint32_t set, uint32_t level, unsigned bucket, uint8_t pages)
{
	unsigned has = index_pages(m->grown) + (set < (uint32_t)m->grown);

	if (set == (uint32_t)m->grown && level < has && m->growing != INDEX_RESTS &&
	    (uint64_t)level * INDEX_BUCKETS + bucket < m->growing)
		return (uint8_t)(has + 1);
	return pages < has ? pages : (uint8_t)has;
}

/* Has the home of an entry another one that leads to the same record?  The first that would be found stays: what is taken out is to be gone, once. */
static bool
is_twice(const struct bucket *page, unsigned bucket, unsigned slot, uint64_t entry)
{
	unsigned last = entry_where(entry), home = index_home_of(bucket, entry);
	uint64_t no_hits = ~(ENTRY_HITS_MAX * ENTRY_HIT);

	for (unsigned where = 0; where <= last; where++) {
		uint64_t same = (entry & no_hits & ~ENTRY_WHERE) | (uint64_t)where << ENTRY_WHERE_SHIFT;
		unsigned b = where == 0 ? home : home ^ index_other(entry >> ENTRY_TAG_SHIFT, where);

		for (unsigned i = 0; i < (where < last ? INDEX_SLOTS : slot); i++)
			if ((page[b].slots[i] & no_hits) == same)
				return true;
	}
	return false;
}

/* What homes say of those that are away is what there is, and nobody has a lock.  Writes nothing where that is so. */
static void
mend_page(const struct index *ix, const struct index_mending *m, uint32_t set, uint32_t level)
{
	struct bucket *page = arena_page(ix->arena, set, level);
	uint16_t away[INDEX_BUCKETS] = { 0 };
	uint8_t filter[INDEX_BUCKETS] = { 0 };

	for (unsigned b = 0; b < INDEX_BUCKETS; b++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			uint64_t entry = page[b].slots[i];

			if (entry != 0 && !m->leads(m->arg, entry, is_twice(page, b, i, entry))) {
				/* Others may look at the page without using it. */
				__atomic_store_n(&page[b].slots[i], 0, __ATOMIC_RELAXED);
				entry = 0;
			}
			if (entry_where(entry) == 0)
				continue;
			away[index_home_of(b, entry)]++;
			filter[index_home_of(b, entry)] |= index_filter_bit(entry >> ENTRY_TAG_SHIFT);
		}
	for (unsigned b = 0; b < INDEX_BUCKETS; b++) {
		uint8_t pages = sorted_as(m, set, level, b, page[b].pages);
		bool right = (page[b].filter & filter[b]) == filter[b] && (away[b] != 0 || page[b].filter == 0);

		if (page[b].lock != 0)
			page[b].lock = 0;
		if (page[b].away != away[b])
			page[b].away = away[b];
		if (!right)
			page[b].filter = filter[b];
		if (page[b].pages != pages)
			page[b].pages = pages;
	}
}

void
index_mend_page(const struct index *ix, const struct bucket *page)
{
	const struct arena *a = ix->arena;
	struct index_mending *m = ix->mended;
	uint64_t n = (uint64_t)((const char *)page - a->base - a->index_at) / ARENA_PAGE;

	/* What has come since needs nothing. */
	if (n >= m->pages || __atomic_load_n(&m->done[n], __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&m->lock);
	if (!m->done[n]) {
		mend_page(ix, m, (uint32_t)(n % a->sets), (uint32_t)(n / a->sets));
		__atomic_store_n(&m->done[n], 1, __ATOMIC_RELEASE);
		if (--m->left == 0)
			__atomic_store_n(&((struct index *)(uintptr_t)ix)->mending, NULL, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&m->lock);
}

bool
index_mend_some(struct index *ix, unsigned pages)
{
	struct index_mending *m = __atomic_load_n(&ix->mending, __ATOMIC_ACQUIRE);

	for (; m != NULL && pages > 0; pages--) {
		uint64_t n = __atomic_fetch_add(&m->turn, 1, __ATOMIC_RELAXED);

		if (n >= m->pages)
			return false;
		index_mend_page(ix, index_bucket(ix, n * INDEX_BUCKETS));
	}
	return m != NULL;
}

int
index_mend(struct index *ix, index_leads_f *leads, void *arg)
{
	uint64_t pages = index_pages_in_use(ix);
	struct index_mending *m = calloc(1, sizeof *m + pages);

	if (m == NULL)
		return -1;
	pthread_mutex_init(&m->lock, NULL);
	m->grown = ix->grown;
	m->growing = ix->growing;
	m->pages = m->left = pages;
	m->leads = leads;
	m->arg = arg;
	ix->mending = ix->mended = m;
	return 0;
}

void
index_mend_fini(struct index *ix)
{
	if (ix->mended != NULL)
		pthread_mutex_destroy(&ix->mended->lock);
	free(ix->mended);
	ix->mending = ix->mended = NULL;
}

void
index_forget_behind(const struct index *ix)
{
	const struct arena *a = ix->arena;
	uint64_t end = (uint64_t)a->sets * ARENA_PAGES_MAX, pages = ix->mended->pages;

	if (pages < end)
		mapping_forget(&a->pages->map, a->base + a->index_at + pages * ARENA_PAGE, (end - pages) * ARENA_PAGE);
}
