/* A thread's requests, over a simulated disk. */
#include <event2/event.h>

#include "queue_test.h"

/* ---- the ordinary ---- */

static void
reads_and_writes(void **state)
{
	submit(0, IO_READ);
	memset(data[0], 0, BLOCK);
	submit(1, IO_WRITE);
	memset(data[1], 'x', BLOCK);
	submit(2, IO_DISCARD);
	submit(3, IO_SYNC);
	assert_int_equal(io_pending(queue), 4);
	assert_string_equal(calls, "");
	io_flush(queue);
	assert_string_equal(calls, "");
	assert_int_equal(io_poll(queue), 4);
	assert_string_equal(calls, "d0r0d1r1d2r2d3r3");
	for (int i = 0; i < 4; i++) {
		assert_int_equal(requests[i].status, IO_OK);
		assert_int_equal(requests[i].bytes, i < 2 ? BLOCK : 0);
	}
	assert_true(data[0][0] == '0' && data[0][BLOCK - 1] == '0');
	assert_int_equal(io_read(file, data[1], BLOCK, BLOCK, NULL), IO_OK);
	assert_int_equal(data[1][0], 'x');
	assert_int_equal(io_read(file, data[2], BLOCK, 2 * BLOCK, NULL), IO_OK);
	assert_int_equal(data[2][0], 0);
	assert_int_equal(io_pending(queue), 0);
	assert_int_equal(io_queue_counts(queue)->batches, 1);
	assert_int_equal(io_queue_counts(queue)->ended[IO_READ], 1);
	assert_int_equal(io_queue_counts(queue)->bytes[IO_WRITE], BLOCK);
	assert_int_equal(io_queue_counts(queue)->failed[IO_OK], 4);
}

static void
scatters_and_gathers(void **state)
{
	struct io_request *r = request(0, IO_WRITE);

	r->pieces = 3;
	for (int i = 0; i < 3; i++)
		r->piece[i] = (struct iovec){ data[5 - i], BLOCK };
	assert_int_equal(io_submit(queue, r), IO_OK);
	/* The first call ends in the middle of the second piece. */
	sim_fault_next(io, IO_WRITE, 1, SIM_SHORT, 2 * BLOCK);
	io_wait(queue, MS);
	assert_string_equal(calls, "d0r0");
	assert_int_equal(r->status, IO_OK);
	assert_int_equal(r->bytes, 3 * BLOCK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(io_read(file, data[7], BLOCK, (uint64_t)i * BLOCK, NULL), IO_OK);
		assert_int_equal(data[7][BLOCK - 1], '5' - i);
	}
	r = request(1, IO_READ);
	r->offset = 0;
	r->pieces = 2;
	r->piece[1] = (struct iovec){ data[2], BLOCK };
	assert_int_equal(io_submit(queue, r), IO_OK);
	sim_fault_next(io, IO_READ, 1, SIM_SHORT, BLOCK);
	io_wait(queue, MS);
	assert_int_equal(r->bytes, 2 * BLOCK);
	assert_int_equal(data[1][0], '5');
	assert_int_equal(data[2][0], '4');
}

static void
ends_short_at_the_end_of_the_file(void **state)
{
	struct io_request *r = request(7, IO_READ);

	r->pieces = 2;
	r->piece[1] = (struct iovec){ data[0], BLOCK };
	assert_int_equal(io_submit(queue, r), IO_OK);
	io_wait(queue, MS);
	assert_int_equal(r->status, IO_SHORT);
	assert_int_equal(r->bytes, BLOCK);
}

