/* Nodes, their stores and their instances: see node.h. */
#include "engine/node.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "engine/bypass.h"
#include "engine/flow.h"
#include "engine/flow_check.h"
#include "engine/glance.h"
#include "engine/guard.h"
#include "engine/holds.h"
#include "engine/join.h"
#include "engine/metrics.h"
#include "engine/object.h"
#include "engine/op.h"
#include "engine/repair.h"
#include "engine/worker.h"
#include "rend/log.h"

/* What a node lets in if its plugin does not say. */
#define TIME_DEFAULT	     30000000000ULL
#define QUEUE_DEFAULT	     16384

#define UNKNOWN_HOLD_DEFAULT 30000000000ULL

/* Bytes that stores may have given to values which have not come, on one worker; beside one value of any size. */
#define RESERVED_MAX (64 << 20)

struct rend_node *
node_new(const char *name, struct plugin *plugin, void *conf, void (*free_conf)(void *))
{
	static uint64_t ids;
	struct rend_node *n = calloc(1, sizeof *n);

	if (n != NULL)
		n->name = strdup(name);
	if (n == NULL || n->name == NULL) {
		free(n);
		if (free_conf != NULL)
			free_conf(conf);
		return NULL;
	}
	n->magic = NODE_MAGIC;
	n->id = ++ids;
	n->plugin = plugin;
	n->conf = conf;
	n->free_conf = free_conf;
	return n;
}

static bool
is_policy(const struct rend_node *n)
{
	return n->plugin->policy.name != NULL;
}

bool
node_guards(const struct rend_node *n)
{
	for (unsigned v = 0; n->walks != NULL && v < REND_VERB_COUNT; v++)
		if (n->walks[v].guard != REND_UNGUARDED)
			return true;
	return false;
}

static bool
any_step(const struct rend_node *n, bool (*is)(const struct rend_step *step))
{
	for (unsigned v = 0; n->walks != NULL && v < REND_VERB_COUNT; v++)
		for (const struct rend_step *s = n->walks[v].steps; s != NULL && s[1].name != NULL; s++)
			if (is(&s[1]))
				return true;
	return false;
}

static bool
has_lease(const struct rend_step *step)
{
	return step->lease != REND_NO_LEASE;
}

static bool
has_repair(const struct rend_step *step)
{
	return step->repair;
}

bool
node_copies(const struct rend_node *n)
{
	return node_guards(n) || any_step(n, has_lease);
}

uint32_t
node_can(const struct rend_node *n)
{
	const struct rend_handler *h = &n->plugin->handler;

	return h->can | (h->promises == NULL ? 0 : h->promises(n->conf));
}

uint32_t
rend_node_can(const struct rend_node *node)
{
	return is_policy(node) ? 0 : node_can(node);
}

bool
rend_node_up(const struct rend_node *node, const struct rend_worker *w)
{
	const struct instance *in = node->instances[w->index];

	if (!is_policy(node))
		return in != NULL && instance_up(in);
	for (int i = 0; i < node->tier_count; i++)
		if (node->tiers[i] != bypass_of(node) && rend_node_up(node->tiers[i], w))
			return true;
	return false;
}

/* Copies are kept right by asking the guard when they are made: whoever cannot is no place for them. */
static int
check_l1(const struct rend_node *n, struct rend_error *err)
{
	const struct rend_node *l1 = n->tiers[0];

	if (!node_copies(n) || n->tier_count == 0 || (node_can(l1) & (REND_CAN_GUARD | REND_CAN_LEASE)))
		return 0;
	return error_set(err, EX_CONFIG,
	    "%s = \"%s\": plugin %s cannot keep copies for %s: it neither asks the guard that keeps old ones out, as "
	    "inmem does, nor has leases, as memcached has",
	    n->plugin->policy.tiers[0], l1->name, plugin_name(l1->plugin), n->plugin->policy.name);
}

int
node_check(struct rend_node *n, struct rend_error *err)
{
	const struct rend_policy *p = &n->plugin->policy;
	uint32_t l1_can;

	if (!is_policy(n)) {
		const struct rend_handler *h = &n->plugin->handler;

		return h->check == NULL ? 0 : h->check(n->conf, err);
	}
	l1_can = n->tier_count > 0 ? node_can(n->tiers[0]) : 0;
	if (p->check != NULL && p->check(n->conf, l1_can, err) != 0)
		return -1;
	n->walks = p->pick(n->conf, l1_can);
	if (n->walks == NULL)
		return error_set(err, EX_SOFTWARE, "%s has no tables for these options", p->name);
	if (n->bypassed != 0 && bypass_tables(n) != 0)
		return error_set(err, EX_OSERR, "no memory for the tables of %s", n->name);
	if (check_l1(n, err) != 0)
		return -1;
	return flow_check(p, n->walks, n->tier_count, l1_can, err);
}

