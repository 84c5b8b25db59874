/* What stands at the beginning of the arena: see header.h. */
#include "header.h"

#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "haul.h"
#include "units.h"

#define MAGIC 0x306d656d6e690a00ULL /* also tells one end of a number from the other */
#define WORD  "inmem"

/* Seconds by which two clocks that agree may differ. */
#define SKEW_NONE 1

_Static_assert(sizeof(struct header) <= ARENA_HEADER, "there is room for it");

static const uint32_t sizes[6] = {
	sizeof(struct header),
	sizeof(struct segment),
	sizeof(struct bucket),
	RECORD_HEADER,
	sizeof(struct large),
	ARENA_PAGE,
};

/* What is made anew when the table is sorted does not count. */
static uint64_t
sum_of_table(const struct arena *a, uint64_t sum)
{
	const struct segment *table = (const struct segment *)(const void *)(a->base + a->table_at);

	for (uint32_t s = 0; s < a->segments; s++) {
		struct segment seg;

		memcpy(&seg, &table[s], sizeof seg);
		seg.next = seg.prev = 0;
		seg.epoch = 0;
		seg.rank = 0;
		seg.expired = 0;
		if (seg.taken != SEGMENT_DAMAGED)
			seg.taken = 0;
		sum = XXH3_64bits_withSeed(&seg, sizeof seg, sum);
	}
	return sum;
}

static uint64_t
sum_of(const struct arena *a, const struct header *h)
{
	const struct pages *p = a->pages;
	size_t from = offsetof(struct header, sizes), groups = h->pages.top;
	uint64_t sum = XXH3_64bits((const char *)h + from, sizeof *h - from);

	sum = sum_of_table(a, sum);
	sum = XXH3_64bits_withSeed(p->used, groups * PAGES_GROUP_UNITS / 8, sum);
	sum = XXH3_64bits_withSeed(p->warm, groups * (PAGES_GROUP / PAGES_PAGE) / 8, sum);
	sum = XXH3_64bits_withSeed(p->warm_groups, (groups + 63) / 64 * 8, sum);
	return XXH3_64bits_withSeed(p->room, groups * sizeof *p->room, sum);
}

bool
header_is_whole(const struct arena *a, const struct header *h)
{
	return h->pages.top <= a->pages->groups && h->sum == sum_of(a, h);
}

/* ns; all processes have the same, whatever the system's time is set to. */
static uint64_t
since_boot(void)
{
	struct timespec boot, mono;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	/* With the time that it slept, which differs by nothing else. */
	return rend_now() + (uint64_t)(boot.tv_sec - mono.tv_sec) * 1000000000 +
	       (uint64_t)(boot.tv_nsec / 1000000 - mono.tv_nsec / 1000000) * 1000000;
}

/* Of some worker: all see the same stores. */
static int64_t
average(const struct store *s)
{
	for (unsigned w = 0; w < s->workers; w++)
		if (s->haulages[w].shelf != NULL)
			return s->haulages[w].shelf->rank.average;
	return s->average;
}

void
header_write(struct store *s)
{
	const struct pages *p = s->arena.pages;
	struct header *h = header_of(&s->arena);

	memset(h, 0, sizeof *h);
	h->magic = MAGIC;
	h->layout = HEADER_LAYOUT;
	memcpy(h->sizes, sizes, sizeof sizes);
	h->limit = s->arena.limit;
	h->hash = rend_hash(WORD, strlen(WORD));
	h->wall = rend_wall();
	h->boot = since_boot();
	h->version = s->version;
	h->epoch = s->epoch;
	h->from = proof_from(s);
	h->items = store_count(s);
	h->opened = s->log.opened;
	h->flushed = s->log.full.flushed;
	h->grown = s->index.grown & INDEX_GROWN;
	h->growing = s->index.growing;
	h->average = average(s);
	h->pages.in_use = p->in_use;
	h->pages.warmed = p->warmed;
	h->pages.paid = p->paid;
	h->pages.pinned = p->pinned;
	h->pages.orphans = p->orphans;
	h->pages.reserved = p->reserved;
	h->pages.top = p->top;
	h->pages.hand = p->hand;
	h->pages.pieces = p->pieces;
	h->pages.next = p->next;
	h->sum = sum_of(&s->arena, h);
	__atomic_store_n(&h->state, HEADER_CLEAN, __ATOMIC_RELEASE);
}

int64_t
header_skew(const struct header *h)
{
	int64_t passed = (int64_t)(since_boot() - h->boot), skew = h->wall + passed / 1000000000 - rend_wall();

	/* Both count in whole seconds, and in different parts of one. */
	return skew >= -SKEW_NONE && skew <= SKEW_NONE ? 0 : skew;
}

static bool
has_right_counts(const struct arena *a, const struct header *h)
{
	uint64_t most = a->limit / PAGES_PAGE, region = (uint64_t)a->pages->groups * PAGES_GROUP;

	return h->pages.paid <= most && h->pages.in_use <= most && h->pages.warmed <= most &&
	       h->pages.in_use + h->pages.warmed <= h->pages.paid && h->pages.top <= a->pages->groups &&
	       h->pages.hand < a->pages->groups && h->pages.pieces <= a->pages->groups &&
	       h->pages.next <= region / PAGES_UNIT && h->pages.pinned <= region && h->pages.orphans <= region &&
	       h->pages.reserved <= region && h->from <= h->epoch && h->epoch - h->from < PROOF_EPOCHS_MAX &&
	       h->flushed <= h->opened && h->items <= a->size / RECORD_HEADER && h->average >= 0;
}

const char *
header_fault(const struct arena *a, const struct header *h)
{
	if (h->magic != MAGIC || h->layout != HEADER_LAYOUT || memcmp(h->sizes, sizes, sizeof sizes) != 0)
		return "another version laid it out";
	if (h->state != HEADER_CLEAN)
		return "somebody else has it";
	if (h->limit != a->limit)
		return "it is as large as another memory = says";
	if (h->hash != rend_hash(WORD, strlen(WORD)))
		return "its keys have other hashes";
	if (!has_right_counts(a, h) || !header_is_whole(a, h) ||
	    !units_are_right(a->pages, h->pages.top, h->pages.in_use, h->pages.warmed))
		return "it is damaged";
	return NULL;
}
