/* Every line of the meta commands, cut into pieces in every way. */
#include "../base/unit.h"

#include "base/clock.h"
#include "feed.h"

#define NOW	    1700000000

#define REFUSED(s)  "REFUSED [CLIENT_ERROR " s "\\x0d\\x0a]\n"
#define BAD_LINE    REFUSED("bad command line format")
#define BAD_CHUNK   REFUSED("bad data chunk")
#define DUPLICATE   REFUSED("duplicate flag")
#define INVALID	    REFUSED("invalid flag")
#define INVALID_MA  REFUSED("invalid or duplicate flag")
#define BAD_KEY	    REFUSED("error decoding key")
#define BAD_TOKEN   REFUSED("bad token in command line format")
#define BAD_MS_MODE REFUSED("invalid mode for ms M token")
#define BAD_MA_MODE REFUSED("invalid mode for ma M token")
#define LONG_OPAQUE REFUSED("opaque token too long")

static const struct proto_limits small = {
	.item_size_max = 20,
	.line_max = 300,
	.get_line_max = 400,
	.cas_enabled = true,
};

static const struct proto_limits without_cas = {
	.item_size_max = 20,
	.line_max = 300,
	.get_line_max = 400,
};

struct row {
	const char *in;
	const char *said;
};

static void
check_in_step(const struct proto_limits *limits, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		feed_in_step(limits, rows[i].in, rows[i].said);
}

#define CHECK_IN_STEP(limits, rows) check_in_step(limits, rows, COUNT_OF(rows))

/* A line of printf's with one thing in it. */
static void
check_line(const char *fmt, const char *arg, const char *said)
{
	char in[1024];

	snprintf(in, sizeof(in), fmt, arg);
	feed_in_step(&small, in, said);
}

/* ---- commands ---- */

static void
test_gets(void **state)
{
	static const struct row rows[] = {
		{ "mg k\r\n", "get k <> last\n" },
		{ "mg k\n", "get k <> last\n" },
		{ "mg k v\r\n", "get k value < VA> last\n" },
		{ "  mg  k   v  \r\n", "get k value < VA> last\n" },
		{ "mg mg v\r\n", "get mg value < VA> last\n" },
		{ "mg k vx kx qx\r\n", "get k value <k VA> last quiet\n" }, /* tokens nobody asked for */
		{ "mg k s v t f k Oab h l c\r\n", "get k value exptime cas size access <stfkOhlc [ab] VA> last\n" },
		{ "mg k c l h Oab k f t v s\r\n", "get k value exptime cas size access <clhOkfts [ab] VA> last\n" },
		{ "mg k v N30 R20 T60 C9 E10 u q\r\n",
		    "get k value touch if_cas=9 vivify=1700000060 initial=0 recache=20 no_bump cas_new=10 "
		    "until=1700000060 < VA> last quiet\n" },
		{ "mg a v\r\nget b\r\nmg c\r\n", "get a value < VA> last\nget b value last\nget c <> last\n" },
		{ "MG k v\r\n", "REFUSED [ERROR\\x0d\\x0a]\n" },
		{ "mgk v\r\n", "REFUSED [ERROR\\x0d\\x0a]\n" },
		{ "mz k v\r\n", "REFUSED [ERROR\\x0d\\x0a]\n" },
		{ "mg k noreply\r\n", INVALID },
		{ "mg a b\r\n", BAD_KEY },
	};
	static const struct row versionless[] = {
		{ "mg k c v\r\n", "get k value <c VA> last\n" },
	};

	CHECK_IN_STEP(&small, rows);
	CHECK_IN_STEP(&without_cas, versionless);
}