static void
unsupported(void *inst, struct rend_op *op)
{
	(void)inst;
	rend_done(op, REND_UNSUPPORTED);
}

static void
walk(void *inst, struct rend_op *op)
{
	flow_start(inst, op);
}

/* The words are the L1 node's, so that every policy over it shares them. */
static int
make_guard(struct rend_node *l1, struct rend_error *err)
{
	struct holds *holds = NULL;

	if (l1->guard == NULL)
		__atomic_store_n(&l1->guard, guard_new(), __ATOMIC_RELEASE);
	if (l1->guard != NULL && l1->holds == NULL) {
		holds = holds_new(l1->guard, l1->unknown_hold != 0 ? l1->unknown_hold : UNKNOWN_HOLD_DEFAULT);
		__atomic_store_n(&l1->holds, holds, __ATOMIC_RELEASE);
	}
	if (l1->guard == NULL || l1->holds == NULL)
		return error_set(err, EX_OSERR, "no memory for the guard of %s", l1->name);
	return 0;
}

/* So is what should have been deleted there.  What was, before we began, only one who shares it with nobody knows: nothing. */
static int
make_repair(struct rend_node *l1, struct rend_error *err)
{
	struct repair *repair;

	if (l1->repair == NULL) {
		repair = repair_new(l1->name, node_parts(l1), (node_can(l1) & REND_CAN_EXCLUDE) != 0);
		__atomic_store_n(&l1->repair, repair, __ATOMIC_RELEASE);
	}
	if (l1->repair == NULL)
		return error_set(err, EX_OSERR, "no memory for what is to be deleted from %s", l1->name);
	return 0;
}

static int
policy_open(struct rend_node *n, struct rend_error *err)
{
	for (unsigned v = 0; v < REND_VERB_COUNT; v++) {
		n->on[v] = n->walks[v].steps == NULL ? unsupported : walk;
		n->passes[v] = flow_passes(n, v);
	}
	glance_find(n);
	if (node_guards(n) && make_guard((struct rend_node *)(uintptr_t)n->tiers[0], err) != 0)
		return -1;
	if (any_step(n, has_repair) && make_repair((struct rend_node *)(uintptr_t)n->tiers[0], err) != 0)
		return -1;
	n->modes = REND_MODES_ALL; /* the tiers refuse what they do not know */
	if (flow_counts_new(n) != 0)
		return error_set(err, EX_OSERR, "no memory for counters");
	return 0;
}

void
node_ask(struct rend_node *n, rend_op_f *fn)
{
	const struct rend_handler *h = &n->plugin->handler;

	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		__atomic_store_n(&n->on[v],
		    fn != NULL	       ? fn
		    : h->on[v] != NULL ? h->on[v]
		    : h->any != NULL   ? h->any
				       : unsupported,
		    __ATOMIC_RELEASE);
}

/* With what the process before left.  false: it cannot be used. */
static bool
handler_take(struct rend_node *n)
{
	struct rend_parcel *p = n->parcel;
	struct rend_error why = { 0 };

	if (p == NULL || n->plugin->handler.take == NULL)
		return false;
	if (n->plugin->handler.take(&n->store, n->conf, n, p, &why) != 0) {
		rend_log(REND_LOG_WARN, "%s: begins empty: %s", n->name, why.text);
		metrics_free(n);
		return false;
	}
	p->fd_count = 0;
	rend_log(REND_LOG_INFO, "%s: has what the process before had", n->name);
	return true;
}

