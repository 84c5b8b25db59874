/* What plugins register: see metrics.h and rend/metrics.h. */
#include "engine/metrics.h"

#include <pthread.h>

#include <stdlib.h>
#include <string.h>

#include "engine/node.h"
#include "engine/worker.h"
#include "rend/log.h"
#include "rend/metrics.h"

#define LINE	  64
#define NAME_MOST 63

/* A slot per worker, and one for all other threads. */
struct rend_counter {
	struct {
		uint64_t n;
		char apart[LINE - sizeof(uint64_t)];
	} slot[1];
};

struct rend_histogram {
	struct histogram slot[1];
};

struct metric {
	struct metric *next;
	enum metric_kind kind;
	const char *name, *doc;
	struct rend_counter *counter;
	struct rend_histogram *histogram;
	rend_gauge_f *read;
	void *arg;
};

static int
slots(void)
{
	return rend_worker_count() + 1;
}

static int
my_slot(void)
{
	struct rend_worker *w = worker_self();

	return w == NULL ? rend_worker_count() : w->index;
}

static void *
slots_new(size_t size)
{
	void *p;

	if (posix_memalign(&p, LINE, size * (size_t)slots()) != 0)
		return NULL;
	memset(p, 0, size * (size_t)slots());
	return p;
}

/* They become parts of names elsewhere, where one that is odd or there twice would spoil the rest. */
static bool
may_register(const struct rend_node *n, const char *name, const char *doc)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MOST || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len ||
	    (*name >= '0' && *name <= '9'))
		rend_log(REND_LOG_ERROR, "%s: \"%.80s\" is no name for a metric: it is not shown", n->name, name);
	else if (metric_named(n, name) != NULL)
		rend_log(REND_LOG_ERROR, "%s: metric %s is registered twice: only the first is shown", n->name, name);
	else if (doc == NULL)
		rend_log(REND_LOG_ERROR, "%s: metric %s has no doc: it is not shown", n->name, name);
	else
		return true;
	return false;
}

/* Appended, so that people see them in the order in which the plugin's author thought of them. */
static struct metric *
metric_new(struct rend_node *n, enum metric_kind kind, const char *name, const char *doc)
{
	struct metric *m, **at = &n->metrics;

	if (!may_register(n, name, doc) || (m = calloc(1, sizeof *m)) == NULL)
		return NULL;
	m->kind = kind;
	m->name = name;
	m->doc = doc;
	while (*at != NULL)
		at = &(*at)->next;
	*at = m;
	return m;
}

struct rend_counter *
rend_counter_new(struct rend_node *self, const char *name, const char *doc)
{
	struct metric *m = metric_new(self, METRIC_COUNTER, name, doc);

	if (m == NULL)
		return NULL;
	m->counter = slots_new(sizeof m->counter->slot[0]);
	return m->counter;
}

/* A worker's slot has one writer; the last slot has many. */
static void
add(uint64_t *to, uint64_t n, int slot)
{
	if (slot == rend_worker_count())
		__atomic_fetch_add(to, n, __ATOMIC_RELAXED);
	else
		__atomic_store_n(to, *to + n, __ATOMIC_RELAXED);
}

void
rend_count(struct rend_counter *counter, uint64_t n)
{
	int slot = my_slot();

	if (counter != NULL)
		add(&counter->slot[slot].n, n, slot);
}

void
rend_gauge_new(struct rend_node *self, const char *name, const char *doc, rend_gauge_f *read, void *arg)
{
	struct metric *m = metric_new(self, METRIC_GAUGE, name, doc);

	if (m == NULL)
		return;
	m->read = read;
	m->arg = arg;
}

struct rend_histogram *
rend_histogram_new(struct rend_node *self, const char *name, const char *doc)
{
	struct metric *m = metric_new(self, METRIC_HISTOGRAM, name, doc);

	if (m == NULL)
		return NULL;
	m->histogram = slots_new(sizeof m->histogram->slot[0]);
	return m->histogram;
}

void
rend_observe(struct rend_histogram *histogram, uint64_t ns)
{
	static pthread_mutex_t others = PTHREAD_MUTEX_INITIALIZER;
	int slot = my_slot();

	if (histogram == NULL)
		return;
	if (slot < rend_worker_count()) {
		histogram_add(&histogram->slot[slot], ns);
		return;
	}
	/* A histogram has one writer at a time; threads that are no workers take turns. */
	pthread_mutex_lock(&others);
	histogram_add(&histogram->slot[slot], ns);
	pthread_mutex_unlock(&others);
}

static uint64_t
counter_sum(const struct rend_counter *c)
{
	uint64_t sum = 0;

	for (int i = 0; c != NULL && i < slots(); i++)
		sum += __atomic_load_n(&c->slot[i].n, __ATOMIC_RELAXED);
	return sum;
}

static uint64_t
metric_value(const struct metric *m)
{
	return m->kind == METRIC_GAUGE ? m->read(m->arg) : counter_sum(m->counter);
}

const struct metric *
metric_next(const struct rend_node *n, const struct metric *m)
{
	return m == NULL ? n->metrics : m->next;
}

const struct metric *
metric_named(const struct rend_node *n, const char *name)
{
	const struct metric *m = n->metrics;

	while (m != NULL && strcmp(m->name, name) != 0)
		m = m->next;
	return m;
}

struct metric_reading
metric_about(const struct metric *m)
{
	return (struct metric_reading){ .kind = m->kind, .name = m->name, .doc = m->doc };
}

void
metric_read(const struct metric *m, struct metric_reading *r, struct histogram *sum)
{
	*r = metric_about(m);
	if (m->kind != METRIC_HISTOGRAM) {
		r->value = metric_value(m);
		return;
	}
	memset(sum, 0, sizeof *sum);
	for (int i = 0; m->histogram != NULL && i < slots(); i++)
		histogram_merge(sum, &m->histogram->slot[i]);
	r->histogram = sum;
}

void
metrics_each(const struct rend_node *n, void (*fn)(const struct metric_reading *, void *), void *arg)
{
	for (const struct metric *m = n->metrics; m != NULL; m = m->next) {
		struct metric_reading r;
		struct histogram sum;

		metric_read(m, &r, &sum);
		fn(&r, arg);
	}
}

bool
metrics_find(const struct rend_node *n, const char *name, uint64_t *value)
{
	const struct metric *m = metric_named(n, name);

	if (m == NULL || m->kind == METRIC_HISTOGRAM)
		return false;
	*value = metric_value(m);
	return true;
}

uint64_t
metrics_sum(struct rend_node *const *nodes, unsigned long count, const char *name)
{
	uint64_t sum = 0, value;

	for (unsigned long i = 0; i < count; i++)
		if (metrics_find(nodes[i], name, &value))
			sum += value;
	return sum;
}

void
metrics_free(struct rend_node *n)
{
	while (n->metrics != NULL) {
		struct metric *m = n->metrics;

		n->metrics = m->next;
		free(m->counter);
		free(m->histogram);
		free(m);
	}
}