static void
test_stores(void **state)
{
	static const struct row rows[] = {
		{ "ms k 2\r\nxy\r\n", "set k <> body=[xy]\n" },
		{ "ms k 0\r\n\r\n", "set k <> body=[]\n" },
		{ "ms k +2\r\nxy\r\n", "set k <> body=[xy]\n" },
		{ "ms k 02 k c s Oab\r\nxy\r\n", "set k cas size <kcsO [ab]> body=[xy]\n" },
		{ "ms k 20\r\n01234567890123456789\r\n", "set k <> body=[01234567890123456789]\n" },
		{ "ms k 2 MS T60 F5\r\nxy\r\n", "set k flags=5 exptime=1700000060 <> body=[xy]\n" },
		{ "ms k 2 ME T60 F5\r\nxy\r\n", "add k flags=5 exptime=1700000060 <> body=[xy]\n" },
		{ "ms k 2 MR T-1\r\nxy\r\n", "replace k exptime=1 <> body=[xy]\n" },
		{ "ms k 2 MEX\r\nxy\r\n", "add k <> body=[xy]\n" },
		/* An append has no time of its own, but N's. */
		{ "ms k 2 MA T60\r\nxy\r\n", "append k <> body=[xy]\n" },
		{ "ms k 2 MP T60 F5\r\nxy\r\n", "prepend k flags=5 <> body=[xy]\n" },
		{ "ms k 2 MA N30 T60\r\nxy\r\n", "append k vivify=1700000030 initial=0 <> body=[xy]\n" },
		{ "ms k 2 MP N0\r\nxy\r\n", "prepend k vivify=0 initial=0 <> body=[xy]\n" },
		{ "ms k 2 ME N30\r\nxy\r\n", "add k <> body=[xy]\n" },
		/* Versions. */
		{ "ms k 2 C7 E8\r\nxy\r\n", "set k if_cas=7 cas_new=8 <> body=[xy]\n" },
		{ "ms k 2 C7 I\r\nxy\r\n", "set k if_cas=7 invalidate <> body=[xy]\n" },
		{ "ms k 2 C0 MS\r\nxy\r\n", "set k if_cas=0 <> body=[xy]\n" },
		{ "ms k 2 I MR\r\nxy\r\n", "replace k <> body=[xy]\n" },
		{ "ms k 2 C7 I MR\r\nxy\r\n", "set k if_cas=7 invalidate <> body=[xy]\n" },
		{ "ms k 2 C7 I ME\r\nxy\r\n", "add k <> body=[xy]\n" },
		{ "ms k 2 C7 I MA\r\nxy\r\n", "append k if_cas=7 <> body=[xy]\n" },
		{ "ms k 2 C0 MA\r\nxy\r\n", "append k <> body=[xy]\n" },
		{ "ms k 2 C0 MP\r\nxy\r\n", "prepend k <> body=[xy]\n" },
		{ "ms ms 4 q\r\nms\r\n\r\n", "set ms <> body=[ms\\x0d\\x0a] quiet\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

/* The length can be read: the value is never taken for commands. */
static void
test_a_refused_value_is_swallowed(void **state)
{
	static const struct row rows[] = {
		{ "ms k 6 y\r\nquit\r\n\r\n", INVALID },
		{ "ms k 6 q y\r\nquit\r\n\r\n", "REFUSED [CLIENT_ERROR invalid flag\\x0d\\x0a] quiet\n" },
		{ "ms k 6 k k\r\nquit\r\n\r\n", DUPLICATE },
		{ "ms k 6 b\r\nquit\r\n\r\n", BAD_KEY },
		{ "ms k 6 Tx\r\nquit\r\n\r\n", BAD_TOKEN },
		{ "ms k 6 M\r\nquit\r\n\r\n", BAD_MS_MODE },
		{ "ms k 6 Me\r\nquit\r\n\r\n", BAD_MS_MODE },
		{ "ms k 6 MI\r\nquit\r\n\r\n", BAD_MS_MODE },
		{ "ms k 6 M\xff\r\nquit\r\n\r\n", BAD_MS_MODE },
		{ "ms k 6 Oooooooooooooooooooooooooooooooooo\r\nquit\r\n\r\n", LONG_OPAQUE },
		{ "ms \x01 6\r\nquit\r\n\r\n", BAD_LINE },
		{ "ms k 6 y\r\nquit\r\n and more\r\n", INVALID },
		{ "ms k 21\r\nquit\r\n012345678901234\r\n", "TOO_LARGE set k <>\n" },
		{ "ms k 21 ME q k\r\nquit\r\n012345678901234\r\n", "TOO_LARGE add k <k> quiet\n" },
		{ "ms k 21 MA C1\r\nquit\r\n012345678901234\r\n", "TOO_LARGE append k if_cas=1 <>\n" },
		{ "ms k 21 C1\r\nquit\r\n012345678901234\r\n", "TOO_LARGE set k if_cas=1 <>\n" },
		/* A bad line about a value that is too large is a bad line. */
		{ "ms k 21 MX\r\nquit\r\n012345678901234\r\n", BAD_MS_MODE },
	};

	CHECK_IN_STEP(&small, rows);
}

/* Nobody can tell where the value ends, and the next line is a command, as with memcached. */
static void
test_an_unreadable_length(void **state)
{
	static const struct row rows[] = {
		{ "ms\r\n", BAD_LINE },
		{ "ms k\r\n", BAD_LINE },
		{ "ms k S2\r\n", BAD_LINE },
		{ "ms k x\r\n", BAD_LINE },
		{ "ms k 2x\r\n", BAD_LINE },
		{ "ms k -1\r\n", BAD_LINE },
		{ "ms k 2147483646\r\n", BAD_LINE },
		{ "ms k 4294967295\r\n", BAD_LINE },
		{ "ms k 18446744073709551616 q\r\n", BAD_LINE },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_bad_data_chunks(void **state)
{
	static const struct row rows[] = {
		{ "ms k 2\r\nxyz\r\n", BAD_CHUNK },
		{ "ms k 2\r\nxy\n", BAD_CHUNK },
		{ "ms k 0\r\nxy\r\n", BAD_CHUNK },
		{ "ms k 2 MA\r\nxyz\r\n", BAD_CHUNK },
		{ "ms k 2 q\r\nxyz\r\n", "REFUSED [CLIENT_ERROR bad data chunk\\x0d\\x0a] quiet\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_deletes(void **state)
{
	static const struct row rows[] = {
		{ "md k\r\n", "delete k <>\n" },
		{ "md k k Oab q C5\r\n", "delete k if_cas=5 <kO [ab]> quiet\n" },
		{ "md k C0\r\n", "delete k if_cas=0 <>\n" },
		{ "md k I T60 E9\r\n", "delete k touch invalidate cas_new=9 until=1700000060 <>\n" },
		{ "md k T60\r\n", "delete k until=1700000060 <>\n" }, /* T goes with I, or does nothing */
		{ "md k x T60\r\n", "delete k drop_value until=1700000060 <>\n" },
		{ "md k x I T0\r\n", "delete k touch invalidate drop_value <>\n" },
		{ "md k MX\r\n", "delete k <>\n" },
		{ "md\r\n", BAD_LINE },
		{ "md k Oooooooooooooooooooooooooooooooooo\r\n", LONG_OPAQUE },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_arithmetic(void **state)
{
	static const struct row rows[] = {
		{ "ma k\r\n", "incr k delta=1 <>\n" },
		{ "ma k MI\r\n", "incr k delta=1 <>\n" },
		{ "ma k M+ D5\r\n", "incr k delta=5 <>\n" },
		{ "ma k MD D5\r\n", "decr k delta=5 <>\n" },
		{ "ma k M-\r\n", "decr k delta=1 <>\n" },
		{ "ma k v t c k Oab q\r\n", "incr k exptime cas delta=1 <tckO [ab] VA> quiet\n" },
		{ "ma k N60 J13 E5 C4\r\n", "incr k if_cas=4 vivify=1700000060 initial=13 cas_new=5 delta=1 <>\n" },
		{ "ma k C0\r\n", "incr k delta=1 <>\n" },
		{ "ma k M\r\n", BAD_MA_MODE },
		{ "ma k Mi\r\n", BAD_MA_MODE },
		{ "ma k MA\r\n", BAD_MA_MODE },
		{ "ma k b\r\n", INVALID_MA },
		{ "ma k Oooooooooooooooooooooooooooooooooo\r\n", LONG_OPAQUE },
		{ "ma\r\n", BAD_LINE },
		{ "ma \x01\r\n", BAD_LINE },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_debug(void **state)
{
	static const struct row rows[] = {
		{ "me k\r\n", "get k exptime cas size access no_bump < debug> last\n" },
		{ "me k x\r\n", "get k exptime cas size access no_bump < debug> last\n" },
		{ "me k bx\r\n", "get k exptime cas size access no_bump < debug> last\n" },
		{ "me Zm9v b\r\n", "get foo exptime cas size access no_bump < base64 debug> last\n" },
		{ "me Zm9v b x\r\n", "get foo exptime cas size access no_bump < base64 debug> last\n" },
		{ "me k b\r\n", BAD_LINE },
		{ "me\r\n", BAD_LINE },
		{ "me \x01\r\n", BAD_LINE },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_noop(void **state)
{
	static const struct row rows[] = {
		{ "mn\r\n", "NOOP\n" },
		{ "mn\n", "NOOP\n" },
		{ "mn x y q\r\n", "NOOP\n" },
		{ "mg k q\r\nmn\r\n", "get k <> last quiet\nNOOP\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

/* ---- keys and limits ---- */

static void
test_keys_in_base64(void **state)
{
	static const struct row rows[] = {
		{ "mg Zm9v b\r\n", "get foo < base64> last\n" },
		{ "mg Zm9v k b v\r\n", "get foo value <k VA base64> last\n" },
		{ "mg Zm9v bx k\r\n", "get foo <k base64> last\n" },
		{ "mg AAr/ b\r\n", "get \\x00\\x0a\\xff < base64> last\n" },
		{ "mg Zh== b\r\n", "get f < base64> last\n" },
		{ "mg Zm9v\r\n", "get Zm9v <> last\n" },
		{ "ms Zm9v 2 b k\r\nxy\r\n", "set foo <k base64> body=[xy]\n" },
		{ "md Zm9v b\r\n", "delete foo < base64>\n" },
		{ "ma Zm9v b\r\n", "incr foo delta=1 < base64>\n" },
		{ "mg Zm9 b\r\n", BAD_KEY },
		{ "mg Zm-v b\r\n", BAD_KEY },
		{ "mg ==== b\r\n", BAD_KEY },
		{ "mg Zm8=Zm8= b\r\n", BAD_KEY },
		{ "md Zm9 b\r\n", BAD_KEY },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_keys_of_249_250_and_251_bytes(void **state)
{
	static const struct row rows[] = {
		{ "mg %s v\r\n", "get %s value < VA> last\n" },
		{ "ms %s 2\r\nxy\r\n", "set %s <> body=[xy]\n" },
		{ "md %s\r\n", "delete %s <>\n" },
		{ "ma %s\r\n", "incr %s delta=1 <>\n" },
		{ "me %s\r\n", "get %s exptime cas size access no_bump < debug> last\n" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t len = 249; len <= 251; len++) {
			char key[252], said[512];

			memset(key, 'k', len);
			key[len] = '\0';
			snprintf(said, sizeof(said), rows[i].said, key);
			check_line(rows[i].in, key, len > 250 ? BAD_LINE : said);
		}
}

/* The longest that fits: 248 characters are 186 bytes.  252 characters are too long before anybody decodes them. */
static void
test_long_keys_in_base64(void **state)
{
	char coded[253], in[300], said[1024] = "delete ";

	memset(coded, 'A', 248);
	coded[248] = '\0';
	for (size_t i = 0; i < 186; i++)
		strcat(said, "\\x00");
	strcat(said, " < base64>\n");
	snprintf(in, sizeof(in), "md %s b\r\n", coded);
	feed_all_ways(&small, in, strlen(in), said);

	memset(coded, 'A', 252);
	coded[252] = '\0';
	check_line("md %s b\r\n", coded, BAD_LINE);
}

static void
test_a_line_that_is_too_long(void **state)
{
	char in[600];

	memset(in, ' ', sizeof(in));
	memcpy(in, "mg k", 4);
	in[small.line_max] = '\n';
	feed_two_ways(&small, in, small.line_max + 1, "get k <> last\n");
	in[small.line_max] = ' ';
	in[small.line_max + 1] = '\n';
	feed_two_ways(&small, in, small.line_max + 2, "CLOSE\n");
}

/* Whatever a client sends: the same however it is cut, and no sanitizer complains. */
static void
test_noise(void **state)
{
	static const char *const bits[] = { "mg ", "ms ", "md ", "ma ", "me ", "mn", " ", " ", "k", "Zm9v ", "b ",
		" 2 ", "\r\n", "\r\n", "\n", "\r", "xy\r\n", "v ", "q ", "k ", "O", "Oab ", "T", "60 ", "-1 ", "N30 ",
		"R ", "C", "E5 ", "ME ", "M", "I ", "x ", "D", "J", "F", "S", "\x80", "\xff", "\x01", "=", "/",
		"get a b\r\n", "999999 ", "18446744073709551616" };
	uint64_t seed = 7;

	for (int round = 0; round < 3000; round++) {
		struct feed whole, cut;
		char in[400];
		size_t len = 0;
		uint32_t n = unit_random(&seed) % 40;

		for (uint32_t i = 0; i < n; i++) {
			const char *bit = bits[unit_random(&seed) % COUNT_OF(bits)];

			if (len + strlen(bit) > sizeof(in))
				break;
			memcpy(in + len, bit, strlen(bit));
			len += strlen(bit);
		}
		feed_init(&whole, &small);
		feed_bytes(&whole, in, len);
		feed_init(&cut, &small);
		for (size_t at = 0; at < len && !cut.closed;) {
			size_t step = 1 + unit_random(&seed) % 7;

			step = step < len - at ? step : len - at;
			feed_bytes(&cut, in + at, step);
			at += step;
		}
		assert_string_equal(whole.said, cut.said);
		assert_int_equal(whole.closed, cut.closed);
		if (!whole.closed)
			assert_int_equal(whole.len, cut.len);
		feed_fini(&whole);
		feed_fini(&cut);
	}
}

static int
setup(void **state)
{
	clock_fake(0, NOW);
	return 0;
}

static int
teardown(void **state)
{
	clock_unfake();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gets),
		cmocka_unit_test(test_stores),
		cmocka_unit_test(test_a_refused_value_is_swallowed),
		cmocka_unit_test(test_an_unreadable_length),
		cmocka_unit_test(test_bad_data_chunks),
		cmocka_unit_test(test_deletes),
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_debug),
		cmocka_unit_test(test_noop),
		cmocka_unit_test(test_keys_in_base64),
		cmocka_unit_test(test_keys_of_249_250_and_251_bytes),
		cmocka_unit_test(test_long_keys_in_base64),
		cmocka_unit_test(test_a_line_that_is_too_long),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("proto/meta_parse", tests, setup, teardown);
}
