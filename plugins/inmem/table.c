/* The table: see table.h. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "rend/check.h"
#include "rend/worker.h"

/* Items taken out under one lock, at most; pinned ones passed over count too. */
#define EVICT_BATCH 16

/* Of so many stripes, the one whose oldest item is the oldest has to give. */
#define EVICT_CHOICES 8

/* Old chains moved by each insert: a doubling is over before the next one is due. */
#define MOVE_CHAINS 4

/* A sweep locks SWEEP_BATCHES times and looks at SWEEP_CHAINS chains under each lock. */
#define SWEEP_BATCHES 128
#define SWEEP_CHAINS  128

/* Versions that others choose lead ours only below this, so that nobody can drive the counter to its end. */
#define VERSION_LED_MAX (1ULL << 62)

static struct stripe *
stripe_of(struct table *t, uint64_t hash)
{
	return &t->stripes[hash >> 58]; /* chains use the low bits */
}
_Static_assert(TABLE_STRIPES == 1 << (64 - 58), "stripe_of() takes the upper six bits");

struct table *
table_new(uint64_t limit, bool evict)
{
	struct table *t;
	struct item **chains;

	if (posix_memalign((void **)&t, 64, sizeof *t) != 0)
		return NULL;
	memset(t, 0, sizeof *t);
	t->evict = evict;
	t->budget = budget_new(limit);
	if (t->budget == NULL || !budget_take(t->budget, sizeof *t)) {
		budget_close(&t->budget);
		free(t);
		return NULL;
	}
	for (int i = 0; i < TABLE_STRIPES; i++) {
		chains = calloc(STRIPE_CHAINS_MIN, sizeof *chains);
		if (chains == NULL || !budget_take(t->budget, budget_cost(chains))) {
			free(chains);
			while (i > 0)
				stripe_fini(&t->stripes[--i]);
			free(t->budget); /* no item has seen it */
			free(t);
			return NULL;
		}
		stripe_init(&t->stripes[i], chains);
	}
	return t;
}

void
table_free(struct table **tp)
{
	struct table *t = *tp;
	size_t own = sizeof *t;

	*tp = NULL;
	if (t == NULL)
		return;
	for (int i = 0; i < TABLE_STRIPES; i++) {
		struct stripe *s = &t->stripes[i];

		own += budget_cost(s->chains);
		if (s->old != NULL)
			own += budget_cost(s->old);
		for (struct item **r = s->retired; r != NULL; r = (struct item **)(void *)r[0])
			own += budget_cost(r);
		stripe_fini(s);
	}
	budget_give(t->budget, own);
	budget_close(&t->budget);
	free(t);
}

/* ---- what is gone though nobody took it out ---- */

static bool
item_gone(const struct item *it, uint64_t epoch, int64_t wall)
{
	return it->epoch != epoch || rend_expired(it->exptime, wall);
}

static void
unlink_to(struct stripe *s, struct item *it, struct item **gone)
{
	stripe_unlink(s, it);
	it->next = *gone;
	*gone = it;
}

static void
reclaim(struct table *t, struct stripe *s, struct item *it, struct item **gone)
{
	rend_count(t->counters.reclaimed, 1);
	if (!it->fetched)
		rend_count(t->counters.expired_unfetched, 1);
	unlink_to(s, it, gone);
}

/* ---- eviction ---- */

/*
 * Takes out what is oldest in s until `need` bytes are free.  Evicting what somebody still reads would free nothing, so
 * that is passed over and counts as used.  Returns whether anything was freed.
 */
static bool
evict_from(struct table *t, struct stripe *s, size_t need)
{
	struct item *gone = NULL;
	uint64_t epoch = __atomic_load_n(&t->epoch, __ATOMIC_ACQUIRE), now = rend_now();
	int64_t wall = rend_wall();
	size_t freed = 0;

	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < EVICT_BATCH && freed < need && s->oldest != NULL; i++) {
		struct item *it = s->oldest;

		if (item_gone(it, epoch, wall)) {
			freed += item_alone(it) ? it->cost : 0;
			reclaim(t, s, it, &gone);
			continue;
		}
		if (!t->evict)
			break;
		if (!item_alone(it)) {
			stripe_renew(s, it, now);
			continue;
		}
		freed += it->cost;
		rend_count(t->counters.evictions, 1);
		if (!it->fetched)
			rend_count(t->counters.evicted_unfetched, 1);
		unlink_to(s, it, &gone);
	}
	pthread_mutex_unlock(&s->lock);
	item_drop_all(gone);
	return freed > 0;
}

