/* fill: stores as fast as it is asked to, and tells what the server makes of it: items, memory, evictions. */
#include <inttypes.h>
#include <stdlib.h>

#include "ear.h"
#include "inquiry.h"
#include "json.h"
#include "tool.h"
#include "workload.h"

#define ROWS 1024
/* ns: longer than that a look may not keep the load waiting, while it goes on. */
#define LOOK_AT_MOST UINT64_C(1000000000)

/* What the server's stats say at a time. */
struct row {
	uint64_t at; /* ns since the beginning */
	bool there;
	uint64_t items, bytes, limit, evictions, sets;
};

struct fill {
	struct plan plan;
	struct workload work;
	struct target target;
	struct row begin, rows[ROWS];
	uint32_t count, every, skipped; /* one of `every` intervals has a row */
};

static bool
next(struct plan *plan, uint32_t wire, struct request *r, uint32_t *slots)
{
	struct fill *f = (struct fill *)plan;

	workload_store(&f->work, r, VERB_SET, keys_pick(&f->work.keys, &f->work.random));
	return true;
}

static void
take_stat(void *arg, const char *name, const char *value)
{
	struct row *row = arg;
	const struct {
		const char *name;
		uint64_t *to;
	} wanted[] = {
		{ "curr_items", &row->items },
		{ "bytes", &row->bytes },
		{ "limit_maxbytes", &row->limit },
		{ "evictions", &row->evictions },
		{ "cmd_set", &row->sets },
	};
	uint64_t n;

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		if (strcmp(name, wanted[i].name) == 0 && ear_number(value, strlen(value), UINT64_MAX, &n))
			*wanted[i].to = n;
}

/* It blocks, for so many ns at the most. */
static struct row
look(struct fill *f, uint64_t at, uint64_t patience)
{
	struct row row = { .at = at };

	row.there = inquiry_stats(&f->target, f->work.settings->proto, patience, "", take_stat, &row) == 0;
	return row;
}

static void
add_row(struct fill *f, uint64_t since, uint64_t patience)
{
	f->skipped = 0;
	if (f->count == ROWS) {
		for (uint32_t i = 0; i < ROWS / 2; i++)
			f->rows[i] = f->rows[2 * i + 1];
		f->count = ROWS / 2;
		f->every *= 2;
	}
	f->rows[f->count++] = look(f, since, patience);
}

static void
tick(struct plan *plan, uint64_t since)
{
	struct fill *f = (struct fill *)plan;

	if (++f->skipped >= f->every)
		add_row(f, since, LOOK_AT_MOST);
}

/* How much a counter grew; one that is smaller than before began again. */
static uint64_t
growth(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static void
tell_row(const struct row *row, const struct row *before, FILE *to)
{
	double seconds = (double)(row->at - before->at) / 1e9;
	char bytes[QUANTITY_SHORT], limit[QUANTITY_SHORT];
	uint64_t evictions;

	if (!row->there) {
		fprintf(to, "%9.1f  the server gave no stats\n", (double)row->at / 1e9);
		return;
	}
	evictions = growth(row->evictions, before->evictions);
	fprintf(to, "%9.1f %10.0f %12" PRIu64 " %10s %10s %12" PRIu64 " %12.0f\n", (double)row->at / 1e9,
	    seconds > 0 ? (double)growth(row->sets, before->sets) / seconds : 0, row->items,
	    quantity_bytes(bytes, row->bytes), quantity_bytes(limit, row->limit), evictions,
	    seconds > 0 ? (double)evictions / seconds : 0);
}

static void
json_row(const struct row *row, struct json *j)
{
	json_object(j, NULL);
	json_real(j, "at", (double)row->at / 1e9, 3);
	json_count(j, "items", row->items);
	json_count(j, "bytes", row->bytes);
	json_count(j, "limit", row->limit);
	json_count(j, "evictions", row->evictions);
	json_count(j, "sets", row->sets);
	json_close(j, '}');
}

static bool
report(struct plan *plan, FILE *to, struct json *j)
{
	struct fill *f = (struct fill *)plan;
	const struct row *before = &f->begin;

	if (to != NULL)
		fprintf(to, "%9s %10s %12s %10s %10s %12s %12s\n", "seconds", "sets/s", "items", "bytes", "limit",
		    "evictions", "evictions/s");
	if (j != NULL)
		json_array(j, "server_stats");
	for (uint32_t i = 0; i < f->count; i++) {
		if (to != NULL)
			tell_row(&f->rows[i], before, to);
		if (j != NULL && f->rows[i].there)
			json_row(&f->rows[i], j);
		if (f->rows[i].there)
			before = &f->rows[i];
	}
	if (j != NULL)
		json_close(j, ']');
	return true;
}

/* The end of the measured time is a row, too. */
static void
over(struct plan *plan, uint64_t since)
{
	struct fill *f = (struct fill *)plan;

	add_row(f, since, f->work.settings->timeout);
}

static void
fill_free(struct plan *plan)
{
	free(plan);
}

static struct plan *
fill_plan(const struct settings *s, const struct target *t, const char **why)
{
	struct fill *f = calloc(1, sizeof *f);

	if (f == NULL) {
		*why = "no memory";
		return NULL;
	}
	f->plan = (struct plan){ .next = next,
		.tick = tick,
		.over = over,
		.report = report,
		.free = fill_free,
		.largest = spread_max(&s->size) };
	f->target = *t;
	f->every = 1;
	workload_init(&f->work, s, 1);
	f->begin = look(f, 0, s->timeout);
	return &f->plan;
}

static const char *const defaults[] = { "--size=5KiB-20KiB", NULL };

const struct tool tool_fill = { "fill", "stores as fast as asked: set rate, evictions, memory as stats show them",
	defaults, fill_plan };
