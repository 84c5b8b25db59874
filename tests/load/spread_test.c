/* Numbers with units, drawn numbers, keys and their order. */
#include "../unit/base/unit.h"

#include <math.h>

#include "../../tools/load/keys.h"
#include "../../tools/load/spread.h"

#define MANY 200000

static void
test_quantities(void **state)
{
	static const struct {
		const char *text;
		enum quantity kind;
		double n; /* negative: it is none */
	} rows[] = {
		{ "5", QUANTITY_COUNT, 5 },
		{ "1e6", QUANTITY_COUNT, 1e6 },
		{ "1.5k", QUANTITY_COUNT, 1500 },
		{ "2M", QUANTITY_COUNT, 2e6 },
		{ "10KiB", QUANTITY_BYTES, 10240 },
		{ "0", QUANTITY_BYTES, 0 },
		{ "2ms", QUANTITY_TIME, 2e6 },
		{ "2", QUANTITY_TIME, 2e9 },
		{ "0.5s", QUANTITY_TIME, 5e8 },
		{ "90%", QUANTITY_SHARE, 0.9 },
		{ "0.9", QUANTITY_SHARE, 0.9 },
		{ "", QUANTITY_COUNT, -1 },
		{ "-5", QUANTITY_COUNT, -1 },
		{ "+5", QUANTITY_COUNT, -1 },
		{ " 5", QUANTITY_COUNT, -1 },
		{ "0x10", QUANTITY_COUNT, -1 },
		{ "inf", QUANTITY_COUNT, -1 },
		{ "1e999", QUANTITY_COUNT, -1 },
		{ "5kg", QUANTITY_BYTES, -1 },
		{ "5K", QUANTITY_BYTES, -1 },
		{ "ms", QUANTITY_TIME, -1 },
		{ "11111111111111111111111111111111111111111", QUANTITY_COUNT, -1 },
	};
	double n;
	uint64_t whole;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool good = quantity_parse(rows[i].text, strlen(rows[i].text), rows[i].kind, &n);

		assert_int_equal(good, rows[i].n >= 0);
		if (good)
			assert_true(fabs(n - rows[i].n) < 1e-6 * (1 + rows[i].n));
	}
	assert_false(quantity_whole("1.5", 3, QUANTITY_COUNT, 10, &whole));
	assert_false(quantity_whole("11", 2, QUANTITY_COUNT, 10, &whole));
	assert_true(quantity_whole("1.5KiB", 6, QUANTITY_BYTES, 10000, &whole));
	assert_int_equal(whole, 1536);
	/* In doubles it is a little less. */
	assert_true(quantity_whole("1.001s", 6, QUANTITY_TIME, UINT64_MAX, &whole));
	assert_int_equal(whole, 1001000000);
	assert_false(quantity_whole("1.5ns", 5, QUANTITY_TIME, UINT64_MAX, &whole));
}

static void
test_quantities_told(void **state)
{
	char buf[QUANTITY_SHORT];

	assert_string_equal(quantity_time(buf, 0), "0.00us");
	assert_string_equal(quantity_time(buf, 1234), "1.23us");
	assert_string_equal(quantity_time(buf, 123456), "123us");
	assert_string_equal(quantity_time(buf, 999600), "1.00ms");
	assert_string_equal(quantity_time(buf, UINT64_C(12345678901)), "12.3s");
	assert_string_equal(quantity_bytes(buf, 100), "100B");
	assert_string_equal(quantity_bytes(buf, 64 << 20), "64.0MiB");
}

static void
test_spreads_refused(void **state)
{
	static const char *const bad[] = { "", "x", "5,", ",5", "5-", "-5", "6-5", "101", "5:x", "5:0",
		"1,2,3,4,5,6,7,8,9", "lognormal:5", "lognormal:5:1", "lognormal:0:1:50", "lognormal:5:0:50",
		"lognormal:5:1:101" };
	struct spread s;

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (spread_parse(&s, bad[i], QUANTITY_BYTES, 100) == NULL)
			fail_msg("taken: \"%s\"", bad[i]);
}

static void
test_spreads(void **state)
{
	struct spread s;
	struct random r = { 1 };
	uint64_t small = 0, low = UINT64_MAX, high = 0;

	assert_null(spread_parse(&s, "100", QUANTITY_BYTES, 1000));
	assert_int_equal(spread_draw(&s, &r), 100);
	assert_null(spread_parse(&s, "10:9,500-600:1", QUANTITY_BYTES, 1000));
	assert_int_equal(spread_max(&s), 600);
	assert_int_equal(spread_min(&s), 10);
	for (int i = 0; i < MANY; i++) {
		uint64_t n = spread_draw(&s, &r);

		assert_true(n == 10 || (n >= 500 && n <= 600));
		small += n == 10;
		if (n != 10 && n < low)
			low = n;
		if (n > high)
			high = n;
	}
	assert_true(fabs((double)small / MANY - 0.9) < 0.01);
	assert_int_equal(low, 500);
	assert_int_equal(high, 600);
}

static void
test_lognormal(void **state)
{
	struct spread s;
	struct random r = { 1 };
	double below = 0, within = 0;

	assert_null(spread_parse(&s, "lognormal:1000:0.5:1MiB", QUANTITY_BYTES, 1 << 20));
	assert_int_equal(spread_max(&s), 1 << 20);
	assert_int_equal(spread_min(&s), 0);
	for (int i = 0; i < MANY; i++) {
		double n = (double)spread_draw(&s, &r);

		below += n < 1000;
		within += n > 1000 * exp(-0.5) && n < 1000 * exp(0.5);
	}
	assert_true(fabs(below / MANY - 0.5) < 0.01);
	/* One deviation to both sides. */
	assert_true(fabs(within / MANY - 0.6827) < 0.01);
	assert_null(spread_parse(&s, "lognormal:1000:3:2000", QUANTITY_BYTES, 1 << 20));
	for (int i = 0; i < 1000; i++)
		assert_true(spread_draw(&s, &r) <= 2000);
}

