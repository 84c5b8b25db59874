/* Every answer of the binary protocol, byte for byte: each is that to a request that was parsed. */
#include "../base/unit.h"

#include "bin_talk.h"

struct said {
	uint16_t code;
	const char *text;
};

#define NF                        \
	{                         \
		0x01, "Not found" \
	}
#define EX                                   \
	{                                    \
		0x02, "Data exists for key." \
	}
#define BIG                        \
	{                          \
		0x03, "Too large." \
	}
#define NS                          \
	{                           \
		0x05, "Not stored." \
	}
#define NAN                                                            \
	{                                                              \
		0x06, "Non-numeric server-side value for incr or decr" \
	}
#define OOM                           \
	{                             \
		0x82, "Out of memory" \
	}
#define UNS                           \
	{                             \
		0x83, "Not supported" \
	}
#define ERR                           \
	{                             \
		0x84, "Backend error" \
	}
#define BSY                          \
	{                            \
		0x85, "Backend busy" \
	}
#define TMO                             \
	{                               \
		0x86, "Backend timeout" \
	}
#define DWN                          \
	{                            \
		0x86, "Backend down" \
	}
#define OK              \
	{               \
		0, NULL \
	}

/* In the order of enum rend_status. */
static const struct said says[REND_VERB_COUNT][REND_STATUS_COUNT] = {
	[REND_GET] = { OK, NF, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_SET] = { OK, NF, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_ADD] = { OK, NF, EX, EX, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_REPLACE] = { OK, NF, EX, NF, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_APPEND] = { OK, NS, EX, NS, NAN, NS, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_PREPEND] = { OK, NS, EX, NS, NAN, NS, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_INCR] = { OK, NF, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_DECR] = { OK, NF, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_DELETE] = { OK, NF, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
};

static void
check_failure(const struct known *k, uint8_t status)
{
	static struct answer a;
	const struct said *s = &says[k->verb][status < REND_STATUS_COUNT ? status : REND_IO];
	struct talk t;
	struct rend_op *op;

	talk_init(&t, &proto_limits_default);
	ask(&t, k->opcode, k->extras, "key", 3, 0);
	assert_int_equal(t.cmd.asked.verb, k->verb);
	op = op_new_for(&t, status);
	dialog_reply(&t.dialog, &t.out, &t.cmd.asked, op);
	if (k->verb == REND_GET && status == REND_MISS && k->quiet) {
		check_silent(&t, k->opcode, status);
	} else if (status == REND_MISS && repeats_key(k->opcode)) {
		assert_true(next_answer(&t, &a));
		assert_int_equal(a.opcode, k->opcode);
		assert_int_equal(a.status, BIN_NOT_FOUND);
		assert_int_equal(a.extlen, 0);
		assert_int_equal(a.keylen, 3);
		assert_string_equal(a.body, "key");
	} else {
		check_says(&t, k->opcode, s->code, s->text);
	}
	op_drop(&op);
	talk_fini(&t);
}

static void
test_every_failure_of_every_opcode(void **state)
{
	for (size_t i = 0; i < known_count; i++) {
		for (uint8_t status = REND_OK + 1; status < REND_STATUS_COUNT; status++)
			check_failure(&known[i], status);
		check_failure(&known[i], REND_STATUS_COUNT);
		check_failure(&known[i], 255);
	}
}

static void
test_no_memory_for_a_request(void **state)
{
	for (size_t i = 0; i < known_count; i++) {
		struct talk t;

		talk_init(&t, &proto_limits_default);
		ask(&t, known[i].opcode, known[i].extras, "key", 3, 0);
		t.cmd.asked.kind = COMMAND_NO_MEMORY;
		dialog_reply(&t.dialog, &t.out, &t.cmd.asked, NULL);
		check_says(&t, known[i].opcode, 0x82, "Out of memory");
		talk_fini(&t);
	}
}

static void
test_too_large(void **state)
{
	static const uint8_t opcodes[] = { BIN_SET, BIN_SETQ };

	for (size_t i = 0; i < COUNT_OF(opcodes); i++)
		for (uint8_t status = 0; status < REND_STATUS_COUNT; status++) {
			bool failed = rend_outcome(status) == REND_FAIL;
			struct talk t;
			struct rend_op *op;

			talk_init(&t, &proto_limits_default);
			ask(&t, opcodes[i], 8, "key", 3, UINT32_MAX - 11);
			assert_int_equal(t.cmd.asked.kind, COMMAND_TOO_LARGE);
			op = op_new_for(&t, status);
			op->verb = REND_DELETE;
			dialog_reply(&t.dialog, &t.out, &t.cmd.asked, op);
			check_says(&t, opcodes[i], failed ? says[REND_SET][status].code : 0x03,
			    failed ? says[REND_SET][status].text : "Too large.");
			op_drop(&op);
			talk_fini(&t);
		}
}

static void
test_what_is_refused(void **state)
{
	struct talk t;

	talk_init(&t, &proto_limits_default);
	ask(&t, 0x77, 3, "key", 3, 100);
	dialog_reply(&t.dialog, &t.out, &t.cmd.asked, NULL);
	check_says(&t, 0x77, 0x81, "Unknown command");
	talk_fini(&t);
	talk_init(&t, &proto_limits_default);
	ask(&t, BIN_GETQ, 4, "key", 3, 0);
	dialog_reply(&t.dialog, &t.out, &t.cmd.asked, NULL);
	check_says(&t, BIN_GETQ, 0x04, "Invalid arguments");
	talk_fini(&t);
}

/* ---- what else went well ---- */

static void
check_done(const struct known *k, const struct proto_limits *limits)
{
	static struct answer a;
	bool counts = k->verb == REND_INCR || k->verb == REND_DECR;
	uint64_t cas = limits->cas_enabled && k->verb != REND_DELETE ? VERSION : 0;
	struct talk t;
	struct rend_op *op;

	talk_init(&t, limits);
	ask(&t, k->opcode, k->extras, "key", 3, 0);
	op = op_new_for(&t, REND_OK);
	op->item.cas = VERSION;
	op->item.number = UINT64_C(0xfffefdfcfbfaf9f8);
	dialog_reply(&t.dialog, &t.out, &t.cmd.asked, op);
	op_drop(&op);
	if (k->quiet) {
		check_silent(&t, k->opcode, REND_OK);
	} else {
		assert_true(next_answer(&t, &a));
		assert_int_equal(a.opcode, k->opcode);
		assert_int_equal(a.status, 0);
		assert_int_equal(a.keylen, 0);
		assert_int_equal(a.extlen, 0);
		assert_int_equal(a.cas, cas);
		assert_int_equal(a.bodylen, counts ? 8 : 0);
		assert_memory_equal(a.body, "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", a.bodylen);
	}
	talk_fini(&t);
}

static void
test_what_is_done(void **state)
{
	for (size_t i = 0; i < known_count; i++) {
		if (known[i].verb == REND_GET)
			continue;
		check_done(&known[i], &proto_limits_default);
		check_done(&known[i], &no_cas);
	}
}

static void
test_a_flush(void **state)
{
	for (uint8_t status = 0; status <= REND_STATUS_COUNT; status++)
		for (int quiet = 0; quiet < 2; quiet++) {
			uint8_t opcode = quiet ? BIN_FLUSHQ : BIN_FLUSH;
			const struct said *s = &says[REND_GET][status < REND_STATUS_COUNT ? status : REND_IO];
			struct talk t;
			struct rend_op *op;

			talk_init(&t, &proto_limits_default);
			ask(&t, opcode, 4, NULL, 0, 0);
			op = op_new_for(&t, status);
			dialog_reply(&t.dialog, &t.out, &t.cmd.asked, op);
			if (status != REND_OK)
				check_says(&t, opcode, s->code, s->text);
			else if (quiet)
				check_silent(&t, opcode, status);
			else
				check_says(&t, opcode, 0, "");
			dialog_reply(&t.dialog, &t.out, &t.cmd.asked, NULL); /* it comes later */
			if (quiet)
				check_silent(&t, opcode, REND_OK);
			else
				check_says(&t, opcode, 0, "");
			op_drop(&op);
			talk_fini(&t);
		}
}

static void
test_what_needs_no_op(void **state)
{
	static const struct {
		uint8_t opcode, extras;
		const char *text; /* NULL: nothing */
	} rows[] = {
		{ BIN_NOOP, 0, "" },
		{ BIN_VERSION, 0, PROTO_VERSION },
		{ BIN_VERBOSITY, 4, "" },
		{ BIN_QUIT, 0, "" },
		{ BIN_QUITQ, 0, NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct talk t;

		talk_init(&t, &proto_limits_default);
		ask(&t, rows[i].opcode, rows[i].extras, NULL, 0, 0);
		dialog_reply(&t.dialog, &t.out, &t.cmd.asked, NULL);
		if (rows[i].text == NULL)
			check_silent(&t, rows[i].opcode, REND_OK);
		else
			check_says(&t, rows[i].opcode, 0, rows[i].text);
		talk_fini(&t);
	}
}

static void
check_stat(struct talk *t, const char *name, const char *value, size_t name_said)
{
	static struct answer a;

	dialog_stat(&t->dialog, &t->out, &t->cmd.asked, name, value);
	assert_true(next_answer(t, &a));
	assert_int_equal(a.opcode, BIN_STAT);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.extlen, 0);
	assert_int_equal(a.keylen, name_said);
	assert_int_equal(a.bodylen, name_said + strlen(value));
	assert_memory_equal(a.body, name, name_said);
	assert_string_equal(a.body + name_said, value);
}

static void
test_stats(void **state)
{
	char longer[5000];
	struct talk t;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	talk_init(&t, &proto_limits_default);
	ask(&t, BIN_STAT, 0, "some", 4, 0);
	check_stat(&t, "pid", "12", 3);
	check_stat(&t, "empty", "", 5);
	check_stat(&t, "long", longer, 4);
	check_stat(&t, longer, "1", 255); /* the first of them are enough */
	dialog_stat_end(&t.dialog, &t.out, &t.cmd.asked, STATS_END);
	check_says(&t, BIN_STAT, 0, "");
	dialog_stat_end(&t.dialog, &t.out, &t.cmd.asked, STATS_RESET);
	check_says(&t, BIN_STAT, 0, "");
	dialog_stat_end(&t.dialog, &t.out, &t.cmd.asked, STATS_OK);
	check_says(&t, BIN_STAT, 0, "");
	dialog_stat_end(&t.dialog, &t.out, &t.cmd.asked, STATS_SAID);
	check_says(&t, BIN_STAT, 0, "");
	for (enum stats_end refusal = STATS_UNKNOWN; refusal <= STATS_NO_CACHEDUMP; refusal++) {
		dialog_stat_end(&t.dialog, &t.out, &t.cmd.asked, refusal);
		check_says(&t, BIN_STAT, 0x01, "Not found");
	}
	dialog_reply(&t.dialog, &t.out, &t.cmd.asked, NULL);
	check_silent(&t, BIN_STAT, REND_OK);
	talk_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_failure_of_every_opcode),
		cmocka_unit_test(test_no_memory_for_a_request),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_what_is_done),
		cmocka_unit_test(test_a_flush),
		cmocka_unit_test(test_what_needs_no_op),
		cmocka_unit_test(test_stats),
	};

	return cmocka_run_group_tests_name("proto/bin_reply", tests, talk_setup, talk_teardown);
}
