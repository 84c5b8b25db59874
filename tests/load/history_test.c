/* Which reads the history of a key allows: histories made by hand, and all small ones that chance makes, against a search of all orders. */
#include "../unit/base/unit.h"

#include "../../tools/load/history.h"
#include "../../tools/load/random.h"

#define S UINT64_C(1000000000)

enum kind { W, ASK, REFUSED, R, D, F, LOST_D, T, LOST_T, MISS };

/* An operation from `begin` to `end`.  ASK: a write that is given up at `end`. */
struct op {
	enum kind kind;
	uint64_t number, begin, end;
	uint32_t ttl;
};

static const struct history_rules atomic = { .atomic = true, .slack = S };
static const struct history_rules fresh = { .slack = S };
static const struct history_rules later = { .atomic = true, .slack = S, .base = 5 };
static const struct history_rules kept = { .atomic = true, .no_evictions = true, .slack = S };

static void
op_begins(struct history *h, const struct op *o)
{
	switch (o->kind) {
	case W:
	case ASK:
	case REFUSED:
		history_write(h, o->number, o->begin, o->ttl);
		break;
	case D:
	case F:
	case LOST_D:
		history_remove(h);
		break;
	case T:
	case LOST_T:
		history_touch(h, o->ttl);
		break;
	case R:
	case MISS:
		break;
	}
}

static enum history_kind
op_ends(struct history *h, const struct history_rules *rules, const struct op *o)
{
	switch (o->kind) {
	case W:
		history_written(h, o->number, o->end);
		break;
	case ASK:
		history_unanswered(h, o->number);
		break;
	case REFUSED:
		return history_refused(h, o->number).kind;
	case R:
		return history_read(h, rules, o->number, o->begin, o->end).kind;
	case MISS:
		return history_miss(h, rules, o->begin).kind;
	case D:
	case F:
		history_removed(h, o->kind == D ? HISTORY_DELETE : HISTORY_FLUSH, o->begin, o->end);
		break;
	case LOST_D:
		history_unremoved(h);
		break;
	case T:
	case LOST_T:
		history_touched(
		    h, o->kind == T ? LIFETIME_TOUCHED : LIFETIME_UNANSWERED, o->begin, o->end, o->ttl, rules);
		break;
	}
	return HISTORY_FINE;
}

/* No operation under way at `now` began before. */
static uint64_t
horizon(const struct op *ops, size_t n, uint64_t now)
{
	uint64_t h = now;

	for (size_t i = 0; i < n; i++)
		if (ops[i].begin < h && ops[i].end > now)
			h = ops[i].begin;
	return h;
}

/* The first thing that is wrong, in the order of time.  tidy: all that can be forgotten is, each time. */
static enum history_kind
go_through(const struct op *ops, size_t n, const struct history_rules *rules, bool tidy)
{
	struct history h = { 0 };
	enum history_kind found = HISTORY_FINE;
	uint64_t now = 0;

	for (;;) {
		const struct op *next = NULL;
		bool begins = false;

		for (size_t i = 0; i < n; i++) {
			if (ops[i].begin > now && (next == NULL || ops[i].begin < (begins ? next->begin : next->end))) {
				next = &ops[i];
				begins = true;
			}
			if (ops[i].end > now && (next == NULL || ops[i].end < (begins ? next->begin : next->end))) {
				next = &ops[i];
				begins = false;
			}
		}
		if (next == NULL)
			break;
		now = begins ? next->begin : next->end;
		if (begins) {
			op_begins(&h, next);
			continue;
		}
		if (found == HISTORY_FINE)
			found = op_ends(&h, rules, next);
		else
			op_ends(&h, rules, next);
		if (tidy) {
			h.limit = 0;
			history_tidy(&h, rules, horizon(ops, n, now));
		}
	}
	history_fini(&h);
	return found;
}

static void
expect(const char *what, const struct op *ops, size_t n, const struct history_rules *rules, enum history_kind kind)
{
	for (int tidy = 0; tidy < 2; tidy++) {
		enum history_kind found = go_through(ops, n, rules, tidy);

		if (found != kind)
			fail_msg("%s%s: expected %s, found %s", what, tidy ? " (tidied)" : "", history_name(kind),
			    history_name(found));
	}
}

