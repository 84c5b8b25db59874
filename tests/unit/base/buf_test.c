/* Shared buffers: who frees them, and when. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "rend/value.h"
#include "scarce.h"

#define THREADS 4
#define ROUNDS	20000

static atomic_int released;

static void
count_release(struct rend_buf *buf)
{
	atomic_fetch_add(&released, 1);
}

static void
test_new(void **state)
{
	struct rend_buf *buf = rend_buf_new(100);

	assert_non_null(buf);
	assert_int_equal(buf->size, 100);
	assert_int_equal((uintptr_t)buf->data % 16, 0);
	memset(buf->data, 'x', 100); /* ASan would say */
	rend_buf_drop(&buf);
	assert_null(buf);
	rend_buf_drop(&buf);
}

static void
test_no_memory(void **state)
{
	struct rend_buf *buf;

	assert_null(rend_buf_new(SIZE_MAX));
	assert_null(rend_buf_new(SIZE_MAX - sizeof(struct rend_buf) + 1));
	scarce_after(0);
	buf = rend_buf_new(1);
	scarce_no_more();
	assert_null(buf);
}

static void
test_the_last_user_releases(void **state)
{
	char bytes[8];
	struct rend_buf buf, *a = &buf, *b = &buf;

	released = 0;
	rend_buf_init(&buf, bytes, sizeof(bytes), count_release);
	rend_buf_ref(&buf);
	rend_buf_drop(&a);
	assert_int_equal(released, 0);
	rend_buf_drop(&b);
	assert_int_equal(released, 1);

	/* Its owner may use the same place again. */
	rend_buf_init(&buf, bytes, sizeof(bytes), count_release);
	a = &buf;
	rend_buf_drop(&a);
	assert_int_equal(released, 2);
}

/* Everyone holds a reference, takes many more, and gives all back. */
static void *
use(void *arg)
{
	struct rend_buf *mine = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct rend_buf *more = mine;

		rend_buf_ref(more);
		if (more->data[0] != 'x')
			abort();
		rend_buf_drop(&more);
	}
	rend_buf_drop(&mine);
	return NULL;
}

/* The plain write is for TSan: it must come after everything that any user did. */
static void
release_and_write(struct rend_buf *buf)
{
	buf->data[0] = 'y';
	atomic_fetch_add(&released, 1);
}

static void
test_many_threads(void **state)
{
	char bytes[1] = "x";
	struct rend_buf buf, *mine = &buf;
	pthread_t threads[THREADS];

	released = 0;
	rend_buf_init(&buf, bytes, sizeof(bytes), release_and_write);
	for (int i = 0; i < THREADS; i++) {
		rend_buf_ref(&buf);
		assert_int_equal(pthread_create(&threads[i], NULL, use, &buf), 0);
	}
	rend_buf_drop(&mine);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(released, 1);
	assert_int_equal(bytes[0], 'y');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_the_last_user_releases),
		cmocka_unit_test(test_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
