/* The admin thread rests from when it was told so: that it has done what it was told before is no answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <time.h>

#include "net/admin.h"
#include "net/http.h"
#include "net/server.h"

static struct server_settings settings = { .backlog = 1, .admin.on = true };
static struct server server = { .settings = &settings };
static sem_t entered, may_go_on, waits;
static bool rests; /* atomic */

void __real_http_rest(struct http *h, bool on);
void __wrap_http_rest(struct http *h, bool on);
int __real_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *until);
int __wrap_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *until);

static void
await(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		;
}

/* The admin thread, which does it when the test says so. */
void
__wrap_http_rest(struct http *h, bool on)
{
	sem_post(&entered);
	await(&may_go_on);
	__atomic_store_n(&rests, on, __ATOMIC_RELEASE);
	__real_http_rest(h, on);
}

/* However slow the machine is, nobody gives up. */
int
__wrap_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *until)
{
	struct timespec late = *until;

	late.tv_sec += 3600;
	sem_post(&waits);
	return __real_sem_clockwait(sem, clock, &late);
}

static void *
rest(void *admin)
{
	admin_rest(admin);
	return (void *)(intptr_t)__atomic_load_n(&rests, __ATOMIC_ACQUIRE);
}

static void
test_who_rests_does_so_when_that_is_said(void **state)
{
	struct rend_error err = { 0 };
	struct admin *a = admin_new(&server, &err);
	pthread_t thread;
	void *rested;

	(void)state;
	assert_non_null(a);
	assert_int_equal(admin_start(a, &err), 0);
	/* It is at it when it is told to rest again. */
	admin_go_on(a);
	await(&entered);
	assert_int_equal(pthread_create(&thread, NULL, rest, a), 0);
	await(&waits);
	sem_post(&may_go_on);
	await(&entered);
	sem_post(&may_go_on);
	pthread_join(thread, &rested);
	assert_true((intptr_t)rested);
	admin_free(&a);
	assert_null(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_who_rests_does_so_when_that_is_said) };

	sem_init(&entered, 0, 0);
	sem_init(&may_go_on, 0, 0);
	sem_init(&waits, 0, 0);
	pthread_mutex_init(&server.view, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
