/* The guard words. */
#include "../base/unit.h"

#include <pthread.h>

#include "engine/guard.h"
#include "rend/check.h"

#define HASH UINT64_C(0x123456789abcdef0)

static bool
holds(const struct rend_guard *g)
{
	struct rend_op op = { .magic = REND_OP_MAGIC, .guard = g };

	return rend_guard_holds(&op);
}

static void
an_op_without_a_guard_may_store(void **state)
{
	assert_true(holds(NULL));
}

static void
a_guard_that_did_not_begin_does_not_hold(void **state)
{
	struct rend_guard g = { 0 };

	assert_false(holds(&g));
	guard_end(&g);
}

/* What happens to a word after a reader or a writer has begun, and whether that one may still store. */
enum event { NOTHING, READS, WRITES, WROTE, FLUSHES, FLUSHED, WRITES_ELSEWHERE };

static const struct after {
	enum event event;
	bool holds;
} afters[] = {
	{ NOTHING, true },
	{ READS, true },
	{ WRITES, false },
	{ WROTE, false },
	{ FLUSHES, false },
	{ FLUSHED, false },
	{ WRITES_ELSEWHERE, true },
};

static void
happen(struct guard *words, enum event event, struct rend_guard *g)
{
	switch (event) {
	case NOTHING:
		return;
	case READS:
		guard_read(words, HASH, g);
		return;
	case WRITES:
	case WROTE:
		assert_true(guard_write(words, HASH, g));
		break;
	case FLUSHES:
	case FLUSHED:
		assert_true(guard_write_all(words, g));
		break;
	case WRITES_ELSEWHERE:
		assert_true(guard_write(words, HASH + 1, g));
		break;
	}
	if (event == WROTE || event == FLUSHED)
		guard_end(g);
}

static void
what_happens_after_the_beginning_counts(void **state)
{
	for (size_t i = 0; i < COUNT_OF(afters); i++)
		for (int writing = 0; writing < 2; writing++) {
			struct guard *words = guard_new();
			struct rend_guard g = { 0 }, other = { 0 };

			if (writing)
				assert_true(guard_write(words, HASH, &g));
			else
				guard_read(words, HASH, &g);
			happen(words, afters[i].event, &other);
			if (holds(&g) != afters[i].holds)
				fail_msg("after event %zu, a %s: %d", i, writing ? "writer" : "reader", holds(&g));
			guard_end(&other);
			if (holds(&g) != afters[i].holds)
				fail_msg("after the end of event %zu, a %s: %d", i, writing ? "writer" : "reader",
				    holds(&g));
			guard_end(&g);
			guard_free(&words);
		}
}

/* The same, seen by one who begins later: only those that are still there count. */
static void
what_goes_on_at_the_beginning_counts(void **state)
{
	static const struct after befores[] = {
		{ NOTHING, true },
		{ READS, true },
		{ WRITES, false },
		{ WROTE, true },
		{ FLUSHES, false },
		{ FLUSHED, true },
		{ WRITES_ELSEWHERE, true },
	};

	for (size_t i = 0; i < COUNT_OF(befores); i++)
		for (int writing = 0; writing < 2; writing++) {
			struct guard *words = guard_new();
			struct rend_guard g = { 0 }, other = { 0 };

			happen(words, befores[i].event, &other);
			if (writing)
				assert_true(guard_write(words, HASH, &g));
			else
				guard_read(words, HASH, &g);
			if (holds(&g) != befores[i].holds)
				fail_msg("after event %zu, a %s: %d", i, writing ? "writer" : "reader", holds(&g));
			guard_end(&other);
			if (holds(&g) != befores[i].holds)
				fail_msg("it changed its mind after event %zu", i);
			guard_end(&g);
			guard_free(&words);
		}
}

static void
the_end_empties_it(void **state)
{
	static const struct rend_guard empty;
	struct guard *words = guard_new();
	struct rend_guard g;

	assert_true(guard_write(words, HASH, &g));
	guard_end(&g);
	assert_memory_equal(&g, &empty, sizeof g);
	guard_end(&g);
	assert_true(guard_write_all(words, &g));
	guard_end(&g);
	assert_memory_equal(&g, &empty, sizeof g);
	guard_free(&words);
	assert_null(words);
	guard_free(&words);
}

#define MANY (1 << 15)

static void
too_many_writers_are_refused(void **state)
{
	struct guard *words = guard_new();
	struct rend_guard *many = calloc(MANY, sizeof *many), one = { 0 };

	for (int i = 0; i < MANY; i++)
		assert_true(guard_write(words, HASH, &many[i]));
	assert_false(guard_write(words, HASH, &one));
	assert_false(guard_write_all(words, &one));
	assert_null(one.words);
	/* Nothing of the two is held. */
	assert_true(guard_write(words, HASH + 1, &one));
	assert_true(holds(&one));
	guard_end(&one);
	guard_end(&many[0]);
	assert_true(guard_write(words, HASH, &many[0]));
	for (int i = 0; i < MANY; i++)
		guard_end(&many[i]);
	guard_read(words, HASH, &one);
	assert_true(holds(&one));
	free(many);
	guard_free(&words);
}

/* ---- threads ---- */

#define THREADS		  4
#define WRITES_PER_THREAD 20000

static void *
writer(void *arg)
{
	struct guard *words = arg;

	for (int i = 0; i < WRITES_PER_THREAD; i++) {
		struct rend_guard g;

		if (!guard_write(words, HASH, &g))
			abort();
		guard_end(&g);
	}
	return NULL;
}

/* No count gets lost. */
static void
threads_leave_the_word_as_it_was(void **state)
{
	struct guard *words = guard_new();
	pthread_t threads[THREADS];
	struct rend_guard before, after;

	guard_read(words, HASH, &before);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, writer, words), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_false(holds(&before));
	guard_read(words, HASH, &after);
	assert_true(holds(&after));
	assert_int_equal(after.seen >> 16, THREADS * WRITES_PER_THREAD);
	assert_int_equal(after.seen & 0xffff, 0);
	guard_free(&words);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_op_without_a_guard_may_store),
		cmocka_unit_test(a_guard_that_did_not_begin_does_not_hold),
		cmocka_unit_test(what_happens_after_the_beginning_counts),
		cmocka_unit_test(what_goes_on_at_the_beginning_counts),
		cmocka_unit_test(the_end_empties_it),
		cmocka_unit_test(too_many_writers_are_refused),
		cmocka_unit_test(threads_leave_the_word_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
