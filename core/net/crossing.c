/* All connections on their way to another process: see crossing.h. */
#include "net/crossing.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "net/conn.h"
#include "net/errands.h"
#include "net/passage.h"
#include "net/patience.h"
#include "net/server.h"
#include "net/swap.h"

/* Who has said something within so many seconds is busy. */
#define BUSY_S 2

struct crossing {
	int to;
	uint64_t until;	  /* monotonic ns */
	unsigned at_once; /* how many together, */
	size_t bytes;	  /* and how much of their input from each worker */
};

/* Has it said something lately? */
static bool
is_busy(const struct conn *c)
{
	return (uint32_t)(clock_now() / 1000000000) - c->heard < BUSY_S;
}

/* Where they go one by one, one that cannot does not keep the next. */
static int
pass_some(struct loop *l, const struct crossing *x, struct departure *d, bool busy)
{
	size_t left = d->bytes;
	int rc = 0;

	LIST_EACH (k, &l->conns) {
		struct conn *c = LIST_OBJ(k, struct conn, listed);

		if (c->passed || !passage_is_open(c) || is_busy(c) != busy)
			continue;
		if (departure_add(d, c) == 0 && (x->at_once > 1 || departure_end(d) == 0)) {
			left = d->bytes;
			continue;
		}
		rc = -1;
		if (x->at_once > 1)
			return -1;
		departure_begin(d, x->to, x->until, x->at_once, left);
	}
	return rc;
}

/* Those first that will say something soon: they are the first to be heard there, too. */
static int
pass_all(struct loop *l, const struct crossing *x, struct departure *d)
{
	int rc;

	departure_begin(d, x->to, x->until, x->at_once, x->bytes);
	rc = pass_some(l, x, d, true);
	if (rc != 0 && x->at_once > 1)
		return -1;
	rc |= pass_some(l, x, d, false);
	if (rc != 0 && x->at_once > 1)
		return -1;
	return departure_end(d) == 0 ? rc : -1;
}

static void
pass_here(struct loop *l, struct errand *e)
{
	struct departure d;

	l->hold_until = UINT64_MAX;
	e->said = pass_all(l, e->arg, &d) == 0;
	if (!e->said)
		error_set(&e->err, EX_TEMPFAIL, "a connection cannot be passed: %s", strerror(errno));
}

int
crossing_pass(struct server *s, int to, uint64_t until, unsigned at_once, struct rend_error *err)
{
	const struct crossing crossing = {
		.to = to, .until = until, .at_once = at_once, .bytes = PASSAGE_BYTES / (size_t)s->loop_count
	};

	return errands(s, pass_here, &crossing, err) ? 0 : -1;
}

static void
leave_here(struct loop *l, struct errand *e)
{
	LIST_EACH (k, &l->conns) {
		struct conn *c = LIST_OBJ(k, struct conn, listed);

		if (c->passed)
			conn_leave(c);
	}
	e->said = true;
}

void
crossing_leave(struct server *s)
{
	errands_one_by_one(s, leave_here, NULL);
}

static void
stay_here(struct loop *l, struct errand *e)
{
	LIST_EACH (k, &l->conns) {
		struct conn *c = LIST_OBJ(k, struct conn, listed);

		if (!c->passed)
			continue;
		c->passed = false;
		patience_update(c, 0);
	}
	if (l->holding)
		swap_go_on(l);
	e->said = true;
}

void
crossing_stay(struct server *s)
{
	errands_one_by_one(s, stay_here, NULL);
}

static void
finish_here(struct loop *l, struct errand *e)
{
	LIST_EACH (k, &l->conns)
		conn_finish(LIST_OBJ(k, struct conn, listed));
	e->said = true;
}

void
crossing_finish(struct server *s)
{
	errands_one_by_one(s, finish_here, NULL);
}
