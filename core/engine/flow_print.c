/* Paths and drawings of tables that have passed flow_check(): see flow_check.h. */
#include "engine/flow_check.h"

#include <ctype.h>
#include <string.h>

#define BUTS	  (sizeof((struct rend_step *)0)->but / sizeof(((struct rend_step *)0)->but[0]))
#define EDGES	  (4 + BUTS)
#define PATHS_MAX 4096 /* lines per verb: nobody reads more, and there may be astronomically many */

static const char *const outcome_names[] = { [REND_YES] = "yes", [REND_NO] = "no", [REND_FAIL] = "fail" };

/* ---- paths ---- */

/* A row on the way, and what came of it. */
struct stop {
	const struct rend_step *step;
	const char *came;
};

struct trail {
	const char *verb;
	const struct rend_step *steps;
	FILE *out;
	struct stop stops[FLOW_ROWS_MAX];
	unsigned lines;
};

static void
print_path(struct trail *t, unsigned len, unsigned late, const char *answer)
{
	int before = 0;

	if (t->lines++ >= PATHS_MAX)
		return;
	fprintf(t->out, "%-9s ", t->verb);
	for (unsigned i = 0; i < late; i++)
		before += fprintf(t->out, "%s=%s ", t->stops[i].step->name, t->stops[i].came);
	fprintf(t->out, "%*s-> %s", before < 40 ? 40 - before : 0, "", answer);
	for (unsigned i = late; i < len; i++)
		fprintf(t->out, "%s%s=%s", i == late ? "  then " : " ", t->stops[i].step->name, t->stops[i].came);
	fputc('\n', t->out);
}

static void trail_go(struct trail *t, uint8_t row, unsigned len, unsigned late, const char *answer);

/* The row ended with this outcome, or with this one of its statuses. */
static void
trail_came(struct trail *t, unsigned len, unsigned late, const char *answer, uint8_t edge, enum rend_outcome o,
    const char *came)
{
	const struct stop *stop = &t->stops[len - 1];
	bool settled = late < len;

	t->stops[len - 1].came = came;
	if (!settled && stop->step->run == NULL && !stop->step->aside)
		answer = outcome_names[o];
	if (!settled && edge == REND_REPLY_OK)
		answer = outcome_names[REND_YES];
	if (!settled && edge == REND_REPLY_MISS)
		answer = outcome_names[REND_NO];
	if (!settled && edge == REND_REPLY_OPEN)
		answer = outcome_names[REND_FAIL];
	/* A function that refuses answers DOWN. */
	if (!settled && edge == REND_REPLY_FAIL)
		answer = outcome_names[stop->step->run != NULL ? REND_FAIL : o];
	if (edge == REND_REPLY || edge == REND_REPLY_OK || edge == REND_REPLY_MISS || edge == REND_REPLY_FAIL ||
	    edge == REND_REPLY_OPEN)
		print_path(t, len, settled ? late : len, answer);
	else
		trail_go(t, edge, len, settled ? late : FLOW_ROWS_MAX, answer);
}

/* len rows are behind us; late: how many of them before the answer, FLOW_ROWS_MAX while there is none. */
static void
trail_go(struct trail *t, uint8_t row, unsigned len, unsigned late, const char *answer)
{
	const struct rend_step *step = &t->steps[row];

	if (t->lines > PATHS_MAX)
		return;
	if (step->late && late > len)
		late = len;
	t->stops[len++].step = step;
	trail_came(t, len, late, answer, step->yes, REND_YES, outcome_names[REND_YES]);
	trail_came(t, len, late, answer, step->no, REND_NO, outcome_names[REND_NO]);
	/* A function that cannot say does as if it had said the other thing, mostly: that is no path of its own. */
	if (step->run == NULL || (step->fail != step->yes && step->fail != step->no))
		trail_came(t, len, late, answer, step->fail, REND_FAIL, outcome_names[REND_FAIL]);
	for (size_t i = 0; i < BUTS && step->but[i].status != 0; i++) {
		enum rend_status s = (enum rend_status)step->but[i].status;

		trail_came(t, len, late, answer, step->but[i].row, rend_outcome(s), rend_status_name(s));
	}
}

void
flow_print_paths(const struct rend_policy *policy, const struct rend_walk *walks, FILE *out)
{
	for (unsigned v = 0; v < REND_VERB_COUNT; v++) {
		struct trail t = { .verb = rend_verb_name(v), .steps = walks[v].steps, .out = out };

		if (t.steps == NULL)
			continue;
		trail_go(&t, 1, 0, FLOW_ROWS_MAX, "?");
		if (t.lines > PATHS_MAX)
			fprintf(out, "%-9s ... and more\n", t.verb);
	}
}

/* ---- drawings ---- */

