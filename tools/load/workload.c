/* What all plans draw from: see workload.h. */
#include "workload.h"

#include <inttypes.h>
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
	w->only = VERB_COUNT;
	for (enum verb v = 0; v < VERB_COUNT; v++)
		if (s->mix_all > 0 && s->mix[v] == s->mix_all)
			w->only = v;
}

enum verb
workload_verb(struct workload *w)
{
	const struct settings *s = w->settings;
	double at;
	enum verb v;

	if (w->only != VERB_COUNT)
		return w->only;
	at = random_real(&w->random) * s->mix_all;
	for (v = 0; v < VERB_COUNT - 1 && at >= s->mix[v]; v++)
		at -= s->mix[v];
	/* Rounding may have led past the last one. */
	while (!(s->mix[v] > 0))
		v--;
	return v;
}

uint32_t
workload_own(const struct workload *w, uint32_t wire)
{
	uint32_t wires = w->settings->connections;

	return w->keys.count / wires + (wire < w->keys.count % wires);
}

uint32_t
workload_own_key(const struct workload *w, uint32_t wire, uint32_t n)
{
	return wire + n * w->settings->connections;
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

void
workload_watch(struct workload *w, const struct target *t)
{
	const struct settings *s = w->settings;

	if (inquiry_number(t, s->proto, s->timeout, "", "evictions", &w->evictions))
		w->target = t;
}

void
workload_tell(const struct workload *w, FILE *to)
{
	const struct settings *s = w->settings;
	uint64_t now;

	if (to == NULL || w->target == NULL || s->may_evict ||
	    !inquiry_number(w->target, s->proto, s->timeout, "", "evictions", &now) || now <= w->evictions)
		return;
	fprintf(to,
	    "the server has evicted %" PRIu64
	    " items meanwhile: a miss may be one of them (with --may-evict it is no fault)\n",
	    now - w->evictions);
}