static struct stripe *
evict_choose(struct table *t)
{
	unsigned first = __atomic_fetch_add(&t->evicting, EVICT_CHOICES, __ATOMIC_RELAXED);
	struct stripe *oldest = NULL;
	uint64_t idle = UINT64_MAX;

	for (unsigned i = 0; i < EVICT_CHOICES; i++) {
		struct stripe *s = &t->stripes[(first + i) % TABLE_STRIPES];
		uint64_t its = __atomic_load_n(&s->idle, __ATOMIC_RELAXED);

		if (its < idle) {
			idle = its;
			oldest = s;
		}
	}
	return oldest;
}

/* Frees something.  false: there is nothing that could go. */
static bool
evict(struct table *t, size_t need)
{
	struct stripe *s = evict_choose(t);
	unsigned first;

	if (s != NULL && evict_from(t, s, need))
		return true;
	first = __atomic_fetch_add(&t->evicting, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < TABLE_STRIPES; i++)
		if (evict_from(t, &t->stripes[(first + i) % TABLE_STRIPES], need))
			return true;
	return false;
}

/* Takes bytes from the budget; others go for it. */
static bool
pay(struct table *t, size_t bytes)
{
	while (!budget_take(t->budget, bytes))
		if (!evict(t, bytes))
			return false;
	return true;
}

bool
table_fits(const struct table *t, size_t keylen, size_t len)
{
	return len <= t->budget->limit / TABLE_ITEM_SHARE &&
	       item_size(keylen, len) <= t->budget->limit / TABLE_ITEM_SHARE;
}

struct item *
table_item(struct table *t, const char *key, size_t keylen, uint64_t hash, size_t len)
{
	struct item *it = item_new(key, keylen, hash, len);

	if (it == NULL)
		return NULL;
	if (!pay(t, it->cost)) {
		item_drop(&it);
		return NULL;
	}
	it->budget = t->budget;
	return it;
}

/* ---- visits ---- */

void
table_enter(struct visit *v, struct table *t, const char *key, size_t keylen, uint64_t hash)
{
	*v = (struct visit){ .table = t, .stripe = stripe_of(t, hash), .wall = rend_wall() };
	pthread_mutex_lock(&v->stripe->lock);
	/*
	 * Before anybody asks the guard.  A flush changes the guard's words first and the epoch then: who sees this
	 * epoch old and stores after it, stores what is flushed; who sees it new finds the guard changed.
	 */
	v->epoch = __atomic_load_n(&t->epoch, __ATOMIC_ACQUIRE);
	v->found = stripe_find(v->stripe, key, keylen, hash);
	if (v->found != NULL && item_gone(v->found, v->epoch, v->wall)) {
		reclaim(t, v->stripe, v->found, &v->gone);
		v->found = NULL;
	}
}

static void
free_chains(struct table *t, struct item **chains)
{
	size_t cost = budget_cost(chains);

	free(chains);
	budget_give(t->budget, cost);
}

/*
 * Is nobody looking at chains without a lock who may have come before this call?  Whoever comes after it finds the arrays that are in use
 * now: its addition to a counter comes after ours.
 */
static bool
is_unwatched(struct table *t)
{
	for (int i = 0; i < TABLE_PEEKERS; i++)
		if (__atomic_fetch_add(&t->peekers[i].count, 0, __ATOMIC_ACQ_REL) != 0)
			return false;
	return true;
}

/* Arrays that are retired and can be freed, or NULL.  Under the lock; they are freed after it. */
static struct item **
take_retired(struct table *t, struct stripe *s)
{
	struct item **retired = s->retired;

	if (retired == NULL || !is_unwatched(t))
		return NULL;
	s->retired = NULL;
	return retired;
}

static void
free_retired(struct table *t, struct item **retired)
{
	while (retired != NULL) {
		struct item **next = (struct item **)(void *)retired[0];

		free_chains(t, retired);
		retired = next;
	}
}

/*
 * In two rounds: what is fetched in the first, the second reads.  It takes no locks, which would cost as much again; the items, which may be
 * gone, are not read.
 */
