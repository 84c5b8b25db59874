/* What every handler must do: get, and the verbs that store. */
#include <stdio.h>
#include <stdlib.h>

#include "behaviour.h"

static void
miss(struct seat *s)
{
	expect_miss(s, "nobody-set-this");
}

static void
found(struct seat *s)
{
	struct ask *a;

	expect(store_bytes(s, REND_SET, "k", "value", 5, 0xdeadbeef, 0), REND_OK, "set");
	expect_hit(s, "k", "value");
	a = get(s, "k", REND_WANT_VALUE);
	EXPECT(a->op->item.flags == 0xdeadbeef, "flags came back as %#x, not 0xdeadbeef", a->op->item.flags);
}

static void
without_value(struct seat *s)
{
	struct ask *a;

	expect(store_bytes(s, REND_SET, "k", "value", 5, 7, 0), REND_OK, "set");
	a = get(s, "k", 0);
	expect((enum rend_status)a->op->status, REND_OK, "get that wants nothing");
	EXPECT(a->op->item.flags == 7, "a get that wants no value gave flags %u, not 7", a->op->item.flags);
	EXPECT((a->op->item.have & REND_WANT_VALUE) == 0, "a get that wants no value says it has one");
	expect_miss(s, "other");
}

static void
empty_value(struct seat *s)
{
	set(s, "k", "");
	expect_hit(s, "k", "");
	set(s, "k", "x");
	set(s, "k", "");
	expect_hit(s, "k", "");
}

static void
long_key(struct seat *s)
{
	char a[REND_KEY_MAX + 1], b[REND_KEY_MAX + 1];

	memset(a, 'k', REND_KEY_MAX);
	a[REND_KEY_MAX] = '\0';
	memcpy(b, a, sizeof a);
	b[REND_KEY_MAX - 1] = 'j';
	set(s, a, "one");
	expect_miss(s, b);
	set(s, b, "two");
	expect_hit(s, a, "one");
	expect_hit(s, b, "two");
	a[REND_KEY_MAX - 1] = '\0';
	expect_miss(s, a);
}

static void
odd_keys(struct seat *s)
{
	static const char *const keys[] = { "a", "aa", "A", "\xff\xfe", "\xc3\xa4", "%s%n", "a/../b", "a:b", "'\"" };
	char value[8];

	for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
		snprintf(value, sizeof value, "v%u", i);
		set(s, keys[i], value);
	}
	for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
		snprintf(value, sizeof value, "v%u", i);
		expect_hit(s, keys[i], value);
	}
}

#define MANY	  1000
#define MANY_GONE 3 /* a handler whose index takes two keys for one keeps the later one, once in a long while */

static void
many_keys(struct seat *s)
{
	char key[16], value[16];
	unsigned gone = 0;

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(key, sizeof key, "key-%u", i);
		snprintf(value, sizeof value, "value-%u", i);
		set(s, key, value);
	}
	for (unsigned i = 0; i < MANY; i++) {
		struct ask *a;

		snprintf(key, sizeof key, "key-%u", i);
		snprintf(value, sizeof value, "value-%u", i);
		a = get(s, key, REND_WANT_VALUE);
		if (a->op->status == REND_MISS)
			gone++;
		else
			EXPECT(a->op->status == REND_OK && value_is(&a->op->item.value, value, strlen(value)),
			    "get %s: %s, or another value", key, rend_status_name(a->op->status));
		ask_drop(a);
	}
	EXPECT(gone <= MANY_GONE, "of %u keys that were set %u are gone", MANY, gone);
}

static void
overwritten(struct seat *s)
{
	set(s, "k", "first");
	set(s, "k", "second, and longer");
	expect_hit(s, "k", "second, and longer");
	set(s, "k", "3");
	expect_hit(s, "k", "3");
}

/* Large ones may be refused, but not torn. */
static void
sizes(struct seat *s)
{
	for (size_t len = 1; len <= 256 * 1024; len = len * 3 + 1) {
		char *p = pattern(len, 1);

		expect(store_bytes(s, REND_SET, "k", p, len, 0, 0), REND_OK, "set of up to 256 KiB");
		expect_hit_bytes(s, "k", p, len);
		free(p);
	}
}

