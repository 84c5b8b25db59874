/* Chains against one flat string of what went in and is not out yet. */
#include "unit.h"

#include "base/chain.h"
#include "scarce.h"

#define FLAT_MAX (1 << 20)

static struct chain_pools pools;
static unsigned alive; /* buffers that somebody still holds */
static char pattern[1 << 16];

static void
release(struct rend_buf *buf)
{
	alive--;
	free(buf);
}

static int
setup(void **state)
{
	uint64_t seed = 42;

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)unit_random(&seed);
	chain_pools_init(&pools);
	return 0;
}

static int
teardown(void **state)
{
	chain_pools_fini(&pools); /* every piece came back, or this panics */
	assert_int_equal(alive, 0);
	return 0;
}

static void
add_piece(struct rend_value *v, size_t at, size_t len)
{
	struct rend_buf *buf = malloc(sizeof(*buf));

	assert_non_null(buf);
	rend_buf_init(buf, pattern, sizeof(pattern), release);
	alive++;
	assert_int_equal(rend_value_add(v, buf, pattern + at, len), 0);
}

static void
assert_holds(const struct chain *c, const char *flat, size_t len)
{
	static struct iovec iov[4096];
	int n = chain_iov(c, iov, COUNT_OF(iov));
	size_t at = 0;

	assert_int_equal(c->len, len);
	for (int i = 0; i < n; i++) {
		assert_true(iov[i].iov_len > 0 && iov[i].iov_len <= len - at);
		assert_memory_equal(iov[i].iov_base, flat + at, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	assert_int_equal(at, len);
}

static void
test_random_puts_and_eats(void **state)
{
	static char flat[FLAT_MAX];

	for (uint64_t round = 0; round < 200; round++) {
		struct chain c = { .pools = &pools };
		uint64_t seed = round;
		size_t len = 0;

		for (int step = 0; step < 100; step++) {
			size_t at = unit_random(&seed) % 1000,
			       n = unit_random(&seed) % (1u << (unit_random(&seed) % 14));
			struct rend_value v = { 0 };
			char *to;

			switch (unit_random(&seed) % 4) {
			case 0:
				chain_put(&c, pattern + at, n);
				memcpy(flat + len, pattern + at, n);
				len += n;
				break;
			case 1:
				for (unsigned i = unit_random(&seed) % 5; i > 0; i--) {
					add_piece(&v, at, n);
					memcpy(flat + len, pattern + at, n);
					len += n;
					at += 100;
				}
				chain_put_value(&c, &v);
				rend_value_drop(&v);
				break;
			case 2:
				n %= CHAIN_ROOM_MAX + 1;
				to = chain_room(&c, n);
				assert_non_null(to);
				memcpy(to, pattern + at, n);
				n -= n / 3;
				chain_took(&c, n);
				memcpy(flat + len, pattern + at, n);
				len += n;
				break;
			case 3:
				n = unit_random(&seed) % 3 == 0 ? len : len == 0 ? 0 : n % len;
				chain_eat(&c, n);
				memmove(flat, flat + n, len - n);
				len -= n;
				break;
			}
			assert_holds(&c, flat, len);
		}
		assert_false(c.broken);
		chain_drop(&c);
		assert_holds(&c, flat, 0);
		assert_int_equal(alive, 0);
	}
}

static void
test_large_values_are_not_copied(void **state)
{
	struct chain c = { .pools = &pools };
	struct rend_value v = { 0 };
	struct iovec iov[3];

	add_piece(&v, 100, CHAIN_COPY_MAX + 1);
	CHAIN_LITERAL(&c, "VALUE ");
	chain_put_value(&c, &v);
	CHAIN_LITERAL(&c, "END");
	rend_value_drop(&v);
	assert_int_equal(alive, 1); /* the chain has a reference of its own */
	assert_int_equal(chain_iov(&c, iov, 3), 3);
	assert_ptr_equal(iov[1].iov_base, pattern + 100);
	assert_int_equal(chain_iov(&c, iov, 2), 2);
	chain_eat(&c, 6 + CHAIN_COPY_MAX + 1);
	assert_int_equal(alive, 0); /* as soon as it is sent */
	assert_holds(&c, "END", 3);
	chain_drop(&c);
}

static void
test_small_values_are_copied(void **state)
{
	struct chain c = { .pools = &pools };
	struct rend_value v = { 0 };
	struct iovec iov[2];

	add_piece(&v, 100, CHAIN_COPY_MAX);
	chain_put_value(&c, &v);
	rend_value_drop(&v);
	assert_int_equal(alive, 0);
	assert_int_equal(chain_iov(&c, iov, 2), 1);
	assert_holds(&c, pattern + 100, CHAIN_COPY_MAX);
	chain_drop(&c);
}

static void
test_an_idle_chain_keeps_nothing(void **state)
{
	struct chain c = { .pools = &pools };

	CHAIN_LITERAL(&c, "END\r\n");
	assert_int_equal(pools.blocks.out, 1);
	chain_eat(&c, 5);
	assert_int_equal(pools.blocks.out, 0);
	assert_null(c.head);

	assert_non_null(chain_room(&c, CHAIN_ROOM_MAX));
	chain_took(&c, 0);
	chain_eat(&c, 0);
	assert_int_equal(pools.blocks.out, 0);
}

/* However early memory runs out, what went in whole is there, and the chain says that it is broken. */
static void
test_no_memory(void **state)
{
	/* Fresh pools, so that nothing lies free. */
	struct chain_pools poor;
	bool whole = false;

	chain_pools_init(&poor);
	poor.blocks.keep = poor.refs.keep = 0;
	for (int allocations = 0; !whole; allocations++) {
		struct chain c = { .pools = &poor };
		struct rend_value v = { 0 };
		char *room;

		assert_in_range(allocations, 0, 20);
		add_piece(&v, 0, 3000);
		add_piece(&v, 3000, 3000);
		scarce_after(allocations);
		chain_put(&c, pattern, 5000);
		chain_put_value(&c, &v);
		room = chain_room(&c, 100);
		chain_took(&c, room != NULL ? 100 : 50);
		chain_put(&c, pattern, 10);
		scarce_no_more();
		whole = !c.broken;
		if (!whole) {
			assert_null(room);
			assert_true(c.len < 11110);
			chain_put(&c, pattern, 1);
			assert_null(chain_room(&c, 1));
			assert_true(c.len < 11110);
		}
		if (c.len >= 1000)
			chain_eat(&c, 1000);
		chain_drop(&c);
		assert_false(c.broken);
		CHAIN_LITERAL(&c, "again");
		assert_holds(&c, "again", 5);
		chain_drop(&c);
		rend_value_drop(&v);
		assert_int_equal(alive, 0);
	}
	chain_pools_fini(&poor);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_puts_and_eats, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_values_are_not_copied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_small_values_are_copied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_idle_chain_keeps_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
