/* Goes every path of a policy: see policy_kit.h. */
#include "policy_kit.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "engine/flow.h"
#include "engine/flow_check.h"
#include "engine/glance.h"
#include "engine/guard.h"
#include "engine/op.h"
#include "engine/worker.h"
#include "elsewhere.h"
#include "graph.h"
#include "script.h"
#include "words.h"

#define PATIENCE_S 10		  /* for an answer from the other thread */
#define TIER_NS	   1000000000ULL  /* a tier's time; the clock is the kit's, so nobody waits for it */
#define HOLD_NS	   30000000000ULL /* how long a word is held if the block of tier 0 does not say */
#define LATE_MAX   SCRIPT_STOPS

/* What happens to the key's guard word besides. */
enum trouble {
	QUIET,
	EARLY,	 /* somebody writes before the walk may have looked at the word */
	BETWEEN, /* somebody writes while the walk goes */
	CROWD,	 /* somebody writes all the time */
	TROUBLES,
};

static struct {
	const struct policy_kit *kit;
	const struct rend_walk *promised; /* the policy's own tables */
	FILE *out;
	unsigned wrong;
	struct graph g;
	uint64_t ended[REND_VERB_COUNT][FLOW_ROWS_MAX][3];
	struct elsewhere *elsewhere;
	const struct rend_node
	    *glance; /* what the policy's gets may begin with, if the tier says that it answers at once */
	/* the run */
	struct script *script;
	char name[2048];
	enum trouble trouble;
	bool troubled; /* it has happened */
	unsigned at;   /* stops behind us */
	bool complained;
	struct rend_op *op; /* the client's; NULL: answered and freed */
	unsigned answers;
	enum rend_status status;
	struct words_item answered;
	struct rend_op *held; /* is answered later */
	struct words_item held_found;
	enum rend_status held_status;
	struct rend_op *late[LATE_MAX]; /* not answered in time */
	const struct stop *late_stop[LATE_MAX];
	bool open;		    /* a write may happen yet, and nobody will say */
	unsigned late_count, waits; /* waits: of the late ones, that nobody has been told of */
	struct rend_guard crowd;
} k;

static void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* One complaint per run: what follows from it would be noise. */
static void
complain(const char *fmt, ...)
{
	va_list ap;

	if (k.complained)
		return;
	k.complained = true;
	k.wrong++;
	fprintf(k.out, "%s (%s): ", k.kit->policy->name, k.name);
	va_start(ap, fmt);
	vfprintf(k.out, fmt, ap);
	va_end(ap);
	fputc('\n', k.out);
}

/* ---- tiers ---- */

static struct guard *
words(void)
{
	return k.g.tier_count == 0 ? NULL : k.g.tiers[0]->guard;
}

static unsigned
writers(uint64_t hash)
{
	struct rend_guard g;

	guard_read(words(), hash, &g);
	return g.seen & 0xffff;
}

static void
somebody_writes(uint64_t hash)
{
	struct rend_guard g;

	guard_write(words(), hash, &g);
	guard_end(&g);
	k.troubled = true;
}

static void
make_trouble(const struct script *s, unsigned at, uint64_t hash)
{
	bool begun = script_guarded(s, k.promised[s->slot].guard, at);

	if (words() == NULL || k.promised[s->slot].guard == REND_UNGUARDED)
		return;
	if (k.trouble == EARLY && !begun)
		somebody_writes(hash);
	if (k.trouble == BETWEEN && begun && !k.troubled)
		somebody_writes(hash);
}

/* Writers the word must have while the walk goes. */
static unsigned
writers_due(const struct script *s)
{
	return (k.promised[s->slot].guard == REND_WRITES) + (k.crowd.words != NULL);
}

/* May a guarded row store? */
static bool
alone(void)
{
	return k.trouble != CROWD && !(k.trouble == BETWEEN && k.troubled);
}

