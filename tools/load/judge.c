/* What is thought of what came: see judge.h. */
#include "judge.h"

#include <stdio.h>

/* "set ABCD", "get ABCD and 3 more". */
static const char *
subject(const struct drive *d, const struct request *r, char buf[KEYS_NAME_MAX + 64])
{
	char name[KEYS_NAME_MAX + 1] = "";

	if (r->verb < VERB_VERSION)
		*keys_name(&d->keys, r->key, name) = '\0';
	if (r->width > 1)
		snprintf(
		    buf, KEYS_NAME_MAX + 64, "%s %s and %u more", verb_name(r->verb), name, (unsigned)r->width - 1);
	else
		snprintf(buf, KEYS_NAME_MAX + 64, "%s%s%s", verb_name(r->verb), *name == '\0' ? "" : " ", name);
	return buf;
}

/* What it might have been answered. */
static const char *
expected(const struct request *r, char buf[200])
{
	size_t used = 0;

	*buf = '\0';
	for (int o = 0; o < OUTCOME_COUNT; o++)
		if (r->may >> o & 1)
			used += (size_t)snprintf(buf + used, 200 - used, "%s%s", used == 0 ? "" : " or ",
			    o == OUTCOME_OK && verb_reads(r->verb) ? "a hit" : outcome_name((enum outcome)o));
	return buf;
}

void
judge_value(struct drive *d, struct request *r, const struct inspect *i)
{
	char who[KEYS_NAME_MAX + 64], what[400];
	struct request one = { .verb = r->verb, .key = i->key, .width = 1 };

	const char *why = NULL;

	r->heard++;
	if (d->stage.plan->value != NULL)
		why = d->stage.plan->value(d->stage.plan, r, i);
	if (i->fault != FAULT_NONE) {
		inspect_tell(i, what, sizeof what);
		why = what;
	}
	if (why == NULL)
		return;
	r->wrong = true;
	faults_tell(&d->faults, FAULTS_WRONG, "%s: %s", subject(d, &one, who), why);
}

static void
count(struct drive *d, const struct request *r, const struct answer *a, uint64_t now)
{
	struct tally *t = &d->tally[r->verb];

	tally_add(t, now - r->due);
	t->keys += r->width;
	if (a->outcome == OUTCOME_ERROR)
		t->errors++;
	if (verb_reads(r->verb)) {
		t->hits += r->heard;
		t->misses += a->outcome == OUTCOME_ERROR ? 0 : r->width - r->heard;
	} else if (a->outcome == OUTCOME_OK) {
		t->hits++;
	} else if (a->outcome != OUTCOME_ERROR) {
		t->misses++;
	}
}

void
judge_answer(struct drive *d, struct request *r, const struct answer *a, struct interval *in, uint64_t now)
{
	char who[KEYS_NAME_MAX + 64], want[200];
	const char *why = NULL;

	if (a->outcome == OUTCOME_ERROR)
		faults_tell(&d->faults, FAULTS_ERROR, "%s: the server said \"%s\"", subject(d, r, who), a->text);
	r->wrong |= !(r->may >> a->outcome & 1);
	if (a->outcome != OUTCOME_ERROR && !(r->may >> a->outcome & 1))
		faults_tell(&d->faults, FAULTS_WRONG, "%s: expected %s, heard %s", subject(d, r, who),
		    expected(r, want),
		    a->outcome == OUTCOME_OK && verb_reads(r->verb) ? "a hit" : outcome_name(a->outcome));
	if (d->stage.plan->answered != NULL)
		why = d->stage.plan->answered(d->stage.plan, r, a);
	if (why != NULL)
		faults_tell(&d->faults, FAULTS_WRONG, "%s: %s", subject(d, r, who), why);
	if (r->counted)
		count(d, r, a, now);
	if (in != NULL) {
		in->requests++;
		in->keys += r->width;
		in->errors += a->outcome == OUTCOME_ERROR;
		interval_time(in, now - r->due);
	}
}

void
judge_lost(struct drive *d, struct request *r, const char *why)
{
	char who[KEYS_NAME_MAX + 64];

	if (why != NULL)
		faults_tell(&d->faults, FAULTS_LOST, "%s: no answer: %s", subject(d, r, who), why);
	if (d->stage.plan->lost != NULL)
		d->stage.plan->lost(d->stage.plan, r);
}

void
judge_broken(struct drive *d, const struct request *r, const char *why)
{
	char who[KEYS_NAME_MAX + 64];

	faults_tell(
	    &d->faults, FAULTS_BROKEN, "%s%s%s", r == NULL ? "" : subject(d, r, who), r == NULL ? "" : ": ", why);
}
