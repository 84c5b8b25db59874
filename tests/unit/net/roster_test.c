/* Things with seats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "net/roster.h"

#define THINGS 300

static int things[THINGS];

/* How many there are from `from` on, each of them once. */
static unsigned
count_from(const struct roster *r, uint64_t from)
{
	char seen[THINGS] = { 0 };
	unsigned n = 0;
	const int *x;

	while ((x = roster_next(r, &from)) != NULL) {
		assert_in_range(x - things, 0, THINGS - 1);
		assert_int_equal(seen[x - things]++, 0);
		n++;
	}
	assert_null(roster_next(r, &from));
	return n;
}

static void
test_an_empty_one_has_nobody(void **state)
{
	struct roster r = { 0 };

	(void)state;
	assert_int_equal(count_from(&r, 0), 0);
	assert_int_equal(count_from(&r, 1000), 0);
	roster_fini(&r);
}

static void
test_seats_stay_and_are_given_again(void **state)
{
	struct roster r = { 0 };
	uint32_t seats[THINGS], again;

	(void)state;
	for (int i = 0; i < THINGS; i++)
		assert_int_equal(roster_add(&r, &things[i], &seats[i]), 0);
	assert_int_equal(count_from(&r, 0), THINGS);
	for (int i = 0; i < THINGS; i += 3)
		roster_remove(&r, seats[i]);
	assert_int_equal(count_from(&r, 0), THINGS - THINGS / 3);
	/* Those that are free are taken first, the latest at first; the others' seats have not moved. */
	assert_int_equal(roster_add(&r, &things[0], &again), 0);
	assert_int_equal(again, seats[THINGS - 3]);
	for (int i = 1; i < THINGS; i += 3) {
		uint64_t from = seats[i];

		assert_ptr_equal(roster_next(&r, &from), &things[i]);
		assert_int_equal(from, seats[i] + 1);
	}
	for (int i = 3; i < THINGS; i += 3)
		assert_int_equal(roster_add(&r, &things[i], &again), 0);
	assert_int_equal(count_from(&r, 0), THINGS);
	assert_int_equal(r.used, THINGS);
	roster_fini(&r);
}

/* One who goes on where it was misses nobody who was there all the time, and sees nobody twice. */
static void
test_one_who_looks_goes_on_while_others_come_and_go(void **state)
{
	struct roster r = { 0 };
	uint32_t seats[THINGS];
	unsigned stayed = 0;
	uint64_t from = 0;
	const int *x;

	(void)state;
	srand(1);
	for (int i = 0; i < THINGS; i++)
		assert_int_equal(roster_add(&r, &things[i], &seats[i]), 0);
	while ((x = roster_next(&r, &from)) != NULL) {
		int other = 2 * (rand() % (THINGS / 2));

		stayed += (x - things) % 2;
		roster_remove(&r, seats[other]);
		assert_int_equal(roster_add(&r, &things[other], &seats[other]), 0);
	}
	assert_int_equal(stayed, THINGS / 2);
	roster_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_one_has_nobody),
		cmocka_unit_test(test_seats_stay_and_are_given_again),
		cmocka_unit_test(test_one_who_looks_goes_on_while_others_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