static void
check_guard(const struct script *s, const struct stop *stop, const struct rend_op *op)
{
	if ((op->guard != NULL) != stop->step->guarded)
		complain("row %s %s a guard", stop->step->name, op->guard != NULL ? "carries" : "does not carry");
	if (stop->step->guarded && rend_guard_holds(op) != alone())
		complain("at row %s, the guard %s", stop->step->name, alone() ? "does not hold" : "holds");
	if (words() != NULL && k.promised[s->slot].guard != REND_UNGUARDED && writers(op->hash) != writers_due(s))
		complain("at row %s, the word has %u writers instead of %u", stop->step->name, writers(op->hash),
		    writers_due(s));
	/* A flush is a write to every key. */
	if (s->slot == REND_FLUSH_ALL && k.promised[s->slot].guard == REND_WRITES && writers(op->hash + 1) != 1)
		complain("at row %s, another word has %u writers", stop->step->name, writers(op->hash + 1));
}

#define SAY(item) words_say(item, (char[TEXT_SAID]){ 0 })

static void
check_ask(const struct stop *stop, const struct rend_op *op)
{
	struct words_item item = words_of(&op->item);
	struct rend_ask ask = op->ask;

	if (stop->ask.cas_new == SCRIPT_OWN_VERSION && (ask.cas_new & SCRIPT_OWN_VERSION))
		ask.cas_new = SCRIPT_OWN_VERSION;
	if (stop->ask.vivify == SCRIPT_LEASE_TIME && ask.vivify == rend_wall() + REND_LEASE_TIME)
		ask.vivify = SCRIPT_LEASE_TIME;
	/* The client's own op has what no get looks at. */
	if (op == k.op)
		ask.delta = stop->ask.delta;
	if (op->verb != stop->step->verb)
		complain("row %s asks %s", stop->step->name, rend_verb_name(op->verb));
	if (memcmp(&ask, &stop->ask, sizeof ask) != 0)
		complain("row %s asks %s instead of %s", stop->step->name, script_ask_say(&op->ask, (char[256]){ 0 }),
		    script_ask_say(&stop->ask, (char[256]){ 0 }));
	if (!words_same(&item, &stop->item))
		complain("row %s brings %s instead of %s", stop->step->name, SAY(&item), SAY(&stop->item));
}

#define KEY "key of the kit"

static void
check_key(const struct script *s, const struct rend_op *op)
{
	size_t len = s->slot == REND_FLUSH_ALL ? 0 : sizeof KEY - 1;

	if (op->keylen != len || memcmp(op->key, KEY, len) != 0 || op->hash != hash_key(KEY, len))
		complain("the key is another one");
}

/* Is the client answered?  It may not have been told yet. */
static bool
client_answered(void)
{
	return k.op == NULL || k.op->state == OP_READY || k.op->state == OP_DONE;
}

/* The row that comes now, or NULL if none may. */
static struct stop *
next_stop(const char *what, const char *name)
{
	struct stop *stop = k.at < k.script->len ? &k.script->stops[k.at] : NULL;

	if (stop == NULL) {
		complain("%s %s after the end of the path", what, name);
		return NULL;
	}
	if (stop->late != client_answered())
		complain(
		    "at row %s, the client is %s", stop->step->name, stop->late ? "still waiting" : "answered already");
	k.at++;
	k.ended[k.script->slot][stop->row][stop->outcome]++;
	return stop;
}

/* The engine's own, because too much of tier 0 is in doubt: it is nobody's path. */
static bool
is_repair(const struct rend_op *op)
{
	const struct rend_op *root = op;

	while (root->parent != NULL)
		root = root->parent;
	return op->verb == REND_FLUSH_ALL && root != k.op;
}