/* A file whose blocks are small is read in small steps; a piece of one of those is the end. */
static void
reads_in_grains(void **state)
{
	static const size_t amounts[] = { 512, 256 };
	struct io_request *r = request(0, IO_WRITE);
	struct io_file *coarse;

	for (int i = 0; i < 8; i++)
		memset(data[0] + i * 512, 'a' + i, 512);
	assert_int_equal(io_write(file, data[0], BLOCK, 0, NULL), IO_OK);
	assert_int_equal(io_file_grain(file), 512);
	for (int i = 0; i < 2; i++) {
		r = request(1, IO_READ);
		r->offset = 1536;
		r->piece[0].iov_len = 1024;
		memset(data[1], ' ', BLOCK);
		assert_int_equal(io_submit(queue, r), IO_OK);
		sim_fault_next(io, IO_READ, 1, SIM_SHORT, amounts[i]);
		io_wait(queue, MS);
		assert_int_equal(r->status, i == 0 ? IO_OK : IO_SHORT);
		assert_int_equal(r->bytes, i == 0 ? 1024 : 256);
		assert_int_equal(data[1][0], 'd');
		assert_int_equal(data[1][1023], i == 0 ? 'e' : ' ');
		assert_int_equal(data[1][1024], ' ');
	}
	sim_grain(io, IO_ALIGN);
	assert_int_equal(io_open(io, "f", IO_DIRECT, NULL, &coarse), IO_OK);
	assert_int_equal(io_file_grain(coarse), IO_ALIGN);
	r = request(2, IO_READ);
	r->file = coarse;
	r->offset = 512;
	assert_int_equal(io_submit(queue, r), IO_INVALID);
	r->offset = 0;
	r->piece[0].iov_len = 512;
	assert_int_equal(io_submit(queue, r), IO_INVALID);
	io_close(&coarse);
}

static void
says_what_went_wrong(void **state)
{
	sim_fault_next(io, IO_READ, 1, SIM_EIO, 0);
	sim_fault_next(io, IO_WRITE, 1, SIM_ENOSPC, 0);
	sim_fault_next(io, IO_SYNC, 1, SIM_GONE, 0);
	submit(0, IO_READ);
	submit(1, IO_WRITE);
	submit(2, IO_SYNC);
	io_wait(queue, MS);
	assert_string_equal(calls, "d0r0d1r1d2r2");
	assert_int_equal(requests[0].status, IO_FAILED);
	assert_int_equal(requests[1].status, IO_NO_SPACE);
	assert_int_equal(requests[2].status, IO_GONE);
	assert_int_equal(requests[0].bytes, 0);
	assert_true(requests[0].error != 0);
	assert_int_equal(io_queue_counts(queue)->failed[IO_FAILED], 1);
	assert_int_equal(io_queue_counts(queue)->failed[IO_OK], 0);
	sim_back(io);
}

static void
refuses_what_is_unsound(void **state)
{
	struct io_request *r = request(0, IO_READ);

	r->offset = 256;
	assert_int_equal(io_submit(queue, r), IO_INVALID);
	r = request(0, IO_READ);
	r->piece[0].iov_len = 256;
	assert_int_equal(io_submit(queue, r), IO_INVALID);
	r = request(0, IO_WRITE);
	r->offset = 512;
	assert_int_equal(io_submit(queue, r), IO_INVALID);
	r = request(0, IO_WRITE);
	r->piece[0].iov_len = 512;
	assert_int_equal(io_submit(queue, r), IO_INVALID);
	r = request(0, IO_READ);
	r->piece[0].iov_base = data[0] + 8;
	assert_int_equal(io_submit(queue, r), IO_INVALID);
	r = request(0, IO_READ);
	r->pieces = 0;
	assert_int_equal(io_submit(queue, r), IO_INVALID);
	r->pieces = IO_PIECES_MAX + 1;
	assert_int_equal(io_submit(queue, r), IO_INVALID);
	r = request(0, IO_READ);
	r->offset = INT64_MAX & ~4095ULL;
	assert_int_equal(io_submit(queue, r), IO_INVALID);
	r = request(0, IO_DISCARD);
	r->length = 0;
	assert_int_equal(io_submit(queue, r), IO_INVALID);
	assert_int_equal(io_pending(queue), 0);
}

/* ---- bounds ---- */

