/* Those from whom memory was taken over: see tenant.h. */
#include "tenant.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "large.h"

static struct large *
large_at(const struct arena *a, uint64_t location)
{
	uint64_t region = (uint64_t)a->pages->groups * PAGES_GROUP;
	struct large *l;

	if (location < a->pages_at / ARENA_UNIT || location >= (a->pages_at + region) / ARENA_UNIT)
		return NULL;
	l = arena_at(a, location);
	return large_is_sound(a->pages, l) ? l : NULL;
}

static int
by_location(const void *a, const void *b)
{
	const struct tenant_hold *x = a, *y = b;

	return x->location < y->location ? -1 : x->location > y->location;
}

/* All holds of one value: what is lent has nobody else. */
static bool
is_held_so(const struct arena *a, const struct tenant_hold *holds, uint64_t count, unsigned tenants)
{
	const struct large *l = large_at(a, holds->location);

	for (uint64_t i = 0; i < count; i++)
		if (holds[i].who >= tenants || holds[i].lent > 1 || (holds[i].lent && count != 1))
			return false;
	return l != NULL && (holds->lent ? l->users == LARGE_OWNER : LARGE_PINS(l->users) == count);
}

bool
tenants_are_right(const struct arena *a, struct tenant_hold *holds, uint64_t count, unsigned tenants)
{
	if (count != 0)
		qsort(holds, count, sizeof *holds, by_location);
	for (uint64_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && holds[i + n].location == holds[i].location; n++)
			;
		if (!is_held_so(a, holds + i, n, tenants))
			return false;
	}
	return true;
}

uint64_t
tenants_pins(const struct tenants *t, uint64_t location)
{
	uint64_t first = 0, behind = t->holds_count, pins = 0;

	/* They are sorted, and stay so when some of them go. */
	while (first < behind) {
		uint64_t middle = first + (behind - first) / 2;

		if (t->holds[middle].location < location)
			first = middle + 1;
		else
			behind = middle;
	}
	for (uint64_t i = first; i < t->holds_count && t->holds[i].location == location; i++)
		pins += !t->holds[i].lent;
	return pins;
}

static void
let_go(struct arena *a, const struct tenant_hold *hold)
{
	struct large *l = arena_at(a, hold->location);

	if (!hold->lent) {
		large_unpin(a->pages, l);
		return;
	}
	__atomic_sub_fetch(&a->pages->reserved, large_cost(l), __ATOMIC_RELAXED);
	large_drop(a->pages, &l);
}

static bool
is_gone(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static void
end(struct tenants *t, struct arena *a, unsigned who)
{
	uint64_t left = 0;

	for (uint64_t i = 0; i < t->holds_count; i++)
		if (t->holds[i].who == who)
			let_go(a, &t->holds[i]);
		else
			t->holds[left++] = t->holds[i];
	t->holds_count = left;
	/* The last one gets its number. */
	close(t->pipes[who]);
	t->count--;
	t->pipes[who] = t->pipes[t->count];
	for (uint64_t i = 0; i < left; i++)
		if (t->holds[i].who == t->count)
			t->holds[i].who = who;
}

bool
tenants_look(struct tenants *t, struct arena *a)
{
	unsigned before = t->count;

	for (unsigned who = t->count; who > 0; who--)
		if (is_gone(t->pipes[who - 1]))
			end(t, a, who - 1);
	return t->count != before;
}

void
tenants_fini(struct tenants *t)
{
	for (unsigned i = 0; i < t->count; i++)
		close(t->pipes[i]);
	free(t->holds);
	*t = (struct tenants){ .count = 0 };
}
