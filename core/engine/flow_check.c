/*
 * Refuses wrong tables: see flow_check.h.  First each row by itself, then loops and rows that nobody reaches, then what
 * is known on the way to each row: has the client an answer, is there an item to store.  That is a handful of facts per
 * row, so the time it takes does not grow with the number of paths, which may be astronomic.
 */
#include "engine/flow_check.h"

#include <stdarg.h>
#include <string.h>
#include <sysexits.h>

#define BUTS	     (sizeof((struct rend_step *)0)->but / sizeof(((struct rend_step *)0)->but[0]))
#define EDGES	     (4 + BUTS)
#define NAME_MAX_ROW 32 /* bytes */

struct check {
	const struct rend_policy *policy;
	const struct rend_walk *walk;
	const struct rend_step *steps;
	unsigned slot, rows;
	int tier_count;
	uint32_t l1_can;
	struct rend_error *err;
};

/* What is known where a row begins; each bit doubles the states that it can be reached in. */
enum {
	ANSWERED = 1 << 0, /* a row that is not aside has ended */
	ITEM = 1 << 1,	   /* there is one: the client's, or a found one */
	PARTIAL = 1 << 2,  /* it was found by a get that did not ask for all that a copy needs */
	LATE = 1 << 3,	   /* the client has its answer */
	LEASED = 1 << 4,   /* a lease was taken */
	STATES = 1 << 5,
};

#define COPY_WANTS (REND_WANT_VALUE | REND_WANT_EXPTIME)

unsigned
flow_rows(const struct rend_step *steps)
{
	unsigned rows = 1;

	while (rows < FLOW_ROWS_MAX && steps[rows].name != NULL)
		rows++;
	return rows;
}

/* Row 0: the sentence is about the verb. */
static int refuse(const struct check *c, unsigned row, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int
refuse(const struct check *c, unsigned row, const char *fmt, ...)
{
	char what[256], where[64] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	if (row != 0)
		snprintf(where, sizeof where, ", row %u (%.*s)", row, NAME_MAX_ROW, c->steps[row].name);
	return error_set(
	    c->err, EX_SOFTWARE, "policy %s, %s%s: %s", c->policy->name, rend_verb_name(c->slot), where, what);
}

static bool
is_reply(unsigned edge)
{
	return edge == REND_REPLY || edge == REND_REPLY_FAIL || edge == REND_REPLY_OK || edge == REND_REPLY_MISS ||
	       edge == REND_REPLY_OPEN;
}

/* The row's edges: yes, no, fail, exceptions, and where one goes on who joined.  Returns how many. */
static unsigned
row_edges(const struct rend_step *step, uint8_t edges[EDGES])
{
	unsigned n = 3;

	edges[0] = step->yes;
	edges[1] = step->no;
	edges[2] = step->fail;
	for (size_t i = 0; i < BUTS && step->but[i].status != 0; i++)
		edges[n++] = step->but[i].row;
	if (step->join)
		edges[n++] = step->joined;
	return n;
}

/* ---- each row by itself ---- */

static int
check_name(const struct check *c, unsigned row)
{
	const char *name = c->steps[row].name;
	size_t len = strnlen(name, NAME_MAX_ROW + 1);

	if (len == 0 || len > NAME_MAX_ROW)
		return refuse(c, row, "its name has no letters, or more than %d", NAME_MAX_ROW);
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || strchr("\"\\={}<>|", name[i]) != NULL)
			return refuse(c, row, "its name has a character that drawings cannot show");
	for (unsigned r = 1; r < row; r++)
		if (strcmp(c->steps[r].name, name) == 0)
			return refuse(c, row, "row %u has the same name", r);
	return 0;
}

static int
check_but(const struct check *c, unsigned row)
{
	const struct rend_step *step = &c->steps[row];

	for (size_t i = 0; i < BUTS; i++) {
		if (step->but[i].status >= REND_STATUS_COUNT)
			return refuse(c, row, "an exception is for status %u, which is none", step->but[i].status);
		if (step->but[i].status == 0 && step->but[i].row != 0)
			return refuse(c, row, "an exception is for OK, which is what yes is for");
		if (i > 0 && step->but[i].status != 0 && step->but[i - 1].status == 0)
			return refuse(c, row, "an exception stands behind the end of the list");
		if (step->but[i].status != 0 && step->run != NULL)
			return refuse(c, row, "an exception to a function, which has no status");
	}
	return 0;
}

