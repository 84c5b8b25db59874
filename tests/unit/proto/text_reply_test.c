/* Every sentence of the text protocol, byte for byte. */
#include "../base/unit.h"

#include "proto/proto.h"

#include "hidden.h"

static struct chain_pools pools;

/* What the chain holds, as one string; it is empty afterwards. */
static const char *
drain(struct chain *out)
{
	static char text[1 << 17];
	struct iovec iov[64];
	size_t at = 0;
	int n;

	while ((n = chain_iov(out, iov, COUNT_OF(iov))) > 0) {
		size_t sum = 0;

		for (int i = 0; i < n; i++) {
			assert_true(at + sum + iov[i].iov_len < sizeof(text));
			memcpy(text + at + sum, iov[i].iov_base, iov[i].iov_len);
			sum += iov[i].iov_len;
		}
		chain_eat(out, sum);
		at += sum;
	}
	text[at] = '\0';
	assert_int_equal(strlen(text), at);
	return text;
}

struct talk {
	struct dialog dialog;
	struct chain out;
};

static void
talk_init(struct talk *t)
{
	*t = (struct talk){
		.dialog = { .limits = &proto_limits_default, .protocol = &text_protocol },
		.out = { .pools = &pools },
	};
}

static struct rend_op *
op_new_for(uint8_t verb, uint8_t status, const char *key)
{
	struct rend_op *op = calloc(1, sizeof(*op));

	assert_non_null(op);
	op->verb = verb;
	op->status = status;
	op->key = key;
	op->keylen = (uint8_t)strlen(key);
	if (status == REND_TIMEOUT)
		item_hide(op);
	return op;
}

static void
op_drop(struct rend_op **opp)
{
	item_show(*opp);
	rend_value_drop(&(*opp)->item.value);
	free(*opp);
	*opp = NULL;
}

/* The answer to one command. */
static const char *
answer(const struct asked *asked, uint8_t op_verb, uint8_t status)
{
	struct talk t;
	struct rend_op *op = op_new_for(op_verb, status, "k");
	const char *text;

	talk_init(&t);
	dialog_reply(&t.dialog, &t.out, asked, op);
	text = drain(&t.out);
	chain_drop(&t.out);
	op_drop(&op);
	return text;
}

#define NS  "NOT_STORED\r\n"
#define NF  "NOT_FOUND\r\n"
#define EX  "EXISTS\r\n"
#define NAN "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
#define BIG "SERVER_ERROR object too large for cache\r\n"
#define OOM "SERVER_ERROR out of memory storing object\r\n"
#define OUT "SERVER_ERROR out of memory\r\n"
#define UNS "SERVER_ERROR not supported\r\n"
#define BSY "SERVER_ERROR backend busy\r\n"
#define TMO "SERVER_ERROR backend timeout\r\n"
#define DWN "SERVER_ERROR backend down\r\n"
#define ERR "SERVER_ERROR backend error\r\n"

/* In the order of enum rend_status. */
static const char *const sentences[][REND_STATUS_COUNT] = {
	[REND_SET] = { "STORED\r\n", NF, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_ADD] = { "STORED\r\n", NF, NS, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_REPLACE] = { "STORED\r\n", NS, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_APPEND] = { "STORED\r\n", NS, EX, NS, NAN, NS, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_PREPEND] = { "STORED\r\n", NS, EX, NS, NAN, NS, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR },
	[REND_INCR] = { "0\r\n", NF, EX, NS, NAN, BIG, OUT, UNS, BSY, TMO, DWN, DWN, OUT, ERR, ERR },
	[REND_DECR] = { "0\r\n", NF, EX, NS, NAN, BIG, OUT, UNS, BSY, TMO, DWN, DWN, OUT, ERR, ERR },
	[REND_DELETE] = { "DELETED\r\n", NF, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OUT, ERR, ERR },
	[REND_TOUCH] = { "TOUCHED\r\n", NF, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OUT, ERR, ERR },
};

static void
test_every_status_of_every_verb(void **state)
{
	for (uint8_t verb = REND_SET; verb <= REND_TOUCH; verb++)
		for (uint8_t status = 0; status < REND_STATUS_COUNT; status++) {
			struct asked asked = { .kind = COMMAND_OP, .verb = verb };
			const char *text = answer(&asked, verb, status);

			if (strcmp(text, sentences[verb][status]) != 0)
				fail_msg("%s %s: %s", rend_verb_name(verb), rend_status_name(status), text);
			asked.quiet = true;
			assert_string_equal(answer(&asked, verb, status), "");
		}
}

