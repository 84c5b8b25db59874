/* What every handler must do: incr and decr. */
#include <inttypes.h>

#include "behaviour.h"

static void
expect_step(struct seat *s, unsigned verb, uint64_t delta, uint64_t should)
{
	uint64_t number;

	expect(step(s, verb, "k", delta, &number), REND_OK, rend_verb_name(verb));
	EXPECT(number == should, "%s by %" PRIu64 ": %" PRIu64 ", not %" PRIu64, rend_verb_name(verb), delta, number,
	    should);
}

/* The value must be that number, perhaps with spaces behind it. */
static void
expect_number(struct seat *s, const char *digits)
{
	struct ask *a = get(s, "k", REND_WANT_VALUE);
	char is[64] = "";
	size_t len;

	expect((enum rend_status)a->op->status, REND_OK, "get of a number");
	len = rend_value_copy_out(&a->op->item.value, 0, is, sizeof is - 1);
	while (len > 0 && is[len - 1] == ' ')
		is[--len] = '\0';
	EXPECT(strcmp(is, digits) == 0, "the number is \"%s\", not \"%s\"", is, digits);
	ask_drop(a);
}

static void
up(struct seat *s)
{
	set(s, "k", "9");
	expect_step(s, REND_INCR, 1, 10);
	expect_number(s, "10");
	expect_step(s, REND_INCR, 90, 100);
	expect_number(s, "100");
	expect_step(s, REND_INCR, 0, 100);
	expect_number(s, "100");
}

static void
down(struct seat *s)
{
	set(s, "k", "100");
	expect_step(s, REND_DECR, 1, 99);
	expect_number(s, "99");
	expect_step(s, REND_DECR, 90, 9);
	expect_number(s, "9");
	expect_step(s, REND_INCR, 1, 10);
	expect_number(s, "10");
}

static void
ends(struct seat *s)
{
	set(s, "k", "18446744073709551615");
	expect_step(s, REND_INCR, 2, 1);
	expect_number(s, "1");
	expect_step(s, REND_DECR, 5, 0);
	expect_number(s, "0");
	expect_step(s, REND_INCR, UINT64_MAX, UINT64_MAX);
	expect_number(s, "18446744073709551615");
}

static void
missing(struct seat *s)
{
	uint64_t number;

	expect(step(s, REND_INCR, "k", 1, &number), REND_MISS, "incr of a key that is not there");
	expect(step(s, REND_DECR, "k", 1, &number), REND_MISS, "decr of a key that is not there");
	expect_miss(s, "k");
}

static void
no_number(struct seat *s)
{
	static const char *const values[] = { "ten", "", "10x", "18446744073709551616", "123456789012345678901", "-5" };
	uint64_t number;

	for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
		set(s, "k", values[i]);
		expect(step(s, REND_INCR, "k", 1, &number), REND_NOT_A_NUMBER, values[i]);
		expect(step(s, REND_DECR, "k", 1, &number), REND_NOT_A_NUMBER, values[i]);
		expect_hit(s, "k", values[i]);
	}
}

static void
keeps_flags(struct seat *s)
{
	struct ask *a;

	expect(store_bytes(s, REND_SET, "k", "99", 2, 77, 0), REND_OK, "set");
	expect_step(s, REND_INCR, 1, 100);
	a = get(s, "k", 0);
	EXPECT(a->op->item.flags == 77, "incr changed the flags to %u", a->op->item.flags);
}

#define INCR (NEEDS(REND_GET) | NEEDS(REND_SET) | NEEDS(REND_INCR))
#define BOTH (INCR | NEEDS(REND_DECR))

const struct behaviour behaviours_number[] = {
	{ .name = "incr adds, also when the number gets longer", .needs = INCR, .run = up },
	{ .name = "decr subtracts, also when the number gets shorter", .needs = BOTH, .run = down },
	{ .name = "incr wraps at 2^64, decr stops at 0", .needs = BOTH, .run = ends },
	{ .name = "incr and decr of a missing key are misses", .needs = BOTH, .run = missing },
	{ .name = "incr and decr of what is no number are NOT_A_NUMBER and change nothing",
	    .needs = BOTH,
	    .run = no_number },
	{ .name = "incr keeps the flags", .needs = INCR, .run = keeps_flags },
	{ .name = NULL },
};
