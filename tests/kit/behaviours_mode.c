/* What every handler must do: the modes of verbs, those that all know and those that a handler says it knows. */
#include <inttypes.h>

#include "behaviour.h"
#include "rend/worker.h"

static void
needs_mode(struct seat *s, uint32_t mode, const char *name)
{
	if ((s->rig->handler->modes & mode) == 0)
		rig_skip("it does not say it knows %s", name);
}

/* ---- asking with a mode ---- */

static struct ask *
asked(struct seat *s, unsigned verb, uint32_t mode, const char *value)
{
	struct ask *a = ask_new(s, verb, "k", 1);

	a->op->ask.mode = mode;
	if (value != NULL)
		ask_piece(a, value, strlen(value));
	return a;
}

static struct ask *
get_mode(struct seat *s, uint32_t mode, uint32_t want, int64_t vivify, int64_t recache)
{
	struct ask *a = asked(s, REND_GET, mode, NULL);

	a->op->ask.want = want;
	a->op->ask.vivify = vivify;
	a->op->ask.recache = recache;
	expect(ask_wait(a), REND_OK, "get");
	return a;
}

/* Of the signs that matter here. */
static void
expect_signs(struct ask *a, uint32_t should, const char *what)
{
	uint32_t is = a->op->item.signs & (REND_WON | REND_SENT | REND_STALE);

	EXPECT(is == should, "%s: won %d, sent %d, stale %d; it should be won %d, sent %d, stale %d", what,
	    (is & REND_WON) != 0, (is & REND_SENT) != 0, (is & REND_STALE) != 0, (should & REND_WON) != 0,
	    (should & REND_SENT) != 0, (should & REND_STALE) != 0);
	ask_drop(a);
}

static uint64_t
version(struct seat *s)
{
	struct ask *a = get_mode(s, 0, REND_WANT_CAS, 0, 0);

	if ((a->op->item.have & REND_WANT_CAS) == 0)
		rig_skip("it has no versions");
	return a->op->item.cas;
}

static bool
tells(const struct ask *a, uint32_t what)
{
	return (a->op->item.have & what) != 0;
}

/* ---- what all know ---- */

static void
known_already(struct seat *s)
{
	struct ask *a = ask_new(s, REND_GET, "k", 1);

	set(s, "k", "value");
	a->op->ask.mode = REND_IF_CAS;
	a->op->ask.cas = version(s);
	a->op->ask.want = REND_WANT_VALUE | REND_WANT_CAS;
	expect(ask_wait(a), REND_OK, "get with the item's version");
	EXPECT(
	    !tells(a, REND_WANT_VALUE) && a->op->item.value.len == 0, "a get with the item's version gave the value");
	ask_drop(a);
	a = ask_new(s, REND_GET, "k", 1);
	a->op->ask.mode = REND_IF_CAS;
	a->op->ask.cas = version(s) + 1;
	a->op->ask.want = REND_WANT_VALUE;
	expect(ask_wait(a), REND_OK, "get with another version");
	EXPECT(tells(a, REND_WANT_VALUE) && value_is(&a->op->item.value, "value", 5),
	    "a get with another version did not give the value");
	ask_drop(a);
}

static void
count_touches(struct seat *s)
{
	int64_t then = rend_wall() + 900;
	struct ask *a;

	set(s, "k", "5");
	a = asked(s, REND_INCR, REND_ALSO_TOUCH, NULL);
	a->op->ask.delta = 1;
	a->op->ask.exptime = then;
	a->op->ask.want = REND_WANT_EXPTIME;
	expect(ask_wait(a), REND_OK, "incr that touches");
	EXPECT(
	    !tells(a, REND_WANT_EXPTIME) || a->op->item.exptime == then, "an incr that touches told another exptime");
	a = get_mode(s, 0, REND_WANT_EXPTIME, 0, 0);
	EXPECT(!tells(a, REND_WANT_EXPTIME) || (a->op->item.exptime >= then - 2 && a->op->item.exptime <= then + 2),
	    "an incr that touches left the exptime as it was");
	a = asked(s, REND_INCR, REND_ALSO_TOUCH, NULL);
	a->op->ask.exptime = rend_wall() - 1;
	expect(ask_wait(a), REND_OK, "incr that touches with an exptime that has passed");
	expect_miss(s, "k");
}