static void
test_a_status_that_is_none(void **state)
{
	const struct asked set = { .kind = COMMAND_OP, .verb = REND_SET };
	const struct asked get = { .kind = COMMAND_OP, .verb = REND_GET, .last = true };

	assert_string_equal(answer(&set, REND_SET, REND_STATUS_COUNT), ERR);
	assert_string_equal(answer(&set, REND_SET, 255), ERR);
	assert_string_equal(answer(&get, REND_GET, 255), ERR);
}

static void
test_a_flush(void **state)
{
	struct asked asked = { .kind = COMMAND_FLUSH_ALL, .verb = REND_FLUSH_ALL };
	struct talk t;

	assert_string_equal(answer(&asked, REND_FLUSH_ALL, REND_OK), "OK\r\n");
	assert_string_equal(answer(&asked, REND_FLUSH_ALL, REND_DOWN), DWN);
	assert_string_equal(answer(&asked, REND_FLUSH_ALL, REND_UNSUPPORTED), UNS);
	talk_init(&t);
	dialog_reply(&t.dialog, &t.out, &asked, NULL); /* it comes later */
	assert_string_equal(drain(&t.out), "OK\r\n");
	asked.quiet = true;
	dialog_reply(&t.dialog, &t.out, &asked, NULL);
	assert_string_equal(drain(&t.out), "");
}

static void
test_a_value_too_large(void **state)
{
	struct asked asked = { .kind = COMMAND_TOO_LARGE, .verb = REND_SET };

	/* The op is the delete of the older value. */
	assert_string_equal(answer(&asked, REND_DELETE, REND_OK), BIG);
	assert_string_equal(answer(&asked, REND_DELETE, REND_MISS), BIG);
	assert_string_equal(answer(&asked, REND_DELETE, REND_TIMEOUT), TMO);
	assert_string_equal(answer(&asked, REND_DELETE, REND_DOWN), DWN);
	asked.quiet = true;
	assert_string_equal(answer(&asked, REND_DELETE, REND_OK), "");
}

static void
test_kinds_without_an_op(void **state)
{
	static const struct {
		struct asked asked;
		const char *text;
	} rows[] = {
		{ { .kind = COMMAND_VERSION }, "VERSION 1.6.18-rend-" PACKAGE_VERSION "\r\n" },
		{ { .kind = COMMAND_VERBOSITY }, "OK\r\n" },
		{ { .kind = COMMAND_VERBOSITY, .quiet = true }, "" },
		{ { .kind = COMMAND_REFUSED, .sentence = "ERROR\r\n" }, "ERROR\r\n" },
		{ { .kind = COMMAND_REFUSED, .sentence = "ERROR\r\n", .quiet = true }, "" },
		{ { .kind = COMMAND_SHUTDOWN, .close = true }, "" },
		{ { .kind = COMMAND_QUIT, .close = true }, "" },
		{ { .kind = COMMAND_NO_MEMORY, .verb = REND_SET }, OOM },
		{ { .kind = COMMAND_NO_MEMORY, .verb = REND_APPEND }, OOM },
		{ { .kind = COMMAND_NO_MEMORY, .verb = REND_INCR }, OUT },
		{ { .kind = COMMAND_NO_MEMORY, .verb = REND_DELETE }, OUT },
		{ { .kind = COMMAND_NO_MEMORY, .verb = REND_FLUSH_ALL }, OUT },
		{ { .kind = COMMAND_NO_MEMORY, .verb = REND_SET, .quiet = true }, "" },
	};
	struct talk t;

	talk_init(&t);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		dialog_reply(&t.dialog, &t.out, &rows[i].asked, NULL);
		assert_string_equal(drain(&t.out), rows[i].text);
	}
}

static void
test_numbers(void **state)
{
	static const struct asked incr = { .kind = COMMAND_OP, .verb = REND_INCR };
	struct rend_op *op = op_new_for(REND_INCR, REND_OK, "k");
	struct talk t;

	talk_init(&t);
	op->item.number = UINT64_MAX;
	dialog_reply(&t.dialog, &t.out, &incr, op);
	assert_string_equal(drain(&t.out), "18446744073709551615\r\n");
	op_drop(&op);
}

/* ---- gets ---- */

