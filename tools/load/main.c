/* rend-load: loads a server that speaks memcached's protocol, and checks every answer. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "claim.h"
#include "inquiry.h"
#include "preload.h"
#include "progress.h"
#include "report.h"
#include "tool.h"
#include "workload.h"

/* Half a megabyte: too large for a stack. */
static struct drive drive;
static struct summary summary;

static int
complain(int status, const char *what, const char *why)
{
	fprintf(stderr, "rend-load: %s%s%s\n", what, why == NULL ? "" : ": ", why == NULL ? "" : why);
	return status;
}

/* ---- assertions ---- */

#define CLAIMS (SETTINGS_CLAIMS * 8)

struct verdict {
	const char *text[CLAIMS];
	bool held[CLAIMS];
	uint32_t count, failed;
};

/* Are they well said?  0 or EX_USAGE. */
static int
claims_check(const struct settings *s)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->claim_count; i++)
		for (const char *text = s->claims[i], *rest; text != NULL; text = rest) {
			struct claim c;
			const char *why = claim_parse(&c, text, &rest, &summary);

			if (why == NULL && ++count > CLAIMS)
				why = "these are too many";
			if (why == NULL)
				continue;
			fprintf(stderr, "rend-load: --assert %.*s: %s\n", (int)strcspn(text, ","), text, why);
			return EX_USAGE;
		}
	return 0;
}

static void
claim_judge(const struct claim *c, struct verdict *v)
{
	static char said[CLAIMS][120];
	char is[40], *text = said[v->count];
	double value;
	bool holds = claim_holds(c, &summary, &value);

	claim_value(c, &summary, is, sizeof is);
	snprintf(text, sizeof said[0], "%.*s: it is %s", (int)c->len, c->text, is);
	if (!holds) {
		fprintf(stderr, "rend-load: not true: %s\n", text);
		v->failed++;
	}
	v->held[v->count] = holds;
	v->text[v->count++] = text;
}

/* Are they true?  They are well said. */
static void
claims_judge(const struct settings *s, struct verdict *v)
{
	for (uint32_t i = 0; i < s->claim_count; i++)
		for (const char *text = s->claims[i]; text != NULL;) {
			struct claim c;

			claim_parse(&c, text, &text, &summary);
			claim_judge(&c, v);
		}
}

/* ---- the run ---- */

static int
preload(const struct settings *s)
{
	struct stage stage = { .plan = preload_plan(s), .depth = PRELOAD_DEPTH };

	if (stage.plan == NULL)
		return complain(EX_OSERR, "no memory", NULL);
	drive_run(&drive, &stage);
	stage.plan->free(stage.plan);
	return 0;
}

/* A file that cannot be made is not to be found out after an hour of load.  What is in it stays until there is something new. */
static int
try_json(const struct settings *s)
{
	FILE *f;

	if (s->json == NULL || strcmp(s->json, "-") == 0)
		return 0;
	f = fopen(s->json, "a");
	if (f == NULL)
		return complain(EX_CANTCREAT, s->json, strerror(errno));
	fclose(f);
	return 0;
}

static int
write_json(const struct settings *s, const struct report *r, struct plan *plan)
{
	struct json j = { .to = strcmp(s->json, "-") == 0 ? stdout : fopen(s->json, "w") };
	int bad;

	if (j.to == NULL)
		return complain(EX_CANTCREAT, s->json, strerror(errno));
	report_json(r, &j);
	if (plan->report != NULL)
		plan->report(plan, NULL, &j);
	json_close(&j, '}');
	bad = ferror(j.to) != 0;
	bad |= (j.to == stdout ? fflush(j.to) : fclose(j.to)) != 0;
	return bad ? complain(EX_IOERR, s->json, "cannot be written") : 0;
}

static int
status_of(const struct verdict *v, bool plan_fine)
{
	if (!summary_clean(&summary) || !plan_fine)
		return 1;
	if (v->failed > 0)
		return 2;
	return drive_interrupted() == 0 ? 0 : 128 + drive_interrupted();
}

static int
finish(const struct settings *s, struct report *r, struct plan *plan)
{
	bool tables = !s->quiet && (s->json == NULL || strcmp(s->json, "-") != 0), fine = true;
	static struct verdict verdict;
	int rc = 0;

	summary_make(&summary, &drive);
	if (tables)
		report_tables(r, stdout);
	if (plan->report != NULL)
		fine = plan->report(plan, tables ? stdout : NULL, NULL);
	claims_judge(s, &verdict);
	r->claims = verdict.text;
	r->held = verdict.held;
	r->claim_count = verdict.count;
	r->status = status_of(&verdict, fine);
	if (s->json != NULL)
		rc = write_json(s, r, plan);
	return r->status != 0 ? r->status : rc;
}

/* The plan is there, and the server was reached. */
static int
carry_out(const struct settings *s, struct report *r, struct plan *plan)
{
	const struct stage stage = { .plan = plan,
		.requests = s->requests,
		.duration = s->duration,
		.warmup = s->warmup,
		.rate = s->rate,
		.depth = s->depth,
		.counts = true };
	const char *why = drive_open(&drive, s, plan->largest);

	if (why != NULL)
		return complain(EX_UNAVAILABLE, drive.target.name, why);
	if (s->preload && preload(s) != 0)
		return EX_OSERR;
	drive_run(&drive, &stage);
	return finish(s, r, plan);
}

static int
run(const struct settings *s)
{
	struct report r = { .summary = &summary };
	const char *why = target_find(&drive.target, s->host, s->port, s->socket, s->timeout);
	struct plan *plan;
	time_t now = time(NULL);
	struct tm utc;
	int status;

	if (why != NULL)
		return complain(EX_UNAVAILABLE, drive.target.name, why);
	for (uint32_t i = 0; i < s->also_count; i++) {
		const char *path = *s->also[i].path == '\0' ? NULL : s->also[i].path;

		why = target_find(&drive.also[i], s->also[i].host, s->also[i].port, path, s->timeout);
		if (why != NULL)
			return complain(EX_UNAVAILABLE, drive.also[i].name, why);
	}
	strftime(r.started, sizeof r.started, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	if (inquiry_version(&drive.target, s->proto, s->timeout, r.server_version, sizeof r.server_version) != 0)
		snprintf(r.server_version, sizeof r.server_version, "version unknown");
	workload_keys(&drive.keys, s);
	plan = s->tool->plan(s, &drive.target, &why);
	if (plan == NULL)
		return complain(EX_USAGE, s->tool->name, why);
	status = carry_out(s, &r, plan);
	plan->free(plan);
	drive_close(&drive);
	return status;
}

int
main(int argc, char **argv)
{
	static struct settings settings;
	struct sigaction interrupt = { .sa_handler = drive_interrupt };
	int status = args_read(&settings, argc, argv);

	if (status != -1)
		return status;
	/* A summary of nothing: only names and units are looked at. */
	drive.settings = &settings;
	summary_make(&summary, &drive);
	if (claims_check(&settings) != 0)
		return EX_USAGE;
	signal(SIGPIPE, SIG_IGN);
	sigaddset(&interrupt.sa_mask, SIGINT);
	sigaddset(&interrupt.sa_mask, SIGTERM);
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGTERM, &interrupt, NULL);
	status = try_json(&settings);
	if (status != 0)
		return status;
	stamp_init();
	return run(&settings);
}
