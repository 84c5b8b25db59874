/* What a rebuild asks of memory, and what it does when there is none. */
#include "damage_test.h"

#define KIB 1024

/* ---- memory that is asked for ---- */

static uint64_t asked;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

void *
__wrap_malloc(size_t size)
{
	asked += size;
	return __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	asked += n * size;
	return __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	asked += size;
	return __real_realloc(p, size);
}

static unsigned no_blocks; /* so many of PATH_BLOCK, aligned, there are none */

void *
__wrap_aligned_alloc(size_t align, size_t size)
{
	if (no_blocks == 0 || size != PATH_BLOCK)
		return __real_aligned_alloc(align, size);
	no_blocks--;
	return NULL;
}

/* ---- memory ---- */

/* A rebuild takes no more of it for touches. */
static void
touches_take_no_memory(void **state)
{
	uint64_t without = 0;

	for (unsigned touches = 0; touches < 2; touches++) {
		struct world w;
		uint64_t before;

		world_init(&w, 64);
		opened(&w);
		set(&w, 1, 1, 1000);
		for (unsigned i = 0; i < 20000; i++) {
			struct entry e;
			uint64_t khash = store_khash(w.store, "key-1", 5);

			assert_true(index_find(w.store->index, khash, &e));
			if (touches)
				assert_true(
				    store_touch(w.store, khash, &e, w.store->next_version - 1, WORLD_WALL + 10 + i));
			if (i % 500 == 0)
				world_settle(&w, true);
		}
		world_settle(&w, true);
		assert_int_equal(world_counts(&w).touches, touches ? 20000 : 0);
		world_crash(&w, SIM_KILL);
		/* Once, so that all are sealed; the disk's own memory is in this one. */
		opened(&w);
		world_crash(&w, SIM_KILL);
		before = asked;
		opened(&w);
		if (touches)
			assert_in_range(asked - before, 0, without + 200 * KIB);
		without = asked - before;
		w.wall += 10 + 19998;
		has(&w, 1, 1);
		w.wall++;
		if (touches)
			has_not(&w, 1);
		world_fini(&w);
	}
}

/* Nor for what the index has no place for; what that was is not found older, now or later. */
static void
no_place_takes_no_memory(void **state)
{
	uint64_t without = 0;

	for (unsigned many = 0; many < 2; many++) {
		unsigned keys = many ? 40000 : 400;
		uint64_t before, n = 0, found = 0;
		struct world w;

		world_init(&w, 160);
		opened(&w);
		/* Into another one's index, of which only the disk knows. */
		index_free(&w.store->index);
		w.store->index = index_new(index_buckets_for(100000), NULL, NULL);
		for (unsigned version = 1; version <= 2; version++)
			for (unsigned key = 0; key < keys; key++) {
				if (version == 1 || key % 4 == 1)
					set(&w, key, version, 100);
				if (version == 2 && key % 4 == 2)
					assert_true(world_delete(&w, key));
				if (key % 500 == 0)
					world_settle(&w, true);
			}
		world_settle(&w, true);
		assert_int_equal(world_counts(&w).evictions + world_counts(&w).index_evictions, 0);
		world_crash(&w, SIM_KILL);
		for (unsigned crash = 0; crash < 3; crash++) {
			before = asked;
			opened(&w);
			assert_int_equal(w.opened.how, STORE_REBUILT);
			assert_false(w.opened.damaged);
			/* The first one seals, and has the disk's own memory. */
			if (crash == 1 && many)
				assert_in_range(asked - before, 0, without + 200 * KIB);
			if (crash == 1)
				without = asked - before;
			found = 0;
			for (unsigned key = 0; key < keys; key++) {
				if (!world_get(&w, key, &n, NULL))
					continue;
				found++;
				assert_int_not_equal(key % 4, 2);
				assert_int_equal(n, key % 4 == 1 ? 2 : 1);
			}
			if (crash == 0)
				assert_in_range(found, many ? 2000 : 300, 4500);
			/* What was not there needs no tomb: it must not be there later. */
			for (unsigned key = 0; key < keys; key += 4)
				world_delete(&w, key);
			world_settle(&w, true);
			world_crash(&w, SIM_KILL);
			opened(&w);
			for (unsigned key = 0; key < keys; key += 4)
				has_not(&w, key);
			world_audit(&w);
			world_crash(&w, SIM_KILL);
		}
		world_fini(&w);
	}
}

/* A start without memory is none, and what is there is not taken for broken. */
static void
no_memory_is_no_damage(void **state)
{
	struct world w;

	make(&w, false);
	world_crash(&w, SIM_KILL);
	w.options.empty = true;
	for (unsigned n = 1; n <= 3; n++) {
		no_blocks = n;
		assert_false(world_open(&w));
		no_blocks = 0;
		assert_non_null(strstr(w.opened.sentence, "no memory"));
	}
	opened(&w);
	is_damaged(&w, false);
	has(&w, OVERWRITTEN, 2);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(touches_take_no_memory),
		cmocka_unit_test(no_place_takes_no_memory),
		cmocka_unit_test(no_memory_is_no_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
