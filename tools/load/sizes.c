/* sizes: values that grow from 0 bytes to beyond what the server takes.  Each is read after it was stored, or refused. */
#include <inttypes.h>
#include <stdlib.h>

#include "ear.h"
#include "inquiry.h"
#include "json.h"
#include "tool.h"
#include "workload.h"

#define LIMIT  (UINT64_C(1) << 20) /* if the server does not say */
#define BEYOND 65536		   /* so far */
#define OWN    2048		   /* of an item that is not its value: so near to the limit both may be */

struct sizes {
	struct plan plan;
	struct workload work;
	uint64_t limit, next;
	uint64_t stored, refused, tried; /* the largest, the smallest, how many */
	struct turn {
		bool asked;   /* and it is to be read now */
		bool refused; /* it was too large */
		struct piece piece;
	} turns[]; /* one for each connection, which has one key */
};

static bool
next(struct plan *plan, uint32_t wire, struct request *r, uint32_t *slots)
{
	struct sizes *z = (struct sizes *)plan;
	struct turn *t = &z->turns[wire];

	r->key = wire;
	if (t->asked) {
		r->verb = VERB_GET;
		r->may = t->refused ? MAY(MISS) : z->work.settings->may_evict ? MAY(OK) | MAY(MISS) : MAY(OK);
		r->check = CHECK_PIECES;
		r->pieces = 1;
		r->piece[0] = t->piece;
		t->asked = false;
		return true;
	}
	if (z->next > z->limit + BEYOND)
		return false;
	workload_store(&z->work, r, VERB_SET, wire);
	r->piece[0].len = (uint32_t)z->next;
	r->may = z->next > z->limit ? MAY(TOO_LARGE) : z->next + OWN > z->limit ? MAY(OK) | MAY(TOO_LARGE) : MAY(OK);
	r->mark = wire;
	z->next += z->work.settings->step;
	z->tried++;
	t->piece = r->piece[0];
	t->asked = true;
	return true;
}

static const char *
answered(struct plan *plan, const struct request *r, const struct answer *a)
{
	struct sizes *z = (struct sizes *)plan;
	struct turn *t = &z->turns[r->mark];
	uint64_t size = r->piece[0].len;

	if (r->verb != VERB_SET)
		return NULL;
	t->refused = a->outcome != OUTCOME_OK;
	if (a->outcome == OUTCOME_OK && size > z->stored)
		z->stored = size;
	if (a->outcome == OUTCOME_TOO_LARGE && size < z->refused)
		z->refused = size;
	return NULL;
}

static void
lost(struct plan *plan, const struct request *r)
{
	struct sizes *z = (struct sizes *)plan;

	/* Whether it was stored nobody knows: on with the next size. */
	if (r->verb == VERB_SET)
		z->turns[r->mark].asked = false;
}

static bool
report(struct plan *plan, FILE *to, struct json *j)
{
	struct sizes *z = (struct sizes *)plan;
	bool fine = z->refused > z->stored;

	if (to != NULL) {
		fprintf(to, "%" PRIu64 " sizes from 0 in steps of %" PRIu64 "; the largest that was stored: %" PRIu64,
		    z->tried, z->work.settings->step, z->stored);
		if (z->refused == UINT64_MAX)
			fprintf(to, "; none was too large\n");
		else
			fprintf(to, "; the smallest that was too large: %" PRIu64 "\n", z->refused);
		if (!fine)
			fprintf(to, "WRONG: what is smaller was too large\n");
	}
	if (j != NULL) {
		json_object(j, "sizes");
		json_count(j, "tried", z->tried);
		json_count(j, "limit", z->limit);
		json_count(j, "largest_stored", z->stored);
		if (z->refused != UINT64_MAX)
			json_count(j, "smallest_refused", z->refused);
		json_close(j, '}');
	}
	return fine;
}

static void
sizes_free(struct plan *plan)
{
	free(plan);
}

static struct plan *
sizes_plan(const struct settings *s, const struct target *t, const char **why)
{
	struct sizes *z;
	uint64_t limit;

	if (s->depth > 1) {
		*why = "each get wants to know how its set ended: --depth 1";
		return NULL;
	}
	if (s->keys < s->connections) {
		*why = "there are fewer keys than connections, and each wants a key of its own";
		return NULL;
	}
	z = calloc(1, sizeof *z + s->connections * sizeof *z->turns);
	if (z == NULL) {
		*why = "no memory";
		return NULL;
	}
	z->plan =
	    (struct plan){ .next = next, .answered = answered, .lost = lost, .report = report, .free = sizes_free };
	workload_init(&z->work, s, 1);
	z->refused = UINT64_MAX;
	z->limit = s->limit != 0 ? s->limit : LIMIT;
	if (s->limit == 0 && inquiry_number(t, s->proto, s->timeout, "settings", "item_size_max", &limit) &&
	    limit > 0 && limit <= SIZE_MOST - 2 * BEYOND)
		z->limit = limit;
	z->plan.largest = z->limit + BEYOND + s->step;
	return &z->plan;
}

/* As many requests as it takes. */
static const char *const defaults[] = { "--step=100", "--flags", "--requests=1G", NULL };

const struct tool tool_sizes = { "sizes", "values growing from 0 bytes to beyond the limit, verified", defaults,
	sizes_plan };
