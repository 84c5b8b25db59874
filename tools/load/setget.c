/* setget: each key is stored and then read, on the same connection; every byte is looked at. */
#include <stdlib.h>

#include "tool.h"
#include "workload.h"

struct setget {
	struct plan plan;
	struct workload work;
	struct turn {
		uint32_t next; /* which of the connection's own keys */
		bool stored;   /* and it is to be read now */
		struct piece piece;
	} turns[]; /* one for each connection */
};

static bool
next(struct plan *plan, uint32_t wire, struct request *r, uint32_t *slots)
{
	struct setget *g = (struct setget *)plan;
	struct workload *w = &g->work;
	struct turn *t = &g->turns[wire];
	uint32_t key = workload_own_key(w, wire, t->next);

	if (!t->stored) {
		workload_store(w, r, VERB_SET, key);
		t->piece = r->piece[0];
		t->stored = true;
		return true;
	}
	r->verb = VERB_GET;
	r->key = key;
	r->may = w->settings->may_evict ? MAY(OK) | MAY(MISS) : MAY(OK);
	r->check = CHECK_PIECES;
	r->pieces = 1;
	r->piece[0] = t->piece;
	t->stored = false;
	t->next = (t->next + 1) % workload_own(w, wire);
	return true;
}

static bool
report(struct plan *plan, FILE *to, struct json *j)
{
	workload_tell(&((struct setget *)plan)->work, to);
	return true;
}

static void
setget_free(struct plan *plan)
{
	free(plan);
}

static struct plan *
setget_plan(const struct settings *s, const struct target *t, const char **why)
{
	struct setget *g;

	if (s->keys < s->connections) {
		*why = "there are fewer keys than connections, and each wants keys of its own";
		return NULL;
	}
	g = calloc(1, sizeof *g + s->connections * sizeof *g->turns);
	if (g == NULL) {
		*why = "no memory";
		return NULL;
	}
	g->plan = (struct plan){ .next = next, .report = report, .free = setget_free, .largest = spread_max(&s->size) };
	workload_init(&g->work, s, 1);
	workload_watch(&g->work, t);
	return &g->plan;
}

static const char *const defaults[] = { "--size=1KiB-10KiB", "--flags", NULL };

const struct tool tool_setget = { "setget", "stores each key and reads it, every byte verified", defaults,
	setget_plan };
