/* Does everything in a store agree?  See audit_test.h. */
#include "audit_test.h"

#include <stdio.h>
#include <stdlib.h>

struct audit {
	const struct store *store;
	uint64_t *alive;    /* bytes, per segment */
	uint64_t *away;	    /* per bucket */
	uint64_t *expiring; /* bytes of those that will expire, per segment */
	int64_t items;
	uint64_t *weight; /* bytes of large values, per segment */
	uint64_t *lain;	  /* the map of units, as it should be */
	uint64_t words;
	bool failed;
};

static void
wrong(struct audit *a, const char *what, uint64_t where)
{
	if (!a->failed)
		fprintf(stderr, "audit: %s, at %llu\n", what, (unsigned long long)where);
	a->failed = true;
}

static bool
bit(const uint64_t *map, uint64_t n)
{
	return map[n / 64] >> n % 64 & 1;
}

static void
large_is_right(struct audit *a, const struct large *l)
{
	uint64_t units = 0;

	for (unsigned i = 0; i < l->runs_count; i++) {
		units += l->runs[i].count;
		for (uint64_t u = l->runs[i].start; u < l->runs[i].start + l->runs[i].count; u++) {
			if (bit(a->lain, u))
				wrong(a, "two values lie in one unit", u);
			a->lain[u / 64] |= 1ULL << u % 64;
		}
	}
	if (units != l->units || l->head + l->len > units * PAGES_UNIT)
		wrong(a, "a value is not as long as its runs", l->units);
	if (!large_alone(l))
		wrong(a, "a value has users that are not there", l->users);
}

static void
entry_is_right(struct audit *a, uint64_t bucket, uint64_t *slot)
{
	struct store *s = (struct store *)(uintptr_t)a->store;
	uint64_t entry = *slot, location = entry_location(entry), page = bucket / INDEX_BUCKETS * INDEX_BUCKETS;
	struct record *r = arena_at(&s->arena, location);
	struct index_key key = { .key = r->key, .len = r->keylen, .hash = r->hash };
	struct large *l = large_of(&s->arena, r);
	uint64_t *found;

	a->items++;
	a->alive[arena_segment(&s->arena, location)] += record_footprint(r);
	if (record_exptime(r) != 0)
		a->expiring[arena_segment(&s->arena, location)] += record_footprint(r);
	if (index_home_of((unsigned)(bucket % INDEX_BUCKETS), entry) != r->hash % INDEX_BUCKETS)
		wrong(a, "an entry stands where it has no home", bucket);
	if (index_find(&s->index, &key, &found) != entry || found != slot)
		wrong(a, "a key is not found where it stands", bucket);
	if ((entry & ENTRY_WHERE) != 0)
		a->away[page + r->hash % INDEX_BUCKETS]++;
	if (l == NULL)
		return;
	large_is_right(a, l);
	a->weight[arena_segment(&s->arena, location)] += large_cost(l);
}

/* Of the region: what is in use is what values lie in, and the counts of pages and of room say so. */
static void
pages_are_right(struct audit *a)
{
	const struct pages *p = a->store->arena.pages;
	uint64_t in_use = 0, warm = 0;

	for (uint32_t g = 0; g < p->groups; g++) {
		unsigned room = 0;

		for (unsigned u = 0; u < PAGES_GROUP_UNITS; u++)
			room += !bit(p->used, (uint64_t)g * PAGES_GROUP_UNITS + u);
		if (p->room[g] != room)
			wrong(a, "a group has not the room that it says", g);
		if (g >= p->top && room != PAGES_GROUP_UNITS)
			wrong(a, "a group is in use that never was", g);
	}
	for (uint64_t page = 0; page < (uint64_t)p->groups * (PAGES_GROUP / PAGES_PAGE); page++) {
		bool used = ((const uint8_t *)p->used)[page] != 0;

		in_use += used;
		warm += bit(p->warm, page);
		if (used && bit(p->warm, page))
			wrong(a, "a page is in use, and free", page);
	}
	for (uint64_t w = 0; w < a->words; w++)
		if (a->lain[w] != p->used[w])
			wrong(a, "units are in use that no value lies in, or the other way round", w);
	if (in_use != p->in_use || warm != p->warmed || p->claimed != 0)
		wrong(a, "pages are not counted right", in_use);
	if (p->in_use + p->warmed > p->paid)
		wrong(a, "more pages have memory than are paid for", p->paid);
	if (p->orphans != 0 || p->reserved != 0)
		wrong(a, "nobody has what is said to be held", p->orphans);
}

