/* Connections that leave together: in as few letters as they need, and what arrives is what left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/passage.h"
#include "net/server.h"

#define INLINE_MAX 32768
#define HEAD	   (13 * sizeof(uint64_t))
#define MOST	   300

static struct server server;
static struct loop loop = { .server = &server };
static struct listener listeners[2];
static struct conn conns[MOST];
static struct departure departure;
static struct letter in;
static int channel[2], stream[2];

static int
setup(void **state)
{
	server.listeners = listeners;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) |
	       socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream);
}

static int
teardown(void **state)
{
	for (int i = 0; i < 2; i++) {
		close(channel[i]);
		close(stream[i]);
	}
	return 0;
}

static uint64_t
soon(void)
{
	return clock_mono() + 10000000000ULL;
}

static void
make(size_t nth, size_t len)
{
	struct conn *c = &conns[nth];

	*c = (struct conn){
		.fd = stream[0], .loop = &loop, .listener = &listeners[nth % 2].own, .answer_size = (uint16_t)nth
	};
	c->in = malloc(len + 1);
	assert_non_null(c->in);
	memset(c->in, 'a' + (int)(nth % 26), len);
	c->in_len = (uint32_t)len;
}

/* Is the next one of the letter the nth? */
static void
arrives(size_t nth, size_t len)
{
	struct passenger p;
	char *got;

	assert_int_equal(passage_read(&in, &p), 0);
	assert_int_equal(p.listener, nth % 2);
	assert_int_equal(p.answer_size, nth);
	assert_int_equal(p.in_len, len);
	assert_int_equal(p.file >= 0, len > INLINE_MAX);
	got = malloc(len + 1);
	assert_non_null(got);
	if (p.file >= 0)
		assert_int_equal(pread(p.file, got, len, 0), len);
	else if (len > 0)
		memcpy(got, p.in, len);
	assert_int_equal(memcmp(got, conns[nth].in, len), 0);
	free(got);
	passage_drop(&p);
}

/* So many with these inputs, beginning anew with the first length when there are no more; in how many letters they go. */
static unsigned
pass(size_t count, const size_t *lens, size_t kinds, unsigned at_once)
{
	unsigned letters = 0;
	size_t nth = 0;

	departure_begin(&departure, channel[0], soon(), at_once, SIZE_MAX);
	for (size_t i = 0; i < count; i++) {
		make(i, lens[i % kinds]);
		assert_int_equal(departure_add(&departure, &conns[i]), 0);
	}
	assert_int_equal(departure_end(&departure), 0);
	while (nth < count) {
		assert_int_equal(letter_receive(channel[1], &in, soon(), NULL), LETTER_HERE);
		assert_int_equal(in.type, LETTER_CONN);
		letters++;
		do {
			arrives(nth, lens[nth % kinds]);
			assert_true(conns[nth].passed);
			free(conns[nth++].in);
		} while (letter_has_more(&in));
		assert_true(letter_finish(&in));
	}
	return letters;
}

static void
test_many_go_in_one_letter(void **state)
{
	const size_t none = 0;

	assert_int_equal(pass(0, &none, 1, LETTER_FDS_MAX), 0);
	assert_int_equal(pass(LETTER_FDS_MAX - 1, &none, 1, LETTER_FDS_MAX), 1);
	assert_int_equal(pass(LETTER_FDS_MAX, &none, 1, LETTER_FDS_MAX), 1);
	assert_int_equal(pass(LETTER_FDS_MAX + 1, &none, 1, LETTER_FDS_MAX), 2);
	assert_int_equal(pass(5, &none, 1, 1), 5);
}

static void
test_a_letter_gets_full(void **state)
{
	const size_t rest = LETTER_BODY_MAX - 2 * HEAD - INLINE_MAX;
	const size_t fits[] = { INLINE_MAX, rest }, does_not[] = { INLINE_MAX, rest + 1 };

	assert_int_equal(pass(2, fits, 2, LETTER_FDS_MAX), 1);
	assert_int_equal(pass(2, does_not, 2, LETTER_FDS_MAX), 2);
}

static void
test_what_is_long_goes_in_a_file(void **state)
{
	const size_t lens[] = { 5, INLINE_MAX + 1, 0, INLINE_MAX, 300000 };

	assert_int_equal(pass(1, &lens[1], 1, LETTER_FDS_MAX), 1);
	assert_int_equal(pass(5, lens, 5, LETTER_FDS_MAX), 4);
}

static void
test_who_cannot_be_sent_is_not_passed(void **state)
{
	close(channel[1]);
	departure_begin(&departure, channel[0], soon(), LETTER_FDS_MAX, SIZE_MAX);
	make(0, 3);
	assert_int_equal(departure_add(&departure, &conns[0]), 0);
	assert_int_equal(departure_end(&departure), -1);
	assert_false(conns[0].passed);
	free(conns[0].in);
	channel[1] = dup(channel[0]);
}

/* Of those with input some go, and all that have none. */
static void
test_much_input_goes_another_time(void **state)
{
	const size_t lens[] = { 10, 0, 100, 1, 0, 300000 };
	const bool goes[] = { true, true, true, false, true, false };
	size_t nth = 0;

	departure_begin(&departure, channel[0], soon(), LETTER_FDS_MAX, 11);
	for (size_t i = 0; i < 6; i++) {
		make(i, lens[i]);
		assert_int_equal(departure_add(&departure, &conns[i]), 0);
	}
	assert_int_equal(departure_end(&departure), 0);
	assert_int_equal(letter_receive(channel[1], &in, soon(), NULL), LETTER_HERE);
	for (; nth < 6; nth++)
		if (goes[nth])
			arrives(nth, lens[nth]);
	assert_true(letter_finish(&in));
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(conns[i].passed, goes[i]);
		free(conns[i].in);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_go_in_one_letter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_letter_gets_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_long_goes_in_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_much_input_goes_another_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_cannot_be_sent_is_not_passed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
