/* All items of one block: see store.h. */
#include "store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "haul.h"
#include "pin.h"
#include "rend/plugin.h"
#include "ticking.h"

/* Small ones are at most this part of a segment: what does not fit at the end of one is lost. */
#define SMALL_SEGMENT_PART 8

/* Measured: from 6,000 bytes on pages cost no more than copies, and less when values are stored again. */
#define SMALL_MAX (8 * 1024)

/* Of the limit all workers' blocks for answers take at most a sixteenth: each may have four. */
#define OUTGOING_PART 64
#define OUTGOING_MAX  (64 * 1024)

/* Of the limit, what answers may hold of large values for long, and in all; see pin.h. */
#define PINNED_PART	 10
#define PINNED_MOST_PART 2

/* Buckets gone through in a second, at most, and the time in which all should have been. */
#define SWEEP_MOST    8192
#define SWEEP_SECONDS 30

/* Buckets in one step; and the time after which no step begins where each may take long. */
#define SWEEP_PART 4
#define SWEEP_NS   5000000

/* Buckets of the index that a worker sorts in a second, so that it shrinks when nothing is stored: 16 pages of sets that have two. */
#define TICK_BUCKETS 4096
#define TICK_FORGETS 8 /* of some pages each, so that it is more than that */

/* Once a second each worker goes through what came from another process for so long. */
#define PROOF_NS 5000000

/* A flush sweeps so much that all have been gone through before 16 bits of epochs come around. */
#define SWEEP_FLUSHES 16384

/* A million; until the year 2106, below what others may lead them to. */
#define VERSIONS_PER_S_BITS 20

size_t
store_own_bytes(const struct store *s)
{
	return sizeof *s + s->workers * (sizeof *s->counts + sizeof(struct grace_thread) + sizeof(struct shelf) +
					    sizeof(struct haulage));
}

struct store *
store_bare(bool evict, unsigned workers)
{
	struct store *s;

	if (posix_memalign((void **)&s, 64, sizeof *s) != 0)
		return NULL;
	memset(s, 0, sizeof *s);
	s->evict = evict;
	s->workers = workers;
	s->epoch = proof_next(0);
	/* They rise from one process to the next also where nothing is handed over, unless more were given than so many a second. */
	s->version = (uint64_t)rend_wall() << VERSIONS_PER_S_BITS;
	s->given_fds[0] = s->given_fds[1] = s->claim_fd = -1;
	if (posix_memalign((void **)&s->counts, 64, workers * sizeof *s->counts) != 0)
		goto no_counts;
	memset(s->counts, 0, workers * sizeof *s->counts);
	if (posix_memalign((void **)&s->haulages, 64, workers * sizeof *s->haulages) != 0)
		goto no_haulages;
	for (unsigned w = 0; w < workers; w++)
		haulage_init(&s->haulages[w]);
	if (grace_init(&s->grace, workers) != 0)
		goto no_grace;
	proof_init(&s->proof);
	return s;
no_grace:
	free(s->haulages);
no_haulages:
	free(s->counts);
no_counts:
	free(s);
	return NULL;
}

void
store_bare_free(struct store **sp)
{
	struct store *s = *sp;

	*sp = NULL;
	proof_fini(&s->proof);
	grace_fini(&s->grace);
	free(s->haulages);
	free(s->counts);
	free(s);
}

void
store_finish(struct store *s)
{
	s->arena.pages->pinned_max = s->arena.limit / PINNED_PART;
	s->arena.pages->pinned_most = s->arena.limit / PINNED_MOST_PART;
	ghost_init(&s->ghost, s->arena.base + s->arena.ghost_at, s->arena.ghost_lines);
	s->small_max = arena_segment_size(&s->arena) / SMALL_SEGMENT_PART;
	if (s->small_max > SMALL_MAX)
		s->small_max = SMALL_MAX;
}