static void
megabyte(struct seat *s)
{
	size_t len = 1024 * 1024 - 512;
	char *p = pattern(len, 2);
	enum rend_status status = store_bytes(s, REND_SET, "k", p, len, 0, 0);

	if (status == REND_OK)
		expect_hit_bytes(s, "k", p, len);
	else
		expect(status, REND_TOO_BIG, "set of 1 MB");
	free(p);
}

static void
pieces(struct seat *s)
{
	size_t len = 0;
	char *p = pattern(64 * 1024, 3);
	struct ask *a = ask_new(s, REND_SET, "k", 1);

	for (size_t n = 1; len + n <= 50000; len += n, n = (n * 7 + 3) % 97 + 1)
		ask_piece(a, p + len, n);
	expect(ask_wait(a), REND_OK, "set of many pieces");
	EXPECT(value_is(&a->op->item.value, p, len), "a set changed the value it was given");
	ask_drop(a);
	expect_hit_bytes(s, "k", p, len);
	free(p);
}

/* Whatever it answers, what was there before must not come back. */
static void
too_big(struct seat *s)
{
	static char block[1024 * 1024];
	struct ask *a = ask_new(s, REND_SET, "k", 1), *g;

	memset(block, 'b', sizeof block);
	set(s, "k", "old");
	ask_repeat(a, block, sizeof block, 80);
	ask_wait(a);
	ask_drop(a);
	g = get(s, "k", REND_WANT_VALUE);
	if (a->op->status == REND_OK) {
		/* One that keeps it in many items may have thrown out the first for the last. */
		if (g->op->status == REND_MISS)
			return;
		expect((enum rend_status)g->op->status, REND_OK, "get of 80 MiB that were stored");
		EXPECT(g->op->item.value.len == 80 * sizeof block, "of 80 MiB, %zu bytes came back",
		    g->op->item.value.len);
	} else {
		EXPECT(g->op->status == REND_MISS, "a set ended with %s and the older value is still there",
		    rend_status_name(a->op->status));
	}
	ask_drop(g);
	set(s, "k", "new");
	expect_hit(s, "k", "new");
}

static void
add_missing(struct seat *s)
{
	expect(store(s, REND_ADD, "k", "added"), REND_OK, "add of a new key");
	expect_hit(s, "k", "added");
}

static void
add_existing(struct seat *s)
{
	set(s, "k", "old");
	expect(store(s, REND_ADD, "k", "new"), REND_NOT_STORED, "add of a key that is there");
	expect_hit(s, "k", "old");
}

static void
replace_existing(struct seat *s)
{
	struct ask *a;

	expect(store_bytes(s, REND_SET, "k", "old", 3, 1, 0), REND_OK, "set");
	expect(store_bytes(s, REND_REPLACE, "k", "new", 3, 2, 0), REND_OK, "replace of a key that is there");
	expect_hit(s, "k", "new");
	a = get(s, "k", 0);
	EXPECT(a->op->item.flags == 2, "replace left the flags at %u", a->op->item.flags);
}

static void
replace_missing(struct seat *s)
{
	expect(store(s, REND_REPLACE, "k", "new"), REND_NOT_STORED, "replace of a key that is not there");
	expect_miss(s, "k");
}

static void
join_existing(struct seat *s)
{
	struct ask *a;

	expect(store_bytes(s, REND_SET, "k", "middle", 6, 9, 0), REND_OK, "set");
	expect(store_bytes(s, REND_APPEND, "k", ">", 1, 5, 0), REND_OK, "append");
	expect_hit(s, "k", "middle>");
	expect(store_bytes(s, REND_PREPEND, "k", "<", 1, 5, 0), REND_OK, "prepend");
	expect_hit(s, "k", "<middle>");
	expect(store(s, REND_APPEND, "k", ""), REND_OK, "append of nothing");
	expect_hit(s, "k", "<middle>");
	a = get(s, "k", 0);
	EXPECT(a->op->item.flags == 9, "append or prepend changed the flags to %u", a->op->item.flags);
}

static void
join_missing(struct seat *s)
{
	expect(store(s, REND_APPEND, "k", "x"), REND_NOT_STORED, "append to a key that is not there");
	expect(store(s, REND_PREPEND, "k", "x"), REND_NOT_STORED, "prepend to a key that is not there");
	expect_miss(s, "k");
}

