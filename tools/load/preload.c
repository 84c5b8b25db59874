/* The plan that stores each key once: see preload.h. */
#include "preload.h"

#include <stdlib.h>

#include "workload.h"

struct preload {
	struct plan plan;
	struct workload work;
	uint32_t next;
};

static bool
next(struct plan *plan, uint32_t wire, struct request *r, uint32_t *slots)
{
	struct preload *p = (struct preload *)plan;

	if (p->next == p->work.keys.count)
		return false;
	workload_store(&p->work, r, VERB_SET, p->next++);
	return true;
}

static void
preload_free(struct plan *plan)
{
	free(plan);
}

struct plan *
preload_plan(const struct settings *s)
{
	struct preload *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->plan = (struct plan){ .next = next, .free = preload_free, .largest = spread_max(&s->size) };
	workload_init(&p->work, s, 0);
	return &p->plan;
}
