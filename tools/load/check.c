/*
 * check: many connections, few keys, and every value that is read is held against the history of its key (history.h).
 *
 *	next ──► flight: when it began ──► answered, value, lost ──► history of the key ──► what cannot be
 *
 * An operation begins before its first byte is sent and is over after its last byte was read, both by the clock of this one process, so
 * "a was over before b began" is true whichever servers they went to.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "ear.h"
#include "drive.h"
#include "history.h"
#include "json.h"
#include "tool.h"
#include "workload.h"

/* The verbs whose outcome tells what the value is now. */
#define BIT(verb) (1U << VERB_##verb)
#define JUDGED                                                                                                       \
	(BIT(GET) | BIT(GETS) | BIT(GAT) | BIT(GATS) | BIT(SET) | BIT(ADD) | BIT(REPLACE) | BIT(CAS) | BIT(DELETE) | \
	    BIT(TOUCH) | BIT(FLUSH))

/* An operation under way; in a list, the oldest first. */
struct flight {
	uint64_t begin;
	uint32_t before, after; /* places; while it is free, after is the next free one */
};

enum { OLDEST, YOUNGEST = OLDEST }; /* place 0 is both ends */

struct checker {
	struct plan plan;
	struct workload work;
	struct history_rules rules;
	struct history *histories;
	uint64_t *tokens; /* the last version that gets said, of each key */

	struct flight *flights;
	uint32_t room, free;

	/* What is reported. */
	uint64_t born, ops, reads, misses, writes, refused, unknown, removals, unjudged;
	uint64_t foreign, damaged, found[HISTORY_KINDS];
	char why[400];
};

/* ---- operations under way ---- */

static uint32_t
take_off(struct checker *c)
{
	uint32_t at = c->free;
	struct flight *f;

	if (at == 0) {
		struct flight *more = realloc(c->flights, 2 * c->room * sizeof *more);

		if (more == NULL)
			return 0;
		c->flights = more;
		for (uint32_t i = c->room; i < 2 * c->room; i++)
			c->flights[i].after = i + 1 < 2 * c->room ? i + 1 : 0;
		at = c->room;
		c->room *= 2;
	}
	f = &c->flights[at];
	c->free = f->after;
	f->begin = drive_now();
	f->before = c->flights[YOUNGEST].before;
	f->after = OLDEST;
	c->flights[f->before].after = at;
	c->flights[YOUNGEST].before = at;
	return at;
}

static void
land(struct checker *c, uint32_t at)
{
	struct flight *f = &c->flights[at];

	c->flights[f->before].after = f->after;
	c->flights[f->after].before = f->before;
	f->after = c->free;
	c->free = at;
}

/* Nothing under way began before this. */
static uint64_t
horizon(const struct checker *c, uint64_t now)
{
	uint32_t oldest = c->flights[OLDEST].after;

	return oldest == OLDEST ? now : c->flights[oldest].begin;
}

static struct history *
history_of(struct checker *c, uint32_t key)
{
	return &c->histories[key];
}

/* ---- asking ---- */

static void
ask_read(struct checker *c, struct request *r, uint32_t *slots)
{
	struct workload *w = &c->work;

	r->width = (uint32_t)spread_draw(&w->settings->width, &w->random);
	if (r->verb == VERB_GAT || r->verb == VERB_GATS) {
		/* Of several keys it would not be known which were touched. */
		r->width = 1;
		r->ttl = (uint32_t)spread_draw(&w->settings->ttl, &w->random);
	}
	for (uint32_t i = 0; i < r->width && r->width > 1; i++)
		slots[i] = keys_pick(&w->keys, &w->random);
	r->key = r->width > 1 ? slots[0] : keys_pick(&w->keys, &w->random);
	r->may = MAY(OK) | MAY(MISS);
}

static void
ask_write(struct checker *c, struct request *r, enum verb v)
{
	workload_store(&c->work, r, v, keys_pick(&c->work.keys, &c->work.random));
	r->may |= MAY(TOO_LARGE);
	if (v == VERB_ADD || v == VERB_REPLACE)
		r->may |= MAY(NOT_STORED);
	if (v == VERB_CAS) {
		r->may |= MAY(EXISTS) | MAY(MISS);
		r->cas = c->tokens[r->key] == 0 ? 1 : c->tokens[r->key];
	}
}

