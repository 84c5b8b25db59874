/* What happened to one key: see history.h. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

#define LEAST 64

const char *
history_name(enum history_kind k)
{
	static const char *const names[HISTORY_KINDS] = {
		[HISTORY_FINE] = "fine",
		[HISTORY_UNWRITTEN] = "unwritten",
		[HISTORY_STALE] = "stale",
		[HISTORY_RESURRECTED] = "resurrected",
		[HISTORY_INVERSION] = "inversion",
		[HISTORY_EXPIRED] = "expired",
		[HISTORY_LOST] = "lost_value",
	};

	return names[k];
}

void
history_fini(struct history *h)
{
	free(h->versions);
	free(h->open);
	*h = (struct history){ 0 };
}

/* ---- what is remembered ---- */

static void
remember(struct history *h, struct version v)
{
	if (h->count == h->room) {
		uint32_t room = h->room == 0 ? LEAST : h->room * 2;
		struct version *more = realloc(h->versions, room * sizeof *more);

		if (more == NULL) {
			h->blind = true;
			return;
		}
		h->versions = more;
		h->room = room;
	}
	h->versions[h->count++] = v;
}

static struct version *
find(struct history *h, uint64_t number)
{
	for (uint32_t i = h->count; i-- > 0;)
		if (h->versions[i].number == number)
			return &h->versions[i];
	return NULL;
}

static void
drop(struct history *h, struct version *v)
{
	*v = h->versions[--h->count];
}

/* The older half of the writes without an answer is no longer judged. */
static void
forget_open(struct history *h)
{
	uint32_t half = h->open_count / 2;

	for (uint32_t i = 0; i < half; i++)
		if (h->open[i].number > h->forgotten)
			h->forgotten = h->open[i].number;
	h->open_count -= half;
	memmove(h->open, h->open + half, h->open_count * sizeof *h->open);
}

static void
remember_open(struct history *h, const struct version *v)
{
	if (h->open_count == HISTORY_OPEN_MAX)
		forget_open(h);
	if (h->open_count == h->open_room) {
		uint32_t room = h->open_room == 0 ? LEAST : h->open_room * 2;
		struct open_write *more = realloc(h->open, room * sizeof *more);

		if (more == NULL) {
			h->blind = true;
			return;
		}
		h->open = more;
		h->open_room = room;
	}
	h->open[h->open_count++] = (struct open_write){ v->number, v->begin, v->ttl };
}

/* A write without an answer was seen: now it is a version like others. */
static struct version *
reveal(struct history *h, uint64_t number)
{
	for (uint32_t i = 0; i < h->open_count; i++) {
		struct open_write w = h->open[i];

		if (w.number != number)
			continue;
		h->open_count--;
		memmove(h->open + i, h->open + i + 1, (h->open_count - i) * sizeof *h->open);
		remember(h, (struct version){ .number = number,
				.begin = w.begin,
				.end = HISTORY_NEVER,
				.first = HISTORY_NEVER,
				.last = w.begin,
				.ttl = w.ttl });
		return h->blind ? NULL : &h->versions[h->count - 1];
	}
	return NULL;
}

/* ---- writes and removals ---- */

static void
over(struct history *h, uint64_t end)
{
	h->removing--;
	if (end > h->removed)
		h->removed = end;
}

void
history_write(struct history *h, uint64_t number, uint64_t begin, uint32_t ttl)
{
	h->removing += ttl != 0;
	remember(h, (struct version){ .number = number,
			.begin = begin,
			.end = HISTORY_NEVER,
			.first = HISTORY_NEVER,
			.last = begin,
			.ttl = ttl,
			.flying = true });
}

void
history_written(struct history *h, uint64_t number, uint64_t end)
{
	struct version *v = find(h, number);

	if (v == NULL)
		return;
	v->end = end;
	v->flying = false;
	if (v->first == HISTORY_NEVER)
		v->first = end;
	if (v->ttl != 0)
		over(h, end);
}