int
store_fill_in(struct store *s, uint64_t limit, bool hand_over)
{
	if (arena_init(&s->arena, limit, hand_over) != 0)
		return -1;
	if (!budget_take(s->arena.budget, store_own_bytes(s)))
		goto no_room;
	if (log_init(&s->log, &s->arena, &s->grace, s->workers) != 0)
		goto no_log;
	index_init(&s->index, &s->arena);
	s->served = true;
	store_finish(s);
	return 0;
no_log:
	budget_give(s->arena.budget, log_bytes(&s->log) + store_own_bytes(s));
	log_fini(&s->log);
no_room:
	arena_fini(&s->arena);
	return -1;
}

void
store_begin(struct store *s)
{
	if (__atomic_exchange_n(&s->served, true, __ATOMIC_ACQ_REL))
		return;
	/* Two would be at work in it. */
	if (!header_become(&s->arena, HEADER_TAKEN, HEADER_LIVE))
		rend_panic(__FILE__, __LINE__, "inmem: the memory that was handed over is another process's again");
}

struct store *
store_new(uint64_t limit, bool evict, bool hand_over, unsigned workers)
{
	struct store *s = store_bare(evict, workers);

	if (s != NULL && store_fill_in(s, limit, hand_over) != 0)
		store_bare_free(&s);
	return s;
}

uint64_t
store_bytes(const struct store *s)
{
	uint64_t pages = __atomic_load_n(&s->index.paid, __ATOMIC_RELAXED) - s->arena.sets;

	return store_own_bytes(s) + pages * ARENA_PAGE + log_bytes(&s->log);
}

static void
drop_its_large(struct store *s, uint64_t location)
{
	struct record *r = arena_at(&s->arena, location);
	struct large *l;

	if (!arena_in_log(&s->arena, location))
		return;
	if (s->proof.taken != NULL) {
		enum proof_leave how = proof_leave(s, r);

		if (how != PROOF_COUNTS && how != PROOF_VALUE)
			return;
		/* Another entry may lead to it. */
		__atomic_store_n(&r->epoch, PROOF_GONE, __ATOMIC_RELAXED);
	}
	l = large_of(&s->arena, r);
	large_drop(s->arena.pages, &l);
}

/* What clients still read of large values keeps the budget, and nothing else. */
static void
drop_all_large(struct store *s)
{
	uint64_t buckets = index_pages_in_use(&s->index) * INDEX_BUCKETS;

	for (uint64_t n = 0; n < buckets; n++) {
		const struct bucket *b = index_bucket(&s->index, n);

		index_use(&s->index, b);
		for (unsigned i = 0; i < INDEX_SLOTS; i++)
			if (b->slots[i] != 0)
				drop_its_large(s, entry_location(b->slots[i]));
	}
}

static void
close_pipes(const struct store *s)
{
	for (int i = 0; i < 2; i++)
		if (s->given_fds[i] >= 0)
			close(s->given_fds[i]);
}

void
store_free(struct store **sp)
{
	struct store *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	if (s->given || !s->served) {
		/* What is in the arena is another's, or may be again. */
		close_pipes(s);
		store_free(&s->spare);
		pins_leave(s->arena.pages);
		budget_give(s->arena.budget, s->given ? s->given_bytes : store_bytes(s));
	} else {
		drop_all_large(s);
		budget_give(s->arena.budget, store_bytes(s));
	}
	if (s->claim_fd >= 0)
		close(s->claim_fd);
	tenants_fini(&s->tenants);
	index_fini(&s->index);
	log_fini(&s->log);
	arena_fini(&s->arena);
	store_bare_free(&s);
}

struct shelf *
shelf_new(struct store *s, unsigned worker)
{
	struct shelf *sh = calloc(1, sizeof *sh);
	size_t block = s->arena.limit / OUTGOING_PART / s->workers;

	if (sh == NULL)
		return NULL;
	sh->store = s;
	sh->worker = worker;
	sh->dice = worker + 1;
	haulage_enter(&s->haulages[worker], sh);
	cleaner_init(&sh->cleaner);
	rank_init(&sh->rank);
	if (s->average != 0)
		sh->rank.average = s->average;
	outgoing_init(&sh->outgoing, s->arena.budget, block < OUTGOING_MAX ? block : OUTGOING_MAX);
	return sh;
}