/* The name of a vertex may hold letters, digits and underscores. */
static void
put_id(FILE *out, const char *prefix, const char *verb, unsigned row)
{
	for (const char *p = prefix; *p != '\0'; p++)
		fputc(isalnum((unsigned char)*p) ? *p : '_', out);
	fprintf(out, "_%s_%u", verb, row);
}

static void
put_quoted(FILE *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
}

/* Ends are vertices, too: the reply, and the two that have a word of their own. */
static const struct end {
	uint8_t edge;
	const char *label;
} ends[] = {
	{ REND_REPLY, "reply" },
	{ REND_REPLY_OK, "reply: OK" },
	{ REND_REPLY_MISS, "reply: MISS" },
	{ REND_REPLY_FAIL, "reply: error" },
	{ REND_REPLY_OPEN, "reply: LOST" },
};

static void
draw_row(const struct rend_policy *policy, const struct rend_step *step, FILE *out)
{
	static const char *const leases[] = { "", "\\ntakes a lease", "\\ntakes a lease only", "\\nlooks",
		"\\nuses its lease" };

	if (step->run != NULL)
		fprintf(out, " [shape=diamond, label=\"%s\"", step->name);
	else
		fprintf(out, " [shape=box, label=\"%s\\n%s %s%s%s\"", step->name, policy->tiers[step->tier],
		    rend_verb_name(step->verb), leases[step->lease], step->repair ? "\\nis repaired" : "");
	if (step->late)
		fputs(", style=dashed", out);
	else if (step->aside)
		fputs(", style=dotted", out);
	if (step->guarded)
		fputs(", peripheries=2", out);
	fputs("];\n", out);
}

struct edge {
	uint8_t to;
	const char *came;
};

static unsigned
row_edges(const struct rend_step *step, struct edge edges[EDGES])
{
	unsigned n = 0;

	edges[n++] = (struct edge){ step->yes, outcome_names[REND_YES] };
	edges[n++] = (struct edge){ step->no, outcome_names[REND_NO] };
	edges[n++] = (struct edge){ step->fail, outcome_names[REND_FAIL] };
	for (size_t i = 0; i < BUTS && step->but[i].status != 0; i++)
		edges[n++] = (struct edge){ step->but[i].row, rend_status_name((enum rend_status)step->but[i].status) };
	if (step->joined != 0)
		edges[n++] = (struct edge){ step->joined, "yes, shared" };
	return n;
}

/* One arrow for all that goes the same way. */
static void
draw_edges(const struct rend_step *step, const char *prefix, const char *verb, unsigned row, FILE *out)
{
	struct edge edges[EDGES];
	unsigned n = row_edges(step, edges);

	for (unsigned i = 0; i < n; i++) {
		unsigned first = 0;

		while (edges[first].to != edges[i].to)
			first++;
		if (first != i)
			continue;
		fputs("\t\t", out);
		put_id(out, prefix, verb, row);
		fputs(" -> ", out);
		put_id(out, prefix, verb, edges[i].to);
		fprintf(out, " [label=\"%s", edges[i].came);
		for (unsigned j = i + 1; j < n; j++)
			if (edges[j].to == edges[i].to)
				fprintf(out, ", %s", edges[j].came);
		fputs("\"];\n", out);
	}
}

static bool
ends_in(const struct rend_step *steps, uint8_t edge)
{
	struct edge edges[EDGES];

	for (unsigned row = 1; row < flow_rows(steps); row++)
		for (unsigned i = 0, n = row_edges(&steps[row], edges); i < n; i++)
			if (edges[i].to == edge)
				return true;
	return false;
}

static void
draw_walk(
    const struct rend_policy *policy, const struct rend_walk *walk, const char *prefix, const char *verb, FILE *out)
{
	static const char *const guards[] = { "", ", guard: reads", ", guard: writes" };

	fputs("\tsubgraph cluster_", out);
	put_id(out, prefix, verb, 0);
	fputs(" {\n\t\tlabel=\"", out);
	put_quoted(out, prefix);
	fprintf(out, ": %s%s\";\n", verb, guards[walk->guard]);
	for (unsigned row = 1; row < flow_rows(walk->steps); row++) {
		fputs("\t\t", out);
		put_id(out, prefix, verb, row);
		draw_row(policy, &walk->steps[row], out);
	}
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (ends_in(walk->steps, ends[i].edge)) {
			fputs("\t\t", out);
			put_id(out, prefix, verb, ends[i].edge);
			fprintf(out, " [shape=plaintext, label=\"%s\"];\n", ends[i].label);
		}
	for (unsigned row = 1; row < flow_rows(walk->steps); row++)
		draw_edges(&walk->steps[row], prefix, verb, row, out);
	fputs("\t}\n", out);
}

void
flow_print_dot(const struct rend_policy *policy, const struct rend_walk *walks, const char *prefix, FILE *out)
{
	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		if (walks[v].steps != NULL)
			draw_walk(policy, &walks[v], prefix, rend_verb_name(v), out);
}
