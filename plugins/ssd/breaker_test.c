/* Keeps requests from a disk that answers none. */
#include "breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S 1000000000ULL

static const struct breaker_limits three = { .errors = 3, .window = 10 * S, .pause = 5 * S };

static struct breaker *
opened(uint64_t now)
{
	struct breaker *b = breaker_new(&three);

	assert_non_null(b);
	for (int i = 0; i < 3; i++)
		breaker_ended(b, IO_FAILED, BREAKER_NO_PROBE, now);
	assert_int_equal(breaker_state(b), BREAKER_OPEN);
	return b;
}

static void
opens_when_there_are_too_many_errors_at_once(void **state)
{
	struct breaker *b = breaker_new(&three);
	struct breaker_counts c;

	breaker_ended(b, IO_FAILED, BREAKER_NO_PROBE, 100 * S);
	breaker_ended(b, IO_TIMEOUT, BREAKER_NO_PROBE, 101 * S);
	assert_int_equal(breaker_state(b), BREAKER_CLOSED);
	assert_true(breaker_allows(b, BREAKER_NO_PROBE));
	breaker_ended(b, IO_NO_SPACE, BREAKER_NO_PROBE, 102 * S);
	assert_int_equal(breaker_state(b), BREAKER_OPEN);
	assert_false(breaker_allows(b, BREAKER_NO_PROBE));
	assert_false(breaker_allows(b, BREAKER_NO_PROBE));
	c = breaker_counts(b);
	assert_int_equal(c.errors, 3);
	assert_int_equal(c.timeouts, 1);
	assert_int_equal(c.opened, 1);
	assert_int_equal(c.refused, 2);
	breaker_free(&b);
	assert_null(b);
}

static void
bears_a_few_errors_now_and_then(void **state)
{
	struct breaker *b = breaker_new(&three);

	for (uint64_t now = 100 * S; now < 1000 * S; now += 5 * S + 1)
		breaker_ended(b, IO_FAILED, BREAKER_NO_PROBE, now);
	assert_int_equal(breaker_state(b), BREAKER_CLOSED);
	breaker_free(&b);
}

static void
does_not_blame_the_disk_for_what_is_not_its_fault(void **state)
{
	static const enum io_status others[] = { IO_OK, IO_SHORT, IO_CANCELLED, IO_BUSY, IO_DOWN, IO_NO_MEMORY,
		IO_MISSING, IO_EXISTS, IO_LOCKED, IO_UNSUPPORTED, IO_INVALID };
	struct breaker *b = breaker_new(&three);

	for (int i = 0; i < 100; i++)
		breaker_ended(b, others[i % (int)(sizeof(others) / sizeof(others[0]))], BREAKER_NO_PROBE, 100 * S);
	assert_int_equal(breaker_state(b), BREAKER_CLOSED);
	assert_int_equal(breaker_counts(b).errors, 0);
	breaker_free(&b);
}

static void
opens_at_once_when_the_device_is_gone(void **state)
{
	struct breaker *b = breaker_new(NULL);

	breaker_ended(b, IO_GONE, BREAKER_NO_PROBE, 100 * S);
	assert_int_equal(breaker_state(b), BREAKER_OPEN);
	breaker_free(&b);
}

static void
lets_one_probe_through_after_each_pause(void **state)
{
	struct breaker *b = opened(100 * S);

	assert_false(breaker_probe_due(b, 105 * S - 1));
	assert_true(breaker_probe_due(b, 105 * S));
	assert_int_equal(breaker_state(b), BREAKER_HALF_OPEN);
	assert_false(breaker_probe_due(b, 105 * S));
	assert_false(breaker_allows(b, BREAKER_NO_PROBE));
	assert_true(breaker_allows(b, BREAKER_PROBE));
	breaker_ended(b, IO_FAILED, BREAKER_PROBE, 106 * S);
	assert_int_equal(breaker_state(b), BREAKER_OPEN);
	assert_false(breaker_probe_due(b, 111 * S - 1));
	assert_true(breaker_probe_due(b, 111 * S));
	/* One that never says how it ended is not waited for for ever. */
	assert_true(breaker_probe_due(b, 116 * S));
	assert_int_equal(breaker_counts(b).probes, 3);
	assert_int_equal(breaker_counts(b).opened, 1);
	breaker_free(&b);
}

static void
closes_when_the_last_of_a_probe_succeeds(void **state)
{
	struct breaker *b = opened(100 * S);

	assert_true(breaker_probe_due(b, 105 * S));
	breaker_ended(b, IO_OK, BREAKER_PROBE, 105 * S);
	assert_int_equal(breaker_state(b), BREAKER_HALF_OPEN);
	breaker_ended(b, IO_OK, BREAKER_PROBE_LAST, 106 * S);
	assert_int_equal(breaker_state(b), BREAKER_CLOSED);
	assert_true(breaker_allows(b, BREAKER_NO_PROBE));
	assert_false(breaker_probe_due(b, 200 * S));
	/* What was before is forgotten. */
	breaker_ended(b, IO_FAILED, BREAKER_NO_PROBE, 106 * S);
	breaker_ended(b, IO_FAILED, BREAKER_NO_PROBE, 106 * S);
	assert_int_equal(breaker_state(b), BREAKER_CLOSED);
	breaker_ended(b, IO_FAILED, BREAKER_NO_PROBE, 106 * S);
	assert_int_equal(breaker_state(b), BREAKER_OPEN);
	assert_int_equal(breaker_counts(b).opened, 2);
	assert_int_equal(breaker_counts(b).closed, 1);
	breaker_free(&b);
}

/* The answers of requests that were under way when it opened come late, and say nothing. */
static void
is_not_closed_by_a_straggler(void **state)
{
	struct breaker *b = opened(100 * S);

	breaker_ended(b, IO_OK, BREAKER_NO_PROBE, 101 * S);
	breaker_ended(b, IO_OK, BREAKER_PROBE_LAST, 101 * S);
	assert_int_equal(breaker_state(b), BREAKER_OPEN);
	breaker_free(&b);
}

static void
goes_on_waiting_when_a_probe_could_not_be_sent(void **state)
{
	struct breaker *b = opened(100 * S);

	assert_true(breaker_probe_due(b, 105 * S));
	breaker_ended(b, IO_CANCELLED, BREAKER_PROBE, 105 * S);
	assert_int_equal(breaker_state(b), BREAKER_OPEN);
	assert_true(breaker_probe_due(b, 110 * S));
	breaker_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_when_there_are_too_many_errors_at_once),
		cmocka_unit_test(bears_a_few_errors_now_and_then),
		cmocka_unit_test(does_not_blame_the_disk_for_what_is_not_its_fault),
		cmocka_unit_test(opens_at_once_when_the_device_is_gone),
		cmocka_unit_test(lets_one_probe_through_after_each_pause),
		cmocka_unit_test(closes_when_the_last_of_a_probe_succeeds),
		cmocka_unit_test(is_not_closed_by_a_straggler),
		cmocka_unit_test(goes_on_waiting_when_a_probe_could_not_be_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
