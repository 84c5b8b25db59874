/* What every handler must do: versions, and the guard that keeps late promotions out. */
#include <inttypes.h>

#include "behaviour.h"
#include "engine/guard.h"
#include "rend/plugin.h"

/* The item's version; a handler without versions has none of these behaviours. */
static uint64_t
version(struct seat *s, const char *key)
{
	struct ask *a = get(s, key, REND_WANT_CAS);

	expect((enum rend_status)a->op->status, REND_OK, "get of a version");
	if ((a->op->item.have & REND_WANT_CAS) == 0)
		rig_skip("it has no versions");
	EXPECT(a->op->item.cas != 0, "a get says it has the version, and it is 0");
	return a->op->item.cas;
}

static struct ask *
if_cas(struct seat *s, unsigned verb, const char *value, uint64_t cas)
{
	struct ask *a = ask_new(s, verb, "k", 1);

	if (value != NULL)
		ask_piece(a, value, strlen(value));
	a->op->ask.mode = REND_IF_CAS;
	a->op->ask.cas = cas;
	a->op->ask.delta = 1;
	ask_wait(a);
	return a;
}

static enum rend_status
cas(struct seat *s, unsigned verb, const char *value, uint64_t is)
{
	struct ask *a = if_cas(s, verb, value, is);

	ask_drop(a);
	return (enum rend_status)a->op->status;
}

static void
match(struct seat *s)
{
	struct ask *a;
	uint64_t old;

	set(s, "k", "old");
	old = version(s, "k");
	a = if_cas(s, REND_SET, "new", old);
	expect((enum rend_status)a->op->status, REND_OK, "set with the right version");
	EXPECT(a->op->item.cas == version(s, "k"), "a set answered version %" PRIu64 ", and a get says %" PRIu64,
	    a->op->item.cas, version(s, "k"));
	EXPECT(version(s, "k") != old, "a set did not change the version");
	expect_hit(s, "k", "new");
}

static void
mismatch(struct seat *s)
{
	uint64_t old;

	set(s, "k", "old");
	old = version(s, "k");
	set(s, "k", "newer");
	expect(cas(s, REND_SET, "mine", old), REND_EXISTS, "set with an old version");
	expect(cas(s, REND_SET, "mine", old + 1000), REND_EXISTS, "set with a version nobody ever saw");
	expect_hit(s, "k", "newer");
}

static void
missing(struct seat *s)
{
	set(s, "other", "v");
	expect(
	    cas(s, REND_SET, "mine", version(s, "other")), REND_MISS, "set with a version of a key that is not there");
	expect_miss(s, "k");
}

static void
other_verbs(struct seat *s)
{
	static const struct {
		unsigned verb;
		const char *value;
	} verbs[] = { { REND_REPLACE, "5" }, { REND_APPEND, "5" }, { REND_PREPEND, "5" }, { REND_INCR, NULL },
		{ REND_DECR, NULL }, { REND_DELETE, NULL } };

	for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		uint64_t now;

		if (!rig_has(s->rig, verbs[i].verb))
			continue;
		set(s, "k", "10");
		now = version(s, "k");
		expect(cas(s, verbs[i].verb, verbs[i].value, now + 1), REND_EXISTS, rend_verb_name(verbs[i].verb));
		expect_hit(s, "k", "10");
		EXPECT(
		    version(s, "k") == now, "a %s that was refused changed the version", rend_verb_name(verbs[i].verb));
		expect(cas(s, verbs[i].verb, verbs[i].value, now), REND_OK, rend_verb_name(verbs[i].verb));
		expect(plain(s, REND_DELETE, "k"), verbs[i].verb == REND_DELETE ? REND_MISS : REND_OK, "delete");
		expect(cas(s, verbs[i].verb, verbs[i].value, now), REND_MISS, rend_verb_name(verbs[i].verb));
	}
}

static void
every_mutation(struct seat *s)
{
	static const struct {
		unsigned verb;
		const char *value;
	} verbs[] = { { REND_SET, "1" }, { REND_REPLACE, "1" }, { REND_APPEND, "1" }, { REND_PREPEND, "1" },
		{ REND_INCR, NULL }, { REND_DECR, NULL } };
	uint64_t before;

	set(s, "k", "1");
	before = version(s, "k");
	for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		struct ask *a = ask_new(s, verbs[i].verb, "k", 1);

		if (!rig_has(s->rig, verbs[i].verb))
			continue;
		if (verbs[i].value != NULL)
			ask_piece(a, verbs[i].value, 1);
		a->op->ask.delta = 1;
		expect(ask_wait(a), REND_OK, rend_verb_name(verbs[i].verb));
		EXPECT(version(s, "k") != before, "a %s left the version as it was", rend_verb_name(verbs[i].verb));
		EXPECT(a->op->item.cas == version(s, "k"), "a %s did not answer with the new version",
		    rend_verb_name(verbs[i].verb));
		before = version(s, "k");
		ask_drop(a);
	}
	set(s, "other", "1");
	EXPECT(version(s, "other") != before, "two items have the same version");
}

