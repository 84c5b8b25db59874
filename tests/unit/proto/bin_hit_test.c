/* Hits in the binary protocol, byte for byte. */
#include "../base/unit.h"

#include "bin_talk.h"

static bool
tells_time(uint8_t opcode)
{
	return opcode == BIN_GETE || opcode == BIN_GETEQ;
}

static void
fill(struct rend_op *op, const char *value, size_t len)
{
	op->item.flags = 0xa1b2c3d4;
	op->item.exptime = 1700000100;
	op->item.cas = VERSION;
	op->item.have = op->ask.want;
	assert_int_equal(rend_value_copy_in(&op->item.value, value, len), 0);
}

static void
check_hit(const struct known *k, size_t len)
{
	static struct answer a;
	static char value[100000];
	bool with_value = k->opcode != BIN_TOUCH;
	size_t keylen = repeats_key(k->opcode) ? 3 : 0, extlen = tells_time(k->opcode) ? 8 : 4;
	struct talk t;
	struct rend_op *op;

	for (size_t i = 0; i < len; i++)
		value[i] = (char)(i * 7);
	talk_init(&t, &proto_limits_default);
	ask(&t, k->opcode, k->extras, "key", 3, 0);
	op = op_new_for(&t, REND_OK);
	/* A handler may give more than was wanted. */
	fill(op, value, len);
	dialog_reply(&t.dialog, &t.out, &t.cmd.asked, op);
	op_drop(&op);
	assert_true(next_answer(&t, &a));
	assert_int_equal(a.opcode, k->opcode);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.extlen, extlen);
	assert_int_equal(a.keylen, keylen);
	assert_int_equal(a.cas, VERSION);
	assert_int_equal(a.bodylen, extlen + keylen + (with_value ? len : 0));
	assert_memory_equal(a.body, "\xa1\xb2\xc3\xd4", 4);
	if (tells_time(k->opcode))
		assert_int_equal(bin_u32(a.body + 4), 1700000100);
	assert_memory_equal(a.body + extlen, "key", keylen);
	if (with_value)
		assert_memory_equal(a.body + extlen + keylen, value, len);
	talk_fini(&t);
}

static void
test_hits(void **state)
{
	static const size_t lengths[] = { 0, 1, CHAIN_COPY_MAX, CHAIN_COPY_MAX + 1, 100000 };

	for (size_t i = 0; i < known_count; i++)
		for (size_t l = 0; known[i].verb == REND_GET && l < COUNT_OF(lengths); l++)
			check_hit(&known[i], lengths[l]);
}

static void
test_the_longest_key_with_a_value_that_is_copied(void **state)
{
	static struct answer a;
	char key[REND_KEY_MAX], value[CHAIN_COPY_MAX];
	struct talk t;
	struct rend_op *op;

	memset(key, 'k', sizeof(key));
	memset(value, 'v', sizeof(value));
	talk_init(&t, &proto_limits_default);
	ask(&t, BIN_GATK, 4, key, sizeof(key), 0);
	op = op_new_for(&t, REND_OK);
	fill(op, value, sizeof(value));
	dialog_reply(&t.dialog, &t.out, &t.cmd.asked, op);
	op_drop(&op);
	assert_true(next_answer(&t, &a));
	assert_int_equal(a.bodylen, 4 + sizeof(key) + sizeof(value));
	assert_memory_equal(a.body + 4, key, sizeof(key));
	assert_memory_equal(a.body + 4 + sizeof(key), value, sizeof(value));
	talk_fini(&t);
}

static uint32_t
time_told(int64_t exptime)
{
	static struct answer a;
	struct talk t;
	struct rend_op *op;

	talk_init(&t, &proto_limits_default);
	ask(&t, BIN_GETE, 0, "key", 3, 0);
	op = op_new_for(&t, REND_OK);
	fill(op, "v", 1);
	op->item.exptime = exptime;
	dialog_reply(&t.dialog, &t.out, &t.cmd.asked, op);
	op_drop(&op);
	assert_true(next_answer(&t, &a));
	talk_fini(&t);
	return bin_u32(a.body + 4);
}

static void
test_a_time_that_does_not_fit(void **state)
{
	assert_int_equal(time_told(0), 0);
	assert_int_equal(time_told(UINT32_MAX), UINT32_MAX);
	assert_int_equal(time_told(INT64_C(1) << 32), UINT32_MAX);
	assert_int_equal(time_told(INT64_MAX), UINT32_MAX);
	assert_int_equal(time_told(-1), 1);
}

static void
test_a_time_that_nobody_knows(void **state)
{
	static const uint8_t opcodes[] = { BIN_GETE, BIN_GETEQ };

	for (size_t i = 0; i < COUNT_OF(opcodes); i++) {
		struct talk t;
		struct rend_op *op;

		talk_init(&t, &proto_limits_default);
		ask(&t, opcodes[i], 0, "key", 3, 0);
		op = op_new_for(&t, REND_OK);
		fill(op, "v", 1);
		op->item.have &= ~(uint32_t)REND_WANT_EXPTIME;
		dialog_reply(&t.dialog, &t.out, &t.cmd.asked, op);
		op_drop(&op);
		check_says(&t, opcodes[i], 0x83, "Not supported");
		talk_fini(&t);
	}
}

static void
test_no_version_of_a_hit_where_there_are_none(void **state)
{
	static struct answer a;
	struct talk t;
	struct rend_op *op;

	talk_init(&t, &no_cas);
	ask(&t, BIN_GET, 0, "key", 3, 0);
	op = op_new_for(&t, REND_OK);
	fill(op, "v", 1);
	dialog_reply(&t.dialog, &t.out, &t.cmd.asked, op);
	op_drop(&op);
	assert_true(next_answer(&t, &a));
	assert_int_equal(a.cas, 0);
	talk_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_the_longest_key_with_a_value_that_is_copied),
		cmocka_unit_test(test_a_time_that_does_not_fit),
		cmocka_unit_test(test_a_time_that_nobody_knows),
		cmocka_unit_test(test_no_version_of_a_hit_where_there_are_none),
	};

	return cmocka_run_group_tests_name("proto/bin_hit", tests, talk_setup, talk_teardown);
}