static int
handler_open(struct rend_node *n, struct rend_error *err)
{
	const struct rend_handler *h = &n->plugin->handler;

	node_ask(n, NULL);
	n->modes = h->policy ? REND_MODES_ALL : REND_MODES_BASE | h->modes;
	if (node_can(n) & REND_CAN_GUARD)
		n->modes |= REND_ONLY_EARLIER;
	if (h->parts != NULL)
		n->modes |= REND_ONLY_PART;
	if (h->limits != NULL)
		h->limits(n->conf, &n->limits);
	n->store = n->conf;
	if (handler_take(n) || h->open == NULL || h->open(&n->store, n->conf, n, err) == 0)
		return 0;
	/* What it was told has been checked by now: it is refused memory, or a disk, which may be there later. */
	if (err->exit_code == 0)
		err->exit_code = EX_OSERR;
	return -1;
}

/* Plugins say what is wrong, not with whom. */
static void
name_node(const struct rend_node *n, struct rend_error *err)
{
	error_set(err, err->exit_code, "%s: %s", n->name, err->text);
}

/* Where the copies are that are looked for first, if it wants to be told. */
static const struct rend_node *
find_hinted(const struct rend_node *n)
{
	const struct rend_node *l1 = rend_node_l1(n);

	return l1->plugin->handler.prefetch != NULL ? l1 : NULL;
}

int
node_open(struct rend_node *n, struct rend_error *err)
{
	REND_CHECK(n, NODE_MAGIC);
	if (n->idle)
		return 0;
	if ((is_policy(n) ? policy_open(n, err) : handler_open(n, err)) != 0) {
		name_node(n, err);
		metrics_free(n);
		flow_counts_free(n);
		return -1;
	}
	if (n->limits.time == 0)
		n->limits.time = TIME_DEFAULT;
	if (n->limits.queue == 0)
		n->limits.queue = QUEUE_DEFAULT;
	n->hinted = find_hinted(n);
	n->opened = true;
	return 0;
}

bool
node_opens_beside(const struct rend_node *n)
{
	const struct rend_handler *h = &n->plugin->handler;

	return !is_policy(n) && !h->policy && h->claims == NULL && h->take == NULL && h->release == NULL;
}

void
node_drain(struct rend_node *n, uint64_t deadline)
{
	const struct rend_handler *h = &n->plugin->handler;
	struct rend_error err = { 0 };

	REND_CHECK(n, NODE_MAGIC);
	if (n->opened && !n->released && !n->in_use && h->drain != NULL && h->drain(n->store, deadline, &err) != 0)
		rend_log(REND_LOG_ERROR, "%s: %s", n->name, err.text);
}

bool
node_memory(const struct rend_node *n, uint64_t *bytes)
{
	const struct rend_handler *h = &n->plugin->handler;

	if (!n->opened || h->memory == NULL)
		return false;
	*bytes = h->memory(n->store);
	return true;
}

uint32_t
node_parts(const struct rend_node *n)
{
	const struct rend_handler *h = &n->plugin->handler;
	uint32_t parts = h->parts == NULL ? 1 : h->parts(n->conf);

	return parts == 0 ? 1 : parts;
}

const char *
node_claim(const struct rend_node *n, unsigned nth)
{
	const struct rend_handler *h = &n->plugin->handler;

	return h->claims == NULL ? NULL : h->claims(n->conf, nth);
}

void
node_close(struct rend_node *n)
{
	const struct rend_handler *h = &n->plugin->handler;

	REND_CHECK(n, NODE_MAGIC);
	if (!n->opened)
		return;
	n->opened = false;
	if (!is_policy(n) && h->close != NULL)
		h->close(n->store);
	n->store = NULL;
	metrics_free(n);
	flow_counts_free(n);
}

void
node_free(struct rend_node **np)
{
	struct rend_node *n = *np;

	*np = NULL;
	if (n == NULL)
		return;
	REND_CHECK(n, NODE_MAGIC);
	REND_ASSERT(!n->opened);
	for (int i = 0; i < NODE_WORKERS_MAX; i++) {
		struct instance *in = n->detached[i];

		if (in == NULL)
			continue;
		free(in->counts);
		free(in);
	}
	holds_free(&n->holds);
	guard_free(&n->guard);
	repair_free(&n->repair);
	objects_free(n);
	bypass_free(n);
	if (n->free_conf != NULL)
		n->free_conf(n->conf);
	free(n->name);
	n->magic = 0;
	free(n);
}

const char *
rend_node_name(const struct rend_node *node)
{
	return node->name;
}

