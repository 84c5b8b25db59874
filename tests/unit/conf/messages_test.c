/* All that is wrong, in order. */
#include "../base/unit.h"

#include <sysexits.h>

#include "conf/messages.h"

static void
expect(struct messages *m, const char *expected)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	messages_print(m, out);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

#define AT(file, line) ((struct place){ file, line })

static void
prints_in_order(void **state)
{
	struct messages m = { 0 };

	messages_error(&m, AT("-o workers", 0), 0, "workers", "bad");
	messages_error(&m, AT("b.conf", 9), 0, "log.to", "nine");
	messages_error(&m, AT("a.conf", 2), 0, NULL, "two");
	messages_warn(&m, AT("b.conf", 3), "x", "three");
	messages_error(&m, AT("-p", 0), 0, "listeners.0.port", "bad");
	messages_error(&m, AT("b.conf", 9), 0, NULL, "nine again");
	messages_error(&m, AT(NULL, 0), 0, NULL, "nowhere");
	expect(&m, "b.conf:3: warning: x: three\nb.conf:9: log.to: nine\nb.conf:9: nine again\na.conf:2: two\n"
		   "-o workers: bad\n-p: listeners.0.port: bad\nnowhere\n");
	messages_fini(&m);
	expect(&m, "");
}

static void
chooses_an_exit_code(void **state)
{
	struct messages m = { 0 };
	struct rend_error err = { .text = "unsafe", .exit_code = EX_NOPERM };

	assert_int_equal(messages_exit_code(&m), 0);
	messages_warn(&m, AT("a", 1), NULL, "only a warning");
	assert_int_equal(messages_exit_code(&m), 0);
	messages_take(&m, AT("a", 1), NULL, &err);
	assert_int_equal(messages_exit_code(&m), EX_NOPERM);
	messages_take(&m, AT("a", 2), NULL, &err);
	assert_int_equal(messages_exit_code(&m), EX_NOPERM);
	err.exit_code = 0;
	messages_take(&m, AT("a", 2), NULL, &err);
	assert_int_equal(messages_exit_code(&m), EX_CONFIG);
	messages_fini(&m);
}

static void
keeps_so_many(void **state)
{
	struct messages m = { 0 };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	for (int i = 0; i < MESSAGES_MAX + 7; i++)
		messages_error(&m, AT("a", 1), 0, NULL, "no %d", i);
	assert_int_equal(m.errors, MESSAGES_MAX + 7);
	messages_print(&m, out);
	fclose(out);
	assert_non_null(strstr(text, "a:1: no 99\nand 7 more\n"));
	free(text);
	messages_fini(&m);
}

static void
obeys_no_control_characters(void **state)
{
	struct messages m = { 0 };

	messages_error(&m, AT("a\033[2J", 1), 0, "x\n", "y\r%s", "\177");
	expect(&m, "a\\x1b[2J:1: x\\x0a: y\\x0d\\x7f\n");
	messages_fini(&m);
}

static void
cuts_what_is_too_long(void **state)
{
	struct messages m = { 0 };
	char *text = malloc(5001);

	assert_non_null(text);
	memset(text, 'x', 5000);
	text[5000] = '\0';
	messages_error(&m, AT("a", 1), 0, text, "%s", text);
	assert_in_range(strlen(m.all[0].text), 1000, 2000);
	free(text);
	messages_fini(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_in_order),
		cmocka_unit_test(chooses_an_exit_code),
		cmocka_unit_test(keeps_so_many),
		cmocka_unit_test(obeys_no_control_characters),
		cmocka_unit_test(cuts_what_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