void
table_warm(struct table *t, const uint64_t *hashes, size_t count)
{
	unsigned *peekers = &t->peekers[hashes[0] % TABLE_PEEKERS].count;

	__atomic_fetch_add(peekers, 1, __ATOMIC_ACQ_REL);
	for (size_t i = 0; i < count; i++)
		__builtin_prefetch(stripe_peek(stripe_of(t, hashes[i]), hashes[i]));
	for (size_t i = 0; i < count; i++) {
		struct item **at = stripe_peek(stripe_of(t, hashes[i]), hashes[i]);

		item_warm(__atomic_load_n(at, __ATOMIC_RELAXED));
	}
	__atomic_fetch_sub(peekers, 1, __ATOMIC_ACQ_REL);
}

/* Without memory it stays as it is: chains get longer, and it is tried again. */
static void
grow(struct table *t, struct stripe *s, size_t count)
{
	struct item **chains = calloc(count, sizeof *chains);
	bool taken;

	if (chains == NULL)
		return;
	if (!pay(t, budget_cost(chains))) {
		free(chains);
		return;
	}
	pthread_mutex_lock(&s->lock);
	taken = stripe_grow(s, chains, count);
	pthread_mutex_unlock(&s->lock);
	if (!taken)
		free_chains(t, chains);
}

void
table_leave(struct visit *v)
{
	struct table *t = v->table;
	struct stripe *s = v->stripe;
	struct item **retired;
	size_t wants;

	if (s->old != NULL)
		stripe_move(s, MOVE_CHAINS);
	retired = take_retired(t, s);
	wants = stripe_wants(s);
	pthread_mutex_unlock(&s->lock);
	item_drop_all(v->gone);
	free_retired(t, retired);
	if (wants != 0)
		grow(t, s, wants);
}

void
table_take(struct visit *v)
{
	unlink_to(v->stripe, v->found, &v->gone);
	v->found = NULL;
}

void
table_put(struct visit *v, struct item *it)
{
	if (v->found != NULL)
		table_take(v);
	rend_count(v->table->counters.total_items, 1);
	it->used = rend_now();
	if (rend_expired(it->exptime, v->wall)) {
		it->next = v->gone;
		v->gone = it;
		return;
	}
	it->epoch = v->epoch;
	stripe_link(v->stripe, it);
	v->found = it;
}

void
table_touch(struct visit *v, int64_t exptime)
{
	v->found->exptime = exptime;
	if (rend_expired(exptime, v->wall))
		table_take(v);
}

uint64_t
table_version(struct table *t, uint64_t wanted)
{
	uint64_t last;

	if (wanted == 0)
		return __atomic_add_fetch(&t->version, 1, __ATOMIC_RELAXED);
	last = __atomic_load_n(&t->version, __ATOMIC_RELAXED);
	while (last < wanted && wanted < VERSION_LED_MAX)
		if (__atomic_compare_exchange_n(&t->version, &last, wanted, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
	return wanted;
}

void
table_flush(struct table *t)
{
	__atomic_add_fetch(&t->epoch, 1, __ATOMIC_ACQ_REL);
}

/* ---- sweeping ---- */

static void
sweep(struct table *t, struct stripe *s)
{
	struct item *gone = NULL, **retired;
	uint64_t epoch = __atomic_load_n(&t->epoch, __ATOMIC_ACQUIRE);
	int64_t wall = rend_wall();

	pthread_mutex_lock(&s->lock);
	stripe_move(s, SWEEP_CHAINS);
	retired = take_retired(t, s);
	for (int i = 0; i < SWEEP_CHAINS; i++) {
		struct item *it = s->chains[s->swept & s->mask], *next;

		for (; it != NULL; it = next) {
			next = it->next;
			if (item_gone(it, epoch, wall))
				reclaim(t, s, it, &gone);
		}
		if ((++s->swept & s->mask) == 0)
			break; /* once around */
	}
	pthread_mutex_unlock(&s->lock);
	item_drop_all(gone);
	free_retired(t, retired);
}

void
table_sweep(struct table *t)
{
	for (int i = 0; i < SWEEP_BATCHES; i++) {
		unsigned turn = __atomic_fetch_add(&t->sweeping, 1, __ATOMIC_RELAXED);

		sweep(t, &t->stripes[turn % TABLE_STRIPES]);
	}
}

uint64_t
table_count(const struct table *t)
{
	uint64_t sum = 0;

	for (int i = 0; i < TABLE_STRIPES; i++)
		sum += __atomic_load_n(&t->stripes[i].count, __ATOMIC_RELAXED);
	return sum;
}