static void
test_a_value_and_its_header(void **state)
{
	char key[REND_KEY_MAX + 1] = "";
	struct asked asked = { .kind = COMMAND_OP, .verb = REND_GET, .last = true };
	char expected[512];
	struct rend_op *op;
	struct talk t;

	talk_init(&t);
	op = op_new_for(REND_GET, REND_OK, "k");
	dialog_reply(&t.dialog, &t.out, &asked, op);
	assert_string_equal(drain(&t.out), "VALUE k 0 0\r\n\r\nEND\r\n");

	assert_int_equal(rend_value_copy_in(&op->item.value, "hello", 5), 0);
	op->item.flags = UINT32_MAX;
	op->item.cas = UINT64_MAX;
	op->item.have = REND_WANT_CAS;
	dialog_reply(&t.dialog, &t.out, &asked, op);
	assert_string_equal(drain(&t.out), "VALUE k 4294967295 5\r\nhello\r\nEND\r\n");

	asked.with_cas = true;
	memset(key, 'k', REND_KEY_MAX);
	op->key = key;
	op->keylen = REND_KEY_MAX;
	dialog_reply(&t.dialog, &t.out, &asked, op);
	snprintf(expected, sizeof(expected), "VALUE %s 4294967295 5 18446744073709551615\r\nhello\r\nEND\r\n", key);
	assert_string_equal(drain(&t.out), expected);

	/* A handler that has no versions: what lies in cas is not one. */
	op->item.have = 0;
	dialog_reply(&t.dialog, &t.out, &asked, op);
	snprintf(expected, sizeof(expected), "VALUE %s 4294967295 5 0\r\nhello\r\nEND\r\n", key);
	assert_string_equal(drain(&t.out), expected);
	op_drop(&op);
}

/* Around the size from which on values are referenced, and in many pieces. */
static void
test_values_of_many_sizes(void **state)
{
	static const size_t sizes[] = { 1, 1022, 1023, 1024, 1025, 1026, 2048, 4095, 4096, 4097, 65536, 100000 };
	static const size_t pieces[] = { 1, 7, 1000, 1024, 1025, 100000 };
	static const struct asked asked = { .kind = COMMAND_OP, .verb = REND_GET, .last = true };
	static char value[100001], expected[100100];
	struct talk t;

	for (size_t i = 0; i < sizeof(value) - 1; i++)
		value[i] = (char)('a' + i % 23);
	talk_init(&t);
	for (size_t s = 0; s < COUNT_OF(sizes); s++)
		for (size_t p = 0; p < COUNT_OF(pieces); p++) {
			struct rend_op *op = op_new_for(REND_GET, REND_OK, "key");
			size_t step = pieces[p] < 7 && sizes[s] > 5000 ? 999 : pieces[p];

			for (size_t at = 0; at < sizes[s]; at += step) {
				size_t len = sizes[s] - at < step ? sizes[s] - at : step;

				assert_int_equal(rend_value_copy_in(&op->item.value, value + at, len), 0);
			}
			dialog_reply(&t.dialog, &t.out, &asked, op);
			op_drop(&op); /* the chain has what it needs */
			snprintf(expected, sizeof(expected), "VALUE key 0 %zu\r\n%.*s\r\nEND\r\n", sizes[s],
			    (int)sizes[s], value);
			assert_string_equal(drain(&t.out), expected);
		}
}

struct key {
	uint8_t kind, status;
};

/* A get of so many keys, each of which ends so. */
static const char *
get_of(struct talk *t, const struct key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct asked asked = { .kind = keys[i].kind, .verb = REND_GET, .last = i == count - 1 };
		char key[2] = { (char)('a' + i), '\0' };
		struct rend_op *op = op_new_for(REND_GET, keys[i].status, key);

		dialog_reply(&t->dialog, &t->out, &asked, keys[i].kind == COMMAND_OP ? op : NULL);
		op_drop(&op);
	}
	return drain(&t->out);
}

#define GET_OF(t, ...) \
	get_of(t, (const struct key[]){ __VA_ARGS__ }, sizeof((const struct key[]){ __VA_ARGS__ }) / sizeof(struct key))
#define KEY(status)                       \
	{                                 \
		COMMAND_OP, REND_##status \
	}
#define LOST_KEY                           \
	{                                  \
		COMMAND_NO_MEMORY, REND_OK \
	}
#define VALUE(key) "VALUE " key " 0 0\r\n\r\n"

static void
test_gets_of_many_keys(void **state)
{
	struct talk t;

	talk_init(&t);
	assert_string_equal(GET_OF(&t, KEY(MISS)), "END\r\n");
	assert_string_equal(GET_OF(&t, KEY(OK), KEY(MISS), KEY(OK)), VALUE("a") VALUE("c") "END\r\n");
	assert_string_equal(GET_OF(&t, KEY(MISS), KEY(MISS), KEY(OK)), VALUE("c") "END\r\n");
	/* The tier works, and has nothing to give. */
	assert_string_equal(GET_OF(&t, KEY(NOT_ADMITTED), KEY(NOT_STORED)), "END\r\n");
}