static int
check_edges(const struct check *c, unsigned row)
{
	uint8_t edges[EDGES];
	unsigned n = row_edges(&c->steps[row], edges);

	for (unsigned i = 0; i < n; i++)
		if (!is_reply(edges[i]) && edges[i] >= c->rows)
			return refuse(c, row, "it goes on to row %u, which has no name", edges[i]);
	if (c->steps[row].yes == REND_REPLY_FAIL || (c->steps[row].yes == REND_REPLY_OPEN && c->steps[row].run == NULL))
		return refuse(c, row, "a yes is answered with an error");
	return 0;
}

/* What is asked of whom. */
static int
check_ask(const struct check *c, unsigned row)
{
	const struct rend_step *step = &c->steps[row];

	if (step->tier >= c->tier_count)
		return refuse(c, row, "it asks tier %u of %d", step->tier, c->tier_count);
	if (step->verb >= REND_VERB_COUNT || step->verb == REND_GET_TOUCH)
		return refuse(c, row, "verb %u is none that a tier can be asked", step->verb);
	if (c->slot == REND_FLUSH_ALL && step->verb != REND_FLUSH_ALL)
		return refuse(c, row, "a flush_all has no key to %s", rend_verb_name(step->verb));
	return 0;
}

/* Handlers look at the guard where they insert, where they move an exptime, and where they leave a mark. */
static bool
row_can_be_guarded(const struct rend_step *step)
{
	uint32_t modes = step->mode | step->pass;

	if (step->run != NULL)
		return false;
	return rend_verb_stores(step->verb) || step->verb == REND_TOUCH ||
	       (step->verb == REND_GET && (modes & (REND_ALSO_TOUCH | REND_VIVIFY))) ||
	       (step->verb == REND_DELETE && (modes & (REND_INVALIDATE | REND_DROP_VALUE)));
}

static int
check_guarded(const struct check *c, unsigned row)
{
	const struct rend_step *step = &c->steps[row];

	if (!step->guarded)
		return 0;
	if (c->walk->guard == REND_UNGUARDED)
		return refuse(c, row, "it is guarded, but the walk has no guard");
	if (!row_can_be_guarded(step))
		return refuse(c, row, "it is guarded, but stores nothing");
	if (step->tier != 0)
		return refuse(c, row, "it is guarded, but asks tier %u: the guard is tier 0's", step->tier);
	if (!(c->l1_can & REND_CAN_GUARD) && step->lease != REND_LEASE_USE)
		return refuse(c, row,
		    "it is guarded, but the handler of tier %s asks the guard only of what uses a lease",
		    c->policy->tiers[0]);
	return 0;
}

/* Which rows may have to do with leases, and which may be repaired. */
static int
check_lease(const struct check *c, unsigned row)
{
	const struct rend_step *step = &c->steps[row];

	if (step->lease > REND_LEASE_USE)
		return refuse(c, row, "what it does with a lease is %u, which is nothing", step->lease);
	if (step->lease != REND_NO_LEASE && (step->run != NULL || step->tier != 0))
		return refuse(c, row, "it has to do with leases, but does not ask tier 0");
	if (step->lease != REND_NO_LEASE && !(c->l1_can & REND_CAN_LEASE))
		return refuse(
		    c, row, "it has to do with leases, and the handler of tier %s has none", c->policy->tiers[0]);
	if (step->lease == REND_LEASE_USE && step->verb != REND_SET && step->verb != REND_DELETE)
		return refuse(c, row, "it uses a lease, but is neither set nor delete");
	if (step->lease != REND_NO_LEASE && step->lease != REND_LEASE_USE && step->verb != REND_GET)
		return refuse(c, row, "it takes a lease, or looks for one, but is no get");
	if (step->repair && (step->run != NULL || step->tier != 0 || step->lease != REND_NO_LEASE ||
				(step->verb != REND_DELETE && step->verb != REND_FLUSH_ALL)))
		return refuse(c, row, "it is to be repaired, but is no plain delete or flush_all of tier 0");
	return 0;
}