static void
tier_any(void *inst, struct rend_op *op)
{
	const struct rend_node *tier = *(struct rend_node **)inst;
	struct stop *stop;

	if (is_repair(op)) {
		rend_done(op, REND_OK);
		return;
	}
	stop = next_stop("somebody asks", rend_node_name(tier));

	if (stop != NULL && (stop->step->run != NULL || k.g.tiers[stop->step->tier] != tier))
		complain("%s is asked where row %s should be", rend_node_name(tier), stop->step->name);
	if (stop == NULL || k.complained) {
		rend_done(op, REND_IO);
		return;
	}
	make_trouble(k.script, k.at - 1, op->hash);
	check_key(k.script, op);
	check_ask(stop, op);
	check_guard(k.script, stop, op);
	switch (stop->manner) {
	case AT_ONCE:
		words_answer(op, stop->said, &stop->found);
		return;
	case LATER:
		k.held = op;
		k.held_status = stop->said;
		k.held_found = stop->found;
		return;
	case ELSEWHERE:
		elsewhere_give(k.elsewhere, op, stop->said, &stop->found);
		return;
	case NEVER:
		k.late_stop[k.late_count] = stop;
		k.late[k.late_count++] = op;
		k.waits++;
		return;
	}
}

/* A row with a function: the policy's own one runs too, but its word does not count. */
static enum rend_outcome
run_row(struct rend_flow *flow)
{
	bool asked;
	enum rend_status last = script_last(k.script, k.at, &asked);
	struct stop *stop = next_stop("a function", "runs");

	if (stop == NULL || stop->step->run == NULL) {
		complain("a function runs where row %s should be", stop == NULL ? "none" : stop->step->name);
		return REND_FAIL;
	}
	if (flow->conf != k.kit->conf)
		complain("row %s sees other options", stop->step->name);
	if ((flow->kid != NULL) != asked)
		complain("row %s %s an answered op", stop->step->name, asked ? "does not see" : "sees");
	if (flow->kid != NULL && flow->kid->status != last)
		complain("row %s sees status %s instead of %s", stop->step->name, rend_status_name(flow->kid->status),
		    rend_status_name(last));
	if (!rend_flow_up(flow, 0) || rend_flow_up(flow, REND_TIERS_MAX))
		complain("row %s is told wrong which tiers are up", stop->step->name);
	stop->step->run(flow);
	return stop->outcome;
}

static void
tier_limits(const void *conf, struct rend_limits *limits)
{
	limits->time = TIER_NS;
}

static const struct rend_handler scripted = {
	.name = "scripted",
	.doc = "Does as the path says.",
	.modes = REND_MODES_ALL,
	.limits = tier_limits,
	.any = tier_any,
};

/* ---- one run ---- */

static void
client_done(struct rend_op *op)
{
	k.answers++;
	if (op != k.op) {
		complain("somebody else's op is done, or it is so twice");
		return;
	}
	k.status = (enum rend_status)op->status;
	/* Given up by its submitter: its item is the tier's. */
	if (op->state == OP_DONE)
		k.answered = words_of(&op->item);
	rend_op_free(&k.op);
}

static void
turn(void)
{
	clock_tick();
	worker_turn(&k.g.worker);
	worker_flush(&k.g.worker);
}

/* Is an answer on its way from the other thread? */
static bool
somebody_is_away(void)
{
	uint64_t in_flight = 0;

	for (int i = 0; i < k.g.tier_count; i++)
		in_flight += node_in_flight(k.g.tiers[i]);
	return in_flight > k.late_count + (k.held != NULL);
}

/* Does the next thing that somebody waits for.  false: nobody does. */
static bool
progress(uint64_t *now)
{
	if (k.held != NULL) {
		struct rend_op *op = k.held;

		k.held = NULL;
		words_answer(op, k.held_status, &k.held_found);
	} else if (somebody_is_away()) {
		struct pollfd p = { .fd = k.g.worker.inbox.fd, .events = POLLIN };

		if (poll(&p, 1, PATIENCE_S * 1000) != 1) {
			complain("no answer from the other thread");
			return false;
		}
	} else if (k.waits > 0) {
		k.waits = 0;
		*now += 2 * TIER_NS;
		clock_fake(*now, 1000000);
	} else if (!worker_ready(&k.g.worker)) {
		return false;
	}
	turn();
	return true;
}

