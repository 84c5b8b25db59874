/* A thread's requests, and the breaker of the disk that they go to. */
#include "breaker.h"
#include "queue_test.h"

static void
tells_the_breaker_and_asks_it(void **state)
{
	struct breaker *b = breaker_new(&(struct breaker_limits){ .errors = 2 });

	end(NULL);
	open_with(NULL, NULL, b);
	sim_fault_next(io, IO_READ, 1, SIM_EIO, 0);
	sim_fault_next(io, IO_READ, 2, SIM_HANG, 0);
	submit(0, IO_READ);
	submit(1, IO_READ);
	io_wait(queue, MS);
	assert_int_equal(breaker_state(b), BREAKER_CLOSED);
	io_wait(queue, 6000 * MS);
	assert_string_equal(calls, "d0r0d1");
	assert_int_equal(breaker_state(b), BREAKER_OPEN);
	assert_int_equal(breaker_counts(b).timeouts, 1);
	assert_int_equal(io_submit(queue, request(2, IO_READ)), IO_DOWN);
	sim_advance(io, 5000 * MS);
	assert_true(breaker_probe_due(b, io_now(io)));
	request(2, IO_READ)->probe = BREAKER_PROBE_LAST;
	assert_int_equal(io_submit(queue, &requests[2]), IO_OK);
	io_wait(queue, MS);
	assert_int_equal(breaker_state(b), BREAKER_CLOSED);
	sim_release(io);
	end(NULL);
	breaker_free(&b);
}

/* That there is too much to do is not the disk's fault. */
static void
does_not_blame_the_disk_for_the_queue(void **state)
{
	static const struct io_limits small = { .depth = 1, .time = 20 * MS };
	struct breaker *b = breaker_new(&(struct breaker_limits){ .errors = 2 });

	end(NULL);
	open_with(&small, NULL, b);
	sim_fault_next(io, IO_READ, 1, SIM_HANG, 0);
	for (int i = 0; i < 5; i++)
		submit(i, IO_READ);
	assert_int_equal(io_wait(queue, 100 * MS), 5);
	assert_int_equal(breaker_counts(b).timeouts, 1);
	assert_int_equal(breaker_state(b), BREAKER_CLOSED);
	sim_release(io);
	end(NULL);
	breaker_free(&b);
}

/* What is aside goes out although others may not, and is none of its business however it ends. */
static void
is_not_asked_about_what_is_aside(void **state)
{
	struct breaker *b = breaker_new(&(struct breaker_limits){ .errors = 2 });

	end(NULL);
	open_with(NULL, NULL, b);
	for (int i = 0; i < 5; i++) {
		sim_fault_next(io, IO_READ, 1, SIM_EIO, 0);
		request(i, IO_READ)->probe = BREAKER_ASIDE;
		assert_int_equal(io_submit(queue, &requests[i]), IO_OK);
		io_wait(queue, MS);
		assert_int_equal(requests[i].status, IO_FAILED);
	}
	assert_int_equal(breaker_counts(b).errors, 0);
	breaker_ended(b, IO_GONE, BREAKER_NO_PROBE, io_now(io));
	assert_int_equal(io_submit(queue, request(6, IO_READ)), IO_DOWN);
	sim_advance(io, 5000 * MS);
	assert_true(breaker_probe_due(b, io_now(io)));
	for (int i = 0; i < 2; i++) {
		if (i == 1)
			sim_fault_next(io, IO_READ, 1, SIM_EIO, 0);
		request(7, IO_READ)->probe = BREAKER_ASIDE;
		assert_int_equal(io_submit(queue, &requests[7]), IO_OK);
		io_wait(queue, MS);
		assert_int_equal(breaker_state(b), BREAKER_HALF_OPEN);
	}
	end(NULL);
	breaker_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_the_breaker_and_asks_it, start, end),
		cmocka_unit_test_setup_teardown(does_not_blame_the_disk_for_the_queue, start, end),
		cmocka_unit_test_setup_teardown(is_not_asked_about_what_is_aside, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
