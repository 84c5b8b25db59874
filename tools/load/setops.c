/* setops: every command that stores or changes, against a model of what must be there then. */
#include <stdlib.h>

#include "model.h"
#include "tool.h"
#include "workload.h"

/* TTLs that do not end while it runs. */
#define TTL_LEAST 86400

struct setops {
	struct plan plan;
	struct workload work;
	struct model model;
};

static bool
next(struct plan *plan, uint32_t wire, struct request *r, uint32_t *slots)
{
	struct setops *o = (struct setops *)plan;
	struct workload *w = &o->work;
	uint32_t key = workload_own_key(w, wire, (uint32_t)random_below(&w->random, workload_own(w, wire)));
	enum verb v = workload_verb(w);
	uint32_t ttl = random_below(&w->random, 2) == 0 ? 0 : TTL_LEAST + (uint32_t)random_below(&w->random, TTL_LEAST);

	/* Counting is mostly about numbers; other things now and then. */
	if (random_below(&w->random, 8) < (verb_counts(v) ? 7 : 1))
		key |= KEYS_NUMBER;
	if (!model_can(&o->model, v, key))
		v = random_below(&w->random, 4) == 0 ? VERB_DELETE : VERB_SET;
	r->verb = (uint8_t)v;
	r->key = key;
	if (verb_stores(v))
		workload_store(w, r, v, key);
	if (verb_stores(v) || v == VERB_TOUCH || v == VERB_GAT || v == VERB_GATS)
		r->ttl = ttl;
	if (verb_counts(v))
		r->number = random_below(&w->random, 100000);
	model_ask(&o->model, r);
	return true;
}

static const char *
answered(struct plan *plan, const struct request *r, const struct answer *a)
{
	return model_answered(&((struct setops *)plan)->model, r, a);
}

static void
lost(struct plan *plan, const struct request *r)
{
	model_lost(&((struct setops *)plan)->model, r);
}

static bool
report(struct plan *plan, FILE *to, struct json *j)
{
	workload_tell(&((struct setops *)plan)->work, to);
	return true;
}

static void
setops_free(struct plan *plan)
{
	model_fini(&((struct setops *)plan)->model);
	free(plan);
}

static struct plan *
setops_plan(const struct settings *s, const struct target *t, const char **why)
{
	struct setops *o;

	if (s->keys < s->connections) {
		*why = "there are fewer keys than connections, and each wants keys of its own";
		return NULL;
	}
	o = calloc(1, sizeof *o);
	*why = "no memory";
	if (o == NULL)
		return NULL;
	o->plan = (struct plan){ .next = next,
		.answered = answered,
		.lost = lost,
		.report = report,
		.free = setops_free,
		.largest = spread_max(&s->size) };
	workload_init(&o->work, s, 1);
	workload_watch(&o->work, t);
	/* The model knows each piece, with a head or without. */
	o->work.least = 0;
	if (model_init(&o->model, &o->work.keys, s->may_evict) == 0)
		return &o->plan;
	free(o);
	return NULL;
}

static const char *const defaults[] = {
	"--mix=set:4,add:2,replace:2,append:2,prepend:2,cas:2,delete:2,incr:2,decr:2,touch,get:6,gets:4,gat,gats",
	"--size=0-4KiB", "--keys=10000", "--prefix=setops.", "--flags", NULL
};

const struct tool tool_setops = { "setops", "every storing command, against a model of what must be there", defaults,
	setops_plan };