#define EXPECT(what, rules, kind, ...)                                              \
	do {                                                                        \
		const struct op ops[] = { __VA_ARGS__ };                            \
                                                                                    \
		expect(what, ops, sizeof ops / sizeof *ops, rules, HISTORY_##kind); \
	} while (0)

static void
test_what_is_right(void **state)
{
	EXPECT("what was written", &atomic, FINE, { W, 1, 1, 2, 0 }, { R, 1, 3, 4, 0 }, { W, 2, 5, 6, 0 },
	    { R, 2, 7, 8, 0 });
	EXPECT("the new one, while it is written", &atomic, FINE, { W, 1, 1, 2, 0 }, { W, 2, 3, 9, 0 },
	    { R, 2, 4, 5, 0 }, { R, 2, 6, 7, 0 });
	EXPECT("the old one, while the new one is written", &atomic, FINE, { W, 1, 1, 2, 0 }, { W, 2, 3, 9, 0 },
	    { R, 1, 4, 5, 0 }, { R, 2, 6, 7, 0 });
	EXPECT("a read that began before the acknowledgement", &atomic, FINE, { W, 1, 1, 2, 0 }, { W, 2, 3, 5, 0 },
	    { R, 1, 4, 9, 0 });
	EXPECT("new and old, in reads that overlap", &atomic, FINE, { W, 1, 1, 2, 0 }, { W, 2, 3, 20, 0 },
	    { R, 2, 4, 6, 0 }, { R, 1, 5, 7, 0 });
	EXPECT("two writes at once, in either order", &atomic, FINE, { W, 1, 1, 5, 0 }, { W, 2, 2, 4, 0 },
	    { R, 1, 6, 7, 0 });
	EXPECT("a delete that overlaps", &atomic, FINE, { W, 1, 1, 5, 0 }, { D, 0, 2, 4, 0 }, { R, 1, 6, 7, 0 });
	EXPECT("a miss of what is there", &atomic, FINE, { W, 1, 1, 2, 0 }, { MISS, 0, 3, 4, 0 }, { R, 1, 5, 6, 0 });
	EXPECT("a write without an answer that never happens", &atomic, FINE, { W, 1, 1, 2, 0 }, { ASK, 2, 3, 4, 0 },
	    { R, 1, 5, 6, 0 }, { R, 1, 50, 60, 0 });
	EXPECT("one that happens at once", &atomic, FINE, { W, 1, 1, 2, 0 }, { ASK, 2, 3, 4, 0 }, { R, 2, 5, 6, 0 });
	EXPECT("one that happens after younger ones", &atomic, FINE, { W, 1, 1, 2, 0 }, { ASK, 2, 3, 4, 0 },
	    { W, 3, 5, 6, 0 }, { R, 3, 7, 8, 0 }, { D, 0, 9, 10, 0 }, { R, 2, 50, 60, 0 }, { W, 4, 61, 62, 0 },
	    { R, 4, 63, 64, 0 });
	EXPECT("a delete without an answer that never happens", &atomic, FINE, { W, 1, 1, 2, 0 },
	    { LOST_D, 0, 3, 4, 0 }, { R, 1, 5, 6, 0 });
	EXPECT("old ones again, where that is not asked", &fresh, FINE, { W, 1, 1, 2, 0 }, { W, 2, 3, 20, 0 },
	    { R, 2, 4, 5, 0 }, { R, 1, 6, 7, 0 });
	EXPECT("a refused write", &atomic, FINE, { W, 1, 1, 2, 0 }, { REFUSED, 2, 3, 4, 0 }, { R, 1, 5, 6, 0 });
}

static void
test_what_is_wrong(void **state)
{
	EXPECT("nobody wrote it", &atomic, UNWRITTEN, { W, 1, 1, 2, 0 }, { R, 7, 3, 4, 0 });
	EXPECT("not sent yet", &atomic, UNWRITTEN, { R, 1, 1, 2, 0 }, { W, 1, 3, 4, 0 });
	EXPECT("refused, then read", &atomic, UNWRITTEN, { W, 1, 1, 2, 0 }, { REFUSED, 2, 3, 4, 0 }, { R, 2, 5, 6, 0 });
	EXPECT("read, then refused", &atomic, UNWRITTEN, { W, 1, 1, 2, 0 }, { REFUSED, 2, 3, 9, 0 }, { R, 2, 5, 6, 0 });
	EXPECT("replaced", &atomic, STALE, { W, 1, 1, 2, 0 }, { W, 2, 3, 4, 0 }, { R, 1, 5, 6, 0 });
	EXPECT("replaced", &fresh, STALE, { W, 1, 1, 2, 0 }, { W, 2, 3, 4, 0 }, { R, 1, 5, 6, 0 });
	EXPECT("replaced long ago", &atomic, STALE, { W, 1, 1, 2, 0 }, { W, 2, 3, 4, 0 }, { W, 3, 5, 6, 0 },
	    { W, 4, 7, 8, 0 }, { R, 4, 9, 10, 0 }, { R, 1, 11, 12, 0 });
	EXPECT("replaced, and never acknowledged itself, but seen", &atomic, STALE, { ASK, 1, 1, 2, 0 },
	    { R, 1, 3, 4, 0 }, { W, 2, 5, 6, 0 }, { R, 1, 7, 8, 0 });
	EXPECT("deleted", &atomic, RESURRECTED, { W, 1, 1, 2, 0 }, { D, 0, 3, 4, 0 }, { R, 1, 5, 6, 0 });
	EXPECT("deleted", &fresh, RESURRECTED, { W, 1, 1, 2, 0 }, { D, 0, 3, 4, 0 }, { R, 1, 5, 6, 0 });
	EXPECT("flushed", &atomic, RESURRECTED, { W, 1, 1, 2, 0 }, { F, 0, 3, 4, 0 }, { MISS, 0, 5, 6, 0 },
	    { R, 1, 7, 8, 0 });
	EXPECT("new, then old, while the write goes on", &atomic, INVERSION, { W, 1, 1, 2, 0 }, { W, 2, 3, 20, 0 },
	    { R, 2, 4, 5, 0 }, { R, 1, 6, 7, 0 });
	EXPECT("new, then old, of a write without an answer", &atomic, INVERSION, { W, 1, 1, 2, 0 },
	    { ASK, 2, 3, 4, 0 }, { R, 2, 5, 6, 0 }, { R, 1, 7, 8, 0 });
	EXPECT("two writes at once, once in this order, once in that", &atomic, INVERSION, { W, 1, 1, 10, 0 },
	    { W, 2, 2, 9, 0 }, { R, 1, 11, 12, 0 }, { R, 2, 13, 14, 0 }, { R, 1, 15, 16, 0 });
	EXPECT("an old one of an earlier run", &later, STALE, { R, 3, 1, 2, 0 }, { W, 6, 3, 4, 0 }, { R, 3, 5, 6, 0 });
	EXPECT("one of an earlier run that was not answered there", &later, FINE, { W, 6, 1, 2, 0 }, { D, 0, 3, 4, 0 },
	    { R, 3, 5, 6, 0 }, { R, 3, 7, 8, 0 });
	EXPECT("the same, then another one", &later, STALE, { W, 6, 1, 2, 0 }, { R, 3, 5, 6, 0 }, { W, 7, 7, 8, 0 },
	    { W, 8, 9, 10, 0 }, { R, 3, 11, 12, 0 });
	EXPECT("one of an earlier run, while a write goes on", &later, FINE, { R, 3, 1, 2, 0 }, { R, 3, 3, 4, 0 },
	    { W, 6, 5, 9, 0 }, { R, 3, 6, 7, 0 });
}

static void
test_what_nothing_removed(void **state)
{
	EXPECT("a miss", &kept, LOST, { W, 1, 1, 2, 0 }, { MISS, 0, 3, 4, 0 });
	EXPECT("a miss, after a younger write", &kept, LOST, { W, 1, 1, 2, 0 }, { D, 0, 3, 4, 0 }, { W, 2, 5, 6, 0 },
	    { MISS, 0, 7, 8, 0 });
	EXPECT("before it", &kept, FINE, { MISS, 0, 1, 3, 0 }, { W, 1, 2, 4, 0 });
	EXPECT("deleted", &kept, FINE, { W, 1, 1, 2, 0 }, { D, 0, 3, 4, 0 }, { MISS, 0, 5, 6, 0 });
	EXPECT("deleted meanwhile", &kept, FINE, { W, 1, 1, 2, 0 }, { D, 0, 4, 9, 0 }, { MISS, 0, 3, 6, 0 });
	EXPECT("perhaps deleted", &kept, FINE, { W, 1, 1, 2, 0 }, { LOST_D, 0, 3, 4, 0 }, { MISS, 0, 5, 6, 0 });
	EXPECT("with a TTL", &kept, FINE, { W, 1, 1, 2, 1 }, { MISS, 0, 5, 6, 0 });
	EXPECT("touched", &kept, FINE, { W, 1, 1, 2, 0 }, { T, 0, 3, 4, 1 }, { MISS, 0, 5, 6, 0 });
}

static void
test_what_has_expired(void **state)
{
	EXPECT("in time", &atomic, FINE, { W, 1, 1, 2, 5 }, { R, 1, 4 * S, 5 * S, 0 });
	EXPECT("within the slack", &atomic, FINE, { W, 1, 1, S, 5 }, { R, 1, 7 * S, 8 * S, 0 });
	EXPECT("expired", &atomic, EXPIRED, { W, 1, 1, S, 5 }, { R, 1, 7 * S + 1, 8 * S, 0 });
	EXPECT("expired", &fresh, EXPIRED, { W, 1, 1, S, 5 }, { R, 1, 7 * S + 1, 8 * S, 0 });
	EXPECT("touched to live longer", &atomic, FINE, { W, 1, 1, S, 5 }, { T, 0, 2 * S, 3 * S, 50 },
	    { R, 1, 40 * S, 41 * S, 0 });
	EXPECT("touched to live shorter", &atomic, EXPIRED, { W, 1, 1, S, 0 }, { T, 0, 2 * S, 3 * S, 5 },
	    { R, 1, 9 * S + 1, 10 * S, 0 });
	EXPECT("touched twice", &atomic, EXPIRED, { W, 1, 1, S, 0 }, { T, 0, 2 * S, 3 * S, 0 },
	    { T, 0, 4 * S, 5 * S, 5 }, { R, 1, 11 * S + 1, 12 * S, 0 });
	EXPECT("touched twice at once", &atomic, FINE, { W, 1, 1, S, 0 }, { T, 0, 2 * S, 4 * S + 1, 0 },
	    { T, 0, 3 * S, 5 * S, 5 }, { R, 1, 11 * S + 1, 12 * S, 0 });
	EXPECT("perhaps touched", &atomic, FINE, { W, 1, 1, S, 5 }, { LOST_T, 0, 2 * S, 3 * S, 5 },
	    { R, 1, 20 * S, 21 * S, 0 });
	EXPECT("perhaps before the touch", &atomic, FINE, { W, 1, S, 3 * S, 0 }, { T, 0, 2 * S, 4 * S, 5 },
	    { R, 1, 20 * S, 21 * S, 0 });
	EXPECT("a touch may have been another's", &fresh, FINE, { W, 1, 1, S, 0 }, { T, 0, 2 * S, 3 * S, 5 },
	    { R, 1, 20 * S, 21 * S, 0 });
	EXPECT("a late write without an answer", &atomic, FINE, { ASK, 1, 1, S, 5 }, { R, 1, 20 * S, 21 * S, 0 },
	    { R, 1, 22 * S, 23 * S, 0 });
	EXPECT("... has its time, too", &atomic, EXPIRED, { ASK, 1, 1, S, 5 }, { R, 1, 20 * S, 21 * S, 0 },
	    { R, 1, 27 * S + 1, 28 * S, 0 });
}

/* ---- all orders ---- */

#define OPS_MAX 8

/* Is there an order, from here on, that explains all reads? */
static bool
explained(const struct op *ops, unsigned n, unsigned taken, uint64_t value)
{
	bool all = true;

	for (unsigned i = 0; i < n; i++)
		all = all && (taken >> i & 1 || ops[i].kind == ASK);
	if (all)
		return true;
	for (unsigned i = 0; i < n; i++) {
		bool may = !(taken >> i & 1) && !(ops[i].kind == R && ops[i].number != value);

		for (unsigned k = 0; k < n && may; k++)
			may = taken >> k & 1 || ops[k].kind == ASK || ops[k].end > ops[i].begin;
		if (may && explained(ops, n, taken | 1U << i,
			       ops[i].kind == R	  ? value
			       : ops[i].kind == D ? 0
						  : ops[i].number))
			return true;
	}
	return false;
}

/* Does no read see what an acknowledged write or delete had replaced? */
static bool
all_fresh(const struct op *ops, unsigned n)
{
	for (unsigned r = 0; r < n; r++) {
		uint64_t first = UINT64_MAX, begin = UINT64_MAX;

		for (unsigned k = 0; k < n && ops[r].kind == R; k++) {
			if (ops[k].number != ops[r].number)
				continue;
			if (ops[k].kind != R)
				begin = ops[k].begin;
			if (ops[k].kind != ASK && ops[k].end < first)
				first = ops[k].end;
		}
		if (ops[r].kind == R && ops[r].end < begin)
			return false;
		for (unsigned u = 0; u < n && ops[r].kind == R; u++)
			if ((ops[u].kind == W || ops[u].kind == D) && ops[u].end < ops[r].begin && ops[u].begin > first)
				return false;
	}
	return true;
}

/* Operations at distinct times; writes are numbered in the order in which they begin. */
static unsigned
make(struct random *dice, struct op *ops)
{
	unsigned n = 3 + (unsigned)random_below(dice, OPS_MAX - 2), times = 2 * n, writes = 0;
	uint64_t at[2 * OPS_MAX];

	for (unsigned i = 0; i < times; i++)
		at[i] = i + 1;
	for (unsigned i = times - 1; i > 0; i--) {
		unsigned k = (unsigned)random_below(dice, i + 1);
		uint64_t t = at[i];

		at[i] = at[k];
		at[k] = t;
	}
	for (unsigned i = 0; i < n; i++) {
		static const enum kind kinds[] = { W, W, W, R, R, R, R, D, ASK };
		uint64_t a = at[2 * i], b = at[2 * i + 1];

		if (a > b) {
			b = a;
			a = at[2 * i + 1];
		}
		ops[i] = (struct op){ i == 0 ? W : kinds[random_below(dice, 9)], 0, a, b, 0 };
	}
	for (uint64_t t = 1; t <= times; t++)
		for (unsigned i = 0; i < n; i++)
			if (ops[i].begin == t && (ops[i].kind == W || ops[i].kind == ASK))
				ops[i].number = ++writes;
	for (unsigned i = 0; i < n; i++)
		if (ops[i].kind == R)
			ops[i].number = 1 + random_below(dice, writes);
	return n;
}

static void
test_every_small_history_is_judged_as_a_search_of_all_orders_does(void **state)
{
	struct random dice = { 20 };
	unsigned right = 0, wrong = 0, stale = 0;

	for (unsigned i = 0; i < 60000; i++) {
		struct op ops[OPS_MAX];
		unsigned n = make(&dice, ops);
		bool fine = explained(ops, n, 0, 0), none = all_fresh(ops, n);

		for (int tidy = 0; tidy < 2; tidy++) {
			if ((go_through(ops, n, &atomic, tidy) == HISTORY_FINE) != fine)
				fail_msg("history %u is %s, tidied: %d", i, fine ? "right" : "wrong", tidy);
			if ((go_through(ops, n, &fresh, tidy) == HISTORY_FINE) != none)
				fail_msg("history %u is %sfresh, tidied: %d", i, none ? "" : "not ", tidy);
		}
		right += fine;
		wrong += !fine;
		stale += !none;
	}
	print_message("%u right, %u wrong, %u of them not fresh\n", right, wrong, stale);
	/* Chance makes enough of all. */
	assert_true(right > 3000);
	assert_true(stale > 3000);
	assert_true(wrong > stale + 500);
}

static void
test_memory_is_bounded(void **state)
{
	struct history h = { 0 };
	uint64_t t = 1;

	for (uint64_t i = 1; i <= 200000; i++) {
		history_write(&h, i, t, 0);
		if (i % 2 == 0)
			history_written(&h, i, t + 1);
		else
			history_unanswered(&h, i);
		assert_int_equal(history_read(&h, &atomic, i, t + 2, t + 3).kind, HISTORY_FINE);
		t += 4;
		history_tidy(&h, &atomic, t);
	}
	assert_true(h.room <= 256);
	for (uint64_t i = 200001; i <= 300000; i++, t += 4) {
		history_write(&h, i, t, 0);
		history_unanswered(&h, i);
		history_tidy(&h, &atomic, t);
	}
	assert_true(h.open_room <= HISTORY_OPEN_MAX);
	/* Old ones are not judged, young ones are. */
	assert_false(history_read(&h, &atomic, 200002, t + 1, t + 2).judged);
	assert_true(history_read(&h, &atomic, 299999, t + 3, t + 4).judged);
	history_fini(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_right),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_what_nothing_removed),
		cmocka_unit_test(test_what_has_expired),
		cmocka_unit_test(test_every_small_history_is_judged_as_a_search_of_all_orders_does),
		cmocka_unit_test(test_memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