static void
join_pieces(struct seat *s)
{
	char *p = pattern(9000, 4);
	struct ask *a = ask_new(s, REND_APPEND, "k", 1), *b = ask_new(s, REND_PREPEND, "k", 1);

	expect(store_bytes(s, REND_SET, "k", p + 3000, 3000, 0, 0), REND_OK, "set");
	for (int i = 0; i < 30; i++)
		ask_piece(a, p + 6000 + i * 100, 100);
	expect(ask_wait(a), REND_OK, "append of many pieces");
	for (int i = 0; i < 30; i++)
		ask_piece(b, p + i * 100, 100);
	expect(ask_wait(b), REND_OK, "prepend of many pieces");
	expect_hit_bytes(s, "k", p, 9000);
	free(p);
}

static void
delete_twice(struct seat *s)
{
	set(s, "k", "v");
	set(s, "other", "v");
	expect(plain(s, REND_DELETE, "k"), REND_OK, "delete");
	expect_miss(s, "k");
	expect(plain(s, REND_DELETE, "k"), REND_MISS, "delete of what was deleted");
	expect_hit(s, "other", "v");
}

static void
delete_missing(struct seat *s)
{
	expect(plain(s, REND_DELETE, "nobody-set-this"), REND_MISS, "delete of a key that is not there");
}

static void
after_delete(struct seat *s)
{
	set(s, "k", "v");
	expect(plain(s, REND_DELETE, "k"), REND_OK, "delete");
	expect(store(s, REND_ADD, "k", "again"), REND_OK, "add after delete");
	expect_hit(s, "k", "again");
}

#define GS (NEEDS(REND_GET) | NEEDS(REND_SET))

const struct behaviour behaviours_item[] = {
	{ .name = "a get of a key that was never set is a miss", .needs = NEEDS(REND_GET), .run = miss },
	{ .name = "what was set is found, with its flags", .needs = GS, .run = found },
	{ .name = "a get that wants no value gives flags and no value", .needs = GS, .run = without_value },
	{ .name = "a value may be empty", .needs = GS, .run = empty_value },
	{ .name = "a key may have 250 bytes, and the last one counts", .needs = GS, .run = long_key },
	{ .name = "keys may have any bytes, and no two are the same", .needs = GS, .run = odd_keys },
	{ .name = "a thousand keys keep their values apart", .needs = GS, .run = many_keys },
	{ .name = "a set replaces a longer or shorter value", .needs = GS, .run = overwritten },
	{ .name = "values of 1 byte to 256 KiB come back whole", .needs = GS, .run = sizes },
	{ .name = "a value of 1 MB comes back whole or is TOO_BIG", .needs = GS, .run = megabyte },
	{ .name = "a value of many pieces comes back whole", .needs = GS, .run = pieces },
	{ .name = "a set that is refused leaves no older value behind", .needs = GS, .run = too_big },
	{ .name = "add stores a new key", .needs = GS | NEEDS(REND_ADD), .run = add_missing },
	{ .name = "add on an existing key is NOT_STORED and changes nothing",
	    .needs = GS | NEEDS(REND_ADD),
	    .run = add_existing },
	{ .name = "replace replaces value and flags", .needs = GS | NEEDS(REND_REPLACE), .run = replace_existing },
	{ .name = "replace on a missing key is NOT_STORED and stores nothing",
	    .needs = GS | NEEDS(REND_REPLACE),
	    .run = replace_missing },
	{ .name = "append and prepend join values and keep the flags",
	    .needs = GS | NEEDS(REND_APPEND) | NEEDS(REND_PREPEND),
	    .run = join_existing },
	{ .name = "append and prepend on a missing key are NOT_STORED",
	    .needs = GS | NEEDS(REND_APPEND) | NEEDS(REND_PREPEND),
	    .run = join_missing },
	{ .name = "append and prepend take values of many pieces",
	    .needs = GS | NEEDS(REND_APPEND) | NEEDS(REND_PREPEND),
	    .run = join_pieces },
	{ .name = "a second delete is a miss", .needs = GS | NEEDS(REND_DELETE), .run = delete_twice },
	{ .name = "a delete of a missing key is a miss", .needs = NEEDS(REND_DELETE), .run = delete_missing },
	{ .name = "add stores after a delete",
	    .needs = GS | NEEDS(REND_ADD) | NEEDS(REND_DELETE),
	    .run = after_delete },
	{ .name = NULL },
};
