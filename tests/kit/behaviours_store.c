/* What every store must do that says more of itself than its answers: what it claims, what memory it holds, how it is drained. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "behaviour.h"

static struct rend_node *
tested(const struct rig *r)
{
	for (size_t i = 0; i < r->generation->count; i++)
		if (&r->generation->nodes[i]->plugin->handler == r->handler)
			return r->generation->nodes[i];
	rig_fail("it is not there");
}

/* ---- what it claims ---- */

static void
claims(struct seat *s)
{
	const struct rend_node *n = tested(s->rig);
	char *said[NODE_CLAIMS_MAX + 1];
	unsigned count = 0;

	if (s->rig->handler->claims == NULL)
		rig_skip("it claims nothing");
	for (const char *claim; (claim = node_claim(n, count)) != NULL;) {
		EXPECT(count < NODE_CLAIMS_MAX, "it claims more than %d things", NODE_CLAIMS_MAX);
		said[count++] = strdup(claim);
	}
	for (unsigned i = 0; i < count; i++) {
		const char *again = node_claim(n, i);

		EXPECT(again != NULL && strcmp(again, said[i]) == 0, "it claims %s first, and then %s", said[i],
		    again == NULL ? "nothing" : again);
		free(said[i]);
	}
}

/* ---- what memory it holds ---- */

#define LARGE 50000

static void
memory_covers(struct seat *s)
{
	char *p = pattern(LARGE, 1);
	uint64_t bytes;

	if (s->rig->handler->memory == NULL)
		rig_skip("it does not know what memory it holds");
	if (!(s->rig->can & REND_FORGETS))
		rig_skip("what it keeps may lie elsewhere");
	expect(store_bytes(s, REND_SET, "k", p, LARGE, 0, 0), REND_OK, "a set of 50,000 bytes");
	expect_hit_bytes(s, "k", p, LARGE);
	node_memory(tested(s->rig), &bytes);
	EXPECT(bytes >= LARGE, "it says that it holds %" PRIu64 " bytes, and it has a value of %d", bytes, LARGE);
	free(p);
}

static void
memory_works(struct seat *s)
{
	char key[16];

	if (s->rig->handler->memory == NULL)
		return; /* not skipped: that would end the process under the other worker */
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof key, "key-%d", i % 500);
		store(s, REND_SET, key, key);
	}
}

static void
memory_asked(struct seat *s)
{
	uint64_t bytes;

	for (int i = 0; i < 5000; i++)
		node_memory(tested(s->rig), &bytes);
}

/* ---- memory for what is on its way ---- */

#define RESERVED 300000

/* Fills room with what a client would send, or leaves it empty: what the store does not want to hold is no fault. */
static void
reserve(struct seat *s, uint64_t hash, const char *p, struct rend_value *room)
{
	const struct rend_seg *segs;

	s->rig->handler->reserve(tested(s->rig)->instances[0]->self, hash, RESERVED, room);
	EXPECT(room->len == 0 || room->len == RESERVED, "it reserved %zu bytes of %d", room->len, RESERVED);
	segs = rend_value_segs(room);
	for (unsigned i = 0; i < room->nsegs; i++) {
		memcpy((char *)(uintptr_t)segs[i].p, p, segs[i].len);
		p += segs[i].len;
	}
}

static void
reserve_holds(struct seat *s)
{
	char *p = pattern(RESERVED, 1);

	if (s->rig->handler->reserve == NULL)
		rig_skip("it has no memory to offer");
	for (int i = 0; i < 3; i++) {
		struct ask *a = ask_new(s, REND_SET, "k", 1);

		p[0] = (char)i;
		reserve(s, a->op->hash, p, &a->op->item.value);
		if (a->op->item.value.len == 0)
			ask_piece(a, p, RESERVED);
		expect(ask_wait(a), REND_OK, "a set of memory that it had reserved");
		ask_drop(a);
		expect_hit_bytes(s, "k", p, RESERVED);
	}
	free(p);
}

static void
reserve_given_back(struct seat *s)
{
	char *p = pattern(RESERVED, 1);

	if (s->rig->handler->reserve == NULL)
		rig_skip("it has no memory to offer");
	set(s, "k", "value");
	/* Many more than would fit, if they stayed. */
	for (uint64_t i = 0; i < 5000; i++) {
		struct rend_value room = { 0 };

		reserve(s, i, p, &room);
		rend_value_drop(&room);
	}
	expect_hit(s, "k", "value");
	free(p);
}

/* ---- draining ---- */

#define WITHIN_NS 1000000000ULL
#define GRACE_NS  8000000000ULL /* of a machine that is busy */

static void
drained(const struct handler_kit *kit, uint64_t within, bool use)
{
	struct rend_error err = { 0 };
	struct rig *r = calloc(1, sizeof *r);
	uint64_t deadline;
	char key[16];

	if (r == NULL || rig_make(r, kit, 1, &err) != 0 || rig_open(r, &err) != 0)
		rig_fail("open() said: %s", err.text);
	if (r->handler->drain == NULL)
		rig_skip("there is nothing to drain");
	seat_enter(&r->seats[0]);
	for (int i = 0; use && rig_has(r, REND_SET) && i < 200; i++) {
		snprintf(key, sizeof key, "key-%d", i);
		store(&r->seats[0], REND_SET, key, key);
	}
	seat_leave(&r->seats[0]);
	deadline = clock_mono() + within;
	generation_drain(r->generation, deadline);
	EXPECT(clock_mono() < deadline + GRACE_NS, "drain() came back too late");
	rig_close(r);
	free(r);
}

static void
drain_in_time(const struct handler_kit *kit)
{
	drained(kit, WITHIN_NS, true);
	drained(kit, WITHIN_NS, false);
}

static void
drain_at_once(const struct handler_kit *kit)
{
	drained(kit, 0, true);
}

const struct behaviour behaviours_store[] = {
	{ .name = "what it claims has an end, and does not change", .run = claims },
	{ .name = "the memory that it says it holds covers its values",
	    .needs = NEEDS(REND_GET) | NEEDS(REND_SET),
	    .run = memory_covers },
	{ .name = "its memory can be asked for while it works",
	    .needs = NEEDS(REND_SET),
	    .run = memory_works,
	    .beside = memory_asked },
	{ .name = "a value in memory that it reserved is stored",
	    .needs = NEEDS(REND_GET) | NEEDS(REND_SET),
	    .run = reserve_holds },
	{ .name = "memory that it reserved can be given back",
	    .needs = NEEDS(REND_GET) | NEEDS(REND_SET),
	    .run = reserve_given_back },
	{ .name = "draining comes back in time, and it can be closed then", .alone = drain_in_time },
	{ .name = "draining without time comes back at once", .alone = drain_at_once },
	{ .name = NULL },
};
