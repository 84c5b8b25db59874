/* Says what a run came to: see report.h. */
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "quantity.h"
#include "tool.h"

static const char *const ends[] = {
	[DRIVE_BY_REQUESTS] = "requests",
	[DRIVE_BY_TIME] = "time",
	[DRIVE_BY_PLAN] = "done",
	[DRIVE_BY_SIGNAL] = "signal",
	[DRIVE_BY_SERVER] = "server",
};

/* ---- tables ---- */

static void
verb_row(FILE *to, const char *name, const struct tally *t)
{
	char brief[QUANTITY_SHORT];

	fprintf(to, "%-9s %10" PRIu64 " %10" PRIu64 " %9" PRIu64 " %7" PRIu64, name, t->requests, t->hits, t->misses,
	    t->errors);
	for (size_t i = 0; i < TALLY_QUANTILES; i++)
		fprintf(to, " %8s", quantity_time(brief, tally_quantile(t, tally_quantiles[i].share)));
	fprintf(to, " %8s\n", quantity_time(brief, t->longest));
}

/* Steps of a histogram for people: three to a decade. */
static uint64_t
step_after(uint64_t ns)
{
	uint64_t decade = 1;

	while (decade * 10 <= ns)
		decade *= 10;
	return ns < 2 * decade ? 2 * decade : ns < 5 * decade ? 5 * decade : 10 * decade;
}

#define BAR 50

static void
histogram_rows(FILE *to, const struct tally *t)
{
	uint64_t low = 0, high = 1000, seen = 0, most = 1;
	uint64_t counts[64] = { 0 };
	unsigned n = 0, first = 64;
	size_t b = 0;

	for (; n < 64 && seen < t->requests; n++, low = high, high = step_after(high)) {
		for (; b < HISTOGRAM_BUCKETS && histogram_bucket_end(b) <= high; b++)
			counts[n] += t->times.counts[b];
		seen += counts[n];
		if (counts[n] > most)
			most = counts[n];
		if (counts[n] > 0 && first == 64)
			first = n;
	}
	seen = 0;
	low = 0;
	high = 1000;
	for (unsigned i = 0; i < n; i++, low = high, high = step_after(high)) {
		char from[QUANTITY_SHORT], until[QUANTITY_SHORT];
		int bar = (int)((double)counts[i] * BAR / (double)most + 0.5);

		seen += counts[i];
		if (i < first)
			continue;
		fprintf(to, "  %8s ..%8s %10" PRIu64 " %6.2f%% %.*s\n", quantity_time(from, low),
		    quantity_time(until, high), counts[i], 100.0 * (double)seen / (double)t->requests,
		    counts[i] > 0 && bar == 0 ? 1 : bar, "##################################################");
	}
}

static void
verb_tables(const struct summary *s, FILE *to)
{
	const struct drive *d = s->drive;

	fprintf(to, "%-9s %10s %10s %9s %7s", "", "requests", "hits", "misses", "errors");
	for (size_t i = 0; i < TALLY_QUANTILES; i++)
		fprintf(to, " %8s", tally_quantiles[i].name);
	fprintf(to, " %8s\n", "max");
	for (int v = 0; v < VERB_COUNT; v++)
		if (d->tally[v].requests > 0)
			verb_row(to, verb_name((enum verb)v), &d->tally[v]);
	verb_row(to, "all", &s->all);
	for (int v = 0; v < VERB_COUNT; v++)
		if (d->tally[v].requests > 0) {
			fprintf(to, "\n%s\n", verb_name((enum verb)v));
			histogram_rows(to, &d->tally[v]);
		}
}

static void
process_lines(const struct summary *s, FILE *to)
{
	const struct drive *d = s->drive;
	char name[PROCESS_NAME], before[QUANTITY_SHORT], end[QUANTITY_SHORT];

	for (uint32_t i = 0; i < d->settings->pid_count; i++) {
		double cpu = (double)(d->process[i].end.cpu - d->process[i].start.cpu) / 1e3;

		process_name(d->settings->pids[i], name);
		fprintf(to, "process %u (%s): %.2f us CPU per request, %.2f per key; memory %s before, %s after\n",
		    (unsigned)d->settings->pids[i], name, s->all.requests == 0 ? 0 : cpu / (double)s->all.requests,
		    s->all.keys == 0 ? 0 : cpu / (double)s->all.keys, quantity_bytes(before, d->process[i].before.rss),
		    quantity_bytes(end, d->process[i].end.rss));
	}
	fprintf(to, "rend-load itself: %.2f us CPU per request\n", s->own_request);
}

