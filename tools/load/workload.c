/* What all plans draw from: see workload.h. */
#include "workload.h"

#include <stdlib.h>
#include <time.h>

void
workload_keys(struct keys *k, const struct settings *s)
{
	*k = (struct keys){ 0 };
	keys_order_parse(k, s->order);
	keys_init(k, s->prefix, s->letters, (uint32_t)s->keys);
}

void
workload_init(struct workload *w, const struct settings *s, uint64_t stream)
{
	struct timespec t;

	*w = (struct workload){ .settings = s, .random = { random_mix(s->seed) + random_mix(stream) } };
	workload_keys(&w->keys, s);
	/* What an earlier run left must not look like ours, and must be older. */
	clock_gettime(CLOCK_REALTIME, &t);
	w->version = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
	if (s->mix[VERB_APPEND] > 0 || s->mix[VERB_PREPEND] > 0)
		w->least = STAMP_HEAD;
}

void
workload_store(struct workload *w, struct request *r, enum verb v, uint32_t key)
{
	uint32_t len;

	r->verb = (uint8_t)v;
	r->key = key;
	r->may = MAY(OK);
	r->ttl = (uint32_t)spread_draw(&w->settings->ttl, &w->random);
	if (key & KEYS_NUMBER) {
		r->number = random_below(&w->random, 1000000);
		return;
	}
	r->pieces = 1;
	len = (uint32_t)spread_draw(&w->settings->size, &w->random);
	r->piece[0] = (struct piece){ ++w->version, len < w->least ? w->least : len };
}

/* ---- storing each key once ---- */

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
	p->plan = (struct plan){ .next = next, .free = preload_free };
	workload_init(&p->work, s, 0);
	return &p->plan;
}
