/* Visits: the home of a key is locked.  See store.h. */
#include "store.h"

/* Versions that others choose lead ours only below this, so that nobody can drive the counter to its end. */
#define VERSION_LED_MAX (1ULL << 62)

/* Whether the index should grow or shrink is looked at once in so many inserts; then some buckets are sorted for each. */
#define GROW_LOOKS 32

static uint64_t
next_version(struct store *s, uint64_t wanted)
{
	uint64_t last;

	if (wanted == 0)
		return __atomic_add_fetch(&s->version, 1, __ATOMIC_RELAXED);
	last = __atomic_load_n(&s->version, __ATOMIC_RELAXED);
	while (last < wanted && wanted < VERSION_LED_MAX)
		if (__atomic_compare_exchange_n(&s->version, &last, wanted, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
	return wanted;
}

/* A whole segment is gone through without the lock, not with it, as a record's that is of before would be. */
static void
prove_first(struct store *s, const struct index_key *key)
{
	uint64_t *slot, entry = index_find(&s->index, key, &slot);

	if (entry != 0)
		proof_prepare(s, entry_location(entry));
}

void
visit_enter(struct visit *v, struct shelf *sh, const struct rend_op *op)
{
	struct store *s = sh->store;
	struct index_key key = store_key(op);

	v->shelf = sh;
	v->store = s;
	v->wall = rend_wall();
	v->found = NULL;
	v->inserted = false;
	v->gone.count = 0;
	if (proof_looks(&s->proof))
		prove_first(s, &key);
	index_lock(&v->home, &s->index, key.hash);
	/*
	 * Before anybody asks the guard.  A flush changes the guard's words first and the epoch then: who sees this
	 * epoch old and stores after it, stores what is flushed; who sees it new finds the guard changed.
	 */
	v->epoch = (uint16_t)__atomic_load_n(&s->epoch, __ATOMIC_ACQUIRE);
	if (!index_look(&v->home, &key))
		return;
	v->found = arena_at(&s->arena, entry_location(v->home.entry));
	if (store_gone(s, v->found, v->epoch, v->wall)) {
		uint64_t location = entry_location(v->home.entry);

		index_clear(&v->home);
		store_reclaim(sh, location, &v->gone);
		v->found = NULL;
	}
}

static void
count_in(struct visit *v)
{
	int64_t *items = &v->store->counts[v->shelf->worker].items;

	__atomic_store_n(items, __atomic_load_n(items, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
	v->inserted = true;
}

/* What came from another process may lead to another's record: that one stays. */
static bool
leads_to_its_own(struct visit *v, uint64_t entry)
{
	struct store *s = v->store;
	const struct record *r = arena_at(&s->arena, entry_location(entry));

	if (s->proof.taken == NULL || (arena_in_log(&s->arena, entry_location(entry)) && index_fits(entry, r->hash)))
		return true;
	__atomic_add_fetch(&s->proof.lost, 1, __ATOMIC_RELAXED);
	rend_count(s->counters.audit_dropped, 1);
	return false;
}

/* Into the place of v->found, or into a new one. */
static bool
publish(struct visit *v, struct draft *d)
{
	uint64_t old = v->home.entry, evicted = 0;
	size_t size = record_footprint(d->record);
	uint32_t exptime = (uint32_t)record_exptime(d->record);

	/* Before somebody can find it, and take it out again. */
	log_expires(&v->store->log, d->location, size, exptime);
	if (v->found != NULL) {
		index_move(&v->home, d->location, entry_hits(old));
		store_drop(v->shelf, entry_location(old), &v->gone);
		count_in(v);
		v->inserted = false;
		return true;
	}
	if (!index_insert(&v->home, d->location, d->hits, v->store->evict ? &evicted : NULL)) {
		log_expires_not(&v->store->log, d->location, size, exptime);
		return false;
	}
	count_in(v);
	if (evicted != 0 && leads_to_its_own(v, evicted))
		store_evict(v->shelf, entry_location(evicted), &v->gone);
	return true;
}

bool
visit_put(struct visit *v, const struct rend_op *op, struct draft *d)
{
	struct record *r = d->record;

	r->version = next_version(v->store, op->ask.cas_new);
	r->epoch = v->epoch;
	r->access = (uint16_t)v->wall;
	if (rend_expired(record_exptime(r), v->wall)) {
		if (v->found != NULL)
			visit_take(v);
		/* The draft is wasted by its maker. */
	} else if (publish(v, d)) {
		v->found = r;
		d->record = NULL;
	} else {
		return false;
	}
	rend_count(v->store->counters.total_items, 1);
	return true;
}

void
visit_take(struct visit *v)
{
	uint64_t location = entry_location(v->home.entry);

	index_clear(&v->home);
	store_drop(v->shelf, location, &v->gone);
	v->found = NULL;
}

void
visit_touch(struct visit *v, int64_t exptime)
{
	store_touch(v->store, v->found, exptime);
	if (rend_expired(record_exptime(v->found), v->wall))
		visit_take(v);
}

/* ---- growth and shrinkage, on the way ---- */

static void
dropped(void *arg, uint64_t entry)
{
	struct visit *v = arg;

	if (leads_to_its_own(v, entry))
		store_evict(v->shelf, entry_location(entry), &v->gone);
}

/* A page's bytes from the budget, if need be with those of a free segment. */
static bool
pay_page(struct store *s)
{
	if (arena_take(&s->arena, ARENA_PAGE))
		return true;
	return log_give_back(&s->log, s->log.reserve) && arena_take(&s->arena, ARENA_PAGE);
}

/* Begins with a page more.  false: somebody else did, or there is no memory for it. */
static bool
grow(struct visit *v)
{
	struct store *s = v->store;
	bool costs = growth_costs(&s->index);

	if (costs && !pay_page(s)) {
		v->shelf->inserts = GROW_LOOKS - 1; /* at the next insert again */
		return false;
	}
	if (growth_begin(&s->index, costs))
		return true;
	if (costs)
		budget_give(s->arena.budget, ARENA_PAGE);
	return false;
}

/* Begins with what is to be done.  false: nothing. */
static bool
resize(struct visit *v)
{
	struct store *s = v->store;

	if (!growth_is_half_way(&s->index) && ++v->shelf->inserts % GROW_LOOKS != 0)
		return false;
	growth_forget(&s->index, &s->grace);
	switch (growth_need(&s->index, store_count(s))) {
	case GROWTH_MORE:
		return grow(v);
	case GROWTH_LESS:
		return growth_shrink(&s->index);
	default:
		return false;
	}
}

void
visit_leave(struct visit *v)
{
	index_unlock(&v->home);
	if (v->inserted && (growth_runs(&v->store->index) || resize(v)))
		growth_step(&v->store->index, growth_pace(&v->store->index), v->store->evict ? dropped : NULL, v);
	gone_drop(&v->gone, v->store->arena.pages);
}