void
report_tables(const struct report *r, FILE *to)
{
	const struct summary *s = r->summary;
	const struct drive *d = s->drive;
	const struct settings *set = d->settings;
	char brief[QUANTITY_SHORT];

	fprintf(to, "%s, %s (%s), %s, %u connections, depth %u, seed %" PRIu64 "\n", set->tool->name, d->target.name,
	    r->server_version, set->proto->name, (unsigned)set->connections, (unsigned)set->depth, set->seed);
	fprintf(to, "%" PRIu64 " requests in %.3f s: %.0f a second", s->all.requests, s->seconds, s->rate);
	if (s->all.keys != s->all.requests)
		fprintf(to, ", %.0f keys a second", s->key_rate);
	if (d->end == DRIVE_BY_SIGNAL)
		fprintf(to, "; ended by a signal");
	fprintf(to, "\n\n");
	verb_tables(s, to);
	fprintf(to, "\n");
	process_lines(s, to);
	fprintf(to, "connections: %" PRIu64 " opened, %" PRIu64 " not taken, %" PRIu64 " closed by the server\n",
	    d->opened, d->refused, d->ended);
	if (d->unsent > 0)
		fprintf(to, "%" PRIu64 " requests were due and not sent at the end, the oldest for %s: all were busy\n",
		    d->unsent, quantity_time(brief, d->unsent_for));
	fprintf(to, "faults: %" PRIu64 " wrong, %" PRIu64 " lost, %" PRIu64 " protocol, %" PRIu64 " errors\n",
	    d->faults.count[FAULTS_WRONG], d->faults.count[FAULTS_LOST], d->faults.count[FAULTS_BROKEN],
	    d->faults.count[FAULTS_ERROR]);
}

/* ---- JSON ---- */

static void
json_latency(struct json *j, const struct tally *t)
{
	json_object(j, "latency");
	json_real(j, "mean_us", tally_mean(t) / 1e3, 3);
	for (size_t i = 0; i < TALLY_QUANTILES; i++)
		json_real(j, tally_quantiles[i].field, (double)tally_quantile(t, tally_quantiles[i].share) / 1e3, 3);
	json_real(j, "max_us", (double)t->longest / 1e3, 3);
	json_close(j, '}');
}

static void
json_tally(struct json *j, const struct tally *t)
{
	json_count(j, "requests", t->requests);
	json_count(j, "keys", t->keys);
	json_count(j, "hits", t->hits);
	json_count(j, "misses", t->misses);
	json_count(j, "errors", t->errors);
	json_latency(j, t);
}

static void
json_commands(struct json *j, const struct drive *d)
{
	json_object(j, "commands");
	for (int v = 0; v < VERB_COUNT; v++) {
		const struct tally *t = &d->tally[v];

		if (t->requests == 0)
			continue;
		json_object(j, verb_name((enum verb)v));
		json_tally(j, t);
		json_array(j, "histogram");
		for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++)
			if (t->times.counts[b] > 0) {
				json_array(j, NULL);
				json_count(j, NULL, histogram_bucket_end(b));
				json_count(j, NULL, t->times.counts[b]);
				json_close(j, ']');
			}
		json_close(j, ']');
		json_close(j, '}');
	}
	json_close(j, '}');
}