static void
test_a_key_that_failed_takes_the_end_of_its_get(void **state)
{
	struct talk t;

	talk_init(&t);
	assert_string_equal(GET_OF(&t, KEY(TIMEOUT)), TMO);
	assert_string_equal(GET_OF(&t, KEY(OK), KEY(TIMEOUT), KEY(OK)), VALUE("a") VALUE("c") TMO);
	assert_string_equal(GET_OF(&t, KEY(OK), KEY(OK), KEY(DOWN)), VALUE("a") VALUE("b") DWN);
	/* One line, for the first. */
	assert_string_equal(GET_OF(&t, KEY(BUSY), KEY(DOWN), KEY(TIMEOUT), KEY(MISS)), BSY);
	assert_string_equal(GET_OF(&t, KEY(LOST), KEY(OK)), VALUE("b") DWN);
	assert_string_equal(GET_OF(&t, KEY(CORRUPT)), ERR);
	assert_string_equal(GET_OF(&t, KEY(IO)), ERR);
	assert_string_equal(GET_OF(&t, KEY(UNSUPPORTED)), UNS);
	assert_string_equal(GET_OF(&t, KEY(NO_MEMORY)), "SERVER_ERROR out of memory writing get response\r\n");
	assert_string_equal(
	    GET_OF(&t, KEY(OK), LOST_KEY), VALUE("a") "SERVER_ERROR out of memory writing get response\r\n");
	assert_string_equal(
	    GET_OF(&t, LOST_KEY, KEY(OK)), VALUE("b") "SERVER_ERROR out of memory writing get response\r\n");
	/* The next get knows nothing of it. */
	assert_string_equal(GET_OF(&t, KEY(OK)), VALUE("a") "END\r\n");
}

static void
test_stats(void **state)
{
	static const struct asked asked = { .kind = COMMAND_STATS };
	static char longer[5000];
	char expected[5100];
	struct talk t;

	talk_init(&t);
	dialog_stat(&t.dialog, &t.out, &asked, "pid", "1");
	dialog_stat(&t.dialog, &t.out, &asked, "empty", "");
	dialog_stat_end(&t.dialog, &t.out, &asked, STATS_END);
	assert_string_equal(drain(&t.out), "STAT pid 1\r\nSTAT empty \r\nEND\r\n");
	dialog_stat_end(&t.dialog, &t.out, &asked, STATS_RESET);
	assert_string_equal(drain(&t.out), "RESET\r\n");
	dialog_stat_end(&t.dialog, &t.out, &asked, STATS_UNKNOWN);
	assert_string_equal(drain(&t.out), "ERROR\r\n");
	dialog_stat_end(&t.dialog, &t.out, &asked, STATS_OK);
	assert_string_equal(drain(&t.out), "OK\r\n");
	dialog_stat_end(&t.dialog, &t.out, &asked, STATS_DETAIL_USAGE);
	assert_string_equal(drain(&t.out), "CLIENT_ERROR usage: stats detail on|off|dump\r\n");
	dialog_stat_end(&t.dialog, &t.out, &asked, STATS_NO_CACHEDUMP);
	assert_string_equal(drain(&t.out), "CLIENT_ERROR stats cachedump not allowed\r\n");
	dialog_stat_text(&t.dialog, &t.out, &asked, "detailed", "PREFIX a\r\nEND\r\nmore", 15);
	dialog_stat_end(&t.dialog, &t.out, &asked, STATS_SAID);
	assert_string_equal(drain(&t.out), "PREFIX a\r\nEND\r\n");

	memset(longer, 'x', sizeof(longer) - 1);
	dialog_stat(&t.dialog, &t.out, &asked, longer, "1");
	snprintf(expected, sizeof(expected), "STAT %s 1\r\n", longer);
	assert_string_equal(drain(&t.out), expected);
}

/* The connection is to be closed: nothing may be said any more, and nothing may be written through NULL. */
static void
test_a_broken_chain_stays_empty(void **state)
{
	static const struct asked get = { .kind = COMMAND_OP, .verb = REND_GET, .last = true };
	static const struct asked incr = { .kind = COMMAND_OP, .verb = REND_INCR };
	struct rend_op *op = op_new_for(REND_GET, REND_OK, "k");
	struct talk t;

	talk_init(&t);
	t.out.broken = true;
	dialog_reply(&t.dialog, &t.out, &get, op);
	dialog_reply(&t.dialog, &t.out, &incr, op);
	dialog_stat(&t.dialog, &t.out, &get, "pid", "1");
	assert_int_equal(t.out.len, 0);
	op_drop(&op);
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
		cmocka_unit_test(test_every_status_of_every_verb),
		cmocka_unit_test(test_a_status_that_is_none),
		cmocka_unit_test(test_a_flush),
		cmocka_unit_test(test_a_value_too_large),
		cmocka_unit_test(test_kinds_without_an_op),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_a_value_and_its_header),
		cmocka_unit_test(test_values_of_many_sizes),
		cmocka_unit_test(test_gets_of_many_keys),
		cmocka_unit_test(test_a_key_that_failed_takes_the_end_of_its_get),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_a_broken_chain_stays_empty),
	};

	return cmocka_run_group_tests_name("proto/text_reply", tests, setup, teardown);
}
