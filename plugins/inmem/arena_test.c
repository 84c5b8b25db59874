/* What memory a store asks the system for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"

#define MIB  ((uint64_t)1024 * 1024)
#define FLAG 2 /* letters, in /proc/self/smaps */

static struct arena arena;

static void
make(uint64_t limit, bool file)
{
	assert_int_equal(arena_init(&arena, limit, file), 0);
	assert_int_equal(arena.pages->map.fd >= 0, file);
}

/* Does the system have huge pages at all?  Where it has none, nobody can ask for them. */
static bool
are_there(void)
{
	return access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
}

/* Whether the part of the mapping that this lies in has a flag of VmFlags (Documentation/filesystems/proc.rst). */
static bool
is_flagged(const void *at, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512], *found;
	unsigned long from, to;
	bool here = false, yes = false;

	assert_non_null(f);
	while (fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (uintptr_t)at >= from && (uintptr_t)at < to;
		else if (here && strncmp(line, "VmFlags:", 8) == 0 && (found = strstr(line, flag)) != NULL)
			yes = found[-1] == ' ' && found[FLAG] == ' ';
	}
	fclose(f);
	return yes;
}

static void
no_part_may_be_huge(void)
{
	const size_t parts[] = { 0, arena.index_at, arena.log_at, arena.pages_at };

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		assert_false(is_flagged(arena.base + parts[i], "hg"));
		assert_int_equal(is_flagged(arena.base + parts[i], "nh"), are_there());
	}
}

static void
all_but_the_pages_may_be_huge(void)
{
	const size_t parts[] = { 0, arena.index_at, arena.log_at, arena.pages_at - 1 };

	assert_int_equal(arena_segment_size(&arena), MAPPING_HUGE);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		assert_int_equal(is_flagged(arena.base + parts[i], "hg"), are_there());
	assert_false(is_flagged(arena.base + arena.pages_at, "hg"));
	assert_int_equal(is_flagged(arena.base + arena.pages_at, "nh"), are_there());
}

static void
segments_begin_where_huge_pages_do(void **state)
{
	(void)state;
	for (int file = 0; file < 2; file++) {
		make(4096 * MIB, file == 1);
		assert_int_equal((uintptr_t)arena.base % MAPPING_HUGE, 0);
		assert_int_equal((uintptr_t)arena_at(&arena, arena_segment_start(&arena, 3)) % MAPPING_HUGE, 0);
		arena_fini(&arena);
	}
}

static void
huge_pages_are_for_large_stores(void **state)
{
	(void)state;
	for (int file = 0; file < 2; file++) {
		make(64 * MIB, file == 1);
		no_part_may_be_huge();
		arena_fini(&arena);
		make(2048 * MIB, file == 1);
		all_but_the_pages_may_be_huge();
		arena_fini(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_begin_where_huge_pages_do),
		cmocka_unit_test(huge_pages_are_for_large_stores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
