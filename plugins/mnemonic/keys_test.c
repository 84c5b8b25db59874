/* Locks for keys: who came first is first, each has it alone, and who gives one back holds nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>

#include "keys.h"

#define GROUPS	3
#define STRIPES 4
#define THREADS 4
#define ROUNDS	2000

static struct keys *keys;

struct seeker {
	struct keys_turn turn;
	unsigned came; /* 1, 2, ...: in which order; 0: not yet */
	uint64_t gives;
	bool gives_back;
};

static unsigned coming;

static void
comes(struct keys_turn *turn)
{
	struct seeker *s = (struct seeker *)(void *)turn;

	s->came = ++coming;
	if (s->gives_back)
		keys_give(keys, 1, s->gives);
}

static int
set_up(void **state)
{
	keys = keys_new(GROUPS, STRIPES);
	coming = 0;
	return keys == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	keys_free(&keys);
	assert_null(keys);
	return 0;
}

static void
who_came_first_is_first(void **state)
{
	struct seeker s[4];

	for (int i = 0; i < 4; i++) {
		s[i] = (struct seeker){ .turn = { .go = comes } };
		assert_int_equal(keys_take(keys, 1, 7, &s[i].turn), i == 0);
	}
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(s[i].came, 0);
		keys_give(keys, 1, 7);
		assert_int_equal(s[i].came, i);
	}
	keys_give(keys, 1, 7);
	assert_int_equal(coming, 3); /* who had it at once is not called */
	assert_true(keys_take(keys, 1, 7, &s[0].turn));
	keys_give(keys, 1, 7);
}

static void
a_lock_is_of_all_keys_with_the_same_bits(void **state)
{
	struct seeker s[STRIPES + 1];

	for (int i = 0; i <= STRIPES; i++)
		s[i] = (struct seeker){ .turn = { .go = comes } };
	for (uint64_t i = 0; i < STRIPES; i++)
		assert_true(keys_take(keys, 1, i, &s[i].turn));
	/* Only the low bits count. */
	assert_false(keys_take(keys, 1, 0xffff000000000000ULL + STRIPES + 1, &s[STRIPES].turn));
	keys_give(keys, 1, 0);
	assert_int_equal(s[STRIPES].came, 0);
	keys_give(keys, 1, 1);
	assert_int_equal(s[STRIPES].came, 1);
	for (uint64_t i = 1; i < STRIPES; i++)
		keys_give(keys, 1, i);
}

/* Of another group nobody waits, whatever the hash. */
static void
groups_share_none(void **state)
{
	struct seeker s[GROUPS * STRIPES], again = { .turn = { .go = comes } };

	for (unsigned i = 0; i < GROUPS * STRIPES; i++) {
		s[i] = (struct seeker){ .turn = { .go = comes } };
		assert_true(keys_take(keys, i / STRIPES, i % STRIPES, &s[i].turn));
	}
	assert_false(keys_take(keys, 2, 3, &again.turn));
	for (unsigned i = 0; i < GROUPS * STRIPES; i++) {
		assert_int_equal(again.came, 0);
		keys_give(keys, i / STRIPES, i % STRIPES);
	}
	assert_int_equal(again.came, 1);
	keys_give(keys, 2, 3);
}

/* Whoever is called may give it back at once. */
static void
who_is_called_holds_nothing_else(void **state)
{
	struct seeker first = { .turn = { .go = comes } }, s[3];

	assert_true(keys_take(keys, 1, 2, &first.turn));
	for (int i = 0; i < 3; i++) {
		s[i] = (struct seeker){ .turn = { .go = comes }, .gives = 2, .gives_back = true };
		assert_false(keys_take(keys, 1, 2, &s[i].turn));
	}
	keys_give(keys, 1, 2);
	assert_int_equal(coming, 3);
	assert_int_equal(s[2].came, 3);
	assert_true(keys_take(keys, 1, 2, &first.turn));
	keys_give(keys, 1, 2);
}

/* ---- from threads ---- */

struct sleeper {
	struct keys_turn turn;
	sem_t is_his;
};

static uint64_t counts[STRIPES]; /* not atomic: the lock is what keeps them right */

static void
wakes(struct keys_turn *turn)
{
	sem_post(&((struct sleeper *)(void *)turn)->is_his);
}

static void *
count(void *arg)
{
	struct sleeper s = { .turn = { .go = wakes } };
	uint64_t nth = *(const uint64_t *)arg;

	sem_init(&s.is_his, 0, 0);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		uint64_t khash = (i + nth) % 2; /* two of the locks, so that they meet */

		if (!keys_take(keys, 1, khash, &s.turn))
			while (sem_wait(&s.is_his) != 0)
				continue;
		counts[khash]++;
		keys_give(keys, 1, khash);
	}
	sem_destroy(&s.is_his);
	return NULL;
}

static void
each_has_it_alone(void **state)
{
	pthread_t threads[THREADS];
	uint64_t nth[THREADS];

	for (uint64_t i = 0; i < THREADS; i++) {
		nth[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, count, &nth[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(counts[0] + counts[1], THREADS * ROUNDS);
	assert_int_equal(counts[0], counts[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_came_first_is_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lock_is_of_all_keys_with_the_same_bits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(groups_share_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_is_called_holds_nothing_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_has_it_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
