/* Every answer of the binary protocol, byte for byte: each is that to a request that was parsed. */
#include "../base/unit.h"

#include "proto/bin_wire.h"
#include "proto/proto.h"

static struct chain_pools pools;

static const struct proto_limits no_cas = { .item_size_max = 1 << 20, .flush_enabled = true };

struct talk {
	struct dialog dialog;
	struct chain out;
	struct command cmd;
	char key[REND_KEY_MAX];
};

struct answer {
	uint8_t opcode, extlen;
	uint16_t keylen, status;
	uint32_t bodylen;
	uint64_t cas;
	char body[1 << 17];
};

/* What each opcode is. */
static const struct known {
	uint8_t opcode, extras;
	bool key, quiet;
	uint8_t verb;
} known[] = {
	{ BIN_GET, 0, true, false, REND_GET },
	{ BIN_GETQ, 0, true, true, REND_GET },
	{ BIN_GETK, 0, true, false, REND_GET },
	{ BIN_GETKQ, 0, true, true, REND_GET },
	{ BIN_GETE, 0, true, false, REND_GET },
	{ BIN_GETEQ, 0, true, true, REND_GET },
	{ BIN_TOUCH, 4, true, false, REND_GET },
	{ BIN_GAT, 4, true, false, REND_GET },
	{ BIN_GATQ, 4, true, true, REND_GET },
	{ BIN_GATK, 4, true, false, REND_GET },
	{ BIN_GATKQ, 4, true, true, REND_GET },
	{ BIN_SET, 8, true, false, REND_SET },
	{ BIN_SETQ, 8, true, true, REND_SET },
	{ BIN_ADD, 8, true, false, REND_ADD },
	{ BIN_ADDQ, 8, true, true, REND_ADD },
	{ BIN_REPLACE, 8, true, false, REND_REPLACE },
	{ BIN_REPLACEQ, 8, true, true, REND_REPLACE },
	{ BIN_APPEND, 0, true, false, REND_APPEND },
	{ BIN_APPENDQ, 0, true, true, REND_APPEND },
	{ BIN_PREPEND, 0, true, false, REND_PREPEND },
	{ BIN_PREPENDQ, 0, true, true, REND_PREPEND },
	{ BIN_DELETE, 0, true, false, REND_DELETE },
	{ BIN_DELETEQ, 0, true, true, REND_DELETE },
	{ BIN_INCREMENT, 20, true, false, REND_INCR },
	{ BIN_INCREMENTQ, 20, true, true, REND_INCR },
	{ BIN_DECREMENT, 20, true, false, REND_DECR },
	{ BIN_DECREMENTQ, 20, true, true, REND_DECR },
};

static bool
tells_time(uint8_t opcode)
{
	return opcode == BIN_GETE || opcode == BIN_GETEQ;
}

static bool
repeats_key(uint8_t opcode)
{
	return opcode == BIN_GETK || opcode == BIN_GETKQ || opcode == BIN_GATK || opcode == BIN_GATKQ;
}

static void
talk_init(struct talk *t, const struct proto_limits *limits)
{
	*t = (struct talk){ .dialog = { .limits = limits }, .out = { .pools = &pools } };
}

static void
talk_fini(struct talk *t)
{
	assert_int_equal(t->out.len, 0);
	chain_drop(&t->out);
}

/* The command that a request of this opcode is. */
static void
ask(struct talk *t, uint8_t opcode, uint8_t extlen, const char *key, size_t keylen, uint32_t claimed)
{
	char in[BIN_HEADER + BIN_EXTRAS_MAX + REND_KEY_MAX] = { (char)BIN_REQUEST, (char)opcode };
	size_t used;

	bin_put_u16(in + BIN_AT_KEYLEN, (uint16_t)keylen);
	in[BIN_AT_EXTLEN] = (char)extlen;
	bin_put_u32(in + BIN_AT_BODYLEN, (uint32_t)(keylen + extlen + claimed));
	memcpy(in + BIN_AT_OPAQUE, "\x01\xfe\x00\x80", 4);
	if (keylen > 0)
		memcpy(in + BIN_HEADER + extlen, key, keylen);
	assert_int_equal(dialog_parse(&t->dialog, in, BIN_HEADER + extlen + keylen, &used, &t->cmd), PARSE_COMMAND);
	if (keylen > 0)
		memcpy(t->key, key, keylen);
}

static struct rend_op *
op_new_for(const struct talk *t, uint8_t status)
{
	struct rend_op *op = calloc(1, sizeof(*op));

	assert_non_null(op);
	op->verb = t->cmd.asked.verb;
	op->ask = t->cmd.ask;
	op->status = status;
	op->key = t->key;
	op->keylen = (uint8_t)t->cmd.keylen;
	return op;
}

