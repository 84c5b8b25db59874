/* Workers that are called: nobody waits for one that does not turn, and what it is called to then is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "base/clock.h"
#include "net/errands.h"
#include "net/server.h"
#include "net/swap.h"

static struct loop loops[2];
static struct server server = { .loops = loops, .loop_count = 2 };
static pthread_t threads[2];
static bool turns[2]; /* atomic */
static unsigned ran;  /* atomic */

static void *
turn(void *arg)
{
	static const struct timespec a_while = { .tv_nsec = 200 * 1000 };
	long nth = (long)(intptr_t)arg;

	worker_enter(&loops[nth].worker);
	while (__atomic_load_n(&turns[nth], __ATOMIC_ACQUIRE)) {
		worker_turn(&loops[nth].worker);
		nanosleep(&a_while, NULL);
	}
	worker_enter(NULL);
	return NULL;
}

static void
start(long nth)
{
	__atomic_store_n(&turns[nth], true, __ATOMIC_RELEASE);
	assert_int_equal(pthread_create(&threads[nth], NULL, turn, (void *)(intptr_t)nth), 0);
}

static void
stop(long nth)
{
	__atomic_store_n(&turns[nth], false, __ATOMIC_RELEASE);
	pthread_join(threads[nth], NULL);
}

static int
setup(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		if (worker_init(&loops[i].worker, i) != 0)
			return -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		worker_fini(&loops[i].worker);
	return 0;
}

static void
count(struct loop *l, struct errand *e)
{
	(void)l;
	__atomic_fetch_add(&ran, 1, __ATOMIC_RELAXED);
	e->said = e->arg != &loops[e->loop->worker.index];
	if (!e->said)
		error_set(&e->err, 75, "no");
}

static void
test_each_worker_runs_it(void **state)
{
	struct rend_error err = { 0 };

	(void)state;
	ran = 0;
	start(0);
	start(1);
	assert_true(errands(&server, count, NULL, &err));
	assert_int_equal(ran, 2);
	assert_false(errands(&server, count, &loops[1], &err));
	assert_int_equal(err.exit_code, 75);
	assert_int_equal(ran, 4);
	errands_one_by_one(&server, count, NULL);
	assert_int_equal(ran, 6);
	assert_true(swap_next_turn(&server));
	stop(0);
	stop(1);
}

/* What it was called to it does not do when it turns again. */
static void
test_one_that_does_not_turn_is_not_waited_for(void **state)
{
	struct rend_error err = { 0 };
	bool turned = false;

	(void)state;
	ran = 0;
	start(0);
	assert_false(errands_until(&server, count, NULL, &err, clock_mono() + 20000000));
	assert_true(ran <= 1);
	assert_false(swap_next_turn(&server));
	ran = 0;
	start(1);
	/* It may take a while to begin. */
	for (int i = 0; i < 60 && !(turned = swap_next_turn(&server)); i++)
		;
	assert_true(turned);
	assert_int_equal(ran, 0);
	stop(0);
	stop(1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_worker_runs_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_that_does_not_turn_is_not_waited_for, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