static void
sizes(struct seat *s)
{
	struct ask *a;

	set(s, "k", "value");
	a = get_mode(s, 0, REND_WANT_SIZE, 0, 0);
	if (!tells(a, REND_WANT_SIZE))
		rig_skip("it does not tell sizes");
	EXPECT(a->op->item.size == 5, "the size of 5 bytes is %" PRIu64, a->op->item.size);
	EXPECT(a->op->item.value.len == 0, "a get that wants the size gave the value");
	if (rig_has(s->rig, REND_APPEND)) {
		a = asked(s, REND_APPEND, 0, "more");
		a->op->ask.want = REND_WANT_SIZE;
		expect(ask_wait(a), REND_OK, "append");
		EXPECT(!tells(a, REND_WANT_SIZE) || a->op->item.size == 9, "an append that made 9 bytes says %" PRIu64,
		    a->op->item.size);
		ask_drop(a);
	}
}

static void
accesses(struct seat *s)
{
	struct ask *a;

	set(s, "k", "value");
	a = get_mode(s, 0, REND_WANT_ACCESS, 0, 0);
	if (!tells(a, REND_WANT_ACCESS))
		rig_skip("it does not tell accesses");
	EXPECT((a->op->item.signs & REND_HIT_BEFORE) == 0, "nobody had got it, but it was hit before");
	a = get_mode(s, 0, REND_WANT_ACCESS, 0, 0);
	EXPECT(a->op->item.signs & REND_HIT_BEFORE, "a get was not noted as a hit");
	EXPECT(a->op->item.last_access >= 0 && a->op->item.last_access < 30, "it was got %" PRId64 " seconds ago",
	    a->op->item.last_access);
	set(s, "k", "again");
	a = get_mode(s, 0, REND_WANT_ACCESS, 0, 0);
	EXPECT((a->op->item.signs & REND_HIT_BEFORE) == 0, "nobody had got the new value, but it was hit before");
}

static void
no_bump(struct seat *s)
{
	struct ask *a;

	needs_mode(s, REND_NO_BUMP, "REND_NO_BUMP");
	set(s, "k", "value");
	ask_drop(get_mode(s, REND_NO_BUMP, REND_WANT_VALUE, 0, 0));
	a = get_mode(s, 0, REND_WANT_ACCESS, 0, 0);
	EXPECT((a->op->item.signs & REND_HIT_BEFORE) == 0, "a get that is not to be noted was noted as a hit");
}

/* ---- who fills it? ---- */

static void
vivify(struct seat *s)
{
	int64_t then = rend_wall() + 100;
	struct ask *a;

	needs_mode(s, REND_VIVIFY, "REND_VIVIFY");
	a = get_mode(s, REND_VIVIFY, REND_WANT_VALUE | REND_WANT_EXPTIME, then, 0);
	EXPECT(a->op->item.value.len == 0, "what a get vivified is not empty");
	EXPECT(!tells(a, REND_WANT_EXPTIME) || a->op->item.exptime == then, "what a get vivified has another exptime");
	expect_signs(a, REND_WON, "the first get that vivifies");
	expect_signs(get_mode(s, REND_VIVIFY, REND_WANT_VALUE, then, 0), REND_SENT, "the second");
	expect_signs(get_mode(s, 0, REND_WANT_VALUE, 0, 0), REND_SENT, "a plain get of what was vivified");
	set(s, "k", "filled");
	a = get_mode(s, REND_VIVIFY, REND_WANT_VALUE, then, 0);
	EXPECT(value_is(&a->op->item.value, "filled", 6), "a get that vivifies did not give what is there");
	expect_signs(a, 0, "a get of what was filled");
}

