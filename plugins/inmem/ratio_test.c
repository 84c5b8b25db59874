/*
 * Hits of a store that is smaller than what is asked for, beside a list of the same bytes in the order of use.  The traffic is that of the bench
 * (bench/replay.c) in little: skewed keys, lengths of all kinds, and what spoils such a list.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ghost.h"
#include "rig_test.h"

#define MEMORY	 (4 * MIB)
#define KEYS	 47000U
#define OTHERS	 (4 * KEYS) /* keys that are not of the usual ones */
#define REQUESTS 200000U
#define LOOP	 9000U
#define LEN_MAX	 10240U
#define OVERHEAD 48 /* bytes, of an item in the list */
#define SHORT_BY 0.5

enum kind { ZIPF, SCAN, ONCE, AROUND, SHIFT, KINDS };

/* ---- chance ---- */

static uint64_t dice;

static uint64_t
roll(void)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return dice * 2685821657736338717ULL;
}

static double
part_of(uint64_t bits)
{
	return (double)(bits >> 11) * (1.0 / 9007199254740992.0);
}

static uint64_t
mixed(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

static double sums[KEYS];

static void
make_sums(double skew)
{
	double all = 0, sum = 0;

	for (uint32_t i = 0; i < KEYS; i++)
		all += pow(i + 1, -skew);
	for (uint32_t i = 0; i < KEYS; i++)
		sums[i] = sum += pow(i + 1, -skew) / all;
}

/* Its number says nothing of its rank. */
static uint32_t
usual_key(void)
{
	double u = part_of(roll());
	uint32_t low = 0, high = KEYS - 1;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (sums[middle] < u)
			low = middle + 1;
		else
			high = middle;
	}
	return (uint32_t)((low * 2654435761ULL + 12345) % KEYS);
}

/* ---- what is asked ---- */

static uint32_t
key_at(enum kind kind, uint32_t i)
{
	static uint32_t scanned, once, around;

	switch (kind) {
	case SCAN:
		if (i % 50000 >= 40000 && roll() % 10 < 8)
			return KEYS + scanned++ % KEYS;
		break;
	case ONCE:
		if (roll() % 10 < 6)
			return KEYS + once++ % OTHERS;
		break;
	case AROUND:
		if (roll() % 10 < 8)
			return KEYS + around++ % LOOP;
		break;
	case SHIFT:
		return usual_key() + (i > REQUESTS / 2 ? KEYS : 0);
	default:
		break;
	}
	return usual_key();
}

static uint32_t
length_at(enum kind kind, uint32_t i, uint32_t key)
{
	uint64_t h = mixed(key * 7919ULL + 1);
	double len = 300 * exp(1.2 * sqrt(-2 * log(part_of(h) + 1e-12)) * cos(6.283185307 * part_of(mixed(h))));

	if (kind == SHIFT)
		return (uint32_t)(i > REQUESTS / 2 ? 675 + h % 150 : 225 + h % 50);
	return (uint32_t)(len < 50 ? 50 : len > LEN_MAX ? LEN_MAX : len);
}

/* ---- the list ---- */

static struct {
	uint32_t before, behind, bytes; /* bytes: 0: it is not there */
} items[KEYS + OTHERS + 1];
#define ENDS (KEYS + OTHERS) /* before the first, and behind the last */
static uint64_t used;

static void
list_empty_it(void)
{
	memset(items, 0, sizeof items);
	items[ENDS].before = items[ENDS].behind = ENDS;
	used = 0;
}

static void
take_out(uint32_t key)
{
	items[items[key].before].behind = items[key].behind;
	items[items[key].behind].before = items[key].before;
}

/* Was it there?  It is, now. */
static bool
list_asks(uint32_t key, uint32_t len)
{
	bool hit = items[key].bytes != 0;

	if (hit) {
		take_out(key);
	} else {
		items[key].bytes = len + OVERHEAD;
		used += items[key].bytes;
	}
	items[key].behind = items[ENDS].behind;
	items[key].before = ENDS;
	items[items[ENDS].behind].before = key;
	items[ENDS].behind = key;
	while (used > MEMORY) {
		uint32_t last = items[ENDS].before;

		take_out(last);
		used -= items[last].bytes;
		items[last].bytes = 0;
	}
	return hit;
}

/* ---- both ---- */

/* Planted: no hit is noted, and nobody remembers what went, so nothing is worth keeping. */
static bool notes_nothing;

int __real_ghost_take(struct ghost *g, uint32_t hash);
int __wrap_ghost_take(struct ghost *g, uint32_t hash);

int
__wrap_ghost_take(struct ghost *g, uint32_t hash)
{
	return notes_nothing ? -1 : __real_ghost_take(g, hash);
}

static bool
is_hit(const char *name)
{
	struct rend_op *o = op(REND_GET, name);
	bool hit;

	o->ask.mode = notes_nothing ? REND_NO_BUMP : 0;
	hit = submit(o) == REND_OK;
	rend_op_free(&o);
	return hit;
}

static bool
store_asks(uint32_t key, uint32_t len)
{
	static const char value[LEN_MAX];
	char name[32];

	snprintf(name, sizeof name, "key-%010u", key);
	if (is_hit(name))
		return true;
	store(REND_SET, name, value, len);
	return false;
}

/* By how many points of a hundred the store has more hits; counted are those behind the first `warm`. */
static double
ahead(const char *name, enum kind kind, double skew, uint32_t warm)
{
	uint32_t ours = 0, its = 0;
	double counted = REQUESTS - warm;

	dice = 88172645463325252ULL;
	make_sums(skew);
	list_empty_it();
	rig_open(MEMORY, true);
	for (uint32_t i = 0; i < REQUESTS; i++) {
		uint32_t key = key_at(kind, i), len = length_at(kind, i, key);
		bool a = store_asks(key, len), b = list_asks(key, len);

		if (i % 2000 == 0)
			pass(1);
		if (i >= warm) {
			ours += a;
			its += b;
		}
	}
	rig_close();
	print_message(
	    "%-10s %.1f %% of hits, %.1f %% by order of use\n", name, 100 * ours / counted, 100 * its / counted);
	return 100 * ((double)ours - its) / counted;
}

static void
i12_no_fewer_hits_than_by_order_of_use(void **state)
{
	(void)state;
	assert_true(ahead("zipf 0.99", ZIPF, 0.99, REQUESTS * 2 / 5) >= -SHORT_BY);
	assert_true(ahead("zipf 0.8", ZIPF, 0.8, REQUESTS * 2 / 5) >= -SHORT_BY);
	/* Where much is asked for once, or comes around too late, to keep what was used last is no good: there it shows. */
	assert_true(ahead("scan", SCAN, 0.99, REQUESTS * 2 / 5) > 2);
	assert_true(ahead("once", ONCE, 0.99, REQUESTS * 2 / 5) > 2);
	assert_true(ahead("loop", AROUND, 0.99, REQUESTS * 2 / 5) > 2);
	/* When all keys are others at once, what was asked for often goes more slowly than by order of use: what counts is what comes of it. */
	assert_true(ahead("shift", SHIFT, 0.9, REQUESTS * 4 / 5) >= -SHORT_BY);
}

/* Whatever is asked for, it goes in the order in which it was stored. */
static void
i12_a_store_that_notes_nothing_is_found(void **state)
{
	(void)state;
	notes_nothing = true;
	assert_true(ahead("planted", ZIPF, 0.99, REQUESTS * 2 / 5) < -SHORT_BY);
	notes_nothing = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i12_no_fewer_hits_than_by_order_of_use),
		cmocka_unit_test(i12_a_store_that_notes_nothing_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