/* Does a segment know of all that will expire, and of nothing else? */
static bool
lives_are_right(const struct audit *a, uint32_t n)
{
	const struct lives *lives = &a->store->log.segments[n].lives;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < LIVES_STEPS; i++)
		bytes += lives->steps[i];
	return bytes == a->expiring[n];
}

static void
segments_are_right(struct audit *a)
{
	const struct store *s = a->store;
	uint64_t bytes[LOG_QUEUES] = { 0 };

	for (uint32_t n = 0; n < s->arena.segments; n++) {
		const struct segment *seg = &s->log.segments[n];
		uint32_t end = seg->state == SEGMENT_OPEN ? seg->fill : seg->end;

		if (seg->state >= SEGMENT_OPEN && seg->state <= SEGMENT_VICTIM) {
			if (a->alive[n] + seg->dead != end)
				wrong(a, "alive and dead are not what is in a segment", n);
			if (!lives_are_right(a, n))
				wrong(a, "what expires in a segment is not what it says", n);
			if (a->weight[n] != seg->weight)
				wrong(a, "a segment has not the large values that it says", n);
			bytes[seg->queue] += arena_segment_size(&s->arena) + a->weight[n];
		} else if (a->alive[n] != 0) {
			wrong(a, "something lives in a segment that is not in use", n);
		}
	}
	for (unsigned q = 0; q < LOG_QUEUES; q++)
		if (bytes[q] != s->log.bytes[q])
			wrong(a, "a queue has not the bytes that it says", q);
}

int64_t
audit(const struct store *s)
{
	uint64_t buckets = index_buckets(&s->index);
	struct audit a = {
		.store = s,
		.alive = calloc(s->arena.segments, sizeof *a.alive),
		.away = calloc(buckets, sizeof *a.away),
		.expiring = calloc(s->arena.segments, sizeof *a.expiring),
		.weight = calloc(s->arena.segments, sizeof *a.weight),
		.words = (uint64_t)s->arena.pages->groups * PAGES_GROUP_UNITS / 64,
	};

	a.lain = calloc(a.words, sizeof *a.lain);
	if (a.alive == NULL || a.away == NULL || a.lain == NULL || a.expiring == NULL || a.weight == NULL)
		abort();
	if (growth_runs(&s->index))
		wrong(&a, "a set is being sorted", 0);
	for (uint64_t n = 0; n < buckets; n++)
		for (unsigned i = 0; i < INDEX_SLOTS; i++)
			if (index_bucket(&s->index, n)->slots[i] != 0)
				entry_is_right(&a, n, &index_bucket(&s->index, n)->slots[i]);
	for (uint64_t n = 0; n < buckets; n++) {
		const struct bucket *b = index_bucket(&s->index, n);

		if (b->away != a.away[n] || (b->away != 0 && b->filter == 0) || b->lock != 0)
			wrong(&a, "a home does not know who is away", n);
	}
	segments_are_right(&a);
	pages_are_right(&a);
	if ((uint64_t)a.items != store_count(s))
		wrong(&a, "the number of items is another", (uint64_t)a.items);
	free(a.alive);
	free(a.away);
	free(a.expiring);
	free(a.weight);
	free(a.lain);
	return a.failed ? -1 : a.items;
}

uint64_t
audit_bytes(const struct store *s)
{
	uint64_t bytes = s->arena.index_at + index_buckets(&s->index) * sizeof(struct bucket);

	for (uint32_t n = 0; n < s->arena.segments; n++)
		if (s->log.segments[n].state != SEGMENT_VOID)
			bytes += arena_segment_size(&s->arena);
	return bytes + s->arena.pages->paid * PAGES_PAGE;
}
