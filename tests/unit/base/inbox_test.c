/* Inboxes: nothing lost, nothing out of order, no wake missed. */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "base/inbox.h"

#define PRODUCERS   4
#define EACH	    20000
#define DEADLINE_MS 20000

struct letter {
	struct rend_call call;
	int from, number;
};

static bool
readable(const struct inbox *in, int ms)
{
	struct pollfd p = { .fd = in->fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void
test_oldest_first(void **state)
{
	struct rend_call calls[5] = { 0 }, *got;
	struct inbox in;

	assert_int_equal(inbox_init(&in), 0);
	assert_null(inbox_take(&in));
	for (int i = 0; i < 5; i++)
		inbox_put(&in, &calls[i]);
	got = inbox_take(&in);
	for (int i = 0; i < 5; i++, got = got->next)
		assert_ptr_equal(got, &calls[i]);
	assert_null(got);
	assert_null(inbox_take(&in));
	inbox_fini(&in);
}

static void
test_one_wake_per_batch(void **state)
{
	struct rend_call calls[3] = { 0 };
	struct inbox in;
	uint64_t wakes;

	assert_int_equal(inbox_init(&in), 0);
	assert_false(readable(&in, 0));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			inbox_put(&in, &calls[i]);
		assert_true(readable(&in, 0));
		assert_non_null(inbox_take(&in));
		assert_false(readable(&in, 0));
	}
	inbox_put(&in, &calls[0]);
	inbox_put(&in, &calls[1]);
	assert_int_equal(read(in.fd, &wakes, sizeof(wakes)), sizeof(wakes));
	assert_int_equal(wakes, 1);
	assert_non_null(inbox_take(&in));
	inbox_fini(&in);
}

/* A producer that has put its call, and not yet woken anybody when the call is taken. */
static void
test_a_late_wake(void **state)
{
	struct rend_call call = { 0 };
	struct inbox in;
	uint64_t one = 1;

	assert_int_equal(inbox_init(&in), 0);
	in.top = &call;
	assert_ptr_equal(inbox_take(&in), &call);
	assert_null(inbox_take(&in));
	assert_int_equal(write(in.fd, &one, sizeof(one)), sizeof(one));
	assert_true(readable(&in, 0));
	assert_null(inbox_take(&in));
	assert_false(readable(&in, 0)); /* else the owner's loop would spin */
	inbox_put(&in, &call);
	assert_true(readable(&in, 0));
	assert_ptr_equal(inbox_take(&in), &call);
	inbox_fini(&in);
}

static struct inbox shared;
static struct letter letters[PRODUCERS][EACH];

/* Puts each call at the moment the one before it was taken: where a wake is lost most easily. */
static void *
produce_when_empty(void *arg)
{
	struct letter *mine = arg;

	for (int i = 0; i < EACH; i++) {
		while (__atomic_load_n(&shared.top, __ATOMIC_RELAXED) != NULL)
			;
		inbox_put(&shared, &mine[i].call);
	}
	return NULL;
}

static void
test_no_wake_is_lost(void **state)
{
	pthread_t thread;

	assert_int_equal(inbox_init(&shared), 0);
	assert_int_equal(pthread_create(&thread, NULL, produce_when_empty, letters[0]), 0);
	for (int got = 0; got < EACH;) {
		assert_true(readable(&shared, DEADLINE_MS));
		for (struct rend_call *call = inbox_take(&shared); call != NULL; call = call->next) {
			assert_ptr_equal(call, &letters[0][got].call);
			got++;
		}
	}
	pthread_join(thread, NULL);
	inbox_fini(&shared);
}

static void *
produce(void *arg)
{
	struct letter *mine = arg;

	for (int i = 0; i < EACH; i++)
		inbox_put(&shared, &mine[i].call);
	return NULL;
}

static void
test_many_producers(void **state)
{
	pthread_t threads[PRODUCERS];
	int next[PRODUCERS] = { 0 }, got = 0;

	assert_int_equal(inbox_init(&shared), 0);
	for (int t = 0; t < PRODUCERS; t++) {
		for (int i = 0; i < EACH; i++)
			letters[t][i] = (struct letter){ .from = t, .number = i };
		assert_int_equal(pthread_create(&threads[t], NULL, produce, letters[t]), 0);
	}
	while (got < PRODUCERS * EACH) {
		struct rend_call *call, *after;

		/* Only the fd wakes the owner: a wake that is missed shows as a deadline. */
		assert_true(readable(&shared, DEADLINE_MS));
		for (call = inbox_take(&shared); call != NULL; call = after) {
			struct letter *l = (struct letter *)call;

			after = call->next;
			assert_int_equal(l->number, next[l->from]);
			next[l->from]++;
			got++;
		}
	}
	for (int t = 0; t < PRODUCERS; t++)
		pthread_join(threads[t], NULL);
	assert_null(inbox_take(&shared));
	assert_false(readable(&shared, 0));
	inbox_fini(&shared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oldest_first),
		cmocka_unit_test(test_one_wake_per_batch),
		cmocka_unit_test(test_a_late_wake),
		cmocka_unit_test(test_no_wake_is_lost),
		cmocka_unit_test(test_many_producers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
