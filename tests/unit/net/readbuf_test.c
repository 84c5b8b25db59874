/* The buffer that all connections of a worker are read into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/readbuf.h"

static void
test_the_read_buffer_begins_again_when_nobody_points_into_it(void **state)
{
	struct readbuf rb = { 0 };
	struct rend_value v = { 0 };
	size_t room;
	char *first = readbuf_room(&rb, &room), *second;

	(void)state;
	assert_non_null(first);
	assert_int_equal(room, READBUF_SIZE);
	readbuf_took(&rb, 1000);
	second = readbuf_room(&rb, &room);
	assert_ptr_equal(first, second);

	readbuf_took(&rb, 1000);
	rend_buf_ref(rb.buf);
	assert_int_equal(rend_value_add(&v, rb.buf, first, 1000), 0);
	second = readbuf_room(&rb, &room);
	assert_ptr_equal(second, first + 1000);
	assert_int_equal(room, READBUF_SIZE - 1000);
	memset(first, 'a', 1000);
	/* Until there is too little room: then it is a new one, and the old one is the value's alone. */
	readbuf_took(&rb, room - READBUF_LEAST + 1);
	second = readbuf_room(&rb, &room);
	assert_false(second >= first && second < first + READBUF_SIZE);
	assert_int_equal(room, READBUF_SIZE);
	assert_int_equal(rend_value_segs(&v)[0].p[999], 'a');
	rend_value_drop(&v);
	readbuf_fini(&rb);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_read_buffer_begins_again_when_nobody_points_into_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