static void
begin(struct checker *c, const struct request *r)
{
	struct history *h = history_of(c, r->key);

	if (verb_stores(r->verb))
		history_write(h, r->piece[0].version, c->flights[r->mark].begin, r->ttl);
	else if (r->verb == VERB_DELETE)
		history_remove(h);
	else if (r->verb == VERB_TOUCH || r->verb == VERB_GAT || r->verb == VERB_GATS)
		history_touch(h, r->ttl);
	else if (r->verb == VERB_FLUSH)
		for (uint32_t k = 0; k < c->work.keys.count; k++)
			history_remove(history_of(c, k));
}

static bool
next(struct plan *plan, uint32_t wire, struct request *r, uint32_t *slots)
{
	struct checker *c = (struct checker *)plan;
	enum verb v = workload_verb(&c->work);

	r->mark = take_off(c);
	if (r->mark == 0)
		return false;
	r->verb = (uint8_t)v;
	if (verb_reads(v)) {
		ask_read(c, r, slots);
	} else if (verb_stores(v)) {
		ask_write(c, r, v);
	} else {
		r->key = v == VERB_FLUSH ? 0 : keys_pick(&c->work.keys, &c->work.random);
		r->ttl = v == VERB_TOUCH ? (uint32_t)spread_draw(&c->work.settings->ttl, &c->work.random) : 0;
		r->may = v == VERB_FLUSH ? MAY(OK) : MAY(OK) | MAY(MISS);
	}
	begin(c, r);
	c->ops++;
	return true;
}

/* ---- telling ---- */

/* Seconds since the run began. */
static double
seconds(const struct checker *c, uint64_t ns)
{
	return ((double)ns - (double)c->born) / 1e9;
}

static int
tell_version(const struct checker *c, char *to, size_t size, const struct version *v)
{
	static const char *const names[] = { [HISTORY_DELETE] = "a delete", [HISTORY_FLUSH] = "a flush_all" };
	char end[40], read[40] = "";

	if (v->what == HISTORY_EARLIER)
		return snprintf(to, size, "version %" PRIu64, v->number);
	if (v->what != HISTORY_WRITE)
		return snprintf(to, size, "%s [%.6f, %.6f]", names[v->what], seconds(c, v->begin), seconds(c, v->end));
	if (v->end == HISTORY_NEVER)
		snprintf(end, sizeof end, "no answer");
	else
		snprintf(end, sizeof end, "%.6f", seconds(c, v->end));
	/* Before it was acknowledged. */
	if (v->first < v->end)
		snprintf(read, sizeof read, ", read by %.6f", seconds(c, v->first));
	return snprintf(
	    to, size, "version %" PRIu64 " (written [%.6f, %s]%s)", v->number, seconds(c, v->begin), end, read);
}

/* NULL, or a sentence with both operations. */
static const char *
tell(struct checker *c, const struct history_finding *f, uint64_t from, uint64_t until)
{
	size_t used;

	c->unjudged += !f->judged;
	if (f->kind == HISTORY_FINE)
		return NULL;
	c->found[f->kind]++;
	used = (size_t)snprintf(c->why, sizeof c->why, "%s: in [%.6f, %.6f] heard ", history_name(f->kind),
	    seconds(c, from), seconds(c, until));
	if (f->kind == HISTORY_LOST)
		used += (size_t)snprintf(c->why + used, sizeof c->why - used, "a miss");
	else
		used += (size_t)tell_version(c, c->why + used, sizeof c->why - used, &f->seen);
	if (f->kind == HISTORY_UNWRITTEN) {
		snprintf(c->why + used, sizeof c->why - used, ", which nobody had written, or whose write was refused");
		return c->why;
	}
	if (f->kind == HISTORY_EXPIRED) {
		snprintf(c->why + used, sizeof c->why - used, ", which had expired by %.6f", seconds(c, f->expired));
		return c->why;
	}
	used += (size_t)snprintf(c->why + used, sizeof c->why - used, "%s",
	    f->kind == HISTORY_LOST	     ? ", though nothing had removed "
	    : f->kind == HISTORY_RESURRECTED ? ", removed by "
	    : f->kind == HISTORY_STALE	     ? ", replaced by "
					     : ", after somebody had read ");
	used += (size_t)tell_version(c, c->why + used, sizeof c->why - used, &f->by);
	if (f->kind == HISTORY_INVERSION)
		snprintf(
		    c->why + used, sizeof c->why - used, ", last in a read that began at %.6f", seconds(c, f->by.last));
	return c->why;
}

/* ---- hearing ---- */

