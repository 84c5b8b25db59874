/*
 * What is not stored although there would be room: too large, gone too soon, or more than the disk is to be written.
 *
 *	budget: a second of it at most is put aside ──► what is written is taken off ──► nothing left, or less: no more is stored until there is
 *
 * So a value may be longer than what is left, even than a second of the budget; then it is a while until the next one.
 */
#include "state.h"

#define NS_PER_S 1000000000ULL

/* ---- the budget ---- */

/* The lock is held.  What does not make a whole byte yet is left for the next time. */
static void
refill(struct admission *a, uint64_t budget, uint64_t now)
{
	uint64_t room = (uint64_t)((int64_t)budget - a->left);
	unsigned __int128 gained;

	/* Workers' clocks stand still for a turn each: another may have been here with a later one. */
	if (now <= a->since)
		return;
	gained = (unsigned __int128)(now - a->since) * budget / NS_PER_S;
	if (gained >= room) {
		a->left = (int64_t)budget;
		a->since = now;
		return;
	}
	a->left += (int64_t)gained;
	a->since += (uint64_t)(gained * NS_PER_S / budget);
}

/* any: it is written whatever is left; then it is owed for, up to a second of the budget. */
static bool
spend(struct store *s, uint64_t bytes, bool any)
{
	struct admission *a = &s->admission;
	uint64_t budget = s->options.write_budget;
	bool ok;

	if (budget == 0)
		return true;
	pthread_mutex_lock(&a->lock);
	refill(a, budget, io_now(s->io));
	ok = any || a->left > 0;
	if (a->left > (any ? -(int64_t)budget : 0))
		a->left -= (int64_t)bytes;
	pthread_mutex_unlock(&a->lock);
	return ok;
}

void
admit_written(struct store *s, uint64_t bytes)
{
	spend(s, bytes, true);
}

/* ---- a value ---- */

static bool
lives_too_short(const struct store *s, const struct store_item *item, int64_t wall)
{
	return !item->keeps_time && item->exptime != 0 && !exptime_passed(item->exptime, wall) &&
	       item->exptime - wall < s->options.min_ttl;
}

static uint64_t
cost(const struct store *s, const struct store_item *item)
{
	uint64_t chunk = s->g.chunk;

	return (RECORD_HEAD + item->keylen + item->value->len + chunk - 1) / chunk * chunk;
}

static bool
admits(struct store *s, const struct store_item *item, int64_t wall)
{
	uint64_t len = item->value->len, bytes = cost(s, item);

	if (item->needed) {
		admit_written(s, bytes);
		return true;
	}
	if (s->options.max_value != 0 && len > s->options.max_value) {
		COUNT(s, refused_size, 1);
		return false;
	}
	if (lives_too_short(s, item, wall)) {
		COUNT(s, refused_ttl, 1);
		return false;
	}
	if (!spend(s, bytes, false)) {
		COUNT(s, refused_budget, 1);
		return false;
	}
	return true;
}

bool
store_admit(struct store *s, const struct store_item *item, int64_t wall)
{
	if (admits(s, item, wall))
		return true;
	store_refuse(s, item->khash);
	return false;
}

void
store_admit_back(struct store *s, const struct store_item *item)
{
	struct admission *a = &s->admission;
	int64_t budget = (int64_t)s->options.write_budget, bytes = (int64_t)cost(s, item);

	if (budget == 0)
		return;
	pthread_mutex_lock(&a->lock);
	a->left = budget - a->left > bytes ? a->left + bytes : budget;
	pthread_mutex_unlock(&a->lock);
}

void
admit_init(struct store *s)
{
	pthread_mutex_init(&s->admission.lock, NULL);
	s->admission.left = (int64_t)s->options.write_budget;
	s->admission.since = io_now(s->io);
}

void
admit_fini(struct store *s)
{
	pthread_mutex_destroy(&s->admission.lock);
}