static void
recache(struct seat *s)
{
	needs_mode(s, REND_RECACHE, "REND_RECACHE");
	expect(store_bytes(s, REND_SET, "k", "v", 1, 0, rend_wall() + 50), REND_OK, "set");
	expect_signs(get_mode(s, REND_RECACHE, REND_WANT_VALUE, 0, 20), 0, "a get with more time left than asked");
	expect_signs(get_mode(s, REND_RECACHE, REND_WANT_VALUE, 0, 100), REND_WON, "the first get with less time left");
	expect_signs(get_mode(s, REND_RECACHE, REND_WANT_VALUE, 0, 100), REND_SENT, "the second");
	set(s, "k", "for ever");
	expect_signs(get_mode(s, REND_RECACHE, REND_WANT_VALUE, 0, 100), 0, "a get of what never expires");
}

static void
vivify_join(struct seat *s)
{
	static const struct {
		unsigned verb;
		const char *after;
	} rows[] = { { REND_APPEND, "valuevalue" }, { REND_PREPEND, "valuevalue" } };

	needs_mode(s, REND_VIVIFY, "REND_VIVIFY");
	for (int i = 0; i < 2; i++) {
		for (int twice = 0; twice < 2; twice++) {
			struct ask *a = asked(s, rows[i].verb, REND_VIVIFY, "value");

			a->op->ask.vivify = rend_wall() + 100;
			expect(ask_wait(a), REND_OK, rend_verb_name(rows[i].verb));
			ask_drop(a);
		}
		expect_hit(s, "k", rows[i].after);
		expect(plain(s, REND_DELETE, "k"), REND_OK, "delete");
	}
}

static void
vivify_count(struct seat *s)
{
	needs_mode(s, REND_VIVIFY, "REND_VIVIFY");
	for (uint64_t should = 10; should <= 13; should += 3) {
		struct ask *a = asked(s, REND_INCR, REND_VIVIFY, NULL);

		a->op->ask.vivify = rend_wall() + 100;
		a->op->ask.initial = 10;
		a->op->ask.delta = 3;
		expect(ask_wait(a), REND_OK, "incr that vivifies");
		EXPECT(a->op->item.number == should, "an incr that vivifies made %" PRIu64 ", not %" PRIu64,
		    a->op->item.number, should);
	}
	expect_hit(s, "k", "13");
}

/* ---- stale ---- */

static void
invalidate(struct seat *s)
{
	uint64_t before;

	needs_mode(s, REND_INVALIDATE, "REND_INVALIDATE");
	set(s, "k", "old");
	before = version(s);
	expect(ask_wait(asked(s, REND_DELETE, REND_INVALIDATE, NULL)), REND_OK, "delete that invalidates");
	expect_signs(get_mode(s, 0, REND_WANT_VALUE, 0, 0), REND_STALE | REND_WON, "the first get of what is stale");
	expect_signs(get_mode(s, 0, REND_WANT_VALUE, 0, 0), REND_STALE | REND_SENT, "the second");
	expect_hit(s, "k", "old");
	EXPECT(version(s) != before, "a delete that invalidates left the version");
	expect(ask_wait(asked(s, REND_DELETE, REND_INVALIDATE, NULL)), REND_OK, "delete that invalidates again");
	expect_signs(get_mode(s, 0, REND_WANT_VALUE, 0, 0), REND_STALE | REND_WON, "the first get after that");
	set(s, "k", "new");
	expect_signs(get_mode(s, 0, REND_WANT_VALUE, 0, 0), 0, "a get of what was set anew");
}

static void
invalidate_touches(struct seat *s)
{
	int64_t then = rend_wall() + 30;
	struct ask *a;

	needs_mode(s, REND_INVALIDATE, "REND_INVALIDATE");
	set(s, "k", "old");
	a = asked(s, REND_DELETE, REND_INVALIDATE | REND_ALSO_TOUCH, NULL);
	a->op->ask.exptime = then;
	expect(ask_wait(a), REND_OK, "delete that invalidates and touches");
	a = get_mode(s, 0, REND_WANT_EXPTIME, 0, 0);
	EXPECT(!tells(a, REND_WANT_EXPTIME) || a->op->item.exptime == then, "a delete that invalidates did not touch");
}

