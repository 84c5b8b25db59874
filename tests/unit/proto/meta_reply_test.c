/* Every answer to the meta commands, byte for byte. */
#include "../base/unit.h"

#include "base/clock.h"
#include "proto/proto.h"

#include "hidden.h"

#define NOW 1700000000

static struct chain_pools pools;

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

/* What a line asks for is the parser's work: the answers are to real questions. */
static void
ask(struct talk *t, const char *line, struct command *cmd)
{
	size_t used;

	memset(cmd, 0xee, sizeof(*cmd));
	assert_int_equal(dialog_parse(&t->dialog, line, strlen(line), &used, cmd), PARSE_COMMAND);
	assert_int_equal(used, strlen(line));
	assert_int_equal(cmd->asked.form, FORM_META);
}

/* The op of a command, finished so; value is what was sent, or what was found. */
static struct rend_op *
op_new_for(const struct command *cmd, uint8_t status, const char *value)
{
	struct rend_op *op = calloc(1, sizeof(*op) + cmd->keylen);

	assert_non_null(op);
	op->verb = cmd->asked.verb;
	op->status = status;
	memcpy(op->scratch, cmd->key, cmd->keylen);
	op->key = op->scratch;
	op->keylen = (uint8_t)cmd->keylen;
	op->ask = cmd->ask;
	op->item.have = cmd->ask.want;
	if (value != NULL && *value != '\0')
		assert_int_equal(rend_value_copy_in(&op->item.value, value, strlen(value)), 0);
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

/* An item in which everything differs from nothing. */
static const struct rend_item full = {
	.flags = 5,
	.exptime = NOW + 30,
	.last_access = 12,
	.cas = 17,
	.size = 2,
	.number = 42,
	.signs = REND_HIT_BEFORE,
};

/* The answer to a line, if its op ends so, with this about the item. */
static const char *
answer_about(const char *line, uint8_t status, const char *value, const struct rend_item *about)
{
	struct talk t;
	struct command cmd;
	struct rend_op *op;
	const char *text;

	talk_init(&t);
	ask(&t, line, &cmd);
	op = op_new_for(&cmd, status, value);
	if (about != NULL) {
		uint32_t have = about->have != 0 ? about->have : op->item.have;
		struct rend_value held = op->item.value;

		op->item = *about;
		op->item.have = have;
		op->item.value = held;
	}
	if (status == REND_TIMEOUT)
		item_hide(op);
	dialog_reply(&t.dialog, &t.out, &cmd.asked, op);
	text = drain(&t.out);
	op_drop(&op);
	chain_drop(&t.out);
	return text;
}

struct row {
	const char *line;
	uint8_t status;
	const char *said;
};

static void
check_rows(const struct row *rows, size_t count, const char *value, const struct rend_item *about)
{
	for (size_t i = 0; i < count; i++) {
		const char *said = answer_about(rows[i].line, rows[i].status, value, about);

		if (strcmp(said, rows[i].said) != 0)
			fail_msg("%s%s: %s", rows[i].line, rend_status_name(rows[i].status), said);
	}
}

#define CHECK_ROWS(rows, value, about) check_rows(rows, COUNT_OF(rows), value, about)

/* ---- codes ---- */

#define NAN "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
#define BIG "SERVER_ERROR object too large for cache\r\n"
#define OOM "SERVER_ERROR out of memory storing object\r\n"
#define OUT "SERVER_ERROR out of memory\r\n"
#define OOR "SERVER_ERROR out of memory writing get response\r\n"
#define UNS "SERVER_ERROR not supported\r\n"
#define BSY "SERVER_ERROR backend busy\r\n"
#define TMO "SERVER_ERROR backend timeout\r\n"
#define DWN "SERVER_ERROR backend down\r\n"
#define ERR "SERVER_ERROR backend error\r\n"
#define HD  "HD\r\n"
#define EN  "EN\r\n"
#define NF  "NF\r\n"
#define EX  "EX\r\n"
#define NS  "NS\r\n"

/* Which status q hides: a get's no, and any other's yes. */
static const struct {
	const char *line, *quiet_line;
	const char *said[REND_STATUS_COUNT]; /* in the order of enum rend_status */
} codes[] = {
	{ "mg k\r\n", "mg k q\r\n", { HD, EN, EN, EN, EN, EN, EN, UNS, BSY, TMO, DWN, DWN, OOR, ERR, ERR } },
	{ "ms k 1\r\n", "ms k 1 q\r\n", { HD, NF, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR } },
	{ "ms k 1 ME\r\n", "ms k 1 ME q\r\n",
	    { HD, NS, NS, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR } },
	{ "ms k 1 MR\r\n", "ms k 1 MR q\r\n",
	    { HD, NS, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR } },
	{ "ms k 1 MR C5\r\n", "ms k 1 MR C5 q\r\n",
	    { HD, NF, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR } },
	{ "ms k 1 MA\r\n", "ms k 1 MA q\r\n",
	    { HD, NS, EX, NS, NAN, NS, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR } },
	{ "ms k 1 MP\r\n", "ms k 1 MP q\r\n",
	    { HD, NS, EX, NS, NAN, NS, OOM, UNS, BSY, TMO, DWN, DWN, OOM, ERR, ERR } },
	{ "md k\r\n", "md k q\r\n", { HD, NF, EX, NS, NAN, BIG, OOM, UNS, BSY, TMO, DWN, DWN, OUT, ERR, ERR } },
	{ "ma k\r\n", "ma k q\r\n", { HD, NF, EX, NS, NAN, BIG, OUT, UNS, BSY, TMO, DWN, DWN, OUT, ERR, ERR } },
	{ "ma k MD\r\n", "ma k MD q\r\n", { HD, NF, EX, NS, NAN, BIG, OUT, UNS, BSY, TMO, DWN, DWN, OUT, ERR, ERR } },
	{ "me k\r\n", NULL,
	    { "ME k exp=-1 la=0 cas=0 fetch=no cls=1 size=0\r\n", EN, EN, EN, EN, EN, EN, UNS, BSY, TMO, DWN, DWN, OOR,
		ERR, ERR } },
};

static void
test_each_status_of_each_command(void **state)
{
	for (size_t i = 0; i < COUNT_OF(codes); i++)
		for (uint8_t status = 0; status < REND_STATUS_COUNT; status++) {
			bool gets = codes[i].line[1] == 'g';
			const char *said = codes[i].said[status], *hidden = gets ? EN : HD;
			const struct row row = { codes[i].line, status, said };
			const struct row quiet = { codes[i].quiet_line, status, strcmp(said, hidden) == 0 ? "" : said };

			check_rows(&row, 1, NULL, NULL);
			if (quiet.line != NULL)
				check_rows(&quiet, 1, NULL, NULL);
		}
}

static void
test_a_status_that_is_none(void **state)
{
	for (size_t i = 0; i < COUNT_OF(codes); i++) {
		const struct row rows[] = {
			{ codes[i].line, REND_STATUS_COUNT, ERR },
			{ codes[i].line, 255, ERR },
		};

		CHECK_ROWS(rows, NULL, NULL);
	}
}

/* ---- mg ---- */

static void
test_each_flag_of_a_hit(void **state)
{
	static const struct row rows[] = {
		{ "mg k\r\n", REND_OK, "HD\r\n" },
		{ "mg k v\r\n", REND_OK, "VA 2\r\nab\r\n" },
		{ "mg k v q\r\n", REND_OK, "VA 2\r\nab\r\n" },
		{ "mg k s\r\n", REND_OK, "HD s2\r\n" },
		{ "mg k t\r\n", REND_OK, "HD t30\r\n" },
		{ "mg k c\r\n", REND_OK, "HD c17\r\n" },
		{ "mg k f\r\n", REND_OK, "HD f5\r\n" },
		{ "mg k h\r\n", REND_OK, "HD h1\r\n" },
		{ "mg k l\r\n", REND_OK, "HD l12\r\n" },
		{ "mg k k\r\n", REND_OK, "HD kk\r\n" },
		{ "mg k O\r\n", REND_OK, "HD O\r\n" },
		{ "mg k Oab\r\n", REND_OK, "HD Oab\r\n" },
		{ "mg k s v t f k Oab h l c\r\n", REND_OK, "VA 2 s2 t30 f5 kk Oab h1 l12 c17\r\nab\r\n" },
		{ "mg k c l h Oab k f t v s\r\n", REND_OK, "VA 2 c17 l12 h1 Oab kk f5 t30 s2\r\nab\r\n" },
		{ "mg k T60 N30 R20 C9 E10 u q I x D1 J1 F1 MX P L\r\n", REND_OK, "HD\r\n" },
	};

	CHECK_ROWS(rows, "ab", &full);
}

static void
test_a_miss_repeats_key_and_opaque(void **state)
{
	static const struct row rows[] = {
		{ "mg k s v t f k Oab h l c\r\n", REND_MISS, "EN kk Oab\r\n" },
		{ "mg k Oab v k\r\n", REND_MISS, "EN Oab kk\r\n" },
		{ "mg Zm8= b k\r\n", REND_MISS, "EN kZm8= b\r\n" },
		{ "mg k s v t f k Oab h l c q\r\n", REND_MISS, "" },
		{ "mg k v k Oab q\r\n", REND_TIMEOUT, TMO },
	};

	CHECK_ROWS(rows, NULL, &full);
}

static void
test_times_that_are_left(void **state)
{
	static const struct {
		int64_t exptime;
		const char *said;
	} rows[] = {
		{ 0, "HD t-1\r\n" },
		{ NOW + 1, "HD t1\r\n" },
		{ NOW, "HD t0\r\n" },
		{ 1, "HD t0\r\n" }, /* gone with this very command */
		{ UINT32_MAX, "HD t2594967295\r\n" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct rend_item about = { .exptime = rows[i].exptime };

		assert_string_equal(answer_about("mg k t\r\n", REND_OK, NULL, &about), rows[i].said);
	}
}

/* A handler says what it really gave: what lies in the other fields is nothing. */
static void
test_what_a_handler_does_not_know(void **state)
{
	struct rend_item about = full;

	about.have = REND_WANT_VALUE;
	about.signs = 0;
	assert_string_equal(
	    answer_about("mg k v s t c h l f\r\n", REND_OK, "abc", &about), "VA 3 s3 t-1 c0 h0 l0 f5\r\nabc\r\n");
	about.last_access = -1;
	about.have = REND_WANT_ACCESS;
	assert_string_equal(answer_about("mg k l\r\n", REND_OK, NULL, &about), "HD l0\r\n");
	/* The value was left out: the client has that version.  Its size is known all the same. */
	about.have = REND_WANT_SIZE | REND_WANT_CAS;
	assert_string_equal(answer_about("mg k v C17 s c\r\n", REND_OK, NULL, &about), "HD s2 c17\r\n");
	/* And an empty one that was given is one. */
	about.have = REND_WANT_VALUE;
	assert_string_equal(answer_about("mg k v\r\n", REND_OK, NULL, &about), "VA 0\r\n\r\n");
	assert_string_equal(answer_about("mg k\r\n", REND_OK, "abc", &about), "HD\r\n");
}

static void
test_signs(void **state)
{
	static const struct {
		uint32_t signs;
		const char *said;
	} rows[] = {
		{ REND_WON, "HD Oab W\r\n" },
		{ REND_SENT, "HD Oab Z\r\n" },
		{ REND_STALE, "HD Oab X\r\n" },
		{ REND_STALE | REND_WON, "HD Oab X W\r\n" },
		{ REND_STALE | REND_SENT, "HD Oab Z X\r\n" },
		{ REND_WON | REND_HIT_BEFORE, "HD Oab W\r\n" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct rend_item about = { .signs = rows[i].signs };

		assert_string_equal(answer_about("mg k Oab\r\n", REND_OK, NULL, &about), rows[i].said);
		assert_string_equal(answer_about("mg k Oab\r\n", REND_MISS, NULL, &about), "EN Oab\r\n");
		assert_string_equal(answer_about("md k Oab\r\n", REND_OK, NULL, &about), "HD Oab\r\n");
	}
}

/* ---- the others ---- */

static void
test_stores(void **state)
{
	static const struct row rows[] = {
		{ "ms k 2 k Oab c s\r\n", REND_OK, "HD kk Oab c17 s2\r\n" },
		{ "ms k 2 s c Oab k q\r\n", REND_OK, "" },
		{ "ms Zm8= 2 b k c\r\n", REND_OK, "HD kZm8= b c17\r\n" },
		{ "ms k 2 v t f h l\r\n", REND_OK, "HD\r\n" },
		/* What was not stored has no version, and the size that was sent. */
		{ "ms k 2 k Oab c s q\r\n", REND_NOT_STORED, "NS kk Oab c0 s3\r\n" },
		{ "ms k 2 C5 k Oab c s q\r\n", REND_EXISTS, "EX kk Oab c0 s3\r\n" },
		{ "ms k 2 C5 k Oab c s q\r\n", REND_MISS, "NF kk Oab c0 s3\r\n" },
		{ "ms k 2 MA s\r\n", REND_MISS, "NS s3\r\n" },
		{ "ms k 2 k Oab c s q\r\n", REND_DOWN, DWN },
	};
	struct rend_item grown = full;

	CHECK_ROWS(rows, "abc", &full);
	/* After an append: all of it. */
	grown.size = 1000;
	assert_string_equal(answer_about("ms k 3 MA s\r\n", REND_OK, "abc", &grown), "HD s1000\r\n");
	grown.have = REND_WANT_CAS;
	assert_string_equal(answer_about("ms k 3 s\r\n", REND_OK, "abc", &grown), "HD s3\r\n");
}

static void
test_deletes(void **state)
{
	static const struct row rows[] = {
		{ "md k k Oab\r\n", REND_OK, "HD kk Oab\r\n" },
		{ "md k Oab k\r\n", REND_MISS, "NF Oab kk\r\n" },
		{ "md k k C5 Oab q\r\n", REND_EXISTS, "EX kk Oab\r\n" },
		{ "md k k Oab q\r\n", REND_MISS, "NF kk Oab\r\n" },
		{ "md k k Oab q\r\n", REND_OK, "" },
		{ "md k I x T30 q\r\n", REND_OK, "" },
		{ "md Zm8= b k\r\n", REND_OK, "HD kZm8= b\r\n" },
		{ "md k v t c s f h l\r\n", REND_OK, "HD\r\n" },
	};

	CHECK_ROWS(rows, NULL, &full);
}

static void
test_arithmetic(void **state)
{
	static const struct row rows[] = {
		{ "ma k\r\n", REND_OK, "HD\r\n" },
		{ "ma k v\r\n", REND_OK, "VA 2\r\n42\r\n" },
		{ "ma k v t c k Oab\r\n", REND_OK, "VA 2 t30 c17 kk Oab\r\n42\r\n" },
		{ "ma k Oab k c t MD\r\n", REND_OK, "HD Oab kk c17 t30\r\n" },
		{ "ma k v t c k Oab q\r\n", REND_OK, "" },
		{ "ma k N0 v q\r\n", REND_OK, "" },
		{ "ma k v t c k Oab q\r\n", REND_MISS, "NF kk Oab\r\n" },
		{ "ma k v t c k Oab C5\r\n", REND_EXISTS, "EX kk Oab\r\n" },
		{ "ma k v t c k Oab q\r\n", REND_NOT_A_NUMBER, NAN },
		{ "ma Zm8= b k\r\n", REND_OK, "HD kZm8= b\r\n" },
	};
	const struct rend_item most = { .number = UINT64_MAX, .cas = UINT64_MAX }, zero = { .number = 0 };

	CHECK_ROWS(rows, NULL, &full);
	assert_string_equal(answer_about("ma k v c\r\n", REND_OK, NULL, &most),
	    "VA 20 c18446744073709551615\r\n18446744073709551615\r\n");
	assert_string_equal(answer_about("ma k v\r\n", REND_OK, NULL, &zero), "VA 1\r\n0\r\n");
}

static void
test_debug(void **state)
{
	struct rend_item about = full;

	assert_string_equal(
	    answer_about("me k\r\n", REND_OK, NULL, &about), "ME k exp=30 la=12 cas=17 fetch=yes cls=1 size=2\r\n");
	assert_string_equal(answer_about("me Zm8= b\r\n", REND_OK, NULL, &about),
	    "ME Zm8= exp=30 la=12 cas=17 fetch=yes cls=1 size=2\r\n");
	about.exptime = 0;
	about.signs = 0;
	assert_string_equal(
	    answer_about("me k\r\n", REND_OK, NULL, &about), "ME k exp=-1 la=12 cas=17 fetch=no cls=1 size=2\r\n");
	assert_string_equal(answer_about("me k\r\n", REND_MISS, NULL, &about), "EN\r\n");
}

static void
test_kinds_without_an_op(void **state)
{
	static const struct {
		uint8_t kind, verb;
		const char *sentence, *said;
	} rows[] = {
		{ COMMAND_NOOP, REND_GET, NULL, "MN\r\n" },
		{ COMMAND_REFUSED, REND_GET, "CLIENT_ERROR invalid flag\r\n", "CLIENT_ERROR invalid flag\r\n" },
		{ COMMAND_NO_MEMORY, REND_GET, NULL, OOR },
		{ COMMAND_NO_MEMORY, REND_SET, NULL, OOM },
		{ COMMAND_NO_MEMORY, REND_APPEND, NULL, OOM },
		{ COMMAND_NO_MEMORY, REND_INCR, NULL, OUT },
		{ COMMAND_NO_MEMORY, REND_DELETE, NULL, OUT },
	};
	struct talk t;

	talk_init(&t);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (int quiet = 0; quiet < 2; quiet++) {
			/* q hides no failure. */
			const struct asked asked = { .form = FORM_META,
				.kind = rows[i].kind,
				.verb = rows[i].verb,
				.quiet = quiet == 1,
				.sentence = rows[i].sentence };

			dialog_reply(&t.dialog, &t.out, &asked, NULL);
			assert_string_equal(drain(&t.out), rows[i].said);
		}
}

/* The op is the delete of the older value. */
static void
test_a_value_too_large(void **state)
{
	static const uint8_t verbs[] = { REND_SET, REND_ADD, REND_REPLACE, REND_APPEND, REND_PREPEND };
	static const struct {
		uint8_t status;
		const char *said;
	} rows[] = { { REND_OK, BIG }, { REND_MISS, BIG }, { REND_TIMEOUT, TMO }, { REND_DOWN, DWN } };
	const struct command cmd = { .asked.verb = REND_DELETE, .key = "k", .keylen = 1 };
	struct talk t;

	talk_init(&t);
	for (size_t v = 0; v < COUNT_OF(verbs); v++)
		for (size_t i = 0; i < COUNT_OF(rows); i++) {
			const struct asked asked = {
				.form = FORM_META, .kind = COMMAND_TOO_LARGE, .verb = verbs[v], .quiet = true
			};
			struct rend_op *op = op_new_for(&cmd, rows[i].status, NULL);

			dialog_reply(&t.dialog, &t.out, &asked, op);
			assert_string_equal(drain(&t.out), rows[i].said);
			op_drop(&op);
		}
}

/* ---- lengths ---- */

/* The longest of everything, around the size from which on values are referenced. */
static void
test_the_longest_answers(void **state)
{
	static const size_t sizes[] = { 0, 1, 1023, 1024, 1025, 70000 };
	static char value[70001], expected[71000];
	char key[REND_KEY_MAX + 1], line[512];
	const struct rend_item about = { .flags = UINT32_MAX,
		.exptime = NOW + 1,
		.last_access = INT64_MAX,
		.cas = UINT64_MAX,
		.size = UINT64_MAX,
		.signs = REND_SENT | REND_STALE | REND_WON };

	memset(key, 'k', REND_KEY_MAX);
	key[REND_KEY_MAX] = '\0';
	snprintf(line, sizeof(line), "mg %s v O%031d k c s l f h t\r\n", key, 0);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		memset(value, 'x', sizes[i]);
		value[sizes[i]] = '\0';
		snprintf(expected, sizeof(expected),
		    "VA %zu O%031d k%s c18446744073709551615 s18446744073709551615 l9223372036854775807 f4294967295 h0 "
		    "t1 "
		    "Z X W\r\n%s\r\n",
		    sizes[i], 0, key, value);
		assert_string_equal(answer_about(line, REND_OK, value, &about), expected);
	}
}

/* 250 bytes that could not be said otherwise: no line is that long today, but an op's key may be. */
static void
test_the_longest_key_in_base64(void **state)
{
	struct asked asked = { .form = FORM_META, .verb = REND_GET, .meta = { .count = 1, .base64 = true } };
	struct command cmd = { .asked.verb = REND_GET };
	char key[REND_KEY_MAX], expected[400] = "EN k";
	struct rend_op *op;
	struct talk t;

	memset(key, '\xff', sizeof(key));
	asked.meta.returns[0] = 'k';
	cmd.key = key;
	cmd.keylen = sizeof(key);
	for (size_t i = 0; i < 83 * 4; i++)
		strcat(expected, "/");
	strcat(expected, "/w== b\r\n");
	talk_init(&t);
	op = op_new_for(&cmd, REND_MISS, NULL);
	dialog_reply(&t.dialog, &t.out, &asked, op);
	assert_string_equal(drain(&t.out), expected);
	asked.meta.debug = true;
	op->status = REND_OK;
	dialog_reply(&t.dialog, &t.out, &asked, op);
	expected[0] = 'M';
	expected[1] = 'E';
	memmove(expected + 3, expected + 4, strlen(expected + 4) + 1);
	strcpy(strstr(expected, " b\r\n"), " exp=-1 la=0 cas=0 fetch=no cls=1 size=0\r\n");
	assert_string_equal(drain(&t.out), expected);
	op_drop(&op);
}

/* The connection is to be closed: nothing may be said any more, and nothing may be written through NULL. */
static void
test_a_broken_chain_stays_empty(void **state)
{
	static const char *const lines[] = { "mg k v k\r\n", "ms k 1\r\n", "md k\r\n", "ma k v\r\n", "me k\r\n" };

	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct talk t;
		struct command cmd;
		struct rend_op *op;

		talk_init(&t);
		ask(&t, lines[i], &cmd);
		op = op_new_for(&cmd, REND_OK, "abc");
		t.out.broken = true;
		dialog_reply(&t.dialog, &t.out, &cmd.asked, op);
		assert_int_equal(t.out.len, 0);
		op_drop(&op);
	}
}

static int
setup(void **state)
{
	chain_pools_init(&pools);
	clock_fake(0, NOW);
	return 0;
}

static int
teardown(void **state)
{
	clock_unfake();
	chain_pools_fini(&pools);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_status_of_each_command),
		cmocka_unit_test(test_a_status_that_is_none),
		cmocka_unit_test(test_each_flag_of_a_hit),
		cmocka_unit_test(test_a_miss_repeats_key_and_opaque),
		cmocka_unit_test(test_times_that_are_left),
		cmocka_unit_test(test_what_a_handler_does_not_know),
		cmocka_unit_test(test_signs),
		cmocka_unit_test(test_stores),
		cmocka_unit_test(test_deletes),
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_debug),
		cmocka_unit_test(test_kinds_without_an_op),
		cmocka_unit_test(test_a_value_too_large),
		cmocka_unit_test(test_the_longest_answers),
		cmocka_unit_test(test_the_longest_key_in_base64),
		cmocka_unit_test(test_a_broken_chain_stays_empty),
	};

	return cmocka_run_group_tests_name("proto/meta_reply", tests, setup, teardown);
}