static void
touch_keeps(struct seat *s)
{
	uint64_t before;

	set(s, "k", "v");
	before = version(s, "k");
	expect(touch(s, "k", rend_wall() + 1000), REND_OK, "touch");
	EXPECT(version(s, "k") == before, "a touch changed the version");
}

static void
chosen(struct seat *s)
{
	struct ask *a = ask_new(s, REND_SET, "k", 1);

	set(s, "k", "v");
	version(s, "k");
	ask_piece(a, "w", 1);
	a->op->ask.cas_new = 1ULL << 40;
	expect(ask_wait(a), REND_OK, "set that brings its version");
	EXPECT(version(s, "k") == 1ULL << 40, "a set that brought version 2^40 stored %" PRIu64, version(s, "k"));
	expect(store(s, REND_SET, "k", "x"), REND_OK, "set");
	EXPECT(version(s, "k") != 1ULL << 40, "a set after it kept that version");
}

/* ---- the guard ---- */

static enum rend_status
guarded(struct seat *s, unsigned verb, uint32_t mode, struct guard *words, bool changed)
{
	struct ask *a = ask_new(s, verb, "k", 1);
	struct rend_guard mine = { 0 }, writer = { 0 };
	enum rend_status status;

	guard_read(words, a->op->hash, &mine);
	if (changed)
		EXPECT(guard_write(words, a->op->hash, &writer), "the guard is full");
	a->op->guard = &mine;
	if (rend_verb_stores(verb))
		ask_piece(a, "guarded", 7);
	a->op->ask.mode = mode;
	a->op->ask.exptime = a->op->ask.vivify = rend_wall() + 1000;
	a->op->ask.delta = 1;
	status = ask_wait(a);
	a->op->guard = NULL;
	((struct rend_op *)(void *)a->after)->guard = NULL;
	ask_drop(a);
	if (changed)
		guard_end(&writer);
	return status;
}

/* What stores although its verb does not: the empty item of a get, the mark of a delete. */
static void
guarded_modes(struct seat *s, struct guard *words)
{
	static const struct {
		unsigned verb;
		uint32_t mode;
	} rows[] = { { REND_GET, REND_VIVIFY }, { REND_DELETE, REND_INVALIDATE }, { REND_DELETE, REND_DROP_VALUE } };

	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool vivifies = rows[i].verb == REND_GET;

		if ((s->rig->handler->modes & rows[i].mode) == 0 || !rig_has(s->rig, rows[i].verb))
			continue;
		plain(s, REND_DELETE, "k");
		if (!vivifies)
			set(s, "k", "10");
		expect(
		    guarded(s, rows[i].verb, rows[i].mode, words, true), REND_NOT_STORED, rend_verb_name(rows[i].verb));
		if (vivifies)
			expect_miss(s, "k");
		else
			expect_hit(s, "k", "10");
		expect(guarded(s, rows[i].verb, rows[i].mode, words, false), REND_OK, rend_verb_name(rows[i].verb));
	}
}

static void
guard(struct seat *s)
{
	static const unsigned verbs[] = { REND_SET, REND_REPLACE, REND_APPEND, REND_PREPEND, REND_INCR, REND_DECR,
		REND_TOUCH };
	struct guard *words = guard_new();

	if ((s->rig->can & REND_CAN_GUARD) == 0)
		rig_skip("it does not say REND_CAN_GUARD");
	EXPECT(words != NULL, "no memory");
	for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (!rig_has(s->rig, verbs[i]))
			continue;
		set(s, "k", "10");
		expect(guarded(s, verbs[i], 0, words, true), REND_NOT_STORED, rend_verb_name(verbs[i]));
		expect_hit(s, "k", "10");
		expect(guarded(s, verbs[i], 0, words, false), REND_OK, rend_verb_name(verbs[i]));
	}
	if (rig_has(s->rig, REND_ADD)) {
		expect(plain(s, REND_DELETE, "k"), REND_OK, "delete");
		expect(guarded(s, REND_ADD, 0, words, true), REND_NOT_STORED, "add");
		expect_miss(s, "k");
		expect(guarded(s, REND_ADD, 0, words, false), REND_OK, "add");
		expect_hit(s, "k", "guarded");
	}
	guarded_modes(s, words);
	guard_free(&words);
}

#define GS (NEEDS(REND_GET) | NEEDS(REND_SET))

const struct behaviour behaviours_cas[] = {
	{ .name = "a set with the item's version stores, and answers the new one", .needs = GS, .run = match },
	{ .name = "a set with another version is EXISTS and changes nothing", .needs = GS, .run = mismatch },
	{ .name = "a set with a version and no item is a miss", .needs = GS, .run = missing },
	{ .name = "the other verbs compare the version too", .needs = GS | NEEDS(REND_DELETE), .run = other_verbs },
	{ .name = "every mutation answers a new version", .needs = GS, .run = every_mutation },
	{ .name = "a touch keeps the version", .needs = GS | NEEDS(REND_TOUCH), .run = touch_keeps },
	{ .name = "a set may bring its version", .needs = GS, .run = chosen },
	{ .name = "nothing is stored when the guard has changed", .needs = GS | NEEDS(REND_DELETE), .run = guard },
	{ .name = NULL },
};