/* Is it a write to a tier whose truth the guard protects, and does this status leave open whether it happens yet? */
static bool
leaves_open(const struct stop *stop, enum rend_status status)
{
	uint32_t writing = REND_ALSO_TOUCH | REND_VIVIFY | REND_RECACHE;

	if (words() == NULL || k.promised[k.script->slot].guard != REND_WRITES || stop->step->run != NULL ||
	    stop->step->tier == 0)
		return false;
	if (stop->step->verb == REND_GET && !(stop->ask.mode & writing))
		return false;
	return status == REND_LOST || status == REND_TIMEOUT || status == REND_IO || status == REND_CORRUPT;
}

static void
note_open(const struct script *s)
{
	for (unsigned i = 0; i < s->len; i++)
		if (s->stops[i].manner != NEVER && leaves_open(&s->stops[i], s->stops[i].status))
			k.open = true;
}

static void
check_end(uint64_t hash)
{
	const struct script *s = k.script;

	note_open(s);

	if (k.at != s->len)
		complain("it ended before row %s", s->stops[k.at].step->name);
	if (k.answers != 1)
		complain("the client was answered %u times", k.answers);
	if (k.status != s->answer)
		complain("the answer is %s instead of %s", rend_status_name(k.status), rend_status_name(s->answer));
	if (rend_outcome(s->answer) == REND_YES && !words_same(&k.answered, &s->answered))
		complain("the client gets %s instead of %s", SAY(&k.answered), SAY(&s->answered));
	if (words() != NULL && k.promised[s->slot].guard == REND_WRITES &&
	    writers(hash) != (k.late_count > 0 || k.open) + (unsigned)(k.crowd.words != NULL))
		complain("after the walk the word has %u writers, with %u answers outstanding%s", writers(hash),
		    k.late_count, k.open ? " and one that will not come" : "");
}

/* Those who had given up on them are not told, and everything is given back. */
static void
check_left(uint64_t hash, unsigned round, uint64_t *now)
{
	while (k.late_count > 0) {
		struct rend_op *op = k.late[--k.late_count];
		const struct stop *stop = k.late_stop[k.late_count];
		enum rend_status status = round % 2 ? REND_LOST : REND_OK;

		/* Whoever is late asks, too. */
		if (op->guard != NULL && rend_guard_holds(op) != alone())
			complain("for a late one, the guard %s", alone() ? "does not hold" : "holds");
		k.open |= leaves_open(stop, status);
		words_answer(op, status, &stop->found);
	}
	turn();
	guard_end(&k.crowd);
	if (words() != NULL && writers(hash) != k.open)
		complain("when all answers have come the word has %u writers", writers(hash));
	if (k.open) {
		*now += HOLD_NS - TIER_NS;
		clock_fake(*now, 1000000);
		turn();
		if (writers(hash) != 1)
			complain("a word is held by %u for less than its time", writers(hash));
		*now += 2 * TIER_NS;
		clock_fake(*now, 1000000);
		turn();
	}
	if (k.answers != 1)
		complain("a late answer reached the client");
	if (worker_ops(&k.g.worker) != 0)
		complain("%zu ops are left", worker_ops(&k.g.worker));
	if (words_left() != 0)
		complain("%u values are left", words_left());
	if (words() != NULL && writers(hash) != 0)
		complain("the word has %u writers in the end", writers(hash));
}

static void
submit(const struct script *s)
{
	struct rend_op *op = op_new(&k.g.worker, KEY, s->slot == REND_FLUSH_ALL ? 0 : sizeof KEY - 1);

	op->verb = (uint8_t)s->verb;
	op->ask = s->ask;
	op->done = client_done;
	op->item.flags = s->sent.flags;
	op->item.exptime = s->sent.exptime;
	words_give(&op->item.value, s->sent.text);
	k.op = op;
	if (rend_submit(k.g.policy, op))
		client_done(op);
}

