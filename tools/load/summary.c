/* What a run came to: see summary.h. */
#include "summary.h"

#include <math.h>

static double
per(double what, uint64_t n)
{
	return n == 0 ? 0 : what / (double)n;
}

/* A number that there is only if there were n > 0 of something. */
static double
of(uint64_t n, double value)
{
	return n == 0 ? NAN : value;
}

void
summary_make(struct summary *s, const struct drive *d)
{
	uint64_t cpu = 0, hits = 0, misses = 0;

	*s = (struct summary){ .drive = d, .seconds = (double)drive_measured(d) / 1e9 };
	for (int v = 0; v < VERB_COUNT; v++) {
		tally_merge(&s->all, &d->tally[v]);
		if (verb_reads((enum verb)v)) {
			hits += d->tally[v].hits;
			misses += d->tally[v].misses;
		}
	}
	s->rate = s->seconds > 0 ? (double)s->all.requests / s->seconds : 0;
	s->key_rate = s->seconds > 0 ? (double)s->all.keys / s->seconds : 0;
	s->looked_for = hits + misses;
	s->hit_ratio = per((double)hits, s->looked_for);
	for (uint32_t i = 0; i < d->settings->pid_count; i++) {
		cpu += d->process[i].end.cpu - d->process[i].start.cpu;
		s->rss_before += d->process[i].before.rss;
		s->rss_idle += d->process[i].idle.rss;
		s->rss_start += d->process[i].start.rss;
		s->rss_end += d->process[i].end.rss;
	}
	s->cpu_request = per((double)cpu / 1e3, s->all.requests);
	s->cpu_key = per((double)cpu / 1e3, s->all.keys);
	s->own_request = per((double)d->own_cpu / 1e3, s->all.requests);
	s->own_key = per((double)d->own_cpu / 1e3, s->all.keys);
}

bool
summary_clean(const struct summary *s)
{
	const struct faults *f = &s->drive->faults;

	return f->count[FAULTS_WRONG] + f->count[FAULTS_BROKEN] == 0 &&
	       (f->count[FAULTS_LOST] == 0 || s->drive->settings->may_lose) &&
	       (f->count[FAULTS_ERROR] == 0 || s->drive->settings->may_fail);
}

static bool
is(const char *name, size_t len, const char *what)
{
	return strlen(what) == len && memcmp(name, what, len) == 0;
}

/* What each verb has, and all of them together. */
static bool
find_tally(const struct tally *t, const char *name, size_t len, double *value, enum summary_unit *unit)
{
	const struct {
		const char *name;
		double value;
		enum summary_unit unit;
	} rows[] = {
		{ "requests", (double)t->requests, SUMMARY_COUNT },
		{ "keys", (double)t->keys, SUMMARY_COUNT },
		{ "hits", (double)t->hits, SUMMARY_COUNT },
		{ "misses", (double)t->misses, SUMMARY_COUNT },
		{ "errors", (double)t->errors, SUMMARY_COUNT },
		{ "mean", of(t->requests, tally_mean(t)), SUMMARY_TIME },
		{ "max", of(t->requests, (double)t->longest), SUMMARY_TIME },
	};

	for (size_t i = 0; i < TALLY_QUANTILES; i++)
		if (is(name, len, tally_quantiles[i].name)) {
			*value = of(t->requests, (double)tally_quantile(t, tally_quantiles[i].share));
			*unit = SUMMARY_TIME;
			return true;
		}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (is(name, len, rows[i].name)) {
			*value = rows[i].value;
			*unit = rows[i].unit;
			return true;
		}
	return false;
}

bool
summary_find(const struct summary *s, const char *name, size_t len, double *value, enum summary_unit *unit)
{
	const struct drive *d = s->drive;
	uint32_t watched = d->settings->pid_count;
	const struct {
		const char *name;
		double value;
		enum summary_unit unit;
	} rows[] = {
		/* Also those outside the measured time. */
		{ "errors", (double)d->faults.count[FAULTS_ERROR], SUMMARY_COUNT },
		{ "wrong", (double)d->faults.count[FAULTS_WRONG], SUMMARY_COUNT },
		{ "lost", (double)d->faults.count[FAULTS_LOST], SUMMARY_COUNT },
		{ "protocol", (double)d->faults.count[FAULTS_BROKEN], SUMMARY_COUNT },
		{ "unsent", (double)d->unsent, SUMMARY_COUNT },
		{ "opened", (double)d->opened, SUMMARY_COUNT },
		{ "refused", (double)d->refused, SUMMARY_COUNT },
		{ "closed", (double)d->ended, SUMMARY_COUNT },
		{ "rate", s->rate, SUMMARY_COUNT },
		{ "key_rate", s->key_rate, SUMMARY_COUNT },
		{ "hit_ratio", of(s->looked_for, s->hit_ratio), SUMMARY_RATIO },
		{ "seconds", s->seconds * 1e9, SUMMARY_TIME },
		{ "cpu", of(watched, of(s->all.requests, s->cpu_request * 1e3)), SUMMARY_TIME },
		{ "own_cpu", of(s->all.requests, s->own_request * 1e3), SUMMARY_TIME },
		{ "rss", of(watched, (double)s->rss_end), SUMMARY_BYTES },
	};
	const char *dot = memchr(name, '.', len);
	enum verb v = dot == NULL ? VERB_COUNT : verb_find(name, (size_t)(dot - name));

	if (v != VERB_COUNT)
		return find_tally(&d->tally[v], dot + 1, len - (size_t)(dot + 1 - name), value, unit);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (is(name, len, rows[i].name)) {
			*value = rows[i].value;
			*unit = rows[i].unit;
			return true;
		}
	return find_tally(&s->all, name, len, value, unit);
}
