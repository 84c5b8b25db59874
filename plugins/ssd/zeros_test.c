/* Memory that is there: all of it, at once, or none. */
#include "zeros.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "io.h"

#define KIB  ((size_t)1024)
#define MIB  (1024 * KIB)
#define HUGE (2 * MIB)

/* ---- what the kernel is asked for ---- */

struct asked {
	unsigned times;
	char *memory;
	size_t bytes;
};

static struct asked huge, populate;
static int refusal; /* of what is to be populated; 0: the kernel says */

int __real_madvise(void *memory, size_t bytes, int advice);
int __wrap_madvise(void *memory, size_t bytes, int advice);

int
__wrap_madvise(void *memory, size_t bytes, int advice)
{
	struct asked *a = advice == MADV_HUGEPAGE ? &huge : &populate;

	*a = (struct asked){ a->times + 1, memory, bytes };
	if (a == &huge || refusal == 0)
		return __real_madvise(memory, bytes, advice);
	errno = refusal;
	return -1;
}

static int
setup(void **state)
{
	huge = populate = (struct asked){ 0 };
	refusal = 0;
	return 0;
}

/* How many of its pages are there, without a look at them; -1: nothing is, not even room for them. */
static long
pages_there(char *memory, size_t bytes)
{
	size_t pages = (bytes + (size_t)sysconf(_SC_PAGESIZE) - 1) / (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *in = malloc(pages);
	long there = 0;

	assert_non_null(in);
	if (mincore(memory, bytes, in) != 0) {
		assert_int_equal(errno, ENOMEM);
		there = -1;
	}
	for (size_t i = 0; there >= 0 && i < pages; i++)
		there += in[i] & 1;
	free(in);
	return there;
}

static void
all_pages_are_there(char *memory, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	assert_int_equal(pages_there(memory, bytes), (bytes + page - 1) / page);
}

/* ---- tests ---- */

static void
are_zeros(void **state)
{
	static const size_t sizes[] = { 1, 64, 4097, 256 * KIB - 64, 256 * KIB, MIB + 192, HUGE - 1, HUGE,
		5 * MIB + 64 };

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		for (unsigned turn = 0; turn < 2; turn++) {
			char *memory = zeros_new(sizes[i]);

			assert_non_null(memory);
			assert_int_equal((uintptr_t)memory % IO_ALIGN, 0);
			for (size_t at = 0; at < sizes[i]; at++)
				assert_int_equal(memory[at], 0);
			/* The next one is made of the same memory, perhaps. */
			memset(memory, 0xa5, sizes[i]);
			zeros_free(memory, sizes[i]);
		}
	zeros_free(NULL, 1);
	zeros_free(NULL, HUGE);
}

/* What is large costs two calls, and nobody has touched a page of it. */
static void
are_there_at_once(void **state)
{
	size_t bytes = 5 * MIB + 64;
	char *memory = zeros_new(bytes);

	assert_non_null(memory);
	all_pages_are_there(memory, bytes);
	assert_int_equal((uintptr_t)memory % HUGE, 0);
	assert_int_equal(huge.times, 1);
	assert_ptr_equal(huge.memory, memory);
	assert_true(huge.bytes >= bytes);
#ifdef MADV_POPULATE_WRITE
	assert_int_equal(populate.times, 1);
	assert_ptr_equal(populate.memory, memory);
	assert_true(populate.bytes >= bytes);
#endif
	zeros_free(memory, bytes);
	assert_int_equal(pages_there(memory, bytes), -1);
}

static void
without_the_kernels_help(void **state)
{
	size_t bytes = 3 * MIB;
	char *memory;

	refusal = EINVAL;
	memory = zeros_new(bytes);
	assert_non_null(memory);
	all_pages_are_there(memory, bytes);
	zeros_free(memory, bytes);
}

static void
or_not_at_all(void **state)
{
#ifdef MADV_POPULATE_WRITE
	refusal = ENOMEM;
	assert_null(zeros_new(3 * MIB));
	assert_int_equal(populate.times, 1);
	assert_int_equal(pages_there(populate.memory, 3 * MIB), -1);
#endif
	refusal = 0;
	assert_null(zeros_new(SIZE_MAX));
	assert_null(zeros_new(SIZE_MAX / 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(are_zeros, setup),
		cmocka_unit_test_setup(are_there_at_once, setup),
		cmocka_unit_test_setup(without_the_kernels_help, setup),
		cmocka_unit_test_setup(or_not_at_all, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
