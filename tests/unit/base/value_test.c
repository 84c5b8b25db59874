/* Values against a flat copy of what is in them. */
#include "unit.h"

#include "rend/value.h"
#include "scarce.h"

static unsigned alive; /* buffers that somebody still holds */

static void
release(struct rend_buf *buf)
{
	alive--;
	free(buf);
}

/* A buffer over the bytes at text, which stay. */
static struct rend_buf *
buf_over(const char *text, size_t len)
{
	struct rend_buf *buf = malloc(sizeof(*buf));

	assert_non_null(buf);
	rend_buf_init(buf, (void *)(uintptr_t)text, len, release);
	alive++;
	return buf;
}

/* "0", "12", "345", ...: count pieces, each in its own buffer.  Returns the bytes, flat. */
static size_t
fill(struct rend_value *v, unsigned count, char *flat)
{
	static const char digits[] = "0123456789012345678901234567890123456789";
	size_t len = 0;

	for (unsigned i = 0; i < count; i++) {
		size_t n = i % 20 + 1;
		const char *p = digits + i % 10;

		assert_int_equal(rend_value_add(v, buf_over(digits, sizeof(digits)), p, n), 0);
		memcpy(flat + len, p, n);
		len += n;
	}
	return len;
}

static void
assert_holds(const struct rend_value *v, const char *flat, size_t len)
{
	char got[4096];
	size_t sum = 0;

	assert_int_equal(v->len, len);
	assert_int_equal(rend_value_copy_out(v, 0, got, sizeof(got)), len);
	assert_memory_equal(got, flat, len);
	for (unsigned i = 0; i < v->nsegs; i++) {
		assert_memory_equal(rend_value_segs(v)[i].p, flat + sum, rend_value_segs(v)[i].len);
		sum += rend_value_segs(v)[i].len;
	}
	assert_int_equal(sum, len);
}

static void
test_any_number_of_pieces(void **state)
{
	for (unsigned count = 0; count <= 100; count++) {
		struct rend_value v = { 0 };
		char flat[4096];
		size_t len = fill(&v, count, flat);

		assert_int_equal(v.nsegs, count);
		assert_int_equal(alive, count);
		assert_holds(&v, flat, len);
		rend_value_drop(&v);
		assert_int_equal(alive, 0);
		assert_int_equal(v.len, 0);
		assert_int_equal(v.nsegs, 0);
		rend_value_drop(&v);
	}
}

static void
test_copy_out_any_part(void **state)
{
	struct rend_value v = { 0 };
	char flat[4096], got[4096];
	size_t len = fill(&v, 9, flat);

	for (size_t from = 0; from <= len + 1; from++) {
		for (size_t max = 0; max <= len + 1; max++) {
			size_t want = from >= len ? 0 : len - from < max ? len - from : max;

			memset(got, '#', sizeof(got));
			assert_int_equal(rend_value_copy_out(&v, from, got, max), want);
			if (want != 0)
				assert_memory_equal(got, flat + from, want);
			assert_int_equal(got[want], '#');
		}
	}
	rend_value_drop(&v);
}

static void
test_iov(void **state)
{
	struct rend_value v = { 0 };
	struct iovec iov[8];
	char flat[4096];

	assert_int_equal(rend_value_iov(&v, iov, 8), 0);
	fill(&v, 5, flat);
	assert_int_equal(rend_value_iov(&v, iov, 0), 0);
	assert_int_equal(rend_value_iov(&v, iov, 3), 3);
	assert_int_equal(rend_value_iov(&v, iov, 8), 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_ptr_equal(iov[i].iov_base, rend_value_segs(&v)[i].p);
		assert_int_equal(iov[i].iov_len, rend_value_segs(&v)[i].len);
	}
	rend_value_drop(&v);
}

static void
test_share(void **state)
{
	for (unsigned count = 0; count <= 12; count++) {
		struct rend_value a = { 0 }, b = { 0 };
		char flat[4096], other[4096];
		size_t len = fill(&a, count, flat);

		fill(&b, 3, other);
		assert_int_equal(rend_value_share(&b, &a), 0);
		assert_int_equal(alive, count); /* what b had is gone, nothing was copied */
		assert_holds(&b, flat, len);
		rend_value_drop(&a);
		assert_holds(&b, flat, len);
		assert_int_equal(rend_value_share(&b, &b), 0);
		assert_holds(&b, flat, len);

		/* A share grows by itself. */
		len += fill(&b, 2, flat + len);
		assert_holds(&b, flat, len);
		rend_value_drop(&b);
		assert_int_equal(alive, 0);
	}
}