static void
late_set(struct seat *s)
{
	int64_t then = rend_wall() + 300;
	uint64_t before;
	struct ask *a;

	needs_mode(s, REND_INVALIDATE, "REND_INVALIDATE");
	expect(store_bytes(s, REND_SET, "k", "old", 3, 0, then), REND_OK, "set");
	before = version(s);
	expect(ask_wait(asked(s, REND_DELETE, REND_INVALIDATE, NULL)), REND_OK, "delete that invalidates");
	a = asked(s, REND_SET, REND_INVALIDATE | REND_IF_CAS, "late");
	a->op->ask.cas = before;
	expect(ask_wait(a), REND_OK, "set with a version lower than the item's");
	ask_drop(a);
	a = get_mode(s, 0, REND_WANT_VALUE | REND_WANT_EXPTIME, 0, 0);
	EXPECT(value_is(&a->op->item.value, "late", 4), "a late set was not stored");
	EXPECT(!tells(a, REND_WANT_EXPTIME) || a->op->item.exptime == then, "a late set changed the exptime");
	expect_signs(a, REND_STALE | REND_WON, "a get of what was set late");
	a = asked(s, REND_SET, REND_INVALIDATE | REND_IF_CAS, "x");
	a->op->ask.cas = version(s) + 1;
	expect(ask_wait(a), REND_EXISTS, "set with a version higher than the item's");
	ask_drop(a);
}

static void
drop_value(struct seat *s)
{
	int64_t then = rend_wall() + 300;
	struct ask *a;

	needs_mode(s, REND_DROP_VALUE, "REND_DROP_VALUE");
	expect(store_bytes(s, REND_SET, "k", "value", 5, 9, then), REND_OK, "set");
	expect(ask_wait(asked(s, REND_DELETE, REND_DROP_VALUE, NULL)), REND_OK, "delete of the value");
	a = get_mode(s, 0, REND_WANT_VALUE | REND_WANT_EXPTIME, 0, 0);
	EXPECT(a->op->item.value.len == 0, "a delete of the value left one");
	EXPECT(a->op->item.flags == 0, "a delete of the value left the flags");
	EXPECT(
	    !tells(a, REND_WANT_EXPTIME) || a->op->item.exptime == then, "a delete of the value changed the exptime");
	ask_drop(a);
	expect(plain(s, REND_DELETE, "k"), REND_OK, "delete");
	expect(ask_wait(asked(s, REND_DELETE, REND_DROP_VALUE, NULL)), REND_MISS, "delete of the value of nothing");
}

#define GS  (NEEDS(REND_GET) | NEEDS(REND_SET))
#define GSD (GS | NEEDS(REND_DELETE))

const struct behaviour behaviours_mode[] = {
	{ .name = "a get that has the version already gets no value", .needs = GS, .run = known_already },
	{ .name = "an incr may touch", .needs = GS | NEEDS(REND_INCR), .run = count_touches },
	{ .name = "a size is told without the value", .needs = GS, .run = sizes },
	{ .name = "a get is noted, and told to the next", .needs = GS, .run = accesses },
	{ .name = "a get may go unnoted", .needs = GS, .run = no_bump },
	{ .name = "a get may vivify, and one client wins", .needs = GS, .run = vivify },
	{ .name = "a get may recache, and one client wins", .needs = GS, .run = recache },
	{ .name = "append and prepend may vivify",
	    .needs = GSD | NEEDS(REND_APPEND) | NEEDS(REND_PREPEND),
	    .run = vivify_join },
	{ .name = "incr may vivify", .needs = GS | NEEDS(REND_INCR), .run = vivify_count },
	{ .name = "a delete may leave the item as stale, and one client wins", .needs = GSD, .run = invalidate },
	{ .name = "a delete that leaves the item may touch it", .needs = GSD, .run = invalidate_touches },
	{ .name = "a late set may be stored as stale", .needs = GSD, .run = late_set },
	{ .name = "a delete may drop the value and leave the item", .needs = GSD, .run = drop_value },
	{ .name = NULL },
};
