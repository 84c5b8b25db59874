/* A disk that answers nothing for a while: gets are answered at once before long, stores have a bound, and all goes on when it is back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "breaker.h"
#include "probe.h"
#include "state.h"
#include "world.h"

#define KIB 1024
#define S   1000000000ULL

static const struct breaker_limits limits = { .errors = 3, .window = 20 * S, .pause = S };

struct hanging {
	struct world w;
	struct breaker *breaker;
	struct probe probe;
};

static void
begin(struct hanging *h)
{
	*h = (struct hanging){ .breaker = breaker_new(&limits) };
	world_init(&h->w, 32);
	h->w.options.breaker = h->breaker;
	if (!world_open(&h->w))
		fail_msg("%s", h->w.opened.sentence);
	for (unsigned key = 0; key < 20; key++)
		assert_int_equal(world_set(&h->w, key, 1, 1000, 0), STORED);
	pthread_mutex_lock(&h->w.store->lock);
	for (unsigned i = 0; i < STREAMS; i++)
		log_close_stream(h->w.store, i);
	pthread_mutex_unlock(&h->w.store->lock);
	world_settle(&h->w, true);
	assert_int_equal(world_set(&h->w, 100, 1, 1000, 0), STORED); /* in RAM */
}

static void
end(struct hanging *h)
{
	world_fini(&h->w);
	breaker_free(&h->breaker);
}

static enum io_status
status_of_get(struct hanging *h, unsigned key)
{
	uint64_t n = 0;
	struct fetch f;

	world_fetch(&h->w, key, true, &n, &f);
	return f.result == FETCH_FAILED ? f.status : f.result == FETCH_HIT ? IO_OK : IO_MISSING;
}

static void
look(struct hanging *h)
{
	sim_advance(h->w.io, S);
	probe_tick(&h->probe, &h->w.fetcher);
	io_flush(h->w.queue);
	io_wait(h->w.queue, 2 * S);
}

static void
is_answered_at_once(void **state)
{
	struct hanging h;
	uint64_t now;

	begin(&h);
	sim_fault(h.w.io, 0, SIM_HANG, 0);
	for (unsigned key = 0; key < limits.errors; key++) {
		now = io_now(h.w.io);
		assert_int_equal(status_of_get(&h, key), IO_TIMEOUT);
		assert_in_range(io_now(h.w.io) - now, S, S + S / 10);
	}
	/* Down from now on: nothing of it takes any time.  What needs no disk is as ever. */
	now = io_now(h.w.io);
	for (unsigned n = 0; n < 1000; n++)
		assert_int_equal(status_of_get(&h, n % 20), IO_DOWN);
	assert_int_equal(status_of_get(&h, 100), IO_OK);
	assert_int_equal(status_of_get(&h, 999), IO_MISSING);
	assert_int_equal(io_now(h.w.io), now);
	/* Looking does not bring it back while it hangs, and takes no more with each time. */
	for (unsigned n = 0; n < 20; n++)
		look(&h);
	assert_int_equal(breaker_state(h.breaker), BREAKER_OPEN);
	assert_in_range(h.probe.count[0], 1, PROBES_MOST);
	assert_in_range(io_pending(h.w.queue), 1, limits.errors + PROBES_MOST);
	/* It is back. */
	sim_clear_faults(h.w.io);
	sim_release(h.w.io);
	for (unsigned n = 0; n < 3; n++)
		look(&h);
	assert_int_equal(breaker_state(h.breaker), BREAKER_CLOSED);
	for (unsigned key = 0; key < 20; key++)
		assert_int_equal(status_of_get(&h, key), IO_OK);
	assert_int_equal(io_pending(h.w.queue), 0);
	end(&h);
}

/* ---- a keeper whose write does not end ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool hangs;	/* writes do, from now on */
	unsigned there; /* so many do */
} writes = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

enum io_status __real_io_write(struct io_file *file, const void *data, size_t length, uint64_t offset, size_t *put);
enum io_status __wrap_io_write(struct io_file *file, const void *data, size_t length, uint64_t offset, size_t *put);

enum io_status
__wrap_io_write(struct io_file *file, const void *data, size_t length, uint64_t offset, size_t *put)
{
	pthread_mutex_lock(&writes.lock);
	writes.there++;
	pthread_cond_broadcast(&writes.changed);
	while (writes.hangs)
		pthread_cond_wait(&writes.changed, &writes.lock);
	writes.there--;
	pthread_mutex_unlock(&writes.lock);
	return __real_io_write(file, data, length, offset, put);
}

struct keeping {
	struct world *w;
	atomic_bool ends;
	atomic_uint steps;
};