void
shelf_free(struct shelf **sp)
{
	struct shelf *sh = *sp;

	*sp = NULL;
	haulage_leave(&sh->store->haulages[sh->worker]);
	cleaner_fini(sh);
	outgoing_fini(&sh->outgoing);
	grace_leave(&sh->store->grace, sh->worker);
	free(sh);
}

/* ---- reading ---- */

/* While what came from another process is looked at.  Who puts another record into its place says that it is gone: then that one is looked for. */
static struct record *
find_taken(struct store *s, const struct index_key *key, uint16_t epoch, uint64_t **slot, uint64_t *entry)
{
	uint64_t before = 0;

	while (entry_location(*entry) != entry_location(before)) {
		struct record *r = arena_at(&s->arena, entry_location(*entry));

		if (proof_admits(s, r, epoch))
			return r;
		before = *entry;
		*entry = index_find(&s->index, key, slot);
	}
	return NULL;
}

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
	/* Whoever looks at what came may be done just now: who says that this one is gone has put another into its place before. */
	if (__builtin_expect(proof_looks(&s->proof) || record_epoch(r) != epoch, 0) &&
	    (s->proof.taken == NULL || (r = find_taken(s, &key, epoch, slot, entry)) == NULL))
		return NULL;
	return rend_expired(record_exptime(r), wall) ? NULL : r;
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
	sum -= (int64_t)__atomic_load_n(&s->proof.lost, __ATOMIC_RELAXED);
	return sum < 0 ? 0 : (uint64_t)sum;
}

/* The record is nobody's any more. */
static void
forget(struct shelf *sh, uint64_t location, struct gone *gone)
{
	struct store *s = sh->store;
	struct record *r = arena_at(&s->arena, location);
	enum proof_leave how = PROOF_COUNTS;
	struct large *l;

	if (!arena_in_log(&s->arena, location))
		how = PROOF_DAMAGED;
	else if (s->proof.taken != NULL)
		how = proof_leave(s, r);
	if (how == PROOF_DAMAGED || how == PROOF_COUNTS_BARE)
		rend_count(s->counters.audit_dropped, 1);
	if (how == PROOF_DAMAGED || how == PROOF_NOTHING)
		return;
	l = how == PROOF_COUNTS_BARE ? NULL : large_of(&s->arena, r);
	if (l != NULL) {
		log_weigh(&s->log, location, -(int64_t)large_cost(l));
		gone_add(gone, s->arena.pages, l);
	}
	if (how != PROOF_VALUE)
		log_gone(&s->log, location, record_footprint(r), (uint32_t)record_exptime(r));
}

void
store_touch(struct store *s, struct record *r, int64_t exptime)
{
	uint64_t location = arena_location(&s->arena, r);
	uint32_t old = (uint32_t)record_exptime(r);

	record_set_exptime(r, exptime);
	log_expires(&s->log, location, record_footprint(r), (uint32_t)record_exptime(r));
	log_expires_not(&s->log, location, record_footprint(r), old);
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
	if (arena_in_log(&sh->store->arena, location) && (record_state(r) & RECORD_FETCHED) == 0)
		rend_count(c->expired_unfetched, 1);
	store_drop(sh, location, gone);
}

void
store_evict(struct shelf *sh, uint64_t location, struct gone *gone)
{
	struct store_counters *c = &sh->store->counters;
	const struct record *r = arena_at(&sh->store->arena, location);

	rend_count(c->evictions, 1);
	if (arena_in_log(&sh->store->arena, location) && (record_state(r) & RECORD_FETCHED) == 0)
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

	if (!arena_in_log(&s->arena, entry_location(entry)) || !index_fits(entry, r->hash) ||
	    proof_is_due(s, entry_location(entry)))
		return;
	if (!store_gone(s, r, epoch, wall)) {
		record_age(r, wall);
		return;
	}
	/* Without the lock, which whoever asks for such a key would wait for. */
	store_believes_segment(s, arena_segment(&s->arena, entry_location(entry)));
	index_lock(&h, &s->index, r->hash);
	/* Somebody may have flushed since, and stored. */
	epoch = (uint16_t)__atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE);
	if (index_look_at(&h, entry_location(entry)) && store_gone(s, r, epoch, wall)) {
		index_clear(&h);
		store_reclaim(sh, entry_location(entry), &gone);
	}
	index_unlock(&h);
	gone_drop(&gone, s->arena.pages);
}

