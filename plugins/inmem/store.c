/* All items of one block: see store.h. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "rend/plugin.h"

/* Small ones are at most this part of a segment: what does not fit at the end of one is lost. */
#define SMALL_SEGMENT_PART 8
#define SMALL_MAX	   (16 * 1024)

/* Buckets gone through in a second, at most, and the time in which all should have been. */
#define SWEEP_MOST    8192
#define SWEEP_SECONDS 30

/* A flush sweeps so much that all have been gone through before 16 bits of epochs come around. */
#define SWEEP_FLUSHES 16384

static size_t
own_bytes(const struct store *s)
{
	return sizeof *s + s->workers * (sizeof *s->counts + sizeof(struct grace_thread) + sizeof(struct shelf));
}

struct store *
store_new(uint64_t limit, bool evict, unsigned workers)
{
	struct store *s;

	if (posix_memalign((void **)&s, 64, sizeof *s) != 0)
		return NULL;
	memset(s, 0, sizeof *s);
	s->evict = evict;
	s->workers = workers;
	if (posix_memalign((void **)&s->counts, 64, workers * sizeof *s->counts) != 0)
		goto no_counts;
	memset(s->counts, 0, workers * sizeof *s->counts);
	if (grace_init(&s->grace, workers) != 0)
		goto no_grace;
	if (arena_init(&s->arena, limit) != 0)
		goto no_arena;
	if (!budget_take(s->arena.budget, own_bytes(s)))
		goto no_room;
	if (log_init(&s->log, &s->arena, &s->grace, workers) != 0)
		goto no_log;
	index_init(&s->index, &s->arena);
	ghost_init(&s->ghost, s->arena.base + s->arena.ghost_at, s->arena.ghost_lines);
	s->small_max = arena_segment_size(&s->arena) / SMALL_SEGMENT_PART;
	if (s->small_max > SMALL_MAX)
		s->small_max = SMALL_MAX;
	return s;
no_log:
	log_fini(&s->log);
	budget_give(s->arena.budget, own_bytes(s));
no_room:
	arena_fini(&s->arena);
no_arena:
	grace_fini(&s->grace);
no_grace:
	free(s->counts);
no_counts:
	free(s);
	return NULL;
}

/* What clients still read of large values keeps the budget, and nothing else. */
static void
drop_all_large(struct store *s)
{
	/* With the page that is being filled, which does not count yet. */
	uint64_t buckets = index_buckets(&s->index) + (growth_runs(&s->index) ? INDEX_BUCKETS : 0);

	for (uint64_t n = 0; n < buckets; n++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			uint64_t entry = index_bucket(&s->index, n)->slots[i];
			struct large *l = entry == 0 ? NULL : large_of(arena_at(&s->arena, entry_location(entry)));

			large_drop(&l);
		}
}

void
store_free(struct store **sp)
{
	struct store *s = *sp;
	uint64_t pages;

	*sp = NULL;
	if (s == NULL)
		return;
	drop_all_large(s);
	pages = index_buckets(&s->index) / INDEX_BUCKETS + growth_runs(&s->index) - s->arena.sets;
	budget_give(s->arena.budget, pages * ARENA_PAGE);
	index_fini(&s->index);
	log_fini(&s->log);
	budget_give(s->arena.budget, own_bytes(s));
	arena_fini(&s->arena);
	grace_fini(&s->grace);
	free(s->counts);
	free(s);
}

struct shelf *
shelf_new(struct store *s, unsigned worker)
{
	struct shelf *sh = calloc(1, sizeof *sh);
	size_t block = s->arena.limit / 64;

	if (sh == NULL)
		return NULL;
	sh->store = s;
	sh->worker = worker;
	sh->dice = worker + 1;
	cleaner_init(&sh->cleaner);
	rank_init(&sh->rank);
	outgoing_init(&sh->outgoing, s->arena.budget, block < 65536 ? block : 65536);
	return sh;
}

void
shelf_free(struct shelf **sp)
{
	struct shelf *sh = *sp;

	*sp = NULL;
	cleaner_fini(sh);
	outgoing_fini(&sh->outgoing);
	grace_leave(&sh->store->grace, sh->worker);
	free(sh);
}

/* ---- reading ---- */

struct record *
store_find(struct store *s, const struct rend_op *op, int64_t wall, uint64_t **slot, uint64_t *entry)
{
	struct index_key key = store_key(op);
	/* Before it is looked for: what is found then and is of this epoch was not flushed when the op began. */
	uint16_t epoch = (uint16_t)__atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE);
	struct record *r;

	*entry = index_find(&s->index, &key, slot);
	if (*entry == 0)
		return NULL;
	r = arena_at(&s->arena, entry_location(*entry));
	return record_gone(r, epoch, wall) ? NULL : r;
}