static void
test_key_names(void **state)
{
	struct keys k = { 0 };
	char name[KEYS_NAME_MAX];

	keys_init(&k, "p:", 3, 26 * 26 * 26);
	assert_int_equal(k.len, 5);
	assert_ptr_equal(keys_name(&k, 0, name), name + 5);
	assert_memory_equal(name, "p:AAA", 5);
	keys_name(&k, 27, name);
	assert_memory_equal(name, "p:ABB", 5);
	keys_name(&k, 26 * 26 * 26 - 1, name);
	assert_memory_equal(name, "p:ZZZ", 5);
	keys_name(&k, 27 | KEYS_NUMBER, name);
	assert_memory_equal(name, "p:abb", 5);
	assert_true(keys_is(&k, 27, "p:ABB", 5));
	assert_false(keys_is(&k, 27, "p:ABBx", 6));
	assert_false(keys_is(&k, 27, "p:abb", 5));
	assert_int_equal(keys_find(&k, "p:ABB", 5), 27);
	assert_int_equal(keys_find(&k, "p:abb", 5), 27 | KEYS_NUMBER);
	assert_int_equal(keys_find(&k, "p:ABBx", 6), UINT32_MAX);
	assert_int_equal(keys_find(&k, "p:AB", 4), UINT32_MAX);
	assert_int_equal(keys_find(&k, "q:ABB", 5), UINT32_MAX);
	assert_int_equal(keys_find(&k, "p:AbB", 5), UINT32_MAX);
	assert_int_equal(keys_find(&k, "p:Abb", 5), UINT32_MAX);
	assert_int_equal(keys_find(&k, "p:A@B", 5), UINT32_MAX);
	assert_int_equal(keys_find(&k, "", 0), UINT32_MAX);
	for (uint32_t key = 0; key < 26 * 26 * 26; key++)
		assert_int_equal(keys_find(&k, name, (size_t)(keys_name(&k, key, name) - name)), key);
	keys_init(&k, "", 10, KEYS_MAX);
	assert_int_equal(keys_find(&k, "ZZZZZZZZZZ", 10), UINT32_MAX);
	assert_int_equal(keys_letters(1), 1);
	assert_int_equal(keys_letters(26), 1);
	assert_int_equal(keys_letters(27), 2);
	assert_int_equal(keys_space(4), 456976);
	assert_int_equal(keys_space(200), KEYS_MAX);
}

static void
test_orders_refused(void **state)
{
	static const char *const bad[] = { "", "zip", "zipf:", "zipf:x", "zipf:0", "zipf:11", "hotspot:", "hotspot:10%",
		"hotspot:0:1", "hotspot:1:1", "uniform:1" };
	struct keys k;

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (keys_order_parse(&k, bad[i]) == NULL)
			fail_msg("taken: \"%s\"", bad[i]);
}

static void
draw(struct keys *k, const char *order, uint32_t count, uint64_t *counts)
{
	struct random r = { 1 };

	*k = (struct keys){ 0 };
	assert_null(keys_order_parse(k, order));
	keys_init(k, "", 4, count);
	memset(counts, 0, count * sizeof *counts);
	for (int i = 0; i < MANY; i++) {
		uint32_t key = keys_pick(k, &r);

		assert_true(key < count);
		counts[key]++;
	}
}

static void
test_zipf(void **state)
{
	static const char *const orders[] = { "zipf:0.5", "zipf:0.99", "zipf:1", "zipf:1.5" };
	static const double skews[] = { 0.5, 0.99, 1, 1.5 };
	enum { COUNT = 100 };
	uint64_t counts[COUNT];
	struct keys k;

	for (size_t o = 0; o < COUNT_OF(orders); o++) {
		double all = 0, chi = 0;

		draw(&k, orders[o], COUNT, counts);
		for (int i = 1; i <= COUNT; i++)
			all += pow(i, -skews[o]);
		for (int i = 1; i <= COUNT; i++) {
			double want = MANY * pow(i, -skews[o]) / all;

			chi += (counts[i - 1] - want) * (counts[i - 1] - want) / want;
		}
		/* Of 99 degrees of freedom; beyond 160 once in ten thousand.  The seed is always the same. */
		assert_true(chi < 160);
	}
	draw(&k, "zipf", 1, counts);
	assert_int_equal(counts[0], MANY);
}

static void
test_other_orders(void **state)
{
	uint64_t counts[1000], hot = 0;
	struct keys k;

	draw(&k, "uniform", 1000, counts);
	for (int i = 0; i < 1000; i++)
		assert_in_range(counts[i], 120, 280);
	draw(&k, "sequential", 1000, counts);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(counts[i], MANY / 1000);
	draw(&k, "hotspot:1%:80%", 1000, counts);
	for (int i = 0; i < 10; i++)
		hot += counts[i];
	assert_true(fabs((double)hot / MANY - 0.8) < 0.01);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantities),
		cmocka_unit_test(test_quantities_told),
		cmocka_unit_test(test_spreads_refused),
		cmocka_unit_test(test_spreads),
		cmocka_unit_test(test_lognormal),
		cmocka_unit_test(test_key_names),
		cmocka_unit_test(test_orders_refused),
		cmocka_unit_test(test_zipf),
		cmocka_unit_test(test_other_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
