/* Memory for requests. */
#include "buffers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "io.h"

static void
are_aligned_and_large_enough(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 12288, 65536, 65537, BUFFERS_KEPT };
	struct buffers *b = buffers_new(16 << 20);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t got = 0;
		void *data = buffers_take(b, 0, sizes[i], &got);

		assert_non_null(data);
		assert_true(got >= sizes[i] && got >= IO_ALIGN && got % IO_ALIGN == 0);
		assert_true(got == IO_ALIGN || got < 2 * sizes[i]);
		assert_int_equal((uintptr_t)data % IO_ALIGN, 0);
		memset(data, 0xa5, got);
		buffers_give(b, 0, &data, got);
		assert_null(data);
	}
	buffers_free(&b);
	assert_null(b);
}

/* What is larger than what is kept counts all the same, and is gone when it was given back. */
static void
large_ones_count(void **state)
{
	struct buffers *b = buffers_new(4 << 20);
	size_t size = BUFFERS_KEPT + 1, got, second, out, kept;
	void *data = buffers_take(b, 0, size, &got), *more;

	assert_non_null(data);
	assert_int_equal(got, BUFFERS_KEPT + IO_ALIGN);
	memset(data, 0xa5, got);
	more = buffers_take(b, 0, 2 * size, &second);
	assert_non_null(more);
	assert_null(buffers_take(b, 0, size, &got));
	assert_null(buffers_take(b, 0, SIZE_MAX, &got));
	buffers_usage(b, &out, &kept);
	assert_int_equal(out, BUFFERS_KEPT + IO_ALIGN + second);
	buffers_give(b, 0, &data, BUFFERS_KEPT + IO_ALIGN);
	buffers_give(b, 0, &more, second);
	buffers_usage(b, &out, &kept);
	assert_int_equal(out + kept, 0);
	buffers_free(&b);
}

static void
are_used_again(void **state)
{
	struct buffers *b = buffers_new(16 << 20);
	size_t got, out, kept;
	void *data = buffers_take(b, 0, 8192, &got), *again;
	uintptr_t first = (uintptr_t)data;

	buffers_give(b, 0, &data, got);
	buffers_usage(b, &out, &kept);
	assert_int_equal(out, 0);
	assert_int_equal(kept, 8192);
	again = buffers_take(b, 0, 8000, &got);
	assert_int_equal((uintptr_t)again, first);
	buffers_give(b, 0, &again, got);
	buffers_free(&b);
}

static void
end_at_the_bound(void **state)
{
	struct buffers *b = buffers_new(16384);
	void *data[4], *more;
	size_t got, out, kept;

	for (int i = 0; i < 4; i++) {
		data[i] = buffers_take(b, 0, 4096, &got);
		assert_non_null(data[i]);
	}
	assert_null(buffers_take(b, 0, 1, &got));
	for (int i = 0; i < 4; i++)
		buffers_give(b, 0, &data[i], 4096);
	/* What is kept of one size is no reason to have none of another. */
	more = buffers_take(b, 0, 16384, &got);
	assert_non_null(more);
	buffers_usage(b, &out, &kept);
	assert_int_equal(out, 16384);
	assert_int_equal(kept, 0);
	buffers_give(b, 0, &more, got);
	buffers_give(b, 0, &more, got);
	buffers_free(&b);
}

/* What lies on one shelf is no reason to have nothing on another. */
static void
shelves_share_the_bound(void **state)
{
	struct buffers *b = buffers_new(16384);
	void *data[4], *more;
	size_t got;

	for (unsigned i = 0; i < 4; i++)
		assert_non_null(data[i] = buffers_take(b, i, 4096, &got));
	assert_null(buffers_take(b, 7, 1, &got));
	for (unsigned i = 0; i < 4; i++)
		buffers_give(b, i, &data[i], 4096);
	more = buffers_take(b, 7, 16384, &got);
	assert_non_null(more);
	buffers_give(b, 7, &more, got);
	buffers_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(are_aligned_and_large_enough),
		cmocka_unit_test(large_ones_count),
		cmocka_unit_test(are_used_again),
		cmocka_unit_test(end_at_the_bound),
		cmocka_unit_test(shelves_share_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