/* Only tier 0 has to know this mode, and only if it knows the guard. */
static int
check_earlier(const struct check *c, unsigned row)
{
	const struct rend_step *step = &c->steps[row];

	if (!(step->mode & REND_ONLY_EARLIER))
		return 0;
	if (step->run != NULL || step->verb != REND_TOUCH || step->tier != 0 || c->walk->guard == REND_UNGUARDED ||
	    !(c->l1_can & REND_CAN_GUARD))
		return refuse(c, row, "only a touch of tier 0, in a walk with a guard, may be for what is earlier");
	return 0;
}

/* Who joins has to know whether anything was written since the other began. */
static int
check_join(const struct check *c, unsigned row)
{
	const struct rend_step *step = &c->steps[row];

	if (!step->join && step->joined != 0)
		return refuse(c, row, "it says where one goes on who joins, but nobody does");
	if (!step->join)
		return 0;
	if (step->run != NULL || step->verb != REND_GET || c->slot != REND_GET || step->late)
		return refuse(c, row, "it joins, but is no get before the answer to a get");
	if (step->tier == 0 || (c->walk->guard != REND_READS && !(c->l1_can & REND_CAN_LEASE)))
		return refuse(c, row, "it joins, but the walk has not looked at the guard");
	/* A yes that was shared ends the walk. */
	if (step->aside)
		return refuse(c, row, "it joins, but its status is not the answer");
	return 0;
}

static int
check_row(const struct check *c, unsigned row)
{
	if (check_name(c, row) != 0 || check_but(c, row) != 0 || check_edges(c, row) != 0)
		return -1;
	if (c->steps[row].run == NULL && check_ask(c, row) != 0)
		return -1;
	if (check_lease(c, row) != 0 || check_earlier(c, row) != 0 || check_join(c, row) != 0)
		return -1;
	return check_guarded(c, row);
}

/* ---- loops, and rows that nobody reaches ---- */

enum mark { UNSEEN, ON_THE_WAY, SEEN };

static int
check_loops(const struct check *c, unsigned row, enum mark marks[FLOW_ROWS_MAX])
{
	uint8_t edges[EDGES];
	unsigned n = row_edges(&c->steps[row], edges);

	marks[row] = ON_THE_WAY;
	for (unsigned i = 0; i < n; i++) {
		if (is_reply(edges[i]) || marks[edges[i]] == SEEN)
			continue;
		if (marks[edges[i]] == ON_THE_WAY)
			return refuse(c, row, "it goes back to row %u (%s)", edges[i], c->steps[edges[i]].name);
		if (check_loops(c, edges[i], marks) != 0)
			return -1;
	}
	marks[row] = SEEN;
	return 0;
}

static int
check_reach(const struct check *c)
{
	enum mark marks[FLOW_ROWS_MAX] = { UNSEEN };

	if (check_loops(c, 1, marks) != 0)
		return -1;
	for (unsigned row = 1; row < c->rows; row++)
		if (marks[row] == UNSEEN)
			return refuse(c, row, "no path comes here");
	return 0;
}

/* ---- what is known on the way ---- */

static unsigned
state_found(const struct check *c, unsigned row, unsigned state)
{
	uint32_t want = c->steps[row].want;

	state = (state | ITEM) & ~(unsigned)PARTIAL;
	return (want & COPY_WANTS) == COPY_WANTS ? state : state | PARTIAL;
}

/* The edges on which a walk has a lease from this row. */
static bool
edge_leased(const struct rend_step *step, unsigned edge)
{
	return (step->lease == REND_LEASE_TAKE && edge == 1) || (step->lease == REND_LEASE_ONLY && edge == 0);
}

static unsigned
edges_of(const struct rend_step *step)
{
	return row_edges(step, (uint8_t[EDGES]){ 0 });
}

/* What is known behind one of its edges. */
static unsigned
state_after(const struct check *c, unsigned row, unsigned state, unsigned edge)
{
	const struct rend_step *step = &c->steps[row];
	bool yes = edge == 0 || (step->join && edge == edges_of(step) - 1);
	bool found = yes && step->run == NULL && step->verb == REND_GET && step->lease != REND_LEASE_ONLY;

	if (edge_leased(step, edge))
		state |= LEASED;
	return found ? state_found(c, row, state) : state;
}