static void
op_drop(struct rend_op **opp)
{
	rend_value_drop(&(*opp)->item.value);
	free(*opp);
	*opp = NULL;
}

static size_t
drain(struct talk *t, char *to, size_t max)
{
	size_t at = 0;

	while (t->out.len > 0) {
		struct iovec iov;

		assert_int_equal(chain_iov(&t->out, &iov, 1), 1);
		assert_true(at + iov.iov_len <= max);
		memcpy(to + at, iov.iov_base, iov.iov_len);
		at += iov.iov_len;
		chain_eat(&t->out, iov.iov_len);
	}
	return at;
}

/* Takes one whole answer apart; false: there is none. */
static bool
next_answer(struct talk *t, struct answer *a)
{
	static char bytes[sizeof(a->body) + BIN_HEADER];
	size_t len = drain(t, bytes, sizeof(bytes));

	if (len == 0)
		return false;
	assert_true(len >= BIN_HEADER);
	assert_int_equal((uint8_t)bytes[0], BIN_RESPONSE);
	assert_memory_equal(bytes + BIN_AT_OPAQUE, "\x01\xfe\x00\x80", 4);
	assert_int_equal(bytes[5], 0);
	a->opcode = (uint8_t)bytes[BIN_AT_OPCODE];
	a->keylen = bin_u16(bytes + BIN_AT_KEYLEN);
	a->extlen = (uint8_t)bytes[BIN_AT_EXTLEN];
	a->status = bin_u16(bytes + BIN_AT_STATUS);
	a->bodylen = bin_u32(bytes + BIN_AT_BODYLEN);
	a->cas = bin_u64(bytes + BIN_AT_CAS);
	assert_int_equal(len, BIN_HEADER + a->bodylen);
	memcpy(a->body, bytes + BIN_HEADER, a->bodylen);
	a->body[a->bodylen] = '\0';
	return true;
}

/* One answer with nothing but this status and this text. */
static void
check_says(struct talk *t, uint8_t opcode, uint16_t status, const char *text)
{
	static struct answer a;

	if (!next_answer(t, &a))
		fail_msg("opcode %#x: nothing, not %s", opcode, text);
	if (a.opcode != opcode || a.status != status || strcmp(a.body, text) != 0 || a.bodylen != strlen(text))
		fail_msg("opcode %#x: %#x %s, not %#x %s", opcode, a.status, a.body, status, text);
	assert_int_equal(a.keylen, 0);
	assert_int_equal(a.extlen, 0);
	assert_int_equal(a.cas, 0);
}

static void
check_silent(struct talk *t, uint8_t opcode, uint8_t status)
{
	if (t->out.len > 0)
		fail_msg("opcode %#x says something of %s", opcode, rend_status_name(status));
}

/* ---- failures ---- */

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
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		for (uint8_t status = REND_OK + 1; status < REND_STATUS_COUNT; status++)
			check_failure(&known[i], status);
		check_failure(&known[i], REND_STATUS_COUNT);
		check_failure(&known[i], 255);
	}
}

static void
test_no_memory_for_a_request(void **state)
{
	for (size_t i = 0; i < COUNT_OF(known); i++) {
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

/* ---- hits ---- */

#define VERSION UINT64_C(0x0102030405060708)

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

	for (size_t i = 0; i < COUNT_OF(known); i++)
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
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		if (known[i].verb == REND_GET)
			continue;
		check_done(&known[i], &proto_limits_default);
		check_done(&known[i], &no_cas);
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
	dialog_stat_end(&t.dialog, &t.out, &t.cmd.asked, STATS_UNKNOWN);
	check_says(&t, BIN_STAT, 0x01, "Not found");
	dialog_reply(&t.dialog, &t.out, &t.cmd.asked, NULL);
	check_silent(&t, BIN_STAT, REND_OK);
	talk_fini(&t);
}

static int
setup(void **state)
{
	chain_pools_init(&pools);
	return 0;
}

static int
teardown(void **state)
{
	chain_pools_fini(&pools);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_failure_of_every_opcode),
		cmocka_unit_test(test_no_memory_for_a_request),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_the_longest_key_with_a_value_that_is_copied),
		cmocka_unit_test(test_a_time_that_does_not_fit),
		cmocka_unit_test(test_a_time_that_nobody_knows),
		cmocka_unit_test(test_what_is_done),
		cmocka_unit_test(test_no_version_of_a_hit_where_there_are_none),
		cmocka_unit_test(test_a_flush),
		cmocka_unit_test(test_what_needs_no_op),
		cmocka_unit_test(test_stats),
	};

	return cmocka_run_group_tests_name("proto/bin_reply", tests, setup, teardown);
}