struct history_finding
history_refused(struct history *h, uint64_t number)
{
	struct version *v = find(h, number);
	struct history_finding f = { .judged = true };

	if (v == NULL)
		return f;
	/* Somebody has read it. */
	if (v->first != HISTORY_NEVER) {
		f.kind = HISTORY_UNWRITTEN;
		f.seen = *v;
	}
	if (v->ttl != 0)
		over(h, 0);
	drop(h, v);
	return f;
}

void
history_unanswered(struct history *h, uint64_t number)
{
	struct version *v = find(h, number);

	if (v == NULL)
		return;
	/* A server that fails to store may remove what was there. */
	h->removed = HISTORY_NEVER;
	h->removing -= v->ttl != 0;
	v->flying = false;
	if (v->first != HISTORY_NEVER)
		return;
	remember_open(h, v);
	drop(h, v);
}

void
history_remove(struct history *h)
{
	h->removing++;
}

void
history_removed(struct history *h, enum history_what what, uint64_t begin, uint64_t end)
{
	over(h, end);
	remember(h, (struct version){ .begin = begin, .end = end, .first = end, .last = begin, .what = (uint8_t)what });
}

void
history_unremoved(struct history *h)
{
	over(h, HISTORY_NEVER);
}

void
history_touch(struct history *h, uint32_t ttl)
{
	lifetime_touch(&h->life);
	h->removing += ttl != 0;
}

void
history_touched(struct history *h, enum lifetime_end how, uint64_t begin, uint64_t end, uint32_t ttl,
    const struct history_rules *rules)
{
	lifetime_touched(&h->life, how, begin, end, ttl, rules->atomic);
	if (ttl != 0)
		over(h, how == LIFETIME_UNANSWERED ? HISTORY_NEVER : how == LIFETIME_MISSED ? 0 : end);
}

/* ---- reads ---- */

/* When it is over, and how young it is, for what came before it. */
static uint64_t
done(const struct version *v, bool atomic)
{
	return atomic ? v->first : v->end;
}

static uint64_t
youth(const struct version *v, bool atomic)
{
	return atomic ? v->last : v->begin;
}

/* What replaced, before a read that began at `begin`, a version that was there at `first`; the youngest, acknowledged ones before
 * others; NULL: nothing. */
static const struct version *
replaced_by(const struct history *h, const struct version *v, uint64_t first, uint64_t begin, bool atomic)
{
	const struct version *by = NULL;

	for (uint32_t i = 0; i < h->count; i++) {
		const struct version *u = &h->versions[i];

		if (u != v && u->end < begin && u->begin > first && (by == NULL || u->begin > by->begin))
			by = u;
	}
	for (uint32_t i = 0; by == NULL && atomic && i < h->count; i++)
		if (&h->versions[i] != v && h->versions[i].first < begin && h->versions[i].last > first)
			by = &h->versions[i];
	return by;
}

static enum history_kind
kind_by(const struct version *by, uint64_t first, uint64_t begin)
{
	if (by->end >= begin || by->begin <= first)
		return HISTORY_INVERSION;
	return by->what == HISTORY_DELETE || by->what == HISTORY_FLUSH ? HISTORY_RESURRECTED : HISTORY_STALE;
}

/* It is not remembered: it was replaced long ago, or nobody wrote it. */
static struct history_finding
unknown(const struct history *h, const struct history_rules *rules, uint64_t number, uint64_t begin)
{
	struct history_finding f = { .judged = true, .kind = HISTORY_UNWRITTEN, .seen = { .number = number } };
	const struct version *by;

	f.seen.what = HISTORY_EARLIER;
	f.judged = !h->blind && number > h->forgotten;
	if (!f.judged)
		f.kind = HISTORY_FINE;
	if (!f.judged || (number > h->dropped && number != h->earlier))
		return f;
	/* Whatever it was over by is still known, and over, too. */
	by = replaced_by(h, NULL, 0, begin, rules->atomic);
	if (by != NULL) {
		f.kind = kind_by(by, 0, begin);
		f.by = *by;
	}
	return f;
}

