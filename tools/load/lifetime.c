/* How long a value may live: see lifetime.h. */
#include "lifetime.h"

#include <stddef.h>
#include <string.h>

/* When what was set before `end` expires, at the latest. */
static uint64_t
expiry(uint64_t end, uint32_t ttl)
{
	return ttl == 0 || end == LIFETIME_NEVER ? LIFETIME_NEVER : end + ttl * UINT64_C(1000000000);
}

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void
lifetime_touch(struct lifetime *l)
{
	l->flying++;
}

/* Makes room: those that were over before a later one began no longer count; if there are none, the oldest counts for ever. */
static void
forget(struct lifetime *l, bool atomic)
{
	uint64_t settled = 0;
	uint32_t kept = 0;

	for (uint32_t i = 0; atomic && i < l->count; i++)
		settled = later(settled, l->touches[i].begin);
	for (uint32_t i = 0; i < l->count; i++)
		if (l->touches[i].end >= settled)
			l->touches[kept++] = l->touches[i];
	if (kept == LIFETIME_TOUCHES) {
		l->longest = later(l->longest, expiry(l->touches[0].end, l->touches[0].ttl));
		memmove(l->touches, l->touches + 1, --kept * sizeof *l->touches);
	}
	l->count = kept;
}

void
lifetime_touched(struct lifetime *l, enum lifetime_end how, uint64_t begin, uint64_t end, uint32_t ttl, bool atomic)
{
	l->flying--;
	if (how == LIFETIME_UNANSWERED)
		l->open = true;
	if (how != LIFETIME_TOUCHED)
		return;
	if (l->count == LIFETIME_TOUCHES)
		forget(l, atomic);
	l->touches[l->count++] = (struct touch){ begin, end, ttl };
}

uint64_t
lifetime_limit(const struct lifetime *l, uint64_t begin, uint64_t first, uint32_t ttl, uint64_t read, bool atomic)
{
	const struct touch *settles = NULL;
	uint64_t limit;

	if (l->open || l->flying > 0)
		return LIFETIME_NEVER;
	for (uint32_t i = 0; atomic && i < l->count; i++) {
		const struct touch *t = &l->touches[i];

		if (t->begin > first && t->end < read && (settles == NULL || t->begin > settles->begin))
			settles = t;
	}
	limit = settles != NULL ? 0 : expiry(first, ttl);
	for (uint32_t i = 0; i < l->count; i++) {
		const struct touch *t = &l->touches[i];

		if (t->end > begin && (settles == NULL || t->end >= settles->begin))
			limit = later(limit, expiry(t->end, t->ttl));
	}
	return later(limit, l->longest);
}