static void
keeps_to_its_bounds(void **state)
{
	static const struct io_limits small = { .depth = 2, .waiting = 3 };

	end(NULL);
	open_with(&small, NULL, NULL);
	sim_order(io, SIM_BY_HAND);
	for (int i = 0; i < 3; i++)
		submit(i, IO_READ);
	assert_int_equal(io_submit(queue, request(3, IO_READ)), IO_BUSY);
	io_flush(queue);
	submit(3, IO_READ);
	submit(4, IO_READ);
	assert_int_equal(io_submit(queue, request(5, IO_READ)), IO_BUSY);
	io_flush(queue);
	assert_false(sim_complete(queue, 2));
	assert_true(sim_complete(queue, 1));
	assert_int_equal(io_poll(queue), 1);
	assert_string_equal(calls, "d1r1");
	/* The next one went out by itself. */
	assert_true(sim_complete(queue, 1));
	assert_true(sim_complete(queue, 0));
	assert_int_equal(io_poll(queue), 2);
	assert_string_equal(calls, "d1r1d0r0d2r2");
	assert_int_equal(io_pending(queue), 2);
}

static void
answers_in_any_order(void **state)
{
	unsigned different = 0;

	for (uint64_t seed = 0; seed < 10; seed++) {
		end(NULL);
		open_with(NULL, NULL, NULL);
		sim_order(io, SIM_SHUFFLED);
		for (uint64_t i = 0; i < seed; i++) /* other numbers each time */
			io_write(file, data[0], BLOCK, 0, NULL), submit(0, IO_READ), submit(1, IO_READ),
			    io_wait(queue, MS);
		calls[0] = '\0';
		for (int i = 0; i < 4; i++)
			submit(i, IO_READ);
		io_wait(queue, MS);
		assert_int_equal(strlen(calls), 16);
		different += strcmp(calls, "d0r0d1r1d2r2d3r3") != 0;
	}
	assert_true(different > 5);
}

/* ---- deadlines ---- */

static void
times_out_and_lets_go_later(void **state)
{
	struct io_request *r = request(0, IO_READ);
	unsigned char before;

	r->deadline = io_now(io) + 50 * MS;
	memset(data[0], 'z', BLOCK);
	sim_fault_next(io, IO_READ, 1, SIM_HANG, 0);
	assert_int_equal(io_submit(queue, r), IO_OK);
	assert_int_equal(io_wait(queue, 49 * MS), 0);
	assert_string_equal(calls, "");
	assert_int_equal(io_wait(queue, 10 * MS), 1);
	assert_string_equal(calls, "d0");
	assert_int_equal(r->status, IO_TIMEOUT);
	assert_int_equal(io_pending(queue), 1);
	before = data[0][0];
	assert_int_equal(before, 'z');
	io_cancel(r); /* nothing */
	sim_release(io);
	assert_int_equal(io_poll(queue), 0);
	assert_string_equal(calls, "d0r0");
	assert_int_equal(data[0][0], '0');
	assert_int_equal(io_pending(queue), 0);
	assert_int_equal(io_queue_counts(queue)->late, 1);
}

static void
has_a_deadline_for_those_without(void **state)
{
	static const struct io_limits quick = { .depth = 1, .time = 20 * MS };

	end(NULL);
	open_with(&quick, NULL, NULL);
	sim_fault_next(io, IO_READ, 1, SIM_HANG, 0);
	submit(0, IO_READ);
	submit(1, IO_READ); /* waits behind the other, and gets never to the disk */
	request(2, IO_READ)->deadline = UINT64_MAX;
	assert_int_equal(io_submit(queue, &requests[2]), IO_OK);
	assert_int_equal(io_wait(queue, 1000 * MS), 3);
	assert_string_equal(calls, "d0d1r1d2r2");
	for (int i = 0; i < 3; i++)
		assert_int_equal(requests[i].status, IO_TIMEOUT);
	sim_release(io);
	io_poll(queue);
	assert_string_equal(calls, "d0d1r1d2r2r0");
}

/* What the disk has counts against the depth, given up or not. */
static void
does_not_flood_a_disk_that_hangs(void **state)
{
	static const struct io_limits small = { .depth = 2, .time = 20 * MS };

	end(NULL);
	open_with(&small, NULL, NULL);
	sim_fault_next(io, IO_READ, 0, SIM_HANG, 0);
	submit(0, IO_READ);
	submit(1, IO_READ);
	io_wait(queue, 100 * MS);
	submit(2, IO_READ);
	io_flush(queue);
	sim_clear_faults(io);
	assert_int_equal(io_wait(queue, 100 * MS), 1);
	assert_int_equal(requests[2].status, IO_TIMEOUT);
	assert_string_equal(calls, "d0d1d2r2");
	sim_release(io);
}

