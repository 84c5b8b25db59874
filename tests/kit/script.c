/* Paths: see script.h. */
#include "script.h"

#include <stdio.h>
#include <string.h>

#define BUTS (sizeof((struct rend_step *)0)->but / sizeof(((struct rend_step *)0)->but[0]))

struct search {
	struct script script;
	const struct rend_step *steps;
	void (*each)(struct script *s, void *arg);
	void *arg;
};

static void search_go(struct search *s, unsigned row);

static void
search_came(struct search *s, unsigned edge, enum rend_outcome o, enum rend_status exactly)
{
	struct stop *stop = &s->script.stops[s->script.len - 1];

	stop->outcome = o;
	stop->exactly = exactly;
	if (edge != REND_REPLY && edge != REND_REPLY_OK && edge != REND_REPLY_MISS && edge != REND_REPLY_FAIL &&
	    edge != REND_REPLY_OPEN) {
		search_go(s, edge);
		return;
	}
	s->script.last_edge = (uint8_t)edge;
	s->each(&s->script, s->arg);
}

static void
search_go(struct search *s, unsigned row)
{
	const struct rend_step *step = &s->steps[row];

	s->script.stops[s->script.len++] = (struct stop){ .step = step, .row = row };
	search_came(s, step->yes, REND_YES, REND_OK);
	search_came(s, step->no, REND_NO, REND_OK);
	search_came(s, step->fail, REND_FAIL, REND_OK);
	for (size_t i = 0; i < BUTS && step->but[i].status != 0; i++) {
		enum rend_status status = (enum rend_status)step->but[i].status;

		search_came(s, step->but[i].row, rend_outcome(status), status);
	}
	s->script.len--;
}

void
script_each(const struct rend_step *steps, unsigned slot, void (*each)(struct script *, void *), void *arg)
{
	struct search s = { .script = { .slot = slot }, .steps = steps, .each = each, .arg = arg };

	search_go(&s, 1);
}

/* ---- planning ---- */

static bool
is_exception(const struct rend_step *step, unsigned status)
{
	for (size_t i = 0; i < BUTS && step->but[i].status != 0; i++)
		if (step->but[i].status == status)
			return true;
	return false;
}

/* The n-th of the statuses that have this outcome here, beginning again behind the last. */
static enum rend_status
nth_status(const struct rend_step *step, enum rend_outcome outcome, unsigned n)
{
	enum rend_status fit[REND_STATUS_COUNT];
	unsigned count = 0;

	for (unsigned s = 0; s < REND_STATUS_COUNT; s++)
		if (rend_outcome((enum rend_status)s) == outcome && !is_exception(step, s))
			fit[count++] = (enum rend_status)s;
	return count == 0 ? REND_OK : fit[n % count];
}

static void
plan_client(struct script *s, unsigned round)
{
	bool odd = round % 2 != 0;

	s->verb = s->slot == REND_GET_TOUCH ? REND_GET : s->slot;
	s->ask = (struct rend_ask){ .exptime = 1000, .vivify = 3000, .recache = 30, .cas = 77, .delta = 5 };
	if (s->verb == REND_GET)
		s->ask.want = REND_WANT_VALUE | REND_WANT_CAS;
	else
		s->ask.mode = REND_IF_CAS;
	if (s->slot == REND_GET_TOUCH)
		s->ask.mode = REND_ALSO_TOUCH;
	if (odd && s->verb == REND_GET)
		s->ask.mode |= REND_VIVIFY | REND_RECACHE | REND_NO_BUMP;
	if (odd && s->verb == REND_DELETE) {
		s->ask.mode |= REND_INVALIDATE | REND_DROP_VALUE;
		s->ask.cas_new = 88;
	}
	s->sent = (struct words_item){ .flags = 0 };
	if (rend_verb_stores(s->verb))
		s->sent = (struct words_item){ .text = "the client's", .flags = 11, .exptime = 5000 };
}

/* Does it make something in tier 0 that the other tiers do not have? */
static bool
alone_in_l1(const struct rend_step *step, uint32_t mode)
{
	if (step->tier != 0)
		return false;
	return step->verb == REND_GET	   ? (mode & REND_VIVIFY) != 0
	       : step->verb == REND_DELETE ? (mode & (REND_INVALIDATE | REND_DROP_VALUE)) != 0
					   : false;
}

