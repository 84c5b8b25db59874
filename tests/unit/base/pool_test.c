/* Pools: what they keep, and what they hide (nothing). */
#include "unit.h"

#include <sys/wait.h>

#include "base/pool.h"
#include "scarce.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif

#ifdef ASAN
#include <sanitizer/asan_interface.h>
#endif

static void
test_the_last_one_back_is_the_next_one_out(void **state)
{
	struct pool p;
	void *a, *b;

	pool_init(&p, 40, 10);
	a = pool_get(&p);
	b = pool_get(&p);
	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	assert_int_equal(p.out, 2);
	pool_put(&p, a);
	pool_put(&p, b);
	assert_int_equal(p.out, 0);
	assert_int_equal(p.spare, 2);
	assert_ptr_equal(pool_get(&p), b);
	assert_ptr_equal(pool_get(&p), a);
	pool_put(&p, a);
	pool_put(&p, b);
	pool_fini(&p);
}

static void
test_objects_of_any_size(void **state)
{
	for (size_t size = 1; size < 200; size++) {
		unsigned char *objs[20];
		struct pool p;

		pool_init(&p, size, 7);
		for (int round = 0; round < 2; round++) {
			for (unsigned i = 0; i < COUNT_OF(objs); i++) {
				objs[i] = pool_get(&p);
				assert_non_null(objs[i]);
				assert_int_equal((uintptr_t)objs[i] % _Alignof(max_align_t), 0);
				memset(objs[i], (int)i, size);
			}
			for (unsigned i = 0; i < COUNT_OF(objs); i++) {
				for (size_t k = 0; k < size; k++)
					assert_int_equal(objs[i][k], i);
				pool_put(&p, objs[i]);
			}
			assert_int_equal(p.spare, 7);
		}
		pool_fini(&p);
	}
}

static void
test_keeping_none(void **state)
{
	struct pool p;
	void *a;

	pool_init(&p, 64, 0);
	a = pool_get(&p);
	assert_non_null(a);
	pool_put(&p, a);
	assert_int_equal(p.spare, 0);
	pool_fini(&p);
}

static void
test_no_memory(void **state)
{
	struct pool p;
	void *a, *b;

	pool_init(&p, 64, 4);
	a = pool_get(&p);
	scarce_after(0);
	b = pool_get(&p);
	scarce_no_more();
	assert_null(b);
	assert_int_equal(p.out, 1);

	/* What lies free needs none. */
	pool_put(&p, a);
	scarce_after(0);
	b = pool_get(&p);
	scarce_no_more();
	assert_ptr_equal(a, b);
	pool_put(&p, b);
	pool_fini(&p);
}

/* Does a child that does this die? */
static bool
dies(void (*act)(struct pool *p, char *obj))
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		struct pool p;
		char *obj;

		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(0);
		pool_init(&p, 64, 4);
		obj = pool_get(&p);
		act(&p, obj);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void
put_twice(struct pool *p, char *obj)
{
	/* Another one is out, so that the count alone does not tell. */
	pool_get(p);
	pool_put(p, obj);
	pool_put(p, obj);
}

static void
fini_early(struct pool *p, char *obj)
{
	pool_fini(p);
}

static void
test_mistakes_end_the_program(void **state)
{
	assert_true(dies(put_twice));
	assert_true(dies(fini_early));
}

static void
write_after_put(struct pool *p, char *obj)
{
	pool_put(p, obj);
	((volatile char *)obj)[40] = 'x';
	pool_get(p);
}

static void
test_a_late_write_is_found(void **state)
{
#if defined(REND_DEBUG) || defined(ASAN)
	assert_true(dies(write_after_put));
#else
	assert_false(dies(write_after_put)); /* nothing watches in this build; the pool itself must stand it */
#endif
}

#ifdef ASAN
static void
test_free_objects_are_poisoned(void **state)
{
	struct pool p;
	char *a;

	pool_init(&p, 64, 4);
	a = pool_get(&p);
	assert_null(__asan_region_is_poisoned(a, 64));
	pool_put(&p, a);
	for (int i = 0; i < 64; i++)
		assert_true(__asan_address_is_poisoned(a + i));
	assert_ptr_equal(pool_get(&p), a);
	assert_null(__asan_region_is_poisoned(a, 64));
	pool_put(&p, a);
	pool_fini(&p);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_last_one_back_is_the_next_one_out),
		cmocka_unit_test(test_objects_of_any_size),
		cmocka_unit_test(test_keeping_none),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_mistakes_end_the_program),
		cmocka_unit_test(test_a_late_write_is_found),
#ifdef ASAN
		cmocka_unit_test(test_free_objects_are_poisoned),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
