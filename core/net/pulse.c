/* Is a worker turning: see pulse.h. */
#include "net/pulse.h"

#include <stdio.h>

#include "base/clock.h"
#include "engine/node.h"
#include "net/loop.h"
#include "rend/log.h"

#define MS 1000000U

static void
come_back(struct rend_call *call)
{
	struct pulse *p = LIST_OBJ(call, struct pulse, call);
	struct loop *l = LIST_OBJ(p, struct loop, pulse);
	uint64_t took = clock_mono() - __atomic_load_n(&p->asked, __ATOMIC_RELAXED);

	histogram_add(&p->lag, took);
	worker_look(&l->worker);
	__atomic_store_n(&p->took, took, __ATOMIC_RELAXED);
	__atomic_store_n(&p->out, false, __ATOMIC_RELEASE);
}

static void
ask(struct loop *l, uint64_t now)
{
	struct pulse *p = &l->pulse;

	__atomic_store_n(&p->asked, now, __ATOMIC_RELAXED);
	__atomic_store_n(&p->out, true, __ATOMIC_RELEASE);
	p->call.fn = come_back;
	rend_post(&l->worker, &p->call);
}

static void
say_who(const struct loop *l, uint64_t ms, uint64_t unsaid)
{
	const struct rend_node *at = worker_at(&l->worker);
	char before[64] = "";

	if (unsaid > 0)
		snprintf(before, sizeof before, " (%llu such times before were not told)", (unsigned long long)unsaid);
	if (at != NULL)
		rend_log(REND_LOG_WARN, "worker %d has not turned for %llu ms: it is in node %s (plugin %s)%s",
		    l->worker.index, (unsigned long long)ms, at->name, plugin_name(at->plugin), before);
	else
		rend_log(REND_LOG_WARN,
		    "worker %d has not turned for %llu ms: it is in an event or call of a plugin, or in the core%s",
		    l->worker.index, (unsigned long long)ms, before);
}

static void
stall(struct loop *l, uint64_t now)
{
	struct pulse *p = &l->pulse;

	if (p->told)
		return;
	p->told = true;
	__atomic_store_n(&p->stalls, p->stalls + 1, __ATOMIC_RELAXED);
	if (p->said != 0 && now - p->said < PULSE_SAY_NS) {
		p->unsaid++;
		return;
	}
	say_who(l, (now - p->asked) / MS, p->unsaid);
	p->said = now;
	p->unsaid = 0;
}

void
pulse_feel(struct loop *l, uint64_t now)
{
	struct pulse *p = &l->pulse;

	if (__atomic_load_n(&p->out, __ATOMIC_ACQUIRE)) {
		if (now - p->asked >= PULSE_STALL_NS)
			stall(l, now);
		return;
	}
	/* If it was told that it does not turn, it is told that it does. */
	if (p->told && p->unsaid == 0)
		rend_log(REND_LOG_INFO, "worker %d turns again: it had not for %llu ms", l->worker.index,
		    (unsigned long long)(__atomic_load_n(&p->took, __ATOMIC_RELAXED) / MS));
	p->told = false;
	ask(l, now);
}

uint64_t
pulse_missing(const struct loop *l, uint64_t now)
{
	const struct pulse *p = &l->pulse;
	uint64_t asked;

	if (!__atomic_load_n(&p->out, __ATOMIC_ACQUIRE))
		return 0;
	asked = __atomic_load_n(&p->asked, __ATOMIC_RELAXED);
	return now > asked && now - asked >= PULSE_STALL_NS ? now - asked : 0;
}
