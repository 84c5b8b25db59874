/* Each flag in each meta command, and each that is none. */
#include "../base/unit.h"

#include "base/clock.h"
#include "feed.h"

#define NOW	    1700000000

#define REFUSED(s)  "REFUSED [CLIENT_ERROR " s "\\x0d\\x0a]\n"
#define BAD_LINE    REFUSED("bad command line format")
#define TOO_MANY    REFUSED("options flags are too long")
#define DUPLICATE   REFUSED("duplicate flag")
#define INVALID	    REFUSED("invalid flag")
#define INVALID_MA  REFUSED("invalid or duplicate flag")
#define BAD_KEY	    REFUSED("error decoding key")
#define BAD_TOKEN   REFUSED("bad token in command line format")
#define BAD_INITIAL REFUSED("invalid numeric initial value")
#define BAD_DELTA   REFUSED("invalid numeric delta value")
#define BAD_MA_MODE REFUSED("invalid mode for ma M token")
#define LONG_OPAQUE REFUSED("opaque token too long")

static const struct proto_limits small = {
	.item_size_max = 20,
	.line_max = 300,
	.get_line_max = 400,
	.cas_enabled = true,
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

struct flag_row {
	const char *flag;
	const char *mg, *ms, *md, *ma; /* what is said between key and body; NULL: what is said without the flag */
};

static void
check_flag(const char *flag, const char *mg, const char *ms, const char *md, const char *ma)
{
	char said[256];

	snprintf(said, sizeof(said), "get k%s last\n", mg == NULL ? " <>" : mg);
	check_line("mg k %s\r\n", flag, said);
	snprintf(said, sizeof(said), "set k%s body=[xy]\n", ms == NULL ? " <>" : ms);
	check_line("ms k 2 %s\r\nxy\r\n", flag, said);
	snprintf(said, sizeof(said), "delete k%s\n", md == NULL ? " <>" : md);
	check_line("md k %s\r\n", flag, said);
	snprintf(said, sizeof(said), "incr k%s\n", ma == NULL ? " delta=1 <>" : ma);
	check_line("ma k %s\r\n", flag, said);
}

static void
test_each_flag_in_each_command(void **state)
{
	static const struct flag_row rows[] = {
		{ "C7", " if_cas=7 <>", " if_cas=7 <>", " if_cas=7 <>", " if_cas=7 delta=1 <>" },
		{ "D7", " delta=7 <>", " delta=7 <>", " delta=7 <>", " delta=7 <>" },
		{ "E7", " cas_new=7 <>", " cas_new=7 <>", " cas_new=7 <>", " cas_new=7 delta=1 <>" },
		{ "F7", NULL, " flags=7 <>", NULL, NULL },
		{ "I", NULL, NULL, " invalidate <>", NULL },
		{ "J7", NULL, NULL, NULL, NULL },
		{ "L7", NULL, NULL, NULL, NULL },
		{ "N60", " vivify=1700000060 initial=0 <>", NULL, NULL, " vivify=1700000060 initial=0 delta=1 <>" },
		{ "Oab", " <O [ab]>", " <O [ab]>", " <O [ab]>", " delta=1 <O [ab]>" },
		{ "P7", NULL, NULL, NULL, NULL },
		/* What has no time left to win cannot be won. */
		{ "R0", NULL, NULL, NULL, NULL },
		{ "R-60", NULL, NULL, NULL, NULL },
		{ "R60", " recache=60 <>", NULL, NULL, NULL },
		{ "T60", " touch until=1700000060 <>", " exptime=1700000060 <>", " until=1700000060 <>",
		    " touch until=1700000060 delta=1 <>" },
		{ "c", " cas <c>", " cas <c>", NULL, " cas delta=1 <c>" },
		{ "f", " <f>", NULL, NULL, NULL },
		{ "h", " access <h>", NULL, NULL, NULL },
		{ "k", " <k>", " <k>", " <k>", " delta=1 <k>" },
		{ "l", " access <l>", NULL, NULL, NULL },
		{ "s", " size <s>", " size <s>", NULL, NULL },
		{ "t", " exptime <t>", NULL, NULL, " exptime delta=1 <t>" },
		{ "u", " no_bump <>", NULL, NULL, NULL },
		{ "v", " value < VA>", " < VA>", " < VA>", " delta=1 < VA>" },
		{ "x", NULL, NULL, " drop_value <>", NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check_flag(rows[i].flag, rows[i].mg, rows[i].ms, rows[i].md, rows[i].ma);
}

static void
test_the_quiet_flag(void **state)
{
	static const struct row rows[] = {
		{ "mg k q\r\n", "get k <> last quiet\n" },
		{ "ms k 1 q\r\nx\r\n", "set k <> body=[x] quiet\n" },
		{ "md k q\r\n", "delete k <> quiet\n" },
		{ "ma k q\r\n", "incr k delta=1 <> quiet\n" },
		{ "mg k q q\r\n", "REFUSED [CLIENT_ERROR duplicate flag\\x0d\\x0a] quiet\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_each_byte_that_is_no_flag(void **state)
{
	static const char known[] = "CDEFIJLMNOPRTbcfhklqstuvx";

	for (int c = 1; c < 256; c++) {
		char flag[2] = { (char)c, '\0' };
		const char *said = c >= 127 ? DUPLICATE : INVALID;

		if (strchr(known, c) != NULL || strchr(" \r\n", c) != NULL)
			continue;
		check_line("mg k %s\r\n", flag, said);
		check_line("ms k 2 %s\r\nxy\r\n", flag, said);
		check_line("md k %s\r\n", flag, said);
		check_line("ma k %s\r\n", flag, INVALID_MA);
	}
}

static void
test_each_flag_twice(void **state)
{
	static const char *const twice[] = { "C1 C2", "D1 D1", "E1 E2", "F1 F1", "I I", "J1 J1", "L L", "M M", "N1 N1",
		"O O", "P Pa", "R1 R1", "T1 T1", "b b", "c c", "f f", "h h", "k kx", "l l", "s s", "t t", "u u", "v v",
		"x x", "v y v y v", "k v t k" };

	for (size_t i = 0; i < COUNT_OF(twice); i++) {
		bool unknown_first = strchr(twice[i], 'y') != NULL;

		check_line("mg k %s\r\n", twice[i], unknown_first ? INVALID : DUPLICATE);
		check_line("ms k 2 %s\r\nxy\r\n", twice[i], unknown_first ? INVALID : DUPLICATE);
		check_line("md k %s\r\n", twice[i], unknown_first ? INVALID : DUPLICATE);
		check_line("ma k %s\r\n", twice[i], INVALID_MA);
	}
}

static void
test_each_token_that_cannot_be_read(void **state)
{
	static const struct row rows[] = {
		{ "C", BAD_TOKEN },
		{ "Cx", BAD_TOKEN },
		{ "C-1", BAD_TOKEN },
		{ "C18446744073709551616", BAD_TOKEN },
		{ "E", BAD_TOKEN },
		{ "Ex", BAD_TOKEN },
		{ "E-1", BAD_TOKEN },
		{ "N", BAD_TOKEN },
		{ "Nx", BAD_TOKEN },
		{ "N1x", BAD_TOKEN },
		{ "R", BAD_TOKEN },
		{ "Rx", BAD_TOKEN },
		{ "T", BAD_TOKEN },
		{ "Tx", BAD_TOKEN },
		{ "T1.5", BAD_TOKEN },
		{ "T\t1", BAD_TOKEN },
		{ "T9223372036854775808", BAD_TOKEN },
		{ "D", BAD_DELTA },
		{ "Dx", BAD_DELTA },
		{ "D-1", BAD_DELTA },
		{ "D18446744073709551616", BAD_DELTA },
		{ "J", BAD_INITIAL },
		{ "Jx", BAD_INITIAL },
		{ "J-1", BAD_INITIAL },
		{ "F", BAD_LINE },
		{ "Fx", BAD_LINE },
		{ "F-1", BAD_LINE },
		{ "F4294967296", BAD_LINE },
		/* Of several, the last; F gives way to all. */
		{ "Tx Dx", BAD_DELTA },
		{ "Dx Tx", BAD_TOKEN },
		{ "Tx Fx", BAD_TOKEN },
		{ "Fx Tx", BAD_TOKEN },
		{ "b Tx", BAD_TOKEN },
		{ "Tx b", BAD_KEY },
		/* What is no flag, or one too many, before all of them. */
		{ "Tx y", INVALID },
		{ "y Tx", INVALID },
		{ "Tx T1", DUPLICATE },
		{ "q Tx", BAD_TOKEN " quiet" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char said[128];
		size_t quiet = strcspn(rows[i].said, "\n");

		/* "...\n quiet" becomes "... quiet\n" */
		snprintf(said, sizeof(said), "%.*s%s\n", (int)quiet, rows[i].said, rows[i].said + quiet + 1);
		check_line("mg k %s\r\n", rows[i].in, said);
		check_line("ms k 2 %s\r\nxy\r\n", rows[i].in, said);
		check_line("md k %s\r\n", rows[i].in, said);
		check_line("ma k %s\r\n", rows[i].in,
		    rows[i].said[quiet + 1] == '\0'
			? INVALID_MA
			: "REFUSED [CLIENT_ERROR invalid or duplicate flag\\x0d\\x0a] quiet\n");
	}
}

static void
test_numbers_at_their_ends(void **state)
{
	static const struct row rows[] = {
		{ "mg k C18446744073709551615 v\r\n", "get k value if_cas=18446744073709551615 < VA> last\n" },
		{ "mg k C0\r\n", "get k if_cas=0 <> last\n" },
		{ "mg k C+5\r\n", "get k if_cas=5 <> last\n" },
		{ "mg k E18446744073709551615 N0\r\n",
		    "get k vivify=0 initial=0 cas_new=18446744073709551615 <> last\n" },
		{ "ms k 1 F4294967295\r\nx\r\n", "set k flags=4294967295 <> body=[x]\n" },
		{ "ma k D18446744073709551615\r\n", "incr k delta=18446744073709551615 <>\n" },
		{ "ma k D0\r\n", "incr k <>\n" },
		{ "ma k J18446744073709551615 N0\r\n", "incr k vivify=0 initial=18446744073709551615 delta=1 <>\n" },
		{ "mg k T0\r\n", "get k touch <> last\n" },
		{ "mg k T-1\r\n", "get k touch until=1 <> last\n" },
		{ "mg k T2592000\r\n", "get k touch until=1702592000 <> last\n" },
		{ "mg k T2592001\r\n", "get k touch until=2592001 <> last\n" },
		{ "mg k T1800000000\r\n", "get k touch until=1800000000 <> last\n" },
		{ "mg k N-1\r\n", "get k vivify=1 initial=0 <> last\n" },
		{ "mg k R0\r\n", "get k <> last\n" },
		{ "mg k R-1\r\n", "get k <> last\n" },
		{ "mg k R2592000\r\n", "get k recache=2592000 <> last\n" },
		{ "mg k R1700000100\r\n", "get k recache=100 <> last\n" }, /* a time, like any other over a month */
		{ "mg k R1600000000\r\n", "get k <> last\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_opaques(void **state)
{
	static const struct row rows[] = {
		{ "mg k O\r\n", "get k <O> last\n" },
		{ "mg k O1234567890123456789012345678901\r\n", "get k <O [1234567890123456789012345678901]> last\n" },
		{ "mg k O12345678901234567890123456789012\r\n", LONG_OPAQUE },
		{ "mg k O123456789012345678901234567890123 q\r\n",
		    "REFUSED [CLIENT_ERROR opaque token too long\\x0d\\x0a] quiet\n" },
		{ "mg k O\x01\xff\r\n", "get k <O [\\x01\\xff]> last\n" },
		/* Other faults are told before it. */
		{ "mg k O12345678901234567890123456789012 Tx\r\n", BAD_TOKEN },
		{ "mg k Tx O12345678901234567890123456789012\r\n", BAD_TOKEN },
		{ "ma k MX O12345678901234567890123456789012\r\n", BAD_MA_MODE },
	};

	CHECK_IN_STEP(&small, rows);
}

/* Twenty words, the command included. */
static void
test_too_many_flags(void **state)
{
	static const struct row rows[] = {
		{ "mg k s v t f k O h l c u q I x D1 J1 F1 C1 T1\r\n",
		    "get k value exptime cas size access touch if_cas=1 no_bump until=1700000001 delta=1 "
		    "<stfkOhlc VA> last quiet\n" },
		{ "mg k s v t f k O h l c u q I x D1 J1 F1 C1 T1 P\r\n",
		    "REFUSED [CLIENT_ERROR options flags are too long\\x0d\\x0a] quiet\n" },
		{ "mg k y y y y y y y y y y y y y y y y y y\r\n", INVALID },
		{ "mg k y y y y y y y y y y y y y y y y y y y\r\n", TOO_MANY },
		{ "md k y y y y y y y y y y y y y y y y y y y\r\n", TOO_MANY },
		{ "ms k 2 y y y y y y y y y y y y y y y y y\r\nxy\r\n", INVALID },
		{ "ms k 2 y y y y y y y y y y y y y y y y y y\r\nxy\r\n", TOO_MANY },
		{ "ma k y y y y y y y y y y y y y y y y y y y\r\n", INVALID_MA },
	};

	CHECK_IN_STEP(&small, rows);
}

/* An item that is made on a miss lives as long as the later of the two says. */
static void
test_of_a_touch_and_a_vivify_the_later_one_counts_on_a_miss(void **state)
{
	static const struct row rows[] = {
		{ "mg k T60 N30\r\n", "get k touch vivify=1700000030 initial=0 until=1700000060 <> last\n" },
		{ "mg k N30 T60\r\n", "get k touch vivify=1700000060 initial=0 until=1700000060 <> last\n" },
		{ "ma k T60 N30\r\n", "incr k touch vivify=1700000030 initial=0 until=1700000060 delta=1 <>\n" },
		{ "ma k N30 T60\r\n", "incr k touch vivify=1700000060 initial=0 until=1700000060 delta=1 <>\n" },
	};

	CHECK_IN_STEP(&small, rows);
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
		cmocka_unit_test(test_each_flag_in_each_command),
		cmocka_unit_test(test_the_quiet_flag),
		cmocka_unit_test(test_each_byte_that_is_no_flag),
		cmocka_unit_test(test_each_flag_twice),
		cmocka_unit_test(test_each_token_that_cannot_be_read),
		cmocka_unit_test(test_numbers_at_their_ends),
		cmocka_unit_test(test_opaques),
		cmocka_unit_test(test_too_many_flags),
		cmocka_unit_test(test_of_a_touch_and_a_vivify_the_later_one_counts_on_a_miss),
	};

	return cmocka_run_group_tests_name("proto/meta_parse, flags", tests, setup, teardown);
}