static const char *
value(struct plan *plan, const struct request *r, const struct inspect *i)
{
	struct checker *c = (struct checker *)plan;
	uint64_t from = c->flights[r->mark].begin, now = drive_now();
	struct history_finding f;

	if (i->fault != FAULT_NONE) {
		c->foreign += i->fault == FAULT_KEY;
		c->damaged += i->fault != FAULT_KEY;
		return NULL;
	}
	c->reads++;
	if (i->found.len != i->len) {
		c->damaged++;
		return "several values, one behind the other";
	}
	f = history_read(history_of(c, i->key), &c->rules, i->found.version, from, now);
	return tell(c, &f, from, now);
}

static const char *
answered_write(struct checker *c, const struct request *r, const struct answer *a, uint64_t from, uint64_t now)
{
	struct history *h = history_of(c, r->key);
	struct history_finding f;

	c->writes++;
	if (a->outcome == OUTCOME_OK) {
		history_written(h, r->piece[0].version, now);
		return NULL;
	}
	if (a->outcome == OUTCOME_ERROR || a->outcome == OUTCOME_TOO_LARGE) {
		c->unknown++;
		history_unanswered(h, r->piece[0].version);
		return NULL;
	}
	c->refused++;
	f = history_refused(h, r->piece[0].version);
	return tell(c, &f, from, now);
}

static void
removed(struct checker *c, const struct request *r, const struct answer *a, uint64_t from, uint64_t now)
{
	uint32_t first = r->verb == VERB_FLUSH ? 0 : r->key;
	uint32_t end = r->verb == VERB_FLUSH ? c->work.keys.count : r->key + 1;

	c->removals++;
	for (uint32_t k = first; k < end; k++) {
		struct history *h = history_of(c, k);

		if (a == NULL || a->outcome == OUTCOME_ERROR)
			history_unremoved(h);
		else
			history_removed(h, r->verb == VERB_FLUSH ? HISTORY_FLUSH : HISTORY_DELETE, from, now);
		history_tidy(h, &c->rules, horizon(c, now));
	}
}

static void
touched(struct checker *c, const struct request *r, const struct answer *a, uint64_t from, uint64_t now)
{
	enum lifetime_end how = a == NULL || a->outcome == OUTCOME_ERROR ? LIFETIME_UNANSWERED
				: a->outcome == OUTCOME_OK		 ? LIFETIME_TOUCHED
									 : LIFETIME_MISSED;

	history_touched(history_of(c, r->key), how, from, now, r->ttl, &c->rules);
}

static const char *
missed(struct checker *c, const struct request *r, const struct answer *a, uint64_t from, uint64_t now)
{
	struct history_finding f;

	if (r->width > 1 || a->outcome != OUTCOME_MISS)
		return NULL;
	c->misses += verb_reads(r->verb);
	f = history_miss(history_of(c, r->key), &c->rules, from);
	return tell(c, &f, from, now);
}

static const char *
answered(struct plan *plan, const struct request *r, const struct answer *a)
{
	struct checker *c = (struct checker *)plan;
	uint64_t from = c->flights[r->mark].begin, now = drive_now();
	const char *why = NULL;

	land(c, r->mark);
	if (r->verb == VERB_TOUCH || r->verb == VERB_GAT || r->verb == VERB_GATS)
		touched(c, r, a, from, now);
	if (verb_stores(r->verb))
		why = answered_write(c, r, a, from, now);
	else if (r->verb == VERB_DELETE || r->verb == VERB_FLUSH)
		removed(c, r, a, from, now);
	else
		why = missed(c, r, a, from, now);
	if ((r->verb == VERB_GETS || r->verb == VERB_GATS) && r->width == 1 && a->outcome == OUTCOME_OK)
		c->tokens[r->key] = a->cas;
	history_tidy(history_of(c, r->key), &c->rules, horizon(c, now));
	return why;
}

/* Not answered: nobody knows whether it was carried out, or will be. */
static void
lost(struct plan *plan, const struct request *r)
{
	struct checker *c = (struct checker *)plan;
	uint64_t from = c->flights[r->mark].begin, now = drive_now();

	land(c, r->mark);
	if (verb_stores(r->verb)) {
		c->writes++;
		c->unknown++;
		history_unanswered(history_of(c, r->key), r->piece[0].version);
	} else if (r->verb == VERB_DELETE || r->verb == VERB_FLUSH) {
		removed(c, r, NULL, from, now);
	} else if (r->verb == VERB_TOUCH || r->verb == VERB_GAT || r->verb == VERB_GATS) {
		touched(c, r, NULL, from, now);
	}
}

/* ---- the end ---- */

static uint64_t
violations(const struct checker *c)
{
	uint64_t all = c->foreign + c->damaged;

	for (int k = HISTORY_FINE + 1; k < HISTORY_KINDS; k++)
		all += c->found[k];
	return all;
}