/* In two rounds: what is fetched in the first, the second reads. */
void
store_warm(struct store *s, const uint64_t *hashes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		index_warm(&s->index, index_hash(hashes[i]));
	for (size_t i = 0; i < count; i++) {
		uint64_t entry = index_guess(&s->index, index_hash(hashes[i]));

		if (entry != 0)
			record_warm(arena_at(&s->arena, entry_location(entry)));
	}
}

/* ---- what goes ---- */

static void
count_items(struct shelf *sh, int n)
{
	int64_t *items = &sh->store->counts[sh->worker].items;

	__atomic_store_n(items, __atomic_load_n(items, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

uint64_t
store_count(const struct store *s)
{
	int64_t sum = 0;

	for (unsigned w = 0; w < s->workers; w++)
		sum += __atomic_load_n(&s->counts[w].items, __ATOMIC_RELAXED);
	return sum < 0 ? 0 : (uint64_t)sum;
}

/* The record is nobody's any more, whether anybody ever saw it or not. */
static void
forget(struct shelf *sh, uint64_t location, struct gone *gone)
{
	struct store *s = sh->store;
	const struct record *r = arena_at(&s->arena, location);
	struct large *l = large_of(r);

	if (l != NULL) {
		log_weigh(&s->log, location, -(int64_t)l->cost);
		gone_add(gone, l);
	}
	log_dead(&s->log, location, record_footprint(r));
}

void
store_drop(struct shelf *sh, uint64_t location, struct gone *gone)
{
	forget(sh, location, gone);
	count_items(sh, -1);
}

void
store_reclaim(struct shelf *sh, uint64_t location, struct gone *gone)
{
	struct store_counters *c = &sh->store->counters;
	const struct record *r = arena_at(&sh->store->arena, location);

	rend_count(c->reclaimed, 1);
	if ((record_state(r) & RECORD_FETCHED) == 0)
		rend_count(c->expired_unfetched, 1);
	store_drop(sh, location, gone);
}

void
store_evict(struct shelf *sh, uint64_t location, struct gone *gone)
{
	struct store_counters *c = &sh->store->counters;
	const struct record *r = arena_at(&sh->store->arena, location);

	rend_count(c->evictions, 1);
	if ((record_state(r) & RECORD_FETCHED) == 0)
		rend_count(c->evicted_unfetched, 1);
	store_drop(sh, location, gone);
}

/* ---- all of it ---- */

static void
sweep_entry(struct shelf *sh, uint64_t entry, uint16_t epoch, int64_t wall)
{
	struct store *s = sh->store;
	struct record *r = arena_at(&s->arena, entry_location(entry));
	struct gone gone = { 0 };
	struct home h;

	record_age(r, wall);
	if (!record_gone(r, epoch, wall))
		return;
	index_lock(&h, &s->index, r->hash);
	if (index_look_at(&h, entry_location(entry)) && record_gone(r, epoch, wall)) {
		index_clear(&h);
		store_reclaim(sh, entry_location(entry), &gone);
	}
	index_unlock(&h);
	gone_drop(&gone);
}

void
store_sweep(struct shelf *sh, uint64_t buckets)
{
	struct store *s = sh->store;
	uint64_t all = index_buckets(&s->index), turn = __atomic_fetch_add(&s->swept, buckets, __ATOMIC_RELAXED);
	uint16_t epoch = (uint16_t)__atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE);
	int64_t wall = rend_wall();

	for (uint64_t n = 0; n < buckets && n < all; n++) {
		struct bucket *b = index_bucket(&s->index, (turn + n) % all);
		uint64_t entries[INDEX_SLOTS];

		for (unsigned i = 0; i < INDEX_SLOTS; i++) {
			entries[i] = __atomic_load_n(&b->slots[i], __ATOMIC_ACQUIRE);
			__builtin_prefetch(arena_at(&s->arena, entry_location(entries[i])));
		}
		for (unsigned i = 0; i < INDEX_SLOTS; i++)
			if (entries[i] != 0)
				sweep_entry(sh, entries[i], epoch, wall);
	}
}

void
store_flush(struct shelf *sh)
{
	__atomic_add_fetch(&sh->store->epoch, 1, __ATOMIC_ACQ_REL);
	log_flushed(&sh->store->log);
	store_sweep(sh, index_buckets(&sh->store->index) / SWEEP_FLUSHES + 1);
}

void
store_tick(struct shelf *sh)
{
	uint64_t buckets = index_buckets(&sh->store->index) / SWEEP_SECONDS + INDEX_BUCKETS;

	shelf_enter(sh);
	store_sweep(sh, buckets < SWEEP_MOST ? buckets : SWEEP_MOST);
	cleaner_tick(sh);
	grace_leave(&sh->store->grace, sh->worker);
}
