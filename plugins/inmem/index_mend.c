/* An index that another process left: see index.h. */
#include "index.h"

/* How many pages the set of such a bucket had when it was last sorted, at most; or that many, if it is in the middle of it. */
static uint8_t
sorted_as(const struct index *ix, uint32_t set, uint32_t level, unsigned bucket, uint8_t pages)
{
	unsigned has = (unsigned)(ix->grown >> 32) + (set < (uint32_t)ix->grown);

	if (set == (uint32_t)ix->grown && level < has && ix->growing != INDEX_RESTS &&
	    (uint64_t)level * INDEX_BUCKETS + bucket < ix->growing)
		return (uint8_t)(has + 1);
	return pages < has ? pages : (uint8_t)has;
}

/* What homes say of those that are away is what there is, and nobody has a lock.  Writes nothing where that is so. */
static void
mend_page(struct index *ix, uint32_t set, uint32_t level)
{
	struct bucket *page = arena_page(ix->arena, set, level);
	uint16_t away[INDEX_BUCKETS] = { 0 };
	uint8_t filter[INDEX_BUCKETS] = { 0 };

	for (unsigned b = 0; b < INDEX_BUCKETS; b++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			uint64_t entry = page[b].slots[i];

			if (entry != 0 && !arena_in_log(ix->arena, entry_location(entry)))
				page[b].slots[i] = entry = 0;
			if ((entry & ENTRY_WHERE) == 0)
				continue;
			away[index_home_of(b, entry)]++;
			filter[index_home_of(b, entry)] |= index_filter_bit(entry >> ENTRY_TAG_SHIFT);
		}
	for (unsigned b = 0; b < INDEX_BUCKETS; b++) {
		uint8_t pages = sorted_as(ix, set, level, b, page[b].pages);
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
index_mend(struct index *ix)
{
	const struct arena *a = ix->arena;
	uint64_t end, pages = index_buckets(ix) / INDEX_BUCKETS + (ix->growing != INDEX_RESTS);

	for (uint64_t n = 0; n < pages; n++)
		mend_page(ix, (uint32_t)(n % ix->arena->sets), (uint32_t)(n / ix->arena->sets));
	/* Those behind are all zeros when their turn comes. */
	end = (size_t)a->sets * ARENA_PAGES_MAX;
	if (pages < end)
		mapping_forget(&a->pages->map, a->base + a->index_at + pages * ARENA_PAGE, (end - pages) * ARENA_PAGE);
}
