/* What every handler must do: a value that was handed out stays as it was, whatever happens to its item. */
#include <stdio.h>
#include <stdlib.h>

#include "behaviour.h"

#define LEN 20000

/* Values of three sizes, held while something happens to their items. */
struct held {
	struct ask *got[3];
	char *p[3];
	size_t len[3];
};

static const char *const keys[] = { "k0", "k1", "k2" };

static void
hold(struct seat *s, struct held *h)
{
	static const size_t lens[] = { 3, 900, LEN };

	for (int i = 0; i < 3; i++) {
		h->len[i] = lens[i];
		h->p[i] = pattern(lens[i], (unsigned)i + 5);
		expect(store_bytes(s, REND_SET, keys[i], h->p[i], lens[i], 0, 0), REND_OK, "set");
		h->got[i] = get(s, keys[i], REND_WANT_VALUE);
		expect((enum rend_status)h->got[i]->op->status, REND_OK, "get");
	}
}

static void
check(struct held *h, const char *what)
{
	for (int i = 0; i < 3; i++) {
		EXPECT(value_is(&h->got[i]->op->item.value, h->p[i], h->len[i]),
		    "a value of %zu bytes that a get had handed out changed when its item was %s", h->len[i], what);
		ask_drop(h->got[i]);
		free(h->p[i]);
	}
}

static void
overwritten(struct seat *s)
{
	struct held h;
	char *p = pattern(LEN, 99);

	hold(s, &h);
	for (int i = 0; i < 3; i++) {
		expect(store_bytes(s, REND_SET, keys[i], p, h.len[i], 0, 0), REND_OK, "set");
		expect_hit_bytes(s, keys[i], p, h.len[i]);
	}
	check(&h, "overwritten");
	free(p);
}

static void
deleted(struct seat *s)
{
	struct held h;
	char *p = pattern(LEN, 98);

	hold(s, &h);
	for (int i = 0; i < 3; i++)
		expect(plain(s, REND_DELETE, keys[i]), REND_OK, "delete");
	for (int i = 0; i < 3; i++) /* who gets the memory? */
		expect(store_bytes(s, REND_SET, i == 0 ? "x" : i == 1 ? "y" : "z", p, h.len[i], 0, 0), REND_OK, "set");
	check(&h, "deleted");
	free(p);
}

static void
flushed(struct seat *s)
{
	struct held h;

	hold(s, &h);
	expect(ask_wait(ask_new(s, REND_FLUSH_ALL, "", 0)), REND_OK, "flush_all");
	for (int i = 0; i < 3; i++)
		expect_miss(s, keys[i]);
	check(&h, "flushed");
}

static void
joined(struct seat *s)
{
	struct held h;

	hold(s, &h);
	for (int i = 0; i < 3; i++) {
		expect(store(s, REND_APPEND, keys[i], "behind"), REND_OK, "append");
		expect(store(s, REND_PREPEND, keys[i], "before"), REND_OK, "prepend");
	}
	check(&h, "appended to");
}

static void
counted(struct seat *s)
{
	struct ask *a;
	uint64_t number;

	set(s, "k", "105");
	a = get(s, "k", REND_WANT_VALUE);
	expect(step(s, REND_INCR, "k", 1, &number), REND_OK, "incr");
	expect(step(s, REND_DECR, "k", 50, &number), REND_OK, "decr");
	EXPECT(value_is(&a->op->item.value, "105", 3), "a value that a get had handed out changed when it was counted");
	ask_drop(a);
}

/* More than a small store can keep: what it evicts may be what we hold. */
static void
filled(struct seat *s)
{
	struct held h;
	char *p = pattern(8192, 97), key[24];
	int stored = 0;

	hold(s, &h);
	for (int i = 0; i < 1500; i++) {
		snprintf(key, sizeof key, "fill-%d", i);
		stored += store_bytes(s, REND_SET, key, p, 8192, 0, 0) == REND_OK;
	}
	EXPECT(stored > 0, "of 1500 sets, none was stored");
	check(&h, "perhaps evicted");
	free(p);
}

/* What a set brought is its caller's, who may give it to somebody else too. */
static void
shared(struct seat *s)
{
	char *p = pattern(5000, 6);
	struct ask *a = ask_new(s, REND_SET, "one", 3), *b = ask_new(s, REND_SET, "two", 3);
	uint64_t number;

	ask_piece(a, p, 5000);
	EXPECT(rend_value_share(&b->op->item.value, &a->op->item.value) == 0, "no memory");
	expect(ask_wait(a), REND_OK, "set");
	ask_drop(a);
	expect(ask_wait(b), REND_OK, "set");
	EXPECT(value_is(&b->op->item.value, p, 5000), "a set changed the bytes of a value that is shared");
	ask_drop(b);
	set(s, "n", "1");
	if (rig_has(s->rig, REND_INCR))
		expect(step(s, REND_INCR, "n", 1, &number), REND_OK, "incr");
	expect_hit_bytes(s, "one", p, 5000);
	expect_hit_bytes(s, "two", p, 5000);
	free(p);
}

#define GS (NEEDS(REND_GET) | NEEDS(REND_SET))

const struct behaviour behaviours_value[] = {
	{ .name = "a value stays as it was when its item is overwritten", .needs = GS, .run = overwritten },
	{ .name = "a value stays as it was when its item is deleted",
	    .needs = GS | NEEDS(REND_DELETE),
	    .run = deleted },
	{ .name = "a value stays as it was when everything is flushed",
	    .needs = GS | NEEDS(REND_FLUSH_ALL),
	    .run = flushed },
	{ .name = "a value stays as it was when its item is appended to",
	    .needs = GS | NEEDS(REND_APPEND) | NEEDS(REND_PREPEND),
	    .run = joined },
	{ .name = "a value stays as it was when its item is counted",
	    .needs = GS | NEEDS(REND_INCR) | NEEDS(REND_DECR),
	    .run = counted },
	{ .name = "a value stays as it was while the store fills up", .needs = GS, .run = filled },
	{ .name = "two items may share what one set brought", .needs = GS, .run = shared },
	{ .name = NULL },
};