static void
test_move(void **state)
{
	for (unsigned count = 0; count <= 12; count++) {
		struct rend_value a = { 0 }, b = { 0 };
		char flat[4096], other[4096];
		size_t len = fill(&a, count, flat);

		fill(&b, 3, other);
		rend_value_move(&b, &a);
		assert_int_equal(alive, count);
		assert_int_equal(a.len, 0);
		assert_int_equal(a.nsegs, 0);
		assert_holds(&b, flat, len);
		rend_value_move(&b, &b);
		assert_holds(&b, flat, len);
		rend_value_drop(&a);
		rend_value_drop(&b);
		assert_int_equal(alive, 0);
	}
}

static void
test_copy_in(void **state)
{
	struct rend_value v = { 0 };
	char text[] = "hello";

	assert_int_equal(rend_value_copy_in(&v, text, 5), 0);
	assert_int_equal(rend_value_copy_in(&v, text, 0), 0);
	text[0] = 'j';
	assert_int_equal(rend_value_copy_in(&v, text, 5), 0);
	assert_holds(&v, "hellojello", 10);
	rend_value_drop(&v);
}

static void
test_an_empty_piece_is_none(void **state)
{
	struct rend_value v = { 0 };

	assert_int_equal(rend_value_add(&v, buf_over("x", 1), "x", 0), 0);
	assert_int_equal(v.nsegs, 0);
	assert_int_equal(alive, 0);
}

static void
test_a_sum_that_overflows(void **state)
{
	/* Nobody has so much memory, but somebody may refer to the same bytes often. */
	struct rend_buf *buf = buf_over(NULL, SIZE_MAX);
	struct rend_value v = { 0 };

	rend_buf_ref(buf);
	assert_int_equal(rend_value_add(&v, buf, NULL, SIZE_MAX - 1), 0);
	assert_int_equal(rend_value_add(&v, buf, NULL, 2), -1);
	assert_int_equal(v.len, SIZE_MAX - 1);
	assert_int_equal(v.nsegs, 1);
	rend_value_drop(&v);
	assert_int_equal(alive, 0);
}

/* Wherever memory runs out: nothing is lost of what was there, and nothing is leaked. */
static void
test_no_memory_to_grow(void **state)
{
	struct rend_value v = { 0 };
	char flat[4096];
	unsigned refused = 0;
	size_t len = 0;

	for (unsigned i = 0; i < 200; i++) {
		struct rend_buf *buf = buf_over("abc", 3);
		int rc;

		scarce_after(0);
		rc = rend_value_add(&v, buf, buf->data, 3);
		scarce_no_more();
		if (rc != 0) {
			refused++;
			assert_int_equal(alive, i);
			assert_holds(&v, flat, len);
			assert_int_equal(rend_value_add(&v, buf_over("abc", 3), "abc", 0), 0);
			buf = buf_over("abc", 3);
			assert_int_equal(rend_value_add(&v, buf, buf->data, 3), 0);
		}
		memcpy(flat + len, "abc", 3);
		len += 3;
	}
	assert_in_range(refused, 2, 20);
	assert_holds(&v, flat, len);
	rend_value_drop(&v);
	assert_int_equal(alive, 0);
}

static void
test_no_memory_to_share(void **state)
{
	struct rend_value a = { 0 }, b = { 0 };
	char flat[4096], other[4096];
	size_t len = fill(&a, 3, flat);
	int rc;

	fill(&b, 4, other);
	scarce_after(0);
	rc = rend_value_share(&b, &a);
	scarce_no_more();
	assert_int_equal(rc, -1);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.nsegs, 0);
	assert_holds(&a, flat, len);
	rend_value_drop(&b);
	rend_value_drop(&a);
	assert_int_equal(alive, 0);
}

static void
test_no_memory_to_copy_in(void **state)
{
	struct rend_value v = { 0 };
	int rc;

	for (int i = 0; i < 2; i++)
		assert_int_equal(rend_value_copy_in(&v, "ab", 2), 0);
	/* First the buffer's memory is missing, then the room for the third piece. */
	for (int allocations = 0; allocations < 2; allocations++) {
		scarce_after(allocations);
		rc = rend_value_copy_in(&v, "cd", 2);
		scarce_no_more();
		assert_int_equal(rc, -1);
		assert_holds(&v, "abab", 4);
	}
	rend_value_drop(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_number_of_pieces),
		cmocka_unit_test(test_copy_out_any_part),
		cmocka_unit_test(test_iov),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_copy_in),
		cmocka_unit_test(test_an_empty_piece_is_none),
		cmocka_unit_test(test_a_sum_that_overflows),
		cmocka_unit_test(test_no_memory_to_grow),
		cmocka_unit_test(test_no_memory_to_share),
		cmocka_unit_test(test_no_memory_to_copy_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
