/* Which protocol a connection gets. */
#include "../base/unit.h"

#include "proto/proto.h"

static enum parse
first(struct dialog *d, const void *p, size_t len)
{
	struct command cmd;
	size_t used = 99;
	enum parse r = dialog_parse(d, p, len, &used, &cmd);

	if (r != PARSE_COMMAND)
		assert_int_equal(used, 0);
	return r;
}

static void
test_nothing_decides_nothing(void **state)
{
	struct dialog d = { .limits = &proto_limits_default };

	assert_int_equal(first(&d, "", 0), PARSE_MORE);
	assert_null(d.protocol);
}

static void
test_the_first_byte_decides(void **state)
{
	for (int c = 0; c < 256; c++) {
		struct dialog d = { .limits = &proto_limits_default };
		char byte = (char)c;

		assert_int_equal(first(&d, &byte, 1), c == '\n' ? PARSE_COMMAND : PARSE_MORE);
		assert_ptr_equal(d.protocol, c == 0x80 ? &binary_protocol : &text_protocol);
	}
}

static void
test_a_protocol_that_is_given_stays(void **state)
{
	struct dialog d = { .limits = &proto_limits_default, .protocol = &text_protocol };

	assert_int_equal(first(&d, "\x80\n", 2), PARSE_COMMAND);
	assert_ptr_equal(d.protocol, &text_protocol);
}

static void
test_only_one_may_begin(void **state)
{
	for (int c = 0; c < 256; c++) {
		struct dialog text = { .limits = &proto_limits_default, .only = DIALOG_TEXT };
		struct dialog binary = { .limits = &proto_limits_default, .only = DIALOG_BINARY };
		char byte = (char)c;

		if (c == 0x80) {
			assert_int_equal(first(&text, &byte, 1), PARSE_CLOSE);
			assert_int_equal(first(&binary, &byte, 1), PARSE_MORE);
		} else {
			assert_int_equal(first(&text, &byte, 1), c == '\n' ? PARSE_COMMAND : PARSE_MORE);
			assert_int_equal(first(&binary, &byte, 1), PARSE_CLOSE);
		}
	}
}

static void
test_binary_stays_binary(void **state)
{
	static const char noop[24] = "\x80\x0a";
	struct dialog d = { .limits = &proto_limits_default };

	assert_int_equal(first(&d, noop, sizeof(noop)), PARSE_COMMAND);
	assert_int_equal(first(&d, "version\r\n", 9), PARSE_CLOSE);
	assert_ptr_equal(d.protocol, &binary_protocol);
}

static void
test_text_stays_text(void **state)
{
	struct dialog d = { .limits = &proto_limits_default };

	assert_int_equal(first(&d, "version\r\n", 9), PARSE_COMMAND);
	assert_int_equal(first(&d, "\x80\x00\r\n", 4), PARSE_COMMAND);
	assert_ptr_equal(d.protocol, &text_protocol);
}

static void
test_the_default_limits(void **state)
{
	assert_int_equal(proto_limits_default.item_size_max, 1 << 20);
	assert_int_equal(proto_limits_default.line_max, 2048);
	assert_true(proto_limits_default.get_line_max >= 1 << 20);
	assert_true(proto_limits_default.flush_enabled);
	assert_true(proto_limits_default.cas_enabled);
	assert_false(proto_limits_default.shutdown_enabled);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_decides_nothing),
		cmocka_unit_test(test_the_first_byte_decides),
		cmocka_unit_test(test_a_protocol_that_is_given_stays),
		cmocka_unit_test(test_only_one_may_begin),
		cmocka_unit_test(test_binary_stays_binary),
		cmocka_unit_test(test_text_stays_text),
		cmocka_unit_test(test_the_default_limits),
	};

	return cmocka_run_group_tests_name("proto/dialog", tests, NULL, NULL);
}