static void *
keep(void *arg)
{
	struct keeping *k = arg;

	while (!atomic_load(&k->ends)) {
		store_step(k->w->store, true, k->w->wall);
		atomic_fetch_add(&k->steps, 1);
		sched_yield();
	}
	return NULL;
}

static void
hangs(bool is)
{
	pthread_mutex_lock(&writes.lock);
	writes.hangs = is;
	pthread_cond_broadcast(&writes.changed);
	pthread_mutex_unlock(&writes.lock);
}

static void
wait_for_one_that_hangs(void)
{
	pthread_mutex_lock(&writes.lock);
	while (writes.there == 0)
		pthread_cond_wait(&writes.changed, &writes.lock);
	pthread_mutex_unlock(&writes.lock);
}

/* store_step() hangs in a write: what there is RAM for is taken, the rest is refused at once, and no older value is readable for that. */
static void
stores_are_bounded(void **state)
{
	struct hanging h;
	struct keeping k = { .w = &h.w };
	struct store_sizes before, sizes;
	unsigned stored = 0, steps;
	pthread_t keeper;

	begin(&h);
	h.w.kept = true;
	store_sizes(h.w.store, &before);
	hangs(true);
	assert_int_equal(pthread_create(&keeper, NULL, keep, &k), 0);
	assert_int_equal(world_set(&h.w, 101, 1, 10 * KIB, 0), STORED);
	wait_for_one_that_hangs();
	steps = atomic_load(&k.steps);
	for (unsigned n = 0; n < 2000; n++) {
		enum stored is = world_set(&h.w, n % 20, 2, 10 * KIB, 0);

		assert_true(is == STORED || is == STORE_NOT_ADMITTED);
		stored += is == STORED;
		assert_int_equal(status_of_get(&h, n % 20), is == STORED ? IO_OK : IO_MISSING);
	}
	assert_in_range(stored, 1, h.w.options.images * 13);
	store_sizes(h.w.store, &sizes);
	assert_int_equal(sizes.ram, before.ram);
	assert_int_equal(atomic_load(&k.steps), steps);
	hangs(false);
	while (atomic_load(&k.steps) < steps + 10)
		sched_yield();
	for (unsigned n = 0; n < 20; n++) {
		while (world_set(&h.w, n, 3, 1000, 0) != STORED)
			sched_yield();
		assert_int_equal(status_of_get(&h, n), IO_OK);
	}
	atomic_store(&k.ends, true);
	pthread_join(keeper, NULL);
	world_settle(&h.w, true);
	world_audit(&h.w);
	assert_int_equal(world_counts(&h.w).write_errors, 0);
	end(&h);
}

/* Writes that end late, as failed: each step ends; what was only in their segments is gone, and nothing older is there. */
static void
late_writes_are_bounded(void **state)
{
	struct hanging h;
	struct store_sizes before, sizes;
	unsigned stored = 0, refused = 0;

	begin(&h);
	store_sizes(h.w.store, &before);
	sim_fault(h.w.io, 0, SIM_HANG, 0);
	for (unsigned n = 0; n < 2000; n++) {
		enum stored is = world_set(&h.w, n % 20, 2, 10 * KIB, 0);

		assert_true(is == STORED || is == STORE_NOT_ADMITTED);
		stored += is == STORED;
		refused += is == STORE_NOT_ADMITTED;
		if (n % 50 == 49)
			store_step(h.w.store, n % 100 == 99, h.w.wall);
		else
			assert_int_equal(status_of_get(&h, n % 20), is == STORED ? IO_OK : IO_MISSING);
	}
	print_message("%u stored, %u refused, %u writes that failed, %u segments given up\n", stored, refused,
	    (unsigned)world_counts(&h.w).write_errors, (unsigned)world_counts(&h.w).bad_segments);
	assert_true(stored > 100 && refused > 100);
	assert_true(world_counts(&h.w).write_errors > 5 && world_counts(&h.w).bad_segments > 5);
	store_sizes(h.w.store, &sizes);
	assert_int_equal(sizes.ram, before.ram);
	sim_clear_faults(h.w.io);
	sim_release(h.w.io);
	for (unsigned n = 0; n < 10; n++) {
		sim_advance(h.w.io, S);
		world_settle(&h.w, true);
	}
	for (unsigned n = 0; n < 20; n++) {
		assert_int_equal(world_set(&h.w, n, 3, 1000, 0), STORED);
		world_settle(&h.w, true);
	}
	for (unsigned n = 0; n < 20; n++)
		assert_int_equal(status_of_get(&h, n), IO_OK);
	world_audit(&h.w);
	end(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_answered_at_once),
		cmocka_unit_test(stores_are_bounded),
		cmocka_unit_test(late_writes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