static void
sweep_bucket(struct shelf *sh, const struct bucket *b, uint16_t epoch, int64_t wall)
{
	uint64_t entries[INDEX_SLOTS];

	index_use(&sh->store->index, b);
	for (unsigned i = 0; i < INDEX_SLOTS; i++) {
		entries[i] = __atomic_load_n(&b->slots[i], __ATOMIC_ACQUIRE);
		__builtin_prefetch(arena_at(&sh->store->arena, entry_location(entries[i])));
	}
	for (unsigned i = 0; i < INDEX_SLOTS; i++)
		if (entries[i] != 0)
			sweep_entry(sh, entries[i], epoch, wall);
}

/* What was flushed may have to be looked at first, if it came from another process: then it ends when that takes long. */
static bool
is_long(const struct store *s, uint64_t until)
{
	return s->proof.from != s->proof.to && ticking_ns() >= until;
}

void
store_sweep(struct shelf *sh, uint64_t buckets)
{
	struct store *s = sh->store;
	uint64_t all = index_pages_in_use(&s->index) * INDEX_BUCKETS, until = ticking_ns() + SWEEP_NS;
	uint16_t epoch = (uint16_t)__atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE);
	int64_t wall = rend_wall();

	if (buckets > all)
		buckets = all;
	for (uint64_t part; buckets > 0 && !is_long(s, until); buckets -= part) {
		uint64_t turn;

		part = buckets < SWEEP_PART ? buckets : SWEEP_PART;
		turn = __atomic_fetch_add(&s->swept, part, __ATOMIC_RELAXED);
		for (uint64_t n = 0; n < part; n++)
			sweep_bucket(sh, index_bucket(&s->index, (turn + n) % all), epoch, wall);
	}
}

void
store_flush(struct shelf *sh)
{
	uint64_t epoch = __atomic_load_n(&sh->store->epoch, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(
	    &sh->store->epoch, &epoch, proof_next(epoch), true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		;
	log_flushed(&sh->store->log);
	store_sweep(sh, index_buckets(&sh->store->index) / SWEEP_FLUSHES + 1);
}

static void
look_after_tenants(struct store *s)
{
	if (s->tenants.count == 0)
		return;
	/* Who looks at a value that they pin has this lock. */
	pthread_mutex_lock(&s->proof.lock);
	tenants_look(&s->tenants, &s->arena);
	pthread_mutex_unlock(&s->proof.lock);
}

/* What nobody stores for: the index shrinks, or what had begun comes to its end. */
static void
shrink(struct store *s)
{
	for (unsigned left = TICK_BUCKETS; left > 0;) {
		if (growth_runs(&s->index))
			left = growth_step(&s->index, left, NULL, NULL);
		else if (growth_need(&s->index, store_count(s)) == GROWTH_LESS && growth_shrink(&s->index))
			left--;
		else
			break;
	}
	for (int i = 0; i < TICK_FORGETS; i++)
		growth_forget(&s->index, &s->grace);
}

void
store_tick(struct shelf *sh)
{
	struct store *s = sh->store;
	uint64_t buckets = index_buckets(&s->index) / SWEEP_SECONDS + INDEX_BUCKETS;

	/* Not yet, or no more: then another process may still have it, or has it. */
	if (!__atomic_load_n(&s->served, __ATOMIC_RELAXED) || __atomic_load_n(&s->given, __ATOMIC_ACQUIRE))
		return;
	if (sh->worker == 0)
		look_after_tenants(s);
	shelf_enter(sh);
	if (proof_is_under_way(s))
		proof_tick(sh, ticking_ns() + PROOF_NS);
	store_sweep(sh, buckets < SWEEP_MOST ? buckets : SWEEP_MOST);
	cleaner_tick(sh);
	shrink(s);
	grace_leave(&sh->store->grace, sh->worker);
}