static void
json_intervals(struct json *j, const struct summary *s)
{
	const struct timeline *t = &s->drive->timeline;
	double step = (double)t->step / 1e9;

	json_real(j, "interval_seconds", step, 3);
	json_real(j, "intervals_from", (double)t->start / 1e9, 6);
	json_array(j, "intervals");
	for (uint32_t i = 0; i < t->count; i++) {
		double at = step * i, len = at + step <= s->seconds ? step : s->seconds - at;

		if (len <= 0)
			break;
		json_object(j, NULL);
		json_real(j, "at", at, 3);
		json_real(j, "seconds", len, 6);
		json_count(j, "requests", t->at[i].requests);
		json_count(j, "keys", t->at[i].keys);
		json_count(j, "errors", t->at[i].errors);
		json_real(j, "max_us", (double)t->at[i].longest / 1e3, 3);
		json_array(j, "histogram");
		for (unsigned b = 0; b < TIMELINE_BUCKETS; b++)
			if (t->at[i].times[b] > 0) {
				json_array(j, NULL);
				json_count(j, NULL, interval_bucket_end(b));
				json_count(j, NULL, t->at[i].times[b]);
				json_close(j, ']');
			}
		json_close(j, ']');
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void
json_processes(struct json *j, const struct summary *s)
{
	const struct drive *d = s->drive;
	char name[PROCESS_NAME];

	json_real(j, "cpu_us_per_request", s->cpu_request, 4);
	json_real(j, "cpu_us_per_key", s->cpu_key, 4);
	json_array(j, "processes");
	for (uint32_t i = 0; i < d->settings->pid_count; i++) {
		const struct process_sample *a = &d->process[i].start, *b = &d->process[i].end;

		process_name(d->settings->pids[i], name);
		json_object(j, NULL);
		json_count(j, "pid", d->settings->pids[i]);
		json_text(j, "name", name);
		json_real(j, "cpu_seconds", (double)(b->cpu - a->cpu) / 1e9, 6);
		json_real(j, "user_seconds", (double)(b->user - a->user) / 1e9, 2);
		json_real(j, "system_seconds", (double)(b->system - a->system) / 1e9, 2);
		json_count(j, "rss_before", d->process[i].before.rss);
		json_count(j, "rss_idle", d->process[i].idle.rss);
		json_count(j, "rss_start", a->rss);
		json_count(j, "rss_end", b->rss);
		json_count(j, "rss_peak", b->rss_peak);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_object(j, "client");
	json_real(j, "cpu_seconds", (double)d->own_cpu / 1e9, 6);
	json_real(j, "cpu_us_per_request", s->own_request, 4);
	json_real(j, "cpu_us_per_key", s->own_key, 4);
	json_close(j, '}');
}

static void
json_settings(struct json *j, const struct settings *s)
{
	json_object(j, "settings");
	json_text(j, "protocol", s->proto->name);
	json_count(j, "connections", s->connections);
	json_count(j, "idle", s->idle);
	json_count(j, "depth", s->depth);
	json_real(j, "rate", s->rate, 3);
	json_text(j, "arrivals", s->rate == 0 ? "closed" : s->poisson ? "poisson" : "constant");
	json_real(j, "churn", s->churn, 3);
	json_count(j, "keys", s->keys);
	json_count(j, "key_length", strlen(s->prefix) + s->letters);
	json_text(j, "dist", s->order);
	json_real(j, "warmup_seconds", (double)s->warmup / 1e9, 3);
	json_real(j, "timeout_seconds", (double)s->timeout / 1e9, 3);
	json_truth(j, "preload", s->preload);
	json_count(j, "seed", s->seed);
	json_object(j, "mix");
	for (int v = 0; v < VERB_COUNT; v++)
		if (s->mix[v] > 0)
			json_real(j, verb_name((enum verb)v), s->mix[v] / s->mix_all, 6);
	json_close(j, '}');
	json_close(j, '}');
}

static void
json_head(const struct report *r, struct json *j)
{
	const struct drive *d = r->summary->drive;
	struct utsname host;

	json_text(j, "program", "rend-load " PACKAGE_VERSION);
	json_text(j, "tool", d->settings->tool->name);
	json_array(j, "arguments");
	for (int i = 0; i < d->settings->argc; i++)
		json_text(j, NULL, d->settings->argv[i]);
	json_close(j, ']');
	json_text(j, "started", r->started);
	if (uname(&host) == 0)
		json_text(j, "kernel", host.release);
	json_count(j, "cpus", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	json_text(j, "server", d->target.name);
	json_array(j, "also");
	for (uint32_t i = 0; i < d->settings->also_count; i++)
		json_text(j, NULL, d->also[i].name);
	json_close(j, ']');
	json_text(j, "server_version", r->server_version);
	json_settings(j, d->settings);
}

static void
json_faults(const struct report *r, struct json *j)
{
	const struct faults *f = &r->summary->drive->faults;

	json_array(j, "faults");
	for (uint32_t i = 0; i < f->texts; i++)
		json_text(j, NULL, f->text[i]);
	json_close(j, ']');
	json_array(j, "assertions");
	for (uint32_t i = 0; i < r->claim_count; i++) {
		json_object(j, NULL);
		json_text(j, "text", r->claims[i]);
		json_truth(j, "holds", r->held[i]);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void
report_json(const struct report *r, struct json *j)
{
	const struct summary *s = r->summary;
	const struct drive *d = s->drive;

	json_object(j, NULL);
	json_head(r, j);
	json_text(j, "ended_by", ends[d->end]);
	json_count(j, "status", (uint64_t)r->status);
	json_real(j, "seconds", s->seconds, 6);
	json_real(j, "requests_per_second", s->rate, 1);
	json_real(j, "keys_per_second", s->key_rate, 1);
	json_real(j, "hit_ratio", s->hit_ratio, 6);
	json_tally(j, &s->all);
	for (int k = 0; k < FAULTS_ERROR; k++)
		json_count(j, faults_name((enum faults_kind)k), d->faults.count[k]);
	json_count(j, "server_errors", d->faults.count[FAULTS_ERROR]);
	json_count(j, "unsent", d->unsent);
	json_real(j, "unsent_for_us", (double)d->unsent_for / 1e3, 3);
	json_object(j, "connections");
	json_count(j, "opened", d->opened);
	json_count(j, "refused", d->refused);
	json_count(j, "closed", d->ended);
	json_close(j, '}');
	json_count(j, "bytes_sent", d->bytes_out);
	json_count(j, "bytes_received", d->bytes_in);
	json_processes(j, s);
	json_commands(j, d);
	json_intervals(j, s);
	json_faults(r, j);
}