/* ---- cancelling ---- */

static void
gives_up_what_waits_and_what_is_under_way(void **state)
{
	static const struct io_limits one = { .depth = 1 };

	end(NULL);
	open_with(&one, NULL, NULL);
	sim_order(io, SIM_BY_HAND);
	submit(0, IO_WRITE);
	submit(1, IO_WRITE);
	io_flush(queue);
	io_cancel(&requests[0]);
	io_cancel(&requests[1]);
	io_cancel(&requests[1]);
	assert_string_equal(calls, "");
	assert_int_equal(io_poll(queue), 2);
	assert_string_equal(calls, "d0d1r1");
	assert_int_equal(requests[0].status, IO_CANCELLED);
	assert_int_equal(requests[1].status, IO_CANCELLED);
	assert_true(sim_complete(queue, 0));
	io_poll(queue);
	assert_string_equal(calls, "d0d1r1r0");
}

/* It had ended before it was given up, though nobody knew. */
static void
gives_up_what_has_ended(void **state)
{
	sim_order(io, SIM_BY_HAND);
	submit(0, IO_READ);
	io_flush(queue);
	assert_true(sim_complete(queue, 0));
	io_cancel(&requests[0]);
	assert_int_equal(io_poll(queue), 1);
	assert_string_equal(calls, "d0r0");
	assert_int_equal(requests[0].status, IO_CANCELLED);
}

static void
cancel_other(struct io_request *r)
{
	note('d', r);
	io_cancel(r->arg);
}

static void
gives_up_others_from_done(void **state)
{
	sim_order(io, SIM_BY_HAND);
	for (int i = 0; i < 3; i++) {
		request(i, IO_READ);
		requests[i].done = cancel_other;
		requests[i].arg = &requests[(i + 1) % 3];
		assert_int_equal(io_submit(queue, &requests[i]), IO_OK);
	}
	io_flush(queue);
	assert_true(sim_complete(queue, 0));
	io_poll(queue);
	io_poll(queue);
	assert_int_equal(strlen(calls), 8); /* three done, one release */
	assert_int_equal(requests[0].status, IO_OK);
	assert_int_equal(requests[1].status, IO_CANCELLED);
	assert_int_equal(requests[2].status, IO_CANCELLED);
}

/* ---- calls from calls ---- */

static void
submit_again(struct io_request *r)
{
	int *left = r->arg;

	note('r', r);
	if ((*left)-- > 0)
		assert_int_equal(io_submit(queue, request(0, IO_READ)), IO_OK);
	requests[0].arg = left;
	requests[0].release = submit_again;
}