static int
check_state(const struct check *c, unsigned row, unsigned state)
{
	const struct rend_step *step = &c->steps[row];

	if (step->late && !(state & (LATE | ANSWERED)))
		return refuse(c, row, "it is late, but there is a path on which nobody has answered before");
	if (step->lease == REND_LEASE_USE && !(state & LEASED))
		return refuse(c, row, "it uses a lease, but there is a path on which none was taken");
	if (step->join && c->walk->guard != REND_READS && !(state & LEASED))
		return refuse(c, row, "it joins, but there is a path on which no lease was taken");
	if (step->run != NULL || !rend_verb_stores(step->verb))
		return 0;
	if (!(state & ITEM))
		return refuse(c, row, "it stores, but there is a path on which nothing was found before");
	if (state & PARTIAL)
		return refuse(c, row, "it stores what was found by a get that does not want value and exptime");
	return 0;
}

/* Rows are taken in the order in which walks come by, each state of a row once. */
static int
check_states(const struct check *c, unsigned row, unsigned state, uint32_t seen[FLOW_ROWS_MAX])
{
	const struct rend_step *step = &c->steps[row];
	uint8_t edges[EDGES];
	unsigned n = row_edges(step, edges);

	if (seen[row] & (1U << state))
		return 0;
	seen[row] |= 1U << state;
	if (check_state(c, row, state) != 0)
		return -1;
	if (step->late)
		state |= LATE;
	if (step->run == NULL && !step->aside)
		state |= ANSWERED;
	for (unsigned i = 0; i < n; i++) {
		unsigned after = state_after(c, row, state, i);

		if (edges[i] == REND_REPLY && !(after & (ANSWERED | LATE)))
			return refuse(c, row, "it replies, but there is a path on which nobody has answered");
		if (!is_reply(edges[i]) && check_states(c, edges[i], after, seen) != 0)
			return -1;
	}
	return 0;
}
_Static_assert(STATES <= 32, "a row's states are the bits of a uint32_t");

static int
check_walk(const struct check *c)
{
	uint32_t seen[FLOW_ROWS_MAX] = { 0 };

	if ((unsigned)c->walk->guard > REND_WRITES)
		return refuse(c, 0, "its guard is %d, which is none", (int)c->walk->guard);
	if (c->walk->guard != REND_UNGUARDED && c->steps == NULL)
		return refuse(c, 0, "it has a guard, but no rows");
	if (c->steps == NULL)
		return 0;
	if (c->walk->guard != REND_UNGUARDED && c->tier_count == 0)
		return refuse(c, 0, "it has a guard, but the policy has no tier");
	if (c->walk->guard != REND_UNGUARDED && !(c->l1_can & (REND_CAN_GUARD | REND_CAN_EXCLUDE)))
		return refuse(c, 0, "it has a guard, but the handler of tier %s cannot ask one", c->policy->tiers[0]);
	if (c->rows == 1)
		return refuse(c, 0, "its first row has no name");
	if (c->rows == FLOW_ROWS_MAX)
		return refuse(c, 0, "it has more than %d rows, or no end", FLOW_ROWS_MAX - 1);
	for (unsigned row = 1; row < c->rows; row++)
		if (check_row(c, row) != 0)
			return -1;
	if (check_reach(c) != 0)
		return -1;
	return check_states(c, 1, rend_verb_stores(c->slot) ? ITEM : 0, seen);
}

int
flow_check(const struct rend_policy *policy, const struct rend_walk *walks, int tier_count, uint32_t l1_can,
    struct rend_error *err)
{
	for (unsigned slot = 0; slot < REND_VERB_SLOTS; slot++) {
		struct check c = { .policy = policy, .walk = &walks[slot], .steps = walks[slot].steps, .slot = slot };

		c.rows = c.steps == NULL ? 0 : flow_rows(c.steps);
		c.tier_count = tier_count;
		c.l1_can = l1_can;
		c.err = err;
		if (slot >= REND_VERB_COUNT && c.steps != NULL)
			return error_set(
			    err, EX_SOFTWARE, "policy %s has rows for verb %u, which is none", policy->name, slot);
		if (check_walk(&c) != 0)
			return -1;
	}
	/* Otherwise a get that touches would be answered by tables that say nothing of other gets. */
	if (walks[REND_GET_TOUCH].steps != NULL && walks[REND_GET].steps == NULL)
		return error_set(err, EX_SOFTWARE, "policy %s has rows for get_touch, but none for get", policy->name);
	return 0;
}
