/*
 * Counts of rows: see flow_counts.h.  Three numbers per row, the rows of all tables in line, each worker's on cache
 * lines of its own:
 *
 *	[ get 0 | get 1 | get 2 | set 0 | set 1 | ... ] worker 0
 *	[ get 0 | get 1 | get 2 | set 0 | set 1 | ... ] worker 1
 */
#include "engine/flow_counts.h"

#include <stdlib.h>
#include <string.h>

#include "engine/flow.h"
#include "engine/flow_check.h"
#include "engine/worker.h"

#define LINE	 64
#define OUTCOMES 3

struct row_counts {
	unsigned first[REND_VERB_COUNT]; /* where a table's rows begin */
	size_t stride;			 /* numbers per worker */
	uint64_t *n;			 /* relaxed atomics */
};

int
flow_counts_new(struct rend_node *n)
{
	struct row_counts *c = calloc(1, sizeof *c);
	size_t rows = 0, bytes;

	if (c == NULL)
		return -1;
	for (unsigned v = 0; v < REND_VERB_COUNT; v++) {
		c->first[v] = (unsigned)rows;
		if (n->walks[v].steps != NULL)
			rows += flow_rows(n->walks[v].steps);
	}
	bytes = (rows * OUTCOMES * sizeof *c->n / LINE + 1) * LINE;
	c->stride = bytes / sizeof *c->n;
	bytes *= (size_t)rend_worker_count();
	if (posix_memalign((void **)&c->n, LINE, bytes) != 0) {
		free(c);
		return -1;
	}
	memset(c->n, 0, bytes);
	n->rows = c;
	return 0;
}

void
flow_counts_free(struct rend_node *n)
{
	if (n->rows == NULL)
		return;
	free(n->rows->n);
	free(n->rows);
	n->rows = NULL;
}

static uint64_t *
counts_at(const struct row_counts *c, int worker, unsigned slot, unsigned row, enum rend_outcome outcome)
{
	return &c->n[(size_t)worker * c->stride + (c->first[slot] + row) * OUTCOMES + outcome];
}

void
flow_count(const struct instance *in, unsigned slot, unsigned row, enum rend_outcome outcome)
{
	uint64_t *n = counts_at(in->node->rows, in->worker->index, slot, row, outcome);

	__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
}

/* The row of a walk that is passed on is never walked; it ends as the op does. */
static uint64_t
passed_ended(const struct rend_node *n, unsigned verb, enum rend_outcome outcome)
{
	uint64_t sum = 0;

	for (unsigned s = 0; s < REND_STATUS_COUNT; s++)
		if (rend_outcome((enum rend_status)s) == outcome)
			sum += node_ended(n, verb, s);
	return sum;
}

uint64_t
flow_row_ended(const struct rend_node *n, unsigned verb, unsigned row, enum rend_outcome outcome)
{
	uint64_t sum = 0;

	if (n->rows == NULL || verb >= REND_VERB_COUNT || n->walks[verb].steps == NULL || (unsigned)outcome >= OUTCOMES)
		return 0;
	if (row == 0 || row >= flow_rows(n->walks[verb].steps))
		return 0;
	if (n->passes[verb] != NULL)
		return passed_ended(n, verb, outcome);
	for (int i = 0; i < rend_worker_count(); i++)
		sum += __atomic_load_n(counts_at(n->rows, i, verb, row, outcome), __ATOMIC_RELAXED);
	return sum;
}
