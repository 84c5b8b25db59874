/* Unit tests of core/base/strbuf.c. */
#include "scarce.h"
#include "unit.h"

#include "base/strbuf.h"

static void
what_is_written_is_there(void **state)
{
	struct strbuf b = { .most = 1024 * 1024 };
	char expected[20000] = "";
	size_t at = 0;

	for (int i = 0; i < 1000; i++) {
		strbuf_printf(&b, "%d ", i);
		strbuf_puts(&b, "x");
		strbuf_add(&b, "yz", 2);
		at += (size_t)sprintf(expected + at, "%d xyz", i);
	}
	assert_false(b.broken);
	assert_int_equal(b.len, at);
	assert_memory_equal(b.text, expected, at);
	strbuf_fini(&b);
	assert_null(b.text);
}

static void
a_long_line_is_whole(void **state)
{
	for (int len = 500; len < 530; len++) {
		struct strbuf b = { .most = 4096 };

		strbuf_puts(&b, "<");
		strbuf_printf(&b, "%*d>", len, 7);
		assert_false(b.broken);
		assert_int_equal(b.len, len + 2);
		assert_memory_equal(b.text + len - 1, " 7>", 3);
		strbuf_fini(&b);
	}
}

static void
the_bound_holds_and_nothing_follows(void **state)
{
	struct strbuf b = { .most = 10 };

	strbuf_puts(&b, "0123456789");
	assert_false(b.broken);
	strbuf_puts(&b, "");
	assert_false(b.broken);
	strbuf_puts(&b, "a");
	assert_true(b.broken);
	assert_int_equal(b.len, 10);
	strbuf_fini(&b);

	b = (struct strbuf){ .most = 10 };
	strbuf_puts(&b, "01234567890");
	assert_true(b.broken);
	strbuf_puts(&b, "0");
	assert_int_equal(b.len, 0);
	strbuf_fini(&b);
	assert_false(b.broken);
}

static void
without_memory_it_is_broken(void **state)
{
	struct strbuf b = { .most = 1024 * 1024 };
	static const char kib[1024];
	size_t before;

	strbuf_puts(&b, "a");
	scarce_after(0);
	strbuf_add(&b, kib, sizeof kib);
	scarce_no_more();
	assert_true(b.broken);
	before = b.len;
	strbuf_puts(&b, "b");
	assert_int_equal(b.len, before);
	assert_int_equal(b.text[0], 'a');
	strbuf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_there),
		cmocka_unit_test(a_long_line_is_whole),
		cmocka_unit_test(the_bound_holds_and_nothing_follows),
		cmocka_unit_test(without_memory_it_is_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
