/* Every line of the meta commands, cut into pieces in every way. */
#include "../base/unit.h"

#include "base/clock.h"
#include "feed.h"

#define NOW	    1700000000

#define REFUSED(s)  "REFUSED [CLIENT_ERROR " s "\\x0d\\x0a]\n"
#define BAD_LINE    REFUSED("bad command line format")
#define BAD_CHUNK   REFUSED("bad data chunk")
#define TOO_MANY    REFUSED("options flags are too long")
#define DUPLICATE   REFUSED("duplicate flag")
#define INVALID	    REFUSED("invalid flag")
#define INVALID_MA  REFUSED("invalid or duplicate flag")
#define BAD_KEY	    REFUSED("error decoding key")
#define BAD_TOKEN   REFUSED("bad token in command line format")
#define BAD_INITIAL REFUSED("invalid numeric initial value")
#define BAD_DELTA   REFUSED("invalid numeric delta value")
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

/* Behind each row's input comes a request that must be understood: the parser is in step again. */
static void
check_in_step(const struct proto_limits *limits, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char in[1024], said[1024];

		snprintf(in, sizeof(in), "%sdelete after\r\n", rows[i].in);
		snprintf(said, sizeof(said), "%sdelete after\n", rows[i].said);
		feed_all_ways(limits, in, strlen(in), said);
	}
}

#define CHECK_IN_STEP(limits, rows) check_in_step(limits, rows, COUNT_OF(rows))

/* A line of printf's with one thing in it. */
static void
check_line(const char *fmt, const char *arg, const char *said)
{
	char in[1024];
	struct row row = { in, said };

	snprintf(in, sizeof(in), fmt, arg);
	check_in_step(&small, &row, 1);
}

/* ---- each flag in each command ---- */

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
		{ "mg k R0\r\n", "get k recache=0 <> last\n" },
		{ "mg k R-1\r\n", "get k recache=0 <> last\n" },
		{ "mg k R2592000\r\n", "get k recache=2592000 <> last\n" },
		{ "mg k R1700000100\r\n", "get k recache=100 <> last\n" }, /* a time, like any other over a month */
		{ "mg k R1600000000\r\n", "get k recache=0 <> last\n" },
	};

	CHECK_IN_STEP(&small, rows);
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
		cmocka_unit_test(test_each_flag_in_each_command),
		cmocka_unit_test(test_the_quiet_flag),
		cmocka_unit_test(test_each_byte_that_is_no_flag),
		cmocka_unit_test(test_each_flag_twice),
		cmocka_unit_test(test_each_token_that_cannot_be_read),
		cmocka_unit_test(test_numbers_at_their_ends),
		cmocka_unit_test(test_gets),
		cmocka_unit_test(test_of_a_touch_and_a_vivify_the_later_one_counts_on_a_miss),
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
		cmocka_unit_test(test_opaques),
		cmocka_unit_test(test_too_many_flags),
		cmocka_unit_test(test_a_line_that_is_too_long),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("proto/meta_parse", tests, setup, teardown);
}
