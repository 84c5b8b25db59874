/* Alive, and ready: see health.h. */
#include "net/health.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "engine/generation.h"
#include "net/listener.h"
#include "net/server.h"

/* One examination: what was found wrong is always written, what is well only for those who want all. */
struct exam {
	struct strbuf *out;
	bool verbose, passed;
};

__attribute__((format(printf, 3, 4))) static void
found(struct exam *x, bool well, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	x->passed = x->passed && well;
	if (well && !x->verbose)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	strbuf_printf(x->out, "%s %s\n", well ? "[+]" : "[-]", line);
}

static void
look_at_workers(struct exam *x, const struct server *s)
{
	uint64_t now = clock_mono();

	for (int i = 0; i < s->loop_count; i++) {
		uint64_t missing = pulse_missing(&s->loops[i], now);
		const struct rend_node *at = missing > PULSE_DEAD_NS ? worker_at(&s->loops[i].worker) : NULL;

		if (missing <= PULSE_DEAD_NS)
			found(x, true, "worker %d turns", i);
		else
			found(x, false, "worker %d has not turned for %llu ms%s%s", i,
			    (unsigned long long)(missing / 1000000), at == NULL ? "" : ": it is in node ",
			    at == NULL ? "" : at->name);
	}
}

static void
look_at_nodes(struct exam *x, const struct server *s)
{
	const struct generation *g = server_generation(s);

	for (size_t i = 0; i < server_listeners(s); i++) {
		const struct rend_node *policy = s->listeners[i].own.policy;

		if (__atomic_load_n(&s->listeners[i].closed, __ATOMIC_RELAXED))
			continue;
		found(x, node_up(policy), "%s: policy %s %s", s->listeners[i].name, policy->name,
		    node_up(policy) ? "can answer" : "reaches none of its tiers");
	}
	/* Nobody need mind a node whose policy has another one. */
	for (size_t i = 0; i < g->count && x->verbose; i++) {
		int of, up = node_reached(g->nodes[i], &of);

		if (g->nodes[i]->idle)
			strbuf_printf(x->out, "[+] node %s is bypassed\n", g->nodes[i]->name);
		else if (g->nodes[i]->walks == NULL)
			strbuf_printf(x->out, "%s node %s is reached by %d of %d workers\n", up > 0 ? "[+]" : "[-]",
			    g->nodes[i]->name, up, of);
	}
}

/* What it comes to, behind what was written. */
static bool
passed(const struct exam *x)
{
	if (x->passed)
		strbuf_puts(x->out, "ok\n");
	return x->passed;
}

bool
health_live(const struct server *s, struct strbuf *out)
{
	struct exam x = { .out = out, .passed = true };

	if (server_serves(s))
		look_at_workers(&x, s);
	return passed(&x);
}

/* When it drains all are closed, and how many there were is no matter. */
static unsigned
listeners_open(const struct server *s)
{
	unsigned open = 0;

	for (size_t i = 0; i < server_listeners(s); i++)
		open += !__atomic_load_n(&s->listeners[i].closed, __ATOMIC_RELAXED);
	return open;
}

bool
health_ready(const struct server *s, bool verbose, struct strbuf *out)
{
	struct exam x = { .out = out, .verbose = verbose, .passed = true };
	bool draining = __atomic_load_n(&s->draining, __ATOMIC_RELAXED);
	unsigned paused = __atomic_load_n(&s->accept_paused, __ATOMIC_RELAXED), open;

	if (!server_serves(s)) {
		found(&x, false, "it is still starting");
		return passed(&x);
	}
	open = listeners_open(s);
	found(&x, !draining, draining ? "it is ending" : "it serves");
	if (paused == 0)
		found(&x, true, "its listeners take clients in: %u", open);
	else
		found(&x, false, "%u of %u listeners take nobody in for want of descriptors", paused, open);
	look_at_workers(&x, s);
	look_at_nodes(&x, s);
	return passed(&x);
}
