/* The key hash: which one it is, and that its seed matters. */
#include "unit.h"

#include "base/hash.h"

static void
test_it_is_xxh3(void **state)
{
	hash_seed(0);
	/* As XXH3_64bits() of the reference implementation has it. */
	assert_true(hash_key("", 0) == UINT64_C(0x2d06800538d394c2));
	assert_true(hash_key("a", 1) == UINT64_C(0xe6c632b61e964e1f));
}

static void
test_the_seed_matters_at_any_length(void **state)
{
	char key[250];

	memset(key, 'k', sizeof(key));
	for (size_t len = 0; len <= sizeof(key); len++) {
		uint64_t one, two;

		hash_seed(1);
		one = hash_key(key, len);
		assert_true(one == hash_key(key, len));
		hash_seed(2);
		two = hash_key(key, len);
		assert_true(one != two);
		if (len > 0)
			assert_true(two != hash_key(key, len - 1));
	}
}

static void
test_seeds_are_drawn(void **state)
{
	uint64_t one;

	hash_seed(0);
	hash_seed_random();
	one = hash_key("key", 3);
	hash_seed_random();
	assert_true(one != hash_key("key", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_xxh3),
		cmocka_unit_test(test_the_seed_matters_at_any_length),
		cmocka_unit_test(test_seeds_are_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