/* Whom a policy without tables asks first. */
static const struct rend_node *
first_asked(const struct rend_node *n)
{
	const struct rend_option *opt = plugin_options(n->plugin);

	for (; opt != NULL && opt->name != NULL; opt++)
		if (opt->type == REND_HANDLER || opt->type == REND_NODE) {
			const struct rend_node *to;

			memcpy(&to, (const char *)n->conf + opt->at, sizeof(void *));
			return to;
		}
	return NULL;
}

const struct rend_node *
rend_node_l1(const struct rend_node *node)
{
	for (;;) {
		const struct rend_node *below = is_policy(node)		       ? node->tiers[node->bypassed == 1]
						: node->plugin->handler.policy ? first_asked(node)
									       : NULL;

		if (below == NULL)
			return node;
		node = below;
	}
}

int
node_attach(struct rend_node *n, struct rend_worker *w, struct rend_error *err)
{
	const struct rend_handler *h = &n->plugin->handler;
	struct instance *in;

	if (n->idle)
		return 0;
	in = calloc(1, sizeof *in);
	/* A line of its own for each worker, or counting would pass lines between them. */
	if (in == NULL || posix_memalign((void **)&in->counts, 64, sizeof *in->counts) != 0) {
		free(in);
		return error_set(err, EX_OSERR, "no memory for %s on worker %d", n->name, w->index);
	}
	memset(in->counts, 0, sizeof *in->counts);
	in->node = n;
	in->worker = w;
	in->self = is_policy(n) ? (void *)in : n->store;
	if (!is_policy(n) && h->attach != NULL && h->attach(&in->self, n->store, w, err) != 0) {
		free(in->counts);
		free(in);
		return -1;
	}
	list_append(&w->instances, &in->attached);
	instance_look(in);
	/* Readers of counters look from other threads. */
	__atomic_store_n(&n->instances[w->index], in, __ATOMIC_RELEASE);
	return 0;
}

bool
node_detach(struct rend_node *n, struct rend_worker *w)
{
	const struct rend_handler *h = &n->plugin->handler;
	struct instance *in = n->instances[w->index];

	if (in == NULL)
		return true;
	link_remove(&in->attached);
	link_remove(&in->touched);
	if (!is_policy(n) && h->detach != NULL && !n->in_use)
		h->detach(in->self);
	__atomic_store_n(&n->instances[w->index], NULL, __ATOMIC_RELEASE);
	if (in->in_flight != 0) {
		rend_log(
		    REND_LOG_ERROR, "%s did not finish %u ops when it was detached", n->name, (unsigned)in->in_flight);
		return false; /* they point to it */
	}
	join_free(&in->join);
	n->detached[w->index] = in;
	return true;
}

void
node_prefetch(const struct rend_node *n, struct rend_worker *w, const uint64_t *hashes, size_t count)
{
	struct instance *in = n->hinted->instances[w->index];
	const struct instance *outer = worker_call(w, in);

	in->node->plugin->handler.prefetch(in->self, hashes, count);
	worker_call(w, outer);
}

/* Who gets it in the end, if all on the way only pass it on. */
static const struct rend_node *
stored_by(const struct rend_node *n, unsigned verb)
{
	while (n->walks != NULL) {
		n = n->passes[verb];
		if (n == NULL)
			return NULL;
	}
	return n;
}

bool
node_reserve(const struct rend_node *to, const struct rend_op *op, size_t size, struct rend_value *body)
{
	const struct rend_node *n = stored_by(to, op->verb);
	struct rend_worker *w = op->worker;
	const struct instance *outer;
	struct instance *in;

	if (n == NULL || n->plugin->handler.reserve == NULL || node_is_given(n) || (op->ask.mode & ~n->modes))
		return false;
	if (w->reserved != 0 && (size > RESERVED_MAX || w->reserved > RESERVED_MAX - size))
		return false;
	in = n->instances[w->index];
	outer = worker_call(w, in);
	n->plugin->handler.reserve(in->self, op->hash, size, body);
	worker_call(w, outer);
	if (body->len == size)
		return true;
	if (body->len != 0)
		rend_log(REND_LOG_ERROR, "%s reserved %zu bytes where %zu were asked for: they are not used", n->name,
		    body->len, size);
	rend_value_drop(body);
	return false;
}

bool
node_up(const struct rend_node *n)
{
	int of;

	if (!is_policy(n))
		return node_reached(n, &of) > 0;
	for (int i = 0; i < n->tier_count; i++)
		if (n->tiers[i] != bypass_of(n) && node_up(n->tiers[i]))
			return true;
	return false;
}
