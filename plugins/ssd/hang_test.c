/* A disk that answers nothing for a while: gets are answered at once before long, stores have a bound, and all goes on when it is back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

/* The keeper's writes hang: what there is RAM for is taken, the rest is refused, and no older value is readable for that. */
static void
stores_are_bounded(void **state)
{
	struct hanging h;
	struct store_sizes before, sizes;
	unsigned stored = 0;

	begin(&h);
	store_sizes(h.w.store, &before);
	sim_fault(h.w.io, 0, SIM_HANG, 0);
	for (unsigned n = 0; n < 2000; n++) {
		enum stored is = world_set(&h.w, n % 20, 2, 10 * KIB, 0);

		assert_true(is == STORED || is == STORE_NOT_ADMITTED);
		stored += is == STORED;
		assert_int_equal(status_of_get(&h, n % 20), is == STORED ? IO_OK : IO_MISSING);
	}
	assert_in_range(stored, 1, h.w.options.images * 13);
	store_sizes(h.w.store, &sizes);
	assert_int_equal(sizes.ram, before.ram);
	sim_clear_faults(h.w.io);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
