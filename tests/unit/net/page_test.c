/* Lines on their way from worker to worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "net/page.h"

static struct page *
page_new(void)
{
	struct page *p = malloc(sizeof *p);

	assert_non_null(p);
	p->used = 0;
	p->is_text = false;
	return p;
}

static void
test_lines_come_out_as_they_went_in(void **state)
{
	struct page *p = page_new();
	const char *name, *value;
	size_t at = 0;

	(void)state;
	assert_false(page_read(p, &at, &name, &value));
	page_line(p, "a", "%d", 1);
	page_line(p, "", "%s", "");
	page_line(p, "b:c", "x %s", "y");
	assert_true(page_read(p, &at, &name, &value));
	assert_string_equal(name, "a");
	assert_string_equal(value, "1");
	assert_true(page_read(p, &at, &name, &value));
	assert_string_equal(name, "");
	assert_string_equal(value, "");
	assert_true(page_read(p, &at, &name, &value));
	assert_string_equal(name, "b:c");
	assert_string_equal(value, "x y");
	assert_false(page_read(p, &at, &name, &value));
	assert_false(p->is_text);
	free(p);
}

/* Lines of every length up to its end: one that fits to the byte is there, one that does not leaves no trace. */
static void
test_what_does_not_fit_is_left_out(void **state)
{
	static char filling[PAGE_BYTES];
	struct page *p = page_new();
	const char *name, *value;

	(void)state;
	memset(filling, 'f', sizeof filling - 1);
	for (int left = 0; left < 12; left++) {
		size_t at = 0;

		p->used = 0;
		page_line(p, "n", "%.*s", PAGE_BYTES - 3 - left, filling);
		assert_int_equal(p->used, PAGE_BYTES - left);
		assert_int_equal(page_has_room(p, 6), left >= 6);
		page_line(p, "ab", "%s", "cd");
		assert_int_equal(p->used, left >= 6 ? PAGE_BYTES - left + 6 : PAGE_BYTES - left);
		assert_true(page_read(p, &at, &name, &value));
		assert_int_equal(strlen(value), PAGE_BYTES - 3 - left);
		assert_int_equal(page_read(p, &at, &name, &value), left >= 6);
	}
	p->used = 0;
	page_line(p, "n", "%s%s", filling, filling);
	page_line(p, filling, "%s", "v");
	assert_int_equal(p->used, 0);
	free(p);
}

static void
test_text_is_whole_lines(void **state)
{
	static char filling[PAGE_BYTES];
	struct page *p = page_new();

	(void)state;
	memset(filling, 'f', sizeof filling - 1);
	page_text(p, "PREFIX %s\r\n", "a");
	page_text(p, "%s\r\n", filling);
	page_text(p, "END\r\n");
	assert_true(p->is_text);
	assert_int_equal(p->used, strlen("PREFIX a\r\nEND\r\n"));
	assert_memory_equal(p->bytes, "PREFIX a\r\nEND\r\n", p->used);
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_come_out_as_they_went_in),
		cmocka_unit_test(test_what_does_not_fit_is_left_out),
		cmocka_unit_test(test_text_is_whole_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