static void
submits_from_release(void **state)
{
	int left = 3;

	request(0, IO_READ);
	requests[0].arg = &left;
	requests[0].release = submit_again;
	assert_int_equal(io_submit(queue, &requests[0]), IO_OK);
	io_flush(queue);
	/* No flush by hand from here on. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(io_poll(queue), 1);
	assert_string_equal(calls, "d0r0d0r0d0r0d0r0");
	assert_int_equal(io_pending(queue), 0);
}

static void
free_it(struct io_request *r)
{
	free(r);
}

static void
may_be_freed_by_release(void **state)
{
	struct io_request *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	*r = *request(0, IO_READ);
	r->done = NULL;
	r->release = free_it;
	assert_int_equal(io_submit(queue, r), IO_OK);
	assert_int_equal(io_wait(queue, MS), 1);
	assert_int_equal(io_pending(queue), 0);
}

/* ---- a worker's loop ---- */

static void
is_called_by_the_loop(void **state)
{
	struct event_base *base = event_base_new();

	end(NULL);
	open_with(NULL, base, NULL);
	submit(0, IO_READ);
	submit(1, IO_READ);
	io_flush(queue);
	event_base_loop(base, EVLOOP_ONCE);
	assert_string_equal(calls, "d0r0d1r1");
	/* What is given up is called from the loop, too. */
	submit(2, IO_READ);
	io_cancel(&requests[2]);
	assert_string_equal(calls, "d0r0d1r1");
	event_base_loop(base, EVLOOP_ONCE);
	assert_string_equal(calls, "d0r0d1r1d2r2");
	/* And what is overdue: the timer runs by the machine's clock, the deadline by the disk's. */
	sim_fault_next(io, IO_READ, 1, SIM_HANG, 0);
	request(3, IO_READ)->deadline = io_now(io) + MS;
	assert_int_equal(io_submit(queue, &requests[3]), IO_OK);
	io_flush(queue);
	event_base_loop(base, EVLOOP_ONCE);
	sim_advance(io, MS);
	while (strcmp(calls, "d0r0d1r1d2r2d3") != 0)
		event_base_loop(base, EVLOOP_ONCE);
	sim_release(io);
	assert_true(io_queue_close(&queue, 1000 * MS));
	assert_string_equal(calls, "d0r0d1r1d2r2d3r3");
	event_base_free(base);
}

/* ---- the end ---- */

static void
closes_with_requests_under_way(void **state)
{
	sim_order(io, SIM_BY_HAND);
	submit(0, IO_READ);
	io_flush(queue);
	submit(1, IO_READ);
	assert_true(io_queue_close(&queue, 1000 * MS));
	assert_null(queue);
	assert_int_equal(strlen(calls), 8);
	assert_int_equal(requests[0].status, IO_CANCELLED);
	assert_int_equal(requests[1].status, IO_CANCELLED);
}

static void
leaves_what_the_disk_does_not_let_go(void **state)
{
	sim_fault_next(io, IO_READ, 1, SIM_HANG, 0);
	submit(0, IO_READ);
	submit(1, IO_READ);
	io_flush(queue);
	io_poll(queue);
	assert_string_equal(calls, "d1r1");
	assert_false(io_queue_close(&queue, 50 * MS));
	assert_null(queue);
	assert_string_equal(calls, "d1r1d0");
}

static void
closes_a_disk_that_has_stopped(void **state)
{
	submit(0, IO_WRITE);
	io_flush(queue);
	sim_stop(io);
	submit(1, IO_WRITE);
	assert_int_equal(io_wait(queue, 100 * MS), 0);
	assert_true(io_queue_close(&queue, 50 * MS));
	assert_int_equal(strlen(calls), 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_and_writes, start, end),
		cmocka_unit_test_setup_teardown(scatters_and_gathers, start, end),
		cmocka_unit_test_setup_teardown(ends_short_at_the_end_of_the_file, start, end),
		cmocka_unit_test_setup_teardown(reads_in_grains, start, end),
		cmocka_unit_test_setup_teardown(says_what_went_wrong, start, end),
		cmocka_unit_test_setup_teardown(refuses_what_is_unsound, start, end),
		cmocka_unit_test_setup_teardown(keeps_to_its_bounds, start, end),
		cmocka_unit_test_setup_teardown(answers_in_any_order, start, end),
		cmocka_unit_test_setup_teardown(times_out_and_lets_go_later, start, end),
		cmocka_unit_test_setup_teardown(has_a_deadline_for_those_without, start, end),
		cmocka_unit_test_setup_teardown(does_not_flood_a_disk_that_hangs, start, end),
		cmocka_unit_test_setup_teardown(gives_up_what_waits_and_what_is_under_way, start, end),
		cmocka_unit_test_setup_teardown(gives_up_what_has_ended, start, end),
		cmocka_unit_test_setup_teardown(gives_up_others_from_done, start, end),
		cmocka_unit_test_setup_teardown(submits_from_release, start, end),
		cmocka_unit_test_setup_teardown(may_be_freed_by_release, start, end),
		cmocka_unit_test_setup_teardown(is_called_by_the_loop, start, end),
		cmocka_unit_test_setup_teardown(closes_with_requests_under_way, start, end),
		cmocka_unit_test_setup_teardown(leaves_what_the_disk_does_not_let_go, start, end),
		cmocka_unit_test_setup_teardown(closes_a_disk_that_has_stopped, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