struct history_finding
history_read(struct history *h, const struct history_rules *rules, uint64_t number, uint64_t begin, uint64_t end)
{
	struct history_finding f = { .judged = true };
	struct version *v = find(h, number);
	const struct version *by;
	uint64_t limit;

	if (v == NULL)
		v = reveal(h, number);
	/* An earlier run may have left a write without an answer: nobody knows when that one happens. */
	if (v == NULL && number <= rules->base && number != h->earlier) {
		remember(
		    h, (struct version){
			   .number = number, .end = HISTORY_NEVER, .first = HISTORY_NEVER, .what = HISTORY_EARLIER });
		v = h->blind ? NULL : &h->versions[h->count - 1];
	}
	if (v == NULL || h->blind)
		return unknown(h, rules, number, begin);
	by = replaced_by(h, v, v->first, begin, rules->atomic);
	if (v->first > end)
		v->first = end;
	if (begin > v->last)
		v->last = begin;
	f.seen = *v;
	if (by != NULL) {
		f.kind = kind_by(by, v->first, begin);
		f.by = *by;
		return f;
	}
	if (v->what == HISTORY_EARLIER)
		return f;
	limit = lifetime_limit(&h->life, v->begin, v->first, v->ttl, begin, rules->atomic);
	if (limit != LIFETIME_NEVER && begin > limit + rules->slack) {
		f.kind = HISTORY_EXPIRED;
		f.expired = limit;
	}
	return f;
}

struct history_finding
history_miss(struct history *h, const struct history_rules *rules, uint64_t begin)
{
	struct history_finding f = { .judged = true };
	uint64_t written = h->settled;

	if (!rules->no_evictions || h->removing > 0 || h->blind)
		return f;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct version *v = &h->versions[i];

		if (v->number != 0 && v->ttl == 0 && v->end < begin && v->begin > written) {
			written = v->begin;
			f.by = *v;
		}
	}
	if (written > h->removed)
		f.kind = HISTORY_LOST;
	return f;
}

/* ---- forgetting ---- */

/* The two youngest that every later read comes after: whatever one of the others could show to be replaced, one of these can, too. */
static void
find_pair(const struct history *h, bool atomic, uint64_t horizon, uint32_t pair[2])
{
	for (uint32_t i = 0; i < h->count; i++) {
		const struct version *v = &h->versions[i];

		if (done(v, atomic) >= horizon)
			continue;
		if (pair[0] == UINT32_MAX || youth(v, atomic) > youth(&h->versions[pair[0]], atomic)) {
			pair[1] = pair[0];
			pair[0] = i;
		} else if (pair[1] == UINT32_MAX || youth(v, atomic) > youth(&h->versions[pair[1]], atomic)) {
			pair[1] = i;
		}
	}
}

void
history_tidy(struct history *h, const struct history_rules *rules, uint64_t horizon)
{
	uint32_t pair[2] = { UINT32_MAX, UINT32_MAX }, kept = 0;
	uint64_t youngest;

	if (h->count < h->limit)
		return;
	find_pair(h, rules->atomic, horizon, pair);
	youngest = pair[0] == UINT32_MAX ? 0 : youth(&h->versions[pair[0]], rules->atomic);
	for (uint32_t i = 0; i < h->count; i++) {
		const struct version *v = &h->versions[i];
		/* A write without an answer replaces nothing, with `fresh`. */
		bool settled = done(v, rules->atomic) < horizon || (!rules->atomic && v->end == HISTORY_NEVER);

		if (i == pair[0] || i == pair[1] || v->flying || !settled || v->first >= youngest) {
			h->versions[kept++] = *v;
			continue;
		}
		if (v->what == HISTORY_EARLIER)
			h->earlier = v->number;
		else if (v->number > h->dropped)
			h->dropped = v->number;
		if (v->number != 0 && v->ttl == 0 && v->end < horizon && v->begin > h->settled)
			h->settled = v->begin;
	}
	h->count = kept;
	h->limit = kept * 2 < LEAST ? LEAST : kept * 2;
}
