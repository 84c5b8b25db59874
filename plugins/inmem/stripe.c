/* Stripes: see stripe.h. */
#include "stripe.h"

#include <stdlib.h>
#include <string.h>

#include "rend/check.h"

/*
 * How exactly last use is noted.  The neighbours by age are three lines of cache that nothing else of a get needs, and they are cold: to
 * move an item at each get would cost more than to find it.
 */
#define USE_NS 1000000000ULL

void
stripe_init(struct stripe *s, struct item **chains)
{
	memset(s, 0, sizeof *s);
	pthread_mutex_init(&s->lock, NULL);
	s->chains = chains;
	s->mask = STRIPE_CHAINS_MIN - 1;
	s->idle = UINT64_MAX;
}

void
stripe_fini(struct stripe *s)
{
	while (s->oldest != NULL) {
		struct item *it = s->oldest;

		s->oldest = it->newer;
		item_drop(&it);
	}
	free(s->chains);
	free(s->old);
	while (s->retired != NULL) {
		struct item **next = (struct item **)(void *)s->retired[0];

		free(s->retired);
		s->retired = next;
	}
	pthread_mutex_destroy(&s->lock);
}

static struct item **
chain(const struct stripe *s, uint64_t hash)
{
	size_t old = hash & s->old_mask;

	if (s->old != NULL && old >= s->moved)
		return &s->old[old];
	return &s->chains[hash & s->mask];
}

struct item *
stripe_find(const struct stripe *s, const char *key, size_t keylen, uint64_t hash)
{
	for (struct item *it = *chain(s, hash); it != NULL; it = it->next) {
		/* Most likely it is the one: its key is fetched while its hash is. */
		__builtin_prefetch(it->key);
		if (it->hash == hash && it->keylen == keylen && memcmp(it->key, key, keylen) == 0)
			return it;
	}
	return NULL;
}

/* A link of a chain.  The first ones are looked at without the lock. */
static void
set_link(struct item **at, struct item *it)
{
	__atomic_store_n(at, it, __ATOMIC_RELAXED);
}

static void
set_count(struct stripe *s, uint64_t count)
{
	__atomic_store_n(&s->count, count, __ATOMIC_RELAXED);
}

/* Where the oldest may have become another one, and nowhere else: it is a line of cache, too. */
static void
set_idle(struct stripe *s)
{
	__atomic_store_n(&s->idle, s->oldest == NULL ? UINT64_MAX : s->oldest->used, __ATOMIC_RELAXED);
}

static void
age_in(struct stripe *s, struct item *it)
{
	it->newer = NULL;
	it->older = s->newest;
	if (s->newest != NULL)
		s->newest->newer = it;
	else
		s->oldest = it;
	s->newest = it;
}

static void
age_out(struct stripe *s, struct item *it)
{
	if (it->newer != NULL)
		it->newer->older = it->older;
	else
		s->newest = it->older;
	if (it->older != NULL)
		it->older->newer = it->newer;
	else
		s->oldest = it->newer;
	it->newer = it->older = NULL;
}

void
stripe_link(struct stripe *s, struct item *it)
{
	struct item **at = chain(s, it->hash);

	it->next = *at;
	set_link(at, it);
	age_in(s, it);
	set_count(s, s->count + 1);
	if (it == s->oldest)
		set_idle(s);
}

void
stripe_unlink(struct stripe *s, struct item *it)
{
	struct item **at = chain(s, it->hash);
	bool oldest = it == s->oldest;

	while (*at != it) {
		REND_ASSERT(*at != NULL);
		at = &(*at)->next;
	}
	set_link(at, it->next);
	it->next = NULL;
	age_out(s, it);
	set_count(s, s->count - 1);
	if (oldest)
		set_idle(s);
}

void
stripe_renew(struct stripe *s, struct item *it, uint64_t now)
{
	bool oldest = it == s->oldest;

	it->used = now;
	if (it != s->newest) {
		age_out(s, it);
		age_in(s, it);
	}
	if (oldest)
		set_idle(s);
}

void
stripe_use(struct stripe *s, struct item *it, uint64_t now)
{
	/* Another worker's clock may be a little ahead of this one's. */
	if (now > it->used && now - it->used >= USE_NS)
		stripe_renew(s, it, now);
}

bool
stripe_grow(struct stripe *s, struct item **chains, size_t count)
{
	if (s->old != NULL || count <= s->mask + 1)
		return false;
	s->old = s->chains;
	s->old_mask = s->mask;
	s->moved = 0;
	/* In this order: see stripe_peek(). */
	__atomic_store_n(&s->chains, chains, __ATOMIC_RELEASE);
	__atomic_store_n(&s->mask, count - 1, __ATOMIC_RELEASE);
	return true;
}

void
stripe_move(struct stripe *s, size_t chains)
{
	struct item **old = s->old;

	if (old == NULL)
		return;
	for (; chains > 0 && s->moved <= s->old_mask; chains--) {
		struct item *it = old[s->moved++];

		while (it != NULL) {
			struct item *next = it->next, **to = &s->chains[it->hash & s->mask];

			it->next = *to;
			set_link(to, it);
			it = next;
		}
	}
	if (s->moved <= s->old_mask)
		return;
	s->old = NULL;
	s->old_mask = s->moved = 0;
	set_link(&old[0], (struct item *)(void *)s->retired);
	s->retired = old;
}