static void
run_once(struct script *s, unsigned round)
{
	static uint64_t now = TIER_NS;
	uint64_t hash = hash_key(KEY, s->slot == REND_FLUSH_ALL ? 0 : sizeof KEY - 1);

	script_plan(s, round);
	script_name(s, k.name, sizeof k.name);
	k.script = s;
	k.trouble = (enum trouble)(round / 3 % TROUBLES);
	k.troubled = k.complained = k.open = false;
	k.at = k.answers = k.waits = 0;
	clock_fake(now, 1000000);
	if (k.trouble == CROWD && words() != NULL)
		guard_write(words(), hash, &k.crowd);
	submit(s);
	while (progress(&now))
		continue;
	check_end(hash);
	check_left(hash, round, &now);
}

/* As run_once(), by a tier that promises to answer at once, where it does. */
static void
run_glancing(struct script *s, unsigned round)
{
	script_plan(s, round);
	if (s->slot != REND_GET || s->stops[0].manner != AT_ONCE)
		return;
	k.g.policy->glance = k.glance;
	run_once(s, round);
	k.g.policy->glance = NULL;
}

static void
run_path(struct script *s, void *arg)
{
	/* A flush takes a million words: a few rounds have to do. */
	bool dear = s->slot == REND_FLUSH_ALL && k.promised[s->slot].guard == REND_WRITES;

	for (unsigned round = 0; round < SCRIPT_ROUNDS && k.wrong < 20; round += dear ? 7 : 1) {
		run_once(s, round);
		run_glancing(s, round);
	}
}

static void
run_unsupported(unsigned verb)
{
	struct script s = { .slot = verb };
	uint64_t now = TIER_NS;

	script_plan(&s, 0);
	script_name(&s, k.name, sizeof k.name);
	s.answer = REND_UNSUPPORTED;
	k.script = &s;
	k.complained = k.open = false;
	k.at = k.answers = 0;
	submit(&s);
	check_end(0);
	check_left(0, 0, &now);
}

/* What the engine counted is what went on. */
static void
check_counts(void)
{
	static const char *const names[] = { "yes", "no", "fail" };

	k.complained = false;
	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		for (unsigned row = 1; row < FLOW_ROWS_MAX; row++)
			for (unsigned o = 0; o < 3; o++) {
				uint64_t counted = flow_row_ended(k.g.policy, v, row, (enum rend_outcome)o);

				snprintf(k.name, sizeof k.name, "%s, row %u, %s", rend_verb_name(v), row, names[o]);
				if (counted != k.ended[v][row][o])
					complain("counted %llu times instead of %llu", (unsigned long long)counted,
					    (unsigned long long)k.ended[v][row][o]);
			}
}

static void
run_all(void)
{
	k.g.tier.handler.can |= REND_CAN_AT_ONCE;
	glance_find(k.g.policy);
	k.glance = k.g.policy->glance;
	k.g.policy->glance = NULL;
	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		if (k.kit->slots != 0 && !(k.kit->slots & 1U << v))
			continue;
		else if (k.promised[v].steps != NULL)
			script_each(k.promised[v].steps, v, run_path, NULL);
		else if (v != REND_GET_TOUCH)
			run_unsupported(v);
	if (k.wrong == 0)
		check_counts();
}

unsigned
policy_kit_run(const struct policy_kit *kit, FILE *out)
{
	const struct rend_walk *promised = kit->policy->pick(kit->conf, kit->l1_can);
	struct rend_error err = { 0 };

	memset(&k, 0, sizeof k);
	k.kit = kit;
	k.promised = promised;
	k.out = out;
	k.elsewhere = elsewhere_new();
	if (k.elsewhere == NULL)
		abort();
	if (graph_open(&k.g, kit, kit->instead != NULL ? kit->instead : promised, &scripted, run_row, &err) != 0)
		complain("%s", err.text);
	else
		run_all();
	graph_close(&k.g);
	elsewhere_free(&k.elsewhere);
	clock_unfake();
	return k.wrong;
}