static uint64_t
own_version(const struct script *s)
{
	return s->ask.cas_new != 0 ? s->ask.cas_new : SCRIPT_OWN_VERSION;
}

static void
plan_lease_ask(const struct script *s, struct stop *stop)
{
	struct rend_ask *ask = &stop->ask;

	switch ((enum rend_lease)stop->step->lease) {
	case REND_LEASE_ONLY:
		ask->want = 0;
		/* fall through */
	case REND_LEASE_TAKE:
		ask->want |= REND_WANT_CAS;
		ask->mode |= REND_VIVIFY;
		ask->vivify = SCRIPT_LEASE_TIME;
		ask->cas_new = SCRIPT_OWN_VERSION;
		return;
	case REND_LEASE_LOOK:
		ask->want |= REND_WANT_UNDER_WAY;
		return;
	case REND_LEASE_USE:
		ask->mode |= REND_IF_CAS;
		ask->cas = s->token;
		ask->link = s->link;
		if (s->link != 0)
			ask->cas_new = 0;
		return;
	default:
		return;
	}
}

/* A get of tier 0: what it says so that the walk takes it as planned, and which lease the walk has from then on. */
static void
plan_lease(struct script *s, struct stop *stop, unsigned round, unsigned i)
{
	static const uint32_t signs[] = { REND_WON, REND_SENT, REND_STALE | REND_WON };
	enum rend_lease lease = (enum rend_lease)stop->step->lease;
	bool empty = lease == REND_LEASE_TAKE	? stop->outcome == REND_NO
		     : lease == REND_LEASE_ONLY ? stop->outcome == REND_YES
						: lease == REND_LEASE_LOOK && stop->status == REND_EXISTS;
	bool value = lease == REND_LEASE_ONLY && stop->outcome == REND_NO;

	stop->said = stop->status;
	if (lease == REND_NO_LEASE || stop->step->verb != REND_GET)
		return;
	/* A handler with leases leaves an empty item on every miss. */
	if (empty && lease == REND_LEASE_TAKE)
		stop->status = REND_MISS;
	if (value)
		stop->status = REND_EXISTS;
	if (empty || value) {
		stop->said = REND_OK;
		if (stop->manner == NEVER)
			stop->manner = LATER;
	}
	if (empty)
		stop->found.signs = signs[(round + i) % 3];
	stop->found.link = round % 2 * 9;
	if (stop->said == REND_OK && lease != REND_LEASE_LOOK) {
		s->token = 300 + i;
		s->link = stop->found.link;
	}
}

/* What the tier is asked, given the item that the op has so far. */
static void
plan_ask(const struct script *s, struct stop *stop, const struct words_item *item)
{
	const struct rend_step *step = stop->step;
	bool clients = step->verb == s->verb;
	bool stores = rend_verb_stores(step->verb);
	uint32_t mode = step->mode | (s->ask.mode & step->pass);

	if (clients && !step->guarded && !step->own && step->lease == REND_NO_LEASE)
		stop->ask = s->ask;
	else
		stop->ask = (struct rend_ask){
			.want = clients ? s->ask.want : 0,
			.mode = mode,
			.exptime = s->ask.exptime,
			.vivify = s->ask.vivify,
			.recache = s->ask.recache,
			.cas = s->ask.cas,
			.cas_new = stores		     ? item->cas
				   : alone_in_l1(step, mode) ? own_version(s)
							     : 0,
		};
	plan_lease_ask(s, stop);
	if (step->verb == REND_GET)
		stop->ask.want |= step->want;
	stop->item = (struct words_item){ .flags = 0 };
	if (stores) {
		memcpy(stop->item.text, item->text, sizeof stop->item.text);
		stop->item.flags = item->flags;
		stop->item.exptime = item->exptime;
	}
}

static void
plan_found(struct stop *stop, unsigned i)
{
	struct words_item *f = &stop->found;

	*f = (struct words_item){ .flags = 0 };
	switch (stop->step->verb) {
	case REND_GET:
		f->flags = 100 + i;
		if (stop->ask.want & REND_WANT_VALUE)
			snprintf(f->text, sizeof f->text, "found in row %u", stop->row);
		if (stop->ask.want & REND_WANT_EXPTIME)
			f->exptime = 2000 + i;
		if (stop->ask.want & REND_WANT_CAS)
			f->cas = 300 + i;
		return;
	case REND_INCR:
	case REND_DECR:
		f->number = 500 + i;
		f->cas = 400 + i;
		return;
	default:
		if (rend_verb_stores(stop->step->verb))
			f->cas = 400 + i;
	}
}

