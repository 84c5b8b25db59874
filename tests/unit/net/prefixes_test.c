/* Counts by prefix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/prefixes.h"

/* All of a dump, page after page. */
static char *
dump(struct prefixes *p)
{
	static char all[PREFIXES_MAX * 64];
	struct page *page = malloc(sizeof *page);
	size_t used = 0;
	uint64_t cursor = 0;
	bool more = true;

	assert_non_null(page);
	while (more) {
		page->used = 0;
		more = prefixes_write(p, page, &cursor);
		assert_true(page->is_text && page->used > 0);
		assert_true(used + page->used < sizeof all);
		memcpy(all + used, page->bytes, page->used);
		used += page->used;
	}
	all[used] = '\0';
	free(page);
	return all;
}

static void
count(struct prefixes *p, const char *key, enum prefix_count what)
{
	prefixes_count(p, key, strlen(key), what);
}

static void
test_keys_are_counted_by_what_stands_before_the_first_colon(void **state)
{
	struct prefixes p;

	(void)state;
	prefixes_init(&p);
	assert_false(prefixes_is_on(&p));
	assert_string_equal(dump(&p), "END\r\n");
	assert_true(prefixes_switch(&p, true));
	assert_true(prefixes_is_on(&p));
	count(&p, "a:1", PREFIX_GET);
	count(&p, "a:2:3", PREFIX_HIT);
	count(&p, "a:", PREFIX_SET);
	count(&p, ":x", PREFIX_DELETE);
	count(&p, "none", PREFIX_SET);
	count(&p, "b c\n\x7f\xff%:1", PREFIX_SET);
	assert_string_equal(dump(&p), "PREFIX a get 2 hit 1 set 1 del 0\r\nPREFIX  get 0 hit 0 set 0 del 1\r\n"
				      "PREFIX b%20c%0A%7F\xff% get 0 hit 0 set 1 del 0\r\nEND\r\n");
	/* What was counted stays when it is switched off, and goes when it is reset. */
	prefixes_switch(&p, false);
	assert_false(prefixes_is_on(&p));
	assert_non_null(strstr(dump(&p), "PREFIX a get 2"));
	prefixes_reset(&p);
	assert_string_equal(dump(&p), "END\r\n");
	count(&p, "a:1", PREFIX_GET);
	assert_string_equal(dump(&p), "PREFIX a get 1 hit 0 set 0 del 0\r\nEND\r\n");
	prefixes_fini(&p);
}

static void
test_there_are_only_so_many(void **state)
{
	struct prefixes p;
	char key[32];
	const char *line;
	int n = 0;

	(void)state;
	prefixes_init(&p);
	prefixes_switch(&p, true);
	for (int i = 0; i < PREFIXES_MAX + 5; i++) {
		snprintf(key, sizeof key, "p%d:x", i);
		count(&p, key, PREFIX_SET);
	}
	assert_int_equal(p.count, PREFIXES_MAX);
	assert_int_equal(prefixes_missed(&p), 5);
	count(&p, "p9999:y", PREFIX_SET);
	assert_int_equal(prefixes_missed(&p), 5);
	for (line = strstr(dump(&p), "PREFIX p"); line != NULL; line = strstr(line + 1, "PREFIX p"))
		n++;
	assert_int_equal(n, PREFIXES_MAX);
	assert_non_null(strstr(dump(&p), "PREFIX p9999 get 0 hit 0 set 2 del 0\r\nEND\r\n"));
	prefixes_reset(&p);
	assert_int_equal(prefixes_missed(&p), 0);
	prefixes_fini(&p);
}

/* A dump that is under way when all is forgotten ends, and well. */
static void
test_a_reset_in_the_middle_of_a_dump(void **state)
{
	struct prefixes p;
	struct page page = { 0 };
	uint64_t cursor = 0;
	char key[32];

	(void)state;
	prefixes_init(&p);
	prefixes_switch(&p, true);
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof key, "p%d:x", i);
		count(&p, key, PREFIX_SET);
	}
	assert_true(prefixes_write(&p, &page, &cursor));
	prefixes_reset(&p);
	page.used = 0;
	assert_false(prefixes_write(&p, &page, &cursor));
	assert_int_equal(page.used, 5);
	assert_memory_equal(page.bytes, "END\r\n", 5);
	prefixes_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_are_counted_by_what_stands_before_the_first_colon),
		cmocka_unit_test(test_there_are_only_so_many),
		cmocka_unit_test(test_a_reset_in_the_middle_of_a_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
