/* Does everything in a store agree?  See audit_test.h. */
#include "audit_test.h"

#include <stdio.h>
#include <stdlib.h>

struct audit {
	const struct store *store;
	uint64_t *alive; /* bytes, per segment */
	uint64_t *away;	 /* per bucket */
	int64_t items;
	uint64_t large; /* bytes */
	bool failed;
};

static void
wrong(struct audit *a, const char *what, uint64_t where)
{
	if (!a->failed)
		fprintf(stderr, "audit: %s, at %llu\n", what, (unsigned long long)where);
	a->failed = true;
}

static void
entry_is_right(struct audit *a, uint64_t bucket, uint64_t *slot)
{
	struct store *s = (struct store *)(uintptr_t)a->store;
	uint64_t entry = *slot, location = entry_location(entry), page = bucket / INDEX_BUCKETS * INDEX_BUCKETS;
	struct record *r = arena_at(&s->arena, location);
	struct index_key key = { .key = r->key, .len = r->keylen, .hash = r->hash };
	struct large *l = large_of(r);
	uint64_t *found;

	a->items++;
	a->alive[arena_segment(&s->arena, location)] += record_footprint(r);
	if (index_home_of((unsigned)(bucket % INDEX_BUCKETS), entry) != r->hash % INDEX_BUCKETS)
		wrong(a, "an entry stands where it has no home", bucket);
	if (index_find(&s->index, &key, &found) != entry || found != slot)
		wrong(a, "a key is not found where it stands", bucket);
	if ((entry & ENTRY_WHERE) != 0)
		a->away[page + r->hash % INDEX_BUCKETS]++;
	if (l != NULL)
		a->large += l->cost;
}

static void
segments_are_right(struct audit *a)
{
	const struct store *s = a->store;

	for (uint32_t n = 0; n < s->arena.segments; n++) {
		const struct segment *seg = &s->log.segments[n];
		uint32_t end = seg->state == SEGMENT_OPEN ? seg->fill : seg->end;

		if (seg->state >= SEGMENT_OPEN && seg->state <= SEGMENT_VICTIM) {
			if (a->alive[n] + seg->dead != end)
				wrong(a, "alive and dead are not what is in a segment", n);
		} else if (a->alive[n] != 0) {
			wrong(a, "something lives in a segment that is not in use", n);
		}
	}
}

int64_t
audit(const struct store *s)
{
	uint64_t buckets = index_buckets(&s->index);
	struct audit a = {
		.store = s, .alive = calloc(s->arena.segments, sizeof *a.alive), .away = calloc(buckets, sizeof *a.away)
	};

	if (a.alive == NULL || a.away == NULL)
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
	if ((uint64_t)a.items != store_count(s))
		wrong(&a, "the number of items is another", (uint64_t)a.items);
	free(a.alive);
	free(a.away);
	return a.failed ? -1 : a.items;
}

uint64_t
audit_bytes(const struct store *s)
{
	uint64_t bytes = s->arena.index_at + index_buckets(&s->index) * sizeof(struct bucket);

	for (uint32_t n = 0; n < s->arena.segments; n++)
		if (s->log.segments[n].state != SEGMENT_VOID)
			bytes += arena_segment_size(&s->arena);
	return bytes + s->log.bytes[LOG_SMALL] + s->log.bytes[LOG_MAIN];
}