static void
plan_came(const struct stop *stop, struct words_item *item)
{
	unsigned verb = stop->step->verb;

	if (stop->outcome != REND_YES || stop->step->run != NULL)
		return;
	if (verb == REND_GET && stop->step->lease == REND_LEASE_ONLY)
		return;
	if (verb == REND_GET) {
		*item = stop->found;
	} else if (!stop->step->aside && (rend_verb_stores(verb) || verb == REND_INCR || verb == REND_DECR)) {
		item->cas = stop->found.cas;
		item->number = stop->found.number;
	}
}

static void
plan_manner(struct stop *stop, unsigned round, unsigned i)
{
	stop->status = stop->exactly != REND_OK ? stop->exactly : nth_status(stop->step, stop->outcome, round + i);
	stop->manner = (enum manner)((round + i / 2) % 3);
	if (stop->status == REND_TIMEOUT && (round + i) / 8 % 2 == 0)
		stop->manner = NEVER;
}

void
script_plan(struct script *s, unsigned round)
{
	struct words_item item;
	bool late = false;

	plan_client(s, round);
	item = s->sent;
	s->token = s->link = 0;
	s->answer = REND_OK;
	for (unsigned i = 0; i < s->len; i++) {
		struct stop *stop = &s->stops[i];

		if (stop->step->late && !late) {
			late = true;
			s->answered = item;
		}
		stop->late = late;
		plan_manner(stop, round, i);
		plan_ask(s, stop, &item);
		plan_found(stop, i);
		plan_lease(s, stop, round, i);
		plan_came(stop, &item);
		if (!late && stop->step->run == NULL && !stop->step->aside)
			s->answer = stop->status;
	}
	if (late)
		return;
	s->answered = item;
	if (s->last_edge == REND_REPLY_OK)
		s->answer = REND_OK;
	if (s->last_edge == REND_REPLY_MISS)
		s->answer = REND_MISS;
	if (s->last_edge == REND_REPLY_OPEN)
		s->answer = REND_LOST;
	if (s->last_edge == REND_REPLY_FAIL)
		s->answer = s->stops[s->len - 1].step->run != NULL ? REND_DOWN : s->stops[s->len - 1].status;
}

void
script_name(const struct script *s, char *to, size_t size)
{
	static const char *const manners[] = { "", " later", " elsewhere", " never" };
	static const char *const outcomes[] = { "yes", "no", "fail" };
	int at = snprintf(to, size, "%s", rend_verb_name(s->slot));

	for (unsigned i = 0; i < s->len && at > 0 && (size_t)at < size; i++) {
		const struct stop *stop = &s->stops[i];

		at += snprintf(to + at, size - (size_t)at, ", %s=%s%s", stop->step->name,
		    stop->step->run != NULL ? outcomes[stop->outcome] : rend_status_name(stop->status),
		    stop->step->run != NULL ? "" : manners[stop->manner]);
	}
}

const char *
script_ask_say(const struct rend_ask *a, char *to)
{
	snprintf(to, 256, "want %#x mode %#x exptime %lld vivify %lld cas %llu cas_new %llu delta %llu link %llu",
	    a->want, a->mode, (long long)a->exptime, (long long)a->vivify, (unsigned long long)a->cas,
	    (unsigned long long)a->cas_new, (unsigned long long)a->delta, (unsigned long long)a->link);
	return to;
}

bool
script_guarded(const struct script *s, enum rend_guarding guard, unsigned at)
{
	switch (guard) {
	case REND_WRITES:
		return true;
	case REND_READS:
		for (unsigned i = 0; i <= at; i++)
			if (s->stops[i].step->run == NULL && (s->stops[i].step->tier != 0 || s->stops[i].step->guarded))
				return true;
		return false;
	default:
		return false;
	}
}

enum rend_status
script_last(const struct script *s, unsigned at, bool *asked)
{
	for (unsigned i = at; i-- > 0;)
		if (s->stops[i].step->run == NULL) {
			*asked = true;
			return s->stops[i].status;
		}
	*asked = false;
	return REND_OK;
}
