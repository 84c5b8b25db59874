/* The tools that mix requests: run, as options say; blast, every verb there is. */
#include <stdlib.h>

#include "ear.h"
#include "tool.h"
#include "workload.h"

struct mixed {
	struct plan plan;
	struct workload work;
	bool counts;   /* incr or decr is in it: an eighth of the other requests is about numbers */
	bool filled;   /* no value is empty */
	uint32_t seen; /* the key of the last item whose version was seen */
	uint64_t cas;  /* that version */
};

static void
ask_get(struct mixed *m, struct request *r, uint32_t number, uint32_t *slots)
{
	struct workload *w = &m->work;

	r->width = (uint32_t)spread_draw(&w->settings->width, &w->random);
	/* A lognormal one may come to less than a half. */
	if (r->width == 0)
		r->width = 1;
	if (r->verb == VERB_GAT || r->verb == VERB_GATS)
		r->ttl = (uint32_t)spread_draw(&w->settings->ttl, &w->random);
	for (uint32_t i = 0; i < r->width && r->width > 1; i++)
		slots[i] = keys_pick(&w->keys, &w->random) | number;
	r->key = r->width > 1 ? slots[0] : keys_pick(&w->keys, &w->random) | number;
	r->may = MAY(OK) | MAY(MISS);
	r->filled = m->filled;
}

static bool
next(struct plan *plan, uint32_t wire, struct request *r, uint32_t *slots)
{
	struct mixed *m = (struct mixed *)plan;
	struct workload *w = &m->work;
	enum verb v = workload_verb(w);
	uint32_t number = m->counts && random_below(&w->random, 8) == 0 ? KEYS_NUMBER : 0, key;

	r->verb = (uint8_t)v;
	if (verb_reads(v)) {
		ask_get(m, r, number, slots);
		return true;
	}
	key = keys_pick(&w->keys, &w->random);
	if (v == VERB_CAS && m->cas != 0)
		key = m->seen;
	switch (v) {
	case VERB_SET:
		workload_store(w, r, v, key | number);
		break;
	case VERB_ADD:
	case VERB_REPLACE:
		workload_store(w, r, v, key | number);
		r->may |= MAY(NOT_STORED);
		break;
	case VERB_APPEND:
	case VERB_PREPEND:
		/* A key that gets many of them grows out of what an item can be. */
		workload_store(w, r, v, key);
		r->may |= MAY(NOT_STORED) | MAY(TOO_LARGE);
		break;
	case VERB_CAS:
		workload_store(w, r, v, key);
		r->cas = m->cas == 0 ? 1 : m->cas;
		r->may |= MAY(EXISTS) | MAY(MISS);
		break;
	case VERB_INCR:
	case VERB_DECR:
		r->key = key | KEYS_NUMBER;
		r->number = random_below(&w->random, 1000);
		r->may = MAY(OK) | MAY(MISS);
		break;
	default:
		r->key = key | number;
		r->ttl = v == VERB_TOUCH ? (uint32_t)spread_draw(&w->settings->ttl, &w->random) : 0;
		r->may = v == VERB_DELETE || v == VERB_TOUCH ? MAY(OK) | MAY(MISS) : MAY(OK);
		break;
	}
	return true;
}

static const char *
answered(struct plan *plan, const struct request *r, const struct answer *a)
{
	struct mixed *m = (struct mixed *)plan;

	if ((r->verb == VERB_GETS || r->verb == VERB_GATS) && r->width == 1 && a->outcome == OUTCOME_OK &&
	    !(r->key & KEYS_NUMBER)) {
		m->seen = r->key;
		m->cas = a->cas;
	}
	return NULL;
}

static void
mixed_free(struct plan *plan)
{
	free(plan);
}

static struct plan *
mixed_plan(const struct settings *s, const struct target *t, const char **why)
{
	struct mixed *m = calloc(1, sizeof *m);

	if (m == NULL) {
		*why = "no memory";
		return NULL;
	}
	m->plan =
	    (struct plan){ .next = next, .answered = answered, .free = mixed_free, .largest = spread_max(&s->size) };
	workload_init(&m->work, s, 1);
	m->counts = s->mix[VERB_INCR] > 0 || s->mix[VERB_DECR] > 0;
	m->filled = m->work.least > 0 || spread_min(&s->size) > 0;
	return &m->plan;
}

static const char *const run_defaults[] = { "--mix=get:9,set:1", "--size=100", "--keys=100000", "-kl=14", NULL };

const struct tool tool_run = { "run", "the requests that --mix and the other options say", run_defaults, mixed_plan };

static const char *const blast_defaults[] = {
	"--mix=get:2,gets,gat,gats,set:2,add,replace,append,prepend,cas,delete,incr,decr,"
	"touch,version,noop",
	"--size=1KiB-10KiB", "--width=1:1,2-25:1", NULL
};

const struct tool tool_blast = { "blast", "a random mix of every verb but flush_all, which would empty the cache",
	blast_defaults, mixed_plan };
