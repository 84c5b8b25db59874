/* Lists against an array in the same order. */
#include "unit.h"

#include "base/list.h"

#define MANY 12

struct thing {
	int pad;
	struct link link;
};

static struct thing things[MANY];

static void
assert_order(struct list *l, const int *order, int n)
{
	struct link *k = list_first(l), *back = list_last(l);

	assert_int_equal(list_empty(l), n == 0);
	for (int i = 0; i < n; i++) {
		assert_ptr_equal(LIST_OBJ(k, struct thing, link), &things[order[i]]);
		assert_ptr_equal(LIST_OBJ(back, struct thing, link), &things[order[n - 1 - i]]);
		k = list_next(l, k);
		back = list_prev(l, back);
	}
	assert_null(k);
	assert_null(back);
}

static void
test_random_moves(void **state)
{
	uint64_t seed = 3;

	for (int round = 0; round < 300; round++) {
		struct list l[2] = { 0 };
		int order[2][MANY], n[2] = { 0 };

		memset(things, 0, sizeof(things));
		for (int step = 0; step < 60; step++) {
			int t = (int)(unit_random(&seed) % MANY), w = (int)(unit_random(&seed) % 2), at;
			struct link *k = &things[t].link;

			if (unit_random(&seed) % 8 == 0) {
				list_move(&l[w], &l[!w]);
				memcpy(order[w] + n[w], order[!w], (size_t)n[!w] * sizeof(int));
				n[w] += n[!w];
				n[!w] = 0;
			} else if (link_listed(k)) {
				for (w = 0, at = 0; at == n[w] || order[w][at] != t; at++) {
					if (at == n[w]) {
						w = 1;
						at = -1;
					}
				}
				link_remove(k);
				link_remove(k);
				n[w]--;
				memmove(order[w] + at, order[w] + at + 1, (size_t)(n[w] - at) * sizeof(int));
			} else if (unit_random(&seed) % 2 == 0) {
				list_append(&l[w], k);
				order[w][n[w]++] = t;
			} else {
				list_prepend(&l[w], k);
				memmove(order[w] + 1, order[w], (size_t)n[w] * sizeof(int));
				order[w][0] = t;
				n[w]++;
			}
			assert_order(&l[0], order[0], n[0]);
			assert_order(&l[1], order[1], n[1]);
		}
		while (n[0] > 0) {
			assert_ptr_equal(list_take(&l[0]), &things[order[0][0]].link);
			assert_false(link_listed(&things[order[0][0]].link));
			memmove(order[0], order[0] + 1, (size_t)--n[0] * sizeof(int));
		}
		assert_null(list_take(&l[0]));
	}
}

static void
test_each_may_remove(void **state)
{
	struct list l = { 0 };
	int seen = 0;

	memset(things, 0, sizeof(things));
	LIST_EACH (k, &l)
		fail();
	for (int i = 0; i < MANY; i++)
		list_append(&l, &things[i].link);
	LIST_EACH (k, &l) {
		assert_ptr_equal(k, &things[seen].link);
		if (seen++ % 2 == 0)
			link_remove(k);
	}
	assert_int_equal(seen, MANY);
	assert_order(&l, (int[]){ 1, 3, 5, 7, 9, 11 }, 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_moves),
		cmocka_unit_test(test_each_may_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
