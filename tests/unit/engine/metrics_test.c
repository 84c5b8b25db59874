/* Unit tests of core/engine/metrics.c: what may be registered, and that what is read is what was counted. */
#include "../base/unit.h"

#include <pthread.h>

#include "engine/metrics.h"
#include "engine/node.h"
#include "engine/worker.h"
#include "rend/metrics.h"

static struct plugin plugin = { .handler = { .name = "p", .doc = "p" } };
static struct rend_node *n;

static int
set_up(void **state)
{
	worker_set_count(2);
	n = node_new("node", &plugin, NULL, NULL);
	return n == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	metrics_free(n);
	node_free(&n);
	return 0;
}

static unsigned
registered(void)
{
	unsigned count = 0;

	for (const struct metric *m = metric_next(n, NULL); m != NULL; m = metric_next(n, m))
		count++;
	return count;
}

static uint64_t
seven(void *arg)
{
	return 7;
}

static void
names_that_may_not_be_are_refused(void **state)
{
	static const char *const bad[] = { "", "a b", "A", "1a", "a-b", "a.b", "\xc3\xa4", "a\n",
		"sixty_four_bytes_are_one_too_many_sixty_four_bytes_are_one_too_m" };

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_null(rend_counter_new(n, bad[i], "Bad."));
		assert_null(rend_histogram_new(n, bad[i], "Bad."));
		rend_gauge_new(n, bad[i], "Bad.", seven, NULL);
	}
	assert_null(rend_counter_new(n, "undocumented", NULL));
	assert_int_equal(registered(), 0);
	assert_non_null(rend_counter_new(n, bad[8] + 1, "63 bytes."));
	assert_non_null(rend_counter_new(n, "_a1", "Good."));
	assert_int_equal(registered(), 2);
	/* Nobody has to look at what he got. */
	rend_count(NULL, 1);
	rend_observe(NULL, 1);
}

static void
a_name_is_one_metric(void **state)
{
	struct rend_counter *first = rend_counter_new(n, "a", "First.");

	assert_non_null(first);
	assert_null(rend_counter_new(n, "a", "Second."));
	assert_null(rend_histogram_new(n, "a", "Third."));
	rend_gauge_new(n, "a", "Fourth.", seven, NULL);
	assert_int_equal(registered(), 1);
	assert_string_equal(metric_about(metric_named(n, "a")).doc, "First.");
	assert_null(metric_named(n, "b"));
}

struct counting {
	struct rend_worker *w; /* NULL: a thread that is none */
	struct rend_counter *counter;
	struct rend_histogram *histogram;
};

#define TIMES 10000

static void *
count_here(void *arg)
{
	const struct counting *c = arg;

	worker_enter(c->w);
	for (int i = 0; i < TIMES; i++) {
		rend_count(c->counter, 3);
		rend_observe(c->histogram, 1000);
	}
	worker_enter(NULL);
	return NULL;
}

static void
all_threads_are_added_up(void **state)
{
	struct rend_worker workers[2];
	struct counting c[4];
	pthread_t threads[4];
	struct metric_reading r;
	struct histogram sum;
	struct rend_counter *counter = rend_counter_new(n, "counter", "C.");
	struct rend_histogram *histogram = rend_histogram_new(n, "histogram", "H.");

	for (int i = 0; i < 2; i++)
		assert_int_equal(worker_init(&workers[i], i), 0);
	for (int i = 0; i < 4; i++) {
		c[i] = (struct counting){ i < 2 ? &workers[i] : NULL, counter, histogram };
		assert_int_equal(pthread_create(&threads[i], NULL, count_here, &c[i]), 0);
	}
	/* What a reader sees meanwhile only grows. */
	for (uint64_t before = 0; before < 4 * TIMES * 3;) {
		metric_read(metric_named(n, "counter"), &r, &sum);
		assert_true(r.value >= before);
		before = r.value;
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	metric_read(metric_named(n, "histogram"), &r, &sum);
	assert_ptr_equal(r.histogram, &sum);
	assert_int_equal(histogram_count(r.histogram), 4 * TIMES);
	assert_int_equal(sum.sum, 4ULL * TIMES * 1000);
	for (int i = 0; i < 2; i++)
		worker_fini(&workers[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_that_may_not_be_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_name_is_one_metric, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_threads_are_added_up, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
