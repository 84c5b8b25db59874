/* Every request of the text protocol, cut into pieces in every way. */
#include "../base/unit.h"

#include "base/clock.h"
#include "feed.h"

#define NOW	   1700000000

#define BAD_LINE   "REFUSED [CLIENT_ERROR bad command line format\\x0d\\x0a]"
#define BAD_CHUNK  "REFUSED [CLIENT_ERROR bad data chunk\\x0d\\x0a]"
#define BAD_DELETE "REFUSED [CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\\x0d\\x0a]"
#define BAD_EXPIRY "REFUSED [CLIENT_ERROR invalid exptime argument\\x0d\\x0a]"
#define BAD_DELTA  "REFUSED [CLIENT_ERROR invalid numeric delta argument\\x0d\\x0a]"
#define TOO_LARGE  "REFUSED [SERVER_ERROR object too large for cache\\x0d\\x0a]"
#define UNKNOWN	   "REFUSED [ERROR\\x0d\\x0a]"

static const struct proto_limits small = {
	.item_size_max = 20,
	.line_max = 120,
	.get_line_max = 400,
	.flush_enabled = true,
	.shutdown_enabled = true,
	.cas_enabled = true,
};

static const struct proto_limits forbidding = {
	.item_size_max = 20,
	.line_max = 120,
	.get_line_max = 400,
};

struct row {
	const char *in;
	const char *said;
};

static void
check_rows(const struct proto_limits *limits, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		feed_all_ways(limits, rows[i].in, strlen(rows[i].in), rows[i].said);
}

#define CHECK_ROWS(limits, rows) check_rows(limits, rows, COUNT_OF(rows))

/* Behind each row's input comes a request that must be understood: the parser is in step again. */
static void
check_in_step(const struct proto_limits *limits, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char in[512], said[1024];

		snprintf(in, sizeof(in), "%sdelete after\r\n", rows[i].in);
		snprintf(said, sizeof(said), "%sdelete after\n", rows[i].said);
		feed_all_ways(limits, in, strlen(in), said);
	}
}

#define CHECK_IN_STEP(limits, rows) check_in_step(limits, rows, COUNT_OF(rows))

static void
test_gets(void **state)
{
	static const struct row rows[] = {
		{ "get k\r\n", "get k value last\n" },
		{ "get k\n", "get k value last\n" },
		{ "get a b c\r\n", "get a value\nget b value\nget c value last\n" },
		{ "get a b\n", "get a value\nget b value last\n" },
		{ "get  a   b  \r\n", "get a value\nget b value last\n" },
		{ "   get a\r\n", "get a value last\n" },
		{ "get get\r\n", "get get value last\n" },
		{ "get k noreply\r\n", "get k value\nget noreply value last\n" },
		{ "get \xc3\xa4 \xff\r\n", "get \xc3\xa4 value\nget \xff value last\n" },
		{ "gets k\r\n", "get k value cas with_cas last\n" },
		{ "gets a b\r\n", "get a value cas with_cas\nget b value cas with_cas last\n" },
		{ "gat 60 a b\r\n", "get a value touch until=1700000060\nget b value touch until=1700000060 last\n" },
		{ "gat 0 a\r\n", "get a value touch last\n" },
		{ "gat -1 a\r\n", "get a value touch until=1 last\n" },
		{ "gats 10 a\n", "get a value cas touch until=1700000010 with_cas last\n" },
	};
	static const struct row without_cas[] = {
		{ "gets k\r\n", "get k value with_cas last\n" },
	};

	CHECK_IN_STEP(&small, rows);
	CHECK_IN_STEP(&forbidding, without_cas);
}

