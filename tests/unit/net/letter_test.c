/* Letters between two rends: what is put is got, and nothing is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/legacy_counts.h"
#include "net/letter.h"

static struct letter out, in;
static int pair[2];

static int
setup(void **state)
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int
teardown(void **state)
{
	close(pair[0]);
	if (pair[1] >= 0)
		close(pair[1]);
	return 0;
}

static uint64_t
soon(void)
{
	return clock_mono() + 10000000000ULL;
}

static void
exchange(void)
{
	assert_int_equal(letter_send(pair[0], &out, soon()), 0);
	assert_int_equal(letter_receive(pair[1], &in, soon(), NULL), LETTER_HERE);
}

static void
test_what_is_put_is_got(void **state)
{
	char text[8];
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), got;

	letter_begin(&out, LETTER_CONN);
	letter_put_u64(&out, UINT64_MAX);
	letter_put_text(&out, "seven..");
	letter_put_text(&out, NULL);
	letter_put(&out, "xyz", 3);
	letter_put_fd(&out, fd);
	exchange();
	close(fd);
	assert_int_equal(in.type, LETTER_CONN);
	assert_true(letter_has_more(&in));
	assert_int_equal(letter_get_u64(&in), UINT64_MAX);
	letter_get_text(&in, text, sizeof text);
	assert_string_equal(text, "seven..");
	letter_get_text(&in, text, sizeof text);
	assert_string_equal(text, "");
	assert_memory_equal(letter_get(&in, 3), "xyz", 3);
	assert_false(letter_has_more(&in));
	got = letter_get_fd(&in);
	assert_true(got >= 0 && (fcntl(got, F_GETFD) & FD_CLOEXEC));
	close(got);
	assert_true(letter_finish(&in));
}

static void
test_what_is_not_there_breaks_it(void **state)
{
	char text[4];

	letter_begin(&out, LETTER_HELLO);
	letter_put_text(&out, "four");
	/* No room, a number that is too large, one that is not there, a descriptor that is not. */
	exchange();
	letter_get_text(&in, text, sizeof text);
	assert_string_equal(text, "");
	assert_false(letter_finish(&in));
	exchange();
	assert_int_equal(letter_get_at_most(&in, 3), 0);
	assert_false(letter_has_more(&in));
	assert_false(letter_finish(&in));
	exchange();
	assert_null(letter_get(&in, out.len + 1));
	assert_int_equal(letter_get_u64(&in), 0);
	assert_false(letter_finish(&in));
	exchange();
	assert_int_equal(letter_get_fd(&in), -1);
	assert_false(letter_finish(&in));
	/* All is right, and something is left over. */
	exchange();
	assert_int_equal(letter_get_u64(&in), 4);
	assert_false(letter_finish(&in));
	/* A text that ends before it ends. */
	letter_begin(&out, LETTER_HELLO);
	letter_put_u64(&out, 3);
	letter_put(&out, "a\0b", 3);
	exchange();
	letter_get_text(&in, text, sizeof text);
	assert_false(letter_finish(&in));
}

static void
test_what_does_not_fit_is_not_sent(void **state)
{
	static const char full[LETTER_BODY_MAX];

	letter_begin(&out, LETTER_HELLO);
	letter_put(&out, full, sizeof full);
	assert_false(out.broken);
	exchange();
	letter_put(&out, "x", 1);
	assert_true(out.broken);
	assert_int_equal(letter_send(pair[0], &out, soon()), -1);
	assert_int_equal(errno, EMSGSIZE);
	letter_begin(&out, LETTER_HELLO);
	for (int i = 0; i < LETTER_FDS_MAX; i++)
		letter_put_fd(&out, pair[0]);
	assert_false(out.broken);
	letter_put_fd(&out, pair[0]);
	assert_true(out.broken);
}

static void
test_an_end_and_a_wait(void **state)
{
	bool stop = true;

	assert_int_equal(letter_receive(pair[1], &in, 0, NULL), LETTER_LATE);
	assert_int_equal(letter_receive(pair[1], &in, soon(), &stop), LETTER_STOPPED);
	assert_int_equal(letter_send_bare(pair[0], LETTER_GO, soon()), 0);
	close(pair[0]);
	assert_int_equal(letter_receive(pair[1], &in, soon(), NULL), LETTER_HERE);
	assert_int_equal(in.type, LETTER_GO);
	assert_int_equal(letter_receive(pair[1], &in, soon(), NULL), LETTER_END);
	assert_int_equal(letter_send_bare(pair[1], LETTER_GO, soon()), -1);
	assert_int_equal(errno, EPIPE);
	pair[0] = pair[1];
	pair[1] = -1;
}

/* ---- counts ---- */

static struct legacy_counts counts;

static int
read_words(const uint64_t *words, size_t count)
{
	letter_begin(&in, LETTER_COUNTS);
	letter_put(&in, words, count * sizeof *words);
	in.at = 0;
	return legacy_read_counts(&in, &counts);
}
#define READ(...) read_words((const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)

static void
test_counts(void **state)
{
	assert_int_equal(READ(LEGACY_SERVER, 0, 0, 1, 10, 2, 20, 32, 30, 1024 + 64 + 2, 40), 0);
	assert_int_equal(counts.accepted, 10);
	assert_int_equal(counts.rejected, 20);
	assert_int_equal(counts.counts.bytes_read, 30);
	assert_int_equal(counts.tally.answered[1][2], 40);
	/* What is not known, and the ends of what is. */
	assert_int_equal(READ(77, 0, 0, 0, 1, 31, 1, 63, 1, 1023, 1, UINT64_MAX, 1, 1024 + COUNT_SLOTS * 64, 1,
			     1024 + REND_STATUS_COUNT, 1),
	    0);
	assert_int_equal(counts.kind, LEGACY_KINDS);
	for (size_t i = 0; i < sizeof counts.tally / 8; i++)
		assert_int_equal(((const uint64_t *)&counts.tally)[i], 0);
	/* Half of a pair; no head; a number that is too large. */
	assert_int_equal(READ(LEGACY_SERVER, 0, 0, 1), -1);
	assert_int_equal(READ(LEGACY_SERVER, 0), -1);
	assert_int_equal(READ(LEGACY_FORM, 1 << 16, 0), -1);
}

static void
test_times_fall_into_buckets_of_this_one(void **state)
{
	assert_int_equal(READ(LEGACY_LATENCY, 1, 0, 5000, 1000, 3, 1001, 4, UINT64_MAX, 5, 0, 6), 0);
	assert_int_equal(counts.latency.sum, 5000);
	assert_int_equal(counts.latency.counts[histogram_bucket(1000)], 7);
	assert_int_equal(counts.latency.counts[HISTOGRAM_BUCKETS - 1], 5);
	assert_int_equal(counts.latency.counts[0], 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_put_is_got, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_there_breaks_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_does_not_fit_is_not_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_end_and_a_wait, setup, teardown),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_times_fall_into_buckets_of_this_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