static void
report_json(const struct checker *c, struct json *j)
{
	json_object(j, "check");
	json_text(j, "promise", c->rules.atomic ? "atomic" : "fresh");
	json_count(j, "ops", c->ops);
	json_count(j, "values_checked", c->reads);
	json_count(j, "misses", c->misses);
	json_count(j, "writes", c->writes);
	json_count(j, "writes_refused", c->refused);
	json_count(j, "writes_unknown", c->unknown);
	json_count(j, "removals", c->removals);
	json_count(j, "unjudged", c->unjudged);
	json_count(j, "violations", violations(c));
	json_object(j, "kinds");
	json_count(j, "foreign", c->foreign);
	json_count(j, "damaged", c->damaged);
	for (int k = HISTORY_FINE + 1; k < HISTORY_KINDS; k++)
		json_count(j, history_name((enum history_kind)k), c->found[k]);
	json_close(j, '}');
	json_close(j, '}');
}

static bool
report(struct plan *plan, FILE *to, struct json *j)
{
	const struct checker *c = (const struct checker *)plan;

	if (j != NULL)
		report_json(c, j);
	if (to == NULL)
		return violations(c) == 0;
	fprintf(to,
	    "check (%s): %" PRIu64 " operations, %" PRIu64 " values checked, %" PRIu64 " misses, %" PRIu64
	    " writes (%" PRIu64 " refused, %" PRIu64 " of unknown outcome), %" PRIu64 " removals\n",
	    c->rules.atomic ? "atomic" : "fresh", c->ops, c->reads, c->misses, c->writes, c->refused, c->unknown,
	    c->removals);
	fprintf(to, "violations: %" PRIu64 ":", violations(c));
	fprintf(to, " %" PRIu64 " foreign, %" PRIu64 " damaged", c->foreign, c->damaged);
	for (int k = HISTORY_FINE + 1; k < HISTORY_KINDS; k++)
		fprintf(to, ", %" PRIu64 " %s", c->found[k], history_name((enum history_kind)k));
	fprintf(to, "\n");
	if (c->unjudged > 0)
		fprintf(to, "%" PRIu64 " values could not be judged: too many writes had no answer\n", c->unjudged);
	return violations(c) == 0;
}

static void
check_free(struct plan *plan)
{
	struct checker *c = (struct checker *)plan;

	for (uint32_t k = 0; c->histories != NULL && k < c->work.keys.count; k++)
		history_fini(&c->histories[k]);
	free(c->histories);
	free(c->tokens);
	free(c->flights);
	free(c);
}

static const char *
refusal(const struct settings *s)
{
	for (int v = 0; v < VERB_COUNT; v++)
		if (s->mix[v] > 0 && !(JUDGED >> v & 1))
			return "the mix can have get gets gat gats set add replace cas delete touch flush_all";
	if (s->preload)
		return "it begins with what is there: no --preload";
	return NULL;
}

static struct plan *
check_plan(const struct settings *s, const struct target *t, const char **why)
{
	struct checker *c;

	*why = refusal(s);
	if (*why != NULL)
		return NULL;
	*why = "no memory";
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	c->plan = (struct plan){ .next = next,
		.value = value,
		.answered = answered,
		.lost = lost,
		.report = report,
		.free = check_free,
		.largest = spread_max(&s->size) };
	c->born = drive_now();
	workload_init(&c->work, s, 1);
	/* Each value says its version. */
	c->work.least = STAMP_HEAD;
	c->rules = (struct history_rules){
		.atomic = !s->fresh, .no_evictions = s->no_evictions, .slack = s->slack, .base = c->work.version
	};
	c->room = s->connections * s->depth + 2;
	c->histories = calloc(c->work.keys.count, sizeof *c->histories);
	c->tokens = calloc(c->work.keys.count, sizeof *c->tokens);
	c->flights = calloc(c->room, sizeof *c->flights);
	if (c->histories == NULL || c->tokens == NULL || c->flights == NULL) {
		check_free(&c->plan);
		return NULL;
	}
	for (uint32_t i = 1; i + 1 < c->room; i++)
		c->flights[i].after = i + 1;
	c->free = 1;
	return &c->plan;
}

static const char *const defaults[] = {
	"--mix=get:100,gets:20,gat:10,gats:5,set:50,add:10,replace:10,cas:20,delete:20,touch:10,flush_all:0.2",
	"--size=24-2KiB", "--keys=20", "--prefix=check.", "-w=32", "--ttl=0", NULL
};

const struct tool tool_check = { "check",
	"no read may be stale: many connections, few keys, each value held against its key's history", defaults,
	check_plan };