static void
test_bad_gets(void **state)
{
	static const struct row rows[] = {
		{ "get\r\n", BAD_LINE "\n" },
		{ "get  \r\n", BAD_LINE "\n" },
		{ "gets\n", BAD_LINE "\n" },
		{ "gat\r\n", BAD_LINE "\n" },
		{ "gat 10\r\n", BAD_LINE "\n" },
		{ "gat x\r\n", BAD_LINE "\n" },
		{ "gats 10 \r\n", BAD_LINE "\n" },
		{ "gat x k\r\n", BAD_EXPIRY "\n" },
		{ "gat 1x k\r\n", BAD_EXPIRY "\n" },
		{ "gats 9223372036854775808 k\r\n", BAD_EXPIRY "\n" },
		{ "get a\tb\r\n", BAD_LINE "\n" },
		{ "get a b\rc d\r\n", BAD_LINE "\n" },
		{ "get a \x7f\r\n", BAD_LINE "\n" },
		{ "get a\r\r\n", BAD_LINE "\n" },
		{ "gat 0 a \x01\r\n", BAD_LINE "\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_stores(void **state)
{
	static const struct row rows[] = {
		{ "set k 0 0 3\r\nabc\r\n", "set k body=[abc]\n" },
		{ "set k 0 0 3\nabc\r\n", "set k body=[abc]\n" },
		{ "set k 0 0 0\r\n\r\n", "set k body=[]\n" },
		{ "set k 4294967295 0 1\r\nx\r\n", "set k flags=4294967295 body=[x]\n" },
		{ "set k +1 +0 +1\r\nx\r\n", "set k flags=1 body=[x]\n" },
		{ "set k 0 0 0001\r\nx\r\n", "set k body=[x]\n" },
		{ "set k 0 0 -0\r\n\r\n", "set k body=[]\n" },
		{ "set k 0 60 1\r\nx\r\n", "set k exptime=1700000060 body=[x]\n" },
		{ "set k 0 2592000 1\r\nx\r\n", "set k exptime=1702592000 body=[x]\n" },
		{ "set k 0 2592001 1\r\nx\r\n", "set k exptime=2592001 body=[x]\n" },
		{ "set k 0 1800000000 1\r\nx\r\n", "set k exptime=1800000000 body=[x]\n" },
		{ "set k 0 2147483648 1\r\nx\r\n", "set k exptime=2147483648 body=[x]\n" },
		{ "set k 0 -1 1\r\nx\r\n", "set k exptime=1 body=[x]\n" },
		{ "set k 0 0 1 noreply\r\nx\r\n", "set k body=[x] quiet\n" },
		{ "set k 0 0 1 NOREPLY\r\nx\r\n", "set k body=[x]\n" },
		{ "set k 0 0 1 other\r\nx\r\n", "set k body=[x]\n" },
		{ "  set   k  0  0  1  \r\nx\r\n", "set k body=[x]\n" },
		{ "set set 0 0 5\r\nset\r\n\r\n", "set set body=[set\\x0d\\x0a]\n" },
		{ "set k 0 0 20\r\n01234567890123456789\r\n", "set k body=[01234567890123456789]\n" },
		{ "add k 5 0 1\r\nx\r\n", "add k flags=5 body=[x]\n" },
		{ "replace k 5 0 1 noreply\r\nx\r\n", "replace k flags=5 body=[x] quiet\n" },
		{ "append k 5 0 1\r\nx\r\n", "append k flags=5 body=[x]\n" },
		{ "prepend k 5 0 1\r\nx\r\n", "prepend k flags=5 body=[x]\n" },
		{ "cas k 5 0 1 42\r\nx\r\n", "set k if_cas=42 flags=5 body=[x]\n" },
		{ "cas k 0 0 1 18446744073709551615 noreply\r\nx\r\n",
		    "set k if_cas=18446744073709551615 body=[x] quiet\n" },
		{ "cas k 0 0 1 0 other\r\nx\r\n", "set k if_cas=0 body=[x]\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

/* The length can be read: the value is never taken for commands. */
static void
test_a_refused_value_is_swallowed(void **state)
{
	static const struct row rows[] = {
		{ "set k x 0 8\r\nquit\r\n\r\n\r\n", BAD_LINE "\n" },
		{ "set k -1 0 6\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "set k 4294967296 0 6\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "set k 0 x 6\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "set k 0 9223372036854775808 6\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "set k 0 x 0\r\n\r\n", BAD_LINE "\n" },
		{ "set k 0 x 1\nx\n", BAD_LINE "\n" },
		{ "set k 0 x 3\r\nabcde\r\n", BAD_LINE "\n" },
		{ "set k 0 x 6 noreply\r\nquit\r\n\r\n", BAD_LINE " quiet\n" },
		{ "set \x01 0 0 6\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "set k 0 0 6 noreply more\r\nquit\r\n\r\n", UNKNOWN "\n" },
		{ "set k 0 0 6 a b c d e f\r\nquit\r\n\r\n", UNKNOWN "\n" },
		{ "add k x 0 6\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "replace k x 0 6\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "append k x 0 6\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "prepend k x 0 6\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "cas k 0 0 6\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "cas k 0 0 6 noreply\r\nquit\r\n\r\n", BAD_LINE " quiet\n" },
		{ "cas k 0 0 6 x\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "cas k 0 0 6 -1\r\nquit\r\n\r\n", BAD_LINE "\n" },
		{ "cas k 0 0 6 18446744073709551616 noreply\r\nquit\r\n\r\n", BAD_LINE " quiet\n" },
		{ "cas k 0 0 6 1 noreply more\r\nquit\r\n\r\n", UNKNOWN "\n" },
		{ "set k 0 0 21\r\nquit\r\n012345678901234\r\n", "TOO_LARGE set k\n" },
		{ "set k 0 0 21 noreply\r\nquit\r\n012345678901234\r\n", "TOO_LARGE set k quiet\n" },
		{ "set k 0 0 21\r\n012345678901234567890 and more\r\n", "TOO_LARGE set k\n" },
		{ "cas k 0 0 21 7\r\nquit\r\n012345678901234\r\n", TOO_LARGE "\n" },
		{ "add k 0 0 21\r\nquit\r\n012345678901234\r\n", TOO_LARGE "\n" },
		{ "replace k 0 0 21\r\nquit\r\n012345678901234\r\n", TOO_LARGE "\n" },
		{ "append k 0 0 21\r\nquit\r\n012345678901234\r\n", TOO_LARGE "\n" },
		{ "prepend k 0 0 21 noreply\r\nquit\r\n012345678901234\r\n", TOO_LARGE " quiet\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

/* The length cannot be read: nobody can tell where the value ends, and the next line is a command, as with memcached.
 */
static void
test_an_unreadable_length(void **state)
{
	static const struct row rows[] = {
		{ "set k 0 0 -1\r\n", BAD_LINE "\n" },
		{ "set k 0 0 2147483646\r\n", BAD_LINE "\n" },
		{ "set k 0 0 2147483647\r\n", BAD_LINE "\n" },
		{ "set k 0 0 4294967295\r\n", BAD_LINE "\n" },
		{ "set k 0 0 4294967296\r\n", BAD_LINE "\n" },
		{ "set k 0 0 18446744073709551615\r\n", BAD_LINE "\n" },
		{ "set k 0 0 18446744073709551616\r\n", BAD_LINE "\n" },
		{ "set k 0 0 x\r\n", BAD_LINE "\n" },
		{ "set k 0 0 1x\r\n", BAD_LINE "\n" },
		{ "set k 0 0 1 noreply\r\nx\r\nset k 0 0 -1 noreply\r\n",
		    "set k body=[x] quiet\n" BAD_LINE " quiet\n" },
		{ "set k 0 0 noreply\r\n", BAD_LINE " quiet\n" },
		{ "set k 0 0\r\n", BAD_LINE "\n" },
		{ "set k\r\n", BAD_LINE "\n" },
		{ "set\r\n", BAD_LINE "\n" },
		{ "add k 0 0\r\n", BAD_LINE "\n" },
		{ "cas k 0 0\r\n", BAD_LINE "\n" },
		{ "cas k 0 0 -1\r\n", BAD_LINE "\n" },
		{ "cas k 0 0 -1 5\r\n", BAD_LINE "\n" },
		{ "append k 0 0 -1\r\n", BAD_LINE "\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_the_largest_length_that_is_one(void **state)
{
	static const struct row rows[] = {
		{ "set k 0 0 2147483645\r\nget a\r\n", "TOO_LARGE set k\n" },
	};

	CHECK_ROWS(&small, rows);
}

static void
test_bad_data_chunks(void **state)
{
	static const struct row rows[] = {
		{ "set k 0 0 3\r\nabcd\r\n", BAD_CHUNK "\n" },
		{ "set k 0 0 3\r\nabc\n", BAD_CHUNK "\n" },
		{ "set k 0 0 3\r\nabc\rquit\r\n", BAD_CHUNK "\n" },
		{ "set k 0 0 3\r\nabc\r\r\n", BAD_CHUNK "\n" },
		{ "set k 0 0 3\r\nabc quit\n", BAD_CHUNK "\n" },
		{ "set k 0 0 3 noreply\r\nabcd\r\n", BAD_CHUNK " quiet\n" },
		{ "set k 0 0 8\r\nabc\r\nquit\r\n", BAD_CHUNK "\n" },
		{ "cas k 0 0 1 1\r\nabc\r\n", BAD_CHUNK "\n" },
		{ "append k 0 0 0\r\nabc\r\n", BAD_CHUNK "\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_deletes(void **state)
{
	static const struct row rows[] = {
		{ "delete k\r\n", "delete k\n" },
		{ "delete k\n", "delete k\n" },
		{ "delete k 0\r\n", "delete k\n" },
		{ "delete k noreply\r\n", "delete k quiet\n" },
		{ "delete k 0 noreply\r\n", "delete k quiet\n" },
		{ "delete noreply\r\n", "delete noreply\n" },
		{ "delete 0 0\r\n", "delete 0\n" },
		{ "delete\r\n", BAD_LINE "\n" },
		{ "delete k 5\r\n", BAD_DELETE "\n" },
		{ "delete k 00\r\n", BAD_DELETE "\n" },
		{ "delete k 0 5\r\n", BAD_DELETE "\n" },
		{ "delete k 5 noreply\r\n", BAD_DELETE " quiet\n" },
		{ "delete k noreply noreply\r\n", BAD_DELETE " quiet\n" },
		{ "delete k noreply 0\r\n", BAD_DELETE "\n" },
		{ "delete k 0 noreply more\r\n", UNKNOWN "\n" },
		{ "delete \x02\r\n", BAD_LINE "\n" },
		{ "delete \x02 noreply\r\n", BAD_LINE " quiet\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_deltas_and_touches(void **state)
{
	static const struct row rows[] = {
		{ "incr k 1\r\n", "incr k delta=1\n" },
		{ "decr k 18446744073709551615\n", "decr k delta=18446744073709551615\n" },
		{ "incr k 0 noreply\r\n", "incr k quiet\n" },
		{ "incr k 1 other\r\n", "incr k delta=1\n" },
		{ "incr k\r\n", BAD_LINE "\n" },
		{ "decr\r\n", BAD_LINE "\n" },
		{ "incr k 1 noreply more\r\n", UNKNOWN "\n" },
		{ "incr k x\r\n", BAD_DELTA "\n" },
		{ "incr k -1\r\n", BAD_DELTA "\n" },
		{ "decr k 18446744073709551616 noreply\r\n", BAD_DELTA " quiet\n" },
		{ "incr k noreply\r\n", BAD_DELTA " quiet\n" },
		{ "decr \x7f x\r\n", BAD_LINE "\n" },
		{ "touch k 60\r\n", "touch k until=1700000060\n" },
		{ "touch k 0 noreply\r\n", "touch k quiet\n" },
		{ "touch k -5\r\n", "touch k until=1\n" },
		{ "touch k\r\n", BAD_LINE "\n" },
		{ "touch k 1 2 3\r\n", UNKNOWN "\n" },
		{ "touch k x\r\n", BAD_EXPIRY "\n" },
		{ "touch k x noreply\r\n", BAD_EXPIRY " quiet\n" },
		{ "touch k noreply\r\n", BAD_EXPIRY " quiet\n" },
		{ "touch \x1f 1\r\n", BAD_LINE "\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_the_rest(void **state)
{
	static const struct row rows[] = {
		{ "flush_all\r\n", "FLUSH_ALL delay=0\n" },
		{ "flush_all 10\r\n", "FLUSH_ALL delay=10\n" },
		{ "flush_all -1\r\n", "FLUSH_ALL delay=0\n" },
		{ "flush_all 0 noreply\r\n", "FLUSH_ALL delay=0 quiet\n" },
		{ "flush_all noreply\r\n", "FLUSH_ALL delay=0 quiet\n" },
		{ "flush_all 5 other\r\n", "FLUSH_ALL delay=5\n" },
		{ "flush_all 1700000030\r\n", "FLUSH_ALL delay=30\n" },
		{ "flush_all x\r\n", BAD_EXPIRY "\n" },
		{ "flush_all noreply 0\r\n", BAD_EXPIRY "\n" },
		{ "flush_all noreply noreply\r\n", BAD_EXPIRY " quiet\n" },
		{ "flush_all 1 2 3\r\n", UNKNOWN "\n" },
		{ "version\r\n", "VERSION\n" },
		{ "version of something\r\n", "VERSION\n" },
		{ "verbosity 1\r\n", "VERBOSITY\n" },
		{ "verbosity 1 noreply\r\n", "VERBOSITY quiet\n" },
		{ "verbosity 5000000000\r\n", "VERBOSITY\n" },
		{ "verbosity\r\n", BAD_LINE "\n" },
		{ "verbosity x\r\n", BAD_LINE "\n" },
		{ "verbosity -1\r\n", BAD_LINE "\n" },
		{ "verbosity noreply\r\n", BAD_LINE " quiet\n" },
		{ "verbosity 1 2 3\r\n", UNKNOWN "\n" },
		{ "stats\r\n", "STATS []\n" },
		{ "stats  \n", "STATS []\n" },
		{ "stats reset\r\n", "STATS [reset]\n" },
		{ "stats  detail   on \r\n", "STATS [detail   on]\n" },
		{ "shutdown now\r\n", "REFUSED [CLIENT_ERROR invalid shutdown mode\\x0d\\x0a]\n" },
		{ "shutdown graceful now\r\n", "REFUSED [CLIENT_ERROR invalid shutdown mode\\x0d\\x0a]\n" },
	};
	static const struct row ends[] = {
		{ "quit\r\nget a\r\n", "QUIT close\n" },
		{ "quit now\n", "QUIT close\n" },
		{ "shutdown\r\n", "SHUTDOWN close\n" },
		{ "shutdown  graceful\r\n", "SHUTDOWN close\n" },
	};
	static const struct row forbidden[] = {
		{ "flush_all\r\n", "REFUSED [CLIENT_ERROR flush_all not allowed\\x0d\\x0a]\n" },
		{ "flush_all x noreply\r\n", "REFUSED [CLIENT_ERROR flush_all not allowed\\x0d\\x0a] quiet\n" },
		{ "shutdown\r\n", "REFUSED [SERVER_ERROR: shutdown not enabled\\x0d\\x0a]\n" },
		{ "shutdown now\r\n", "REFUSED [SERVER_ERROR: shutdown not enabled\\x0d\\x0a]\n" },
	};

	CHECK_IN_STEP(&small, rows);
	CHECK_ROWS(&small, ends);
	CHECK_IN_STEP(&forbidding, forbidden);
}

static void
test_what_is_no_command(void **state)
{
	static const struct row rows[] = {
		{ "\r\n", BAD_LINE "\n" },
		{ "\n", BAD_LINE "\n" },
		{ " \r\n", UNKNOWN "\n" },
		{ "   \n", UNKNOWN "\n" },
		{ "\r\r\n", UNKNOWN "\n" },
		{ "a\r\n", UNKNOWN "\n" },
		{ "GET k\r\n", UNKNOWN "\n" },
		{ "getx k\r\n", UNKNOWN "\n" },
		{ "ge k\r\n", UNKNOWN "\n" },
		{ "get\tk\r\n", UNKNOWN "\n" },
		{ "m k v\r\n", UNKNOWN "\n" },
		{ "mo k\r\n", UNKNOWN "\n" },
		{ "watch\r\n", UNKNOWN "\n" },
		{ "lru_crawler metadump all\r\n", UNKNOWN "\n" },
		{ "shutdowns\r\n", UNKNOWN "\n" },
		{ "foo noreply\r\n", UNKNOWN "\n" },
		{ "Host: HTTPS/1.1\r\n", UNKNOWN "\n" },
		{ "\xff\xfe\r\n", UNKNOWN "\n" },
	};

	CHECK_IN_STEP(&small, rows);
}

static void
test_nul_bytes(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *said;
	} rows[] = {
#define IN(s) s, sizeof(s) - 1
		{ IN("get a\0b\r\nget c\r\n"), BAD_LINE "\nget c value last\n" },
		{ IN("get \0\r\n"), BAD_LINE "\n" },
		{ IN("get a b\0\r\n"), BAD_LINE "\n" },
		{ IN("\0\r\n"), UNKNOWN "\n" },
		{ IN("get\0k\r\n"), UNKNOWN "\n" },
		{ IN("set k\0 0 0 1\r\nx\r\nget c\r\n"), BAD_LINE "\nget c value last\n" },
		{ IN("set k 0\0 0 1\r\nx\r\nget c\r\n"), BAD_LINE "\nget c value last\n" },
		{ IN("set k 0 0 3\r\n\0\n\0\r\n"), "set k body=[\\x00\\x0a\\x00]\n" },
		{ IN("set k 0 0 1\r\nx\0\r\nget c\r\n"), BAD_CHUNK "\nget c value last\n" },
		{ IN("delete k\0\r\n"), BAD_LINE "\n" },
		{ IN("incr k 1\0\r\n"), BAD_DELTA "\n" },
		{ IN("touch k 1\0\r\n"), BAD_EXPIRY "\n" },
		{ IN("flush_all 1\0\r\n"), BAD_EXPIRY "\n" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		feed_all_ways(&small, rows[i].in, rows[i].len, rows[i].said);
}

static void
test_http_is_closed_at_once(void **state)
{
	static const struct row rows[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "CLOSE\n" },
		{ "POST /set HTTP/1.0\n", "CLOSE\n" },
		{ "OPTIONS * HTTP/2  \r\n", "CLOSE\n" },
		{ "HTTP/1.1\r\n", "CLOSE\n" },
		{ "get HTTP/1.1\r\n", "get HTTP/1.1 value last\n" },
		{ "delete k\r\nGET / HTTP/1.1\r\n", "delete k\nCLOSE\n" },
	};

	CHECK_ROWS(&small, rows);
}

static void
test_half_a_request_waits(void **state)
{
	static const struct row rows[] = {
		{ "get k", "5 bytes wait\n" },
		{ "get k\r", "6 bytes wait\n" },
		{ "version\r\nget", "VERSION\n3 bytes wait\n" },
		{ "set k 0 0 3\r\n", "a body waits\n" },
		{ "set k 0 0 3\r\nabc", "a body waits\n3 bytes wait\n" },
		{ "set k 0 0 3\r\nabc\r", "a body waits\n4 bytes wait\n" },
		{ "set k 0 x 3\r\nabc\r", BAD_LINE "\n" },
	};

	CHECK_ROWS(&small, rows);
}

/* The caller may stop between two keys, and go on when all it has is the rest of the line. */
static void
test_keys_are_given_out_one_by_one(void **state)
{
	static const char line[] = "get a  bb ccc \r\nversion\r\n";
	static const char *const keys[] = { "a", "bb", "ccc" };
	struct dialog d = { .limits = &proto_limits_default };
	struct command cmd;
	size_t at = 0, used;

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		assert_int_equal(dialog_parse(&d, line + at, sizeof(line) - 1 - at, &used, &cmd), PARSE_COMMAND);
		assert_int_equal(cmd.keylen, strlen(keys[i]));
		assert_memory_equal(cmd.key, keys[i], cmd.keylen);
		assert_int_equal(cmd.asked.last, i == 2);
		assert_int_equal(d.in_keys, i != 2);
		at += used;
	}
	assert_string_equal(line + at, "version\r\n");
}

/* Whatever comes, it ends, stays inside its bytes, and is the same however it is cut. */
static void
test_noise(void **state)
{
	static const char *const bits[] = { "get ", "gets ", "gat ", "set ", "cas ", "add ", "k", " ", "0", "1", "-1",
		"\r\n", "\r\n", "\n", "\r", "noreply", "delete ", "incr ", "touch ", "stats", "5", "x", "4294967295",
		"\t", "\x7f", "flush_all", "append ", "version", "verbosity ", "  ", "abcde" };
	uint64_t seed = 2024;

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gets),
		cmocka_unit_test(test_bad_gets),
		cmocka_unit_test(test_stores),
		cmocka_unit_test(test_a_refused_value_is_swallowed),
		cmocka_unit_test(test_an_unreadable_length),
		cmocka_unit_test(test_the_largest_length_that_is_one),
		cmocka_unit_test(test_bad_data_chunks),
		cmocka_unit_test(test_deletes),
		cmocka_unit_test(test_deltas_and_touches),
		cmocka_unit_test(test_the_rest),
		cmocka_unit_test(test_what_is_no_command),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_http_is_closed_at_once),
		cmocka_unit_test(test_half_a_request_waits),
		cmocka_unit_test(test_keys_are_given_out_one_by_one),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("proto/text_parse", tests, setup, NULL);
}
